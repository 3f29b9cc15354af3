//! Which assertions have been used, so that none is used twice.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    fmt,
    future::{Future, ready},
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{error::BoxError, layer::policy};

const CAPACITY: usize = 100_000;

/// Two a claim: one for the place it takes, one to catch up.
const FORGOTTEN_PER_CLAIM: usize = 2;

/// Remembers which assertions were used, by client and `jti` (RFC 7523 §3, OpenID Connect Core §9).
///
/// The layer claims an assertion after everything else about it has been verified: what does not
/// authenticate never reaches the store and takes no room in it.
///
/// # Contract
///
/// - One claim for a pair of client and `jti` is granted until `until`, however many ask at the
///   same time and on however many servers. Reading first and writing afterwards cannot do that; one
///   operation of the store must do both.
/// - The pair counts, not its parts: two clients may use one `jti`, and `("a", "bc")` is not
///   `("ab", "c")`.
/// - A store that cannot say for sure that a pair is new fails. It never forgets one to make room,
///   and never grants a claim because it is out of order.
/// - The returned future may be dropped at any time. The claim may be taken then, and the assertion
///   be lost: the client makes a new one.
///
/// # Examples
///
/// A table with a primary key:
///
/// ```
/// use tower_client_auth::{BoxError, ReplayStore};
///
/// struct Table;
///
/// impl Table {
///     async fn execute(&self, _sql: &str, _row: (&str, &str, i64)) -> Result<u64, BoxError> {
/// #       return Ok(1);
///         // …
///     }
/// }
///
/// impl ReplayStore for Table {
///     type Error = BoxError;
///
///     async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, BoxError> {
///         // A job deletes the rows whose time is over by more than a minute.
///         let insert = "INSERT INTO used_assertions (client_id, jti, until) VALUES ($1, $2, $3)
///                       ON CONFLICT DO NOTHING";
///         Ok(self.execute(insert, (client_id, jti, until)).await? == 1)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a replay store",
    label = "this cannot remember assertions",
    note = "use `MemoryReplayStore` for a single server, or implement `ReplayStore`"
)]
pub trait ReplayStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// Claims an assertion: `true` if nobody did so before, `false` if somebody did.
    ///
    /// `until` is when the assertion ceases to be accepted, in seconds since the Unix epoch. The
    /// store keeps the claim at least until then. `client_id` and `jti` are at most a few hundred
    /// octets long; `jti` was chosen by the client.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked, or has no room. The caller is answered 503.
    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

impl<R: ReplayStore> ReplayStore for Arc<R> {
    type Error = R::Error;

    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, R::Error>> + Send {
        R::claim(self, client_id, jti, until)
    }
}

/// SHA-256 of a pair of client and `jti`, the only thing of it that is kept.
///
/// It is as good as the pair. Should two pairs ever have one digest, the second would be refused as
/// a replay, and never the other way round; to bring that about on purpose, somebody would have to
/// break SHA-256, and could then refuse nobody's assertions but those whose `jti` is known
/// beforehand.
pub(crate) fn digest(client_id: &str, jti: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The length says where the id ends, whatever stands in it.
    hash.update((client_id.len() as u64).to_be_bytes());
    hash.update(client_id);
    hash.update(jti);
    hash.finalize().into()
}

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
/// An entry takes 90 to 170 octets, however long its parts are. It is kept until the assertion
/// expires. The store needs as many entries as assertions are accepted within the longest lifetime:
/// 100,000 entries, the default and about 11 MB, are 330 authentications a second with assertions of
/// five minutes. A full store refuses new assertions (503) until the oldest expire; it never forgets
/// one that could still be used. A client that may register itself can fill it: let
/// [`Throttled`](crate::Throttled) bound what a single client may send.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{MemoryReplayStore, ReplayStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryReplayStore::new(1_000).clock(|| 1_700_000_000);
/// let until = 1_700_000_300;
/// assert!(store.claim("batch", "3Lh8bGq0", until).await?);
/// assert!(!store.claim("batch", "3Lh8bGq0", until).await?);
/// # Ok::<(), tower_client_auth::ReplayStoreFull>(())
/// # }).unwrap();
/// ```
pub struct MemoryReplayStore {
    claims: Mutex<Claims>,
    capacity: usize,
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
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
        Self { claims: Mutex::default(), capacity, clock: Box::new(policy::system_now) }
    }

    /// The clock, in seconds since the Unix epoch. Default: the system's.
    ///
    /// It must not be ahead of the clock of the layer, or a claim ends before the assertion does.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(now), ..self }
    }

    fn claim_now(&self, key: [u8; 32], until: i64) -> Result<bool, ReplayStoreFull> {
        let now = (self.clock)();
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
    /// whenever there is one, expired entries never keep a claim from its place.
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
    fn a_claim_after_a_busy_hour_does_not_pay_for_all_of_it() {
        let mut claims = Claims::default();
        for n in 0..1_000_u16 {
            let key = digest("batch", &n.to_string());
            assert_eq!(claims.claim(key, i64::from(n), -1, 1_000), Ok(true));
        }
        claims.forget(5_000);
        assert_eq!((claims.order.len(), claims.until.len()), (998, 998));
    }

    #[test]
    fn what_is_claimed_anew_outlives_its_older_entry() {
        let mut claims = Claims::default();
        let key = digest("batch", "1");
        assert_eq!(claims.claim(key, 10, 0, 2), Ok(true));
        assert_eq!(claims.claim(key, 30, 20, 2), Ok(true));
        claims.forget(20);
        assert_eq!(claims.claim(key, 40, 20, 2), Ok(false));
    }
}
