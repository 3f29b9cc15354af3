//! The clients in Redis: a hash for each, and a channel that tells which one has changed.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{
    AsyncTypedCommands, Client as Server, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use serde::{Deserialize, Serialize};
use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, ClientSecret, RegisteredClient,
    provider::InvalidRegistration, secret::GeneratedSecret,
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

/// What this application knows of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// For people.
    pub name: String,
}

/// A connection that many share, and that is made anew when it breaks. Cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    server: Server,
    connection: ConnectionManager,
}

/// A field `secret:LABEL` of the hash.
#[derive(Serialize, Deserialize)]
struct StoredSecret {
    sha256: [u8; 32],
    /// Unix seconds; 0 is never.
    expires_at: i64,
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
            command.arg("secret:first").arg(stored(secret)?);
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
    /// `label`: the secret of the first call is then replaced. Two rotations of one client at the
    /// same time are the operator's mistake; each leaves the secret of the other alone.
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
        let mut connection = self.connection.clone();
        let key = key(client_id);
        let fields = connection.hgetall(&key).await?;
        if fields.is_empty() {
            return Err("there is no such client".into());
        }
        let secret = GeneratedSecret::new()?;
        let field = format!("secret:{label}");
        let end = now().saturating_add(seconds(overlap));
        let mut change = redis::pipe();
        change.atomic();
        for (name, mut old) in secrets(&fields) {
            if name != field && (old.expires_at == 0 || old.expires_at > end) {
                old.expires_at = end;
                change.hset(&key, name, serde_json::to_string(&old)?);
            }
        }
        change.hset(&key, field, stored(&secret)?).publish(CHANNEL, client_id);
        change.exec_async(&mut connection).await?;
        Ok(secret)
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
        let secrets: Vec<_> = secrets(&fields)
            .map(|(name, secret)| {
                let label = name.strip_prefix("secret:").unwrap_or(name);
                ClientSecret::sha256(secret.sha256).labelled(label).expires_at(secret.expires_at)
            })
            .collect();
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

/// What cannot be read is no secret.
fn secrets(fields: &HashMap<String, String>) -> impl Iterator<Item = (&str, StoredSecret)> {
    fields
        .iter()
        .filter(|(name, _)| name.starts_with("secret:"))
        .filter_map(|(name, value)| Some((name.as_str(), serde_json::from_str(value).ok()?)))
}

fn stored(secret: &GeneratedSecret) -> serde_json::Result<String> {
    serde_json::to_string(&StoredSecret { sha256: secret.sha256(), expires_at: 0 })
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, seconds)
}
