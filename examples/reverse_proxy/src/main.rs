//! A reverse proxy: authenticates the clients of a token endpoint, and forwards their requests without their
//! credentials. The server behind it is not contacted for a refused request.
//!
//! ```text
//! cargo run -p reverse_proxy -- --upstream http://127.0.0.1:8080
//! curl -u demo-basic:basic-secret -d grant_type=client_credentials http://127.0.0.1:8081/any
//! ```
//!
//! `--listen ADDR` listens elsewhere, `--upstream URL` forwards elsewhere, with `--http2` over HTTP/2 without TLS.
//! `--clients FILE` is an array of RFC 7591 client metadata; without it there are the three clients of `CLIENTS`
//! below, which are for trying it out.
//!
//! The server behind finds the client in `x-client-id`, percent-encoded, and in `x-client-auth-method` how it
//! authenticated: `none` is a public client, which any caller can claim to be. Only these two headers cannot be forged.
//! All others are those of the caller, `X-Forwarded-For` and `Forwarded` among them. `Host` is that of the caller over
//! HTTP/1, and that of the server behind with `--http2`.
//!
//! A server that authenticates clients itself, as `token_server` does, refuses them now: it is told who is calling, and
//! has to believe it.
//!
//! A server behind that cannot be reached, or answers something that is no HTTP, is answered 502, and one that takes longer than `--deadline SECONDS`, or 30,
//! is answered 504, as JSON. The head of a request may take 30 seconds and its body 10.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use bytes::Bytes;
use example_support::{
    Flags, Server, print_refusal,
    proxy::{
        CONNECTION_WINDOW, STREAM_WINDOW, causes, end_hop, hand_on, has_cause, is_answer,
        is_timeout, join_cookies, settle_host,
    },
};
use http::{Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower::{ServiceBuilder, service_fn};
use tower_client_auth::{
    BoxError, ClientAuthLayer, Limits, OAuthError, body::RequestBody, forward::Forward,
    provider::MemoryProvider,
};

const CLIENTS: &[u8] = br#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret"},
    {"client_id": "demo-post", "client_secret": "post-secret", "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "demo-public", "token_endpoint_auth_method": "none"}
]"#;
const USAGE: &str = "usage: reverse_proxy [--listen ADDR] [--upstream URL [--http2] [--deadline SECONDS]] [--clients FILE]";

/// What the server behind may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);

type Answer = Response<Either<Incoming, Full<Bytes>>>;

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, RequestBody<Incoming>>,
    url: Uri,
    version: Version,
    /// Until the server behind begins its answer.
    deadline: Duration,
}

impl Upstream {
    fn new(url: Uri, http2: bool, deadline: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let mut client = Client::builder(TokioExecutor::new());
        let client = client
            .http2_only(http2)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Self { client, url, version, deadline }
    }

    async fn forward(
        self,
        mut request: Request<RequestBody<Incoming>>,
    ) -> Result<Answer, BoxError> {
        let host = settle_host(&mut request);
        let (mut head, body) = request.into_parts();
        let mut target = self.url.into_parts();
        target.path_and_query = head.uri.into_parts().path_and_query;
        let (Ok(uri), Ok(())) = (Uri::from_parts(target), host) else {
            let refusal = OAuthError::INVALID_REQUEST
                .description("The target has no path, or is not for one host");
            return Ok(refusal.into_response().map(Either::Right));
        };
        head.uri = uri;
        head.version = self.version;
        end_hop(&mut head.headers);
        if self.version == Version::HTTP_2 {
            // `:authority` takes its place, and the two must not differ (RFC 9113 §8.3.1).
            head.headers.remove(header::HOST);
        } else {
            join_cookies(&mut head.headers);
        }
        let (status, description) = match timeout(
            self.deadline,
            self.client.request(Request::from_parts(head, body)),
        )
        .await
        {
            Ok(Ok(mut response)) if is_answer(&response) => {
                hand_on(&mut response);
                return Ok(response.map(Either::Left));
            }
            Ok(Ok(response)) => {
                eprintln!("upstream: no answer that can be forwarded: {}", response.status());
                NO_ANSWER
            }
            Ok(Err(error)) => {
                eprintln!("upstream: {}", causes(&error));
                if has_cause(&error, is_timeout) { LATE } else { DOWN }
            }
            Err(_elapsed) => {
                eprintln!("upstream: no answer within {} s", self.deadline.as_secs());
                LATE
            }
        };
        let answer = OAuthError::TEMPORARILY_UNAVAILABLE.description(description);
        let mut answer = answer.into_response().map(Either::Right);
        *answer.status_mut() = status;
        Ok(answer)
    }
}

const DOWN: (StatusCode, &str) = (StatusCode::BAD_GATEWAY, "The upstream server cannot be reached");
const NO_ANSWER: (StatusCode, &str) =
    (StatusCode::BAD_GATEWAY, "The upstream server did not answer as HTTP requires");
const LATE: (StatusCode, &str) =
    (StatusCode::GATEWAY_TIMEOUT, "The upstream server did not answer in time");

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8081));
    let mut upstream = Uri::from_static("http://127.0.0.1:8080");
    let (mut file, mut http2, mut deadline) = (None, false, 30);
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            "--upstream" => upstream = flags.value()?,
            "--http2" => http2 = true,
            "--deadline" => deadline = flags.value()?,
            "--clients" => file = Some(flags.value::<String>()?),
            _ => return Err(flags.unknown()),
        }
    }
    if upstream.scheme_str() != Some("http") || upstream.path() != "/" {
        return Err("--upstream: must be like http://127.0.0.1:8080".into());
    }
    let (clients, invalid) = match file {
        Some(file) => MemoryProvider::from_json_file(file)?,
        None => MemoryProvider::from_json(CLIENTS)?,
    };
    for record in invalid {
        eprintln!("warning: {record}");
    }
    let server = Server::bind(listen).await?;
    server.announce();
    println!("forwarding to {upstream}");

    let layer = ClientAuthLayer::new(clients)
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal)
        .forward(Forward::new().identity("x-client-id")?.auth_method("x-client-auth-method")?);
    let upstream = Upstream::new(upstream, http2, Duration::from_secs(deadline));
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |request| upstream.clone().forward(request)));
    server.serve(service).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("reverse_proxy", run().await)
}
