//! A connection that is made anew when it hangs. `ConnectionManager` does so when it breaks, and waits for ever where a
//! server, or what is in front of it, keeps the connection open and says nothing more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{
    Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Value,
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
    made: Mutex<Instant>,
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
        Ok(Self(Arc::new(Shared { client, current, made: Mutex::new(Instant::now()) })))
    }

    fn command(&self) -> Command {
        let made = self.0.current.load_full();
        Command { shared: Arc::clone(&self.0), made, began: Instant::now(), is_answered: false }
    }
}

impl Shared {
    fn replace(&self, hanging: &Arc<Made>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.elapsed() < AGAIN || !Arc::ptr_eq(&self.current.load(), hanging) {
            return;
        }
        match Made::new(&self.client) {
            Ok(new) => {
                *made = Instant::now();
                // Its socket is closed with the last command that waits for it.
                self.current.store(new);
                tracing::warn!("the connection to Redis hangs, and is made anew");
            }
            Err(error) => tracing::error!(%error, "the connection to Redis hangs"),
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
            self.shared.replace(&self.made);
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let command = self.command();
        let mut manager = command.made.manager.clone();
        Box::pin(async move { command.note(manager.req_packed_command(cmd).await) })
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
