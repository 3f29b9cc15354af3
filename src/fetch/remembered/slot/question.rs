//! One question to the source, and what is noted of its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    clock::Clock,
    error::{BoxError, throttled::Throttled},
    fetch::remembered::slot::{Answer, Asked, Kept, Noted, Slot},
    isolate::{
        guard,
        single_flight::{Flight, SharedError},
    },
};

/// A question to the source. It is noted before the answer is waited for, and if it is dropped
/// without one, for example at its deadline, that is a failure of the source. Where this server
/// had no room for it, it is as if it had not been asked.
pub(in crate::fetch::remembered) struct Question<'a, T> {
    slot: &'a Slot<T>,
    flight: &'a Flight<Answer<T>>,
    clock: &'a Clock,
    /// An answer is as old as its question.
    asked: Instant,
    before: Option<Asked>,
    answered: bool,
}

impl<'a, T> Question<'a, T> {
    pub(in crate::fetch::remembered) fn note(
        slot: &'a Slot<T>,
        flight: &'a Flight<Answer<T>>,
        clock: &'a Clock,
    ) -> Self {
        let asked = clock.instant();
        let before = slot.note_question(asked);
        Self { slot, flight, clock, asked, before, answered: false }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    /// `withdrawn` if the error says that there is no document any more.
    pub(in crate::fetch::remembered) fn answer(
        mut self,
        answer: Result<(T, Duration), BoxError>,
        withdrawn: bool,
    ) -> (Answer<T>, Noted<T>) {
        let answer = answer
            .map(|(document, lifetime)| (Arc::new(document), lifetime))
            .map_err(SharedError::new);
        let noted = match &answer {
            Ok((document, lifetime)) => {
                let document = Arc::clone(document);
                let kept = Kept { document, since: self.asked, lifetime: *lifetime };
                self.slot.note_answer(self.asked, kept)
            }
            Err(error) if Throttled::find(error.get_ref()).is_some() => {
                self.slot.take_back(self.asked, self.before.take());
                Noted::NOTHING
            }
            Err(error) => self.slot.note_failure(self.asked, self.now(), error.clone(), withdrawn),
        };
        self.answered = true;
        (answer.map(|(document, _)| document), noted)
    }
}

impl<T> Drop for Question<'_, T> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if self.flight.has_made_room() {
            return self.slot.take_back(self.asked, self.before.take());
        }
        let now = guard::call(|| self.now()).unwrap_or(self.asked);
        let error = SharedError::new("the fetch was cut off before it ended");
        drop(self.slot.note_failure(self.asked, now, error, false));
    }
}
