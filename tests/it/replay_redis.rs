//! Used assertions in Redis (R85).
//!
//! What is sent is compared without a server. The rest needs one: set `REDIS_URL` to a server that
//! may be written to, as `.ci/assertions` does.

use std::{
    future::pending,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};
use tower_client_auth::replay::{RedisReplayStore, ReplayStore};

/// Answers every command alike, or not at all.
#[derive(Clone)]
struct Scripted {
    answer: Option<Value>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Scripted {
    fn new(answer: Option<Value>) -> Self {
        Self { answer, sent: Arc::default() }
    }
}

impl ConnectionLike for Scripted {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.sent.lock().unwrap().push(command.get_packed_command());
        Box::pin(async move {
            match self.answer.clone() {
                Some(answer) => Ok(answer),
                None => pending().await,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _pipeline: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("a claim is one command")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn claim_is_one_set_nx_command() {
    let redis = Scripted::new(Some(Value::Okay));
    let store = RedisReplayStore::new(redis.clone()).prefix("jti/");
    assert!(store.claim("batch", "1", 1_700_000_300).await.unwrap());
    let sent = String::from_utf8(redis.sent.lock().unwrap().concat()).unwrap();
    // SHA-256 of the length of the id in eight bytes, the id, and the `jti`.
    assert_eq!(
        sent,
        "*6\r\n$3\r\nSET\r\n$47\r\njti/Yu75a958Z1Rifi5IHAof6pQpaaAgDgZb4d_hHgQ58jI\r\n$1\r\n1\r\n\
         $2\r\nNX\r\n$4\r\nPXAT\r\n$13\r\n1700000360000\r\n",
    );
}

#[tokio::test]
async fn unconfirmed_claim_is_not_granted() {
    let claim =
        async |answer| RedisReplayStore::new(Scripted::new(Some(answer))).claim("a", "1", 9).await;
    assert!(!claim(Value::Nil).await.unwrap());
    for answer in
        [Value::Int(1), Value::SimpleString("QUEUED".to_owned()), Value::Array(Vec::new())]
    {
        assert!(claim(answer.clone()).await.is_err(), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_redis_times_out() {
    let store =
        RedisReplayStore::new(Scripted::new(None)).response_timeout(Duration::from_millis(300));
    let start = tokio::time::Instant::now();
    assert!(store.claim("batch", "1", 1_700_000_300).await.is_err());
    assert_eq!(start.elapsed(), Duration::from_millis(300));
}

#[test]
fn debug_shows_no_connection() {
    let store = RedisReplayStore::new(Scripted::new(None));
    assert_eq!(
        format!("{store:?}"),
        r#"RedisReplayStore { prefix: "used-assertion:", response_timeout: 1s, .. }"#,
    );
}

/// The address of a real server, or `None` and a loud word.
fn server() -> Option<String> {
    let url = std::env::var("REDIS_URL").ok();
    if url.is_none() {
        eprintln!("SKIPPED: REDIS_URL names no Redis to test with");
    }
    url
}

async fn real_store(
    url: &str,
    prefix: &str,
) -> RedisReplayStore<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(url).unwrap();
    RedisReplayStore::new(client.get_multiplexed_async_connection().await.unwrap())
        .prefix(format!("{prefix}/{}/", std::process::id()))
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn real_redis_keeps_a_claim_past_expiry() {
    let Some(url) = server() else { return };
    let store = real_store(&url, "expiry").await;
    let until = now() + 300;
    assert!(store.claim("batch", "1", until).await.unwrap());
    assert!(!store.claim("batch", "1", until).await.unwrap());
    assert!(store.claim("other", "1", until).await.unwrap());

    let mut connection =
        redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("expiry/{}/*", std::process::id());
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let expiry: i64 =
            redis::cmd("PEXPIRETIME").arg(key).query_async(&mut connection).await.unwrap();
        assert_eq!(expiry, (until + 60) * 1_000);
    }
}

const WORKERS: usize = 2;
const TASKS: usize = 16;
const ASSERTIONS: usize = 1_000;

/// Two processes, sixteen tasks in each, and all of them claim the same thousand assertions.
#[test]
fn two_processes_never_share_an_assertion() {
    if server().is_none() {
        return;
    }
    let prefix = format!("shared-{}", std::process::id());
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "replay_redis::worker", "--nocapture", "--ignored"])
                .env("REPLAY_PREFIX", &prefix)
                .env("REPLAY_FIRST", ((2 * worker + 1) * ASSERTIONS / (2 * WORKERS)).to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut lines: Vec<_> = workers
        .iter_mut()
        .map(|worker| BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap))
        .collect();
    for lines in &mut lines {
        assert!(lines.any(|line| line.ends_with("ready")), "a worker did not start");
    }
    for worker in &mut workers {
        worker.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut granted = vec![0; ASSERTIONS];
    let mut by_worker = [0; WORKERS];
    for (worker, lines) in lines.into_iter().enumerate() {
        for line in lines {
            if let Some(jti) = line.strip_prefix("granted ") {
                granted[jti.parse::<usize>().unwrap()] += 1;
                by_worker[worker] += 1;
            }
        }
    }
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(granted, vec![1; ASSERTIONS], "each exactly once");
    assert!(by_worker.iter().all(|granted| *granted > 0), "they never met: {by_worker:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "one of the processes that `two_processes_that_share_a_redis_…` starts"]
async fn worker() {
    let Ok(prefix) = std::env::var("REPLAY_PREFIX") else { return };
    let first: usize = std::env::var("REPLAY_FIRST").unwrap().parse().unwrap();
    let client = redis::Client::open(server().unwrap()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = Arc::new(RedisReplayStore::new(connection).prefix(prefix));
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let until = now() + 300;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            // Half of the tasks race for the same assertions. The others start far from the other
            // process, so that one that is a step behind all the time is granted something, too.
            let first = if task % 2 == 0 { 0 } else { first };
            tokio::spawn(async move {
                let mut granted = Vec::new();
                for jti in (first..ASSERTIONS).chain(0..first) {
                    if store.claim("batch", &jti.to_string(), until).await.unwrap() {
                        granted.push(jti);
                    }
                }
                granted
            })
        })
        .collect();
    for task in tasks {
        for jti in task.await.unwrap() {
            println!("granted {jti}");
        }
    }
}
