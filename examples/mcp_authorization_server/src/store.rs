//! What the server remembers, in SQLite or PostgreSQL. Of secrets, codes and tokens it holds digests.
//!
//! Both understand the same statements, so there is one of each. A transaction begins with a write
//! to the row of the grant: in SQLite that makes it the only writer, in PostgreSQL the only one that
//! handles this grant.

mod documents;
mod expired;
mod grants;
mod replay;

use std::{future::Future, time::Duration};

use sqlx::{
    AnyPool, ConnectOptions, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    sqlite::SqliteConnectOptions,
};
use tokio::time::timeout;
use tower_client_auth::{
    AuthMethod, BoxError, ClientMetadata, ClientProvider, ClientSecret, RegisteredClient,
    provider::InvalidRegistration,
};

pub(crate) use self::grants::{Grant, Issuing, Kind, NewGrant};

pub(crate) type Sha256 = [u8; 32];

/// How long a request waits for a connection.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long client authentication waits for what is no client.
const SOON: Duration = Duration::from_secs(2);

/// The database. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
}

impl Store {
    /// Opens a database: that behind a `postgres://` URL, where several processes may share it, or
    /// an SQLite file, which is made if it is not there. `None` is one in memory.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no such database.
    pub async fn open(database: Option<&str>) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().acquire_timeout(TIMEOUT);
        let is_postgres =
            |name: &str| ["postgres:", "postgresql:"].iter().any(|scheme| name.starts_with(scheme));
        let (pool, schema) = match database {
            Some(url) if is_postgres(url) => {
                (options.connect(url).await?, include_str!("schema_postgres.sql"))
            }
            _ => {
                // SQLite has one writer at a time, and a database in memory lives with its connection.
                let options = options.max_connections(1).idle_timeout(None).max_lifetime(None);
                let connection: AnyConnectOptions = match database {
                    Some(file) => {
                        let file = std::path::absolute(file)?;
                        let file =
                            SqliteConnectOptions::new().filename(file).create_if_missing(true);
                        AnyConnectOptions::from_url(&file.to_url_lossy())?
                    }
                    None => "sqlite::memory:".parse()?,
                };
                (options.connect_with(connection).await?, include_str!("schema.sql"))
            }
        };
        sqlx::raw_sql(schema).execute(&pool).await?;
        Ok(Self { pool })
    }

    pub(crate) async fn insert_client(
        &self,
        client: &ClientMetadata,
        secret: Option<Sha256>,
    ) -> Result<(), sqlx::Error> {
        let metadata =
            serde_json::to_string(client).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("INSERT INTO clients VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(&client.client_id)
            .bind(client.auth_method().as_str())
            .bind(secret.as_ref().map(Sha256::as_slice))
            .bind(client.client_secret_expires_at.unwrap_or(0))
            .bind(metadata)
            .bind(client.client_id_issued_at.unwrap_or(0))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

impl ClientProvider for Store {
    type Client = ClientMetadata;
    type Error = sqlx::Error;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, sqlx::Error> {
        // No text of PostgreSQL holds it.
        if client_id.contains('\0') {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT client_id, auth_method, secret_sha256, secret_expires_at, metadata \
             FROM clients WHERE client_id = $1",
        )
        .bind(client_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let decode = |error: serde_json::Error| sqlx::Error::Decode(error.into());
        let mut metadata: ClientMetadata =
            serde_json::from_str(row.try_get("metadata")?).map_err(decode)?;
        // That of the row, not the one that was asked for: some databases ignore case.
        metadata.client_id = row.try_get("client_id")?;
        let method = AuthMethod::from(row.try_get::<&str, _>("auth_method")?);
        let client = if method == AuthMethod::PrivateKeyJwt {
            RegisteredClient::try_from(metadata)
        } else {
            let expires_at: i64 = row.try_get("secret_expires_at")?;
            // A digest of another length is none, and the registration then unusable.
            let digest: Option<&[u8]> = row.try_get("secret_sha256")?;
            let secret = digest
                .and_then(|digest| digest.try_into().ok())
                .map(|digest: Sha256| ClientSecret::sha256(digest).expires_at(expires_at));
            RegisteredClient::new(metadata.client_id.clone(), &method, secret, metadata)
        };
        Ok(Some(client.unwrap_or_else(InvalidRegistration::into_unusable)))
    }
}

async fn soon<T>(asking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, BoxError> {
    Ok(timeout(SOON, asking).await??)
}
