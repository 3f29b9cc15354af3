//! What is fetched, and when. The source counts, and the clock stands still.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use tokio::sync::Semaphore;

use super::*;

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
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            })
        })
        .collect();
    let document = serde_json::json!({ "keys": keys }).to_string();
    Ok(FetchedJwks::new(document.into(), max_age.map(Duration::from_secs)))
}

/// Whether there is the key, or what is wrong.
async fn ask(cache: &JwksCache, kid: &str) -> Result<bool, String> {
    match cache.keys(URI, Some(kid)).await {
        Ok(keys) => Ok(keys.has(kid)),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn r93_keys_are_kept_for_max_age() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "1").await, Ok(true));
    }
    assert!(cache.keys(URI, None).await.is_ok());
    pass(HOUR - 1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!(source.fetches(), 1);
    pass(1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!(source.fetches(), 2);
}

#[tokio::test]
async fn r93_lifetime_is_bounded() {
    let cases = [(None, 5 * MINUTE), (Some(0), 5 * MINUTE), (Some(u64::MAX), DAY)];
    for (max_age, kept) in cases {
        let (source, cache, pass) = Source::new([keys(&["1"], max_age)]);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(kept - 1);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        assert_eq!(source.fetches(), 1, "{max_age:?}");
        pass(1);
        assert_eq!(ask(&cache, "1").await, Ok(true));
        assert_eq!(source.fetches(), 2, "{max_age:?}");
    }
}

#[tokio::test]
async fn r93_unknown_kid_refetches_once_per_interval() {
    let (source, cache, pass) =
        Source::new([keys(&["1"], Some(HOUR)), keys(&["1"], Some(HOUR)), keys(&["1", "2"], None)]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    for kid in ["2", "junk", ""] {
        assert_eq!(ask(&cache, kid).await, Ok(false));
    }
    pass(29);
    assert_eq!(ask(&cache, "2").await, Ok(false));
    assert_eq!(source.fetches(), 1);
    pass(1);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "2").await, Ok(false));
    }
    assert_eq!(source.fetches(), 2);
    pass(30);
    assert_eq!(ask(&cache, "2").await, Ok(true));
    assert_eq!(source.fetches(), 3);
}

#[tokio::test]
async fn concurrent_requests_share_a_fetch() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    source.gate.forget_permits(usize::MAX);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { ask(&cache, "1").await })
        })
        .collect();
    tokio::task::yield_now().await;
    source.gate.add_permits(1);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(true));
    }
    assert_eq!(source.fetches(), 1);
}

/// Asks, is polled once, and hangs up.
fn hang_up(cache: &JwksCache, kid: &str) {
    let mut asking = pin!(ask(cache, kid));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Lets the fetches go on until they wait for the source.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropped_requests_cause_one_fetch() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(31);
    for _ in 0..500 {
        hang_up(&cache, "unknown");
        tokio::task::yield_now().await;
    }
    assert_eq!(source.fetches(), 2);
    source.gate.add_permits(1);
    settle().await;
    for _ in 0..500 {
        assert_eq!(ask(&cache, "unknown").await, Ok(false), "and none in the interval after it");
    }
    assert_eq!(source.fetches(), 2);
}

// It may begin a fetch just after another one filled the cache.
#[tokio::test]
async fn late_miss_finds_the_landed_answer() {
    let (source, cache, _) = Source::new([keys(&["1"], None)]);
    let slot = cache.slot(URI);
    for kid in ["1", "unknown"] {
        assert!(cache.fetched(&slot, URI, Some(kid)).await.is_ok());
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
    hang_up(&cache, "1");
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
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { ask(&cache, "1").await }
    });
    settle().await;
    hang_up(&cache, "2");
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
    for _ in 0..2 {
        hang_up(&cache, "1");
        for _ in 0..100 {
            let mut asking = pin!(ask(&cache, "1"));
            let polled = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Err(_))));
        }
        pass(5);
    }
    assert_eq!(source.fetches(), 2);
}

// A runtime drops what was cut off when it is next driven, and another may have asked since.
#[test]
fn late_failure_replaces_no_newer_answer() {
    let clock = Clock::fixed(0);
    let slot = Slot::new(clock.instant());
    let cut_off = Question::note(&slot, &clock);
    let slow = Question::note(&slot, &clock);
    clock.advance(Duration::from_secs(1));
    let answer = Question::note(&slot, &clock).answer(Err("the source is down".into()));
    assert_eq!(answer.map(drop).unwrap_err().to_string(), "the source is down");
    drop(cut_off);
    let late = slow.answer(Err("it is slow".into()));
    assert_eq!(late.map(drop).unwrap_err().to_string(), "it is slow");
    let known = slot.known();
    let Some(Outcome::Failed(error)) = known.asked.as_ref().map(|asked| &asked.outcome) else {
        panic!("the failure is forgotten")
    };
    assert_eq!(error.to_string(), "the source is down");
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
async fn fetches_are_bounded() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    let cache = cache.max_fetches(1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(HOUR);
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.keys("https://slow.example/", None).await.is_ok() }
    });
    settle().await;
    let full = "too many are in flight".to_owned();
    assert_eq!(ask(&cache, "2").await, Err(full));
    assert_eq!(ask(&cache, "1").await, Ok(true), "an outage like any other");
    assert_eq!(source.fetches(), 2);
    source.gate.add_permits(2);
    assert!(first.await.unwrap());
    assert_eq!(ask(&cache, "2").await, Ok(false));
}

#[tokio::test]
async fn failure_is_remembered_briefly() {
    let (source, cache, pass) = Source::new([Err("down"), Err("still down"), keys(&["1"], None)]);
    for _ in 0..100 {
        assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
    }
    pass(4);
    assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
    assert_eq!(source.fetches(), 1);
    pass(1);
    assert_eq!(ask(&cache, "1").await, Err("still down".to_owned()));
    pass(5);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert_eq!(source.fetches(), 3);
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
    assert_eq!(ask(&cache, "2").await, Err("down".to_owned()), "unknown while the source fails");
    // An hour from the end of their lifetime (RFC 5861 §4).
    pass(HOUR - 1);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(1);
    assert_eq!(ask(&cache, "1").await, Err("down".to_owned()));
}

#[tokio::test]
async fn hanging_source_does_not_delay_known_keys() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR))]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    source.gate.forget_permits(usize::MAX);
    pass(HOUR);
    let hanging = tokio::spawn({
        let cache = cache.clone();
        async move { ask(&cache, "1").await }
    });
    settle().await;
    assert_eq!(ask(&cache, "1").await, Ok(true));
    assert!(!hanging.is_finished());
    assert_eq!(source.fetches(), 2);
}

#[tokio::test]
async fn unknown_kids_spare_a_failing_source() {
    let (source, cache, pass) = Source::new([keys(&["1"], Some(HOUR)), Err("down")]);
    assert_eq!(ask(&cache, "1").await, Ok(true));
    pass(30);
    for _ in 0..6 {
        assert_eq!(ask(&cache, "2").await, Err("down".to_owned()));
        assert_eq!(ask(&cache, "1").await, Ok(true));
        pass(5);
    }
    assert_eq!(source.fetches(), 2);
    assert_eq!(ask(&cache, "2").await, Err("down".to_owned()));
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

#[tokio::test]
async fn least_recently_used_address_is_evicted() {
    let (source, cache, pass) = Source::new([keys(&["1"], None)]);
    let cache = cache.capacity(2);
    for (uri, fetches) in [("a", 1), ("b", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 4)] {
        pass(1);
        assert!(cache.keys(uri, None).await.is_ok());
        assert_eq!(source.fetches(), fetches, "{uri}");
    }
    assert_eq!(cache.slots.lock().unwrap().len(), 2);
}
