//! What is fetched, and when. The source counts, and the clock stands still.

use std::{
    collections::VecDeque,
    error::Error as _,
    future::Future,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{sync::Semaphore, task::JoinHandle};

use super::*;
use crate::error::BoxError;

const URI: &str = "https://batch.example/jwks.json";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Answers in turn, and then always with the last answer.
#[derive(Clone)]
struct Source {
    answers: Arc<Mutex<VecDeque<Result<FetchedJwks, &'static str>>>>,
    fetches: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Source {
    fn new(
        answers: impl IntoIterator<Item = Result<FetchedJwks, &'static str>>,
    ) -> (Self, JwksCache, impl Fn(u64)) {
        let source = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            fetches: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let clock = Clock::fixed(0);
        let cache = JwksCache::new(source.clone()).clock(clock.clone());
        let pass = move |seconds| clock.advance(Duration::from_secs(seconds));
        (source, cache, pass)
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl JwksSource for Source {
    type Error = BoxError;

    async fn fetch(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.unwrap().map_err(Into::into)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a source answers")]
fn keys(kids: &[&str], max_age: Option<u64>) -> Result<FetchedJwks, &'static str> {
    let keys: Vec<_> = kids
        .iter()
        .map(|kid| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "kid": kid,
                "x": "ADydqJUhd7_wh6HMnwXArui8XruoBGnFAK9Roanputs",
            })
        })
        .collect();
    let document = serde_json::json!({ "keys": keys }).to_string();
    Ok(FetchedJwks::new(document.into(), max_age.map(Duration::from_secs)))
}

/// Whether there is the key, or what is wrong.
async fn ask(cache: &JwksCache, kid: &str) -> Result<bool, String> {
    ask_at(cache, URI, kid).await
}

/// What an assertion with this `kid`, or without one, looks for.
fn has(kid: Option<&str>) -> impl Fn(&KeySet) -> bool {
    move |keys| kid.map_or(!keys.is_empty(), |kid| keys.has(kid))
}

async fn ask_at(cache: &JwksCache, uri: &str, kid: &str) -> Result<bool, String> {
    match cache.keys(uri, has(Some(kid))).await {
        Ok(keys) => Ok(keys.has(kid)),
        Err(error) => Err(error.source().unwrap().to_string()),
    }
}

/// Asks in a task of its own.
fn spawn(cache: &JwksCache, uri: &str) -> JoinHandle<Result<bool, String>> {
    let (cache, uri) = (cache.clone(), uri.to_owned());
    tokio::spawn(async move { ask_at(&cache, &uri, "1").await })
}

/// Lets the fetches go on until they wait for the source.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn r93_keys_are_kept_for_max_age() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    let cache = cache.stale_if_error(Duration::ZERO);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "1").await, Ok(true));
    }
    assert!(cache.keys(URI, has(None)).await.is_ok());
    assert_eq!(source.fetches(), 1);
    pass(HOUR - 1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(1);
    assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
}

#[tokio::test]
async fn r93_lifetime_is_bounded() {
    let cases = [(None, 5 * MINUTE), (Some(0), 5 * MINUTE), (Some(u64::MAX), DAY)];
    for (max_age, kept) in cases {
        let (_, cache, pass) = Source::new([keys(&["1"], max_age), Err("down")]);
        let cache = cache.stale_if_error(Duration::ZERO);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(kept - 1);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(1);
        assert_eq!(ask(&cache, "1").await, Err("down".to_owned()), "{max_age:?}");
    }
}

#[tokio::test]
async fn keys_are_fetched_again_in_the_second_half_of_their_lifetime() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), keys(&["2"], Some(HOUR))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(HOUR / 2 - 1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    settle().await;
    assert_eq!(source.fetches(), 1);
    pass(1);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "1").await, Ok(true), "without waiting");
        settle().await;
    }
    assert_eq!(source.fetches(), 2);
    source.gate.add_permits(1);
    settle().await;
    assert_eq!(ask(&cache, "1").await, Ok(false));
    assert_eq!(ask(&cache, "2").await, Ok(true));
}

#[tokio::test]
async fn r93_unknown_kid_refetches_once_per_interval() {
    let (source, cache, pass) =
        Source::new([keys(&["1"], Some(HOUR)), keys(&["1"], Some(HOUR)), keys(&["1", "2"], None)]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    for kid in ["2", "junk", ""] {
        assert_eq!(ask(&cache, kid).await, Ok(false));
        settle().await;
    }
    pass(29);
    assert_eq!(ask(&cache, "2").await, Ok(false));
    settle().await;
    assert_eq!(source.fetches(), 1);
    pass(1);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "2").await, Ok(false));
        settle().await;
    }
    assert_eq!(source.fetches(), 2);
    pass(30);
    assert_eq!(ask(&cache, "2").await, Ok(false), "judged by what is known");
    settle().await;
    assert_eq!(ask(&cache, "2").await, Ok(true));
    assert_eq!(source.fetches(), 3);
}

// A stranger can send both at any time, and must not learn from the time that the client exists.
#[tokio::test]
async fn unknown_kid_is_answered_at_once_whatever_the_source_does() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(30);
    for kid in ["junk", "2"] {
        assert_eq!(ask(&cache, kid).await, Ok(false), "while the fetch is in flight");
        settle().await;
    }
    source.gate.add_permits(1);
    settle().await;
    for kid in ["junk", "2"] {
        assert_eq!(ask(&cache, kid).await, Ok(false), "while the source is down");
    }
    assert_eq!(source.fetches(), 2);
}

#[test]
fn unknown_kid_waits_where_nothing_goes_on_in_the_background() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), keys(&["2"], Some(HOUR))]);
    let ask = |kid| {
        let mut asking = pin!(ask(&cache, kid));
        asking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    assert_eq!(ask("1"), Poll::Ready(Ok(true)));
    pass(30);
    assert_eq!(ask("2"), Poll::Ready(Ok(true)));
    pass(HOUR / 2);
    assert_eq!(ask("2"), Poll::Ready(Ok(true)));
    assert_eq!(source.fetches(), 2);
}

#[test]
fn keys_within_their_lifetime_are_used_while_there_is_no_room_to_fetch_them() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    let cache = cache.max_per_host(1, 1);
    let ask = |kid| {
        let mut asking = pin!(ask(&cache, kid));
        asking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    assert_eq!(ask("1"), Poll::Ready(Ok(true)));
    pass(30);
    assert_eq!(ask("2"), Poll::Ready(Ok(false)));
    assert_eq!(source.fetches(), 1);
}

#[tokio::test]
async fn withdrawn_key_is_refused_at_once() {
    let empty = FetchedJwks::new(r#"{"keys": []}"#.into(), None);
    for answer in [empty, FetchedJwks::gone(None)] {
        let (source, cache, pass) =
            Source::new([keys(&["1"], Some(HOUR)), Ok(answer), Err("down")]);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(HOUR);
        assert_eq!(ask(&cache, "1").await, Ok(false));
        assert!(cache.keys(URI, has(None)).await.unwrap().is_empty());
        assert_eq!(source.fetches(), 2);
        pass(HOUR / 2);
        assert_eq!(ask(&cache, "1").await, Ok(false), "an outage does not bring it back");
    }
}

#[tokio::test]
async fn keys_are_back_soon_after_there_were_none() {
    let gone = FetchedJwks::gone(Some(Duration::from_secs(DAY)));
    for kid in [None, Some("1")] {
        let (source, cache, pass) = Source::new([Ok(gone.clone()), keys(&["1"], None)]);
        assert!(cache.keys(URI, has(kid)).await.unwrap().is_empty());
        pass(29);
        assert!(cache.keys(URI, has(kid)).await.unwrap().is_empty());
        settle().await;
        assert_eq!(source.fetches(), 1);
        pass(1);
        assert!(cache.keys(URI, has(kid)).await.unwrap().is_empty());
        settle().await;
        assert!(!cache.keys(URI, has(kid)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn concurrent_requests_share_a_fetch() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    let tasks: Vec<_> = (0..10).map(|_| spawn(&cache, URI)).collect();
    tokio::task::yield_now().await;
    source.gate.add_permits(1);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(true));
    }
    assert_eq!(source.fetches(), 1);
}

/// Asks, is polled once, and hangs up.
fn hang_up(cache: &JwksCache, uri: &str) {
    let mut asking = pin!(ask_at(cache, uri, "1"));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn dropped_requests_cause_one_fetch() {
    let (source, cache, _) = Source::new([keys(&["1"], Some(HOUR))]);
    source.gate.forget_permits(usize::MAX);
    for _ in 0..500 {
        hang_up(&cache, URI);
        tokio::task::yield_now().await;
    }
    assert_eq!(source.fetches(), 1);
    source.gate.add_permits(1);
    settle().await;
    for _ in 0..500 {
        assert_eq!(ask(&cache, "unknown").await, Ok(false), "and none in the interval after it");
    }
    assert_eq!(source.fetches(), 1);
}

// It may begin a fetch just after another one filled the cache.
#[tokio::test]
async fn late_miss_finds_the_landed_answer() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    for _ in 0..2 {
        assert!(cache.0.wait(URI, false).await.is_ok());
    }
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn slow_fetch_still_fills_the_cache() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    for _ in 0..20 {
        let limit = Duration::from_millis(30);
        assert!(tokio::time::timeout(limit, ask(&cache, "1")).await.is_err());
    }
    source.gate.add_permits(1);
    settle().await;
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!(source.fetches(), 1);
}

#[tokio::test]
async fn failure_is_remembered_without_waiters() {
    let (source, cache, pass) = Source::new([Err("down"), keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    hang_up(&cache, URI);
    settle().await;
    pass(8);
    source.gate.add_permits(2);
    settle().await;
    // From the failure on.
    pass(4);
    assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
    assert_eq!(source.fetches(), 1);
    pass(1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn fetch_deadline_is_a_remembered_failure() {
    let (source, cache, pass) = Source::new([keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    let waiting = spawn(&cache, URI);
    settle().await;
    hang_up(&cache, URI);
    pass(10);
    let begun = tokio::time::Instant::now();
    assert_eq!(waiting.await.unwrap(), Err("it did not answer before the deadline".to_owned()));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    pass(4);
    let cut_off = "the fetch was cut off before it ended".to_owned();
    assert_eq!(ask(&cache, "1").await, Err(cut_off));
    assert_eq!(source.fetches(), 1);
    source.gate.add_permits(1);
    pass(1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
}

#[test]
fn abandoned_fetch_is_a_failure() {
    let (source, cache, pass) = Source::new([keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    for pause in [5, 10] {
        hang_up(&cache, URI);
        for _ in 0..100 {
            let mut asking = pin!(ask(&cache, "1"));
            let polled = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Err(_))));
        }
        pass(pause);
    }
    assert_eq!(source.fetches(), 2);
}

#[tokio::test]
async fn panicking_source_is_a_failure() {
    struct Panics;
    impl JwksSource for Panics {
        type Error = BoxError;

        async fn fetch(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
            panic!("a bug")
        }
    }
    let cache = JwksCache::new(Panics);
    assert_eq!(ask(&cache, "1").await, Err("it panicked".to_owned()));
    let cut_off = "the fetch was cut off before it ended".to_owned();
    assert_eq!(ask(&cache, "1").await, Err(cut_off));
}

#[tokio::test]
async fn failures_are_followed_by_longer_and_longer_pauses() {
    let (source, cache, pass) = Source::new([Err("down")]);
    for (failures, pause) in [5, 10, 20, 40, 60, 60, 60].into_iter().enumerate() {
        for _ in 0..100 {
            assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
        }
        pass(pause - 1);
        assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
        assert_eq!(source.fetches(), failures + 1);
        pass(1);
    }
    *source.answers.lock().unwrap() = [keys(&["1"], None), Err("down again")].into();
    assert_eq!(ask(&cache, "1").await, Ok(true));
    let fetches = source.fetches();
    pass(2 * HOUR);
    for _ in 0..2 {
        assert_eq!(ask(&cache, "1").await, Err("down again".to_owned()));
        pass(5);
    }
    assert_eq!(source.fetches(), fetches + 2, "an answer in between makes them short again");
}

#[tokio::test]
async fn stale_keys_are_used_for_a_bounded_time() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(HOUR);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "1").await, Ok(true));
    }
    assert_eq!(source.fetches(), 2);
    assert_eq!(ask(&cache, "2").await, Ok(false));
    // An hour from the end of their lifetime (RFC 5861 §4).
    pass(HOUR - 1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(1);
    assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
}

// One of them may have been withdrawn, and whoever has it must not have the time that a fetch takes.
#[tokio::test]
async fn keys_past_their_lifetime_are_for_nobody_while_they_are_fetched() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), keys(&["2"], None)]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(HOUR);
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(spawn(&cache, URI));
        settle().await;
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    source.gate.add_permits(1);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Ok(false));
    }
    assert_eq!(source.fetches(), 2);
}

#[tokio::test]
async fn throttle_is_no_outage() {
    struct Throttles(Arc<AtomicUsize>);
    impl JwksSource for Throttles {
        type Error = BoxError;

        async fn fetch(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(keys(&["1"], None)?),
                1..4 => Err(Throttled::new(Duration::from_secs(7)).into()),
                _ => Ok(FetchedJwks::gone(None)),
            }
        }
    }
    let (fetches, clock) = (Arc::<AtomicUsize>::default(), Clock::fixed(0));
    let cache = JwksCache::new(Throttles(Arc::clone(&fetches))).clock(clock.clone());
    assert_eq!(ask(&cache, "1").await, Ok(true));
    clock.advance(Duration::from_secs(5 * MINUTE));
    for _ in 1..4 {
        let error = cache.keys(URI, has(Some("1"))).await.unwrap_err();
        assert_eq!(error.throttled().unwrap().retry_after(), Duration::from_secs(7));
    }
    assert_eq!(ask(&cache, "1").await, Ok(false), "the source is asked again at once");
    assert_eq!(fetches.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn unknown_kids_spare_a_failing_source() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(30);
    for _ in 0..6 {
        assert_eq!(ask(&cache, "2").await, Ok(false));
        settle().await;
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(5);
    }
    assert_eq!(source.fetches(), 2);
    assert_eq!(ask(&cache, "2").await, Ok(false));
    settle().await;
    assert_eq!(source.fetches(), 3);
}

#[tokio::test]
async fn invalid_key_set_replaces_nothing() {
    let long = format!(r#"{{"keys": []{}}}"#, " ".repeat(LONGEST_DOCUMENT));
    for document in ["", "{}", "[]", "<html>", r#"{"keys": {}}"#, &long] {
        let (_, cache, _) = Source::new([Ok(FetchedJwks::new(document.to_owned().into(), None))]);
        assert!(ask(&cache, "1").await.is_err(), "{document:.20}");

        let document = FetchedJwks::new(document.to_owned().into(), None);
        let (_, cache, pass) = Source::new([keys(&["1"], None), Ok(document)]);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(5 * MINUTE);
        assert_eq!(ask(&cache, "1").await, Ok(true));
    }
}

#[tokio::test]
async fn document_length_limit() {
    let mut document = keys(&["1"], None).unwrap().document().to_vec();
    document.resize(LONGEST_DOCUMENT, b' ');
    let (_, cache, _) = Source::new([Ok(FetchedJwks::new(document.clone().into(), None))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));

    document.push(b' ');
    let (_, cache, _) = Source::new([Ok(FetchedJwks::new(document.into(), None))]);
    assert!(ask(&cache, "1").await.is_err(), "one byte more");
}

fn stranger(number: usize) -> String {
    format!("https://{number}.example/jwks.json")
}

#[tokio::test]
async fn strangers_push_out_no_proven_keys() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), keys(&["2"], Some(HOUR))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    cache.proved(URI);
    for number in 0..5_000 {
        assert_eq!(ask_at(&cache, &stranger(number), "2").await, Ok(true));
    }
    let [(strangers, _), (proven, _)] = cache.0.held();
    assert_eq!((strangers, proven), (1_000, 1));
    *source.answers.lock().unwrap() = [Err("down")].into();
    pass(HOUR);
    assert_eq!(ask(&cache, "1").await, Ok(true), "also while its host is down");
}

#[tokio::test]
async fn trusted_address_is_proven_also_after_it_was_pushed_out() {
    let (_, cache, _) = Source::new([keys(&["1"], None)]);
    let cache = cache.capacity(1).trusted(["a", "b"]);
    for (uri, held) in [("a", [0, 1]), ("b", [0, 1]), ("a", [0, 1]), ("c", [1, 1])] {
        assert!(cache.keys(uri, has(None)).await.is_ok());
        assert_eq!(cache.0.held().map(|(addresses, _)| addresses), held, "{uri}");
    }
}

#[tokio::test]
async fn proven_newcomer_pushes_out_what_was_unused_longest() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    let cache = cache.capacity(2);
    for (uri, fetches) in
        [("a", 1), ("b", 2), ("a", 2), ("b", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 4)]
    {
        assert!(cache.keys(uri, has(None)).await.is_ok());
        cache.proved(uri);
        assert_eq!(source.fetches(), fetches, "{uri}");
    }
    let [(strangers, _), (proven, _)] = cache.0.held();
    assert_eq!((strangers, proven), (0, 2));
}

#[tokio::test]
async fn unproven_addresses_are_bounded_too() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    let cache = cache.capacity(2);
    for (uri, fetches) in
        [("a", 1), ("b", 2), ("a", 2), ("b", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 4)]
    {
        assert!(cache.keys(uri, has(None)).await.is_ok());
        assert_eq!(source.fetches(), fetches, "{uri}");
    }
    let [(strangers, _), (proven, _)] = cache.0.held();
    assert_eq!((strangers, proven), (2, 0));
}

#[tokio::test]
async fn remembered_bytes_are_bounded() {
    const MOST: usize = 64 * 1024;
    let (_, cache, _) = Source::new([keys(&["1", "2", "3", "4", "5", "6", "7", "8"], None)]);
    let cache = cache.max_bytes(MOST);
    for number in 0..100 {
        assert_eq!(ask_at(&cache, &stranger(number), "8").await, Ok(true));
        if number % 2 == 0 {
            cache.proved(&stranger(number));
        }
        for (_, bytes) in cache.0.held() {
            assert!(bytes <= MOST, "{bytes}");
        }
    }
    for (addresses, bytes) in cache.0.held() {
        assert!((2..60).contains(&addresses) && bytes > MOST / 2, "{addresses} {bytes}");
    }
}

#[tokio::test]
async fn keys_that_are_used_after_a_failure_count_as_before() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    let held = cache.0.held();
    pass(HOUR);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!((source.fetches(), cache.0.held()), (2, held));
}

// Otherwise it would be fetched for every request.
#[tokio::test]
async fn a_set_beyond_the_bound_is_kept_alone() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    let cache = cache.max_bytes(0);
    for (uri, fetches) in [("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)] {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
        assert_eq!(source.fetches(), fetches, "{uri}");
    }
}

#[tokio::test]
async fn a_host_is_fetched_from_so_often_a_minute_for_strangers() {
    let (source, cache, pass) = Source::new([keys(&["1"], None)]);
    let flood = async || {
        let mut throttled = 0;
        for number in 0..3_000 {
            let uri = format!("https://victim.example/{number}");
            if let Err(error) = cache.keys(&uri, has(Some("1"))).await {
                assert_eq!(error.kind(), ErrorKind::Throttled);
                assert_eq!(error.throttled().unwrap().retry_after(), Duration::from_secs(60));
                throttled += 1;
            }
        }
        throttled
    };
    assert_eq!(flood().await, 3_000 - 30);
    assert_eq!(source.fetches(), 30);
    assert_eq!(ask_at(&cache, "https://other.example/", "1").await, Ok(true));
    assert_eq!(
        cache.0.held().map(|(addresses, _)| addresses),
        [31, 0],
        "refusals push out nothing"
    );
    pass(60);
    assert_eq!(ask_at(&cache, "https://victim.example/new", "1").await, Ok(true));
    pass(60);
    let cache = cache.clone().max_per_host(4, 1);
    assert_eq!(ask_at(&cache, "https://victim.example/newer", "1").await, Ok(true));
    assert!(ask_at(&cache, "https://victim.example/newest", "1").await.is_err());
}

#[tokio::test]
async fn proven_addresses_of_one_host_are_not_throttled() {
    let (source, cache, pass) = Source::new([keys(&["1"], None)]);
    let uri = |number| format!("https://tenants.example/{number}");
    let strict = cache.clone().max_per_host(4, 0);
    let cache = cache.max_per_host(4, 100);
    for number in 0..100 {
        assert_eq!(ask_at(&cache, &uri(number), "1").await, Ok(true));
        cache.proved(&uri(number));
    }
    pass(5 * MINUTE);
    for round in 1..4 {
        for number in 0..100 {
            assert_eq!(ask_at(&strict, &uri(number), "1").await, Ok(true));
        }
        assert_eq!(source.fetches(), 100 + 100 * round);
        pass(5 * MINUTE);
    }
}

#[tokio::test]
async fn source_is_told_which_addresses_are_proven() {
    struct Told(Arc<Mutex<Vec<&'static str>>>);
    impl JwksSource for Told {
        type Error = BoxError;

        async fn fetch(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
            self.0.lock().unwrap().push("proven");
            Ok(keys(&["1"], None)?)
        }

        async fn fetch_unproven(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
            self.0.lock().unwrap().push("unproven");
            Ok(keys(&["1"], None)?)
        }
    }
    let told = Arc::default();
    let clock = Clock::fixed(0);
    let cache = JwksCache::new(Told(Arc::clone(&told))).clock(clock.clone());
    for _ in 0..2 {
        assert_eq!(ask(&cache, "1").await, Ok(true));
        clock.advance(Duration::from_secs(5 * MINUTE));
    }
    cache.proved(URI);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!(*told.lock().unwrap(), ["unproven", "unproven", "proven"]);
}

#[tokio::test]
async fn fetches_of_strangers_are_bounded_and_hold_up_no_proven_client() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    cache.proved(URI);
    source.gate.forget_permits(usize::MAX);
    pass(HOUR);
    let strangers: Vec<_> = (0..16).map(|number| spawn(&cache, &stranger(number))).collect();
    settle().await;
    let full = "too many are in flight".to_owned();
    for number in 16..1_000 {
        assert_eq!(ask_at(&cache, &stranger(number), "1").await, Err(full.clone()));
    }
    assert_eq!(source.fetches(), 1 + 16);
    let proven = spawn(&cache, URI);
    settle().await;
    assert_eq!(source.fetches(), 1 + 16 + 1);
    source.gate.add_permits(100);
    assert_eq!(proven.await.unwrap(), Ok(true));
    for stranger in strangers {
        assert_eq!(stranger.await.unwrap(), Ok(true));
    }
    assert_eq!(ask_at(&cache, &stranger(16), "1").await, Ok(true));
}

#[tokio::test]
async fn a_host_is_fetched_from_so_often_at_a_time_for_strangers() {
    let (source, cache, _) = Source::new([keys(&["1"], Some(HOUR))]);
    source.gate.forget_permits(usize::MAX);
    let waiting: Vec<_> =
        (0..10).map(|number| spawn(&cache, &format!("https://victim.example/{number}"))).collect();
    settle().await;
    assert_eq!(source.fetches(), 4);
    source.gate.add_permits(100);
    let mut fetched = 0;
    for waiting in waiting {
        fetched += usize::from(waiting.await.unwrap().is_ok());
    }
    assert_eq!(fetched, 4);
    assert_eq!(ask_at(&cache, "https://victim.example/9", "1").await, Ok(true));
}

// Otherwise a burst of them would end each other, and none would ever land.
#[tokio::test]
async fn background_fetches_end_no_other() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    let cache = cache.max_fetches(1);
    for uri in ["a", "b"] {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
        cache.proved(uri);
    }
    source.gate.forget_permits(usize::MAX);
    pass(HOUR / 2);
    for uri in ["a", "b", "a"] {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
        settle().await;
    }
    assert_eq!(source.fetches(), 3);
    source.gate.add_permits(2);
    settle().await;
    assert_eq!(ask_at(&cache, "b", "1").await, Ok(true));
    settle().await;
    assert_eq!(source.fetches(), 4, "the other one follows");
    for uri in ["a", "b"] {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
    }
    settle().await;
    assert_eq!(source.fetches(), 4);
}

/// Another host for each four.
fn one_of_four_at_a_host(number: usize) -> String {
    format!("https://{}.evil.example/{number}", number / 4)
}

/// A source that does not answer any more, and a cache whose addresses are proven and past their
/// lifetime.
async fn hanging(uris: &[String]) -> (Source, JwksCache, impl Fn(u64)) {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    for uri in uris {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
        cache.proved(uri);
    }
    source.gate.forget_permits(usize::MAX);
    source.fetches.store(0, Ordering::SeqCst);
    pass(HOUR);
    (source, cache, pass)
}

// Sixteen addresses anywhere are soon had, also proven ones.
#[tokio::test]
async fn a_host_is_fetched_from_so_often_at_a_time_for_proven_clients() {
    let evil = (0..17).map(|number| format!("https://evil.example/{number}"));
    let uris: Vec<_> = evil.chain([URI.to_owned()]).collect();
    let (source, cache, _) = hanging(&uris).await;
    let waiting: Vec<_> = uris.iter().map(|uri| spawn(&cache, uri)).collect();
    settle().await;
    assert_eq!(source.fetches(), 4 + 1);
    source.gate.add_permits(100);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Ok(true), "in turn");
    }
    assert_eq!(source.fetches(), 18);
}

#[tokio::test(start_paused = true)]
async fn want_of_room_is_no_outage() {
    let uris: Vec<_> = (0..16).map(one_of_four_at_a_host).chain([URI.to_owned()]).collect();
    let (source, cache, _) = hanging(&uris).await;
    for uri in &uris {
        hang_up(&cache, uri);
    }
    settle().await;
    assert_eq!(source.fetches(), 16);
    let begun = tokio::time::Instant::now();
    let full = "too many are in flight".to_owned();
    assert_eq!(ask(&cache, "1").await, Err(full), "and not the keys past their lifetime");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    *source.answers.lock().unwrap() = [Ok(FetchedJwks::gone(None))].into();
    let waiting = spawn(&cache, URI);
    settle().await;
    source.gate.add_permits(17);
    assert_eq!(waiting.await.unwrap(), Ok(false), "its turn comes");
    assert_eq!(source.fetches(), 17);
}

#[tokio::test(start_paused = true)]
async fn host_whose_fetches_do_not_end_is_an_outage() {
    let uris: Vec<_> = (0..5).map(|number| format!("https://tenants.example/{number}")).collect();
    let (source, cache, pass) = hanging(&uris).await;
    let waiting: Vec<_> = uris.iter().map(|uri| spawn(&cache, uri)).collect();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Ok(true), "the keys that were known");
    }
    assert_eq!(source.fetches(), 4);
    pass(4);
    let begun = tokio::time::Instant::now();
    for uri in &uris {
        assert_eq!(ask_at(&cache, uri, "1").await, Ok(true));
    }
    assert!(begun.elapsed().is_zero(), "nobody waits for it during the pause");
}

// Anybody can ask for a client and hang up, and then ask for others.
#[tokio::test]
async fn fetch_that_made_room_is_no_failure() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    let cache = cache.max_fetches(1);
    source.gate.forget_permits(usize::MAX);
    hang_up(&cache, URI);
    settle().await;
    hang_up(&cache, &stranger(0));
    settle().await;
    let waiting = spawn(&cache, URI);
    settle().await;
    source.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), Ok(true));
    assert_eq!(source.fetches(), 3);
}

// It was pushed out, fetched for strangers and proven again before its turn came.
#[tokio::test]
async fn address_that_waits_for_its_turn_is_held_once() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    let cache = cache.capacity(1).max_fetches(1).trusted(["b"]);
    assert_eq!(ask_at(&cache, "a", "1").await, Ok(true));
    cache.proved("a");
    source.gate.forget_permits(usize::MAX);
    pass(HOUR);
    hang_up(&cache, "b");
    hang_up(&cache, "a");
    settle().await;
    assert_eq!(
        cache.0.held().map(|(addresses, _)| addresses),
        [0, 1],
        "b has the place, and a none"
    );
    let waiting = spawn(&cache, "a");
    settle().await;
    assert_eq!(source.fetches(), 3);
    source.gate.add_permits(1);
    settle().await;
    source.gate.add_permits(2);
    assert_eq!(waiting.await.unwrap(), Ok(true));
    cache.proved("a");
    settle().await;
    assert_eq!(cache.0.held().map(|(addresses, _)| addresses), [0, 1]);
}

// Anybody can ask for unknown keys of all its clients.
#[tokio::test(start_paused = true)]
async fn fetches_that_nobody_waits_for_hold_up_no_other() {
    #[derive(Clone)]
    struct Slow(Arc<Mutex<bool>>);
    impl JwksSource for Slow {
        type Error = BoxError;

        async fn fetch(&self, _jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match *self.0.lock().unwrap() {
                true => Ok(FetchedJwks::gone(None)),
                false => Ok(keys(&["1"], Some(HOUR))?),
            }
        }
    }
    let (source, clock) = (Slow(Arc::default()), Clock::fixed(0));
    let cache = JwksCache::new(source.clone()).clock(clock.clone()).max_per_host(4, 100);
    let uri = |number| format!("https://tenants.example/{number}");
    for number in 0..40 {
        assert_eq!(ask_at(&cache, &uri(number), "1").await, Ok(true));
        cache.proved(&uri(number));
    }
    clock.advance(Duration::from_secs(HOUR - 1));
    *source.0.lock().unwrap() = true;
    for number in 0..40 {
        assert_eq!(ask_at(&cache, &uri(number), "junk").await, Ok(false));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    clock.advance(Duration::from_secs(1));
    for number in 0..40 {
        assert_eq!(ask_at(&cache, &uri(number), "1").await, Ok(false), "{number}: it is withdrawn");
    }
}
