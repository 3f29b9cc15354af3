//! Metadata documents in Redis. What is sent and read is compared without a server; with `REDIS_URL` two replicas
//! share one.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};
use tokio::time::{Instant, timeout};
use tower_client_auth::metadata_documents::{DocumentStore, RedisDocumentStore, StoredDocument};

use crate::replay_redis::script;

const URL: &str = "https://client.example/oauth";
const PLAIN: &str = r#"{"url":"https://client.example/oauth","text":"{}","fetched_at":5,"max_age":null,"leaked_keys":""}"#;
const GET: &str = "return {ARGV[1],redis.call('GET',KEYS[1])}";
/// In base64url, the SHA-256 digest of it.
const KEY: &str = "documents/2kOTYibI0KkNxF2wDs16_exi3CqtJYSwWmInzMS_1io";

/// Knows the scripts by the number of their arguments, or is silent.
#[derive(Clone, Default)]
struct Fake {
    kept: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>,
    sent: Arc<Mutex<Vec<Vec<String>>>>,
    silent: bool,
    /// Answers with the nonce of another question.
    shifted: bool,
}

impl ConnectionLike for Fake {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let (words, label) = script(command);
        let without_nonce = words.iter().enumerate().filter(|(at, _)| *at != 4);
        let shown = without_nonce.map(|(_, word)| String::from_utf8(word.clone()).unwrap());
        self.sent.lock().unwrap().push(shown.collect());
        let mut kept = self.kept.lock().unwrap();
        let answer = match &words[3..] {
            [key, _nonce] => kept.get(key).cloned().map_or(Value::Nil, Value::BulkString),
            [key, _nonce, value, ..] => {
                kept.insert(key.clone(), value.clone());
                Value::Int(1)
            }
            _ => panic!("another command"),
        };
        let foreign = Value::Array(vec![Value::BulkString(vec![1; 16]), answer.clone()]);
        let answer = if self.shifted { foreign } else { label(answer) };
        let silent = self.silent;
        Box::pin(async move { if silent { pending().await } else { Ok(answer) } })
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

fn document() -> StoredDocument {
    StoredDocument::new(
        r#"{"client_id":"a"}"#.into(),
        1_900_000_000,
        Some(Duration::from_secs(300)),
        [7; 32].to_vec().into(),
    )
}

#[tokio::test]
async fn document_is_kept_under_the_digest_of_its_url() {
    let redis = Fake::default();
    let store = RedisDocumentStore::new(redis.clone()).prefix("documents/");
    assert_eq!(store.get(URL).await.unwrap(), None);
    store.put(URL, document()).await.unwrap();
    assert_eq!(store.get(URL).await.unwrap(), Some(document()));
    let value = r#"{"url":"https://client.example/oauth","text":"{\"client_id\":\"a\"}","fetched_at":1900000000,"max_age":300,"leaked_keys":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#;
    let script = redis.sent.lock().unwrap()[1][1].clone();
    assert_eq!(
        *redis.sent.lock().unwrap(),
        [
            vec!["EVAL", GET, "1", KEY],
            // 90 days.
            vec!["EVAL", &script, "1", KEY, value, "1900000000", "7776000", "0"],
            vec!["EVAL", GET, "1", KEY],
        ],
    );
    let plain = StoredDocument::new("{}".into(), 5, None, Bytes::new());
    let store = store.retention(Duration::from_secs(60));
    store.put(URL, plain.clone()).await.unwrap();
    assert_eq!(store.get(URL).await.unwrap(), Some(plain));
    assert_eq!(redis.sent.lock().unwrap()[3][3..], [KEY, PLAIN, "5", "60", "0"]);
    store.put(URL, StoredDocument::new(Bytes::new(), 5, None, Bytes::new())).await.unwrap();
    assert_eq!(redis.sent.lock().unwrap()[5][5..], ["5", "60", "1"]);
}

#[tokio::test]
async fn what_is_no_document_is_an_error() {
    let redis = Fake::default();
    let store = RedisDocumentStore::new(redis.clone()).prefix("documents/");
    for value in [
        "",
        "{}",
        r#"{"url":"https://client.example/other","text":"{}","fetched_at":1,"max_age":null,"leaked_keys":""}"#,
        r#"{"url":"https://client.example/oauth","text":"{}","fetched_at":"now","max_age":null,"leaked_keys":""}"#,
        r#"{"url":"https://client.example/oauth","text":"{}","fetched_at":1,"max_age":null,"leaked_keys":"!"}"#,
        r#"{"url":"https://client.example/oauth","text":"{}","fetched_at":1,"max_age":null}"#,
    ] {
        redis.kept.lock().unwrap().insert(KEY.into(), value.into());
        assert!(store.get(URL).await.is_err(), "{value}");
    }
}

#[tokio::test]
async fn answer_to_another_question_is_an_error() {
    let redis = Fake::default();
    RedisDocumentStore::new(redis.clone()).put(URL, document()).await.unwrap();
    let store = RedisDocumentStore::new(Fake { shifted: true, ..redis });
    assert!(store.get(URL).await.is_err());
    // Also that there is none.
    assert!(store.get("https://client.example/other").await.is_err());
    assert!(store.put(URL, document()).await.is_err());
}

// Time stands still but for timers, so that without its own the store would wait until the minute is over.
#[tokio::test(start_paused = true)]
async fn silent_redis_times_out() {
    let redis = Fake { silent: true, ..Fake::default() };
    let store = RedisDocumentStore::new(redis).response_timeout(Duration::from_millis(300));
    let start = Instant::now();
    let minute = Duration::from_secs(60);
    assert!(timeout(minute, store.get(URL)).await.unwrap().is_err());
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    assert!(timeout(minute, store.put(URL, document())).await.unwrap().is_err());
    assert_eq!(start.elapsed(), Duration::from_millis(600));
}

#[test]
fn debug_shows_no_connection() {
    let store = RedisDocumentStore::new(Fake::default());
    assert_eq!(
        format!("{store:?}"),
        r#"RedisDocumentStore { prefix: "metadata-document:", retention: 7776000s, response_timeout: 1s, .. }"#,
    );
}

#[tokio::test]
async fn real_redis_keeps_a_document() {
    let Ok(url) = std::env::var("REDIS_URL") else {
        return eprintln!("SKIPPED: REDIS_URL names no Redis to test with");
    };
    let store = async || {
        let client = redis::Client::open(url.as_str()).unwrap();
        RedisDocumentStore::new(client.get_multiplexed_async_connection().await.unwrap())
            .prefix(format!("documents/{}/", std::process::id()))
            .retention(Duration::from_secs(60))
    };
    let (one, other) = (store().await, store().await);
    assert_eq!(other.get(URL).await.unwrap(), None);
    one.put(URL, document()).await.unwrap();
    assert_eq!(other.get(URL).await.unwrap(), Some(document()));
    let at = |text: &str, later: i64| {
        let fetched_at = document().fetched_at() + later;
        StoredDocument::new(text.to_owned().into(), fetched_at, None, Bytes::new())
    };
    for (put, kept) in [
        (at("older", -1), document()),
        (at("as old", 0), at("as old", 0)),
        (at("", 2), at("", 2)),
        (at("before it was withdrawn", 1), at("", 2)),
        (at("in the same second", 2), at("", 2)),
        (at("", 2), at("", 2)),
        (at("published again", 3), at("published again", 3)),
        (at("", 3), at("", 3)),
        (at("published once more", 4), at("published once more", 4)),
    ] {
        other.put(URL, put).await.unwrap();
        assert_eq!(one.get(URL).await.unwrap(), Some(kept));
    }
    // What is no document is replaced.
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("documents/{}/{}", std::process::id(), KEY.trim_start_matches("documents/"));
    for text in ["", "[]", "5", "{}", r#"{"fetched_at":null}"#, r#"{"fetched_at":{}}"#] {
        let () = redis::cmd("SET").arg(&key).arg(text).query_async(&mut connection).await.unwrap();
        one.put(URL, document()).await.unwrap();
        assert_eq!(other.get(URL).await.unwrap(), Some(document()), "{text}");
    }
    let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
    assert!((1..=60).contains(&left), "{left}");
}
