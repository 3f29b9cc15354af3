//! The endpoint, and what brings secrets of an older system up to date.

use std::time::Duration;

use axum::{Json, Router, http::header::CACHE_CONTROL, response::IntoResponse, routing::any};
use example_support::print_refusal;
use serde_json::json;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, Limits, OAuthError, secret::GeneratedSecret,
};

use crate::store::{Client, Store};

/// The endpoint `/token`. Its tokens are for show: nothing knows them afterwards.
pub fn router(store: Store) -> Router {
    let upgrading = store.clone();
    let layer = ClientAuthLayer::new(store)
        .limits(
            Limits::new()
                .provider_deadline(Duration::from_secs(2))
                .body_deadline(Duration::from_secs(10)),
        )
        .on_secret_match(move |matched| {
            let (store, client_id) = (upgrading.clone(), matched.client_id().to_owned());
            let Some(label) = matched.label().map(str::to_owned) else { return };
            let secret = matched.presented().clone();
            // The secrets of the old system were made by a machine, so that a digest is enough.
            if label.starts_with("imported") {
                tokio::spawn(async move {
                    if let Err(error) = store.upgrade(&client_id, &label, &secret).await {
                        eprintln!("warning: a slow hash stays: {error}");
                    }
                });
            }
        })
        .on_outcome(print_refusal);
    Router::new().route("/token", any(token).layer(layer))
}

async fn token(client: AuthenticatedClient<Client>) -> Result<impl IntoResponse, OAuthError> {
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::UNAUTHORIZED_CLIENT);
    }
    let token = GeneratedSecret::new().map_err(|_no_randomness| OAuthError::SERVER_ERROR)?;
    let body = json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": 3600,
        "secret_label": client.secret_label(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}
