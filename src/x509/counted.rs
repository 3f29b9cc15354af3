//! How many names a thread compares, and bytes of them, for tests of what a certificate costs.

use std::cell::Cell;

thread_local! {
    static COMPARED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

pub(super) fn note(bytes: usize) {
    let (names, before) = COMPARED.get();
    COMPARED.set((names + 1, before + bytes));
}

/// How many there have been since this was asked last.
pub(super) fn take() -> (usize, usize) {
    COMPARED.take()
}
