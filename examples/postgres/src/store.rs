//! The clients, their secrets and the access tokens, in PostgreSQL.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use sqlx::{
    FromRow, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, ClientSecret, RegisteredClient,
    provider::InvalidRegistration, secret::GeneratedSecret,
};

/// Less than the deadline of the layer, so that what is wrong is found in the logs.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What this application knows of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// For people.
    pub name: String,
}

/// A pool of connections. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

/// A client with one of its secrets, if it has any.
#[derive(FromRow)]
struct Row {
    client_id: String,
    auth_method: String,
    name: String,
    label: Option<String>,
    sha256: Option<Vec<u8>>,
    expires_at: Option<i64>,
}

impl Store {
    /// Opens a pool. Nothing is connected before it is needed, so that a server can start while the
    /// database is away.
    ///
    /// # Errors
    ///
    /// If `url` is not the URL of a PostgreSQL database.
    pub fn open(url: &str) -> Result<Self, sqlx::Error> {
        // A statement that hangs must give its connection back.
        let timeout = TIMEOUT.as_millis().to_string();
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([("statement_timeout", timeout)]);
        let pool = PgPoolOptions::new().acquire_timeout(TIMEOUT).connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Replicas may do it at the same time.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked, or was migrated by another program.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        sqlx::migrate!().run(&self.pool).await
    }

    /// Adds a client, and its first secret if its method needs one.
    ///
    /// # Errors
    ///
    /// If the id is taken or the database cannot be asked.
    pub async fn register(
        &self,
        client_id: &str,
        method: &AuthMethod,
        name: &str,
    ) -> Result<Option<GeneratedSecret>, BoxError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT INTO clients (client_id, auth_method, name) VALUES ($1, $2, $3)")
            .bind(client_id)
            .bind(method.as_str())
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(|error| match error.as_database_error() {
                Some(cause) if cause.is_unique_violation() => "the client exists already".into(),
                _ => BoxError::from(error),
            })?;
        let mut secret = None;
        if *method != AuthMethod::None {
            let new = GeneratedSecret::new()?;
            insert_secret(&mut transaction, client_id, "first", &new).await?;
            secret = Some(new);
        }
        transaction.commit().await?;
        Ok(secret)
    }

    /// Gives a client a new secret, and lets the others expire when `overlap` is over.
    ///
    /// If the connection breaks it is unknown whether it was stored. Call it again with the same
    /// `label`: the secret of the first call is then replaced.
    ///
    /// # Errors
    ///
    /// If the client is unknown or the database cannot be asked.
    pub async fn rotate(
        &self,
        client_id: &str,
        label: &str,
        overlap: Duration,
    ) -> Result<GeneratedSecret, BoxError> {
        let secret = GeneratedSecret::new()?;
        let end = now().saturating_add(seconds(overlap));
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE client_secrets SET expires_at = least(expires_at, $3)
             WHERE client_id = $1 AND label <> $2",
        )
        .bind(client_id)
        .bind(label)
        .bind(end)
        .execute(&mut *transaction)
        .await?;
        insert_secret(&mut transaction, client_id, label, &secret).await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Issues a token, and deletes some that have expired.
    ///
    /// # Errors
    ///
    /// If it could not be stored.
    pub async fn issue(
        &self,
        client_id: &str,
        lifetime: Duration,
    ) -> Result<GeneratedSecret, BoxError> {
        let token = GeneratedSecret::new()?;
        // More than are issued, so that the table does not grow; replicas do not wait for each other.
        sqlx::query(
            "DELETE FROM access_tokens WHERE sha256 IN (SELECT sha256 FROM access_tokens
             WHERE expires_at <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now())
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "INSERT INTO access_tokens (sha256, client_id, expires_at) VALUES ($1, $2, $3)",
        )
        .bind(token.sha256().as_slice())
        .bind(client_id)
        .bind(now().saturating_add(seconds(lifetime)))
        .execute(&self.pool)
        .await?;
        Ok(token)
    }

    /// The end of a token of this client, if it is in force. Of any other token it is told nothing
    /// (RFC 7662 §2.2, §4).
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn introspect(
        &self,
        token: &str,
        client_id: &str,
    ) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT expires_at FROM access_tokens
             WHERE sha256 = $1 AND client_id = $2 AND expires_at > $3",
        )
        .bind(digest(token))
        .bind(client_id)
        .bind(now())
        .fetch_optional(&self.pool)
        .await
    }

    /// Revokes a token of this client. Any other token is left alone (RFC 7009 §2.1).
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn revoke(&self, token: &str, client_id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM access_tokens WHERE sha256 = $1 AND client_id = $2")
            .bind(digest(token))
            .bind(client_id)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// The client of this id, with what `describe` makes of what is known of it.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn find<C>(
        &self,
        client_id: &str,
        describe: impl FnOnce(Client) -> C + Send,
    ) -> Result<Option<RegisteredClient<C>>, sqlx::Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT client_id, auth_method, name, label, sha256, expires_at
             FROM clients LEFT JOIN client_secrets USING (client_id) WHERE client_id = $1",
        )
        .bind(client_id)
        .fetch_all(&self.pool)
        .await?;
        let secrets: Vec<_> = rows.iter().filter_map(Row::secret).collect();
        // A registration that cannot be used belongs to a client that never authenticates.
        Ok(rows.into_iter().next().map(|row| {
            let method = AuthMethod::from(row.auth_method.as_str());
            let client = describe(Client { name: row.name });
            RegisteredClient::new(row.client_id, &method, secrets, client)
                .unwrap_or_else(InvalidRegistration::into_unusable)
        }))
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl ClientProvider for Store {
    type Client = Client;
    type Error = sqlx::Error;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<Client>>, sqlx::Error> {
        self.find(client_id, |client| client).await
    }
}

impl Row {
    fn secret(&self) -> Option<ClientSecret> {
        let digest: [u8; 32] = self.sha256.as_deref()?.try_into().ok()?;
        let secret = ClientSecret::sha256(digest).labelled(self.label.as_deref()?);
        Some(secret.expires_at(self.expires_at.unwrap_or_default()))
    }
}

async fn insert_secret(
    connection: &mut sqlx::PgConnection,
    client_id: &str,
    label: &str,
    secret: &GeneratedSecret,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO client_secrets (client_id, label, sha256) VALUES ($1, $2, $3)
         ON CONFLICT (client_id, label) DO UPDATE SET sha256 = excluded.sha256, expires_at = NULL",
    )
    .bind(client_id)
    .bind(label)
    .bind(secret.sha256().as_slice())
    .execute(connection)
    .await
    .map(drop)
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, seconds)
}
