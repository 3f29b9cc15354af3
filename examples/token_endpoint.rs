//! A token endpoint in hyper, whose methods this documentation shows in use.
//!
//! ```text
//! cargo run --example token_endpoint --features tokio -- 127.0.0.1:8080
//! curl -u batch:gX9kWZ2c6qyVbDmC5rN1uA -d grant_type=client_credentials http://127.0.0.1:8080/token
//! ```
//!
//! The programs beside it, packages of their own, are whole servers.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde::Deserialize;
use tokio::{net::TcpListener, time::sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, ClientSecret, Limits,
    OAuthError, Outcome, RegisteredClient,
    body::RequestBody,
    provider::MemoryProvider,
    throttle::{FailureThrottle, PeerAddress},
};

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
}

/// Runs for authenticated clients only.
fn token(request: &Request<RequestBody<Incoming>>) -> Result<String, OAuthError> {
    let client = request.extensions().get::<AuthenticatedClient<ClientMetadata>>();
    let client = client.ok_or(OAuthError::SERVER_ERROR)?;
    let form: TokenRequest = request.body().form()?;
    if form.grant_type != "client_credentials" {
        return Err(OAuthError::UNSUPPORTED_GRANT_TYPE);
    }
    Ok(format!("a token for {}, by {}\n", client.client_id(), client.method()))
}

fn log(outcome: &Outcome<'_>) {
    if let Some(error) = outcome.error() {
        eprintln!("refused: {}, {:?}", error.kind(), outcome.client_id());
    }
}

fn layer() -> ClientAuthLayer<MemoryProvider<ClientMetadata>> {
    let secret = ClientSecret::sha256_of("gX9kWZ2c6qyVbDmC5rN1uA").labelled("2026");
    let batch = ClientMetadata::new("batch");
    let clients = MemoryProvider::new();
    clients.insert(RegisteredClient::secret_basic("batch", [secret], batch));
    let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
    ClientAuthLayer::new(clients)
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .refuse_public_clients()
        .throttle(FailureThrottle::new(peer).per_client(10, Duration::from_secs(60)))
        .on_outcome(log)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let service = layer().layer(service_fn(async |request: Request<_>| {
        let answer = token(&request).map(|token| Response::new(Full::from(token)));
        Ok::<_, Infallible>(answer.unwrap_or_else(OAuthError::into_response))
    }));
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Too many open files: callers can cause that, so it must not end the server.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = service.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            let server = server.timer(TokioTimer::new());
            let connection =
                server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            if let Err(error) = connection.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}
