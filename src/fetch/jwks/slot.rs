//! What is known of one address, and what was asked of its source.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    clock::Clock, error::BoxError, isolate::single_flight::SharedError, jose::set::KeySet,
};

pub(super) type Answer = Result<Arc<KeySet>, SharedError>;

/// What is known of one address.
pub(super) struct Slot(Mutex<Known>);

pub(super) struct Known {
    keys: Option<Keys>,
    pub(super) asked: Option<Asked>,
    pub(super) used: Instant,
}

struct Keys {
    set: Arc<KeySet>,
    since: Instant,
    lifetime: Duration,
}

/// When the source was asked last, or when it failed.
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    InFlight,
    Answered,
    Failed(SharedError),
}

/// A question to the source. It is noted before the answer is waited for, and if it is dropped
/// without one, for example at its deadline, that is a failure of the source.
pub(super) struct Question<'a> {
    slot: &'a Slot,
    clock: &'a Clock,
    /// An answer is as old as its question.
    asked: Instant,
    answered: bool,
}

impl<'a> Question<'a> {
    pub(super) fn note(slot: &'a Slot, clock: &'a Clock) -> Self {
        let asked = clock.instant();
        slot.note(asked, Outcome::InFlight, None);
        Self { slot, clock, asked, answered: false }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    pub(super) fn answer(mut self, answer: Result<(KeySet, Duration), BoxError>) -> Answer {
        let answer =
            answer.map(|(set, lifetime)| (Arc::new(set), lifetime)).map_err(SharedError::new);
        match &answer {
            Ok((set, lifetime)) => {
                let keys = Keys { set: Arc::clone(set), since: self.asked, lifetime: *lifetime };
                self.slot.note(self.asked, Outcome::Answered, Some(keys));
            }
            Err(error) => self.slot.note_failure(self.asked, self.now(), error.clone()),
        }
        self.answered = true;
        answer.map(|(set, _)| set)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let now = catch_unwind(AssertUnwindSafe(|| self.now())).unwrap_or(self.asked);
            let error = SharedError::new("the fetch was cut off before it ended");
            self.slot.note_failure(self.asked, now, error);
        }
    }
}

impl Slot {
    pub(super) const fn new(now: Instant) -> Self {
        Self(Mutex::new(Known { keys: None, asked: None, used: now }))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unless another question has been asked since.
    fn note_failure(&self, asked: Instant, now: Instant, error: SharedError) {
        let mut known = self.known();
        let is_last = known
            .asked
            .as_ref()
            .is_some_and(|last| last.at == asked && matches!(last.outcome, Outcome::InFlight));
        let failed = Asked { at: now, outcome: Outcome::Failed(error) };
        let before = if is_last { known.asked.replace(failed) } else { Some(failed) };
        drop(known);
        drop(before);
    }

    fn note(&self, at: Instant, outcome: Outcome, keys: Option<Keys>) {
        let mut known = self.known();
        let before = known.asked.replace(Asked { at, outcome });
        let keys = keys.and_then(|keys| known.keys.replace(keys));
        drop(known);
        drop((before, keys));
    }
}

impl Known {
    pub(super) fn fresh(&self, now: Instant) -> bool {
        self.keys
            .as_ref()
            .is_some_and(|keys| now.saturating_duration_since(keys.since) < keys.lifetime)
    }

    /// The keys, if they have this one and are not too old even for an outage.
    pub(super) fn usable(
        &self,
        kid: Option<&str>,
        now: Instant,
        stale_if_error: Duration,
    ) -> Option<Arc<KeySet>> {
        let keys = self.keys.as_ref().filter(|keys| kid.is_none_or(|kid| keys.set.has(kid)))?;
        let oldest = keys.lifetime.saturating_add(stale_if_error);
        let usable = now.saturating_duration_since(keys.since) < oldest;
        usable.then(|| Arc::clone(&keys.set))
    }
}
