//! tonic: gRPC's health checking, for authenticated clients only. The service finds the client in
//! the request, the caller sees a refusal as a gRPC status.
//!
//! ```text
//! cargo run -p tonic_service
//! cargo run -p tonic_service -- client
//! cargo run -p tonic_service -- client --user batch:wrong
//! ```
//!
//! The first serves, the others ask it. `--listen ADDR` serves elsewhere, `--server URL` asks there.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use example_support::{Flags, print_refusal};
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
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, provider::MemoryProvider,
};

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

async fn serve(listen: SocketAddr) -> Result<(), BoxError> {
    let (clients, _invalid) = MemoryProvider::from_json(CLIENTS)?;
    let incoming = TcpIncoming::bind(listen)?;
    println!("listening on http://{}", incoming.local_addr()?);
    Server::builder()
        // A call, with its message, takes no longer; a connection that does not answer is closed.
        .timeout(Duration::from_secs(10))
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .layer(ClientAuthLayer::new(clients).grpc()?.on_outcome(print_refusal))
        .add_service(HealthServer::new(Probe))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

async fn ask(server: String, user: &str) -> Result<(), BoxError> {
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

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 50051));
    let (mut server, mut user) = (format!("http://{listen}"), "batch:gX9kWZ2c".to_owned());
    let mut flags = Flags::new(USAGE);
    let mut is_client = false;
    while let Some(name) = flags.next() {
        match (is_client, name.as_str()) {
            (false, "client") => is_client = true,
            (false, "--listen") => listen = flags.value()?,
            (true, "--server") => server = flags.value()?,
            (true, "--user") => user = flags.value()?,
            _ => return Err(flags.unknown()),
        }
    }
    if is_client { ask(server, &user).await } else { serve(listen).await }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = run().await;
    if let Err(error) = &result
        && let Some(status) = error.downcast_ref::<Status>()
    {
        println!("refused: {:?}: {}", status.code(), status.message());
        return ExitCode::FAILURE;
    }
    example_support::exit("tonic_service", result)
}
