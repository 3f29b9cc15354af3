//! Used assertions in memory.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    fmt,
    future::{Future, ready},
    sync::{Mutex, PoisonError},
};

use crate::{
    clock::Clock,
    replay::{ReplayStore, digest},
};

const CAPACITY: usize = 100_000;

/// Two a claim: one for the entry it takes, one to catch up.
const FORGOTTEN_PER_CLAIM: usize = 2;

/// A replay store in the memory of one server.
///
/// Replicas do not share it: behind a load balancer, each would accept an assertion once. Use it for
/// a single server.
///
/// A restart forgets what was used, and with that every assertion that has not expired could be used
/// once more. Keep the lifetime of assertions short, or use a store that outlives the server.
///
/// # Size
///
/// An entry takes 90 to 170 bytes, however long its parts are. It is kept until the assertion
/// expires. The store needs as many entries as assertions are accepted within the longest lifetime:
/// 100,000 entries, the default and about 11 MB, are 330 authentications a second with assertions of
/// five minutes. A full store refuses new assertions (503) until the oldest expire; it never forgets
/// one that could still be used. A client that may register itself can fill it: let
/// [`Throttled`](crate::provider::Throttled) bound what a single client may send.
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
    capacity: usize,
    clock: Clock,
}

#[derive(Default)]
struct Claims {
    until: HashMap<[u8; 32], i64>,
    /// Everything in the map, the first to expire on top. A pair that was claimed anew after its
    /// time is in here twice until the older one is taken off.
    order: BinaryHeap<Reverse<(i64, [u8; 32])>>,
}

impl MemoryReplayStore {
    /// A store for this many assertions.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { claims: Mutex::default(), capacity, clock: Clock::system() }
    }

    /// The clock. Default: the system's.
    ///
    /// It must not be ahead of the clock of the layer, or a claim ends before the assertion does.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn claim_now(&self, key: [u8; 32], until: i64) -> Result<bool, ReplayStoreFull> {
        let now = self.clock.unix_seconds();
        // Nothing from here on panics half-way: poisoned claims are whole ones.
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.forget(now);
        if until <= now {
            // It could not be remembered, and so not be told from its replay.
            return Ok(false);
        }
        claims.claim(key, until, now, self.capacity)
    }
}

impl Claims {
    /// Forgets what expired, a bounded number of entries at a time: the claim that follows a busy
    /// hour must not pay for all of it. As each claim adds one entry at most, and removes one
    /// whenever there is one, expired entries never keep a claim out.
    fn forget(&mut self, now: i64) {
        for _ in 0..FORGOTTEN_PER_CLAIM {
            match self.order.peek() {
                Some(Reverse((until, _))) if *until <= now => {}
                _ => return,
            }
            if let Some(Reverse((until, key))) = self.order.pop() {
                if let Entry::Occupied(entry) = self.until.entry(key) {
                    if *entry.get() == until {
                        entry.remove();
                    }
                }
            }
        }
    }

    fn claim(
        &mut self,
        key: [u8; 32],
        until: i64,
        now: i64,
        capacity: usize,
    ) -> Result<bool, ReplayStoreFull> {
        let full = self.order.len() >= capacity;
        match self.until.entry(key) {
            Entry::Occupied(entry) if *entry.get() > now => return Ok(false),
            _ if full => return Err(ReplayStoreFull { capacity }),
            Entry::Occupied(mut entry) => {
                entry.insert(until);
            }
            Entry::Vacant(entry) => {
                entry.insert(until);
            }
        }
        self.order.push(Reverse((until, key)));
        Ok(true)
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
        ready(self.claim_now(digest(client_id, jti), until))
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

/// The error of a [`MemoryReplayStore`] that is full of assertions which have not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayStoreFull {
    capacity: usize,
}

impl fmt::Display for ReplayStoreFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replay store is full: {} assertions have not expired", self.capacity)
    }
}

impl std::error::Error for ReplayStoreFull {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_evicts_a_bounded_number_of_entries() {
        let mut claims = Claims::default();
        for n in 0..1_000_u16 {
            let key = digest("batch", &n.to_string());
            assert_eq!(claims.claim(key, i64::from(n), -1, 1_000), Ok(true));
        }
        claims.forget(5_000);
        assert_eq!((claims.order.len(), claims.until.len()), (998, 998));
    }

    #[test]
    fn renewed_claim_outlives_its_older_entry() {
        let mut claims = Claims::default();
        let key = digest("batch", "1");
        assert_eq!(claims.claim(key, 10, 0, 2), Ok(true));
        assert_eq!(claims.claim(key, 30, 20, 2), Ok(true));
        claims.forget(20);
        assert_eq!(claims.claim(key, 40, 20, 2), Ok(false));
    }
}
