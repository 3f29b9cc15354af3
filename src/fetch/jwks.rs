//! The keys of clients that publish them at a `jwks_uri`.

mod key_sets;
mod source;

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

pub use crate::fetch::jwks::source::{FetchedJwks, JwksSource};
use crate::{
    clock::Clock,
    error::{Error, kind::ErrorKind, throttled::Throttled},
    fetch::{
        budget::PerHost,
        jwks::key_sets::KeySets,
        remembered::{Capacity, Remembered, Settings},
    },
    jose::{invalid::OmittedKey, set::KeySet},
};

/// A hundred times what a client of a few keys publishes.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;

const LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(5 * 60)..=Duration::from_secs(24 * 60 * 60);
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(30);
const STALE_IF_ERROR: Duration = Duration::from_secs(60 * 60);
const CAPACITY: Capacity = Capacity { addresses: 1_000, bytes: 16 * 1024 * 1024 };
const MAX_FETCHES: usize = 16;
const PER_HOST: PerHost = PerHost { at_a_time: 4, per_minute: 30 };

/// Remembers the keys that a [`JwksSource`] fetched, prepared for many verifications.
///
/// [`Assertions::jwks_source`](crate::assertion::Assertions::jwks_source) makes one with these defaults of any
/// source; make it yourself to change them.
///
/// - A key set is kept as long as its origin allows, within the bounds of
///   [`lifetime`](Self::lifetime). In the second half of its lifetime a request makes it be fetched
///   again, and does not wait.
/// - Requests for an address of which nothing is known, or whose keys are past their lifetime, wait
///   for one fetch together; no key is accepted past its lifetime before that has failed. The fetch
///   is a task of its own where there is a tokio runtime: a request that is dropped does not stop it,
///   and what it brings is remembered. Each has [10 seconds](Self::fetch_deadline).
/// - An assertion with a `kid` that is not in the set is judged at once by the keys that are known,
///   and the set is fetched again for the next one, because the client may have a new key; but not
///   more often than the [minimum interval](Self::min_refetch_interval) allows: any caller can send
///   such an assertion.
/// - What is a key set replaces the keys that were known, also an empty one, and so does the answer
///   that there is [none](FetchedJwks::gone). All else is an outage: a source that fails, a document
///   that is no key set, one longer than 64 KiB.
/// - During an outage the last keys stay in use [for an hour](Self::stale_if_error) after their
///   lifetime, and the source is asked after 5 seconds, then after twice as many, up to a minute.
///   When there are no keys the caller is answered 503. A want of room here, or a
///   [`Throttled`](crate::provider::Throttled), is no outage: no keys past their lifetime are used.
/// - An address is *proven* once a signature was verified with its keys, or if it is
///   [trusted](Self::trusted). All others are on probation, because anybody who may register can invent
///   them. The two kinds have a memory of their own
///   ([`capacity`](Self::capacity), [`max_bytes`](Self::max_bytes)) and fetches of their own
///   ([`max_fetches`](Self::max_fetches), [`max_per_host`](Self::max_per_host)).
///
/// Clones share the keys, the fetches and their bounds. So several [`Assertions`](crate::assertion::Assertions)
/// with other settings, such as those of two endpoints, take a clone each of one cache; settings of the cache
/// itself are made before.
///
/// Without a runtime of tokio nothing goes on in the background: a request waits for the fetch that it
/// causes, keys are not fetched before their lifetime is over, and a caller that hangs up cuts the
/// fetch off, which counts as a failure.
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
pub struct JwksCache(Remembered<KeySets>);

impl JwksCache {
    /// A cache with the defaults.
    #[must_use]
    pub fn new(source: impl JwksSource) -> Self {
        let settings = Settings {
            lifetime: LIFETIME,
            interval: MIN_REFETCH_INTERVAL,
            stale_if_error: STALE_IF_ERROR,
            capacity: CAPACITY,
            most_of_a_host: usize::MAX,
            per_host: PER_HOST,
            clock: Clock::system(),
        };
        let documents = KeySets { source: Arc::new(source), on_omitted_keys: None };
        Self(Remembered::new(documents, settings, MAX_FETCHES))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.0.settings);
        self
    }

    /// How long a key set is kept at least and at most, whatever its origin says. One whose origin
    /// says nothing is kept for the shorter time. Default: 5 minutes to 24 hours.
    ///
    /// A key that a client has withdrawn is accepted until the set is fetched again.
    #[must_use]
    pub fn lifetime(self, lifetime: RangeInclusive<Duration>) -> Self {
        self.with(|settings| settings.lifetime = lifetime)
    }

    /// How long after a fetch an unknown `kid` does not cause another. Default: 30 seconds.
    ///
    /// A client that signs with a key right after publishing it is refused until the set was fetched
    /// again: once at least, and for this long at most.
    #[must_use]
    pub fn min_refetch_interval(self, min_refetch_interval: Duration) -> Self {
        self.with(|settings| settings.interval = min_refetch_interval)
    }

    /// Goes on with the last keys while the source fails, for this long after their
    /// [lifetime](Self::lifetime) is over (RFC 5861 §4). Default: 1 hour.
    #[must_use]
    pub fn stale_if_error(self, stale_if_error: Duration) -> Self {
        self.with(|settings| settings.stale_if_error = stale_if_error)
    }

    /// How many addresses are remembered: this many that are proven, and as many on probation. The
    /// one of its kind that was not used for the longest time makes room. Default: 1,000.
    #[must_use]
    pub fn capacity(self, addresses: usize) -> Self {
        self.with(|settings| settings.capacity.addresses = addresses)
    }

    /// How many bytes of memory the keys take at most: this many those of proven addresses, and as
    /// many the others. Default: 16 MiB.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.capacity.bytes = bytes)
    }

    /// How many fetches may be in flight at a time: this many of addresses on probation, and as many
    /// of proven ones. One more on probation fails at once; one that no request waits for any more is
    /// ended for it. A proven one that a request waits for waits for its turn, for half of the
    /// [deadline](Self::fetch_deadline) at most. Without room the caller is answered 503. Default: 16.
    #[must_use]
    pub fn max_fetches(self, fetches: usize) -> Self {
        Self(self.0.max_fetches(fetches))
    }

    /// How many fetches from one host may be in flight at a time, and how many of addresses on
    /// probation may begin within a minute. The first is for addresses on probation and, again, for
    /// proven ones. One more on probation is answered 429 with `Retry-After`. A proven one that a request
    /// waits for waits for its turn; when that does not come within half of the
    /// [deadline](Self::fetch_deadline), the host counts as out of reach. Default: 4 and 30.
    ///
    /// Until it is proven or [trusted](Self::trusted), every address is on probation: many clients at one
    /// host need more. Hosts that are written oddly (`%68ost.example`) count as one.
    #[must_use]
    pub fn max_per_host(self, at_a_time: usize, unproven_per_minute: u32) -> Self {
        let per_host = PerHost { at_a_time, per_minute: unproven_per_minute };
        self.with(|settings| settings.per_host = per_host)
    }

    /// Counts these addresses as proven from the start, each as its client is registered with it.
    /// Default: none.
    ///
    /// After a start strangers can take all that there is on probation, and a client that was not seen yet
    /// is answered 503 or 429. Name those that must not wait, and none that registered themselves.
    ///
    /// ```
    /// # use tower_client_auth::assertion::{JwksCache, JwksSource};
    /// fn cache(source: impl JwksSource) -> JwksCache {
    ///     JwksCache::new(source).trusted(["https://batch.example/jwks.json"])
    /// }
    /// ```
    #[must_use]
    pub fn trusted(mut self, jwks_uris: impl IntoIterator<Item: Into<Arc<str>>>) -> Self {
        self.0.trusted = Arc::new(jwks_uris.into_iter().map(Into::into).collect());
        self
    }

    /// Counts these as [trusted](Self::trusted), too.
    #[cfg(feature = "unstable-attestation")]
    pub(crate) fn also_trusted(self, jwks_uris: impl IntoIterator<Item = Arc<str>>) -> Self {
        let trusted = self.0.trusted.iter().cloned().chain(jwks_uris).collect::<Vec<_>>();
        self.trusted(trusted)
    }

    /// How long a fetch may take before it counts as failed. Default: 10 seconds.
    ///
    /// It needs the timer of the tokio runtime (`enable_time`). Without one, a fetch ends when the next
    /// request for its address arrives after this time; as tokio tells only by a panic that there is no
    /// timer, a program with `panic = "abort"` must enable it.
    #[must_use]
    pub fn fetch_deadline(self, deadline: Duration) -> Self {
        Self(self.0.fetch_deadline(deadline))
    }

    /// Calls this with the address of a key set after each fetch that found keys in it which are not
    /// used, and why. It is called in the task of the fetch and must not block. A panic in it changes no
    /// answer, and is logged with the feature `tracing`.
    ///
    /// A [private](OmittedKey::is_private) key among them is an incident: whoever has read the set can be
    /// the client, so neither this key nor another of its public part or `kid` is used, and the client
    /// must be told. Tell it of weak keys, too: it gets no other answer than 401, and the reason is
    /// `unknown_key` if the set has no other keys. Registered keys of that kind make the client's
    /// registration unusable.
    ///
    /// ```
    /// # use tower_client_auth::assertion::{JwksCache, JwksSource};
    /// fn cache(source: impl JwksSource) -> JwksCache {
    ///     JwksCache::new(source).on_omitted_keys(|jwks_uri, keys| {
    ///         for key in keys {
    ///             let incident = if key.is_private() { " (private!)" } else { "" };
    ///             eprintln!("{}: {key}{incident}", jwks_uri.escape_debug());
    ///         }
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn on_omitted_keys(
        mut self,
        observe: impl Fn(&str, &[OmittedKey]) + Send + Sync + 'static,
    ) -> Self {
        self.0.documents.on_omitted_keys = Some(Arc::new(observe));
        self
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|settings| settings.clock = clock)
    }

    /// The key set at `jwks_uri`, one in which `has` holds if there is one; an error if it is not known
    /// whether there is any.
    pub(crate) async fn keys(
        &self,
        jwks_uri: &str,
        has: impl Fn(&KeySet) -> bool,
    ) -> Result<Arc<KeySet>, Error> {
        let error = match self.0.get(jwks_uri, has).await {
            Ok(keys) => return Ok(keys),
            Err(error) => error,
        };
        Err(match Throttled::find(error.get_ref()) {
            Some(throttled) => Error::with_source(ErrorKind::Throttled, (*throttled).into()),
            None => Error::with_source(ErrorKind::KeySource, error.into()),
        })
    }

    /// A signature was verified with the keys at this address.
    pub(crate) fn proved(&self, jwks_uri: &str) {
        self.0.proved(jwks_uri);
    }

    /// Waits until no fetch is in flight.
    #[cfg(all(test, private_tests))]
    pub(crate) async fn landed(&self) {
        while self.0.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl<J: JwksSource> From<J> for JwksCache {
    fn from(source: J) -> Self {
        Self::new(source)
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.0.settings;
        f.debug_struct("JwksCache")
            .field("capacity", &settings.capacity.addresses)
            .field("max_bytes", &settings.capacity.bytes)
            .field("lifetime", &settings.lifetime)
            .field("min_refetch_interval", &settings.interval)
            .field("stale_if_error", &settings.stale_if_error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
mod tests;
