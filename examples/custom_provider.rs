//! A store of your own: a provider looks clients up, a decorator caches what it found, and handlers
//! get your client type back.
//!
//! ```text
//! cargo run --example custom_provider
//! curl -u reports:8vTq3ZfK -d grant_type=client_credentials http://127.0.0.1:8080/token
//! ```
//!
//! It says when the database is asked: about once a minute for each client, and for every request
//! with `--no-cache`. `--listen ADDR` listens elsewhere.

use std::{
    collections::HashMap,
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::{Extension, Json, Router, routing::any};
use serde_json::{Value, json};
use tower_client_auth::{
    AuthenticatedClient, BoxClientProvider, ClientAuthLayer, ClientProvider, ClientSecret,
    RegisteredClient,
};

const USAGE: &str = "usage: custom_provider [--listen ADDR] [--no-cache]";

/// What this application knows about a client.
struct Application {
    team: &'static str,
    scopes: &'static [&'static str],
}

/// In the place of a database pool.
struct Database;

impl ClientProvider for Database {
    type Client = Application;
    type Error = std::io::Error;

    async fn find_client(&self, id: &str) -> Result<Found<Application>, std::io::Error> {
        println!("SELECT * FROM clients WHERE client_id = {id:?}");
        match id {
            "reports" => {
                let secret = ClientSecret::sha256_of("8vTq3ZfK");
                let client = Application { team: "finance", scopes: &["read"] };
                Ok(Some(RegisteredClient::secret_basic(id, [secret], client)))
            }
            "desktop" => {
                let client = Application { team: "support", scopes: &["read", "write"] };
                Ok(Some(RegisteredClient::public(id, client)))
            }
            // An outage is an error and answered 503; `None` is an unknown client, answered 401.
            "legacy" => Err(std::io::Error::other("this shard is down")),
            _ => Ok(None),
        }
    }
}

type Found<C> = Option<RegisteredClient<C>>;
type Kept<C> = (Instant, RegisteredClient<C>);

/// Keeps clients for a minute. Unknown ones are not kept, or anybody could fill the memory.
struct Cache<P: ClientProvider> {
    inner: P,
    kept: Mutex<HashMap<String, Kept<P::Client>>>,
}

impl<P: ClientProvider> ClientProvider for Cache<P> {
    type Client = P::Client;
    type Error = P::Error;

    async fn find_client(&self, id: &str) -> Result<Found<P::Client>, P::Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = kept().get(id).cloned();
        if let Some((_, client)) = hit.filter(|(since, _)| since.elapsed().as_secs() < 60) {
            return Ok(Some(client));
        }
        let found = self.inner.find_client(id).await?;
        match &found {
            Some(client) => kept().insert(id.to_owned(), (Instant::now(), client.clone())),
            None => kept().remove(id),
        };
        Ok(found)
    }
}

async fn token(Extension(client): Extension<AuthenticatedClient<Application>>) -> Json<Value> {
    let Application { team, scopes } = client.client();
    Json(json!({ "client_id": client.client_id(), "team": team, "scope": scopes.join(" ") }))
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut cache) = (SocketAddr::from(([127, 0, 0, 1], 8080)), true);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => listen = value()?.parse().map_err(|e| format!("--listen: {e}"))?,
            "--no-cache" => cache = false,
            _ => return Err(format!("unknown argument {name:?}; {USAGE}").into()),
        }
    }
    // One type for both.
    let provider = if cache {
        BoxClientProvider::new(Cache { inner: Database, kept: Mutex::default() })
    } else {
        BoxClientProvider::new(Database)
    };
    let app = Router::new().route("/token", any(token)).route_layer(ClientAuthLayer::new(provider));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        eprintln!("custom_provider: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
