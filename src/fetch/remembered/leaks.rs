//! Private keys that were published at one address.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::jose::leaked::Leaked;

/// The public parts of private keys that were published at one address, whatever has become of its document.
#[derive(Default)]
pub(crate) struct Leaks(Mutex<Leaked>);

impl Leaks {
    pub(crate) fn get(&self) -> Leaked {
        self.leaked().clone()
    }

    pub(crate) fn add(&self, more: &Leaked) {
        let mut leaked = self.leaked();
        let all = more.since(&leaked);
        *leaked = all;
    }

    fn leaked(&self) -> MutexGuard<'_, Leaked> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
