//! The clients and their secrets, in a file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use sqlx::{
    ConnectOptions, Connection, FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, ClientSecret, RegisteredClient,
    provider::InvalidRegistration,
    secret::{GeneratedSecret, PresentedSecret},
};

/// Less than the deadline of the layer, so that what is wrong is found in the logs.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Who opens the file waits for the one who makes its schema.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// What this application knows of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// For people.
    pub name: String,
}

/// A pool of connections to one file. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// A client with one of its secrets, if it has any.
#[derive(FromRow)]
struct Row {
    client_id: String,
    auth_method: String,
    name: String,
    label: Option<String>,
    sha256: Option<Vec<u8>>,
    phc: Option<String>,
    expires_at: Option<i64>,
}

impl Store {
    /// Opens the file, which is made if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is something else.
    pub async fn open(file: &str) -> Result<Self, BoxError> {
        // Readers do not wait for the writer, and the writer waits for another one.
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(OPEN_TIMEOUT);
        // One at a time: the server and the command line may both find the file new.
        let mut first = options.connect().await?;
        let mut migration = first.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::migrate!().run(&mut *migration).await?;
        migration.commit().await?;
        first.close().await?;
        let options = options.busy_timeout(TIMEOUT);
        let pool = SqlitePoolOptions::new().acquire_timeout(TIMEOUT).connect_with(options).await?;
        Ok(Self { pool })
    }

    /// Adds a client, and its first secret if its method needs one.
    ///
    /// # Errors
    ///
    /// If the id is taken or the file cannot be written.
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
    /// Called again with the same `label`, it replaces the secret of the first call.
    ///
    /// # Errors
    ///
    /// If the client is unknown or the file cannot be written.
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
            "UPDATE client_secrets SET expires_at = coalesce(min(expires_at, $3), $3)
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

    /// Adds a secret of which another system kept a slow hash, as a PHC string.
    ///
    /// # Errors
    ///
    /// If the hash cannot be verified, the client is unknown, or the file cannot be written.
    pub async fn import(&self, client_id: &str, label: &str, phc: &str) -> Result<(), BoxError> {
        ClientSecret::phc(phc)?;
        sqlx::query("INSERT INTO client_secrets (client_id, label, phc) VALUES ($1, $2, $3)")
            .bind(client_id)
            .bind(label)
            .bind(phc)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps the digest of a secret that was right, instead of its slow hash.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn upgrade(
        &self,
        client_id: &str,
        label: &str,
        secret: &PresentedSecret,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE client_secrets SET sha256 = $3, phc = NULL
             WHERE client_id = $1 AND label = $2 AND phc IS NOT NULL",
        )
        .bind(client_id)
        .bind(label)
        .bind(Sha256::digest(secret.expose()).to_vec())
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

impl ClientProvider for Store {
    type Client = Client;
    type Error = sqlx::Error;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<Client>>, sqlx::Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT client_id, auth_method, name, label, sha256, phc, expires_at
             FROM clients LEFT JOIN client_secrets USING (client_id) WHERE client_id = $1",
        )
        .bind(client_id)
        .fetch_all(&self.pool)
        .await?;
        let secrets: Vec<_> = rows.iter().filter_map(Row::secret).collect();
        // A registration that cannot be used belongs to a client that never authenticates.
        Ok(rows.into_iter().next().map(|row| {
            let method = AuthMethod::from(row.auth_method.as_str());
            RegisteredClient::new(row.client_id, &method, secrets, Client { name: row.name })
                .unwrap_or_else(InvalidRegistration::into_unusable)
        }))
    }
}

impl Row {
    fn secret(&self) -> Option<ClientSecret> {
        let secret = match (&self.sha256, &self.phc) {
            (Some(digest), _) => ClientSecret::sha256(digest.as_slice().try_into().ok()?),
            (None, Some(phc)) => ClientSecret::phc(phc).ok()?,
            (None, None) => return None,
        };
        let secret = secret.labelled(self.label.as_deref()?);
        Some(secret.expires_at(self.expires_at.unwrap_or_default()))
    }
}

async fn insert_secret(
    connection: &mut sqlx::SqliteConnection,
    client_id: &str,
    label: &str,
    secret: &GeneratedSecret,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO client_secrets (client_id, label, sha256) VALUES ($1, $2, $3)
         ON CONFLICT (client_id, label) DO UPDATE SET sha256 = excluded.sha256, phc = NULL,
         expires_at = NULL",
    )
    .bind(client_id)
    .bind(label)
    .bind(secret.sha256().as_slice())
    .execute(connection)
    .await
    .map(drop)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, seconds)
}
