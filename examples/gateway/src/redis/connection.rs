//! A connection that is made anew when it hangs, or answers another question. `ConnectionManager` does so when it breaks, and
//! waits for ever where a server, or what is in front of it, keeps the connection open and says nothing more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{
    Arg, Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use arc_swap::ArcSwap;

use super::TIMEOUT;

/// Commands in a row without an answer, after which the connection hangs.
const UNANSWERED: u32 = 3;
/// How long a command waits before it counts as one, if it is given up: a caller may just have hung up. The throttle waits
/// for 250 ms.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two connections.
const AGAIN: Duration = Duration::from_secs(1);
/// For a peer that is gone without a word.
const GONE: Duration = Duration::from_secs(5);

/// A handle: clones share the connection.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    client: Client,
    current: ArcSwap<Made>,
    /// The last but the first.
    made_anew: Mutex<Option<Instant>>,
}

/// One connection, and how many commands in a row it did not answer.
struct Made {
    manager: ConnectionManager,
    unanswered: AtomicU32,
}

impl Made {
    fn new(client: &Client) -> RedisResult<Arc<Self>> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(TIMEOUT / 10);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Arc::new(Self { manager, unanswered: AtomicU32::new(0) }))
    }
}

impl Connection {
    /// Prepares it, so that a gateway can start while Redis is away.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let keepalive = TcpKeepalive::new().with_time(GONE).with_interval(GONE);
        let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(GONE);
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
        let current = ArcSwap::new(Made::new(&client)?);
        Ok(Self(Arc::new(Shared { client, current, made_anew: Mutex::default() })))
    }

    fn command(&self) -> Command {
        let made = self.0.current.load_full();
        Command { shared: Arc::clone(&self.0), made, began: Instant::now(), is_answered: false }
    }
}

impl Shared {
    fn replace(&self, useless: &Arc<Made>, reason: &str) {
        let mut made = self.made_anew.lock().unwrap_or_else(PoisonError::into_inner);
        if made.is_some_and(|made| made.elapsed() < AGAIN)
            || !Arc::ptr_eq(&self.current.load(), useless)
        {
            return;
        }
        match Made::new(&self.client) {
            Ok(new) => {
                *made = Some(Instant::now());
                // Its socket is closed with the last command that waits for it.
                self.current.store(new);
                tracing::warn!(reason, "the connection to Redis is made anew");
            }
            Err(error) => {
                tracing::error!(%error, reason, "the connection to Redis cannot be made anew");
            }
        }
    }
}

/// A command under way. It counts also if it is given up, which is what callers do whose own time is over.
struct Command {
    shared: Arc<Shared>,
    made: Arc<Made>,
    began: Instant,
    is_answered: bool,
}

impl Command {
    /// Every answer after one that belongs to another question does, too.
    fn judge(self, command: &Cmd, answer: RedisResult<Value>) -> RedisResult<Value> {
        if !is_answer(command, &answer) {
            self.shared.replace(&self.made, "it answers another question");
        }
        self.note(answer)
    }

    fn note<T>(mut self, answer: RedisResult<T>) -> RedisResult<T> {
        self.is_answered = !answer.as_ref().is_err_and(::redis::RedisError::is_timeout);
        answer
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        let unanswered = &self.made.unanswered;
        if self.is_answered {
            unanswered.store(0, Ordering::Relaxed);
        } else if self.began.elapsed() >= PATIENCE
            && unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= UNANSWERED
        {
            self.shared.replace(&self.made, "it hangs");
        }
    }
}

/// Whether it may be the answer: that of a script of the stores begins with the nonce, the first argument after the keys.
/// What Redis says that is wrong bears none.
fn is_answer(command: &Cmd, answer: &RedisResult<Value>) -> bool {
    let Ok(answer) = answer else { return true };
    if matches!(answer, Value::ServerError(_)) {
        return true;
    }
    let Some(nonce) = nonce(command) else { return true };
    let Value::Array(parts) = answer else { return false };
    matches!(parts.first(), Some(Value::BulkString(first)) if first == nonce)
}

/// Of `EVAL script number-of-keys key… nonce …`.
fn nonce(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(word) => word,
        _ => &[],
    });
    if words.next()? != b"EVAL" {
        return None;
    }
    let keys = std::str::from_utf8(words.nth(1)?).ok()?.parse().ok()?;
    words.nth(keys)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let command = self.command();
        let mut manager = command.made.manager.clone();
        Box::pin(async move { command.judge(cmd, manager.req_packed_command(cmd).await) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let command = self.command();
        let mut manager = command.made.manager.clone();
        Box::pin(
            async move { command.note(manager.req_packed_commands(pipeline, offset, count).await) },
        )
    }

    fn get_db(&self) -> i64 {
        self.0.current.load().manager.get_db()
    }
}
