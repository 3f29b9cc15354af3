//! Clients, grants and tokens in SQLite. Of secrets, codes and tokens it holds digests.

use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow},
};
use tower_client_auth::{
    AuthMethod, ClientMetadata, ClientProvider, ClientSecret, RegisteredClient,
    provider::InvalidRegistration,
};

type Sha256 = [u8; 32];

/// The database. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// What a user agreed to, and the client that may use it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    grant_id: i64,
    pub(crate) client_id: String,
    pub(crate) scope: String,
}

pub(crate) struct NewGrant<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_sha256: Sha256,
    pub(crate) code_challenge: &'a str,
    pub(crate) code_expires_at: i64,
}

pub(crate) enum Redeemed {
    Now { grant: Grant, redirect_uri: String, code_challenge: String },
    Never,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Access,
    Refresh,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

impl Store {
    /// Opens or makes the database; `None` is one in memory.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or is no such database.
    pub async fn open(file: Option<&str>) -> Result<Self, sqlx::Error> {
        let options = match file {
            Some(file) => SqliteConnectOptions::new().filename(file).create_if_missing(true),
            None => SqliteConnectOptions::new().in_memory(true),
        };
        // SQLite has one writer at a time, and a database in memory lives with its connection.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
        Ok(Self { pool })
    }

    pub(crate) async fn insert_client(
        &self,
        client: &ClientMetadata,
        secret: Option<Sha256>,
    ) -> Result<(), sqlx::Error> {
        let metadata =
            serde_json::to_string(client).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("INSERT INTO clients VALUES (?, ?, ?, ?, ?)")
            .bind(&client.client_id)
            .bind(client.auth_method().as_str())
            .bind(secret.as_ref().map(Sha256::as_slice))
            .bind(client.client_secret_expires_at.unwrap_or(0))
            .bind(metadata)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn insert_grant(&self, grant: &NewGrant<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO grants \
             (client_id, scope, redirect_uri, code_sha256, code_challenge, code_expires_at) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(grant.client_id)
        .bind(grant.scope)
        .bind(grant.redirect_uri)
        .bind(grant.code_sha256.as_slice())
        .bind(grant.code_challenge)
        .bind(grant.code_expires_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// RFC 6749 §4.1.2: a code counts once, and what was issued for one that comes again is
    /// revoked.
    pub(crate) async fn redeem_code(
        &self,
        code: Sha256,
        client_id: &str,
        now: i64,
    ) -> Result<Redeemed, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE grants SET redeemed = 1 \
             WHERE code_sha256 = ? AND client_id = ? AND redeemed = 0 AND code_expires_at > ? \
             RETURNING grant_id, client_id, scope, redirect_uri, code_challenge",
        )
        .bind(code.as_slice())
        .bind(client_id)
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = row {
            return Ok(Redeemed::Now {
                grant: grant(&row)?,
                redirect_uri: row.try_get("redirect_uri")?,
                code_challenge: row.try_get("code_challenge")?,
            });
        }
        sqlx::query("DELETE FROM grants WHERE code_sha256 = ? AND client_id = ? AND redeemed = 1")
            .bind(code.as_slice())
            .bind(client_id)
            .execute(&self.pool)
            .await?;
        Ok(Redeemed::Never)
    }

    pub(crate) async fn insert_token(
        &self,
        grant: &Grant,
        kind: Kind,
        token: Sha256,
        expires_at: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO tokens (token_sha256, grant_id, kind, expires_at) VALUES (?, ?, ?, ?)",
        )
        .bind(token.as_slice())
        .bind(grant.grant_id)
        .bind(kind.as_str())
        .bind(expires_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// RFC 9700 §4.14.2: a refresh token counts once. One that comes again was stolen, before or
    /// after, so everything of its grant is revoked.
    pub(crate) async fn spend_refresh_token(
        &self,
        token: Sha256,
        client_id: &str,
        now: i64,
    ) -> Result<Option<Grant>, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE tokens SET spent = 1 FROM grants \
             WHERE token_sha256 = ? AND kind = 'refresh' AND spent = 0 AND expires_at > ? \
             AND grants.grant_id = tokens.grant_id AND grants.client_id = ? \
             RETURNING grant_id, \
             (SELECT client_id FROM grants WHERE grants.grant_id = tokens.grant_id) AS client_id, \
             (SELECT scope FROM grants WHERE grants.grant_id = tokens.grant_id) AS scope",
        )
        .bind(token.as_slice())
        .bind(now)
        .bind(client_id)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = row {
            return Ok(Some(grant(&row)?));
        }
        sqlx::query(
            "DELETE FROM grants WHERE client_id = ? AND grant_id IN \
             (SELECT grant_id FROM tokens WHERE token_sha256 = ? AND spent = 1)",
        )
        .bind(client_id)
        .bind(token.as_slice())
        .execute(&self.pool)
        .await?;
        Ok(None)
    }

    /// The grant behind an access token that is alive.
    pub(crate) async fn access(
        &self,
        token: Sha256,
        now: i64,
    ) -> Result<Option<Grant>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT grant_id, client_id, scope FROM tokens JOIN grants USING (grant_id) \
             WHERE token_sha256 = ? AND kind = 'access' AND expires_at > ?",
        )
        .bind(token.as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(grant).transpose()
    }

    /// RFC 7009 §2.1: a refresh token takes its access tokens with it.
    pub(crate) async fn revoke(&self, token: Sha256, client_id: &str) -> Result<(), sqlx::Error> {
        for statement in [
            "DELETE FROM grants WHERE client_id = ? AND grant_id IN \
             (SELECT grant_id FROM tokens WHERE token_sha256 = ? AND kind = 'refresh')",
            "DELETE FROM tokens WHERE grant_id IN (SELECT grant_id FROM grants WHERE client_id = ?) \
             AND token_sha256 = ? AND kind = 'access'",
        ] {
            sqlx::query(statement)
                .bind(client_id)
                .bind(token.as_slice())
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

fn grant(row: &SqliteRow) -> Result<Grant, sqlx::Error> {
    Ok(Grant {
        grant_id: row.try_get("grant_id")?,
        client_id: row.try_get("client_id")?,
        scope: row.try_get("scope")?,
    })
}

impl ClientProvider for Store {
    type Client = ClientMetadata;
    type Error = sqlx::Error;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT client_id, auth_method, secret_sha256, secret_expires_at, metadata \
             FROM clients WHERE client_id = ?",
        )
        .bind(client_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let decode = |error: serde_json::Error| sqlx::Error::Decode(error.into());
        let metadata: ClientMetadata =
            serde_json::from_str(row.try_get("metadata")?).map_err(decode)?;
        let expires_at = row.try_get("secret_expires_at")?;
        // A digest of another length is none, and the registration then unusable.
        let digest: Option<&[u8]> = row.try_get("secret_sha256")?;
        let secret = digest
            .and_then(|digest| digest.try_into().ok())
            .map(|digest: Sha256| ClientSecret::sha256(digest).expires_at(expires_at));
        let method = AuthMethod::from(row.try_get::<&str, _>("auth_method")?);
        // With the id of the row, not the one that was asked for: some databases ignore case.
        let stored_id: String = row.try_get("client_id")?;
        let client = RegisteredClient::new(stored_id, &method, secret, metadata);
        Ok(Some(client.unwrap_or_else(InvalidRegistration::into_unusable)))
    }
}
