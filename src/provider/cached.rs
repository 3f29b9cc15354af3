//! A provider that remembers what another one answered.

mod issued;
mod memory;

use std::{fmt, sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use crate::{
    client::RegisteredClient,
    clock::Clock,
    error::{BoxError, problem::UnusableClient, throttled::Throttled},
    isolate::{
        meter::{Counter, meter},
        single_flight::{DEADLINE, FlightError, SharedError, SingleFlight},
    },
    provider::{cached::memory::Memory, lookup::ClientProvider},
};

const CAPACITY: usize = 10_000;
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
const UNKNOWN_CAPACITY: usize = 1_000;
const UNKNOWN_TIME_TO_LIVE: Duration = Duration::from_secs(5);
const MAX_LOOKUPS: usize = 1_024;

static HITS: Counter =
    meter!("client_auth_cache_requests_total", "cache" => "clients", "result" => "hit");
static MISSES: Counter =
    meter!("client_auth_cache_requests_total", "cache" => "clients", "result" => "miss");
static STALE: Counter =
    meter!("client_auth_cache_requests_total", "cache" => "clients", "result" => "stale");

/// Remembers the answers of a provider for a while, so that a busy client does not cost a look-up
/// per request.
///
/// What changes in the store takes effect within the [time to live](Self::time_to_live), or at once
/// where the program says [`invalidate`](Self::invalidate); without this decorator it takes effect
/// with the next request (RFC 7592). Keep the time shorter than a revoked secret may still be
/// accepted.
///
/// Requests for one client that arrive while it is being looked up wait for that look-up, and share
/// its answer or its failure. The look-up is a task of its own where there is a tokio runtime: a
/// request that is dropped does not stop it, and what it brings is remembered. It sees neither the
/// task-locals nor the current span of a request. At most
/// [1,024 look-ups](Self::max_lookups) are in flight at a time, and each has
/// [10 seconds](Self::lookup_deadline).
///
/// Ids that are unknown are remembered apart, in a space of their own: sending many does not push
/// out real clients. An answer with another id than the requested one is not
/// remembered.
///
/// A look-up by id that is found here allocates nothing.
///
/// Of an [issuer and a subject](ClientProvider::find_federated) it remembers which client they stand for, as many pairs and
/// as long as clients, unknown ones apart, and looks that client up as others. Each invalidation forgets all pairs.
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
    provider: Arc<P>,
    memory: Memory<P::Client>,
    flights: SingleFlight<Answer<P::Client>>,
    /// Their names would be ids of clients, too: callers choose both.
    issued_flights: SingleFlight<Answer<P::Client>>,
}

/// What a look-up brings for all its waiters.
type Answer<C> = Result<Option<RegisteredClient<C>>, SharedError>;

impl<P: ClientProvider> CachedProvider<P> {
    /// Remembers up to 10,000 clients for 30 seconds, and up to 1,000 unknown ids for 5 seconds.
    #[must_use]
    pub fn new(provider: P) -> Self {
        Self {
            provider: Arc::new(provider),
            memory: Memory {
                known: Arc::new(Cache::new(CAPACITY)),
                unknown: Arc::new(Cache::new(UNKNOWN_CAPACITY)),
                issued: Arc::new(Cache::new(CAPACITY)),
                unknown_issued: Arc::new(Cache::new(UNKNOWN_CAPACITY)),
                time_to_live: TIME_TO_LIVE,
                unknown_time_to_live: UNKNOWN_TIME_TO_LIVE,
                stale_if_error: None,
                clock: Clock::system(),
            },
            flights: SingleFlight::new(MAX_LOOKUPS, DEADLINE),
            issued_flights: SingleFlight::new(MAX_LOOKUPS, DEADLINE),
        }
    }

    /// How many clients are remembered. Default: 10,000.
    #[must_use]
    pub fn capacity(mut self, clients: usize) -> Self {
        self.memory.known = Arc::new(Cache::new(clients));
        self.memory.issued = Arc::new(Cache::new(clients));
        self
    }

    /// How long a client is remembered, and so how long a removed client or a replaced secret may
    /// still be accepted. Default: 30 seconds.
    ///
    /// It counts from the moment the provider was asked. The waiters of a look-up share its
    /// answer even if the look-up took longer than this.
    #[must_use]
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.memory.time_to_live = time_to_live;
        self
    }

    /// How many unknown ids are remembered. Default: 1,000.
    #[must_use]
    pub fn unknown_capacity(mut self, ids: usize) -> Self {
        self.memory.unknown = Arc::new(Cache::new(ids));
        self.memory.unknown_issued = Arc::new(Cache::new(ids));
        self
    }

    /// How long an unknown id is remembered, and so how long a client that has just been registered
    /// may still be refused. Default: 5 seconds.
    #[must_use]
    pub fn unknown_time_to_live(mut self, unknown_time_to_live: Duration) -> Self {
        self.memory.unknown_time_to_live = unknown_time_to_live;
        self
    }

    /// Goes on with a remembered client while the provider fails, for this long after the
    /// [time to live](Self::time_to_live) is over (RFC 5861 §4). Default: a failing provider is
    /// answered 503 as soon as the time to live is over.
    ///
    /// For servers that must keep working: a client removed or a secret replaced
    /// during the outage is accepted until then. The provider is asked first, each time, so it
    /// should fail fast: one that hangs until the `provider_deadline` of the layer is cut off
    /// together with this decorator.
    #[must_use]
    pub fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.memory.stale_if_error = Some(stale_if_error);
        self
    }

    /// How many look-ups may be in flight at a time; for one more the caller is answered 503 at once,
    /// also with [`stale_if_error`](Self::stale_if_error): who makes up ids must not decide that the
    /// provider is out of order. Default: 1,024.
    ///
    /// Requests for the same client count once. An invalidated look-up counts until it ends. One that
    /// no request waits for any more is ended when there is no room: callers that hang up keep no
    /// others out. Callers that wait do, so throttle them by address further out.
    #[must_use]
    pub fn max_lookups(self, lookups: usize) -> Self {
        let issued_flights = self.issued_flights.limit(lookups);
        Self { flights: self.flights.limit(lookups), issued_flights, ..self }
    }

    /// How long a look-up may take before it counts as failed. Default: 10 seconds.
    ///
    /// It needs the timer of the tokio runtime (`enable_time`). Without one, a look-up ends when the
    /// next request for its client arrives after this time; as tokio tells only by a panic that there
    /// is no timer, a program with `panic = "abort"` must enable it.
    #[must_use]
    pub fn lookup_deadline(self, deadline: Duration) -> Self {
        let issued_flights = self.issued_flights.deadline(deadline);
        Self { flights: self.flights.deadline(deadline), issued_flights, ..self }
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.memory.clock = clock;
        self
    }

    /// Forgets what is known of a client, and that it is unknown. A request that arrives after this
    /// is never answered from a look-up that began before it; one that waits already still is, and
    /// its answer is not remembered.
    ///
    /// Call it after the store was changed.
    pub fn invalidate(&self, client_id: &str) {
        let Memory { known, unknown, .. } = &self.memory;
        // Which issuers and subjects it has, and had, only the store knows.
        self.forget_issued();
        self.flights.invalidate(client_id, || (known.remove(client_id), unknown.remove(client_id)));
    }

    /// Forgets everything, for example when the connection that tells of changes was lost.
    pub fn invalidate_all(&self) {
        let Memory { known, unknown, .. } = &self.memory;
        self.forget_issued();
        self.flights.invalidate_all(|| {
            (known.drain().collect::<Vec<_>>(), unknown.drain().collect::<Vec<_>>())
        });
    }

    fn forget_issued(&self) {
        let Memory { issued, unknown_issued, .. } = &self.memory;
        self.issued_flights.invalidate_all(|| {
            (issued.drain().collect::<Vec<_>>(), unknown_issued.drain().collect::<Vec<_>>())
        });
    }

    /// The provider behind the cache.
    #[must_use]
    pub fn get_ref(&self) -> &P {
        &self.provider
    }

    async fn look_up(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        let answer = self.flights.run(client_id, |flight| {
            let client_id = Arc::clone(&flight.key);
            let (provider, memory) = (Arc::clone(&self.provider), self.memory.clone());
            async move {
                if let Some(found) = memory.remembered(&client_id) {
                    return (Ok(found), None);
                }
                // An answer is as old as its question: the store may have changed while it was on
                // its way.
                let asked = memory.now();
                match provider.find_client(&client_id).await {
                    Ok(found) => {
                        let answer = found.clone();
                        let remember = move || {
                            let replaced = memory.remember(&client_id, answer.as_ref(), asked);
                            (replaced, answer, memory)
                        };
                        (Ok(found), Some(remember))
                    }
                    Err(error) => (Err(SharedError::new(error)), None),
                }
            }
        });
        self.settle(answer.await, Some(client_id))
    }

    /// The answer of a look-up, or the client that is remembered where the provider failed.
    fn settle(
        &self,
        answer: Result<Answer<P::Client>, FlightError>,
        client_id: Option<&str>,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        let error: BoxError = match answer {
            Ok(Ok(found)) => {
                self.memory.count();
                return Ok(found);
            }
            Ok(Err(error)) => match Throttled::find(error.get_ref()) {
                // A throttle is no outage: it must not be got around with what is remembered.
                Some(throttled) => return Err((*throttled).into()),
                // Nor is a registration that has become unusable.
                None if client_id.is_some_and(|id| UnusableClient::caused(error.get_ref(), id)) => {
                    return Err(error.into());
                }
                None => error.into(),
            },
            // Callers made up so many ids, which says nothing of the provider.
            Err(FlightError::Full) => return Err(FlightError::Full.into()),
            Err(error) => error.into(),
        };
        let stale = client_id.and_then(|client_id| self.memory.stale(client_id)).ok_or(error)?;
        STALE.increment();
        Ok(Some(stale))
    }
}

impl<P: ClientProvider> ClientProvider for CachedProvider<P> {
    type Client = P::Client;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        if let Some(found) = self.memory.remembered(client_id) {
            HITS.increment();
            return Ok(found);
        }
        MISSES.increment();
        // Boxed, so that the future of a hit stays small.
        Box::pin(self.look_up(client_id)).await
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        self.find_issued(issuer, subject).await
    }
}

impl<P: ClientProvider + fmt::Debug> fmt::Debug for CachedProvider<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProvider")
            .field("provider", &self.provider)
            .field("time_to_live", &self.memory.time_to_live)
            .field("unknown_time_to_live", &self.memory.unknown_time_to_live)
            .field("stale_if_error", &self.memory.stale_if_error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::provider::provider_fn;

    // It may begin a look-up just after another one filled the cache.
    #[tokio::test]
    async fn late_miss_finds_the_landed_answer() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let provider = CachedProvider::new(provider_fn(move |id: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            let found = (id == "batch").then(|| RegisteredClient::public("batch", ()));
            std::future::ready(Ok::<_, BoxError>(found))
        }));
        for id in ["batch", "unknown"] {
            let found = provider.find_client(id).await.unwrap().is_some();
            assert_eq!(provider.look_up(id).await.unwrap().is_some(), found);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
