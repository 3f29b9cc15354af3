//! Used assertions in Redis, for servers that share them.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{Value, aio::ConnectionLike};

use crate::{
    error::BoxError,
    isolate::redis::Script,
    replay::{KEPT_LONGER, ReplayStore, digest},
};

const PREFIX: &str = "used-assertion:";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CLAIM: &str = "return {ARGV[1],redis.call('SET',KEYS[1],1,'NX','PXAT',ARGV[2])}";

/// A replay store in Redis (or Valkey), which all replicas of a server share.
///
/// A claim is one command, a script (`EVAL`) with `SET key 1 NX PXAT …`: the request that sets the key has the claim, and
/// Redis removes it a minute after the assertion expired. The key is the prefix and the SHA-256 digest of
/// client and `jti`.
///
/// Redis answers in order, and does not say which question. Where something in between loses an answer, or doubles one,
/// everybody would be told what Redis said to a neighbour, and a replay could pass. Each script therefore has a nonce as its
/// first argument after the keys, 16 random bytes, and its answer is an array that begins with it: the answer to another
/// question is an error.
///
/// The application makes the connection, so that TLS, passwords, clusters and reconnecting are its
/// own choice. Any connection that can be cloned will do: the `ConnectionManager` of the crate
/// `redis` reconnects by itself, its `MultiplexedConnection` does not.
///
/// A `ConnectionManager` does so when the connection breaks, and not when it hangs: where a proxy keeps it open and says
/// nothing more, every claim is an error until the process ends. `C` must give such a connection up after some commands in a row
/// without an answer, those included that are dropped unanswered after `response_timeout`, and where an answer lacks the nonce of
/// its question. The example `gateway` has such a connection, in `src/redis/connection.rs`. Of a peer that is gone without a word
/// `TcpSettings::set_keepalive` and `set_user_timeout` of the crate `redis` tell.
///
/// # What Redis must promise
///
/// - It evicts nothing: `maxmemory-policy noeviction`. Room for an entry is about 150 bytes. Nothing here
///   bounds how many entries a client has: let [`Throttled`](crate::provider::Throttled) bound what it may
///   send.
/// - It keeps what it confirmed. A fail-over to a replica that had not got a key yet, or a restart
///   without `appendonly yes`, lets an assertion that has not expired be used once more.
/// - Its clock and those of the servers agree within a minute, and `response_timeout` is shorter than
///   that. Where Redis is further ahead, it forgets a claim while the assertion is still accepted.
///
/// # Examples
///
/// ```no_run
/// use tower_client_auth::replay::RedisReplayStore;
///
/// # async fn connect() -> redis::RedisResult<()> {
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let store = RedisReplayStore::new(client.get_multiplexed_async_connection().await?);
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisReplayStore<C> {
    connection: C,
    prefix: Box<str>,
    response_timeout: Duration,
}

impl<C> RedisReplayStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// A store that uses this connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, prefix: PREFIX.into(), response_timeout: RESPONSE_TIMEOUT }
    }

    /// What the keys start with. Servers that accept the same assertions must agree on it. Default:
    /// `used-assertion:`.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Box<str>>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long to wait for an answer. Default: 1 second.
    ///
    /// A claim that was not answered in time may have been taken: the caller gets 503, and must come
    /// back with another assertion. It needs a runtime of tokio, with time.
    #[must_use]
    pub fn response_timeout(self, response_timeout: Duration) -> Self {
        Self { response_timeout, ..self }
    }
}

impl<C> ReplayStore for RedisReplayStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    type Error = BoxError;

    async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, BoxError> {
        let key = URL_SAFE_NO_PAD.encode(digest(client_id, jti));
        let milliseconds = until.saturating_add(KEPT_LONGER).saturating_mul(1_000);
        let claim = Script::new(CLAIM, [&[&*self.prefix, &key].concat()])?.arg(milliseconds);
        match claim.run(self.connection.clone(), self.response_timeout).await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            _ => Err("Redis answered SET with neither OK nor nil".into()),
        }
    }
}

impl<C> fmt::Debug for RedisReplayStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayStore")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}
