//! A small authorization server in axum: `/token` for the client credentials grant, `/introspect`,
//! `/revoke` and the metadata of RFC 8414, with three clients to try it with, and with the feature `jwt` a fourth
//! that signs assertions.
//!
//! ```text
//! cargo run -p token_server
//! ```
//!
//! It prints a curl line for each client. The flags are in `flags.rs`, what assertions add with the
//! feature `jwt` in `assertions.rs`.

mod assertions;
mod flags;
mod tokens;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::{any, get},
};
use example_support::{Peer, Server, now, print_refusal};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, Compat,
    ConfigError, Limits, OAuthError, RegisteredClient,
    axum::OAuthForm,
    provider::MemoryProvider,
    secret::GeneratedSecret,
    throttle::{FailureThrottle, PeerAddress},
};

use crate::tokens::Tokens;

const CLIENTS: &str = r#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret", "token_endpoint_auth_method": "client_secret_basic"},
    {"client_id": "demo-post", "client_secret": "post-secret", "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "demo-public", "token_endpoint_auth_method": "none"}
]"#;
const LIFETIME: Duration = Duration::from_secs(3600);

type Client = AuthenticatedClient<ClientMetadata>;
type Shared = Arc<Mutex<Tokens>>;

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
}

async fn token(
    State(tokens): State<Shared>,
    client: Client,
    OAuthForm(form): OAuthForm<TokenRequest>,
) -> Result<impl IntoResponse, OAuthError> {
    if form.grant_type != "client_credentials" {
        return Err(
            OAuthError::UNSUPPORTED_GRANT_TYPE.description("Only client_credentials is supported")
        );
    }
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::UNAUTHORIZED_CLIENT
            .description("A public client cannot use client_credentials"));
    }
    let access_token = GeneratedSecret::new().map_err(|_no_randomness| OAuthError::SERVER_ERROR)?;
    let (now, id) = (now(), client.client_id());
    lock(&tokens).insert(access_token.expose(), id, now, now + LIFETIME.as_secs());
    let body = json!({
        "access_token": access_token.expose(),
        "token_type": "Bearer",
        "expires_in": LIFETIME.as_secs(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

#[derive(Deserialize)]
struct TokenParameter {
    token: String,
}

/// RFC 7662 §2.2, §4: a client is told of its own tokens only, unless it is registered as a resource
/// server, with `"resource_server": true` in its metadata.
async fn introspect(
    State(tokens): State<Shared>,
    client: Client,
    OAuthForm(form): OAuthForm<TokenParameter>,
) -> Json<Value> {
    let is_resource_server =
        client.client().other.get("resource_server").is_some_and(|member| *member == true);
    let tokens = lock(&tokens);
    let token = tokens
        .get(&form.token, now())
        .filter(|token| is_resource_server || token.client_id == client.client_id());
    Json(match token {
        Some(token) => json!({
            "active": true, "client_id": token.client_id, "exp": token.expires_at, "token_type": "Bearer",
        }),
        None => json!({ "active": false }),
    })
}

/// RFC 7009 §2.2: a token of another client, and one that nobody knows, is answered 200, too.
async fn revoke(
    State(tokens): State<Shared>,
    client: Client,
    OAuthForm(form): OAuthForm<TokenParameter>,
) -> StatusCode {
    lock(&tokens).revoke(&form.token, client.client_id());
    StatusCode::OK
}

fn lock(tokens: &Shared) -> MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

fn router(
    layer: ClientAuthLayer<Arc<MemoryProvider>>,
    issuer: &str,
) -> Result<Router, ConfigError> {
    // A client that sends its form slowly holds a connection no longer than this.
    let layer = layer
        .realm(issuer)?
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal);
    // RFC 7662 §2.1: introspection is not for public clients.
    let confidential = layer.clone().refuse_public_clients();
    let metadata = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "token_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "introspection_endpoint_auth_methods_supported":
            confidential.auth_methods_supported().collect::<Vec<_>>(),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
    });
    let metadata = assertions::announced(metadata, &layer);
    Ok(Router::new()
        .route("/token", any(token).layer(layer.clone()))
        .route("/introspect", any(introspect).layer(confidential))
        .route("/revoke", any(revoke).layer(layer))
        .route(
            "/.well-known/oauth-authorization-server",
            get(move || std::future::ready(Json(metadata.clone()))),
        )
        .with_state(Shared::default()))
}

/// The methods that the clients of this array are registered for: what no client has need not be accepted.
fn methods(json: &[u8]) -> Vec<AuthMethod> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let records: Vec<Value> = serde_json::from_slice(json).unwrap_or_default();
    let mut methods = Vec::new();
    for record in records {
        let Ok(metadata) = serde_json::from_value::<ClientMetadata>(record) else { continue };
        let method = metadata.auth_method();
        if RegisteredClient::try_from(metadata).is_ok() && !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

async fn run() -> Result<(), BoxError> {
    let flags = flags::read()?;
    let json = match &flags.clients {
        Some(file) => std::fs::read(file).map_err(|error| format!("{file}: {error}"))?,
        None => assertions::with_demo(CLIENTS)?.into_bytes(),
    };
    let (clients, invalid) = MemoryProvider::from_json(&json).map_err(|error| {
        format!("{}: {error}", flags.clients.as_deref().unwrap_or("the built-in clients"))
    })?;
    for record in invalid {
        eprintln!("warning: {record}");
    }
    let server = Server::bind(flags.listen).await?;
    let url = server.url();
    let issuer = flags.issuer.as_ref().unwrap_or(&url);
    let mut layer = ClientAuthLayer::new(Arc::new(clients)).clock(flags.clock.clone());
    if flags.raw_basic {
        layer = layer.compat(Compat::new().raw_basic());
    }
    if flags.throttle {
        // Where it listens itself. Behind a proxy all would have the address of the proxy, see `PeerAddress`.
        let peer = PeerAddress::from_extension(|peer: &Peer| peer.0.ip());
        layer = layer.throttle(FailureThrottle::new(peer).clock(flags.clock.clone()));
    }
    layer = assertions::accepted(layer, issuer, &flags)?;
    let methods = methods(&json);
    if methods.is_empty() {
        eprintln!("warning: no client can authenticate, and so every request is refused");
    } else {
        layer = layer.auth_methods(methods)?;
    }
    let app = router(layer, issuer)?;
    server.announce();
    if flags.clients.is_none() {
        println!("\nTry:");
        println!("  curl -u demo-basic:basic-secret -d grant_type=client_credentials {url}/token");
        println!(
            "  curl -d client_id=demo-post -d client_secret=post-secret -d grant_type=client_credentials {url}/token"
        );
        println!("  curl -i -d client_id=demo-public -d token=any {url}/revoke");
        assertions::print_demo(issuer, &url)?;
    }
    server.serve(app).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("token_server", run().await)
}
