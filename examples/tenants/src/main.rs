//! Two tenants behind one server, each with a client `web` of its own, told apart by path or by host.
//!
//! ```text
//! cargo run -p tenants
//! ```
//!
//! It prints a curl line for each way. `--listen ADDR` listens elsewhere.

use std::{collections::HashMap, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{header::HOST, request::Parts, uri::Authority},
    routing::{any, get},
};
use example_support::{Flags, Server, print_refusal};
use serde_json::{Value, json};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientSecret, Limits, RegisteredClient,
    provider::MemoryProvider, tenant::TenantLayer,
};

const USAGE: &str = "usage: tenants [--listen ADDR]";

/// What the application knows of a client: whose it is.
struct Client {
    tenant: &'static str,
}

type Layer = ClientAuthLayer<MemoryProvider<Client>>;

/// The layer of a tenant, made once.
fn layer(tenant: &'static str, secret: &str) -> Result<Layer, BoxError> {
    let secret = ClientSecret::sha256_of(secret);
    let clients = [RegisteredClient::secret_basic("web", [secret], Client { tenant })];
    Ok(ClientAuthLayer::new(MemoryProvider::from_iter(clients))
        .realm(tenant)?
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal))
}

/// `acme` for `/acme/token`.
fn tenant_by_path(request: &Parts) -> Option<&str> {
    request.uri.path().split('/').nth(1)
}

/// `acme` for the host `acme.localhost`, in any case, with or without a port. A URI with a host is that of
/// HTTP/2, or was sent to a proxy: the header must not name another one (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn tenant_by_host(request: &Parts) -> Option<String> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).ok()?),
        (None, None) => None,
        (_, Some(_)) => return None,
    };
    let authority = match (request.uri.authority(), &header) {
        (Some(uri), Some(header)) if uri != header => return None,
        (uri, header) => uri.or(header.as_ref())?,
    };
    // What stands before an `@` is no part of the host (RFC 9110 §4.2.4).
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    host.strip_suffix(".localhost").map(str::to_owned)
}

/// Goes by the client, and not by the request a second time.
async fn token(client: AuthenticatedClient<Client>) -> Json<Value> {
    Json(json!({ "tenant": client.client().tenant, "client_id": client.client_id() }))
}

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            _ => return Err(flags.unknown()),
        }
    }
    let tenants: Arc<HashMap<&str, Layer>> = Arc::new(HashMap::from([
        ("acme", layer("acme", "acme-secret")?),
        ("globex", layer("globex", "globex-secret")?),
    ]));
    let (paths, hosts, announced) = (Arc::clone(&tenants), Arc::clone(&tenants), tenants);
    let by_path = TenantLayer::new(move |request| paths.get(tenant_by_path(request)?).cloned());
    let by_host =
        TenantLayer::new(move |request| hosts.get(tenant_by_host(request)?.as_str()).cloned());
    // RFC 8414 §3: what each tenant accepts, from the layer that enforces it.
    let methods = move |request: axum::extract::Request| {
        let tenant = request.uri().path().rsplit('/').next().unwrap_or_default();
        let methods = announced.get(tenant).map(|layer| {
            let methods = layer.auth_methods_supported().collect::<Vec<_>>();
            Json(json!({ "token_endpoint_auth_methods_supported": methods }))
        });
        std::future::ready(methods.ok_or(axum::http::StatusCode::NOT_FOUND))
    };

    let server = Server::bind(listen).await?;
    let url = server.url();
    let app = Router::new()
        .route("/{tenant}/token", any(token).layer(by_path))
        .route("/token", any(token).layer(by_host))
        .route("/.well-known/oauth-authorization-server/{tenant}", get(methods));
    server.announce();
    println!("\nTry:");
    println!("  curl -u web:acme-secret -d a=b {url}/acme/token");
    println!("  curl -u web:globex-secret -d a=b {url}/globex/token");
    println!("  curl -u web:globex-secret -d a=b -H 'Host: globex.localhost' {url}/token");
    println!("  curl -u web:acme-secret -d a=b {url}/globex/token");
    println!("  curl -u web:acme-secret -d a=b {url}/initech/token");
    server.serve(app).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("tenants", run().await)
}
