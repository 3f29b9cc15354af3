//! Plain hyper: answers an authenticated request with its own body, and says in headers who was
//! authenticated, and how.
//!
//! ```text
//! cargo run --example hyper_echo -- --listen 127.0.0.1:8080 --clients clients.json
//! curl -u batch:gX9kWZ2c -d hello=world http://127.0.0.1:8080/any/path
//! ```
//!
//! `clients.json` is an array of RFC 7591 client metadata, for example
//! `[{"client_id": "batch", "client_secret": "gX9kWZ2c"}]`. `--at UNIX_SECONDS` stops the clock,
//! `--mcp-python-sdk` and `--mcp-python-sdk-revocation` answer as the endpoints of that SDK do. With
//! `--features jwt`, `--issuer URL` accepts assertions that are meant for this issuer.

use std::{convert::Infallible, error::Error, net::SocketAddr, process::ExitCode};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::{ServiceBuilder, service_fn};
use tower_client_auth::{
    AuthenticatedClient, ClientAuthLayer, ClientMetadata, MemoryProvider, RequestBody,
};

const USAGE: &str = "usage: hyper_echo --listen ADDR --clients FILE [--at UNIX_SECONDS] \
    [--issuer URL] [--mcp-python-sdk | --mcp-python-sdk-revocation]";

struct Options {
    listen: SocketAddr,
    layer: ClientAuthLayer<MemoryProvider>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let (mut listen, mut clients, mut at, mut issuer) = (None, None, None, None);
    let mut new: fn(MemoryProvider) -> ClientAuthLayer<MemoryProvider> = ClientAuthLayer::new;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => listen = Some(value()?.parse().map_err(|e| format!("--listen: {e}"))?),
            "--clients" => clients = Some(value()?),
            "--at" => at = Some(value()?.parse::<i64>().map_err(|e| format!("--at: {e}"))?),
            "--mcp-python-sdk" => new = ClientAuthLayer::mcp_python_sdk,
            "--mcp-python-sdk-revocation" => new = ClientAuthLayer::mcp_python_sdk_revocation,
            "--issuer" => issuer = Some(value()?),
            _ => return Err(format!("unknown argument {name:?}; {USAGE}").into()),
        }
    }
    let (Some(listen), Some(clients)) = (listen, clients) else { return Err(USAGE.into()) };
    let (clients, invalid) = MemoryProvider::from_json_file(clients)?;
    for record in invalid {
        eprintln!("warning: {record}");
    }
    let mut layer = new(clients);
    if let Some(at) = at {
        layer = layer.clock(move || at);
    }
    if let Some(issuer) = issuer {
        layer = accept_assertions(layer, &issuer, at)?;
    }
    Ok(Options { listen, layer })
}

#[cfg(feature = "jwt")]
fn accept_assertions(
    layer: ClientAuthLayer<MemoryProvider>,
    issuer: &str,
    at: Option<i64>,
) -> Result<ClientAuthLayer<MemoryProvider>, tower_client_auth::ConfigError> {
    let mut replay = tower_client_auth::MemoryReplayStore::default();
    if let Some(at) = at {
        replay = replay.clock(move || at);
    }
    Ok(layer.assertions(tower_client_auth::Assertions::new(issuer, replay)?))
}

#[cfg(not(feature = "jwt"))]
fn accept_assertions(
    layer: ClientAuthLayer<MemoryProvider>,
    _issuer: &str,
    _at: Option<i64>,
) -> Result<ClientAuthLayer<MemoryProvider>, tower_client_auth::ConfigError> {
    eprintln!("note: --issuer has no effect, because this was built without the feature jwt");
    Ok(layer)
}

async fn echo(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<RequestBody<Incoming>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body);
    if let Some(client) = head.extensions.get::<AuthenticatedClient<ClientMetadata>>() {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(percent_encode(client.client_id())) {
            headers.insert("x-client-id", id);
        }
        headers.insert("x-auth-method", HeaderValue::from_static(client.method().as_str()));
    }
    Ok(response)
}

/// RFC 3986 §2.1, §2.3: everything but unreserved characters.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

async fn serve(Options { listen, layer }: Options) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = ServiceBuilder::new().layer(layer).service(service_fn(echo));
    loop {
        let (stream, _peer) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks concerns nobody but its peer.
            let _closed = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match options() {
        Ok(options) => serve(options).await,
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        eprintln!("hyper_echo: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
