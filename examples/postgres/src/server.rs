//! The endpoints, and what keeps the caches of several replicas true.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Form, Json, Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::any,
};
use example_support::print_refusal;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use tokio::time::timeout;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, Limits,
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

/// Forgets each client that another replica, or another program, has changed.
async fn follow(store: Store, cache: Arc<CachedProvider<Store>>) {
    loop {
        if let Err(error) = listen(&store, &cache).await {
            eprintln!("warning: changes of clients are seen late: {error}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Returns when the connection is lost. What changes until there is another is seen when the time
/// to live is over, or when that other one begins to listen.
async fn listen(store: &Store, cache: &CachedProvider<Store>) -> Result<(), sqlx::Error> {
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
    Extension(client): Extension<AuthenticatedClient<Client>>,
    Form(form): Form<TokenRequest>,
) -> Result<Response, Unavailable> {
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    let refusal = if form.grant_type != "client_credentials" {
        "unsupported_grant_type"
    } else if *client.method() == AuthMethod::None {
        "unauthorized_client"
    } else {
        let token = timeout(TIMEOUT, store.issue(client.client_id(), LIFETIME)).await??;
        let body = json!({
            "access_token": token.expose(), "token_type": "Bearer", "expires_in": LIFETIME.as_secs(),
        });
        return Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response());
    };
    Ok((StatusCode::BAD_REQUEST, Json(json!({ "error": refusal }))).into_response())
}

#[derive(Deserialize)]
struct TokenParameter {
    token: String,
}

async fn introspect(
    State(store): State<Store>,
    Extension(client): Extension<AuthenticatedClient<Client>>,
    Form(form): Form<TokenParameter>,
) -> Result<Json<Value>, Unavailable> {
    let id = client.client_id();
    Ok(Json(match timeout(TIMEOUT, store.introspect(&form.token, id)).await?? {
        Some(end) => json!({ "active": true, "client_id": id, "exp": end }),
        None => json!({ "active": false }),
    }))
}

async fn revoke(
    State(store): State<Store>,
    Extension(client): Extension<AuthenticatedClient<Client>>,
    Form(form): Form<TokenParameter>,
) -> Result<StatusCode, Unavailable> {
    timeout(TIMEOUT, store.revoke(&form.token, client.client_id())).await??;
    Ok(StatusCode::OK)
}

/// The database went away behind the layer. The caller is answered as the layer answers.
struct Unavailable;

impl<E: Into<BoxError>> From<E> for Unavailable {
    fn from(error: E) -> Self {
        eprintln!("error: {}", error.into());
        Self
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        let headers = [(CACHE_CONTROL, "no-store"), (RETRY_AFTER, "1")];
        let body = json!({ "error": "temporarily_unavailable" });
        (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response()
    }
}
