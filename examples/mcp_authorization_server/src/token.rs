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
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientMetadata, OAuthError, axum::OAuthForm,
    secret::GeneratedSecret,
};

use crate::{
    App,
    error::broken,
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

/// A parameter that is not among these is ignored (RFC 6749 §3.2).
#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    grant_type: String,
    code: Option<String>,
    code_verifier: Option<String>,
    redirect_uri: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    #[serde(default)]
    resource: Vec<String>,
}

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
    OAuthForm(request): OAuthForm<TokenRequest>,
) -> Result<impl IntoResponse, OAuthError> {
    let grant_type = &*request.grant_type;
    if ![CODE, REFRESH, CREDENTIALS].contains(&grant_type) {
        return Err(OAuthError::UNSUPPORTED_GRANT_TYPE.description("There is no such grant"));
    }
    if !may(client.client(), grant_type) {
        return Err(
            OAuthError::UNAUTHORIZED_CLIENT.description("Not among the client's grant_types")
        );
    }
    // RFC 8707 §2.2.
    if request.resource.iter().any(|resource| *resource != app.resource()) {
        return Err(OAuthError::INVALID_TARGET.description("Tokens are for the MCP server only"));
    }
    let Granted { mut issuing, grant, scope, refreshable } = match grant_type {
        CODE => by_code(&app, &client, &request).await?,
        REFRESH => by_refresh_token(&app, &client, &request).await?,
        _ => by_itself(&app, &client, &request).await?,
    };
    let now = app.clock.unix_seconds();
    let access = GeneratedSecret::new().map_err(broken)?;
    let expires_at = now.saturating_add(ACCESS_LIFETIME);
    issuing
        .insert_token(&grant, Kind::Access, access.sha256(), &scope, expires_at)
        .await
        .map_err(broken)?;
    let mut answer = json!({
        "access_token": access.expose(),
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME,
        "scope": scope,
    });
    if refreshable {
        let refresh = GeneratedSecret::new().map_err(broken)?;
        let expires_at = now.saturating_add(REFRESH_LIFETIME);
        // RFC 6749 §6: its scope is that of the token before, whatever was asked for.
        let scope = &grant.scope;
        issuing
            .insert_token(&grant, Kind::Refresh, refresh.sha256(), scope, expires_at)
            .await
            .map_err(broken)?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("refresh_token".to_owned(), refresh.expose().into());
        }
    }
    issuing.commit(&grant, now).await.map_err(broken)?;
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
    request: &TokenRequest,
) -> Result<Granted, OAuthError> {
    let (Some(code), Some(verifier)) = (&request.code, &request.code_verifier) else {
        return Err(OAuthError::INVALID_REQUEST.description("code and code_verifier are needed"));
    };
    if !is_verifier(verifier) {
        return Err(invalid_grant());
    }
    let mut issuing = app.store.issuing().await.map_err(broken)?;
    let Some(code) = issuing.code(sha256(code), client.client_id()).await.map_err(broken)? else {
        return Err(invalid_grant());
    };
    // RFC 7636 §4.6. Whoever found a code in a log has no verifier, and neither gets tokens nor ends
    // the grant.
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(verifier));
    if !constant_time_eq(challenge.as_bytes(), code.code_challenge.as_bytes())
        || request.redirect_uri.as_ref().is_some_and(|uri| *uri != code.redirect_uri)
    {
        return Err(invalid_grant());
    }
    // RFC 6749 §4.1.2.
    if code.redeemed {
        issuing.revoke(&code.grant).await.map_err(broken)?;
        return Err(invalid_grant());
    }
    if code.expires_at <= app.clock.unix_seconds() {
        return Err(invalid_grant());
    }
    issuing.redeem(&code).await.map_err(broken)?;
    let scope = code.grant.scope.clone();
    let refreshable = may(client.client(), REFRESH);
    Ok(Granted { issuing, grant: code.grant, scope, refreshable })
}

async fn by_refresh_token(
    app: &App,
    client: &AuthenticatedClient<ClientMetadata>,
    request: &TokenRequest,
) -> Result<Granted, OAuthError> {
    let Some(text) = &request.refresh_token else {
        return Err(OAuthError::INVALID_REQUEST.description("refresh_token is needed"));
    };
    let mut issuing = app.store.issuing().await.map_err(broken)?;
    let Some(token) =
        issuing.refresh_token(sha256(text), client.client_id()).await.map_err(broken)?
    else {
        return Err(invalid_grant());
    };
    // RFC 9700 §4.14.2: one that comes again was stolen, before or after.
    if token.spent {
        issuing.revoke(&token.grant).await.map_err(broken)?;
        return Err(invalid_grant());
    }
    if token.expires_at <= app.clock.unix_seconds() {
        return Err(invalid_grant());
    }
    let scope = part(request, &token.grant.scope)?;
    issuing.spend(sha256(text)).await.map_err(broken)?;
    Ok(Granted { issuing, grant: token.grant, scope, refreshable: true })
}

/// RFC 6749 §4.4: for confidential clients, and without a refresh token.
async fn by_itself(
    app: &App,
    client: &AuthenticatedClient<ClientMetadata>,
    request: &TokenRequest,
) -> Result<Granted, OAuthError> {
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::UNAUTHORIZED_CLIENT.description("The client must be confidential"));
    }
    // Ids that were registered have no colon.
    if client.client_id().starts_with("https://") && !app.allow_client_credentials {
        return Err(OAuthError::UNAUTHORIZED_CLIENT.description("Not for clients with a document"));
    }
    // Nobody has agreed to more.
    let scope = scope::granted(request.scope.as_deref())
        .filter(|scope| scope::contains(scope, scope::BASIC))
        .map(|_| scope::BASIC)
        .ok_or_else(|| OAuthError::INVALID_SCOPE.description("Not without a user"))?;
    let mut issuing = app.store.issuing().await.map_err(broken)?;
    let grant = issuing.grant(client.client_id(), scope).await.map_err(broken)?;
    Ok(Granted { issuing, grant, scope: scope.to_owned(), refreshable: false })
}

/// The scope that is asked for, of `all` that was granted, and all of it if none is (RFC 6749 §6).
fn part(request: &TokenRequest, all: &str) -> Result<String, OAuthError> {
    let Some(asked) = request.scope.as_deref() else { return Ok(all.to_owned()) };
    if !asked.split(' ').all(|one| scope::contains(all, one)) {
        return Err(OAuthError::INVALID_SCOPE.description("More than was granted"));
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
    OAuthError::INVALID_GRANT
        .description("The grant is unknown, expired, used, or not this client's")
}

pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
