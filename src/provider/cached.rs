//! A provider that remembers what another one answered.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

use crate::{
    client::RegisteredClient,
    error::{BoxError, throttled::Throttled},
    provider::lookup::ClientProvider,
};

const CAPACITY: usize = 10_000;
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
const UNKNOWN_CAPACITY: usize = 1_000;
const UNKNOWN_TIME_TO_LIVE: Duration = Duration::from_secs(5);

/// Remembers the answers of a provider for a while, so that a busy client does not cost a look-up
/// per request.
///
/// What changes in the store takes effect within the [time to live](Self::time_to_live), or at once
/// where the program says [`invalidate`](Self::invalidate); without this decorator it takes effect
/// with the next request (RFC 7592). Keep the time shorter than what a revoked secret may still be
/// worth.
///
/// Requests for one client that arrive while it is being looked up wait for that look-up, and share
/// its failure. Ids that are unknown are remembered apart, in a space of their own: sending many
/// does not push out real clients. An answer that bears another id than the one that was asked for
/// is not remembered.
///
/// A look-up that is found here allocates nothing.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, provider::{CachedProvider, MemoryProvider},
/// };
///
/// # let database = MemoryProvider::<ClientMetadata>::new();
/// let clients = Arc::new(CachedProvider::new(database).time_to_live(Duration::from_secs(10)));
/// let layer = ClientAuthLayer::new(Arc::clone(&clients));
///
/// // When an administrator rotates a secret:
/// clients.invalidate("batch");
/// # drop(layer);
/// ```
pub struct CachedProvider<P: ClientProvider> {
    provider: P,
    known: Cache<Box<str>, Entry<RegisteredClient<P::Client>>>,
    unknown: Cache<Box<str>, Entry<()>>,
    flights: Mutex<HashMap<Box<str>, Flight>>,
    time_to_live: Duration,
    unknown_time_to_live: Duration,
    stale_on_outage: Option<Duration>,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

struct Entry<T> {
    value: T,
    since: Instant,
}

impl<T: Clone> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), since: self.since }
    }
}

/// A look-up under way, for as long as a request takes part in it.
#[derive(Default)]
struct Flight {
    passengers: usize,
    /// Whether the client was invalidated since the look-up began, so that its answer may be one
    /// from before the change.
    overtaken: bool,
    turn: Turn,
}

/// Whoever holds the lock makes the look-up; the others find its answer in the cache, or its
/// failure here.
type Turn = Arc<tokio::sync::Mutex<Option<Failure>>>;

#[derive(Clone)]
struct Failure {
    at: Instant,
    error: SharedError,
}

impl<P: ClientProvider> CachedProvider<P> {
    /// Remembers up to 10,000 clients for 30 seconds, and up to 1,000 unknown ids for 5 seconds.
    #[must_use]
    pub fn new(provider: P) -> Self {
        Self {
            provider,
            known: Cache::new(CAPACITY),
            unknown: Cache::new(UNKNOWN_CAPACITY),
            flights: Mutex::default(),
            time_to_live: TIME_TO_LIVE,
            unknown_time_to_live: UNKNOWN_TIME_TO_LIVE,
            stale_on_outage: None,
            clock: Arc::new(Instant::now),
        }
    }

    /// How many clients are remembered. Default: 10,000.
    #[must_use]
    pub fn capacity(self, clients: usize) -> Self {
        Self { known: Cache::new(clients), ..self }
    }

    /// How long a client is remembered, and so how long a removed client or a replaced secret may
    /// still be accepted. Default: 30 seconds.
    #[must_use]
    pub fn time_to_live(self, time_to_live: Duration) -> Self {
        Self { time_to_live, ..self }
    }

    /// How many unknown ids are remembered. Default: 1,000.
    #[must_use]
    pub fn unknown_capacity(self, ids: usize) -> Self {
        Self { unknown: Cache::new(ids), ..self }
    }

    /// How long an unknown id is remembered, and so how long a client that has just been registered
    /// may still be refused. Default: 5 seconds.
    #[must_use]
    pub fn unknown_time_to_live(self, unknown_time_to_live: Duration) -> Self {
        Self { unknown_time_to_live, ..self }
    }

    /// Goes on with a remembered client while the provider fails, until it is this old. Default: a
    /// failing provider is answered 503 as soon as the time to live is over.
    ///
    /// For servers that must keep working: a client that was removed or a secret that was replaced
    /// during the outage is accepted until then. The provider is asked first, each time, so it
    /// should fail fast: one that hangs until the `provider_deadline` of the layer is cut off
    /// together with this decorator.
    #[must_use]
    pub fn stale_on_outage(self, oldest: Duration) -> Self {
        Self { stale_on_outage: Some(oldest), ..self }
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(now), ..self }
    }

    /// Forgets what is known of a client, and that it is unknown. The answer of a look-up that is
    /// under way is not remembered either.
    ///
    /// Call it after the store was changed.
    pub fn invalidate(&self, client_id: &str) {
        let mut flights = self.flights();
        if let Some(flight) = flights.get_mut(client_id) {
            flight.overtaken = true;
        }
        self.known.remove(client_id);
        self.unknown.remove(client_id);
    }

    /// Forgets everything, for example when the connection that tells of changes was lost.
    pub fn invalidate_all(&self) {
        let mut flights = self.flights();
        for flight in flights.values_mut() {
            flight.overtaken = true;
        }
        self.known.clear();
        self.unknown.clear();
    }

    /// The provider behind the cache.
    #[must_use]
    pub const fn get_ref(&self) -> &P {
        &self.provider
    }

    fn remembered(&self, client_id: &str) -> Option<Option<RegisteredClient<P::Client>>> {
        let now = (self.clock)();
        let fresh = |since: Instant, limit| now.saturating_duration_since(since) < limit;
        if let Some(entry) = self.known.get(client_id) {
            if fresh(entry.since, self.time_to_live) {
                return Some(Some(entry.value));
            }
        }
        let unknown = self.unknown.get(client_id)?;
        fresh(unknown.since, self.unknown_time_to_live).then_some(None)
    }

    /// Unless the client was invalidated in the meantime. The lock is held until all is written, so
    /// that an invalidation comes before or after.
    fn remember(
        &self,
        client_id: &str,
        found: Option<&RegisteredClient<P::Client>>,
        since: Instant,
    ) {
        let flights = self.flights();
        if flights.get(client_id).is_none_or(|flight| flight.overtaken) {
            return;
        }
        match found {
            Some(client) if client.client_id() == client_id => {
                self.known.insert(client_id.into(), Entry { value: client.clone(), since });
            }
            // A store that folds case would let one client fill the space under many ids.
            Some(_) => {}
            None => {
                self.known.remove(client_id);
                self.unknown.insert(client_id.into(), Entry { value: (), since });
            }
        }
        drop(flights);
    }

    /// The client that was remembered before the provider failed, if that is allowed and it is not
    /// too old.
    fn stale(&self, client_id: &str) -> Option<RegisteredClient<P::Client>> {
        let oldest = self.stale_on_outage?;
        let entry = self.known.get(client_id)?;
        ((self.clock)().saturating_duration_since(entry.since) < oldest).then_some(entry.value)
    }

    async fn look_up(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, SharedError> {
        let arrived = (self.clock)();
        let place = Place::new(self, client_id);
        let mut failure = place.turn.lock().await;
        if let Some(found) = self.remembered(client_id) {
            return Ok(found);
        }
        if let Some(failure) = failure.as_ref().filter(|failure| failure.at >= arrived) {
            return Err(failure.error.clone());
        }
        if let Some(flight) = self.flights().get_mut(client_id) {
            flight.overtaken = false;
        }
        // An answer is as old as its question: the store may have changed while it was on its way.
        let asked = (self.clock)();
        match self.provider.find_client(client_id).await {
            Ok(found) => {
                self.remember(client_id, found.as_ref(), asked);
                Ok(found)
            }
            Err(error) => {
                let error = SharedError(Arc::new(error.into()));
                *failure = Some(Failure { at: (self.clock)(), error: error.clone() });
                Err(error)
            }
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Box<str>, Flight>> {
        // Should the application's client panic while it is dropped, the map is whole all the same.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: ClientProvider> ClientProvider for CachedProvider<P> {
    type Client = P::Client;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        if let Some(found) = self.remembered(client_id) {
            return Ok(found);
        }
        let error = match self.look_up(client_id).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        // A throttle is no outage: it must not be got around with what is remembered.
        if let Some(throttled) = error.throttled() {
            return Err(throttled.into());
        }
        self.stale(client_id).map(Some).ok_or_else(|| error.into())
    }
}

impl<P: ClientProvider + fmt::Debug> fmt::Debug for CachedProvider<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProvider")
            .field("provider", &self.provider)
            .field("time_to_live", &self.time_to_live)
            .field("unknown_time_to_live", &self.unknown_time_to_live)
            .field("stale_on_outage", &self.stale_on_outage)
            .finish_non_exhaustive()
    }
}

/// A place in a flight, given up when the request is done or dropped.
struct Place<'a, P: ClientProvider> {
    cache: &'a CachedProvider<P>,
    client_id: &'a str,
    turn: Turn,
}

impl<'a, P: ClientProvider> Place<'a, P> {
    fn new(cache: &'a CachedProvider<P>, client_id: &'a str) -> Self {
        let mut flights = cache.flights();
        let flight = flights.entry(client_id.into()).or_default();
        flight.passengers += 1;
        Self { cache, client_id, turn: Arc::clone(&flight.turn) }
    }
}

impl<P: ClientProvider> Drop for Place<'_, P> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        if let Some(flight) = flights.get_mut(self.client_id) {
            flight.passengers -= 1;
            if flight.passengers == 0 {
                flights.remove(self.client_id);
            }
        }
    }
}

/// The failure of one look-up, for all who waited for it.
#[derive(Clone, Debug)]
struct SharedError(Arc<BoxError>);

impl SharedError {
    fn throttled(&self) -> Option<Throttled> {
        self.0.downcast_ref().copied()
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
