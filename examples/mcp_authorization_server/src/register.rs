//! Dynamic registration (RFC 7591). MCP prefers metadata documents, and keeps this for clients without one.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use constant_time_eq::constant_time_eq;
use serde::Deserialize;
use serde_json::Value;
use tower_client_auth::{
    AuthMethod, ClientMetadata, OAuthError, RegisteredClient, secret::GeneratedSecret,
};

use crate::{
    App,
    error::broken,
    metadata::GRANT_TYPES,
    redirect::is_redirect_uri,
    resource, scope,
    token::{CODE, CREDENTIALS, sha256},
};

/// 90 days, in seconds.
const SECRET_LIFETIME: i64 = 90 * 24 * 60 * 60;
/// Anybody may register, and what is registered is read at each request (RFC 7591 §5).
const MOST_REDIRECT_URIS: usize = 16;
/// In bytes.
const LONGEST_NAME: usize = 256;
/// In bytes.
const LONGEST_JWKS: usize = 16 * 1024;
/// In bytes.
const LONGEST_URI: usize = 2048;

/// RFC 7591 §2: what is not understood is ignored.
#[derive(Deserialize)]
pub(crate) struct Registration {
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    token_endpoint_auth_signing_alg: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

pub(crate) async fn register(
    State(app): State<App>,
    headers: HeaderMap,
    registration: Result<Json<Registration>, JsonRejection>,
) -> Result<Response, OAuthError> {
    let mut alone = app.allow_client_credentials;
    // RFC 7591 §3. Without such a token the header is of no concern here.
    if let (Some(digest), true) =
        (app.initial_access_token_sha256, headers.contains_key(AUTHORIZATION))
    {
        let token = resource::token(&headers).map(sha256);
        if !token.is_some_and(|token| constant_time_eq(&token, &digest)) {
            let challenge = [(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)];
            return Ok((StatusCode::UNAUTHORIZED, challenge).into_response());
        }
        alone = true;
    }
    let Ok(Json(registration)) = registration else {
        return Err(invalid("The registration is not the JSON object of RFC 7591"));
    };
    // RFC 7591 §3.2.1 lets the server choose. Clients that do not ask for a secret lose it.
    let method = registration.token_endpoint_auth_method.clone().unwrap_or(AuthMethod::None);
    if !app.methods.contains(&method.as_str()) {
        return Err(invalid("This token_endpoint_auth_method is not supported"));
    }
    let mut client = metadata(registration, &method, alone)?;
    client.client_id = GeneratedSecret::new().map_err(broken)?.expose().to_owned();
    client.client_id_issued_at = Some(app.clock.unix_seconds());
    let secret = match method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Some(GeneratedSecret::new().map_err(broken)?)
        }
        _ => None,
    };
    client.client_secret_expires_at =
        secret.is_some().then(|| app.clock.unix_seconds().saturating_add(SECRET_LIFETIME));
    if method == AuthMethod::PrivateKeyJwt && RegisteredClient::try_from(client.clone()).is_err() {
        return Err(invalid(
            "private_key_jwt needs keys that can be used, in jwks or at a jwks_uri",
        ));
    }
    app.store
        .insert_client(&client, secret.as_ref().map(GeneratedSecret::sha256))
        .await
        .map_err(broken)?;

    // RFC 7591 §3.2.1. The metadata never holds the secret, so it is added here, once.
    let mut answer = serde_json::to_value(&client).map_err(broken)?;
    if let (Some(secret), Value::Object(members)) = (secret, &mut answer) {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// What is registered of what was asked for. `alone` is whether it may get tokens without a user.
fn metadata(
    asked: Registration,
    method: &AuthMethod,
    alone: bool,
) -> Result<ClientMetadata, OAuthError> {
    let asked_for = asked.grant_types.unwrap_or_else(|| vec![CODE.to_owned()]);
    let asks = |grant: &str| asked_for.iter().any(|one| one == grant);
    let known = GRANT_TYPES.into_iter().filter(|grant| asks(grant));
    let grant_types: Vec<_> = known.filter(|grant| alone || *grant != CREDENTIALS).collect();
    let redirects = grant_types.contains(&CODE);
    if !redirects && !grant_types.contains(&CREDENTIALS) {
        return Err(invalid(if asks(CREDENTIALS) {
            "client_credentials is not for clients that register themselves"
        } else {
            "grant_types has none that begins here"
        }));
    }
    // RFC 6749 §4.4: "MUST only be used by confidential clients".
    if *method == AuthMethod::None && grant_types.contains(&CREDENTIALS) {
        return Err(invalid("client_credentials is for clients that authenticate"));
    }
    if asked.response_types.is_some_and(|types| redirects && !types.contains(&"code".to_owned())) {
        return Err(invalid("response_types must have code"));
    }
    let uris = &asked.redirect_uris;
    if uris.is_empty() == redirects
        || uris.len() > MOST_REDIRECT_URIS
        || !uris.iter().all(|uri| is_redirect_uri(uri))
    {
        return Err(OAuthError::new("invalid_redirect_uri").description(
            "A redirect URI must be https, http on a loopback address, or of a private-use scheme",
        ));
    }
    if asked
        .client_name
        .as_ref()
        .is_some_and(|name| name.len() > LONGEST_NAME || name.chars().any(char::is_control))
    {
        return Err(invalid("client_name is too long, or has control characters"));
    }
    if asked.jwks.as_ref().is_some_and(|jwks| jwks.to_string().len() > LONGEST_JWKS)
        || asked.jwks_uri.as_ref().is_some_and(|uri| uri.len() > LONGEST_URI)
    {
        return Err(invalid("jwks or jwks_uri is too long"));
    }

    let mut client = ClientMetadata::new("");
    client.client_name = asked.client_name;
    client.redirect_uris = asked.redirect_uris;
    client.grant_types = grant_types.into_iter().map(str::to_owned).collect();
    client.scope = Some(scope::ALL.map(|(scope, _)| scope).join(" "));
    client.token_endpoint_auth_method = Some(method.clone());
    if *method == AuthMethod::PrivateKeyJwt {
        client.token_endpoint_auth_signing_alg = asked.token_endpoint_auth_signing_alg;
        client.jwks = asked.jwks;
        client.jwks_uri = asked.jwks_uri;
    }
    if redirects {
        client.other.insert("response_types".to_owned(), Value::from(vec!["code"]));
    }
    Ok(client)
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new("invalid_client_metadata").description(description)
}
