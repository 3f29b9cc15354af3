//! Documents in Redis.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::aio::ConnectionLike;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::BoxError,
    fetch::store::{DocumentStore, StoredDocument},
    isolate::redis::Script,
};

const PREFIX: &str = "metadata-document:";
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const GET: &str = "return {ARGV[1],redis.call('GET',KEYS[1])}";
/// Of two machines the one that asked later is right, whichever is slower, and of two that asked in the same second the
/// one that found nothing. What cannot be read is replaced.
const PUT: &str = "\
local read, kept = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '')
local fetched_at = read and type(kept) == 'table' and tonumber(kept.fetched_at)
local asked_at = tonumber(ARGV[3])
if fetched_at and (fetched_at > asked_at
    or fetched_at == asked_at and kept.text == '' and ARGV[5] == '0') then return {ARGV[1], 0} end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
return {ARGV[1], 1}";

/// Metadata documents in Redis (or Valkey), which all replicas of a server share.
///
/// The key is the prefix and the SHA-256 digest of the URL, the value a JSON object with the URL, the text, when it
/// was fetched and the keys that leaked. A get and a put are one script each (`EVAL`), and a put replaces nothing that was fetched later.
/// The answer to another question is an error. The application makes the connection, as for `replay::RedisReplayStore`. Unlike
/// used assertions, documents may be evicted: a client that was is known again when it is next seen at an authorization endpoint.
///
/// A `MultiplexedConnection` does not connect again after Redis was restarted, a `ConnectionManager` does.
///
/// # Examples
///
/// ```no_run
/// use tower_client_auth::metadata_documents::{MetadataDocuments, RedisDocumentStore};
///
/// # async fn connect() -> Result<(), tower_client_auth::BoxError> {
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let store = RedisDocumentStore::new(client.get_multiplexed_async_connection().await?);
/// let documents = MetadataDocuments::from_any_host()?.store(store.clone());
/// let at_the_token_endpoint = documents.clone().known_only(store);
/// # drop(at_the_token_endpoint);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisDocumentStore<C> {
    connection: C,
    prefix: Box<str>,
    retention: Duration,
    response_timeout: Duration,
}

#[derive(Deserialize, Serialize)]
struct Value {
    url: String,
    text: String,
    fetched_at: i64,
    max_age: Option<u64>,
    leaked_keys: String,
}

impl<C> RedisDocumentStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// A store that uses this connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self {
            connection,
            prefix: PREFIX.into(),
            retention: RETENTION,
            response_timeout: RESPONSE_TIMEOUT,
        }
    }

    /// What the keys start with. Default: `metadata-document:`.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Box<str>>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long a document is kept after it was fetched last; at least as long as a refresh token lives, or
    /// [`known_only`](crate::metadata_documents::MetadataDocuments::known_only) logs idle clients out. Default: 90
    /// days.
    #[must_use]
    pub fn retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// How long to wait for an answer. Default: 1 second. It needs a runtime of tokio, with time.
    #[must_use]
    pub fn response_timeout(self, response_timeout: Duration) -> Self {
        Self { response_timeout, ..self }
    }

    fn key(&self, url: &str) -> String {
        [&*self.prefix, &URL_SAFE_NO_PAD.encode(Sha256::digest(url))].concat()
    }
}

impl<C> DocumentStore for RedisDocumentStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    type Error = BoxError;

    async fn get(&self, url: &str) -> Result<Option<StoredDocument>, BoxError> {
        let get = Script::new(GET, [&self.key(url)])?;
        let value: Option<Vec<u8>> =
            get.run(self.connection.clone(), self.response_timeout).await?;
        let Some(value) = value else { return Ok(None) };
        let value: Value = serde_json::from_slice(&value)?;
        if value.url != url {
            return Err("another URL is kept under the key".into());
        }
        let max_age = value.max_age.map(Duration::from_secs);
        let leaked_keys = URL_SAFE_NO_PAD.decode(value.leaked_keys)?.into();
        Ok(Some(StoredDocument::new(value.text.into(), value.fetched_at, max_age, leaked_keys)))
    }

    async fn put(&self, url: &str, document: StoredDocument) -> Result<(), BoxError> {
        let value = Value {
            url: url.to_owned(),
            text: String::from_utf8(document.text().to_vec())?,
            fetched_at: document.fetched_at(),
            max_age: document.max_age().map(|max_age| max_age.as_secs()),
            leaked_keys: URL_SAFE_NO_PAD.encode(document.leaked_keys()),
        };
        let put = Script::new(PUT, [&self.key(url)])?
            .arg(serde_json::to_vec(&value)?)
            .arg(value.fetched_at)
            .arg(self.retention.as_secs().max(1))
            .arg(u8::from(value.text.is_empty()));
        put.run::<i64>(self.connection.clone(), self.response_timeout).await?;
        Ok(())
    }
}

impl<C> fmt::Debug for RedisDocumentStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDocumentStore")
            .field("prefix", &self.prefix)
            .field("retention", &self.retention)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}
