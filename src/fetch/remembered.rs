//! Documents that were fetched, in bounds that strangers cannot get round.
//!
//! Where anybody may register, anybody chooses addresses. So an address is on probation until
//! something was verified with its document: what is on probation can neither push out nor hold up
//! what is proven.

mod ask;
mod host;
mod leaks;
pub(crate) mod meters;
#[cfg(feature = "metadata-documents")]
mod recall;
mod slot;
mod spaces;

use std::{
    collections::HashSet,
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore};

pub(crate) use crate::fetch::remembered::{leaks::Leaks, spaces::Capacity};
use crate::{
    clock::Clock,
    error::BoxError,
    fetch::{
        budget::{Hosts, PerHost},
        remembered::{
            meters::Meters,
            slot::{Answer, Next, Slot},
            spaces::Spaces,
        },
    },
    isolate::single_flight::{DEADLINE, SharedError, SingleFlight},
};

/// Fetches and reads one kind of documents.
pub(crate) trait Documents: Clone + Send + Sync + 'static {
    type Document: Send + Sync + 'static;
    /// What is kept elsewhere of an answer.
    type Note: Send;

    const METERS: &'static Meters;

    /// Whether an address is proven as soon as a document came from it.
    const PROVEN_BY_ANSWER: bool = false;

    /// An error is an outage, during which the last document stays in use. All else is an answer,
    /// which replaces it. No key is used of which `leaks` has the public part, and what the answer leaks is added.
    fn fetch(
        &self,
        url: &str,
        proven: bool,
        leaks: &Leaks,
    ) -> impl Future<Output = Result<Fetched<Self>, BoxError>> + Send;

    /// Whether the document stays in use past its lifetime also for want of room here, as in an outage. Others can
    /// cause that: they would keep out who is known, or else keep good what is stolen and was withdrawn.
    fn may_wait_for_room(_document: &Self::Document) -> bool {
        false
    }

    /// Is told what has been noted. The requests that wait for the document wait for this.
    fn noted(&self, _url: &str, _change: Change<'_, Self>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Whether the error says that there is no document: the one that was known is forgotten.
    fn is_withdrawal(_error: &BoxError) -> bool {
        false
    }
}

pub(crate) struct Fetched<D: Documents> {
    pub(crate) document: D::Document,
    /// How much memory it takes.
    pub(crate) bytes: usize,
    pub(crate) max_age: Option<Duration>,
    pub(crate) note: D::Note,
}

/// What has been noted of an address.
#[cfg_attr(
    not(feature = "metadata-documents"),
    expect(dead_code, reason = "only metadata documents are kept elsewhere")
)]
pub(crate) struct Change<'a, D: Documents> {
    /// What was known.
    pub(crate) before: Option<&'a D::Document>,
    /// What is known now; nothing, if there is no document any more.
    pub(crate) now: Option<(&'a D::Document, D::Note)>,
    pub(crate) leaks: &'a Leaks,
    /// When the source was asked, in seconds since the Unix epoch.
    pub(crate) asked_at: i64,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) lifetime: RangeInclusive<Duration>,
    /// How soon a document may be fetched again for what it lacks.
    pub(crate) interval: Duration,
    pub(crate) stale_if_error: Duration,
    /// Of each of the two spaces.
    pub(crate) capacity: Capacity,
    /// How many proven addresses of one host are remembered.
    pub(crate) most_of_a_host: usize,
    pub(crate) per_host: PerHost,
    pub(crate) clock: Clock,
}

impl Settings {
    fn lifetime_of(&self, max_age: Option<Duration>) -> Duration {
        let (shortest, longest) = (*self.lifetime.start(), *self.lifetime.end());
        max_age.unwrap_or(shortest).max(shortest).min(longest)
    }
}

pub(crate) struct Remembered<D: Documents> {
    pub(crate) documents: D,
    pub(crate) settings: Settings,
    /// Addresses that are proven from the start.
    pub(crate) trusted: Arc<HashSet<Arc<str>>>,
    spaces: Arc<Mutex<Spaces<D::Document>>>,
    /// Those of addresses on probation, and those of proven ones: neither counts for the other.
    hosts: [Arc<Hosts>; 2],
    flights: [Flights<D>; 2],
    /// For proven addresses, which wait for their turn, and trusted ones: anybody's may be proven.
    places: [Arc<Semaphore>; 2],
}

type Flights<D> = SingleFlight<Answer<<D as Documents>::Document>>;

impl<D: Documents> Clone for Remembered<D> {
    fn clone(&self) -> Self {
        Self {
            documents: self.documents.clone(),
            settings: self.settings.clone(),
            trusted: Arc::clone(&self.trusted),
            spaces: Arc::clone(&self.spaces),
            hosts: self.hosts.clone(),
            flights: self.flights.clone(),
            places: self.places.clone(),
        }
    }
}

impl<D: Documents> Remembered<D> {
    pub(crate) fn new(documents: D, settings: Settings, fetches: usize) -> Self {
        // Of proven ones there are no more than addresses.
        let flights = [fetches, usize::MAX].map(|most| SingleFlight::new(most, DEADLINE));
        let (spaces, hosts, places) = (Arc::default(), <[_; 2]>::default(), places(fetches));
        Self { documents, settings, trusted: Arc::default(), spaces, hosts, flights, places }
    }

    pub(crate) fn max_fetches(self, fetches: usize) -> Self {
        let [on_probation, of_proven] = self.flights;
        let flights = [on_probation.limit(fetches), of_proven];
        Self { flights, places: places(fetches), ..self }
    }

    pub(crate) fn fetch_deadline(self, deadline: Duration) -> Self {
        Self { flights: self.flights.map(|flights| flights.deadline(deadline)), ..self }
    }

    /// The document at this address. `has` says whether it has what the request looks for: if not,
    /// it is fetched again for the next request.
    pub(crate) async fn get(
        &self,
        url: &str,
        has: impl FnOnce(&D::Document) -> bool,
    ) -> Answer<D::Document> {
        let now = self.settings.clock.instant();
        let found = self.spaces().find(url);
        let (next, proven) = match &found {
            Some((slot, proven)) => (slot.next(now, &self.settings, has), *proven),
            None => (Next::Ask, self.trusted.contains(url)),
        };
        match &next {
            Next::Use(_) | Next::Refresh { .. } => D::METERS.hits.increment(),
            Next::Fail(_) | Next::Ask => D::METERS.misses.increment(),
        }
        match next {
            Next::Use(document) => Ok(document),
            Next::Fail(error) => Err(error),
            Next::Refresh { document, lacking } => {
                // Without a runtime nothing goes on by itself.
                if Handle::try_current().is_ok() {
                    drop(self.lane(proven).join(
                        url,
                        |flight| self.clone().work(flight, proven),
                        false,
                    ));
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
        let Settings { capacity, most_of_a_host, .. } = self.settings;
        let pushed_out = self.spaces().prove(url, capacity, most_of_a_host);
        drop(pushed_out);
    }

    pub(super) async fn wait(&self, url: &str, proven: bool) -> Answer<D::Document> {
        let answer = self.lane(proven).run(url, |flight| self.clone().work(flight, proven)).await;
        let error = match answer {
            Ok(Ok(document)) => return Ok(document),
            Ok(Err(error)) => error,
            Err(error) => SharedError::new(error),
        };
        let now = self.settings.clock.instant();
        let found = self.spaces().find(url);
        let fallback = found
            .and_then(|(slot, _)| slot.fallback(now, &self.settings, &error, D::may_wait_for_room));
        let stale = fallback.ok_or(error)?;
        D::METERS.stale.increment();
        Ok(stale)
    }

    fn slot(&self, url: &Arc<str>, proven: bool) -> Arc<Slot<D::Document>> {
        let (slot, _pushed_out) = self.spaces().add(url, proven, self.settings.capacity);
        slot
    }

    const fn lane(&self, proven: bool) -> &Flights<D> {
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

fn places(fetches: usize) -> [Arc<Semaphore>; 2] {
    [(); 2].map(|()| Arc::new(Semaphore::new(fetches.clamp(1, Semaphore::MAX_PERMITS))))
}
