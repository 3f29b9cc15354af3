//! A token endpoint whose metrics Prometheus can scrape.
//!
//! ```text
//! cargo run -p metrics_server
//! curl -u reports:8vTq3ZfK -d grant_type=client_credentials http://127.0.0.1:8080/token
//! curl -u reports:guessed -d grant_type=client_credentials http://127.0.0.1:8080/token
//! curl http://127.0.0.1:9090/metrics
//! ```
//!
//! `--listen ADDR` and `--metrics ADDR` listen elsewhere. The metrics have an address of their own, because
//! callers of the token endpoint must not read them.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    Json, Router,
    routing::{get, post},
};
use example_support::{Flags, Server, print_refusal};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use serde_json::{Value, json};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientSecret, RegisteredClient,
    provider::{CachedProvider, provider_fn},
};

const USAGE: &str = "usage: metrics_server [--listen ADDR] [--metrics ADDR]";

/// In seconds: a look-up in memory takes microseconds, a hash tens of milliseconds, a fetch up to ten seconds.
const BUCKETS: [f64; 11] =
    [0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// How often the exporter moves what was recorded from its buffers.
const UPKEEP: Duration = Duration::from_secs(5);

async fn find_client(client_id: String) -> Result<Option<RegisteredClient<()>>, BoxError> {
    Ok(match client_id.as_str() {
        "reports" => {
            let secret = ClientSecret::sha256_of("8vTq3ZfK");
            Some(RegisteredClient::secret_basic("reports", [secret], ()))
        }
        "legacy" => return Err("this shard is down".into()),
        _ => None,
    })
}

async fn token(client: AuthenticatedClient<()>) -> Json<Value> {
    Json(json!({ "client_id": client.client_id() }))
}

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut metrics = SocketAddr::from(([127, 0, 0, 1], 9090));
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            "--metrics" => metrics = flags.value()?,
            _ => return Err(flags.unknown()),
        }
    }
    // First the recorder, then what it is to be told.
    let seconds = Matcher::Suffix("_duration_seconds".to_owned());
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    tower_client_auth::metrics::enable();

    let clients = CachedProvider::new(provider_fn(|id: &str| find_client(id.to_owned())));
    let layer = ClientAuthLayer::new(clients).on_outcome(print_refusal);
    let tokens = Router::new().route("/token", post(token)).route_layer(layer);
    let (server, operators) = (Server::bind(listen).await?, Server::bind(metrics).await?);
    println!("metrics at {}/metrics", operators.url());
    server.announce();

    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    let scraped = Router::new().route("/metrics", get(move || async move { recorder.render() }));
    tokio::try_join!(server.serve(tokens), operators.serve(scraped))?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("metrics_server", run().await)
}
