//! Documents that were fetched, in bounds that strangers cannot get round.
//!
//! Where anybody may register, anybody chooses addresses. So an address is on probation until
//! something was verified with its document: what is on probation can neither push out nor hold up
//! what is proven.

mod slot;
mod spaces;

use std::{
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

pub(super) use crate::fetch::remembered::spaces::Capacity;
use crate::{
    clock::Clock,
    error::BoxError,
    fetch::{
        budget::{Hosts, PerHost},
        remembered::{
            slot::{Answer, Next, Question, Slot},
            spaces::Spaces,
        },
    },
    isolate::single_flight::{DEADLINE, SharedError, SingleFlight},
};

/// RFC 1035 §2.3.4.
const LONGEST_HOST: usize = 255;

/// Fetches and reads one kind of documents.
pub(super) trait Documents: Clone + Send + Sync + 'static {
    type Document: Send + Sync + 'static;

    /// An error is an outage, during which the last document stays in use. All else is an answer,
    /// which replaces it.
    fn fetch(
        &self,
        url: &str,
        proven: bool,
    ) -> impl Future<Output = Result<Fetched<Self::Document>, BoxError>> + Send;
}

pub(super) struct Fetched<T> {
    pub(super) document: T,
    /// How much memory it takes.
    pub(super) bytes: usize,
    pub(super) max_age: Option<Duration>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) lifetime: RangeInclusive<Duration>,
    /// How soon a document may be fetched again for what it lacks.
    pub(super) interval: Duration,
    pub(super) stale_if_error: Duration,
    /// Of each of the two spaces.
    pub(super) capacity: Capacity,
    /// For addresses on probation.
    pub(super) per_host: PerHost,
    pub(super) clock: Clock,
}

pub(super) struct Remembered<D: Documents> {
    pub(super) documents: D,
    pub(super) settings: Settings,
    spaces: Arc<Mutex<Spaces<D::Document>>>,
    hosts: Arc<Hosts>,
    /// Those of addresses on probation, and those of proven ones.
    flights: [SingleFlight<Answer<D::Document>>; 2],
}

impl<D: Documents> Clone for Remembered<D> {
    fn clone(&self) -> Self {
        Self {
            documents: self.documents.clone(),
            settings: self.settings.clone(),
            spaces: Arc::clone(&self.spaces),
            hosts: Arc::clone(&self.hosts),
            flights: self.flights.clone(),
        }
    }
}

impl<D: Documents> Remembered<D> {
    pub(super) fn new(documents: D, settings: Settings, fetches: usize) -> Self {
        let flights = [(); 2].map(|()| SingleFlight::new(fetches, DEADLINE));
        Self { documents, settings, spaces: Arc::default(), hosts: Arc::default(), flights }
    }

    pub(super) fn max_fetches(self, fetches: usize) -> Self {
        Self { flights: self.flights.map(|flights| flights.limit(fetches)), ..self }
    }

    pub(super) fn fetch_deadline(self, deadline: Duration) -> Self {
        Self { flights: self.flights.map(|flights| flights.deadline(deadline)), ..self }
    }

    /// The document at this address. `has` says whether it has what the request looks for: if not,
    /// it is fetched again for the next request.
    pub(super) async fn get(
        &self,
        url: &str,
        has: impl FnOnce(&D::Document) -> bool,
    ) -> Answer<D::Document> {
        let now = self.settings.clock.instant();
        let found = self.spaces().find(url);
        let (next, proven) = match &found {
            Some((slot, proven)) => (slot.next(now, &self.settings, has), *proven),
            None => (Next::Ask, false),
        };
        match next {
            Next::Use(document) => Ok(document),
            Next::Fail(error) => Err(error),
            Next::Refresh { document, lacking } => {
                // Without a runtime nothing goes on by itself.
                if Handle::try_current().is_ok() {
                    drop(self.lane(proven).join(url, |url| self.clone().work(url, proven), false));
                } else if lacking {
                    return Box::pin(self.wait(url, proven)).await;
                }
                Ok(document)
            }
            // Boxed, so that the future of a request that finds its document stays small.
            Next::Ask => Box::pin(self.wait(url, proven)).await,
        }
    }

    /// Something was verified with the document of this address.
    pub(super) fn proved(&self, url: &str) {
        let pushed_out = self.spaces().prove(url, self.settings.capacity);
        drop(pushed_out);
    }

    pub(super) async fn wait(&self, url: &str, proven: bool) -> Answer<D::Document> {
        let answer = self.lane(proven).run(url, |url| self.clone().work(url, proven)).await;
        let error = match answer {
            Ok(Ok(document)) => return Ok(document),
            Ok(Err(error)) => error,
            Err(error) => SharedError::new(error),
        };
        let now = self.settings.clock.instant();
        let found = self.spaces().find(url);
        found.and_then(|(slot, _)| slot.usable(now, &self.settings)).ok_or(error)
    }

    /// The work of a flight.
    async fn work(self, url: Arc<str>, proven: bool) -> (Answer<D::Document>, Option<fn()>) {
        (self.ask(&url, proven).await, None)
    }

    async fn ask(&self, url: &Arc<str>, proven: bool) -> Answer<D::Document> {
        let settings = &self.settings;
        let now = settings.clock.instant();
        // The last flight may have landed after this request had looked.
        let found = self.spaces().find(url).map(|(slot, _)| slot);
        match found.as_ref().map(|slot| slot.next(now, settings, |_| false)) {
            Some(Next::Use(document)) => return Ok(document),
            Some(Next::Fail(error)) => return Err(error),
            Some(Next::Refresh { .. } | Next::Ask) | None => {}
        }
        let place = if proven {
            None
        } else {
            let place = self.hosts.enter(&host(url), settings.per_host, now);
            Some(place.map_err(SharedError::new)?)
        };
        let slot = match found {
            Some(slot) => slot,
            None => self.slot(url),
        };
        let question = Question::note(&slot, &settings.clock);
        let fetched = self.documents.fetch(url, proven).await;
        drop(place);
        let (shortest, longest) = (*settings.lifetime.start(), *settings.lifetime.end());
        let mut bytes = 0;
        let answer = question.answer(fetched.map(|fetched| {
            bytes = fetched.bytes;
            let lifetime = fetched.max_age.unwrap_or(shortest).max(shortest).min(longest);
            (fetched.document, lifetime)
        }));
        if answer.is_ok() {
            let pushed_out = self.spaces().weigh(url, &slot, bytes, settings.capacity);
            drop(pushed_out);
        }
        answer
    }

    fn slot(&self, url: &Arc<str>) -> Arc<Slot<D::Document>> {
        let (slot, pushed_out) = self.spaces().add(url, self.settings.capacity);
        drop(pushed_out);
        slot
    }

    const fn lane(&self, proven: bool) -> &SingleFlight<Answer<D::Document>> {
        let [on_probation, of_proven] = &self.flights;
        if proven { of_proven } else { on_probation }
    }

    fn spaces(&self) -> MutexGuard<'_, Spaces<D::Document>> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(all(test, private_tests))]
    pub(super) fn in_flight(&self) -> usize {
        self.flights.iter().map(SingleFlight::in_flight).sum()
    }

    /// The addresses and bytes on probation, and those that are proven.
    #[cfg(test)]
    pub(super) fn held(&self) -> [(usize, usize); 2] {
        self.spaces().held()
    }
}

/// The host in a URL, without its port: for counting, so that it need not be a valid one.
fn host(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    };
    let host = host.unwrap_or_default().trim_end_matches('.');
    host.chars().take(LONGEST_HOST).map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_counted_however_it_is_written() {
        for url in [
            "https://host.example",
            "HTTPS://HOST.example/jwks",
            "https://host.example:8443?a",
            "https://host.example./",
            "https://user@host.example#a",
            r"https://host.example\jwks",
        ] {
            assert_eq!(host(url), "host.example", "{url}");
        }
        assert_eq!(host("https://[2001:db8::1]:8443/"), "2001:db8::1");
        assert_eq!(host("jwks.json"), "jwks.json");
        assert_eq!(host(""), "");
        assert_eq!(host(&"a".repeat(1_000)).len(), LONGEST_HOST);
    }
}
