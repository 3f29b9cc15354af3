//! Dynamic registration (RFC 7591).

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::Value;
use tower_client_auth::{AuthMethod, ClientMetadata, secret::GeneratedSecret};
use url::{Host, Url};

use crate::{App, error::OAuthError, metadata::SCOPE};

/// 90 days, in seconds.
const SECRET_LIFETIME: i64 = 90 * 24 * 60 * 60;

/// RFC 7591 §2: what is not understood is ignored.
#[derive(Deserialize)]
pub(crate) struct Registration {
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
}

pub(crate) async fn register(
    State(app): State<App>,
    registration: Result<Json<Registration>, JsonRejection>,
) -> Result<impl IntoResponse, OAuthError> {
    let invalid = |description| Err(OAuthError::new("invalid_client_metadata", description));
    let Ok(Json(registration)) = registration else {
        return invalid("The registration is not the JSON object of RFC 7591");
    };
    if registration.redirect_uris.is_empty()
        || !registration.redirect_uris.iter().all(|uri| is_redirect_uri(uri))
    {
        return Err(OAuthError::new(
            "invalid_redirect_uri",
            "A redirect URI must be https, http on a loopback address, or of a private-use scheme",
        ));
    }
    let method = registration.token_endpoint_auth_method.unwrap_or(AuthMethod::ClientSecretBasic);
    if !app.methods.contains(&method.as_str()) {
        return invalid("This token_endpoint_auth_method is not supported");
    }
    let mut grant_types =
        registration.grant_types.unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    grant_types.retain(|grant| grant == "authorization_code" || grant == "refresh_token");
    if !grant_types.iter().any(|grant| grant == "authorization_code")
        || registration.response_types.is_some_and(|types| !types.contains(&"code".to_owned()))
    {
        return invalid("Only the authorization code grant is supported");
    }

    let mut client = ClientMetadata::new(GeneratedSecret::new()?.expose());
    client.client_id_issued_at = Some(app.clock.unix_seconds());
    client.client_name = registration.client_name;
    client.redirect_uris = registration.redirect_uris;
    client.grant_types = grant_types;
    client.scope = Some(SCOPE.to_owned());
    client.other.insert("response_types".to_owned(), Value::from(vec!["code"]));
    let secret = match method {
        AuthMethod::None => None,
        _ => Some(GeneratedSecret::new()?),
    };
    client.token_endpoint_auth_method = Some(method);
    client.client_secret_expires_at =
        secret.is_some().then(|| app.clock.unix_seconds().saturating_add(SECRET_LIFETIME));
    app.store.insert_client(&client, secret.as_ref().map(GeneratedSecret::sha256)).await?;

    // RFC 7591 §3.2.1. The metadata never holds the secret, so it is added here, once.
    let mut answer = serde_json::to_value(&client)?;
    if let (Some(secret), Value::Object(members)) = (secret, &mut answer) {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(answer)))
}

/// RFC 8252 §7: https, loopback, or a private-use scheme, which has a period in its name and so is
/// none that a browser runs or opens.
fn is_redirect_uri(uri: &str) -> bool {
    let Ok(uri) = Url::parse(uri) else { return false };
    let fits = match uri.scheme() {
        "https" => true,
        "http" => match uri.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        scheme => scheme.contains('.'),
    };
    // RFC 6749 §3.1.2.
    fits && uri.fragment().is_none()
}
