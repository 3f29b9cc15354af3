//! The keys of clients that publish them at a `jwks_uri`.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    ops::RangeInclusive,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{error::BoxError, jose::keys::KeySet};

/// A hundred times what a client of a few keys publishes.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;

const LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(5 * 60)..=Duration::from_secs(24 * 60 * 60);
const REFETCH_FLOOR: Duration = Duration::from_secs(30);
const STALE_ON_OUTAGE: Duration = Duration::from_secs(24 * 60 * 60);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
const CAPACITY: usize = 1_000;

/// Fetches the key set that a client publishes (RFC 7591 §2, `jwks_uri`).
///
/// The URI comes from a registration, which anybody may have made where registration is open. What a
/// source returns is remembered by a [`JwksCache`]; a source remembers nothing.
///
/// # Contract
///
/// - Follow no redirects, limit time and size, and refuse addresses that are not public.
/// - The returned future may be dropped at any time.
///
/// # Examples
///
/// Keys that a side-car keeps in files:
///
/// ```
/// use std::{io, time::Duration};
/// use tower_client_auth::assertion::{FetchedJwks, JwksSource};
///
/// struct Files;
///
/// impl JwksSource for Files {
///     type Error = io::Error;
///
///     async fn fetch(&self, jwks_uri: &str) -> io::Result<FetchedJwks> {
///         let path = match jwks_uri {
///             "https://batch.example/jwks.json" => "/run/jwks/batch.json",
///             _ => return Err(io::ErrorKind::NotFound.into()),
///         };
///         let document = std::fs::read(path)?;
///         Ok(FetchedJwks::new(document.into(), Some(Duration::from_secs(600))))
///     }
/// }
/// ```
pub trait JwksSource: Send + Sync + 'static {
    /// Why the keys could not be had.
    type Error: Into<BoxError>;

    /// Fetches the document at `jwks_uri`.
    ///
    /// # Errors
    ///
    /// If it cannot be had. The caller is answered 503.
    fn fetch(
        &self,
        jwks_uri: &str,
    ) -> impl Future<Output = Result<FetchedJwks, Self::Error>> + Send;
}

/// A fetched key set (RFC 7517 §5).
#[derive(Clone, Debug)]
pub struct FetchedJwks {
    document: Bytes,
    max_age: Option<Duration>,
}

impl FetchedJwks {
    /// The document as it was received, and how long its origin says that it may be kept.
    #[must_use]
    pub const fn new(document: Bytes, max_age: Option<Duration>) -> Self {
        Self { document, max_age }
    }

    /// The JSON text.
    #[must_use]
    pub const fn document(&self) -> &Bytes {
        &self.document
    }

    /// How long the document may be kept.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

type Fetch<'a> = Pin<Box<dyn Future<Output = Result<FetchedJwks, BoxError>> + Send + 'a>>;

trait AnyJwksSource: Send + Sync {
    fn fetch_any<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a>;
}

impl<J: JwksSource> AnyJwksSource for J {
    fn fetch_any<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a> {
        Box::pin(async move { self.fetch(jwks_uri).await.map_err(Into::into) })
    }
}

/// Remembers the keys that a [`JwksSource`] fetched, prepared for many verifications.
///
/// [`Assertions::jwks_source`](crate::assertion::Assertions::jwks_source) makes one with these defaults of any
/// source; make it yourself to change them.
///
/// - A key set is kept as long as its origin allows, within the bounds of
///   [`lifetime`](Self::lifetime).
/// - Requests for one address that arrive while it is being fetched wait for that fetch.
/// - An assertion with a `kid` that is not in the set makes the set be fetched again, because the
///   client may have a new key, but not more often than the [floor](Self::refetch_floor) allows:
///   anybody can send such an assertion.
/// - While the source fails, the last keys stay in use [for a day](Self::stale_on_outage), and the
///   source is asked every 5 seconds at most. When there are none the caller gets 503.
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
///         .stale_on_outage(Duration::from_secs(2 * 3600));
///     let replay = MemoryReplayStore::default();
///     Ok(Assertions::new("https://as.example", replay)?.jwks_source(keys))
/// }
/// ```
#[derive(Clone)]
pub struct JwksCache {
    source: Arc<dyn AnyJwksSource>,
    slots: Arc<Mutex<HashMap<Box<str>, Arc<Slot>>>>,
    capacity: usize,
    lifetime: RangeInclusive<Duration>,
    refetch_floor: Duration,
    stale_on_outage: Duration,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

/// What is known of one address.
struct Slot {
    /// Whoever holds it fetches.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

struct Known {
    keys: Option<Keys>,
    /// When the source was asked last, and what it said if it failed.
    asked: Option<(Instant, Option<Arc<str>>)>,
    used: Instant,
}

struct Keys {
    set: Arc<KeySet>,
    since: Instant,
    lifetime: Duration,
}

impl JwksCache {
    /// A cache with the defaults.
    #[must_use]
    pub fn new(source: impl JwksSource) -> Self {
        Self {
            source: Arc::new(source),
            slots: Arc::default(),
            capacity: CAPACITY,
            lifetime: LIFETIME,
            refetch_floor: REFETCH_FLOOR,
            stale_on_outage: STALE_ON_OUTAGE,
            clock: Arc::new(Instant::now),
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
    pub fn refetch_floor(self, refetch_floor: Duration) -> Self {
        Self { refetch_floor, ..self }
    }

    /// Goes on with the last keys while the source fails, until they are this old. Default: 24
    /// hours.
    #[must_use]
    pub fn stale_on_outage(self, oldest: Duration) -> Self {
        Self { stale_on_outage: oldest, ..self }
    }

    /// How many addresses are remembered; the one that was not used for the longest time makes room.
    /// Default: 1,000.
    #[must_use]
    pub fn capacity(self, addresses: usize) -> Self {
        Self { capacity: addresses, ..self }
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(now), ..self }
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
            return answer;
        }
        let _turn = match slot.turn.try_lock() {
            Ok(turn) => turn,
            Err(_taken) => {
                if let Some(keys) = self.good_enough(&slot, kid) {
                    return Ok(keys);
                }
                let turn = slot.turn.lock().await;
                if let Some(answer) = self.remembered(&slot, kid) {
                    return answer;
                }
                turn
            }
        };
        // An answer is as old as its question.
        let asked = (self.clock)();
        let fetched = self.fetch(jwks_uri).await;
        let failed_at = (self.clock)();
        let mut known = slot.known();
        match fetched {
            Ok((set, lifetime)) => {
                let set = Arc::new(set);
                known.keys = Some(Keys { set: Arc::clone(&set), since: asked, lifetime });
                known.asked = Some((asked, None));
                Ok(set)
            }
            Err(error) => {
                known.asked = Some((failed_at, Some(error.to_string().into())));
                match self.usable(&known, failed_at) {
                    Some(keys) if known.has(kid) => Ok(keys),
                    _ => Err(error),
                }
            }
        }
    }

    async fn fetch(&self, jwks_uri: &str) -> Result<(KeySet, Duration), BoxError> {
        let fetched = self.source.fetch_any(jwks_uri).await?;
        if fetched.document().len() > LONGEST_DOCUMENT {
            return Err("the key set is longer than 64 KiB".into());
        }
        let (shortest, longest) = (*self.lifetime.start(), *self.lifetime.end());
        let lifetime = fetched.max_age().unwrap_or(shortest).max(shortest).min(longest);
        Ok((KeySet::parse(fetched.document())?, lifetime))
    }

    /// What can be said without asking the source, or `None` if it is time to ask it.
    fn remembered(&self, slot: &Slot, kid: Option<&str>) -> Option<Result<Arc<KeySet>, BoxError>> {
        let now = (self.clock)();
        let mut known = slot.known();
        known.used = now;
        let fresh = known.fresh(now);
        if fresh && known.has(kid) {
            return self.usable(&known, now).map(Ok);
        }
        let (asked, failure) = known.asked.as_ref()?;
        let pause = match failure {
            Some(_) if !fresh => PAUSE_AFTER_FAILURE,
            _ => self.refetch_floor,
        };
        if now.saturating_duration_since(*asked) >= pause {
            return None;
        }
        match (self.usable(&known, now), failure) {
            // While the source fails, nobody knows whether the client has such a key.
            (Some(keys), failure) if failure.is_none() || known.has(kid) => Some(Ok(keys)),
            (_, Some(failure)) => Some(Err(failure.to_string().into())),
            (_, None) => None,
        }
    }

    /// The keys to go on with while somebody else is fetching, rather than wait.
    fn good_enough(&self, slot: &Slot, kid: Option<&str>) -> Option<Arc<KeySet>> {
        let known = slot.known();
        self.usable(&known, (self.clock)()).filter(|_| known.has(kid))
    }

    fn usable(&self, known: &Known, now: Instant) -> Option<Arc<KeySet>> {
        let keys = known.keys.as_ref()?;
        let oldest = keys.lifetime.max(self.stale_on_outage);
        let usable = now.saturating_duration_since(keys.since) < oldest;
        usable.then(|| Arc::clone(&keys.set))
    }

    fn slot(&self, jwks_uri: &str) -> Arc<Slot> {
        let now = (self.clock)();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(jwks_uri) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.capacity {
            let longest_unused = slots.iter().min_by_key(|(_, slot)| slot.known().used);
            if let Some(uri) = longest_unused.map(|(uri, _)| uri.clone()) {
                slots.remove(&uri);
            }
        }
        let slot = Arc::new(Slot {
            turn: tokio::sync::Mutex::default(),
            known: Mutex::new(Known { keys: None, asked: None, used: now }),
        });
        slots.insert(jwks_uri.into(), Arc::clone(&slot));
        slot
    }
}

impl Slot {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn fresh(&self, now: Instant) -> bool {
        self.keys
            .as_ref()
            .is_some_and(|keys| now.saturating_duration_since(keys.since) < keys.lifetime)
    }

    fn has(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.keys.as_ref().is_some_and(|keys| keys.set.has(kid)))
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
            .field("refetch_floor", &self.refetch_floor)
            .field("stale_on_outage", &self.stale_on_outage)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
