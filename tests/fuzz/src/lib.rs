//! Requests of any kind through the public layer. Nothing that is made up authenticates, nothing
//! panics, and every refusal is a whole one.

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
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{ClientAuthLayer, ClientSecret, Clock, Error, RegisteredClient, assertion::{Assertions, ClientKeys}, body::RequestBody, provider::MemoryProvider, replay::MemoryReplayStore};

const NOW: i64 = 1_900_000_000;
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const SECRET: &str = "a secret that the fuzzer does not know, of 64 octets and some more";

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
        .assertions(Assertions::new("https://as.example", replay).unwrap())
}

/// Sends a request, and checks what must be true of every refusal.
pub fn refuses(authorization: Option<&[u8]>, body: Vec<u8>) {
    let mut request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    if let Some(value) = authorization {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        request.headers_mut().insert("authorization", value);
    }
    let service = layer().layer(service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let mut future = pin!(service.oneshot(request));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("nothing here waits");
    };
    let error = response.extensions().get::<Error>().expect("nobody can authenticate");
    assert_eq!(response.status(), error.status());
    assert!(matches!(error.status().as_u16(), 400 | 401 | 413), "{error:?}");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

pub fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
