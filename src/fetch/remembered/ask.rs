//! One question to the source, from the turn that it waits for to what is noted of its answer.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    fetch::{
        budget::Place,
        remembered::{
            Change, Documents, Remembered,
            host::host,
            meters::Meters,
            slot::{Answer, Next, Noted, Question},
        },
    },
    isolate::{
        meter,
        single_flight::{Flight, FlightError, SharedError},
        span,
    },
};

/// Room at the host, and in all.
type Turn = (Place, Option<OwnedSemaphorePermit>);

impl<D: Documents> Remembered<D> {
    /// The work of a flight.
    pub(super) async fn work(
        self,
        flight: Arc<Flight<Answer<D::Document>>>,
        proven: bool,
    ) -> (Answer<D::Document>, Option<fn()>) {
        (self.ask(&flight, proven).await, None)
    }

    async fn ask(&self, flight: &Flight<Answer<D::Document>>, proven: bool) -> Answer<D::Document> {
        let (url, settings) = (&flight.key, &self.settings);
        let now = settings.clock.instant();
        // The last flight may have landed after this request had looked.
        let found = self.spaces().find(url).map(|(slot, _)| slot);
        let is_awaited = match found.as_ref().map(|slot| slot.next(now, settings, |_| false)) {
            Some(Next::Use(document)) => return Ok(document),
            Some(Next::Fail(error)) => return Err(error),
            Some(Next::Refresh { .. }) => false,
            Some(Next::Ask) | None => true,
        };
        let (host, [for_strangers, _]) = (host(url), &self.hosts);
        let place = if proven {
            self.turn((url, &host), is_awaited).await.map_err(SharedError::new)?
        } else {
            let place = for_strangers.enter(&host, settings.per_host, now);
            Some((place.map_err(SharedError::new)?, None))
        };
        let slot = match found {
            Some(slot) => slot,
            None => self.slot(url, proven),
        };
        let asked_at = settings.clock.unix_seconds();
        let question = Question::note(&slot, flight, &settings.clock);
        let fetched = match place {
            Some(_) => {
                let start = meter::start();
                let fetch = self.documents.fetch(url, proven, &slot.leaks);
                let fetched = span::fetch(&host, fetch).await;
                let Meters { fetched: took, failed, .. } = D::METERS;
                if fetched.is_ok() { took } else { failed }.record_since(start);
                fetched
            }
            None => Err("the other fetches from its host do not end".into()),
        };
        drop(place);
        let withdrawn = fetched.as_ref().is_err_and(D::is_withdrawal);
        let (mut bytes, mut note) = (0, None);
        let fetched = fetched.map(|fetched| {
            bytes = fetched.bytes;
            note = Some(fetched.note);
            (fetched.document, settings.lifetime_of(fetched.max_age))
        });
        let (answer, Noted { noted, before }) = question.answer(fetched, withdrawn);
        if !noted {
            return answer;
        }
        let leaked = slot.leaks.get().size();
        if answer.is_ok() {
            let _pushed_out = self.spaces().weigh(url, &slot, bytes, settings.capacity);
            D::METERS.entries.set(|| self.spaces().len());
            if D::PROVEN_BY_ANSWER {
                self.proved(url);
            }
        } else if leaked > 0 {
            // What is forgotten is good again.
            self.proved(url);
            let pushed_out = self.spaces().weigh(url, &slot, leaked, settings.capacity);
            drop(pushed_out);
        } else if !self.trusted.contains(url) {
            let pushed_out = self.spaces().demote(url, settings.capacity);
            drop(pushed_out);
        }
        let now = answer.as_deref().ok().zip(note);
        // That there is none of what nobody knew is worth nothing.
        if now.is_some() || before.is_some() || leaked > 0 {
            let change = Change { before: before.as_deref(), now, leaks: &slot.leaks, asked_at };
            self.documents.noted(url, change).await;
        }
        answer
    }

    /// The turn of a proven address, or nothing if that does not come for the slowness of its host. A
    /// fetch that no request waits for takes what is free: anybody can cause it, and it must not hold up
    /// the others.
    ///
    /// # Errors
    ///
    /// If it does not come for want of room here.
    async fn turn(
        &self,
        (url, host): (&str, &str),
        is_awaited: bool,
    ) -> Result<Option<Turn>, FlightError> {
        let (settings, [_, hosts]) = (&self.settings, &self.hosts);
        let [of_proven, of_trusted] = &self.places;
        let places = if self.trusted.contains(url) { of_trusted } else { of_proven };
        let mut at_host = None;
        let turn = self.lane(true).in_half_the_time(is_awaited, async {
            // For the host first, so that it holds up no other while its fetches queue.
            at_host = Some(hosts.wait(host, settings.per_host).await);
            Arc::clone(places).acquire_owned().await.ok()
        });
        let permit = turn.await.flatten();
        match at_host {
            Some(place) if permit.is_some() => Ok(Some((place, permit))),
            None if is_awaited => Ok(None),
            _ => Err(FlightError::Full),
        }
    }
}
