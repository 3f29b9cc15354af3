//! Grants, and the codes and tokens that stand for them.

use sqlx::{Any, Row, Transaction, any::AnyRow};

use super::{Sha256, Store};

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// What was granted, and the client that may use it.
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

pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: String,
    pub(crate) expires_at: i64,
    pub(crate) redeemed: bool,
}

pub(crate) struct RefreshToken {
    pub(crate) grant: Grant,
    pub(crate) expires_at: i64,
    pub(crate) spent: bool,
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
    pub(crate) async fn insert_grant(&self, grant: &NewGrant<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO grants \
             (client_id, scope, redirect_uri, code_sha256, code_challenge, code_expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
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

    pub(crate) async fn issuing(&self) -> Result<Issuing, sqlx::Error> {
        Ok(Issuing(self.pool.begin().await?))
    }

    /// The grant behind an access token that is alive, with the scope of the token.
    pub(crate) async fn access(
        &self,
        token: Sha256,
        now: i64,
    ) -> Result<Option<Grant>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT grants.grant_id, client_id, tokens.scope \
             FROM tokens JOIN grants ON grants.grant_id = tokens.grant_id \
             WHERE token_sha256 = $1 AND kind = 'access' AND expires_at > $2",
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
            "DELETE FROM grants WHERE client_id = $1 AND grant_id IN \
             (SELECT grant_id FROM tokens WHERE token_sha256 = $2 AND kind = 'refresh')",
            "DELETE FROM tokens WHERE grant_id IN (SELECT grant_id FROM grants WHERE client_id = $1) \
             AND token_sha256 = $2 AND kind = 'access'",
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

/// All that one token request does: the whole of it counts once it is committed, and nothing before.
pub(crate) struct Issuing(Transaction<'static, Any>);

impl Issuing {
    /// The code of this client, and no other request sees it until this one is done.
    pub(crate) async fn code(
        &mut self,
        code: Sha256,
        client_id: &str,
    ) -> Result<Option<Code>, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE grants SET redeemed = redeemed WHERE code_sha256 = $1 AND client_id = $2 \
             RETURNING grant_id, client_id, scope, redirect_uri, code_challenge, code_expires_at, redeemed",
        )
        .bind(code.as_slice())
        .bind(client_id)
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Code {
            grant: grant(&row)?,
            redirect_uri: row.try_get("redirect_uri")?,
            code_challenge: row.try_get("code_challenge")?,
            expires_at: row.try_get("code_expires_at")?,
            redeemed: row.try_get::<i64, _>("redeemed")? != 0,
        }))
    }

    pub(crate) async fn redeem(&mut self, code: &Code) -> Result<(), sqlx::Error> {
        self.change("UPDATE grants SET redeemed = 1 WHERE grant_id = $1", &code.grant).await
    }

    /// The refresh token of this client, and no other request sees its grant until this one is done.
    pub(crate) async fn refresh_token(
        &mut self,
        token: Sha256,
        client_id: &str,
    ) -> Result<Option<RefreshToken>, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE grants SET redeemed = redeemed WHERE client_id = $2 AND grant_id = \
             (SELECT grant_id FROM tokens WHERE token_sha256 = $1 AND kind = 'refresh') \
             RETURNING grant_id, client_id, scope",
        )
        .bind(token.as_slice())
        .bind(client_id)
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let grant = grant(&row)?;
        // After the grant: what another request did to the token before is seen by now.
        let row = sqlx::query("SELECT expires_at, spent FROM tokens WHERE token_sha256 = $1")
            .bind(token.as_slice())
            .fetch_optional(&mut *self.0)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let spent = row.try_get::<i64, _>("spent")? != 0;
        Ok(Some(RefreshToken { grant, expires_at: row.try_get("expires_at")?, spent }))
    }

    pub(crate) async fn spend(&mut self, token: Sha256) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE tokens SET spent = 1 WHERE token_sha256 = $1")
            .bind(token.as_slice())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// What a client gets for itself, without a code.
    pub(crate) async fn grant(
        &mut self,
        client_id: &str,
        scope: &str,
    ) -> Result<Grant, sqlx::Error> {
        let row = sqlx::query(
            "INSERT INTO grants (client_id, scope) VALUES ($1, $2) RETURNING grant_id, client_id, scope",
        )
        .bind(client_id)
        .bind(scope)
        .fetch_one(&mut *self.0)
        .await?;
        grant(&row)
    }

    pub(crate) async fn insert_token(
        &mut self,
        grant: &Grant,
        kind: Kind,
        token: Sha256,
        scope: &str,
        expires_at: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO tokens (token_sha256, grant_id, kind, scope, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(token.as_slice())
        .bind(grant.grant_id)
        .bind(kind.as_str())
        .bind(scope)
        .bind(expires_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Notes that the client is in use, and makes everything count.
    pub(crate) async fn commit(mut self, grant: &Grant, now: i64) -> Result<(), sqlx::Error> {
        // The last statement: who waits for the row of the client waits for nobody who waits. Mostly it finds none.
        sqlx::query("UPDATE clients SET used_at = $2 WHERE client_id = $1 AND used_at <= $3")
            .bind(&grant.client_id)
            .bind(now)
            .bind(now.saturating_sub(DAY))
            .execute(&mut *self.0)
            .await?;
        self.0.commit().await
    }

    /// Ends the grant, and everything that was issued for it.
    pub(crate) async fn revoke(mut self, grant: &Grant) -> Result<(), sqlx::Error> {
        self.change("DELETE FROM grants WHERE grant_id = $1", grant).await?;
        self.0.commit().await
    }

    async fn change(&mut self, statement: &'static str, grant: &Grant) -> Result<(), sqlx::Error> {
        sqlx::query(statement).bind(grant.grant_id).execute(&mut *self.0).await?;
        Ok(())
    }
}

fn grant(row: &AnyRow) -> Result<Grant, sqlx::Error> {
    Ok(Grant {
        grant_id: row.try_get("grant_id")?,
        client_id: row.try_get("client_id")?,
        scope: row.try_get("scope")?,
    })
}
