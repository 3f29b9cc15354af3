//! How many signatures and MACs a thread verifies, for tests of what a failure costs.

use std::cell::Cell;

thread_local! {
    static VERIFICATIONS: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn note() {
    VERIFICATIONS.set(VERIFICATIONS.get() + 1);
}

/// How many there have been since this was asked last.
pub(crate) fn take() -> usize {
    VERIFICATIONS.take()
}
