//! From a request through the layer to a server that publishes keys, and back. These tests are
//! here because nothing outside of this crate can allow the loopback interface.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU32, Ordering},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    clock::Clock,
    error::{Error, assertion::InvalidAssertion, kind::ErrorKind},
    fetch::{
        https::{
            tests::{Server, response},
            *,
        },
        jwks::JwksCache,
    },
    jose::keys::ClientKeys,
    layer::ClientAuthLayer,
    method::assertion::settings::Assertions,
    provider::memory::MemoryProvider,
    replay::memory::MemoryReplayStore,
    wire::body::RequestBody,
};

pub(super) const ISSUER: &str = "https://as.example";
pub(super) const NOW: i64 = 1_900_000_000;
const MINUTE: u32 = 60;
/// What the server tells of its keys, and the layer believes.
pub(super) const LIFETIME: u32 = 10 * MINUTE;
pub(super) const HOUR: u32 = 60 * MINUTE;
pub(super) const DOWN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\
                    connection: close\r\n\r\n";
const UNKNOWN_KEY: Result<(), ErrorKind> = Err(ErrorKind::Assertion(InvalidAssertion::UnknownKey));
const INVALID_CLIENT: &str =
    r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#;
const UNAVAILABLE: &str = r#"{"error":"temporarily_unavailable","error_description":"Clients cannot be authenticated at the moment"}"#;

/// A key of the client, under its `kid`.
pub(super) struct Key(&'static str, Ed25519KeyPair);

impl Key {
    pub(super) fn new(kid: &'static str) -> Self {
        Self(kid, Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn jwk(&self) -> Value {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.1.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.0, "x": x})
    }

    fn assertion(&self, jti: u32, now: i64) -> String {
        let claims = json!({
            "iss": "app", "sub": "app", "aud": ISSUER, "exp": now + 60, "jti": jti.to_string(),
        });
        self.sign("JWT", &claims)
    }

    pub(super) fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({"typ": typ, "alg": "EdDSA", "kid": self.0});
        let [header, claims] =
            [&header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signature = self.1.sign(format!("{header}.{claims}").as_bytes());
        format!("{header}.{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn published<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let keys: Vec<_> = keys.into_iter().map(Key::jwk).collect();
    let fields = format!(
        "content-type: application/jwk-set+json\r\ncache-control: max-age={LIFETIME}\r\n\
         connection: close\r\n"
    );
    response("200 OK", &fields, &json!({ "keys": keys }).to_string())
}

/// The layer with the client `app`, whose keys are at this server, and one clock for all.
#[derive(Clone)]
struct Chain {
    layer: ClientAuthLayer<Arc<MemoryProvider<()>>>,
    clock: Clock,
    keys: JwksCache,
    assertions: Arc<AtomicU32>,
}

impl Chain {
    fn new(server: &Server, policy: AddressPolicy) -> Self {
        let clock = Clock::fixed(NOW);
        let keys = JwksCache::new(server.source(policy)).clock(clock.clone());
        let replay = MemoryReplayStore::default().clock(clock.clone());
        let clients = MemoryProvider::new();
        let keys_of_app = ClientKeys::jwks_uri(&server.uri()).unwrap();
        clients.insert(RegisteredClient::private_key_jwt("app", keys_of_app, ()));
        let layer = ClientAuthLayer::new(Arc::new(clients))
            .assertions(Assertions::new(ISSUER, replay).unwrap().jwks_source(keys.clone()))
            .clock(clock.clone());
        Self { layer, clock, keys, assertions: Arc::default() }
    }

    fn pass(&self, seconds: u32) {
        self.clock.advance(Duration::from_secs(seconds.into()));
    }

    fn assertion(&self, key: &Key) -> String {
        let now = self.clock.unix_seconds();
        key.assertion(self.assertions.fetch_add(1, Ordering::SeqCst), now)
    }

    /// What comes of an assertion that was never used before.
    async fn ask(&self, key: &Key) -> Result<(), ErrorKind> {
        self.send(&self.assertion(key)).await.map_err(|error| error.kind())
    }

    async fn send(&self, assertion: &str) -> Result<(), Error> {
        let body = format!(
            "grant_type=client_credentials&client_assertion={assertion}&client_assertion_type=\
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        send(&self.layer, HeaderMap::new(), body).await
    }
}

/// Sends a token request, and compares the whole answer.
pub(super) async fn send(
    layer: &ClientAuthLayer<Arc<MemoryProvider<()>>>,
    headers: HeaderMap,
    form: String,
) -> Result<(), Error> {
    let inner = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let client = request.extensions().get::<AuthenticatedClient<()>>().unwrap();
        Ok::<_, Infallible>(Response::new(Full::from(client.client_id().to_owned())))
    });
    let mut request = Request::post("/token")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form))
        .unwrap();
    request.headers_mut().extend(headers);
    let (head, body) = layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let fields: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let Some(error) = head.extensions.get::<Error>() else {
        assert_eq!((head.status.as_u16(), &*body, fields), (200, &b"app"[..], vec![]));
        return Ok(());
    };
    let mut expected = vec![
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
    ];
    let (status, json) = if error.kind() == ErrorKind::KeySource {
        expected.push(("retry-after", "1"));
        (503, UNAVAILABLE)
    } else {
        expected.push(("www-authenticate", r#"Basic realm="OAuth", charset="UTF-8""#));
        (401, INVALID_CLIENT)
    };
    assert_eq!((head.status.as_u16(), &*body, fields), (status, json.as_bytes(), expected));
    Err(error.clone())
}

#[tokio::test]
async fn r93_concurrent_requests_share_a_fetch() {
    let key = Key::new("1");
    let server = Server::answering("").await;
    let chain = Chain::new(&server, loopback_too);
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (chain, assertion) = (chain.clone(), chain.assertion(&key));
        requests.spawn(async move { chain.send(&assertion).await });
    }
    // All of them have asked for the keys before the first connection is there.
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    server.answer(published([&key]));
    for answer in requests.join_all().await {
        answer.unwrap();
    }
    assert_eq!(server.connections(), 1);

    assert_eq!(
        chain.ask(&Key::new("1")).await,
        Err(ErrorKind::Assertion(InvalidAssertion::WrongSignature)),
        "a key by that name"
    );
    chain.pass(LIFETIME - 1);
    assert_eq!(chain.ask(&key).await, Ok(()));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn r93_new_key_is_found_after_the_interval() {
    let (old, new, junk) = (Key::new("old"), Key::new("new"), Key::new("junk"));
    let server = Server::answering(published([&old])).await;
    let chain = Chain::new(&server, loopback_too);
    assert_eq!(chain.ask(&old).await, Ok(()));
    server.answer(published([&old, &new]));
    for passed in [0, 29] {
        chain.pass(passed);
        assert_eq!(chain.ask(&new).await, UNKNOWN_KEY);
    }
    assert_eq!(server.connections(), 1);
    chain.pass(1);
    assert_eq!(chain.ask(&new).await, UNKNOWN_KEY, "judged by what is known");
    chain.keys.landed().await;
    assert_eq!(chain.ask(&new).await, Ok(()));
    assert_eq!(chain.ask(&old).await, Ok(()));
    assert_eq!(server.connections(), 2);

    for _ in 0..3 {
        for _ in 0..20 {
            assert_eq!(chain.ask(&junk).await, UNKNOWN_KEY);
            chain.keys.landed().await;
        }
        chain.pass(15);
    }
    assert_eq!(server.connections(), 3, "no client can make the layer ask more often");
}

#[tokio::test]
async fn r93_withdrawn_key_is_refused_after_the_next_fetch() {
    let (leaked, new) = (Key::new("leaked"), Key::new("new"));
    let server = Server::answering(published([&leaked, &new])).await;
    let chain = Chain::new(&server, loopback_too);
    assert_eq!(chain.ask(&leaked).await, Ok(()));
    server.answer(published([&new]));
    for passed in [LIFETIME / 2 - 1, 1] {
        chain.pass(passed);
        assert_eq!(chain.ask(&leaked).await, Ok(()));
    }
    chain.keys.landed().await;
    assert_eq!(chain.ask(&leaked).await, UNKNOWN_KEY);
    assert_eq!(chain.ask(&new).await, Ok(()));
    assert_eq!(server.connections(), 2);
    server.answer(published([]));
    chain.pass(LIFETIME);
    assert_eq!(chain.ask(&new).await, UNKNOWN_KEY, "there was no fetch in between");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn missing_key_set_withdraws_all_keys_at_once() {
    for status in ["404 Not Found", "410 Gone"] {
        let key = Key::new("1");
        let server = Server::answering(published([&key])).await;
        let chain = Chain::new(&server, loopback_too);
        assert_eq!(chain.ask(&key).await, Ok(()));
        server.answer(response(status, "connection: close\r\n", ""));
        chain.pass(LIFETIME);
        assert_eq!(chain.ask(&key).await, UNKNOWN_KEY, "{status}");
        server.answer(DOWN);
        chain.pass(LIFETIME);
        assert_eq!(chain.ask(&key).await, UNKNOWN_KEY, "{status}, and an outage after it");
    }
}

#[tokio::test]
async fn r93_stale_keys_last_an_hour() {
    let (known, unknown) = (Key::new("known"), Key::new("unknown"));
    let server = Server::answering(published([&known])).await;
    let chain = Chain::new(&server, loopback_too);
    assert_eq!(chain.ask(&known).await, Ok(()));
    server.answer(DOWN);
    for passed in [LIFETIME, HOUR - 1] {
        chain.pass(passed);
        assert_eq!(chain.ask(&known).await, Ok(()));
        assert_eq!(chain.ask(&unknown).await, UNKNOWN_KEY);
    }
    assert_eq!(server.connections(), 3);
    chain.pass(1);
    assert_eq!(chain.ask(&known).await, Err(ErrorKind::KeySource));
}

#[tokio::test]
async fn r93_no_keys_is_503_until_the_source_recovers() {
    let key = Key::new("1");
    let server = Server::answering(DOWN).await;
    let chain = Chain::new(&server, loopback_too);
    let assertion = chain.assertion(&key);
    for _ in 0..20 {
        let error = chain.send(&assertion).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeySource);
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(reason, Refused::Status(500).to_string());
    }
    assert_eq!(server.connections(), 1);
    server.answer(published([&key]));
    chain.pass(5);
    assert!(chain.send(&assertion).await.is_ok(), "the outage has not used it up");
    assert_eq!(
        chain.send(&assertion).await.unwrap_err().kind(),
        ErrorKind::Assertion(InvalidAssertion::Replayed)
    );
}

#[tokio::test]
async fn r93_internal_addresses_are_not_fetched() {
    let key = Key::new("1");
    let server = Server::answering(published([&key])).await;
    let chain = Chain::new(&server, is_public);
    let error = chain.send(&chain.assertion(&key)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeySource);
    assert_eq!(server.connections(), 0);
    assert!(ClientKeys::jwks_uri(&server.uri().replace("https", "http")).is_err());
    assert_eq!(Chain::new(&server, loopback_too).ask(&key).await, Ok(()), "it would have answered");
}
