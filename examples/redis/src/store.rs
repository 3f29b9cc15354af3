//! The clients in Redis: a hash for each, and a channel that tells which one has changed.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{
    AsyncTypedCommands, Client as Server, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tower_client_auth::{
    AuthMethod, BoxError, ClientMetadata, ClientProvider, ClientSecret, RegisteredClient,
    metadata_documents::RedisDocumentStore, provider::InvalidRegistration,
    replay::RedisReplayStore, secret::GeneratedSecret,
};

/// Less than the deadline of the layer, so that what is wrong is found in the logs.
const TIMEOUT: Duration = Duration::from_secs(1);
const CHANNEL: &str = "clients";

/// Sets the fields of a client that does not exist. All or nothing: a client that is half there
/// would hold its id for ever.
const REGISTER: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1";

/// Sets a secret, and the end of all others. Redis does nothing in between, so that a secret which
/// somebody deletes meanwhile is not written back. What has no readable end is no secret and stays so.
const ROTATE: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local label, digest, last = ARGV[3], ARGV[4], ARGV[5]
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    local other = string.match(field, '^expires_at:(.*)$')
    if other and other ~= label then
        local expires_at = redis.call('HGET', KEYS[1], field)
        if string.match(expires_at, '^%d+$')
            and (tonumber(expires_at) == 0 or tonumber(expires_at) > tonumber(last)) then
            redis.call('HSET', KEYS[1], field, last)
        end
    end
end
redis.call('HSET', KEYS[1], 'secret:' .. label, digest, 'expires_at:' .. label, '0')
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1";

/// What this application knows of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// For people.
    pub name: String,
}

impl Client {
    /// What a document says of it.
    #[must_use]
    pub fn described(metadata: &ClientMetadata) -> Self {
        Self { name: metadata.client_name.clone().unwrap_or_default() }
    }
}

/// A connection that many share, and that is made anew when it breaks. Cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    server: Server,
    connection: ConnectionManager,
}

impl Store {
    /// Prepares a connection. It is made when it is needed, so that a server can start while Redis
    /// is away.
    ///
    /// # Errors
    ///
    /// If `url` is not the URL of a Redis server.
    pub fn open(url: &str) -> Result<Self, RedisError> {
        let server = Server::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(TIMEOUT / 10);
        let connection = ConnectionManager::new_lazy_with_config(server.clone(), config)?;
        Ok(Self { server, connection })
    }

    /// The documents that replicas share.
    #[must_use]
    pub fn documents(&self) -> RedisDocumentStore<ConnectionManager> {
        RedisDocumentStore::new(self.connection.clone())
    }

    /// The assertions that no replica accepts again.
    #[must_use]
    pub fn used_assertions(&self) -> RedisReplayStore<ConnectionManager> {
        RedisReplayStore::new(self.connection.clone())
    }

    /// Adds a client, and its first secret if its method needs one.
    ///
    /// # Errors
    ///
    /// If the id is taken or Redis cannot be asked.
    pub async fn register(
        &self,
        client_id: &str,
        method: &AuthMethod,
        name: &str,
    ) -> Result<Option<GeneratedSecret>, BoxError> {
        let secret = if *method == AuthMethod::None { None } else { Some(GeneratedSecret::new()?) };
        let mut command = redis::cmd("EVAL");
        command.arg(REGISTER).arg(1).arg(key(client_id)).arg(CHANNEL).arg(client_id);
        command.arg("client_id").arg(client_id).arg("auth_method").arg(method.as_str());
        command.arg("name").arg(name);
        if let Some(secret) = &secret {
            command.arg("secret:first").arg(digest(secret)?).arg("expires_at:first").arg(0);
        }
        if command.query_async(&mut self.connection.clone()).await? {
            Ok(secret)
        } else {
            Err("the client exists already".into())
        }
    }

    /// Gives a client a new secret, and lets the others expire when `overlap` is over.
    ///
    /// If the connection breaks it is unknown whether it was stored. Call it again with the same
    /// `label`: the secret of the first call is then replaced.
    ///
    /// # Errors
    ///
    /// If the client is unknown or Redis cannot be asked.
    pub async fn rotate(
        &self,
        client_id: &str,
        label: &str,
        overlap: Duration,
    ) -> Result<GeneratedSecret, BoxError> {
        let secret = GeneratedSecret::new()?;
        let mut command = redis::cmd("EVAL");
        command.arg(ROTATE).arg(1).arg(key(client_id)).arg(CHANNEL).arg(client_id);
        command.arg(label).arg(digest(&secret)?).arg(now().saturating_add(seconds(overlap)));
        if command.query_async(&mut self.connection.clone()).await? {
            Ok(secret)
        } else {
            Err("there is no such client".into())
        }
    }

    /// Calls `listening` when changes are heard of from now on, and `changed` with the id of each
    /// client that changed. Returns when the connection is lost.
    ///
    /// # Errors
    ///
    /// If Redis cannot be asked.
    pub async fn follow(
        &self,
        listening: impl FnOnce(),
        changed: impl Fn(&str),
    ) -> Result<(), RedisError> {
        let mut subscription = self.server.get_async_pubsub().await?;
        subscription.subscribe(CHANNEL).await?;
        listening();
        let mut messages = subscription.on_message();
        while let Some(message) = futures_util::StreamExt::next(&mut messages).await {
            changed(&message.get_payload::<String>()?);
        }
        Ok(())
    }
}

impl ClientProvider for Store {
    type Client = Client;
    type Error = RedisError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<Client>>, RedisError> {
        let mut fields = self.connection.clone().hgetall(key(client_id)).await?;
        let secrets: Vec<_> = secrets(&fields).collect();
        let Some(stored_id) = fields.remove("client_id") else { return Ok(None) };
        // A registration that cannot be used belongs to a client that never authenticates.
        let method = fields.remove("auth_method").unwrap_or_default();
        let client = Client { name: fields.remove("name").unwrap_or_default() };
        let method = AuthMethod::from(method.as_str());
        let found = RegisteredClient::new(stored_id, &method, secrets, client)
            .unwrap_or_else(InvalidRegistration::into_unusable);
        Ok(Some(found))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Keys are bytes in Redis, and so ids are compared byte for byte (RFC 6749 §2.2).
fn key(client_id: &str) -> String {
    format!("client:{client_id}")
}

/// A field `secret:LABEL` with a digest, and another, `expires_at:LABEL`, with Unix seconds or 0 for
/// never. What cannot be read is no secret.
fn secrets(fields: &HashMap<String, String>) -> impl Iterator<Item = ClientSecret> {
    fields.iter().filter_map(|(name, digest)| {
        let label = name.strip_prefix("secret:")?;
        let expires_at = fields.get(&format!("expires_at:{label}"))?.parse::<i64>().ok()?;
        let digest: [u8; 32] = serde_json::from_str(digest).ok()?;
        Some(ClientSecret::sha256(digest).labelled(label).expires_at(expires_at))
    })
}

fn digest(secret: &GeneratedSecret) -> serde_json::Result<String> {
    serde_json::to_string(&secret.sha256())
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, seconds)
}
