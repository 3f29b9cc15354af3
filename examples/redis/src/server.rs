//! The endpoint, and what keeps the caches of several replicas true.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, http::header::CACHE_CONTROL, response::IntoResponse, routing::any};
use example_support::print_refusal;
use serde_json::json;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientProvider, Limits, OAuthError,
    provider::CachedProvider, secret::GeneratedSecret,
};

use crate::store::{Client, Store};

/// The layer, which remembers clients for `time_to_live`.
pub fn layer(store: &Store, time_to_live: Duration) -> ClientAuthLayer<Arc<CachedProvider<Store>>> {
    let clients = Arc::new(CachedProvider::new(store.clone()).time_to_live(time_to_live));
    tokio::spawn(follow(store.clone(), Arc::clone(&clients)));
    ClientAuthLayer::new(clients)
        .limits(
            Limits::new()
                .provider_deadline(Duration::from_secs(2))
                .body_deadline(Duration::from_secs(10)),
        )
        .on_outcome(print_refusal)
}

/// The endpoint `/token`. Its tokens are for show: nothing knows them afterwards.
pub fn router<P: ClientProvider<Client = Client>>(layer: ClientAuthLayer<P>) -> Router {
    Router::new().route("/token", any(token).layer(layer))
}

/// Forgets each client that another replica, or another program, has changed. While the subscription
/// is lost a change is seen when the time to live is over.
async fn follow(store: Store, cache: Arc<CachedProvider<Store>>) {
    loop {
        let changes =
            store.follow(|| cache.invalidate_all(), |client_id| cache.invalidate(client_id));
        if let Err(error) = changes.await {
            eprintln!("warning: changes of clients are seen late: {error}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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
