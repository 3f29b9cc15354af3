//! Clients whose id is the URL of their metadata (draft-ietf-oauth-client-id-metadata-document-02). The clock
//! stands still, and there is no runtime but where it says so. What only a server can show is in
//! `fetch::https::tests::documents`.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    io,
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, ClientMetadata, ClientSecret, Clock, Compat, Error,
    ErrorKind, RegisteredClient,
    assertion::{Assertions, FetchedJwks, HttpsJwksSource, InvalidAssertion, JwksSource},
    metadata_documents::{
        DocumentError, DocumentProvider, DocumentSource, DocumentStore, FetchedDocument, Made,
        MetadataDocuments, StoredDocument,
    },
    provider::{MemoryProvider, Throttled},
    replay::MemoryReplayStore,
};

use crate::{
    jose::{ISSUER, Key, TYPE, claims, compact, ed, jwks, rsa, with},
    support::{Answer, App, Asked, Clients, Harness, Log, NOW, TestRequest, app, failed},
};

const URL: &str = "https://client.example/oauth";
const MINUTE: u64 = 60;

/// What is published, by its URL, and what was fetched.
#[derive(Clone, Default)]
struct Web {
    pages: Arc<Mutex<HashMap<String, Page>>>,
    fetched: Log<String>,
}

#[derive(Clone)]
enum Page {
    Is(Vec<u8>),
    Refused,
    Down,
    Hanging,
    Throttled,
}

impl Web {
    fn set(&self, url: &str, page: Page) {
        self.pages.lock().unwrap().insert(url.to_owned(), page);
    }

    fn publish(&self, url: &str, text: impl Into<Vec<u8>>) {
        self.set(url, Page::Is(text.into()));
    }
}

impl DocumentSource for Web {
    type Error = BoxError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, BoxError> {
        self.fetched.push(url.to_owned());
        tokio::task::yield_now().await;
        let page = self.pages.lock().unwrap().get(url).cloned();
        match page {
            Some(Page::Hanging) => pending().await,
            Some(Page::Is(text)) => Ok(FetchedDocument::new(text.into(), None)),
            Some(Page::Down) => Err(io::Error::from(io::ErrorKind::HostUnreachable).into()),
            Some(Page::Throttled) => Err(Throttled::new(Duration::from_secs(7)).into()),
            Some(Page::Refused) | None => {
                Err(io::Error::other(DocumentError::Refused("404".into())).into())
            }
        }
    }
}

impl JwksSource for Web {
    type Error = BoxError;

    async fn fetch(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        let fetched = DocumentSource::fetch(self, jwks_uri).await?;
        Ok(FetchedJwks::new(fetched.text().clone(), None))
    }
}

type Make = fn(&ClientMetadata) -> App;

struct Server {
    harness: Harness,
    layer: ClientAuthLayer<DocumentProvider<Asked<Clients>, Made<App, Make>>>,
    documents: MetadataDocuments,
    web: Web,
    clock: Clock,
    assertions: AtomicUsize,
}

impl Server {
    fn new() -> Self {
        Self::with(|documents| documents, Some)
    }

    fn of(set: impl FnOnce(MetadataDocuments) -> MetadataDocuments) -> Self {
        Self::with(set, Some)
    }

    fn with(
        set: impl FnOnce(MetadataDocuments) -> MetadataDocuments,
        set_assertions: impl FnOnce(Assertions) -> Option<Assertions>,
    ) -> Self {
        let (web, clock) = (Web::default(), Clock::fixed(NOW));
        let documents = MetadataDocuments::from_hosts(["client.example", "other.example"]).unwrap();
        let documents = set(documents.source(web.clone()).clock(clock.clone()));
        let replay = MemoryReplayStore::default().clock(clock.clone());
        let assertions = Assertions::new(ISSUER, replay).unwrap().jwks_source(web.clone());
        let assertions = set_assertions(assertions);
        let registered = [RegisteredClient::secret_basic(
            "https://client.example/registered",
            [ClientSecret::plain("secret")],
            app("registered"),
        )];
        let harness = Harness::of(Clients::from_iter(registered)).set(|layer| {
            let layer = layer.clock(clock.clone());
            match assertions {
                Some(assertions) => layer.assertions(assertions),
                None => layer,
            }
        });
        let make: Make = |metadata| app(&metadata.client_id);
        let layer = harness.layer.clone().metadata_documents_as(documents.clone(), make);
        Self { harness, layer, documents, web, clock, assertions: AtomicUsize::new(0) }
    }

    fn keep(&self, client_id: &str) -> Result<(), ErrorKind> {
        crate::support::run(self.documents.keep(client_id)).map_err(|error| error.kind())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The answer to a request with nothing but the id.
    fn ask(&self, client_id: &str) -> Answer {
        self.send(&public(client_id))
    }

    fn send(&self, request: &TestRequest) -> Answer {
        crate::support::run(self.answer(request))
    }

    async fn answer(&self, request: &TestRequest) -> Answer {
        let service = self.layer.layer(self.harness.recorder());
        let Ok(response) = service.oneshot(request.request()).await;
        self.harness.observe(response)
    }

    /// Why a request with nothing but the id is refused.
    fn error(&self, client_id: &str) -> Error {
        let service = self.layer.layer(self.harness.recorder());
        let Ok(response) = crate::support::run(service.oneshot(public(client_id).request()));
        response.extensions().get::<Error>().unwrap().clone()
    }

    fn signed(&self, key: &Key, alg: &str, members: Value) -> TestRequest {
        let jti = self.assertions.fetch_add(1, Ordering::SeqCst).to_string();
        let times = json!({"exp": self.clock.unix_seconds() + 60, "jti": jti});
        let claims = with(with(claims(URL), times), members).to_string();
        let header = json!({"alg": alg, "kid": "1"}).to_string();
        let assertion = compact(key, alg, &header, &claims);
        TestRequest::form(format!("client_assertion_type={TYPE}&client_assertion={assertion}"))
    }
}

fn public(client_id: &str) -> TestRequest {
    let encoded = serde_urlencoded::to_string([("client_id", client_id)]).unwrap();
    TestRequest::form(format!("grant_type=authorization_code&{encoded}"))
}

/// The least that a document has, and these members.
fn document(members: Value) -> String {
    let least = json!({"client_id": URL, "redirect_uris": ["https://client.example/callback"]});
    with(least, members).to_string()
}

fn causes_of(error: &Error) -> String {
    error.causes().unwrap().to_string()
}

fn refused(client_id: &str) -> Answer {
    failed(ErrorKind::MetadataDocument, client_id)
}

fn unknown(client_id: &str) -> Answer {
    failed(ErrorKind::UnknownClient, client_id)
}

/// As ChatGPT publishes it.
fn chatgpt(members: Value) -> String {
    document(with(
        json!({
            "client_name": "ChatGPT",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": "https://client.example/jwks.json",
        }),
        members,
    ))
}

// R123.
#[test]
fn public_client_is_known_by_its_document() {
    let document = document(json!({
        "client_name": "Claude",
        "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "token_endpoint_auth_method": "none",
    }));
    let server = Server::new();
    server.web.publish(URL, document);
    for _ in 0..2 {
        assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    }
    assert_eq!(server.web.fetched.take(), [URL]);
}

// R132.
#[test]
fn absent_method_is_none() {
    for method in [
        json!({}),
        json!({"token_endpoint_auth_method": null}),
        json!({"token_endpoint_auth_methods_supported": []}),
    ] {
        let server = Server::new();
        server.web.publish(URL, document(method));
        assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    }
}

// R132.
#[test]
fn client_with_keys_must_use_them_if_that_is_accepted() {
    for members in [
        json!({"token_endpoint_auth_method": "private_key_jwt"}),
        json!({}),
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]}),
        json!({"token_endpoint_auth_methods_supported": ["tls_client_auth", "none", "private_key_jwt"]}),
    ] {
        let server = Server::new();
        server.web.publish(URL, chatgpt(members));
        server.web.publish(
            "https://client.example/jwks.json",
            jwks([with(rsa().jwk(), json!({"kid": "1"}))]),
        );
        let request = server.signed(rsa(), "RS256", json!({}));
        assert_eq!(server.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt));
        assert_eq!(server.ask(URL), failed(ErrorKind::MethodMismatch, URL), "no downgrade");
        assert_eq!(
            server.send(&request),
            failed(ErrorKind::Assertion(InvalidAssertion::Replayed), URL)
        );
    }
}

// R85.
#[test]
fn assertion_is_good_once_for_all_machines() {
    let replay = Arc::new(MemoryReplayStore::default().clock(Clock::fixed(NOW)));
    let [first, second] = [(); 2].map(|()| {
        let replay = Arc::clone(&replay);
        let server = Server::with(|documents| documents, |_| Assertions::new(ISSUER, replay).ok());
        let keys = jwks([with(rsa().jwk(), json!({"kid": "1"}))]);
        let keys: Value = serde_json::from_str(&keys).unwrap();
        let method = "private_key_jwt";
        let members = json!({"token_endpoint_auth_method": method, "jwks": keys});
        server.web.publish(URL, document(members));
        server
    });
    let request = first.signed(rsa(), "RS256", json!({"jti": "a"}));
    assert_eq!(first.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt));
    let replayed = failed(ErrorKind::Assertion(InvalidAssertion::Replayed), URL);
    assert_eq!(second.send(&request), replayed);
    let request = second.signed(rsa(), "RS256", json!({"jti": "b"}));
    assert_eq!(second.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt));
}

// R132.
#[test]
fn list_decides_where_the_stated_method_is_not_accepted() {
    for members in [json!({"token_endpoint_auth_method": "private_key_jwt"}), json!({})] {
        let server = Server::with(
            |documents| documents.auth_methods([AuthMethod::None]).unwrap(),
            |_assertions| None,
        );
        server.web.publish(URL, chatgpt(members));
        assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    }
}

// R132.
#[test]
fn client_without_an_accepted_method_never_authenticates() {
    let unusable = failed(ErrorKind::UnusableRegistration, URL);
    let server = Server::with(
        |documents| documents.auth_methods([AuthMethod::None]).unwrap(),
        |_assertions| None,
    );
    server.web.publish(
        URL,
        document(json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://client.example/jwks.json",
        })),
    );
    assert_eq!(server.ask(URL), unusable);
    let resolved = crate::support::run(server.documents.resolve(URL)).unwrap_err();
    assert_eq!(resolved.kind(), ErrorKind::MetadataDocument);

    let store = Store::default();
    let server = Server::of(|documents| documents.store(store.clone()));
    server.web.publish(URL, document(json!({"token_endpoint_auth_method": "tls_client_auth"})));
    assert_eq!(server.ask(URL), unusable);
    assert_eq!(server.keep(URL), Err(ErrorKind::MetadataDocument));
    assert_eq!(*store.kept.lock().unwrap(), HashMap::new());
}

// R132.
#[test]
fn layer_that_accepts_less_refuses() {
    let server = Server::with(|documents| documents, |_assertions| None);
    server.web.publish(URL, chatgpt(json!({})));
    assert_eq!(server.ask(URL), failed(ErrorKind::MethodMismatch, URL));
}

/// The reason of a refusal with 401, and what the operator is told beyond that.
fn cause(server: &Server, request: &TestRequest) -> (ErrorKind, String) {
    let log = Log::default();
    let told = log.clone();
    let layer = server.layer.clone().on_outcome(move |outcome| {
        let error = outcome.error().unwrap();
        let cause = std::error::Error::source(error).map(ToString::to_string);
        told.push((error.kind(), cause.unwrap_or_default()));
    });
    let service = layer.layer(server.harness.recorder());
    let Ok(response) = crate::support::run(service.oneshot(request.request()));
    assert_eq!(response.status(), 401);
    server.harness.observe_nothing();
    let mut told = log.take();
    assert_eq!(told.len(), 1);
    told.remove(0)
}

// R113, R133.
#[test]
fn refusal_says_why_no_document_was_fetched() {
    let told = |server: &Server, client_id: &str| {
        let (kind, why) = cause(server, &public(client_id));
        assert_eq!(kind, ErrorKind::UnknownClient, "{client_id}");
        assert_eq!(server.web.fetched.take(), [] as [String; 0], "{client_id}");
        why
    };
    let server = Server::new();
    for (client_id, why) in [
        ("https://evil.example/x", "the host of the id is none of `MetadataDocuments::from_hosts`"),
        ("http://client.example/x", "the id does not begin with `https://`"),
        ("HTTPS://client.example/x", "the id does not begin with `https://`"),
        ("https://client.example/x#y", "the id is a URL with a fragment"),
        ("https://client.example", "the id is a URL without a path"),
        // One that can only be registered.
        ("nobody", ""),
        ("urn:example:nobody", ""),
    ] {
        assert_eq!(told(&server, client_id), why);
    }
    let picky = Server::of(|documents| documents.allow(|_url| false));
    assert_eq!(told(&picky, URL), "`MetadataDocuments::allow` says no");
    let store = Store::default();
    let known = Server::of(|documents| documents.known_only(store.clone()));
    let why = "the client is not known, and `MetadataDocuments::known_only` holds";
    assert_eq!(told(&known, URL), why);
    let both = Server::of(|documents| documents.known_only(store).allow(|_url| true));
    let why = "`MetadataDocuments::allow` says no, or the client is not known, and \
               `MetadataDocuments::known_only` holds";
    assert_eq!(told(&both, URL), why);
}

// R132: ChatGPT's document names both methods, so an endpoint without assertions refuses it, and its operator learns why.
#[test]
fn refusal_says_what_to_set() {
    let server = Server::with(|documents| documents, |_assertions| None);
    server.web.publish(URL, chatgpt(json!({})));
    let (kind, why) = cause(&server, &public(URL));
    assert_eq!(kind, ErrorKind::MethodMismatch);
    assert_eq!(
        why,
        "the client must use `private_key_jwt`, which this layer does not accept: set \
         `ClientAuthLayer::assertions`; clients with a metadata document may use `none` instead if \
         `MetadataDocuments::auth_methods` accepts nothing else"
    );

    let server = Server::with(
        |documents| documents,
        |_assertions| Some(Assertions::new(ISSUER, MemoryReplayStore::default()).unwrap()),
    );
    server.web.publish(URL, chatgpt(json!({})));
    let why = "the keys of the client are at its `jwks_uri`: set `Assertions::jwks_source`";
    let signed = server.signed(rsa(), "RS256", json!({}));
    assert_eq!(cause(&server, &signed), (ErrorKind::UnusableRegistration, why.to_owned()));
    let another = "the client is registered for `private_key_jwt`".to_owned();
    assert_eq!(cause(&server, &public(URL)), (ErrorKind::MethodMismatch, another.clone()));

    let server = Server::of(|documents| documents.auth_methods([AuthMethod::None]).unwrap());
    server.web.publish(URL, document(json!({"token_endpoint_auth_method": "private_key_jwt"})));
    let why = "its document has no method that `MetadataDocuments::auth_methods` accepts";
    assert_eq!(cause(&server, &public(URL)), (ErrorKind::UnusableRegistration, why.to_owned()));

    let server = Server::new();
    server.web.publish(URL, chatgpt(json!({})));
    assert_eq!(cause(&server, &public(URL)), (ErrorKind::MethodMismatch, another));
}

// R83.
#[test]
fn token_endpoint_is_an_audience_where_it_is_listed() {
    let token = "https://as.example/token";
    let send = |aud: &str, accepts: Option<&str>| {
        let server = Server::with(
            |documents| documents,
            |assertions| Some(assertions.legacy_audiences(accepts)),
        );
        server.web.publish(URL, chatgpt(json!({})));
        server.web.publish(
            "https://client.example/jwks.json",
            jwks([with(rsa().jwk(), json!({"kid": "1"}))]),
        );
        let request = server.signed(rsa(), "RS256", json!({"aud": aud}));
        (server.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt))
    };
    let audience = failed(ErrorKind::Assertion(InvalidAssertion::WrongAudience), URL);
    let (answer, accepted) = send(token, Some(token));
    assert_eq!(answer, accepted);
    assert_eq!(send(token, None).0, audience);
    assert_eq!(send("https://as.example/token/", Some(token)).0, audience);
    assert_eq!(send(token, Some("https://as.example/token/")).0, audience);
    let (answer, accepted) = send(ISSUER, Some(token));
    assert_eq!(answer, accepted);
}

// R123.
#[test]
fn document_names_its_own_url_byte_for_byte() {
    for other in [
        "https://client.example/oauti",
        "https://Client.example/oauth",
        "https://client.example:443/oauth",
        "https://client.example/oauth/",
    ] {
        let server = Server::new();
        server.web.publish(URL, document(json!({"client_id": other})));
        assert_eq!(server.ask(URL), refused(URL), "{other}");
    }
    for other in [
        "https://client.example/oauti",
        "https://client.example:443/oauth",
        "https://client.example/oauth/",
        "https://client.example/%6Fauth",
    ] {
        let server = Server::new();
        server.web.publish(other, document(json!({})));
        assert_eq!(server.ask(other), refused(other));
        server.web.publish(URL, document(json!({})));
        assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
        assert_eq!(server.web.fetched.take(), [other, URL]);
    }
}

// R121, R122.
#[test]
fn id_that_is_no_url_of_a_document_is_not_fetched() {
    for id in [
        "http://client.example/oauth",
        "https://client.example",
        "https://u@client.example/x",
        "https://@client.example/x",
        "https://client.example/a/../x",
        "https://client.example/a/%2E%2e/x",
        "https://client.example/x#",
        r"https://client.example/x\y",
        "https://client.example/x y",
        "https://CLIENT.example/oauth",
    ] {
        let server = Server::new();
        assert_eq!(server.ask(id), unknown(id));
        assert_eq!(server.web.fetched.take(), [""; 0], "{id}");
    }
    for id in [
        "https://client.example/a/%252e/x",
        "https://client.example/a..b/x",
        "https://client.example/...",
        "https://client.example/?a=/../b",
        "https://client.example:443/oauth",
        "https://client.example/",
    ] {
        let server = Server::new();
        server.web.publish(id, document(json!({"client_id": id})));
        assert_eq!(server.ask(id), public(id).accepted(id, AuthMethod::None));
        assert_eq!(server.web.fetched.take(), [id]);
    }
}

// R126.
#[test]
fn document_is_as_long_as_it_may_be() {
    let server = Server::new();
    let text = document(json!({}));
    server.web.publish(URL, text.clone() + &" ".repeat(5_120 - text.len()));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    let server = Server::new();
    server.web.publish(URL, text.clone() + &" ".repeat(5_121 - text.len()));
    assert_eq!(server.ask(URL), refused(URL));
}

// R129.
#[test]
fn keys_are_on_the_host_of_the_client() {
    let elsewhere = json!({"jwks_uri": "https://keys.example/jwks.json"});
    let server = Server::new();
    server.web.publish(URL, chatgpt(elsewhere.clone()));
    assert_eq!(server.send(&server.signed(rsa(), "RS256", json!({}))), refused(URL));

    let server = Server::of(|documents| documents.jwks_hosts(["keys.example"]));
    server.web.publish(URL, chatgpt(elsewhere));
    server
        .web
        .publish("https://keys.example/jwks.json", jwks([with(rsa().jwk(), json!({"kid": "1"}))]));
    let request = server.signed(rsa(), "RS256", json!({}));
    assert_eq!(server.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt));

    server.web.set("https://keys.example/jwks.json", Page::Down);
    let server = Server::new();
    server.web.publish(URL, chatgpt(json!({})));
    server.web.set("https://client.example/jwks.json", Page::Down);
    let request = server.signed(rsa(), "RS256", json!({}));
    assert_eq!(server.send(&request), failed(ErrorKind::KeySource, URL));
}

// R129: one parser takes for a host what is a user to another.
#[test]
fn address_of_keys_is_judged_as_it_is_written() {
    for jwks_uri in [
        "jwks",
        "//client.example/jwks",
        "http://client.example/jwks",
        "HTTPS://client.example/jwks",
        "https:client.example/jwks",
        "https:/client.example/jwks",
        "https:///client.example/jwks",
        r"https:\\client.example\jwks",
        "https://client.example",
        "https://client.example?jwks",
        "https://u@client.example/jwks",
        "https://@client.example/jwks",
        "https://:@client.example/jwks",
        "https://keys.example@client.example/jwks",
        r"https://client.example\@keys.example/jwks",
        r"https://client.example\jwks",
        "https://client.example/jwks\n",
        " https://client.example/jwks",
        "https://client.\texample/jwks",
        "https://client.example/jw\tks",
        "https://client.example/jw ks",
        "https://client.example/jwks\u{e9}",
        "https://CLIENT.example/jwks",
        "https://client.example./jwks",
        "https://.client.example/jwks",
        "https://client%2eexample/jwks",
        "https://%63lient.example/jwks",
        "https://cl\u{ad}ient.example/jwks",
        "https://client\u{3002}example/jwks",
        "https://\u{ff43}lient.example/jwks",
        "https://client.example:/jwks",
        "https://client.example:0443/jwks",
        "https://client.example:+443/jwks",
        "https://client.example:65536/jwks",
        "https://client.example:443@keys.example/jwks",
        "https://client.example/../jwks",
        "https://client.example/a/%2e%2E/jwks",
        "https://client.example/jwks#a",
        "https://client.example.evil.example/jwks",
        "https://evil-client.example/jwks",
        "https://[::1]/jwks",
    ] {
        let server = Server::new();
        server.web.publish(URL, chatgpt(json!({"jwks_uri": jwks_uri})));
        let answer = server.send(&server.signed(rsa(), "RS256", json!({})));
        assert_eq!(answer, refused(URL), "{jwks_uri:?}");
        assert_eq!(server.web.fetched.take(), [URL]);
    }
    for jwks_uri in [
        "https://client.example/",
        "https://client.example/jwks?a=https://keys.example/@",
        "https://client.example:443/jwks",
        "https://client.example:8443/jwks",
        "https://client.example/a@b:c/%40",
    ] {
        let server = Server::new();
        server.web.publish(URL, chatgpt(json!({"jwks_uri": jwks_uri})));
        server.web.publish(jwks_uri, jwks([with(rsa().jwk(), json!({"kid": "1"}))]));
        let request = server.signed(rsa(), "RS256", json!({}));
        assert_eq!(server.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt));
    }
}

/// A port of this machine at which nobody may be.
fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn assert_untouched(listener: &TcpListener) {
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

// R127, R137.
#[tokio::test]
async fn special_addresses_are_answered_as_names_that_do_not_exist() {
    let (listener, port) = listening();
    let harness = Harness::of(Clients::from_iter([]));
    let documents = MetadataDocuments::from_any_host().unwrap();
    let make: Make = |metadata| app(&metadata.client_id);
    let layer = harness.layer.clone().metadata_documents_as(documents, make);
    for host in [
        "name.invalid",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
    ] {
        let url = format!("https://{host}:{port}/oauth");
        let Ok(response) = layer.layer(harness.recorder()).oneshot(public(&url).request()).await;
        let error = response.extensions().get::<Error>().unwrap().clone();
        assert_eq!(harness.observe(response), failed(ErrorKind::MetadataUnreachable, &url));
        let why = match host {
            // The resolver of the system says why.
            "name.invalid" => continue,
            "localhost" => {
                "error sending request: client error (Connect): dns error: error resolving DNS: \
                 the host has no address that is public"
            }
            _ => "the host has no address that is public",
        };
        let causes = format!("the metadata document could not be had: {why}");
        assert_eq!(causes_of(&error), causes, "{host}");
    }
    assert_untouched(&listener);
}

// R127.
#[tokio::test]
async fn keys_at_a_special_address_are_an_outage() {
    let (listener, port) = listening();
    for host in ["127.0.0.1", "localhost", "10.0.0.1"] {
        let server = Server::with(
            |documents| documents.jwks_hosts([host]),
            |assertions| Some(assertions.jwks_source(HttpsJwksSource::new().unwrap())),
        );
        let jwks_uri = format!("https://{host}:{port}/jwks.json");
        server.web.publish(URL, chatgpt(json!({"jwks_uri": jwks_uri})));
        let request = server.signed(rsa(), "RS256", json!({}));
        assert_eq!(server.answer(&request).await, failed(ErrorKind::KeySource, URL), "{host}");
    }
    assert_untouched(&listener);
}

// R128, R129, R132.
#[test]
fn document_with_a_secret_or_two_sets_of_keys_is_refused() {
    let public_key = ed().jwk();
    for members in [
        json!({"client_secret": "s3cr3t"}),
        json!({"client_secret": null}),
        json!({"client_secret_expires_at": 0}),
        json!({"token_endpoint_auth_method": "client_secret_basic"}),
        json!({"token_endpoint_auth_method": "client_secret_post"}),
        json!({"token_endpoint_auth_method": "client_secret_jwt"}),
        json!({"jwks": {"keys": [with(public_key.clone(), json!({"d": "AAAA"}))]}}),
        json!({"jwks": {"keys": [{"kty": "oct"}]}}),
        json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}),
        json!({"jwks": {"keys": [public_key]}, "jwks_uri": "https://client.example/jwks.json"}),
        json!({"token_endpoint_auth_method": "none", "token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        json!({"token_endpoint_auth_methods_supported": "none"}),
        json!({"token_endpoint_auth_methods_supported": [1]}),
        json!({"redirect_uris": []}),
        json!({"redirect_uris": "https://client.example/callback"}),
    ] {
        let server = Server::new();
        server.web.publish(URL, document(members.clone()));
        assert_eq!(server.ask(URL), refused(URL), "{members}");
    }
}

// R131.
#[test]
fn document_that_is_no_json_object_is_refused() {
    let plain = document(json!({}));
    let twice = plain.replacen('{', &format!("{{\"client_id\":\"{URL}\","), 1);
    let nested = plain.replacen('{', "{\"a\":{\"b\":1,\"b\":2},", 1);
    for text in [
        b"[]".to_vec(),
        b"".to_vec(),
        twice.into_bytes(),
        nested.into_bytes(),
        [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
        [plain.trim_end_matches('}').as_bytes(), b",\"client_name\":\"\xff\"}"].concat(),
        vec![b'['; 5_120],
        plain.into_bytes().iter().take(40).copied().collect(),
    ] {
        let server = Server::new();
        server.web.publish(URL, text.clone());
        assert_eq!(server.ask(URL), refused(URL), "{}", text.escape_ascii());
    }
}

// R131.
#[test]
fn what_a_document_has_more_is_no_obstacle() {
    let server = Server::new();
    server.web.publish(
        URL,
        document(json!({
            "client_name": 5,
            "client_name#de": "Beispiel",
            "grant_types": ["authorization_code", "telepathy"],
            "unheard_of": {"a": [1]},
        })),
    );
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    let client = crate::support::run(server.documents.resolve(URL)).unwrap();
    assert_eq!(client.client().other["unheard_of"], json!({"a": [1]}));
}

// R130.
#[test]
fn redirects_are_needed_by_the_grants_that_have_one() {
    let without = json!({"client_id": URL, "grant_types": ["client_credentials"]}).to_string();
    let server = Server::new();
    server.web.publish(URL, without.clone());
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    let server = Server::of(MetadataDocuments::mcp);
    server.web.publish(URL, without);
    assert_eq!(server.ask(URL), refused(URL));
    server.pass(5);
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), refused(URL), "it has no name");
    server.pass(10);
    server.web.publish(URL, document(json!({"client_name": "a"})));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
}

// R135, R137.
#[test]
fn what_could_not_be_had_is_an_outage_and_what_is_wrong_is_none() {
    let server = Server::new();
    server.web.set(URL, Page::Down);
    assert_eq!(server.ask(URL), failed(ErrorKind::MetadataUnreachable, URL));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), failed(ErrorKind::MetadataUnreachable, URL), "for 5 seconds");
    assert_eq!(server.web.fetched.take(), [URL]);
    server.pass(5);
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));

    let server = Server::new();
    server.web.set(URL, Page::Refused);
    assert_eq!(server.ask(URL), refused(URL));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), refused(URL), "for 5 seconds");
    assert_eq!(server.web.fetched.take(), [URL]);
    server.pass(5);
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));

    let server = Server::new();
    server.web.set(URL, Page::Throttled);
    let throttled = failed(ErrorKind::Throttled, URL).with("retry-after", "7");
    assert_eq!(server.ask(URL), throttled);
}

// R134.
#[test]
fn known_client_survives_an_outage_of_its_host() {
    let server = Server::new();
    server.web.publish(URL, document(json!({})));
    let accepted = public(URL).accepted(URL, AuthMethod::None);
    assert_eq!(server.ask(URL), accepted);
    server.web.set(URL, Page::Down);
    for _ in 0..24 {
        server.pass(60 * MINUTE);
        assert_eq!(server.ask(URL), accepted);
    }
    server.pass(60 * MINUTE);
    assert_eq!(server.ask(URL), failed(ErrorKind::MetadataUnreachable, URL));
}

// R134.
#[test]
fn withdrawn_document_ends_its_client() {
    let server = Server::new();
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    server.web.set(URL, Page::Refused);
    server.pass(MINUTE);
    assert_eq!(server.ask(URL), refused(URL));
    server.web.set(URL, Page::Down);
    server.pass(5);
    assert_eq!(server.ask(URL), failed(ErrorKind::MetadataUnreachable, URL));
}

// R136.
#[test]
fn changed_document_is_told_once_and_its_keys_are_used() {
    let told = Log::default();
    let log = told.clone();
    let server = Server::of(|documents| {
        documents.on_change(move |old, new| {
            log.push([Some(old), new].map(|it| it.map(|it| it.jwks_uri.clone().unwrap())));
        })
    });
    let (old, new) = ("https://client.example/jwks.json", "https://client.example/new.json");
    server.web.publish(old, jwks([with(rsa().jwk(), json!({"kid": "1"}))]));
    server.web.publish(new, jwks([with(ed().jwk(), json!({"kid": "1"}))]));
    let algs = json!({"token_endpoint_auth_signing_alg": null});
    server.web.publish(URL, chatgpt(algs.clone()));
    let by = |key, alg| {
        let request = server.signed(key, alg, json!({}));
        (server.send(&request), request.accepted(URL, AuthMethod::PrivateKeyJwt))
    };
    let (answer, accepted) = by(rsa(), "RS256");
    assert_eq!(answer, accepted);
    server.web.publish(URL, chatgpt(with(algs, json!({"jwks_uri": new}))));
    for _ in 0..3 {
        server.pass(MINUTE);
        let (answer, accepted) = by(ed(), "EdDSA");
        assert_eq!(answer, accepted);
    }
    assert_eq!(told.take(), [[old, new].map(|jwks_uri| Some(jwks_uri.to_owned()))]);

    // No outage is told, and a withdrawal once.
    for (page, expected) in [
        (Page::Down, vec![]),
        (Page::Refused, vec![[Some(new.to_owned()), None]]),
        (Page::Refused, vec![]),
        (Page::Is(chatgpt(json!({})).into()), vec![]),
    ] {
        server.web.set(URL, page);
        server.pass(MINUTE);
        server.ask(URL);
        assert_eq!(told.take(), expected);
    }
}

// R124.
#[test]
fn registered_client_wins_and_nothing_is_fetched() {
    let id = "https://client.example/registered";
    let server = Server::new();
    server.web.publish(id, document(json!({"client_id": id})));
    let encoded = serde_urlencoded::to_string([(id, "")]).unwrap();
    let id_encoded = encoded.trim_end_matches('=');
    let request = TestRequest::form("").basic(format!("{id_encoded}:secret"));
    let answer = server.send(&request);
    assert_eq!((answer.status, answer.kind), (200, None));
    assert_eq!(server.ask(id), failed(ErrorKind::MethodMismatch, id));
    assert_eq!(server.web.fetched.take(), [""; 0]);
}

// R106.
#[test]
fn basic_with_a_url_as_id() {
    let server = Server::new();
    server.web.publish(URL, document(json!({})));
    let encoded = "https%3A%2F%2Fclient.example%2Foauth:";
    let request = TestRequest::form("").basic(encoded);
    assert_eq!(server.send(&request), failed(ErrorKind::MethodMismatch, URL));
    let lenient = server.layer.clone().compat(Compat::new().ignore_public_credentials());
    let Ok(response) =
        crate::support::run(lenient.layer(server.harness.recorder()).oneshot(request.request()));
    assert_eq!(response.status(), 200);
    server.harness.observe_nothing();
    server.web.fetched.take();
    // RFC 7617 §2: the id ends at the first colon.
    let request = TestRequest::form("").basic(format!("{URL}:"));
    assert_eq!(server.send(&request), unknown("https"));
    assert_eq!(server.web.fetched.take(), [""; 0]);
}

// R138.
#[test]
fn host_or_predicate_that_says_no_stops_before_the_network() {
    let server = Server::new();
    let elsewhere = "https://elsewhere.example/oauth";
    assert_eq!(server.ask(elsewhere), unknown(elsewhere));
    assert_eq!(server.web.fetched.take(), [""; 0]);

    let server = Server::of(|documents| documents.allow(|url| !url.ends_with("/no")));
    assert_eq!(server.ask("https://client.example/no"), unknown("https://client.example/no"));
    assert_eq!(server.web.fetched.take(), [""; 0]);
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));

    let server = Server::of(|documents| documents.allow(|_url| panic!("a predicate")));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), unknown(URL));
    assert_eq!(server.web.fetched.take(), [""; 0]);
}

#[test]
fn predicate_is_asked_of_clients_that_are_known_too() {
    let allowed = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let server = Server::of(|documents| documents.allow(move |_url| asked.load(Ordering::SeqCst)));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    allowed.store(false, Ordering::SeqCst);
    assert_eq!(server.ask(URL), unknown(URL));
    allowed.store(true, Ordering::SeqCst);
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
}

// R133.
#[test]
fn metadata_of_the_server_says_whether_documents_are_known() {
    let server = Server::new();
    assert!(server.layer.client_id_metadata_document_supported());
    assert!(!server.harness.layer.client_id_metadata_document_supported());
    let methods: Vec<_> = server.layer.auth_methods_supported().collect();
    assert!(methods.contains(&"none"));
    let confidential = server.layer.refuse_public_clients();
    assert!(confidential.client_id_metadata_document_supported());
    assert!(!confidential.auth_methods_supported().any(|method| method == "none"));
}

// R138.
#[tokio::test]
async fn requests_for_one_unknown_url_share_a_fetch() {
    let server = Arc::new(Server::new());
    server.web.publish(URL, document(json!({})));
    let requests = (0..1_000).map(|_| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            server.documents.resolve(URL).await.map(|client| client.client_id().to_owned())
        })
    });
    let requests: Vec<_> = requests.collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), URL);
    }
    assert_eq!(server.web.fetched.take(), [URL]);
}

/// A store in memory, which may be out of order.
#[derive(Clone, Default)]
struct Store {
    kept: Arc<Mutex<HashMap<String, StoredDocument>>>,
    down: Arc<AtomicBool>,
}

impl Store {
    fn check(&self) -> io::Result<()> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
    }

    fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }
}

impl DocumentStore for Store {
    type Error = io::Error;

    async fn get(&self, url: &str) -> io::Result<Option<StoredDocument>> {
        self.check()?;
        Ok(self.kept.lock().unwrap().get(url).cloned())
    }

    async fn put(&self, url: &str, document: StoredDocument) -> io::Result<()> {
        self.check()?;
        let mut kept = self.kept.lock().unwrap();
        if kept.get(url).is_none_or(|kept| document.replaces(kept)) {
            kept.insert(url.to_owned(), document);
        }
        Ok(())
    }
}

fn stored(text: &str, fetched_at: i64) -> StoredDocument {
    StoredDocument::new(text.to_owned().into(), fetched_at, None, Bytes::new())
}

// R139.
#[test]
fn document_that_is_kept_is_known_to_the_next_machine() {
    let store = Store::default();
    let first = Server::of(|documents| documents.store(store.clone()));
    first.web.publish(URL, document(json!({})));
    let accepted = public(URL).accepted(URL, AuthMethod::None);
    assert_eq!(first.ask(URL), accepted);
    first.keep(URL).unwrap();
    assert_eq!(first.web.fetched.take(), [URL]);
    assert_eq!(
        *store.kept.lock().unwrap(),
        HashMap::from([(URL.to_owned(), stored(&document(json!({})), NOW))])
    );

    let second = Server::of(|documents| documents.store(store.clone()));
    assert_eq!(second.ask(URL), accepted);
    assert_eq!(second.web.fetched.take(), [""; 0]);
    second.pass(MINUTE);
    assert_eq!(second.ask(URL), refused(URL), "past its lifetime it is fetched, and there is none");
    second.pass(MINUTE);
    assert_eq!(second.ask(URL), refused(URL), "withdrawn, whatever the store has");
}

// R139: a restart, another machine, or many URLs that are asked for meanwhile: what is remembered here is forgotten.
#[test]
fn withdrawn_document_does_not_come_back_from_the_store() {
    let hour = 60 * 60;
    for text in [document(json!({"client_id": "https://client.example/other"})), String::new()] {
        let store = Store::default();
        store.kept.lock().unwrap().insert(
            URL.to_owned(),
            StoredDocument::new(
                document(json!({})).into(),
                NOW,
                Some(Duration::from_secs(hour)),
                Bytes::new(),
            ),
        );
        let first = Server::of(|documents| documents.store(store.clone()));
        first.pass(hour);
        match &*text {
            "" => first.web.set(URL, Page::Refused),
            text => first.web.publish(URL, text),
        }
        assert_eq!(first.ask(URL), refused(URL));
        let now = first.clock.unix_seconds();
        assert_eq!(*store.kept.lock().unwrap(), HashMap::from([(URL.to_owned(), stored("", now))]));

        let next = Server::of(|documents| documents.store(store.clone()));
        next.web.set(URL, Page::Down);
        assert_eq!(next.ask(URL), failed(ErrorKind::MetadataUnreachable, URL));
        let next = Server::of(|documents| documents.known_only(store.clone()));
        assert_eq!(next.ask(URL), unknown(URL));
        assert_eq!(next.web.fetched.take(), [""; 0]);

        // Published again.
        let next = Server::of(|documents| documents.store(store.clone()));
        next.pass(hour + 1);
        next.web.publish(URL, document(json!({})));
        assert_eq!(next.ask(URL), public(URL).accepted(URL, AuthMethod::None));
        let again = stored(&document(json!({})), now + 1);
        assert_eq!(*store.kept.lock().unwrap(), HashMap::from([(URL.to_owned(), again)]));
    }
}

// R138.
#[test]
fn nothing_is_put_of_a_client_that_is_not_to_be_kept() {
    let store = Store::default();
    let server = Server::of(|documents| documents.store(store.clone()));
    let private = json!({"jwks": {"keys": [with(ed().jwk(), json!({"d": "AAAA"}))]}});
    let plain = document(json!({}));
    for page in [
        Page::Refused,
        Page::Down,
        Page::Is("{}".into()),
        Page::Is(plain.clone().into()),
        Page::Is(document(json!({"client_name": "new"})).into()),
        Page::Is(document(private).into()),
        Page::Is(plain.into()),
        Page::Refused,
    ] {
        server.web.set(URL, page);
        server.ask(URL);
        server.pass(MINUTE);
    }
    assert_eq!(server.web.fetched.take().len(), 8);
    assert_eq!(*store.kept.lock().unwrap(), HashMap::new());
}

// R138: a stranger has as many documents as it likes, and is bounded by what may be fetched alone.
#[test]
fn strangers_put_nothing_into_the_store() {
    let (store, clock, fetched) = (Store::default(), Clock::fixed(NOW), Log::default());
    let documents = MetadataDocuments::from_any_host().unwrap().source(Everywhere(fetched.clone()));
    let documents = documents.clock(clock.clone()).store(store.clone());
    let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
        .metadata_documents(documents.clone());
    let layer = layer.layer(service_fn(async |_| Ok::<_, Infallible>(http::Response::new(()))));
    let urls: Vec<_> = (0..3_000).map(|n| format!("https://evil.example/{n}")).collect();
    for (n, url) in urls.iter().enumerate() {
        clock.advance(Duration::from_secs(if n % 30 == 0 { MINUTE } else { 0 }));
        assert!(crate::support::run(documents.resolve(url)).is_ok());
        let request = public(url).request();
        assert_eq!(crate::support::run(layer.clone().oneshot(request)).unwrap().status(), 200);
    }
    assert_eq!(fetched.take().len(), 3_000);
    assert_eq!(*store.kept.lock().unwrap(), HashMap::new());

    crate::support::run(documents.keep(&urls[2_999])).unwrap();
    assert!(store.kept.lock().unwrap().keys().eq([&urls[2_999]]));
    assert_eq!(fetched.take(), [""; 0]);
}

// R139.
#[test]
fn document_stays_kept_until_it_is_withdrawn() {
    let store = Store::default();
    let server = Server::of(|documents| documents.store(store.clone()));
    let kept = || store.kept.lock().unwrap().get(URL).cloned();
    assert_eq!(server.keep(URL), Err(ErrorKind::MetadataDocument));
    assert_eq!(server.keep("app"), Err(ErrorKind::UnknownClient));
    server.pass(MINUTE);
    server.web.publish(URL, document(json!({})));
    server.keep(URL).unwrap();
    for (later, name) in [(1, "new"), (2, "newer")] {
        let text = document(json!({ "client_name": name }));
        server.web.publish(URL, text.clone());
        server.pass(MINUTE);
        server.ask(URL);
        assert_eq!(kept(), Some(stored(&text, NOW + 60 * (1 + later))));
    }

    // Another machine, which learns of the withdrawal.
    let other = Server::of(|documents| documents.store(store.clone()));
    other.pass(10 * MINUTE);
    assert_eq!(other.ask(URL), refused(URL));
    assert_eq!(kept(), Some(stored("", NOW + 600)));
    assert_eq!(other.keep(URL), Err(ErrorKind::MetadataDocument));

    store.go_down();
    assert_eq!(server.keep(URL), Err(ErrorKind::Provider));
    let alone = Server::new();
    assert_eq!(alone.keep(URL), Ok(()), "it has no store");
}

/// A document with these keys.
fn keyed(keys: &[&Value]) -> String {
    document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}}))
}

// R128: whoever has read the document has the key.
#[test]
fn key_that_was_private_in_a_document_stays_refused_without_its_private_part() {
    let key = with(rsa().jwk(), json!({"kid": "1"}));
    let private = with(key.clone(), json!({"d": "AAAA"}));
    let wrapped = json!({"kty": "RSA", "pair": private});
    let other = with(ed().jwk(), json!({"kid": "1"}));
    for leaking in [
        keyed(&[&private]),
        keyed(&[&wrapped, &key]),
        keyed(&[&other, &private]),
        document(json!({"client_secret": "s3cr3t", "jwks": {"keys": [private]}})),
    ] {
        for first in [Some(keyed(&[&key])), None] {
            let server = Server::new();
            let by = |key, alg| server.send(&server.signed(key, alg, json!({})));
            if let Some(first) = first {
                server.web.publish(URL, first);
                assert_eq!(by(rsa(), "RS256").status, 200);
            }
            for text in [leaking.clone(), keyed(&[&key]), keyed(&[&key, &other])] {
                server.web.publish(URL, text.clone());
                server.pass(2 * MINUTE);
                assert_eq!(by(rsa(), "RS256"), refused(URL), "{text}");
            }
            server.web.publish(URL, keyed(&[&other]));
            server.pass(2 * MINUTE);
            assert_eq!(by(ed(), "EdDSA").status, 200, "another key");
            server.web.publish(URL, keyed(&[&key]));
            server.pass(2 * MINUTE);
            assert_eq!(by(rsa(), "RS256"), refused(URL), "it is still remembered");
        }
    }
}

// R128, R138: or somebody could make the server forget it.
#[test]
fn leaked_key_is_remembered_through_a_flood() {
    let key = with(rsa().jwk(), json!({"kid": "1"}));
    let server = Server::of(|documents| documents.max_per_host(4, 10_000).capacity(100));
    server.web.publish(URL, keyed(&[&with(key.clone(), json!({"d": "AAAA"}))]));
    assert_eq!(server.ask(URL), refused(URL));
    for n in 0..1_000 {
        server.ask(&format!("https://other.example/{n}"));
    }
    server.web.publish(URL, keyed(&[&key]));
    server.pass(2 * MINUTE);
    assert_eq!(server.send(&server.signed(rsa(), "RS256", json!({}))), refused(URL));
}

// R128, R139.
#[test]
fn leaked_key_is_known_to_all_machines_and_after_a_restart() {
    let key = with(rsa().jwk(), json!({"kid": "1"}));
    let store = Store::default();
    let start = || Server::of(|documents| documents.store(store.clone()));
    let [first, running] = [start(), start()];
    let by_key = |server: &Server| server.send(&server.signed(rsa(), "RS256", json!({})));
    for server in [&first, &running] {
        server.web.publish(URL, keyed(&[&key]));
        assert_eq!(by_key(server).status, 200);
    }
    first.keep(URL).unwrap();
    first.web.publish(URL, keyed(&[&with(key.clone(), json!({"d": "AAAA"}))]));
    first.pass(MINUTE);
    assert_eq!(by_key(&first), refused(URL));
    let kept = || store.kept.lock().unwrap()[URL].clone();
    assert_eq!((kept().text().len(), kept().leaked_keys().len()), (0, 32));

    // They have never seen the private key.
    let restarted = start();
    for server in [&running, &restarted] {
        server.pass(2 * MINUTE);
        server.web.publish(URL, keyed(&[&key]));
        assert_eq!(by_key(server), refused(URL));
    }
    // Also beside a document that is good again.
    let other = with(ed().jwk(), json!({"kid": "1"}));
    restarted.web.publish(URL, keyed(&[&other]));
    restarted.pass(2 * MINUTE);
    assert_eq!(restarted.send(&restarted.signed(ed(), "EdDSA", json!({}))).status, 200);
    assert_eq!((kept().text(), kept().leaked_keys().len()), (&keyed(&[&other]).into(), 32));
    let last = start();
    last.pass(10 * MINUTE);
    last.web.publish(URL, keyed(&[&key]));
    assert_eq!(by_key(&last), refused(URL));
}

// R139: of two machines that asked in the same second the one that found nothing is right.
#[test]
fn document_replaces_no_newer_one_and_no_withdrawal_of_the_same_second() {
    for (document, kept, expected) in [
        (stored("a", 1), stored("b", 1), true),
        (stored("a", 1), stored("b", 2), false),
        (stored("a", 2), stored("b", 1), true),
        (stored("a", 1), stored("", 1), false),
        (stored("a", 2), stored("", 1), true),
        (stored("", 1), stored("a", 1), true),
        (stored("", 1), stored("a", 2), false),
        (stored("", 1), stored("", 1), true),
    ] {
        assert_eq!(document.replaces(&kept), expected, "{document:?} {kept:?}");
    }
}

// R134, R139.
#[test]
fn kept_document_is_as_old_as_it_is() {
    let hour = 60 * 60;
    for (age, expected) in [
        (0, Ok(0)),
        (59, Ok(0)),
        (60, Ok(1)),
        (hour, Ok(1)),
        (24 * hour + 59, Ok(1)),
        (24 * hour + 60, Err(ErrorKind::MetadataUnreachable)),
        (-hour, Ok(0)),
    ] {
        let store = Store::default();
        store.kept.lock().unwrap().insert(URL.to_owned(), stored(&document(json!({})), NOW - age));
        let server = Server::of(|documents| documents.store(store.clone()));
        server.web.set(URL, Page::Down);
        match expected {
            Ok(fetches) => {
                assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None), "{age}");
                assert_eq!(server.web.fetched.take().len(), fetches, "{age}");
            }
            Err(kind) => assert_eq!(server.ask(URL), failed(kind, URL), "{age}"),
        }
    }
}

// R139.
#[test]
fn what_is_kept_is_judged_again() {
    for text in [
        document(json!({"client_secret": "s3cr3t"})),
        document(json!({"client_id": "https://client.example/other"})),
        "{}".to_owned(),
        document(json!({})) + &" ".repeat(5_120),
    ] {
        let store = Store::default();
        store.kept.lock().unwrap().insert(URL.to_owned(), stored(&text, NOW));
        let server = Server::of(|documents| documents.store(store.clone()));
        server.web.publish(URL, document(json!({})));
        assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
        assert_eq!(server.web.fetched.take(), [URL]);
        assert_eq!(store.kept.lock().unwrap()[URL], stored(&document(json!({})), NOW));

        store.kept.lock().unwrap().insert(URL.to_owned(), stored(&text, NOW));
        let server = Server::of(|documents| documents.known_only(store.clone()));
        server.web.publish(URL, document(json!({})));
        assert_eq!(server.ask(URL), unknown(URL));
        assert_eq!(server.web.fetched.take(), [""; 0]);
    }
}

// R139.
#[test]
fn failing_store_is_a_miss() {
    let store = Store::default();
    store.go_down();
    let server = Server::of(|documents| documents.store(store.clone()));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));

    // Nothing is fetched in its place, and the operator must look.
    let server = Server::of(|documents| documents.known_only(store));
    assert_eq!(server.ask(URL), failed(ErrorKind::Provider, URL));
    assert_eq!(server.web.fetched.take(), [""; 0]);
    let error = server.error(URL);
    let causes = "the store of metadata documents failed: connection refused";
    assert_eq!((error.is_internal(), causes_of(&error)), (true, causes.to_owned()));
}

// R78, R139.
#[test]
fn store_may_refuse_attempts() {
    struct Busy;

    impl DocumentStore for Busy {
        type Error = Throttled;

        async fn get(&self, _url: &str) -> Result<Option<StoredDocument>, Throttled> {
            Err(Throttled::new(Duration::from_secs(7)))
        }

        async fn put(&self, _url: &str, _document: StoredDocument) -> Result<(), Throttled> {
            Err(Throttled::new(Duration::from_secs(7)))
        }
    }

    let server = Server::of(|documents| documents.known_only(Busy));
    let throttled = failed(ErrorKind::Throttled, URL).with("retry-after", "7");
    assert_eq!(server.ask(URL), throttled);
    let server = Server::of(|documents| documents.store(Busy));
    server.web.publish(URL, document(json!({})));
    assert_eq!(server.keep(URL), Err(ErrorKind::Throttled));
}

// R113: why, also where the cause has one in turn.
#[test]
fn unreachable_document_says_why() {
    let server = Server::new();
    server.web.set(URL, Page::Down);
    let error = server.error(URL);
    let causes = "the metadata document could not be had: host unreachable";
    assert_eq!((error.is_internal(), causes_of(&error)), (false, causes.to_owned()));
    let resolved = crate::support::run(server.documents.resolve(URL)).unwrap_err();
    assert_eq!(resolved.causes().to_string(), causes);
}

// R139.
#[test]
fn known_only_makes_no_first_contact() {
    let store = Store::default();
    let server = Server::of(|documents| documents.known_only(store.clone()));
    server.web.publish(URL, document(json!({})));
    for _ in 0..2 {
        assert_eq!(server.ask(URL), unknown(URL));
    }
    assert_eq!(server.web.fetched.take(), [""; 0]);
    assert!(server.layer.client_id_metadata_document_supported());

    // As an authorization endpoint keeps it, a month ago.
    let month = 30 * 24 * 60 * 60;
    store.kept.lock().unwrap().insert(URL.to_owned(), stored(&document(json!({})), NOW - month));
    let accepted = public(URL).accepted(URL, AuthMethod::None);
    assert_eq!(server.ask(URL), accepted);
    assert_eq!(server.web.fetched.take(), [URL], "it is known, and was fetched again");
    assert_eq!(store.kept.lock().unwrap()[URL].fetched_at(), NOW);
    server.pass(2 * MINUTE);
    assert_eq!(server.ask(URL), accepted);
}

// R139.
#[test]
fn known_only_handle_shares_what_is_known() {
    let store = Store::default();
    let server = Server::of(|documents| documents.store(store.clone()));
    server.web.publish(URL, document(json!({})));
    let known = server.documents.clone().known_only(store.clone());
    let error = crate::support::run(known.resolve(URL)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownClient);
    assert!(crate::support::run(server.documents.resolve(URL)).is_ok());
    assert_eq!(*store.kept.lock().unwrap(), HashMap::new());
    store.go_down();
    assert_eq!(crate::support::run(known.resolve(URL)).unwrap().client_id(), URL);
    assert_eq!(server.web.fetched.take(), [URL]);
}

// R138.
#[test]
fn strangers_have_bounds_of_their_own() {
    let server = Server::of(|documents| documents.max_per_host(4, 30));
    let url = |path: usize| format!("https://client.example/{path}");
    server.web.publish(URL, document(json!({})));
    assert!(crate::support::run(server.documents.resolve(URL)).is_ok());
    for path in 0..29 {
        assert_eq!(server.ask(&url(path)), refused(&url(path)));
    }
    let throttled = failed(ErrorKind::Throttled, &url(29)).with("retry-after", "60");
    assert_eq!(server.ask(&url(29)), throttled);
    server.pass(59);
    assert_eq!(server.ask(URL), public(URL).accepted(URL, AuthMethod::None));
    server.pass(1);
    assert_eq!(
        server.ask(URL),
        public(URL).accepted(URL, AuthMethod::None),
        "known ones are fetched"
    );
    assert_eq!(server.ask(&url(29)), refused(&url(29)));
    assert_eq!(server.web.fetched.take().iter().filter(|fetched| *fetched == URL).count(), 2);
}

// R138: anybody can ask for documents that are not there, and must not keep the clients of that host out.
#[test]
fn host_that_was_chosen_has_room_for_many_unknown_clients() {
    let (web, clock) = (Web::default(), Clock::fixed(NOW));
    for (documents, a_minute) in [
        (MetadataDocuments::from_hosts(["client.example"]), 600),
        (MetadataDocuments::from_any_host(), 30),
    ] {
        let documents = documents.unwrap().source(web.clone()).clock(clock.clone());
        let kind = |path: usize| {
            let url = format!("https://client.example/{path}");
            crate::support::run(documents.resolve(&url)).unwrap_err().kind()
        };
        for path in 0..a_minute {
            assert_eq!(kind(path), ErrorKind::MetadataDocument, "{path}");
        }
        assert_eq!(kind(a_minute), ErrorKind::Throttled);
    }
}

// R138: a document is known as soon as it was there, whoever has made it.
#[tokio::test(start_paused = true)]
async fn trusted_document_is_fetched_again_whatever_others_do() {
    let (web, clock) = (Web::default(), Clock::fixed(NOW));
    let documents = MetadataDocuments::from_any_host().unwrap().trusted([URL]);
    let documents = documents.source(web.clone()).clock(clock.clone());
    let others: Vec<_> = (0..40).map(|n| format!("https://{}.example/{n}", n / 4)).collect();
    for url in others.iter().map(|url| &**url).chain([URL]) {
        web.publish(url, document(json!({"client_id": url})));
        assert!(documents.resolve(url).await.is_ok());
    }
    clock.advance(Duration::from_secs(61));
    for url in others {
        web.set(&url, Page::Hanging);
        let documents = documents.clone();
        tokio::spawn(async move { documents.resolve(&url).await.is_ok() });
    }
    tokio::task::yield_now().await;
    web.publish(URL, document(json!({"client_name": "new"})));
    let fetched = documents.resolve(URL).await.unwrap();
    assert_eq!(fetched.client().client_name.as_deref(), Some("new"));
}

// R138: anybody has documents that are known, at hosts that take all the time there is.
#[tokio::test(start_paused = true)]
async fn known_document_outlives_a_want_of_room() {
    let keys = |members| with(json!({"jwks": {"keys": [ed().jwk()]}}), members);
    let signs = json!({"token_endpoint_auth_method": "private_key_jwt"});
    let at_uri = json!({"jwks_uri": "https://client.example/jwks.json"});
    for (members, expected) in [
        (json!({}), Ok(())),
        (with(signs.clone(), at_uri), Ok(())),
        (keys(json!({})), Ok(())),
        // One of them may have been withdrawn.
        (keys(signs), Err(ErrorKind::MetadataUnreachable)),
    ] {
        let (web, clock) = (Web::default(), Clock::fixed(NOW));
        let documents = MetadataDocuments::from_any_host().unwrap();
        let documents = documents.source(web.clone()).clock(clock.clone());
        let resolve = async || {
            let resolved = documents.resolve(URL).await;
            resolved.map(|_client| ()).map_err(|error| error.kind())
        };
        web.publish(URL, document(members));
        assert_eq!(resolve().await, Ok(()));
        let slow: Vec<_> = (0..16).map(|n| format!("https://{n}.example/")).collect();
        for url in &slow {
            web.publish(url, document(json!({"client_id": url})));
            assert!(documents.resolve(url).await.is_ok());
            web.set(url, Page::Hanging);
        }
        web.fetched.take();
        clock.advance(Duration::from_secs(MINUTE));
        let strangers: Vec<_> = slow
            .iter()
            .map(|url| (documents.clone(), url.clone()))
            .map(|(documents, url)| tokio::spawn(async move { documents.resolve(&url).await }))
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(resolve().await, expected);
        if expected.is_ok() {
            let begun = tokio::time::Instant::now();
            assert_eq!(resolve().await, Ok(()));
            assert!(begun.elapsed().is_zero(), "not every request waits for its turn");
        }
        assert_eq!(web.fetched.take().len(), 16, "of the slow ones");
        strangers.iter().for_each(tokio::task::JoinHandle::abort);

        // Their fetches are over.
        tokio::time::sleep(Duration::from_secs(10)).await;
        web.set(URL, Page::Refused);
        clock.advance(Duration::from_secs(5));
        assert_eq!(resolve().await, Err(ErrorKind::MetadataDocument), "it is asked again");
    }
}

// R134: for documents without keys as long as in an outage.
#[tokio::test]
async fn known_document_outlives_a_throttle_for_a_day() {
    let server = Server::new();
    server.web.publish(URL, document(json!({})));
    assert!(server.documents.resolve(URL).await.is_ok());
    server.web.set(URL, Page::Throttled);
    server.pass(MINUTE);
    for _ in 0..3 {
        assert!(server.documents.resolve(URL).await.is_ok());
    }
    assert_eq!(server.web.fetched.take(), [URL; 2]);
    server.pass(24 * 60 * MINUTE);
    let error = server.documents.resolve(URL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
}

#[test]
fn withdrawn_document_pushes_out_no_client() {
    let server = Server::of(|documents| documents.capacity(2));
    let [a, b, c] = ["a", "b", "c"].map(|path| format!("https://client.example/{path}"));
    let ask = |url: &str| {
        server.web.publish(url, document(json!({"client_id": url})));
        assert_eq!(server.ask(url), public(url).accepted(url, AuthMethod::None));
    };
    ask(&a);
    ask(&b);
    server.pass(MINUTE);
    ask(&b);
    server.web.set(&a, Page::Refused);
    assert_eq!(server.ask(&a), refused(&a));
    ask(&c);
    server.web.fetched.take();
    server.pass(2);
    ask(&b);
    assert_eq!(server.web.fetched.take(), [""; 0]);
}

// R138.
#[test]
fn one_host_pushes_out_documents_of_its_own_alone() {
    let (web, clock) = (Web::default(), Clock::fixed(NOW));
    let documents = MetadataDocuments::from_any_host().unwrap().max_per_host(4, 1_000);
    let documents = documents.source(web.clone()).clock(clock.clone());
    let resolve = |url: &str| assert!(crate::support::run(documents.resolve(url)).is_ok(), "{url}");
    let url = |path: usize| format!("https://many.example:{}/{path}", 1_024 + path);
    web.publish(URL, document(json!({})));
    resolve(URL);
    for path in 0..20 {
        web.publish(&url(path), document(json!({"client_id": url(path)})));
        resolve(&url(path));
    }
    web.fetched.take();
    clock.advance(Duration::from_secs(1));
    for path in 4..20 {
        resolve(&url(path));
    }
    resolve(URL);
    assert_eq!(web.fetched.take(), [""; 0]);
    resolve(&url(3));
    assert_eq!(web.fetched.take(), [url(3)]);
    resolve(URL);
}

/// Has a document at every URL but those of `down.example`.
#[derive(Clone, Default)]
struct Everywhere(Log<String>);

impl DocumentSource for Everywhere {
    type Error = BoxError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, BoxError> {
        self.0.push(url.to_owned());
        if url.contains("down.example") {
            return Err(io::Error::from(io::ErrorKind::HostUnreachable).into());
        }
        let text = json!({"client_id": url, "redirect_uris": [url]}).to_string();
        Ok(FetchedDocument::new(text.into(), None))
    }
}

// R138: 20,000 of them from 200 hosts within 100 seconds, and one client that comes each second.
#[test]
fn client_in_use_is_known_through_a_flood() {
    let (web, clock) = (Everywhere::default(), Clock::fixed(NOW));
    let documents = MetadataDocuments::from_any_host().unwrap();
    let documents = documents.source(web.clone()).clock(clock.clone());
    let resolve = |url: &str| crate::support::run(documents.resolve(url)).map(|_client| ());
    assert!(resolve(URL).is_ok());
    let mut throttled = 0;
    for second in 0..100 {
        clock.advance(Duration::from_secs(1));
        for n in 0..200 {
            let host = if n % 2 == 0 { "up.example" } else { "down.example" };
            match resolve(&format!("https://{n}.{host}/{second}")) {
                Err(error) if error.kind() == ErrorKind::Throttled => throttled += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::MetadataUnreachable),
                Ok(()) => assert_eq!(n % 2, 0),
            }
        }
        assert!(resolve(URL).is_ok(), "second {second}");
    }
    let fetches = web.0.take();
    // 30 a minute from each host, and the one client again after a minute.
    assert_eq!((fetches.len(), throttled), (200 * 60 + 2, 200 * 40));
    assert_eq!(fetches.iter().filter(|url| *url == URL).count(), 2);
}

// R134.
#[tokio::test]
async fn no_request_waits_for_a_document_that_is_fetched_again() {
    let server = Server::new();
    server.web.publish(URL, document(json!({})));
    assert!(server.documents.resolve(URL).await.is_ok());
    let mut fetched = 0;
    for (seconds, fetches) in [(29, 1), (1, 2)] {
        server.pass(seconds);
        server.web.set(URL, Page::Hanging);
        // Nothing else runs meanwhile.
        assert!(crate::support::run(server.documents.resolve(URL)).is_ok());
        tokio::task::yield_now().await;
        fetched += server.web.fetched.take().len();
        assert_eq!(fetched, fetches);
    }
}
