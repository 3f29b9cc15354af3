//! Used assertions in memory.

use std::{
    cmp::Reverse,
    collections::{
        BinaryHeap, HashMap,
        hash_map::{self, RandomState},
    },
    fmt,
    future::{Future, ready},
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    error::throttled::Throttled,
    isolate::meter::{Gauge, meter},
    replay::{KEPT_LONGER, ReplayStore, digest},
};

static ENTRIES: Gauge = meter!("client_auth_replay_entries");

const CAPACITY: usize = 100_000;

/// Two a claim: one for the entry it takes, one to catch up.
const FORGOTTEN_PER_CLAIM: usize = 2;

/// What has expired counts for nobody, so a claim that is refused for what its client holds catches up
/// further. It takes well under a millisecond.
const FORGOTTEN_PER_REFUSAL: usize = 1_000;

/// When one in `HALF` of the entries is taken, no client holds more than one in `SHARE` of all.
const HALF: usize = 2;
const SHARE: usize = 16;

/// How long a client waits that holds its share.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A replay store in the memory of one server.
///
/// Replicas do not share it: behind a load balancer, each would accept an assertion once. Use it for
/// a single server, and there one for all layers: two that have a store each accept an assertion
/// twice. [`Assertions::new`](crate::assertion::Assertions::new) shows how to share it.
///
/// A restart forgets what was used, and with that every assertion that has not expired could be used
/// once more. Keep the lifetime of assertions short, or use a store that outlives the server.
///
/// # Size
///
/// An entry takes 100 to 190 bytes, however long its parts are, and 20 to 40 more for each client. It is
/// kept until a minute after the assertion expires: a clock that is set back by less makes no used
/// assertion new. The store needs as many entries as assertions are accepted within the longest lifetime
/// and two minutes, because the clock of a client may be ahead by another one: 100,000 entries, the
/// default and about 12 MB, are 230 authentications a second with assertions of five minutes.
///
/// A full store refuses new assertions (503) until the oldest are forgotten; it never forgets one that
/// could still be used. From half on, a client that holds a sixteenth of all entries is refused alone,
/// with 429, so that none fills it for all others. A client that makes most of the requests therefore
/// needs a store of twice the size.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{Clock, replay::{MemoryReplayStore, ReplayStore}};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryReplayStore::new(1_000).clock(Clock::fixed(1_700_000_000));
/// let until = 1_700_000_300;
/// assert!(store.claim("batch", "3Lh8bGq0", until).await?);
/// assert!(!store.claim("batch", "3Lh8bGq0", until).await?);
/// # Ok::<(), tower_client_auth::replay::ReplayStoreFull>(())
/// # }).unwrap();
/// ```
pub struct MemoryReplayStore {
    claims: Mutex<Claims>,
    /// Keyed at random: no client can choose an id that is counted as another's.
    clients: RandomState,
    capacity: usize,
    clock: Clock,
}

#[derive(Default)]
struct Claims {
    until: HashMap<[u8; 32], i64>,
    /// Everything in the map, the first to expire on top. A pair that was claimed anew after its
    /// time is in here twice until the older one is taken off.
    order: BinaryHeap<Reverse<Entry>>,
    /// How many of them each client has, if any.
    held: HashMap<u64, usize>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    until: i64,
    key: [u8; 32],
    /// The hash of its id.
    client: u64,
}

impl Entry {
    const fn is_kept(until: i64, now: i64) -> bool {
        until.saturating_add(KEPT_LONGER) > now
    }
}

impl MemoryReplayStore {
    /// A store for this many assertions.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            claims: Mutex::default(),
            clients: RandomState::new(),
            capacity,
            clock: Clock::system(),
        }
    }

    /// The clock. Default: the system's.
    ///
    /// It must not be ahead of the clock of the layer by more than a minute, or a claim ends before the
    /// assertion does.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn claim_now(&self, entry: Entry) -> Result<bool, ReplayStoreFull> {
        let now = self.clock.unix_seconds();
        // Nothing from here on panics half-way: poisoned claims are whole ones.
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.forget(now, FORGOTTEN_PER_CLAIM);
        if !Entry::is_kept(entry.until, now) {
            // It could not be remembered, and so not be told from its replay.
            return Ok(false);
        }
        let claimed = claims.claim(entry, now, self.capacity);
        let held = claims.order.len();
        drop(claims);
        ENTRIES.set(|| held);
        claimed
    }
}

impl Claims {
    /// Forgets what expired, a bounded number of entries at a time: the claim that follows a busy
    /// hour must not pay for all of it. As each claim adds one entry at most, and removes one
    /// whenever there is one, expired entries never keep a claim out.
    fn forget(&mut self, now: i64, most: usize) {
        for _ in 0..most {
            match self.order.peek() {
                Some(Reverse(first)) if !Entry::is_kept(first.until, now) => {}
                _ => return,
            }
            let Some(Reverse(first)) = self.order.pop() else { return };
            if let hash_map::Entry::Occupied(known) = self.until.entry(first.key) {
                if *known.get() == first.until {
                    known.remove();
                }
            }
            if let hash_map::Entry::Occupied(mut held) = self.held.entry(first.client) {
                *held.get_mut() -= 1;
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
    }

    fn claim(&mut self, entry: Entry, now: i64, capacity: usize) -> Result<bool, ReplayStoreFull> {
        if self.until.get(&entry.key).is_some_and(|until| Entry::is_kept(*until, now)) {
            return Ok(false);
        }
        if self.has_its_share(entry.client, capacity) {
            self.forget(now, FORGOTTEN_PER_REFUSAL);
            // While there is more that has expired, it is not known what the client holds.
            let caught_up =
                self.order.peek().is_none_or(|first| Entry::is_kept(first.0.until, now));
            if caught_up && self.has_its_share(entry.client, capacity) {
                let throttled = Some(Throttled::new(RETRY_AFTER));
                return Err(ReplayStoreFull { capacity, throttled });
            }
        }
        if self.order.len() >= capacity {
            return Err(ReplayStoreFull { capacity, throttled: None });
        }
        self.until.insert(entry.key, entry.until);
        *self.held.entry(entry.client).or_default() += 1;
        self.order.push(Reverse(entry));
        Ok(true)
    }

    /// Whether the client must not hold any more.
    fn has_its_share(&self, client: u64, capacity: usize) -> bool {
        self.order.len() >= capacity.div_ceil(HALF)
            && self.held.get(&client).is_some_and(|held| *held >= (capacity / SHARE).max(1))
    }
}

impl ReplayStore for MemoryReplayStore {
    type Error = ReplayStoreFull;

    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, ReplayStoreFull>> + Send {
        let (key, client) = (digest(client_id, jti), self.clients.hash_one(client_id));
        ready(self.claim_now(Entry { until, key, client }))
    }
}

impl Default for MemoryReplayStore {
    /// A store for 100,000 assertions.
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// The error of a [`MemoryReplayStore`] that is full, or so full that the client must not hold more of
/// it.
///
/// In the latter case a [`Throttled`](crate::provider::Throttled) is its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayStoreFull {
    capacity: usize,
    /// The client has its share.
    throttled: Option<Throttled>,
}

impl fmt::Display for ReplayStoreFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capacity, throttled } = self;
        match throttled {
            None => write!(f, "the replay store is full: {capacity} assertions may still be used"),
            Some(_) => write!(
                f,
                "the client has its share of the replay store: a sixteenth of {capacity} entries"
            ),
        }
    }
}

impl std::error::Error for ReplayStoreFull {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.throttled.as_ref().map(|throttled| throttled as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client: u64, jti: u16, until: i64) -> Entry {
        Entry { until, key: digest(&client.to_string(), &jti.to_string()), client }
    }

    #[test]
    fn claim_evicts_a_bounded_number_of_entries() {
        let mut claims = Claims::default();
        for n in 0..1_000 {
            assert_eq!(claims.claim(entry(n.into(), n, n.into()), -1, 1_000), Ok(true));
        }
        claims.forget(5_000, FORGOTTEN_PER_CLAIM);
        assert_eq!((claims.order.len(), claims.until.len(), claims.held.len()), (998, 998, 998));
    }

    #[test]
    fn renewed_claim_outlives_its_older_entry() {
        let mut claims = Claims::default();
        assert_eq!(claims.claim(entry(1, 1, 10), 0, 4), Ok(true));
        assert_eq!(claims.claim(entry(1, 1, 80), 70, 4), Ok(true));
        assert_eq!(claims.held.get(&1), Some(&2), "both are in the store");
        claims.forget(70, FORGOTTEN_PER_CLAIM);
        assert_eq!(claims.claim(entry(1, 1, 90), 70, 4), Ok(false));
        assert_eq!(claims.held.get(&1), Some(&1));
    }

    #[test]
    fn expired_claims_count_for_no_client_however_many_there_are() {
        let mut claims = Claims::default();
        for n in 0..5_000 {
            assert_eq!(claims.claim(entry(u64::from(n % 2), n, 10), 0, 100_000), Ok(true));
        }
        assert_eq!(claims.claim(entry(1, 5_000, 200), 100, 6_000), Ok(true));
    }

    #[test]
    fn clients_are_counted_in_bounded_memory() {
        let mut claims = Claims::default();
        for n in 0..1_000 {
            assert_eq!(claims.claim(entry(n, 1, 10), 0, 2_000), Ok(true));
        }
        claims.forget(70, 1_000);
        assert_eq!((claims.order.len(), claims.until.len(), claims.held.len()), (0, 0, 0));
    }
}
