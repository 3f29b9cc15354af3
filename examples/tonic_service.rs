//! tonic: gRPC's health checking, for authenticated clients only. The service finds the client in
//! the request, the caller sees a refusal as a gRPC status.
//!
//! ```text
//! cargo run --example tonic_service
//! cargo run --example tonic_service -- client
//! cargo run --example tonic_service -- client --user batch:wrong
//! ```
//!
//! The first serves, the others ask it. `--listen ADDR` serves elsewhere, `--server URL` asks there.

use std::{error::Error, net::SocketAddr, process::ExitCode};

use base64::{Engine, prelude::BASE64_STANDARD};
use tonic::{
    Request, Response, Status,
    codegen::tokio_stream::{Once, once},
    transport::{
        Endpoint,
        server::{Server, TcpIncoming},
    },
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_client_auth::{AuthenticatedClient, ClientAuthLayer, ClientMetadata, MemoryProvider};

const CLIENTS: &[u8] = br#"[{"client_id": "batch", "client_secret": "gX9kWZ2c"}]"#;
const USAGE: &str =
    "usage: tonic_service [--listen ADDR] | client [--server URL] [--user ID:SECRET]";

struct Probe;

impl Probe {
    fn answer(request: &Request<HealthCheckRequest>) -> Result<HealthCheckResponse, Status> {
        let client = request.extensions().get::<AuthenticatedClient<ClientMetadata>>();
        let client = client.ok_or_else(|| Status::internal("the layer is missing"))?;
        println!("asked by {} with {}", client.client_id(), client.method());
        Ok(HealthCheckResponse { status: ServingStatus::Serving.into() })
    }
}

#[tonic::async_trait]
impl Health for Probe {
    type WatchStream = Once<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Self::answer(&request).map(Response::new)
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(once(Self::answer(&request))))
    }
}

async fn serve(listen: SocketAddr) -> Result<(), Box<dyn Error>> {
    let (clients, _invalid) = MemoryProvider::from_json(CLIENTS)?;
    let incoming = TcpIncoming::bind(listen)?;
    println!("listening on http://{}", incoming.local_addr()?);
    Server::builder()
        .layer(ClientAuthLayer::new(clients))
        .add_service(HealthServer::new(Probe))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

async fn ask(server: String, user: &str) -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::from_shared(server.clone()).map_err(|e| format!("--server: {e}"))?;
    let channel =
        endpoint.connect().await.map_err(|e| format!("cannot connect to {server}: {e}"))?;
    let mut client = HealthClient::new(channel);
    let mut request = Request::new(HealthCheckRequest::default());
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(user));
    request.metadata_mut().insert("authorization", credentials.parse()?);
    let response = client.check(request).await?.into_inner();
    println!("answered {}", response.status().as_str_name());
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 50051));
    let (mut server, mut user) = (format!("http://{listen}"), "batch:gX9kWZ2c".to_owned());
    let mut arguments = std::env::args().skip(1).peekable();
    let is_client = arguments.next_if(|mode| mode == "client").is_some();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match (is_client, name.as_str()) {
            (false, "--listen") => {
                listen = value()?.parse().map_err(|e| format!("--listen: {e}"))?;
            }
            (true, "--server") => server = value()?,
            (true, "--user") => user = value()?,
            _ => return Err(format!("unknown argument {name:?}; {USAGE}").into()),
        }
    }
    if is_client { ask(server, &user).await } else { serve(listen).await }
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        if let Some(status) = error.downcast_ref::<Status>() {
            println!("refused: {:?}: {}", status.code(), status.message());
            return ExitCode::FAILURE;
        }
        eprintln!("tonic_service: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
