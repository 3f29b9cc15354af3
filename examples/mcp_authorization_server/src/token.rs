//! The token endpoint, behind client authentication (RFC 6749 §4.1.3, §6).

use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    http::header::{CACHE_CONTROL, PRAGMA},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use constant_time_eq::constant_time_eq;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower_client_auth::{AuthenticatedClient, ClientMetadata, secret::GeneratedSecret};

use crate::{
    App,
    error::OAuthError,
    store::{Grant, Kind, Redeemed},
};

/// In seconds.
const ACCESS_LIFETIME: i64 = 10 * 60;
/// 30 days, in seconds.
const REFRESH_LIFETIME: i64 = 30 * 24 * 60 * 60;

#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    grant_type: String,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
}

pub(crate) async fn token(
    State(app): State<App>,
    client: AuthenticatedClient<ClientMetadata>,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Result<impl IntoResponse, OAuthError> {
    let Ok(Form(request)) = form else {
        return Err(OAuthError::new("invalid_request", "A parameter is missing or malformed"));
    };
    // RFC 8707 §2.2.
    if request.resource.as_ref().is_some_and(|resource| *resource != app.resource()) {
        return Err(OAuthError::new("invalid_target", "Tokens are for the MCP server only"));
    }
    let grant = match request.grant_type.as_str() {
        "authorization_code" => by_code(&app, client.client_id(), &request).await?,
        "refresh_token" => by_refresh_token(&app, client.client_id(), &request).await?,
        _ => return Err(OAuthError::new("unsupported_grant_type", "There is no such grant")),
    };
    let now = app.clock.unix_seconds();
    let access = GeneratedSecret::new()?;
    let expires_at = now.saturating_add(ACCESS_LIFETIME);
    app.store.insert_token(&grant, Kind::Access, access.sha256(), expires_at).await?;
    let mut answer = json!({
        "access_token": access.expose(),
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME,
        "scope": grant.scope,
    });
    if client.client().grant_types.iter().any(|name| name == "refresh_token") {
        let refresh = GeneratedSecret::new()?;
        let expires_at = now.saturating_add(REFRESH_LIFETIME);
        app.store.insert_token(&grant, Kind::Refresh, refresh.sha256(), expires_at).await?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("refresh_token".to_owned(), refresh.expose().into());
        }
    }
    Ok(([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(answer)))
}

async fn by_code(app: &App, client_id: &str, request: &TokenRequest) -> Result<Grant, OAuthError> {
    let (Some(code), Some(verifier)) = (&request.code, &request.code_verifier) else {
        return Err(OAuthError::new("invalid_request", "code and code_verifier are needed"));
    };
    let redeemed = app.store.redeem_code(sha256(code), client_id, app.clock.unix_seconds()).await?;
    let Redeemed::Now { grant, redirect_uri, code_challenge } = redeemed else {
        return Err(invalid_grant());
    };
    // RFC 7636 §4.6. The code is used up whatever comes of this, so no client can try verifiers.
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(verifier));
    if !constant_time_eq(challenge.as_bytes(), code_challenge.as_bytes())
        || request.redirect_uri.as_ref().is_some_and(|uri| *uri != redirect_uri)
    {
        return Err(invalid_grant());
    }
    Ok(grant)
}

async fn by_refresh_token(
    app: &App,
    client_id: &str,
    request: &TokenRequest,
) -> Result<Grant, OAuthError> {
    let Some(token) = &request.refresh_token else {
        return Err(OAuthError::new("invalid_request", "refresh_token is needed"));
    };
    let Some(grant) =
        app.store.spend_refresh_token(sha256(token), client_id, app.clock.unix_seconds()).await?
    else {
        return Err(invalid_grant());
    };
    // RFC 6749 §6: no more than was granted. There is one scope here.
    if request.scope.as_ref().is_some_and(|scope| *scope != grant.scope) {
        return Err(OAuthError::new("invalid_scope", "More than was granted"));
    }
    Ok(grant)
}

fn invalid_grant() -> OAuthError {
    OAuthError::new("invalid_grant", "The grant is unknown, expired, used, or not this client's")
}

pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
