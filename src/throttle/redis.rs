//! Failures in Redis, for servers that share them.

mod state;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use redis::aio::ConnectionLike;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::{
    error::{BoxError, Error, throttled::Throttled},
    isolate::redis::Script,
    throttle::{FailureThrottle, Throttle, Verdict, blame, limit::Limit, redis::state::State},
};

const PREFIX: &str = "failures:";
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(250);
/// What a key has left to live is how far its failures reach, so Redis keeps the time, and forgets.
const ASK: &str = "return {ARGV[1],{redis.call('PTTL',KEYS[1]),redis.call('PTTL',KEYS[2])}}";
const ADD: &str = "\
for i=1,2 do
local left=math.max(redis.call('PTTL',KEYS[i]),0)
redis.call('SET',KEYS[i],1,'PX',math.max(left,math.min(left+tonumber(ARGV[2*i]),tonumber(ARGV[2*i+1]))))
end
return {ARGV[1],1}";

/// Lets those wait who failed too often, by what all replicas of a server have seen, in Redis (or Valkey).
///
/// The limits, and whose address counts, are those of the [`FailureThrottle`] that it is made with. That one counts what this
/// process has seen: whoever has to wait by it is refused without asking Redis. For all others Redis is asked,
/// once, before the look-up. A failure is noted by a task, so that no request waits for it; of these there are at
/// most 1,024 at a time.
///
/// While Redis fails, is slow or answers another question, the limits hold for each process by itself, and no request is refused because of it.
/// After a question that was not answered, none is asked for a second, and then one. [`local_checks`](Self::local_checks) and
/// [`lost_failures`](Self::lost_failures) tell of it.
///
/// # In Redis
///
/// A question and a failure are one script each (`EVAL`) with two keys: the prefix, and the address in braces,
/// `failures:{192.0.2.1}`, and the same with the SHA-256 digest of the id behind it. In a cluster both are in one slot. Each lives until its
/// failures are forgotten, six seconds after the first by default, and takes some 150 bytes. Where memory runs out,
/// `maxmemory-policy volatile-ttl` forgets those with the fewest failures first.
///
/// The application makes the connection: any that can be cloned will do. The `ConnectionManager` of the crate
/// `redis` connects again by itself, its `MultiplexedConnection` does not. One that hangs has to be given up by `C`, as
/// [`RedisReplayStore`](crate::replay::RedisReplayStore) says: until then each process counts for itself.
///
/// # Examples
///
/// ```no_run
/// use std::{net::SocketAddr, sync::Arc};
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata,
///     provider::MemoryProvider,
///     throttle::{FailureThrottle, PeerAddress, RedisThrottle},
/// };
///
/// # async fn connect() -> redis::RedisResult<()> {
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let connection = client.get_multiplexed_async_connection().await?;
/// // In axum: `|peer: &ConnectInfo<SocketAddr>| peer.0.ip()`.
/// let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
/// let throttle = Arc::new(RedisThrottle::new(connection, FailureThrottle::new(peer)));
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
///     .throttle(Arc::clone(&throttle));
/// // For a metric.
/// let not_shared = throttle.local_checks();
/// # drop((layer, not_shared));
/// # Ok(())
/// # }
/// ```
pub struct RedisThrottle<C> {
    connection: C,
    local: FailureThrottle,
    prefix: Box<str>,
    response_timeout: Duration,
    state: Arc<State>,
}

impl<C> RedisThrottle<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// A throttle that uses this connection, with the limits of `local`.
    #[must_use]
    pub fn new(connection: C, local: FailureThrottle) -> Self {
        let state = Arc::default();
        Self { connection, local, prefix: PREFIX.into(), response_timeout: RESPONSE_TIMEOUT, state }
    }

    /// What the keys start with. Servers that share their counts must agree on it, and on the limits. Default:
    /// `failures:`.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Box<str>>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long to wait for an answer. Default: 250 milliseconds. It should be shorter than
    /// [`Limits::provider_deadline`](crate::Limits::provider_deadline), at which the request is answered 503. What is cut
    /// off before, by that or by a caller that hangs up, was not answered if it took a quarter of this time.
    ///
    /// It needs a runtime of tokio, with time.
    #[must_use]
    pub fn response_timeout(self, response_timeout: Duration) -> Self {
        Self { response_timeout, ..self }
    }

    /// How many attempts were judged by what this process has seen alone, because Redis did not answer.
    #[must_use]
    pub fn local_checks(&self) -> u64 {
        self.state.local_checks()
    }

    /// How many failures the other processes were not told of, because Redis did not answer, or because too many
    /// were to be noted at a time.
    #[must_use]
    pub fn lost_failures(&self) -> u64 {
        self.state.lost_failures()
    }

    /// The script for an attempt, with its keys: for the client at the address, and for the address.
    fn script(
        &self,
        script: &'static str,
        client_id: &str,
        head: &Parts,
    ) -> Result<Script, BoxError> {
        let address = format!("{}{{{}}}", self.prefix, self.local.network(head));
        let client = format!("{address}:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(client_id)));
        Script::new(script, [&client, &address])
    }
}

/// How long to wait, if this is what the keys have left to live.
fn wait(limits: [&Limit; 2], left: [i64; 2]) -> Option<Throttled> {
    let left = left.map(|left| u64::try_from(left).unwrap_or_default());
    let waits = limits.into_iter().zip(left).filter_map(|(limit, left)| limit.wait(left, 0));
    waits.max().map(|wait| Throttled::new(Duration::from_millis(wait)))
}

impl<C> Throttle for RedisThrottle<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    fn check<'a>(&'a self, client_id: &'a str, head: &'a Parts) -> Verdict<'a> {
        match self.local.check(client_id, head) {
            Verdict::Pass => {}
            refused => return refused,
        }
        let Some(question) = self.state.may_ask(&self.local, self.response_timeout) else {
            self.state.checked_locally();
            return Verdict::Pass;
        };
        Verdict::ask(async move {
            let ask = async || {
                let ask = self.script(ASK, client_id, head)?;
                ask.run(self.connection.clone(), self.response_timeout).await
            };
            let Ok(left) = ask().await else {
                question.failed();
                self.state.checked_locally();
                return Ok(());
            };
            question.answered();
            wait(self.local.limits(), left).map_or(Ok(()), |throttled| Err(throttled.into()))
        })
    }

    fn note(&self, client_id: &str, head: &Parts, error: Option<&Error>) {
        let Some(blame) = error.and_then(blame) else { return };
        self.local.note(client_id, head, error);
        let now = self.local.now();
        let (Some(place), Ok(runtime)) = (self.state.place(now), Handle::try_current()) else {
            return self.state.lost();
        };
        let Ok(mut add) = self.script(ADD, client_id, head) else { return self.state.lost() };
        for limit in self.local.limits() {
            add = add.arg(limit.interval).arg(limit.furthest(blame));
        }
        let (connection, state) = (self.connection.clone(), Arc::clone(&self.state));
        let response_timeout = self.response_timeout;
        runtime.spawn(async move {
            if add.run::<i64>(connection, response_timeout).await.is_err() {
                state.failed(now);
                state.lost();
            }
            drop(place);
        });
    }
}

impl<C> fmt::Debug for RedisThrottle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisThrottle")
            .field("local", &self.local)
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}
