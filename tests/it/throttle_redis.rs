//! R79: failures in Redis. What is sent and read is compared without a server; with `REDIS_URL` two connections, and two
//! processes, share one.

use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use http::request::Parts;
use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};
use tower_client_auth::{
    AuthMethod, Clock, ErrorKind as K,
    throttle::{FailureThrottle, PeerAddress, RedisThrottle, Throttle, Verdict},
};

use crate::{
    replay_redis::script,
    support::{Answer, Harness, NOW, TestRequest, failed, refused},
};

const ADDRESS: &str = "192.0.2.1";
const KEY: &str = "failures:{192.0.2.1}";
/// With the SHA-256 digest of `basic` in base64url.
const CLIENT: &str = "failures:{192.0.2.1}:-7e1v0yjSO7uv4zDZgcShZpaH78Y6DIXpXziA_tR1cI";

#[derive(Clone)]
enum Redis {
    Left(i64, i64),
    Fails,
    Silent,
    /// Answers what it would have answered to another question.
    Shifted(i64, i64),
}

/// Answers every question alike.
#[derive(Clone)]
struct Fake(Arc<Mutex<(Redis, Vec<Vec<String>>)>>);

impl Fake {
    fn new(redis: Redis) -> Self {
        Self(Arc::new(Mutex::new((redis, Vec::new()))))
    }

    fn be(&self, redis: Redis) {
        self.0.lock().unwrap().0 = redis;
    }

    /// What was sent, without `EVAL`.
    fn sent(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

impl ConnectionLike for Fake {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let (words, label) = script(command);
        let (redis, sent) = &mut *self.0.lock().unwrap();
        let without_nonce = words.iter().enumerate().skip(1).filter(|(at, _)| *at != 5);
        let shown = without_nonce.map(|(_, word)| String::from_utf8(word.clone()).unwrap());
        sent.push(shown.collect());
        let (redis, note) = (redis.clone(), words.len() > 6);
        let left = |client, address| Value::Array(vec![Value::Int(client), Value::Int(address)]);
        Box::pin(async move {
            match redis {
                Redis::Left(..) if note => Ok(label(Value::Int(1))),
                Redis::Left(client, address) => Ok(label(left(client, address))),
                Redis::Shifted(client, address) => {
                    let nonce = Value::BulkString(vec![1; 16]);
                    let answer = if note { Value::Int(1) } else { left(client, address) };
                    Ok(Value::Array(vec![nonce, answer]))
                }
                Redis::Fails => Ok(Value::Okay),
                Redis::Silent => pending().await,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _pipeline: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("it is one command")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn local() -> (FailureThrottle, Clock) {
    let clock = Clock::fixed(NOW);
    let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
    (FailureThrottle::new(peer).clock(clock.clone()), clock)
}

type Shared = Arc<RedisThrottle<Fake>>;

fn throttled(redis: &Fake) -> (Harness, Shared, Clock) {
    let (local, clock) = local();
    let throttle = Arc::new(RedisThrottle::new(redis.clone(), local));
    let shared = Arc::clone(&throttle);
    (Harness::new().set(|layer| layer.throttle(throttle)), shared, clock)
}

async fn ask(harness: &Harness, ask: &TestRequest) -> Answer {
    let mut request = ask.request();
    let address: IpAddr = ADDRESS.parse().unwrap();
    request.extensions_mut().insert(SocketAddr::from((address, 50_000)));
    let answer = harness.answer(request).await;
    // For the task that notes it.
    for _ in 0..10 {
        yield_now().await;
    }
    answer
}

fn wrong() -> TestRequest {
    TestRequest::bare().basic("basic:x")
}

fn right() -> TestRequest {
    TestRequest::bare().basic("basic:basic-s3cr3t")
}

fn accepted() -> Answer {
    right().accepted("basic", AuthMethod::ClientSecretBasic)
}

#[tokio::test]
async fn attempt_is_one_question_and_a_failure_one_note() {
    let redis = Fake::new(Redis::Left(-2, -2));
    let (harness, throttle, _) = throttled(&redis);
    assert_eq!(ask(&harness, &right()).await, accepted());
    let question = "return {ARGV[1],{redis.call('PTTL',KEYS[1]),redis.call('PTTL',KEYS[2])}}";
    assert_eq!(redis.sent(), [[question, "2", CLIENT, KEY]]);
    assert_eq!(ask(&harness, &wrong()).await, failed(K::WrongSecret, "basic"));
    let sent = redis.sent();
    assert_eq!(sent[0], [question, "2", CLIENT, KEY]);
    // The interval and the furthest for the client, and for the address.
    assert_eq!(sent[1][1..], ["2", CLIENT, KEY, "6000", "600000", "600", "600000"]);
    assert_eq!(sent.len(), 2);
    // What others can cause reaches as far as to the next attempt.
    throttle.note("basic", &head(), Some(&K::Overloaded.into()));
    yield_now().await;
    let sent = redis.sent();
    assert_eq!(sent[0][1..], ["2", CLIENT, KEY, "6000", "60000", "600", "60000"]);
    assert_eq!((throttle.local_checks(), throttle.lost_failures()), (0, 0));
}

#[tokio::test]
async fn what_the_keys_have_left_to_live_is_how_long_to_wait() {
    for (left, wait) in [
        ((-2, -2), None),
        ((-1, -1), None),
        ((54_000, 59_400), None),
        ((54_001, 0), Some("1")),
        ((60_000, 0), Some("6")),
        ((0, 59_401), Some("1")),
        ((60_000, 600_000), Some("541")),
        ((i64::MAX, i64::MIN), Some("9223372036854722")),
    ] {
        let redis = Fake::new(Redis::Left(left.0, left.1));
        let (harness, ..) = throttled(&redis);
        let expected = match wait {
            None => accepted(),
            Some(wait) => refused(K::Throttled).with("retry-after", wait),
        };
        assert_eq!(ask(&harness, &right()).await, expected, "{left:?}");
    }
}

#[tokio::test]
async fn without_redis_the_local_limits_hold_and_that_is_counted() {
    let redis = Fake::new(Redis::Fails);
    let (harness, throttle, clock) = throttled(&redis);
    for _ in 0..10 {
        assert_eq!(ask(&harness, &wrong()).await, failed(K::WrongSecret, "basic"));
    }
    let waits = refused(K::Throttled).with("retry-after", "6");
    assert_eq!(ask(&harness, &right()).await, waits);
    assert_eq!((throttle.local_checks(), throttle.lost_failures()), (10, 10));
    // Once in a second Redis is asked again.
    assert_eq!(redis.sent().len(), 1);
    clock.advance(Duration::from_secs(6));
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!(redis.sent().len(), 1);
    assert_eq!(throttle.local_checks(), 12);
    // And when it answers, all are asked.
    redis.be(Redis::Left(-2, -2));
    clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(ask(&harness, &right()).await, accepted());
    }
    assert_eq!(redis.sent().len(), 3);
    assert_eq!(throttle.local_checks(), 12);
}

// A caller that hangs up in time must not keep the counts from being shared.
#[tokio::test]
async fn question_whose_caller_hung_up_is_asked_again() {
    let redis = Fake::new(Redis::Fails);
    let (harness, throttle, clock) = throttled(&redis);
    assert_eq!(ask(&harness, &right()).await, accepted());
    redis.be(Redis::Left(54_001, 0));
    for polled in [false, true] {
        clock.advance(Duration::from_secs(1));
        redis.sent();
        let head = head();
        let Verdict::Pending(mut answer) = throttle.check("basic", &head) else {
            panic!("Redis is not asked")
        };
        if polled {
            redis.be(Redis::Silent);
            let waker = Waker::noop();
            assert!(answer.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
            redis.be(Redis::Left(54_001, 0));
        }
        // While it is open nobody else asks.
        assert!(matches!(throttle.check("basic", &head), Verdict::Pass));
        drop(answer);
        let waits = refused(K::Throttled).with("retry-after", "1");
        assert_eq!(ask(&harness, &right()).await, waits, "{polled}");
        assert_eq!(ask(&harness, &right()).await, waits, "{polled}");
        redis.be(Redis::Fails);
        assert_eq!(ask(&harness, &right()).await, accepted());
        redis.be(Redis::Left(54_001, 0));
    }
}

#[tokio::test]
async fn who_has_to_wait_here_is_not_asked_for() {
    let redis = Fake::new(Redis::Left(-2, -2));
    let (local, _) = local();
    for _ in 0..10 {
        local.note("basic", &head(), Some(&K::WrongSecret.into()));
    }
    let throttle = RedisThrottle::new(redis.clone(), local);
    let harness = Harness::new().set(|layer| layer.throttle(throttle));
    let waits = refused(K::Throttled).with("retry-after", "6");
    assert_eq!(ask(&harness, &right()).await, waits);
    assert!(redis.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn silent_redis_keeps_a_request_for_a_quarter_of_a_second_once() {
    let redis = Fake::new(Redis::Silent);
    let (harness, throttle, _) = throttled(&redis);
    let start = Instant::now();
    let minute = Duration::from_secs(60);
    for _ in 0..3 {
        assert_eq!(timeout(minute, ask(&harness, &right())).await.unwrap(), accepted());
        assert_eq!(start.elapsed(), Duration::from_millis(250));
    }
    assert_eq!(throttle.local_checks(), 3);
}

// A silent Redis would be an outage of all, if what is cut off were forgotten.
#[tokio::test(start_paused = true)]
async fn deadline_before_that_of_redis_refuses_one_request_a_second() {
    let redis = Fake::new(Redis::Silent);
    let clock = Clock::new(|| NOW, || Instant::now().into_std());
    let throttle = Arc::new(RedisThrottle::new(redis.clone(), local().0.clock(clock)));
    let limits = tower_client_auth::Limits::new().provider_deadline(Duration::from_millis(100));
    let harness = Harness::new().set(|layer| layer.throttle(Arc::clone(&throttle)).limits(limits));
    for second in 1..4 {
        let cut_off = Answer { lookups: Vec::new(), ..failed(K::ProviderTimeout, "basic") };
        assert_eq!(ask(&harness, &right()).await, cut_off, "{second}");
        for _ in 0..3 {
            assert_eq!(ask(&harness, &right()).await, accepted(), "{second}");
        }
        assert_eq!(redis.sent().len(), 1);
        assert_eq!(throttle.local_checks(), 3 * second);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    redis.be(Redis::Left(-2, -2));
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!(redis.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn notes_are_bounded_and_nobody_waits_for_them() {
    let redis = Fake::new(Redis::Silent);
    let (_, throttle, clock) = throttled(&redis);
    let start = Instant::now();
    for _ in 0..3_000 {
        throttle.note("basic", &head(), Some(&K::WrongSecret.into()));
    }
    assert_eq!(throttle.lost_failures(), 3_000 - 1_024);
    for _ in 0..1_024 {
        yield_now().await;
    }
    assert_eq!(redis.sent().len(), 1_024);
    assert_eq!(start.elapsed(), Duration::ZERO);
    // They end.
    tokio::time::sleep(Duration::from_millis(251)).await;
    assert_eq!(throttle.lost_failures(), 3_000);
    // And make room for others, once it is worth asking again.
    redis.be(Redis::Left(-2, -2));
    clock.advance(Duration::from_secs(1));
    throttle.note("basic", &head(), Some(&K::WrongSecret.into()));
    yield_now().await;
    assert_eq!((redis.sent().len(), throttle.lost_failures()), (1, 3_000));
}

// Neither does a client wait for what a neighbour did, nor is a failure counted that nobody confirmed.
#[tokio::test]
async fn answer_to_another_question_is_none() {
    let redis = Fake::new(Redis::Shifted(54_001, 0));
    let (harness, throttle, clock) = throttled(&redis);
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!((redis.sent().len(), throttle.local_checks()), (1, 1));
    clock.advance(Duration::from_secs(1));
    throttle.note("post", &head(), Some(&K::WrongSecret.into()));
    yield_now().await;
    assert_eq!((redis.sent().len(), throttle.lost_failures()), (1, 1));
}

// It is as down as if a question had failed.
#[tokio::test]
async fn note_that_fails_lets_nobody_ask_for_a_second() {
    let redis = Fake::new(Redis::Fails);
    let (harness, throttle, clock) = throttled(&redis);
    throttle.note("post", &head(), Some(&K::WrongSecret.into()));
    yield_now().await;
    assert_eq!((redis.sent().len(), throttle.lost_failures()), (1, 1));
    redis.be(Redis::Left(-2, -2));
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!((redis.sent().len(), throttle.local_checks()), (0, 1));
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&harness, &right()).await, accepted());
    assert_eq!((redis.sent().len(), throttle.local_checks()), (1, 1));
}

#[test]
fn failure_outside_of_a_runtime_is_counted_here() {
    let redis = Fake::new(Redis::Left(-2, -2));
    let (_, throttle, _) = throttled(&redis);
    for _ in 0..10 {
        throttle.note("basic", &head(), Some(&K::WrongSecret.into()));
    }
    assert_eq!(throttle.lost_failures(), 10);
    assert!(matches!(throttle.check("basic", &head()), Verdict::Refuse(_)));
}

#[tokio::test]
async fn keys_name_the_network_and_hold_no_id() {
    let redis = Fake::new(Redis::Left(-2, -2));
    let (local, _) = local();
    let throttle = RedisThrottle::new(redis.clone(), local).prefix("x/");
    for (address, key) in [
        ("2001:db8:0:1::1", "x/{2001:db8:0:1::/64}"),
        ("::ffff:192.0.2.1", "x/{192.0.2.1}"),
        ("-", "x/{unknown}"),
    ] {
        throttle.note("a}b\r\n{c", &head_from(address), Some(&K::WrongSecret.into()));
        yield_now().await;
        let sent = redis.sent();
        assert_eq!(sent[0][3], key);
        let digest = sent[0][2].strip_prefix(&format!("{key}:")).unwrap();
        assert!(digest.len() == 43 && !digest.contains(['{', '}', '\r']), "{digest}");
    }
}

#[test]
fn debug_shows_no_connection() {
    let (local, _) = local();
    let shown = format!("{:?}", RedisThrottle::new(Fake::new(Redis::Fails), local));
    assert!(shown.ends_with(r#"prefix: "failures:", response_timeout: 250ms, .. }"#), "{shown}");
}

fn head_from(address: &str) -> Parts {
    let (mut head, ()) = http::Request::post("/token").body(()).unwrap().into_parts();
    if let Ok(address) = address.parse::<IpAddr>() {
        head.extensions.insert(SocketAddr::from((address, 50_000)));
    }
    head
}

fn head() -> Parts {
    head_from(ADDRESS)
}

/// The address of a real server, or `None` and a loud word.
fn server() -> Option<String> {
    let url = std::env::var("REDIS_URL").ok();
    if url.is_none() {
        eprintln!("SKIPPED: REDIS_URL names no Redis to test with");
    }
    url
}

async fn replica(url: &str, prefix: &str) -> RedisThrottle<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(url).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    // Longer than a test may take.
    let period = Duration::from_secs(600);
    RedisThrottle::new(connection, local().0.per_client(10, period).per_address(100, period))
        .prefix(prefix.to_owned())
        .response_timeout(Duration::from_secs(5))
}

async fn passes(throttle: &impl Throttle, client_id: &str) -> bool {
    match throttle.check(client_id, &head()) {
        Verdict::Pass => true,
        Verdict::Pending(answer) => answer.await.is_ok(),
        _ => false,
    }
}

/// Waits until what was noted has arrived, which no request does.
async fn keys(url: &str, prefix: &str, least_left: i64) -> Vec<(String, i64)> {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    loop {
        let mut keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{prefix}*"))
            .query_async(&mut connection)
            .await
            .unwrap();
        keys.sort();
        let mut found = Vec::new();
        for key in keys {
            let left: i64 =
                redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            found.push((key.trim_start_matches(prefix).to_owned(), left));
        }
        if found.iter().any(|(_, left)| *left > least_left) {
            return found;
        }
        yield_now().await;
    }
}

#[tokio::test]
async fn real_redis_shares_failures_between_replicas() {
    let Some(url) = server() else { return };
    let prefix = format!("replicas-{}/", std::process::id());
    let (one, other) = (replica(&url, &prefix).await, replica(&url, &prefix).await);
    assert!(passes(&other, "basic").await);
    for n in 0..10 {
        let throttle = if n % 2 == 0 { &one } else { &other };
        throttle.note("basic", &head(), Some(&K::WrongSecret.into()));
    }
    let found = timeout(Duration::from_secs(10), keys(&url, &prefix, 540_000)).await.unwrap();
    let [(address, of_address), (client, of_client)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((address.as_str(), client.as_str()), (&KEY[9..], &CLIENT[9..]));
    assert!((1..=60_000).contains(of_address), "{found:?}");
    assert!((540_001..=600_000).contains(of_client), "{found:?}");
    // Neither has seen more than five.
    for throttle in [&one, &other] {
        assert!(!passes(throttle, "basic").await);
        assert!(passes(throttle, "post").await);
        assert_eq!((throttle.local_checks(), throttle.lost_failures()), (0, 0));
    }
    // Not for longer than ten periods.
    for _ in 0..500 {
        one.note("basic", &head(), Some(&K::WrongSecret.into()));
    }
    let found = timeout(Duration::from_secs(10), keys(&url, &prefix, 5_900_000)).await.unwrap();
    assert!(found.iter().all(|(_, left)| *left <= 6_000_000), "{found:?}");
    // What others can cause makes it neither shorter nor longer.
    for _ in 0..100 {
        one.note("basic", &head(), Some(&K::Abandoned.into()));
        one.note("other", &head(), Some(&K::Abandoned.into()));
    }
    let other = timeout(Duration::from_secs(10), async {
        loop {
            let found = keys(&url, &prefix, 590_000).await;
            let is_other = |key: &str| key.len() > KEY.len() && *key != CLIENT[9..];
            match found.iter().find(|(key, _)| is_other(key)) {
                Some((_, left)) if *left > 590_000 => break *left,
                _ => yield_now().await,
            }
        }
    });
    let other = other.await.unwrap();
    assert!(other <= 600_000, "{other}");
    let found = keys(&url, &prefix, 590_000).await;
    let client = found.iter().find(|(key, _)| *key == CLIENT[9..]).unwrap();
    assert!((5_900_000..=6_000_000).contains(&client.1), "{found:?}");
}

/// Five failures in each of two processes, and then a third has to wait.
#[tokio::test]
async fn real_redis_shares_failures_between_processes() {
    let Some(url) = server() else { return };
    let prefix = format!("processes-{}/", std::process::id());
    let throttle = replica(&url, &prefix).await;
    for _ in 0..2 {
        assert!(passes(&throttle, "basic").await);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "throttle_redis::worker", "--ignored"])
            .env("THROTTLE_PREFIX", &prefix)
            .status()
            .unwrap();
        assert!(status.success());
    }
    assert!(!passes(&throttle, "basic").await);
}

#[tokio::test]
#[ignore = "one of the processes that `real_redis_shares_failures_between_processes` starts"]
async fn worker() {
    let (Ok(prefix), Some(url)) = (std::env::var("THROTTLE_PREFIX"), server()) else { return };
    let throttle = replica(&url, &prefix).await;
    let harness = Harness::new().set(|layer| layer.throttle(throttle));
    let before = left(&url, &prefix).await;
    for _ in 0..5 {
        assert_eq!(ask(&harness, &wrong()).await, failed(K::WrongSecret, "basic"));
    }
    // The process must not end before they have arrived.
    let arrived = keys(&url, &prefix, before + 250_000);
    timeout(Duration::from_secs(10), arrived).await.unwrap();
}

async fn left(url: &str, prefix: &str) -> i64 {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{prefix}{}", &CLIENT[9..]);
    let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
    left.max(0)
}

// What it does when there is none is `without_redis_the_local_limits_hold_and_that_is_counted`.
#[tokio::test]
async fn real_redis_that_went_away_is_an_outage_of_sharing_alone() {
    let Some(url) = server() else { return };
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await.unwrap();
    let throttle = Arc::new(RedisThrottle::new(connection, local().0));
    let harness = Harness::new().set(|layer| layer.throttle(Arc::clone(&throttle)));
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let killed: i64 =
        redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(&mut admin).await.unwrap();
    assert_eq!(killed, 1);
    for _ in 0..10 {
        assert_eq!(ask(&harness, &wrong()).await, failed(K::WrongSecret, "basic"));
    }
    let waits = refused(K::Throttled).with("retry-after", "6");
    assert_eq!(ask(&harness, &right()).await, waits);
    assert_eq!(throttle.local_checks(), 10);
}
