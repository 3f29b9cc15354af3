//! Failures in memory.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::request::Parts;

use crate::{
    clock::Clock,
    error::{Error, throttled::Throttled},
    throttle::{
        Throttle, Verdict, blame,
        limit::Limit,
        peer::{Network, PeerAddress},
        table::{LAST, Table},
    },
};

const MINUTE: Duration = Duration::from_secs(60);
const PER_CLIENT: u32 = 10;
const PER_ADDRESS: u32 = 100;
const CAPACITY: usize = 1 << 17;

/// Lets those wait who failed too often, by what this process has seen.
///
/// Failures are counted for each pair of client and address, and for each address. So whoever guesses the secret of
/// a client keeps nobody out but who shares the address, and who sends another id each time has to wait as well. A
/// success counts nothing, and takes nothing back: no client has to wait because of how often it comes.
///
/// Each failure is forgotten when its part of the period is over (the generic cell rate algorithm): with ten a
/// minute, one every six seconds. What is refused is not counted, so the wait ends while a caller goes on trying.
/// Where many attempts failed at once, all of which had passed before, it takes up to ten periods, and no
/// longer: nobody is locked out for good. However many were [overloaded](crate::ErrorKind::Overloaded) or
/// [abandoned](crate::ErrorKind::Abandoned), which others can cause, the wait is that after one failure too many.
///
/// An address of IPv6 counts by its first 64 bits, and one of `64:ff9b::/96` (RFC 6052) as the one of IPv4 that it
/// holds. All callers whose address is not known count as one: see that
/// the [`PeerAddress`] finds one, or strangers keep each other out. With the feature `tracing` the first of them that
/// fails is a warning.
///
/// # Memory
///
/// It is fixed, 16 bytes for each of the [`capacity`](Self::capacity), and nothing is allocated afterwards. Where
/// there is no room for another pair or address, it takes the place of one of eight with the fewest
/// failures. So a caller that has to wait is not forgotten for one that failed once, and to be forgotten it needs seven others, at
/// places that nobody can predict, that have failed as often. A success only reads, without locks; it writes nothing
/// that another core reads.
///
/// # Examples
///
/// ```
/// use std::{net::SocketAddr, sync::Arc, time::Duration};
/// use tower_client_auth::{
///     ClientAuthLayer, ClientProvider,
///     throttle::{FailureThrottle, PeerAddress},
/// };
///
/// fn layers<P: ClientProvider, Q: ClientProvider>(
///     token: ClientAuthLayer<P>,
///     introspection: ClientAuthLayer<Q>,
/// ) -> (ClientAuthLayer<P>, ClientAuthLayer<Q>) {
///     // In axum: `|peer: &ConnectInfo<SocketAddr>| peer.0.ip()`.
///     let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
///     let throttle = Arc::new(
///         FailureThrottle::new(peer)
///             .per_client(10, Duration::from_secs(60))
///             .per_address(100, Duration::from_secs(60)),
///     );
///     // One for all endpoints, or each would have its own count.
///     (token.throttle(Arc::clone(&throttle)), introspection.throttle(throttle))
/// }
/// ```
pub struct FailureThrottle {
    peer: PeerAddress,
    per_client: Limit,
    per_address: Limit,
    clients: Table,
    addresses: Table,
    hasher: RandomState,
    clock: Clock,
    start: Instant,
    warned: AtomicBool,
}

/// The keys that an attempt counts for.
struct Keys {
    client: u64,
    address: u64,
}

impl FailureThrottle {
    /// With these addresses.
    #[must_use]
    pub fn new(peer: PeerAddress) -> Self {
        let clock = Clock::system();
        Self {
            peer,
            per_client: Limit::new(PER_CLIENT, MINUTE),
            per_address: Limit::new(PER_ADDRESS, MINUTE),
            clients: Table::new(CAPACITY),
            addresses: Table::new(CAPACITY),
            hasher: RandomState::new(),
            start: clock.instant(),
            clock,
            warned: AtomicBool::new(false),
        }
    }

    /// How many failures of a client from one address are not too many, at once and in a period. Default: 10 a
    /// minute. At least one; times count in milliseconds, and a longer period than a year is a year.
    #[must_use]
    pub fn per_client(self, failures: u32, per: Duration) -> Self {
        Self { per_client: Limit::new(failures, per), ..self }
    }

    /// The same for all clients from one address together. Default: 100 a minute.
    ///
    /// Clients that share an address, such as those behind one NAT, share this. It should be several times what a
    /// client may have.
    #[must_use]
    pub fn per_address(self, failures: u32, per: Duration) -> Self {
        Self { per_address: Limit::new(failures, per), ..self }
    }

    /// How many pairs of client and address are remembered, and how many addresses. Default: 131,072, which is
    /// 2 MiB. It is rounded up to a power of two.
    #[must_use]
    pub fn capacity(self, entries: usize) -> Self {
        Self { clients: Table::new(entries), addresses: Table::new(entries), ..self }
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { start: clock.instant(), clock, ..self }
    }

    /// For a client at an address, and for the address.
    #[cfg(feature = "redis")]
    pub(super) const fn limits(&self) -> [&Limit; 2] {
        [&self.per_client, &self.per_address]
    }

    pub(super) fn network(&self, head: &Parts) -> Network {
        Network::of(self.peer.of(head))
    }

    fn keys(&self, client_id: &str, head: &Parts) -> Keys {
        // The key of the hasher is random, so that nobody can choose who shares a place.
        let address = self.hasher.hash_one(self.network(head));
        Keys { client: self.hasher.hash_one((address, client_id)), address }
    }

    /// In milliseconds.
    pub(super) fn now(&self) -> u64 {
        let now = self.clock.instant().saturating_duration_since(self.start);
        u64::try_from(now.as_millis()).unwrap_or(LAST).min(LAST)
    }
}

impl Throttle for FailureThrottle {
    fn check<'a>(&'a self, client_id: &'a str, head: &'a Parts) -> Verdict<'a> {
        let keys = self.keys(client_id, head);
        let (client, address) = (self.clients.find(keys.client), self.addresses.find(keys.address));
        // Most never failed: the time is not asked for.
        if client | address == 0 {
            return Verdict::Pass;
        }
        let now = self.now();
        let waits = [self.per_client.wait(client, now), self.per_address.wait(address, now)];
        waits.into_iter().flatten().max().map_or(Verdict::Pass, |wait| {
            Verdict::Refuse(Throttled::new(Duration::from_millis(wait)))
        })
    }

    fn note(&self, client_id: &str, head: &Parts, error: Option<&Error>) {
        if let Some(blame) = error.and_then(blame) {
            let (keys, now) = (self.keys(client_id, head), self.now());
            self.clients.add(keys.client, now, &self.per_client, blame);
            self.addresses.add(keys.address, now, &self.per_address, blame);
            if self.network(head) == Network::Unknown && !self.warned.swap(true, Relaxed) {
                warn();
            }
        }
    }
}

#[cfg(feature = "tracing")]
fn warn() {
    tracing::warn!(
        target: "tower_client_auth",
        "a caller failed whose address is not known to the throttle; all such callers count as one"
    );
}

#[cfg(not(feature = "tracing"))]
const fn warn() {}

impl fmt::Debug for FailureThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureThrottle")
            .field("peer", &self.peer)
            .field("per_client", &self.per_client)
            .field("per_address", &self.per_address)
            .field("capacity", &self.clients.capacity())
            .finish_non_exhaustive()
    }
}
