//! A reverse proxy: authenticates the clients of a token endpoint and forwards the very bytes. The
//! server behind it is not contacted for a refused request.
//!
//! ```text
//! cargo run -p token_server
//! cargo run -p reverse_proxy
//! curl -u demo-basic:basic-secret -d grant_type=client_credentials http://127.0.0.1:8081/token
//! ```
//!
//! `--listen ADDR` listens elsewhere, `--upstream URL` forwards elsewhere. It knows the three clients of
//! `CLIENTS` below, which are for trying it out.
//!
//! The server behind finds the client in `x-client-id`, and in `x-client-auth-method` how it authenticated:
//! `none` is a public client, which any caller can claim to be. Only these two headers cannot be forged
//! (`headers.rs`). All others are those of the caller, `X-Forwarded-For` and `Forwarded` among them; so are
//! `Authorization` and the body, with the secret, which the server behind should neither log nor need.
//! `Host` is that of the caller over HTTP/1, and that of the server behind over HTTP/2.
//!
//! A server behind that cannot be reached is answered 502 without a body. The head of a request may take
//! 30 seconds and its body 10.

mod headers;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use bytes::Bytes;
use example_support::{Flags, Server, print_refusal};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, service_fn};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, Limits, body::RequestBody,
    provider::MemoryProvider,
};

use crate::headers::{end_hop, name_client};

const CLIENTS: &[u8] = br#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret"},
    {"client_id": "demo-post", "client_secret": "post-secret", "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "demo-public", "token_endpoint_auth_method": "none"}
]"#;
const USAGE: &str = "usage: reverse_proxy [--listen ADDR] [--upstream URL]";

type HttpClient = Client<HttpConnector, RequestBody<Incoming>>;
type Answer = Response<Either<Incoming, Empty<Bytes>>>;

async fn forward(
    client: HttpClient,
    upstream: Uri,
    request: Request<RequestBody<Incoming>>,
) -> Result<Answer, BoxError> {
    let (mut head, body) = request.into_parts();
    let mut target = upstream.into_parts();
    target.path_and_query = head.uri.into_parts().path_and_query;
    head.uri = Uri::from_parts(target)?;
    head.version = Version::HTTP_11;
    end_hop(&mut head.headers);
    let caller = head.extensions.get::<AuthenticatedClient<ClientMetadata>>();
    name_client(&mut head.headers, caller.ok_or("the layer is missing")?)?;
    match client.request(Request::from_parts(head, body)).await {
        Ok(mut response) => {
            end_hop(response.headers_mut());
            Ok(response.map(Either::Left))
        }
        Err(error) => {
            eprintln!("upstream: {error}");
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8081));
    let mut upstream = Uri::from_static("http://127.0.0.1:8080");
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            "--upstream" => upstream = flags.value()?,
            _ => return Err(flags.unknown()),
        }
    }
    if upstream.scheme_str() != Some("http") || upstream.path() != "/" {
        return Err("--upstream: must be like http://127.0.0.1:8080".into());
    }
    let (clients, _invalid) = MemoryProvider::from_json(CLIENTS)?;
    let server = Server::bind(listen).await?;
    server.announce();
    println!("forwarding to {upstream}");

    let client = Client::builder(TokioExecutor::new()).build_http();
    let layer = ClientAuthLayer::new(clients)
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal);
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |request| forward(client.clone(), upstream.clone(), request)));
    server.serve(service).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("reverse_proxy", run().await)
}
