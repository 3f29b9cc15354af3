//! The endpoints, and what keeps the caches of several replicas true.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::any,
};
use example_support::print_refusal;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use tokio::time::timeout;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, ClientProvider, Limits, OAuthError,
    axum::OAuthForm,
    provider::{BoxClientProvider, CachedProvider},
};

use crate::store::{Client, Store};

const LIFETIME: Duration = Duration::from_secs(3600);
/// For the layer, and again for what is behind it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The endpoints `/token`, `/introspect` and `/revoke`.
///
/// Clients are looked up in the database for each request, or remembered for `cache`.
pub fn router(store: Store, cache: Option<Duration>) -> Router {
    let clients = match cache {
        None => BoxClientProvider::new(store.clone()),
        Some(time_to_live) => {
            let cached = CachedProvider::new(store.clone()).time_to_live(time_to_live);
            let cached = Arc::new(cached);
            tokio::spawn(follow(store.clone(), Arc::clone(&cached)));
            BoxClientProvider::new(cached)
        }
    };
    let layer = ClientAuthLayer::new(clients)
        .limits(Limits::new().provider_deadline(TIMEOUT).body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal);
    // RFC 7662 §2.1: introspection is not for public clients.
    let confidential = layer.clone().refuse_public_clients();
    Router::new()
        .route("/token", any(token).layer(layer.clone()))
        .route("/introspect", any(introspect).layer(confidential))
        .route("/revoke", any(revoke).layer(layer))
        .with_state(store)
}

/// Forgets each client that another replica, or another program, has changed. It goes on for ever.
pub async fn follow<P: ClientProvider>(store: Store, cache: Arc<CachedProvider<P>>) {
    loop {
        if let Err(error) = listen(&store, &cache).await {
            eprintln!("warning: changes of clients are seen late: {error}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Returns when the connection is lost. What changes until there is another is seen when the time
/// to live is over, or when that other one begins to listen.
async fn listen<P: ClientProvider>(
    store: &Store,
    cache: &CachedProvider<P>,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(store.pool()).await?;
    listener.listen("clients").await?;
    cache.invalidate_all();
    while let Some(notification) = listener.try_recv().await? {
        cache.invalidate(notification.payload());
    }
    Ok(())
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
}

async fn token(
    State(store): State<Store>,
    client: AuthenticatedClient<Client>,
    OAuthForm(form): OAuthForm<TokenRequest>,
) -> Result<impl IntoResponse, OAuthError> {
    if form.grant_type != "client_credentials" {
        return Err(OAuthError::UNSUPPORTED_GRANT_TYPE);
    }
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::UNAUTHORIZED_CLIENT);
    }
    let token = in_time(store.issue(client.client_id(), LIFETIME)).await?;
    let body = json!({
        "access_token": token.expose(), "token_type": "Bearer", "expires_in": LIFETIME.as_secs(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

#[derive(Deserialize)]
struct TokenParameter {
    token: String,
}

async fn introspect(
    State(store): State<Store>,
    client: AuthenticatedClient<Client>,
    OAuthForm(form): OAuthForm<TokenParameter>,
) -> Result<Json<Value>, OAuthError> {
    let id = client.client_id();
    Ok(Json(match in_time(store.introspect(&form.token, id)).await? {
        Some(end) => json!({ "active": true, "client_id": id, "exp": end }),
        None => json!({ "active": false }),
    }))
}

async fn revoke(
    State(store): State<Store>,
    client: AuthenticatedClient<Client>,
    OAuthForm(form): OAuthForm<TokenParameter>,
) -> Result<StatusCode, OAuthError> {
    in_time(store.revoke(&form.token, client.client_id())).await?;
    Ok(StatusCode::OK)
}

/// What the database answers. If it went away behind the layer, the caller is answered as the layer answers.
async fn in_time<T, E: Into<BoxError>>(
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, OAuthError> {
    let answer = timeout(TIMEOUT, asking).await.map_err(BoxError::from);
    answer.and_then(|answer| answer.map_err(Into::into)).map_err(|error| {
        eprintln!("error: {error}");
        OAuthError::TEMPORARILY_UNAVAILABLE
    })
}
