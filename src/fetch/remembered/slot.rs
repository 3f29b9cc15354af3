//! What is known of one address, and when its source is asked again.

mod question;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) use crate::fetch::remembered::slot::question::Question;
use crate::{
    fetch::remembered::{Settings, leaks::Leaks},
    isolate::single_flight::SharedError,
};

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) type Answer<T> = Result<Arc<T>, SharedError>;

/// What is known of one address.
pub(super) struct Slot<T> {
    known: Mutex<Known<T>>,
    pub(super) leaks: Leaks,
}

struct Known<T> {
    kept: Option<Kept<T>>,
    asked: Option<Asked>,
    /// In a row.
    failures: u32,
    /// When the source was asked that said that there is no document any more.
    withdrawn: Option<Instant>,
}

struct Kept<T> {
    document: Arc<T>,
    since: Instant,
    lifetime: Duration,
}

/// When the source was asked last, or when it failed.
struct Asked {
    at: Instant,
    outcome: Outcome,
}

enum Outcome {
    InFlight,
    Answered,
    Failed(SharedError),
}

/// What was noted of an answer.
pub(super) struct Noted<T> {
    /// Whether the document is known now, or known to be withdrawn.
    pub(super) noted: bool,
    /// What was known.
    pub(super) before: Option<Arc<T>>,
}

impl<T> Noted<T> {
    const NOTHING: Self = Self { noted: false, before: None };
}

/// What a request does next.
pub(super) enum Next<T> {
    Use(Arc<T>),
    /// The source is asked for the next request, and this one does not wait for it.
    Refresh {
        document: Arc<T>,
        /// Whether it lacks what the request looks for.
        lacking: bool,
    },
    /// The source is asked, or is being asked, and the request waits.
    Ask,
    Fail(SharedError),
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        let known = Known { kept: None, asked: None, failures: 0, withdrawn: None };
        Self { known: Mutex::new(known), leaks: Leaks::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known<T>> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `has` says whether the document has what the request looks for.
    pub(super) fn next(
        &self,
        now: Instant,
        settings: &Settings,
        has: impl FnOnce(&T) -> bool,
    ) -> Next<T> {
        let known = self.known();
        let Some(kept) = known.usable(now, settings.stale_if_error) else {
            return match &known.asked {
                Some(Asked { outcome: Outcome::Failed(error), .. })
                    if !known.may_ask(now, Duration::ZERO) =>
                {
                    Next::Fail(error.clone())
                }
                _ => Next::Ask,
            };
        };
        let document = Arc::clone(&kept.document);
        let age = kept.age(now);
        if age >= kept.lifetime {
            // What is kept so long is for a source that has failed, and not for one that is slow.
            let go_on = known.has_failed() && !known.may_ask(now, Duration::ZERO);
            return if go_on { Next::Use(document) } else { Next::Ask };
        }
        let lacking = !has(&document);
        if (lacking || age >= kept.lifetime / 2) && known.may_ask(now, settings.interval) {
            return Next::Refresh { document, lacking };
        }
        Next::Use(document)
    }

    /// The document that was fetched last, however old.
    #[cfg(any(test, feature = "metadata-documents"))]
    pub(super) fn last(&self) -> Option<Arc<T>> {
        self.known().kept.as_ref().map(|kept| Arc::clone(&kept.document))
    }

    /// The document for a request whose fetch brought none. After its lifetime that takes an outage, or a document
    /// that `may_wait`: what could not even be asked, for want of room here, may have withdrawn it.
    pub(super) fn fallback(
        &self,
        now: Instant,
        settings: &Settings,
        error: &SharedError,
        may_wait: impl FnOnce(&T) -> bool,
    ) -> Option<Arc<T>> {
        let mut known = self.known();
        // One that is still in flight was cut off, and its runtime has not dropped it yet.
        let was_asked = |asked: &Asked| !matches!(asked.outcome, Outcome::Answered);
        let is_outage = known.asked.as_ref().is_some_and(was_asked);
        let kept = known.usable(now, settings.stale_if_error)?;
        let document = Arc::clone(&kept.document);
        if kept.age(now) < kept.lifetime {
            return Some(document);
        }
        if may_wait(&document) && known.may_ask(now, Duration::ZERO) {
            // Or each request would wait for a turn that does not come.
            known.failures = known.failures.saturating_add(1);
            let failed = Asked { at: now, outcome: Outcome::Failed(error.clone()) };
            let before = known.asked.replace(failed);
            drop(known);
            drop(before);
            return Some(document);
        }
        is_outage.then_some(document)
    }

    /// A document that was fetched before, unless it is known or withdrawn.
    #[cfg(feature = "metadata-documents")]
    pub(super) fn recall(&self, document: T, since: Instant, lifetime: Duration) -> bool {
        let mut known = self.known();
        let is_new = known.kept.is_none() && known.withdrawn.is_none();
        if is_new {
            known.kept = Some(Kept { document: Arc::new(document), since, lifetime });
        }
        is_new
    }

    /// Notes the question, and returns the one before. If that is still open, its outcome will not be
    /// noted, and so it must not come back.
    fn note_question(&self, at: Instant) -> Option<Asked> {
        let before = self.known().asked.replace(Asked { at, outcome: Outcome::InFlight });
        before.filter(|before| !matches!(before.outcome, Outcome::InFlight))
    }

    /// Unless the answer to a later question is known.
    fn note_answer(&self, at: Instant, kept: Kept<T>) -> Noted<T> {
        let mut known = self.known();
        let newest = known.kept.as_ref().map(|kept| kept.since).max(known.withdrawn);
        if newest.is_some_and(|newest| newest > kept.since) {
            drop((known, kept));
            return Noted::NOTHING;
        }
        known.failures = 0;
        known.withdrawn = None;
        let asked = known.asked.replace(Asked { at, outcome: Outcome::Answered });
        let before = known.kept.replace(kept);
        drop(known);
        drop(asked);
        Noted { noted: true, before: before.map(|before| before.document) }
    }

    /// Unless another question has been asked since.
    fn note_failure(
        &self,
        asked: Instant,
        now: Instant,
        error: SharedError,
        withdrawn: bool,
    ) -> Noted<T> {
        let mut known = self.known();
        let failed = Asked { at: now, outcome: Outcome::Failed(error) };
        if !known.waits_since(asked) {
            drop((known, failed));
            return Noted::NOTHING;
        }
        known.failures = known.failures.saturating_add(1);
        let last = known.asked.replace(failed);
        let mut before = None;
        if withdrawn {
            known.withdrawn = Some(asked);
            before = known.kept.take();
        }
        drop(known);
        drop(last);
        Noted { noted: withdrawn, before: before.map(|before| before.document) }
    }

    /// The question has brought nothing to note, so that the one `before` is the last.
    fn take_back(&self, asked: Instant, before: Option<Asked>) {
        let mut known = self.known();
        let dropped =
            if known.waits_since(asked) { mem::replace(&mut known.asked, before) } else { before };
        drop(known);
        drop(dropped);
    }

    #[cfg(test)]
    pub(super) fn failure(&self) -> Option<String> {
        match &self.known().asked.as_ref()?.outcome {
            Outcome::Failed(error) => Some(error.to_string()),
            _ => None,
        }
    }
}

impl<T> Known<T> {
    fn usable(&self, now: Instant, stale_if_error: Duration) -> Option<&Kept<T>> {
        let oldest = |kept: &Kept<T>| kept.lifetime.saturating_add(stale_if_error);
        self.kept.as_ref().filter(|kept| kept.age(now) < oldest(kept))
    }

    fn waits_since(&self, asked: Instant) -> bool {
        let last = self.asked.as_ref();
        last.is_some_and(|last| last.at == asked && matches!(last.outcome, Outcome::InFlight))
    }

    fn has_failed(&self) -> bool {
        matches!(&self.asked, Some(Asked { outcome: Outcome::Failed(_), .. }))
    }

    /// Not sooner than this after the last answer or failure, and later the more often it failed.
    fn may_ask(&self, now: Instant, interval: Duration) -> bool {
        let Some(asked) = &self.asked else { return true };
        let pause = match asked.outcome {
            Outcome::InFlight => return false,
            Outcome::Answered => interval,
            Outcome::Failed(_) => {
                let doubled = 2_u32.saturating_pow(self.failures.saturating_sub(1));
                PAUSE_AFTER_FAILURE.saturating_mul(doubled).min(LONGEST_PAUSE).max(interval)
            }
        };
        now.saturating_duration_since(asked.at) >= pause
    }
}

impl<T> Kept<T> {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::{clock::Clock, error::throttled::Throttled, isolate::single_flight::Flight};

    // A runtime drops what was cut off when it is next driven, and another may have asked since.
    #[test]
    fn late_failure_replaces_no_newer_answer() {
        let clock = Clock::fixed(0);
        let slot = Slot::<()>::new();
        let flight = Flight::new("".into(), None);
        let question = || Question::note(&slot, &flight, &clock);
        let [early, cut_off, throttled, slow] = [(); 4].map(|()| question());
        clock.advance(Duration::from_secs(1));
        let newest = question();
        drop(early);
        assert_eq!(slot.failure(), None, "the newest is still in flight");
        let (answer, _) = newest.answer(Err("the source is down".into()), false);
        assert_eq!(answer.unwrap_err().to_string(), "the source is down");
        drop(cut_off);
        assert!(throttled.answer(Err(Throttled::new(Duration::ZERO).into()), false).0.is_err());
        let (late, _) = slow.answer(Err("it is slow".into()), false);
        assert_eq!(late.unwrap_err().to_string(), "it is slow");
        assert_eq!(slot.failure().as_deref(), Some("the source is down"));
    }

    // An address that becomes proven while it is fetched may be fetched twice at a time.
    #[test]
    fn older_answer_replaces_no_newer_one() {
        let clock = Clock::fixed(0);
        let slot = Slot::<&str>::new();
        let flight = Flight::new("".into(), None);
        let question = || Question::note(&slot, &flight, &clock);
        let slow = question();
        clock.advance(Duration::from_secs(1));
        let answer = |document| Ok((document, Duration::from_secs(300)));
        let noted = |(answer, noted): (Answer<_>, Noted<_>)| {
            assert!(answer.is_ok());
            (noted.noted, noted.before.as_deref().copied())
        };
        assert_eq!(noted(question().answer(answer("newer"), false)), (true, None));
        assert_eq!(noted(slow.answer(answer("older"), false)), (false, None));
        assert_eq!(slot.last().as_deref(), Some(&"newer"));
        assert_eq!(noted(question().answer(answer("newest"), false)), (true, Some("newer")));
    }

    #[test]
    fn older_answer_brings_back_nothing_that_was_withdrawn() {
        let clock = Clock::fixed(0);
        let slot = Slot::<&str>::new();
        let flight = Flight::new("".into(), None);
        let question = || Question::note(&slot, &flight, &clock);
        let slow = question();
        clock.advance(Duration::from_secs(1));
        let (_, noted) = question().answer(Err("there is none".into()), true);
        assert!(noted.noted);
        let (_, noted) = slow.answer(Ok(("older", Duration::from_secs(300))), false);
        assert!(!noted.noted);
        assert_eq!(slot.last(), None);
    }

    #[cfg(feature = "metadata-documents")]
    #[test]
    fn what_is_kept_elsewhere_brings_back_nothing_that_was_withdrawn() {
        let clock = Clock::fixed(0);
        let slot = Slot::<&str>::new();
        let flight = Flight::new("".into(), None);
        let (_, noted) =
            Question::note(&slot, &flight, &clock).answer(Err("there is none".into()), true);
        assert!(noted.noted);
        assert!(!slot.recall("kept", clock.instant(), Duration::from_secs(300)));
        assert_eq!(slot.last(), None);
    }

    #[test]
    fn question_that_was_taken_back_leaves_no_other_open() {
        let clock = Clock::fixed(0);
        let slot = Slot::<()>::new();
        let flight = Flight::new("".into(), None);
        let question = || Question::note(&slot, &flight, &clock);
        let first = question();
        clock.advance(Duration::from_secs(1));
        let second = question();
        drop(first);
        let throttled = Throttled::new(Duration::from_secs(1));
        assert!(second.answer(Err(throttled.into()), false).0.is_err());
        assert!(slot.known().may_ask(clock.instant(), Duration::ZERO));
    }
}
