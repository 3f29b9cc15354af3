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

/// The words of a script, and what makes an answer one to it: an array that begins with the first argument after the keys.
pub(crate) fn script(command: &Cmd) -> (Vec<Vec<u8>>, impl Fn(Value) -> Value + use<>) {
    let words: Vec<Vec<u8>> = command
        .args_iter()
        .map(|word| match word {
            redis::Arg::Simple(word) => word.to_vec(),
            _ => panic!("a cursor"),
        })
        .collect();
    assert_eq!(words[0], b"EVAL");
    let keys: usize = std::str::from_utf8(&words[2]).unwrap().parse().unwrap();
    let nonce = words[3 + keys].clone();
    assert_eq!(nonce.len(), 16);
    (words, move |answer| Value::Array(vec![Value::BulkString(nonce.clone()), answer]))
}

/// Answers every claim alike, or not at all.
#[derive(Clone)]
struct Scripted {
    answer: Option<Value>,
    sent: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
    labelled: bool,
}

impl Scripted {
    fn new(answer: Option<Value>) -> Self {
        Self { answer, sent: Arc::default(), labelled: true }
    }

    fn unlabelled(answer: Value) -> Self {
        Self { labelled: false, ..Self::new(Some(answer)) }
    }
}

impl ConnectionLike for Scripted {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let (words, label) = script(command);
        self.sent.lock().unwrap().push(words);
        Box::pin(async move {
            match self.answer.clone() {
                Some(answer) if self.labelled => Ok(label(answer)),
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
async fn claim_is_one_script_that_sets_a_key_that_is_not_there() {
    let redis = Scripted::new(Some(Value::Okay));
    let store = RedisReplayStore::new(redis.clone()).prefix("jti/");
    for _ in 0..2 {
        assert!(store.claim("batch", "1", 1_700_000_300).await.unwrap());
    }
    let sent = redis.sent.lock().unwrap();
    let [one, other] = &sent[..] else { panic!("{sent:?}") };
    let shown = |words: &[Vec<u8>]| -> Vec<String> {
        words.iter().map(|word| String::from_utf8(word.clone()).unwrap()).collect()
    };
    for words in [one, other] {
        assert_eq!(
            shown(&words[..4]),
            [
                "EVAL",
                "return {ARGV[1],redis.call('SET',KEYS[1],1,'NX','PXAT',ARGV[2])}",
                "1",
                // SHA-256 of the length of the id in eight bytes, the id, and the `jti`.
                "jti/Yu75a958Z1Rifi5IHAof6pQpaaAgDgZb4d_hHgQ58jI",
            ],
        );
        assert_eq!(shown(&words[5..]), ["1700000360000"]);
    }
    // Also for the same assertion.
    assert_ne!(one[4], other[4]);
}

#[tokio::test]
async fn unconfirmed_claim_is_not_granted() {
    let claim = async |redis| RedisReplayStore::new(redis).claim("a", "1", 9).await;
    assert!(!claim(Scripted::new(Some(Value::Nil))).await.unwrap());
    for answer in
        [Value::Int(1), Value::SimpleString("QUEUED".to_owned()), Value::Array(Vec::new())]
    {
        assert!(claim(Scripted::new(Some(answer.clone()))).await.is_err(), "{answer:?}");
    }
}

// One answer too few or too many, and all others are those of neighbours.
#[tokio::test]
async fn answer_to_another_claim_grants_nothing_and_refuses_nothing() {
    let label = Value::BulkString(vec![1; 16]);
    for answer in [
        Value::Okay,
        Value::Nil,
        Value::Int(1),
        Value::Array(vec![Value::Int(-2), Value::Int(-2)]),
        Value::Array(vec![label.clone(), Value::Okay]),
        Value::Array(vec![label, Value::Nil]),
        Value::Array(vec![Value::Okay]),
        Value::Array(vec![Value::Nil, Value::Okay]),
    ] {
        let store = RedisReplayStore::new(Scripted::unlabelled(answer.clone()));
        let error = store.claim("a", "1", 9).await.unwrap_err().to_string();
        let foreign = "Redis answered another question: the connection, or a proxy, lost or doubled an answer";
        assert_eq!(error, foreign, "{answer:?}");
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
