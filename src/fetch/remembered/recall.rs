//! Documents that were kept elsewhere, for an address of which nothing is known here.

use std::{sync::Arc, time::Duration};

use crate::{
    fetch::remembered::{Documents, Fetched, Remembered, slot::Next},
    jose::leaked::Leaked,
};

impl<D: Documents> Remembered<D> {
    /// Whether it is worth looking elsewhere: there is no document, and the source would be asked.
    pub(crate) fn lacks(&self, url: &str) -> bool {
        let now = self.settings.clock.instant();
        let found = self.spaces().find(url);
        found.is_none_or(|(slot, _)| {
            let next = slot.next(now, &self.settings, |_| true);
            slot.last().is_none() && matches!(next, Next::Ask)
        })
    }

    /// Notes a document of this age, unless it is known here, or known to be withdrawn, and what was leaked with it.
    pub(crate) fn recall(&self, url: &str, kept: Fetched<D>, leaked: &Leaked, age: Duration) {
        let Fetched { document, bytes, max_age, note: _ } = kept;
        let slot = self.slot(&Arc::from(url), false);
        slot.leaks.add(leaked);
        let now = self.settings.clock.instant();
        // A machine may have started after the document was fetched.
        let (since, older) = match now.checked_sub(age) {
            Some(since) => (since, Duration::ZERO),
            None => (now, age),
        };
        let lifetime = self.settings.lifetime_of(max_age).saturating_sub(older);
        if !slot.recall(document, since, lifetime) {
            return;
        }
        let pushed_out = self.spaces().weigh(url, &slot, bytes, self.settings.capacity);
        drop(pushed_out);
        self.proved(url);
    }
}
