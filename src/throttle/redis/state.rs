//! Whether Redis answers, and what it was not told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    isolate::meter::{Counter, meter},
    throttle::FailureThrottle,
};

static LOCAL_CHECKS: Counter = meter!("client_auth_throttle_local_checks_total");
static LOST_FAILURES: Counter = meter!("client_auth_throttle_lost_failures_total");

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
    pub(super) fn may_ask<'a>(
        &'a self,
        local: &'a FailureThrottle,
        timeout: Duration,
    ) -> Option<Question<'a>> {
        let before = self.again.load(Relaxed);
        let question =
            |asked, pause| Question { state: self, local, timeout, asked, pause, open: true };
        if before == 0 {
            return Some(question(local.now(), None));
        }
        let now = local.now();
        let pause = Pause { before, until: now + PAUSE };
        let asks = now >= before && self.replace(before, pause.until);
        asks.then(|| question(now, Some(pause)))
    }

    fn replace(&self, again: u64, by: u64) -> bool {
        self.again.compare_exchange(again, by, Relaxed, Relaxed).is_ok()
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
        LOCAL_CHECKS.increment();
    }

    pub(super) fn local_checks(&self) -> u64 {
        self.local_checks.load(Relaxed)
    }

    pub(super) fn lost(&self) {
        self.lost_failures.fetch_add(1, Relaxed);
        LOST_FAILURES.increment();
    }

    pub(super) fn lost_failures(&self) -> u64 {
        self.lost_failures.load(Relaxed)
    }
}

/// Leave to ask. Where it is dropped without a word it was cut off: by a caller that hung up, of whom many must not
/// make a pause last for ever, or by a deadline, because Redis is slow.
pub(super) struct Question<'a> {
    state: &'a State,
    local: &'a FailureThrottle,
    timeout: Duration,
    /// In milliseconds.
    asked: u64,
    /// If it is the one after a pause.
    pause: Option<Pause>,
    open: bool,
}

struct Pause {
    before: u64,
    until: u64,
}

impl Question<'_> {
    pub(super) fn answered(mut self) {
        self.open = false;
        if self.state.again.load(Relaxed) != 0 {
            self.state.again.store(0, Relaxed);
        }
    }

    pub(super) fn failed(mut self) {
        self.open = false;
        self.state.failed(self.local.now());
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let now = self.local.now();
        // An answer comes long before that, unless Redis is slow.
        if Duration::from_millis(now.saturating_sub(self.asked)) >= self.timeout / 4 {
            self.state.failed(now);
        } else if let Some(Pause { before, until }) = self.pause {
            self.state.replace(until, before);
        }
    }
}
