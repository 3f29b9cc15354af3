//! The token endpoint, behind client authentication (RFC 6749 §4.1.3, §4.4.2, §6).
//!
//! A request that is refused changes nothing: everything is judged before a code or a refresh token
//! is spent, and that and the new tokens are one transaction. Only one that proves that a code or a
//! refresh token is in two hands ends the grant.

use axum::{
    Json,
    extract::State,
    http::header::{CACHE_CONTROL, PRAGMA},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use constant_time_eq::constant_time_eq;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower_client_auth::{AuthMethod, AuthenticatedClient, ClientMetadata, secret::GeneratedSecret};

use crate::{
    App,
    error::OAuthError,
    parameters::Parameters,
    scope,
    store::{Grant, Issuing, Kind},
};

/// In seconds.
const ACCESS_LIFETIME: i64 = 10 * 60;
/// 30 days, in seconds.
const REFRESH_LIFETIME: i64 = 30 * 24 * 60 * 60;

pub(crate) const CODE: &str = "authorization_code";
pub(crate) const REFRESH: &str = "refresh_token";
pub(crate) const CREDENTIALS: &str = "client_credentials";

/// What a request gets, once the transaction is committed.
struct Granted {
    issuing: Issuing,
    grant: Grant,
    /// Of the access token.
    scope: String,
    refreshable: bool,
}

pub(crate) async fn token(
    State(app): State<App>,
    client: AuthenticatedClient<ClientMetadata>,
    parameters: Parameters,
) -> Result<impl IntoResponse, OAuthError> {
    let Some(grant_type) = parameters.get("grant_type") else {
        return Err(OAuthError::new("invalid_request", "grant_type is needed"));
    };
    if ![CODE, REFRESH, CREDENTIALS].contains(&grant_type) {
        return Err(OAuthError::new("unsupported_grant_type", "There is no such grant"));
    }
    if !may(client.client(), grant_type) {
        return Err(OAuthError::new("unauthorized_client", "Not among the client's grant_types"));
    }
    // RFC 8707 §2.2.
    if parameters.all("resource").any(|resource| resource != app.resource()) {
        return Err(OAuthError::new("invalid_target", "Tokens are for the MCP server only"));
    }
    let Granted { mut issuing, grant, scope, refreshable } = match grant_type {
        CODE => by_code(&app, &client, &parameters).await?,
        REFRESH => by_refresh_token(&app, &client, &parameters).await?,
        _ => by_itself(&app, &client, &parameters).await?,
    };
    let now = app.clock.unix_seconds();
    let access = GeneratedSecret::new()?;
    let expires_at = now.saturating_add(ACCESS_LIFETIME);
    issuing.insert_token(&grant, Kind::Access, access.sha256(), &scope, expires_at).await?;
    let mut answer = json!({
        "access_token": access.expose(),
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME,
        "scope": scope,
    });
    if refreshable {
        let refresh = GeneratedSecret::new()?;
        let expires_at = now.saturating_add(REFRESH_LIFETIME);
        // RFC 6749 §6: its scope is that of the token before, whatever was asked for.
        let scope = &grant.scope;
        issuing.insert_token(&grant, Kind::Refresh, refresh.sha256(), scope, expires_at).await?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("refresh_token".to_owned(), refresh.expose().into());
        }
    }
    issuing.commit(&grant, now).await?;
    Ok(([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(answer)))
}

/// RFC 7591 §2: without `grant_types` it is the authorization code.
pub(crate) fn may(client: &ClientMetadata, grant_type: &str) -> bool {
    match client.grant_types.as_slice() {
        [] => grant_type == CODE,
        types => types.iter().any(|name| name == grant_type),
    }
}

async fn by_code(
    app: &App,
    client: &AuthenticatedClient<ClientMetadata>,
    parameters: &Parameters,
) -> Result<Granted, OAuthError> {
    let (Some(code), Some(verifier)) = (parameters.get("code"), parameters.get("code_verifier"))
    else {
        return Err(OAuthError::new("invalid_request", "code and code_verifier are needed"));
    };
    if !is_verifier(verifier) {
        return Err(invalid_grant());
    }
    let mut issuing = app.store.issuing().await?;
    let Some(code) = issuing.code(sha256(code), client.client_id()).await? else {
        return Err(invalid_grant());
    };
    // RFC 7636 §4.6. Whoever found a code in a log has no verifier, and neither gets tokens nor ends
    // the grant.
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(verifier));
    if !constant_time_eq(challenge.as_bytes(), code.code_challenge.as_bytes())
        || parameters.get("redirect_uri").is_some_and(|uri| uri != code.redirect_uri)
    {
        return Err(invalid_grant());
    }
    // RFC 6749 §4.1.2.
    if code.redeemed {
        issuing.revoke(&code.grant).await?;
        return Err(invalid_grant());
    }
    if code.expires_at <= app.clock.unix_seconds() {
        return Err(invalid_grant());
    }
    issuing.redeem(&code).await?;
    let scope = code.grant.scope.clone();
    let refreshable = may(client.client(), REFRESH);
    Ok(Granted { issuing, grant: code.grant, scope, refreshable })
}

async fn by_refresh_token(
    app: &App,
    client: &AuthenticatedClient<ClientMetadata>,
    parameters: &Parameters,
) -> Result<Granted, OAuthError> {
    let Some(text) = parameters.get("refresh_token") else {
        return Err(OAuthError::new("invalid_request", "refresh_token is needed"));
    };
    let mut issuing = app.store.issuing().await?;
    let Some(token) = issuing.refresh_token(sha256(text), client.client_id()).await? else {
        return Err(invalid_grant());
    };
    // RFC 9700 §4.14.2: one that comes again was stolen, before or after.
    if token.spent {
        issuing.revoke(&token.grant).await?;
        return Err(invalid_grant());
    }
    if token.expires_at <= app.clock.unix_seconds() {
        return Err(invalid_grant());
    }
    let scope = part(parameters, &token.grant.scope)?;
    issuing.spend(sha256(text)).await?;
    Ok(Granted { issuing, grant: token.grant, scope, refreshable: true })
}

/// RFC 6749 §4.4: for confidential clients, and without a refresh token.
async fn by_itself(
    app: &App,
    client: &AuthenticatedClient<ClientMetadata>,
    parameters: &Parameters,
) -> Result<Granted, OAuthError> {
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::new("unauthorized_client", "The client must be confidential"));
    }
    // Ids that were registered have no colon.
    if client.client_id().starts_with("https://") && !app.allow_client_credentials {
        return Err(OAuthError::new("unauthorized_client", "Not for clients with a document"));
    }
    // Nobody has agreed to more.
    let scope = scope::granted(parameters.get("scope"))
        .filter(|scope| scope::contains(scope, scope::BASIC))
        .map(|_| scope::BASIC)
        .ok_or_else(|| OAuthError::new("invalid_scope", "Not without a user"))?;
    let mut issuing = app.store.issuing().await?;
    let grant = issuing.grant(client.client_id(), scope).await?;
    Ok(Granted { issuing, grant, scope: scope.to_owned(), refreshable: false })
}

/// The scope that is asked for, of `all` that was granted, and all of it if none is (RFC 6749 §6).
fn part(parameters: &Parameters, all: &str) -> Result<String, OAuthError> {
    let Some(asked) = parameters.get("scope") else { return Ok(all.to_owned()) };
    if !asked.split(' ').all(|one| scope::contains(all, one)) {
        return Err(OAuthError::new("invalid_scope", "More than was granted"));
    }
    let part: Vec<_> = all.split(' ').filter(|one| scope::contains(asked, one)).collect();
    Ok(part.join(" "))
}

/// RFC 7636 §4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn invalid_grant() -> OAuthError {
    OAuthError::new("invalid_grant", "The grant is unknown, expired, used, or not this client's")
}

pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
