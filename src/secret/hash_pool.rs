//! The pool for slow hashes, as the application sees it.

use std::num::NonZeroUsize;

use crate::isolate::pool::Pool;

/// Where slow hashes ([`ClientSecret::phc`](crate::ClientSecret::phc)) are computed, for
/// [`ClientAuthLayer::hash_pool`](crate::ClientAuthLayer::hash_pool).
///
/// It is a handle: clones are the same pool. Clones of a layer share theirs without more ado. Give one pool to layers
/// with clients of their own, such as those of [tenants](crate::tenant), or each computes as many hashes at a time as
/// the machine has cores.
///
/// Of all its places, those that are computed and those that wait, any one client id has an eighth, rounded up; beyond
/// it the answer is 503. With eight places or fewer that is one request at a time, so a client that sends two needs
/// nine. Whoever would wait for other clients for more than about five seconds is answered 503 as well, and of those an
/// id has a quarter, but one place at least: where a failure takes more than 0.6 seconds on one worker, or 1.2 on two,
/// a client may send one request at a time. One id at two layers that were given the pool is two clients; nothing is
/// kept for the clients of any one layer.
///
/// The ids that no client has, and attempts that failed but were [too cheap](crate::ClientAuthLayer::decoy), take none
/// of these places. Together they have a quarter of the workers, rounded up, so that nobody who makes up ids keeps
/// clients out, or waiting for more than one hash. The others are answered 401 after as long as a hash takes just now,
/// without one; eight times as many as there are places may wait for that, and one more lets the one go that has waited
/// longest.
///
/// Ids are public: who knows as many as there are shares can take all places with wrong secrets, and who knows one can
/// take its share. Limit attempts by address further out.
///
/// Each worker takes the memory that its hash asks for, 19 MiB with the usual parameters of argon2id. The signatures of
/// assertions that take long are verified there as well.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, provider::MemoryProvider, secret::HashPool,
/// };
///
/// let pool = HashPool::new(NonZeroUsize::MIN, 64);
/// let layer = |clients: MemoryProvider| ClientAuthLayer::new(clients).hash_pool(&pool);
/// let (ours, theirs) = (layer(MemoryProvider::new()), layer(MemoryProvider::new()));
/// # drop((ours, theirs));
/// ```
#[derive(Clone, Debug, Default)]
pub struct HashPool(Pool);

impl HashPool {
    /// Computes so many hashes at a time (`workers`), and lets so many requests wait for that (`queue`); one more is
    /// answered 503 with `Retry-After`. The default is as many workers as there are cores, and 64 times as many places in
    /// the queue.
    #[must_use]
    pub fn new(workers: NonZeroUsize, queue: usize) -> Self {
        Self(Pool::new(workers.get(), queue))
    }

    pub(super) const fn pool(&self) -> &Pool {
        &self.0
    }
}
