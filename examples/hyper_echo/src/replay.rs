//! Where it is remembered which assertions and proofs of possession were used: in memory, or, with the feature `redis` and
//! `--redis URL`, in a Redis that several processes share.

use std::sync::Arc;

use example_support::Flags;
use tower_client_auth::{
    BoxError, Clock,
    replay::{MemoryReplayStore, ReplayStore},
};

#[cfg(feature = "redis")]
type RedisStore = tower_client_auth::replay::RedisReplayStore<redis::aio::ConnectionManager>;

#[derive(Default)]
pub(crate) struct ReplayFlags {
    #[cfg(feature = "redis")]
    redis: Option<String>,
}

impl ReplayFlags {
    #[cfg(feature = "redis")]
    pub(crate) fn take(&mut self, name: &str, flags: &mut Flags) -> Result<bool, BoxError> {
        if name != "--redis" {
            return Ok(false);
        }
        self.redis = Some(flags.value()?);
        Ok(true)
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn take(&mut self, name: &str, _flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--redis" => Err(example_support::needs_feature(name, "redis")),
            _ => Ok(false),
        }
    }

    /// The store. Redis is connected to when it is needed, so that a server can start while it is away.
    #[cfg_attr(
        not(feature = "redis"),
        expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")
    )]
    pub(crate) fn store(&self, clock: &Clock) -> Result<Used, BoxError> {
        #[cfg(feature = "redis")]
        if let Some(url) = &self.redis {
            use redis::aio::{ConnectionManager, ConnectionManagerConfig};

            let config = ConnectionManagerConfig::new().set_number_of_retries(1);
            let client = redis::Client::open(url.as_str())?;
            let connection = ConnectionManager::new_lazy_with_config(client, config)?;
            return Ok(Used::Redis(RedisStore::new(connection)));
        }
        Ok(Used::Memory(Arc::new(MemoryReplayStore::default().clock(clock.clone()))))
    }
}

/// A handle: clones remember in the same place.
#[derive(Clone)]
pub(crate) enum Used {
    Memory(Arc<MemoryReplayStore>),
    #[cfg(feature = "redis")]
    Redis(RedisStore),
}

impl ReplayStore for Used {
    type Error = BoxError;

    async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, BoxError> {
        match self {
            Self::Memory(store) => Ok(store.claim(client_id, jti, until).await?),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.claim(client_id, jti, until).await,
        }
    }
}
