//! The settings for slow hashes.

use crate::{layer::ClientAuthLayer, secret::hash_pool::HashPool};

/// # Slow hashes
impl<P, M> ClientAuthLayer<P, M> {
    /// Where slow hashes are computed, how many at a time, and how many requests may wait for that. Default: a pool of
    /// the layer and its clones, [`HashPool::default`].
    #[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
    #[must_use]
    pub fn hash_pool(self, pool: &HashPool) -> Self {
        self.set_pool(pool.pool().for_others())
    }
}
