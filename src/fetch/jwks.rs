//! The keys of clients that publish them at a `jwks_uri`.

mod slot;
mod source;

use std::{
    collections::HashMap,
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use crate::fetch::jwks::source::{FetchedJwks, JwksSource};
use crate::{
    clock::Clock,
    error::BoxError,
    fetch::jwks::{
        slot::{Answer, Outcome, Question, Slot},
        source::DynJwksSource,
    },
    isolate::single_flight::{DEADLINE, SingleFlight},
    jose::set::KeySet,
};

/// A hundred times what a client of a few keys publishes.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;

const LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(5 * 60)..=Duration::from_secs(24 * 60 * 60);
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(30);
const STALE_IF_ERROR: Duration = Duration::from_secs(60 * 60);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
const CAPACITY: usize = 1_000;
const MAX_FETCHES: usize = 64;

/// Remembers the keys that a [`JwksSource`] fetched, prepared for many verifications.
///
/// [`Assertions::jwks_source`](crate::assertion::Assertions::jwks_source) makes one with these defaults of any
/// source; make it yourself to change them.
///
/// - A key set is kept as long as its origin allows, within the bounds of
///   [`lifetime`](Self::lifetime).
/// - Requests for one address that arrive while it is being fetched wait for that fetch, unless the
///   keys that are known will do. The fetch is a task of its own where there is a tokio runtime: a
///   request that is dropped does not stop it, and what it brings is remembered. At most
///   [64](Self::max_fetches) are in flight at a time, and each has
///   [10 seconds](Self::fetch_deadline).
/// - An assertion with a `kid` that is not in the set makes the set be fetched again, because the
///   client may have a new key, but not more often than the
///   [minimum interval](Self::min_refetch_interval) allows: any caller can send such an assertion.
/// - While the source fails, the last keys stay in use [for an hour](Self::stale_if_error) after
///   their lifetime, and the source is asked every 5 seconds at most. When there are none the caller
///   gets 503.
/// - A fetch is a task of its own, which needs a runtime of tokio: without one a caller that hangs up
///   cuts the fetch off, and that counts as a failure.
/// - A document that is no key set, holds no usable key or is longer than 64 KiB is a failure of the
///   source, and does not replace the keys that are known.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{
///     assertion::{Assertions, FetchedJwks, JwksCache, JwksSource}, replay::MemoryReplayStore,
/// };
///
/// fn settings(
///     source: impl JwksSource,
/// ) -> Result<Assertions, Box<dyn std::error::Error>> {
///     let keys = JwksCache::new(source)
///         .lifetime(Duration::from_secs(60)..=Duration::from_secs(3600))
///         .stale_if_error(Duration::from_secs(2 * 3600));
///     let replay = MemoryReplayStore::default();
///     Ok(Assertions::new("https://as.example", replay)?.jwks_source(keys))
/// }
/// ```
#[derive(Clone)]
pub struct JwksCache {
    source: Arc<dyn DynJwksSource>,
    flights: SingleFlight<Answer>,
    slots: Arc<Mutex<HashMap<Box<str>, Arc<Slot>>>>,
    capacity: usize,
    lifetime: RangeInclusive<Duration>,
    min_refetch_interval: Duration,
    stale_if_error: Duration,
    clock: Clock,
}

impl JwksCache {
    /// A cache with the defaults.
    #[must_use]
    pub fn new(source: impl JwksSource) -> Self {
        Self {
            source: Arc::new(source),
            flights: SingleFlight::new(MAX_FETCHES, DEADLINE),
            slots: Arc::default(),
            capacity: CAPACITY,
            lifetime: LIFETIME,
            min_refetch_interval: MIN_REFETCH_INTERVAL,
            stale_if_error: STALE_IF_ERROR,
            clock: Clock::system(),
        }
    }

    /// How long a key set is kept at least and at most, whatever its origin says. One whose origin
    /// says nothing is kept for the shorter time. Default: 5 minutes to 24 hours.
    ///
    /// A key that a client has withdrawn is accepted until the set is fetched again.
    #[must_use]
    pub fn lifetime(self, lifetime: RangeInclusive<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    /// How long after a fetch an unknown `kid` does not cause another. Default: 30 seconds.
    ///
    /// A client that signs with a key right after publishing it may be refused for that long.
    #[must_use]
    pub fn min_refetch_interval(self, min_refetch_interval: Duration) -> Self {
        Self { min_refetch_interval, ..self }
    }

    /// Goes on with the last keys while the source fails, for this long after their
    /// [lifetime](Self::lifetime) is over (RFC 5861 §4). Default: 1 hour.
    #[must_use]
    pub fn stale_if_error(self, stale_if_error: Duration) -> Self {
        Self { stale_if_error, ..self }
    }

    /// How many addresses are remembered; the one that was not used for the longest time makes room.
    /// Default: 1,000.
    #[must_use]
    pub fn capacity(self, addresses: usize) -> Self {
        Self { capacity: addresses, ..self }
    }

    /// How many fetches may be in flight at a time; one more fails at once, as if the source did: the
    /// caller is answered 503 unless the keys that are known will do. Default: 64.
    ///
    /// A fetch that no request waits for any more is ended when there is no room.
    #[must_use]
    pub fn max_fetches(self, fetches: usize) -> Self {
        Self { flights: self.flights.limit(fetches), ..self }
    }

    /// How long a fetch may take before it counts as failed. Default: 10 seconds.
    ///
    /// It needs the timer of the tokio runtime (`enable_time`). Without one, a fetch ends when the next
    /// request for its address arrives after this time; as tokio tells only by a panic that there is no
    /// timer, a program with `panic = "abort"` must enable it.
    #[must_use]
    pub fn fetch_deadline(self, deadline: Duration) -> Self {
        Self { flights: self.flights.deadline(deadline), ..self }
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    /// The prepared keys at `jwks_uri`, with the one of this `kid` if it can be had.
    ///
    /// # Errors
    ///
    /// If there are none that may be used.
    pub(crate) async fn keys(
        &self,
        jwks_uri: &str,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, BoxError> {
        let slot = self.slot(jwks_uri);
        if let Some(answer) = self.remembered(&slot, kid) {
            return answer.map_err(Into::into);
        }
        // Boxed, so that the future of a request that finds its keys stays small.
        Box::pin(self.fetched(&slot, jwks_uri, kid)).await
    }

    async fn fetched(
        &self,
        slot: &Arc<Slot>,
        jwks_uri: &str,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, BoxError> {
        let answer = self.flights.run(jwks_uri, |jwks_uri| {
            let (cache, slot, kid) = (self.clone(), Arc::clone(slot), kid.map(Box::<str>::from));
            async move { (cache.ask(&slot, &jwks_uri, kid.as_deref()).await, None::<fn()>) }
        });
        let error = match answer.await {
            Ok(Ok(keys)) => return Ok(keys),
            Ok(Err(error)) => error.into(),
            Err(error) => error.into(),
        };
        let now = self.now();
        slot.known().usable(kid, now, self.stale_if_error).ok_or(error)
    }

    /// The work of a flight.
    async fn ask(&self, slot: &Slot, jwks_uri: &str, kid: Option<&str>) -> Answer {
        // The last flight may have landed after this request had looked.
        if let Some(answer) = self.remembered(slot, kid) {
            return answer;
        }
        let question = Question::note(slot, &self.clock);
        let fetched = self.source.fetch_dyn(jwks_uri).await;
        question.answer(self.evaluate(fetched))
    }

    /// Here alone is said what is an answer, which replaces the keys that are known, and what is an
    /// outage, during which they stay in use.
    fn evaluate(
        &self,
        fetched: Result<FetchedJwks, BoxError>,
    ) -> Result<(KeySet, Duration), BoxError> {
        let fetched = fetched?;
        if fetched.document().len() > LONGEST_DOCUMENT {
            return Err("the key set is longer than 64 KiB".into());
        }
        let (shortest, longest) = (*self.lifetime.start(), *self.lifetime.end());
        let lifetime = fetched.max_age().unwrap_or(shortest).max(shortest).min(longest);
        Ok((KeySet::published(fetched.document())?, lifetime))
    }

    /// What can be said without waiting for the source, or `None` if it has to be asked or is being
    /// asked.
    fn remembered(&self, slot: &Slot, kid: Option<&str>) -> Option<Answer> {
        let now = self.now();
        let mut known = slot.known();
        known.used = now;
        let fresh = known.fresh(now);
        let usable = known.usable(kid, now, self.stale_if_error);
        if fresh && usable.is_some() {
            return usable.map(Ok);
        }
        let asked = known.asked.as_ref()?;
        let (failure, pause) = match &asked.outcome {
            // A request with keys to go on with need not wait.
            Outcome::InFlight => return usable.map(Ok),
            Outcome::Failed(error) if !fresh => (Some(error), PAUSE_AFTER_FAILURE),
            Outcome::Failed(error) => (Some(error), self.min_refetch_interval),
            Outcome::Answered => (None, self.min_refetch_interval),
        };
        if now.saturating_duration_since(asked.at) >= pause {
            return None;
        }
        match (usable, failure) {
            (Some(keys), _) => Some(Ok(keys)),
            // While the source fails, it is unknown whether the client has such a key.
            (None, Some(error)) => Some(Err(error.clone())),
            (None, None) => known.usable(None, now, self.stale_if_error).map(Ok),
        }
    }

    fn slot(&self, jwks_uri: &str) -> Arc<Slot> {
        let now = self.now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(jwks_uri) {
            return Arc::clone(slot);
        }
        let mut evicted = None;
        if slots.len() >= self.capacity {
            let longest_unused = slots.iter().min_by_key(|(_, slot)| slot.known().used);
            if let Some(uri) = longest_unused.map(|(uri, _)| uri.clone()) {
                evicted = slots.remove(&uri);
            }
        }
        let slot = Arc::new(Slot::new(now));
        slots.insert(jwks_uri.into(), Arc::clone(&slot));
        // What the source failed with is dropped outside of the lock.
        drop(slots);
        drop(evicted);
        slot
    }
}

impl<J: JwksSource> From<J> for JwksCache {
    fn from(source: J) -> Self {
        Self::new(source)
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksCache")
            .field("capacity", &self.capacity)
            .field("lifetime", &self.lifetime)
            .field("min_refetch_interval", &self.min_refetch_interval)
            .field("stale_if_error", &self.stale_if_error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
mod tests;
