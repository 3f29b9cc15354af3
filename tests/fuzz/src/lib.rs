//! Requests of any kind through the public layer. Nothing that is made up authenticates, nothing
//! panics, and every refusal is a whole one. Whatever authenticates is judged a second time, by a
//! simpler program.

pub mod attestation;
#[path = "../../harness/src/certificate.rs"]
pub mod certificate;
pub mod certificates;
pub mod chain;
pub mod claims;
pub mod document;
pub mod headers;
pub mod keys;
pub mod metadata;
pub mod proxy_header;
pub mod strip;

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthenticatedClient, ClientAuthLayer, ClientProvider, ClientSecret, Clock, Error,
    RegisteredClient,
    assertion::{Assertions, ClientKeys},
    body::RequestBody,
    provider::MemoryProvider,
    replay::MemoryReplayStore,
};

pub const NOW: i64 = 1_900_000_000;
pub const ISSUER: &str = "https://as.example";
pub const FORM: &str = "application/x-www-form-urlencoded";
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"ADydqJUhd7_wh6HMnwXArui8XruoBGnFAK9Roanputs"}]}"#;
const SECRET: &str = "a secret that the fuzzer does not know, of 64 bytes and some more";

fn layer() -> ClientAuthLayer<MemoryProvider<()>> {
    let clients = MemoryProvider::from_iter([
        RegisteredClient::private_key_jwt("a", ClientKeys::from_jwks(KEYS).unwrap(), ()),
        RegisteredClient::client_secret_jwt("b", [ClientSecret::plain(SECRET)], ()).unwrap(),
        RegisteredClient::secret_basic("c", [ClientSecret::plain(SECRET)], ()),
        RegisteredClient::secret_post("d", [ClientSecret::plain(SECRET)], ()),
    ]);
    let replay = MemoryReplayStore::default().clock(Clock::fixed(NOW));
    ClientAuthLayer::new(clients)
        .clock(Clock::fixed(NOW))
        .assertions(Assertions::new(ISSUER, replay).unwrap())
}

/// Sends a request, and checks what must be true of every refusal.
pub fn refuses(authorization: Option<&[u8]>, body: Vec<u8>) {
    let mut request = form(body);
    if let Some(value) = authorization {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        request.headers_mut().insert("authorization", value);
    }
    let response = send(layer(), request);
    let error = response.extensions().get::<Error>().expect("nobody can authenticate");
    assert!(matches!(error.status().as_u16(), 400 | 401 | 413), "{error:?}");
}

pub(crate) fn form(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post("/token").header("content-type", FORM);
    request.body(Full::new(body.into())).unwrap()
}

/// The answer, with an [`Error`] if it is a refusal. Only who is refused never reaches the service,
/// and is told so in full.
pub(crate) fn send<P>(layer: ClientAuthLayer<P>, request: Request<Full<Bytes>>) -> Response<()>
where
    P: ClientProvider,
{
    #[derive(Clone)]
    struct Reached;
    let service = layer.layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        assert!(request.extensions().get::<AuthenticatedClient<P::Client>>().is_some());
        let mut response = Response::new(());
        response.extensions_mut().insert(Reached);
        Ok::<_, Infallible>(response)
    }));
    let response = ready(service.oneshot(request)).unwrap().map(|_body| ());
    let error = response.extensions().get::<Error>();
    assert_eq!(error.is_none(), response.extensions().get::<Reached>().is_some());
    if let Some(error) = error {
        if response.headers().contains_key("grpc-status") {
            assert_eq!(response.status(), StatusCode::OK);
        } else {
            assert_eq!(response.status(), error.status());
            assert!(error.status().is_client_error() || error.status().is_server_error());
            assert_eq!(response.headers()["cache-control"], "no-store");
            let challenge = response.headers().contains_key("www-authenticate");
            assert_eq!(challenge, error.status() == StatusCode::UNAUTHORIZED);
        }
    }
    response
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
    }
    panic!("nothing here waits");
}

/// Every byte as an escape.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The body of a request with this assertion.
pub(crate) fn assertion(compact: &str) -> String {
    let kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    format!("{kind}&client_assertion={compact}")
}
