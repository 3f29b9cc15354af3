//! Whether Redis answers, and what it was not told.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const NOTES: usize = 1_024;
/// In milliseconds.
const PAUSE: u64 = 1_000;

pub(super) struct State {
    /// Zero, or when Redis may be asked again. Nothing is written to it while Redis answers.
    again: AtomicU64,
    local_checks: AtomicU64,
    lost_failures: AtomicU64,
    notes: Arc<Semaphore>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            again: AtomicU64::new(0),
            local_checks: AtomicU64::new(0),
            lost_failures: AtomicU64::new(0),
            notes: Arc::new(Semaphore::new(NOTES)),
        }
    }
}

impl State {
    /// One may ask after a pause, and then those after it if it was answered.
    pub(super) fn may_ask(&self, now: u64) -> bool {
        let again = self.again.load(Relaxed);
        again == 0
            || now >= again
                && self.again.compare_exchange(again, now + PAUSE, Relaxed, Relaxed).is_ok()
    }

    pub(super) fn answered(&self) {
        if self.again.load(Relaxed) != 0 {
            self.again.store(0, Relaxed);
        }
    }

    pub(super) fn failed(&self, now: u64) {
        self.again.store(now + PAUSE, Relaxed);
    }

    /// For a note, unless there is a pause, or there are too many.
    pub(super) fn place(&self, now: u64) -> Option<OwnedSemaphorePermit> {
        if self.again.load(Relaxed) > now {
            return None;
        }
        Arc::clone(&self.notes).try_acquire_owned().ok()
    }

    pub(super) fn checked_locally(&self) {
        self.local_checks.fetch_add(1, Relaxed);
    }

    pub(super) fn local_checks(&self) -> u64 {
        self.local_checks.load(Relaxed)
    }

    pub(super) fn lost(&self) {
        self.lost_failures.fetch_add(1, Relaxed);
    }

    pub(super) fn lost_failures(&self) -> u64 {
        self.lost_failures.load(Relaxed)
    }
}
