//! What becomes of a request when code of the application panics. Providers, verifiers and stores are
//! tested where their failures are: they are outages.

use std::{
    convert::Infallible,
    error::Error as _,
    fmt,
    future::{Future, pending},
    panic::panic_any,
    pin::pin,
    task::{Context, Waker},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, ClientSecret, Clock, Error, ErrorKind as K, Outcome,
    RegisteredClient, body::RequestBody, provider::provider_fn,
};

#[cfg(feature = "cache")]
use crate::support::NOW;
use crate::support::{
    Answer, App, Harness, Log, TestRequest, basic_client, clients, failed, plain, public_client,
    refused, run,
};

type Reports = Log<(Option<String>, Option<K>)>;

fn report(reports: &Reports, outcome: &Outcome<'_>) {
    reports.push((outcome.client_id().map(str::to_owned), outcome.error().map(Error::kind)));
}

fn right() -> TestRequest {
    TestRequest::bare().basic("basic:basic-s3cr3t")
}

/// A harness whose reports are written down.
fn reporting(harness: Harness) -> (Harness, Reports) {
    let reports = Reports::default();
    let inside = reports.clone();
    (harness.set(|layer| layer.on_outcome(move |outcome| report(&inside, outcome))), reports)
}

// R113, R119: an observer changes no answer, and is told of each decision once.
#[test]
fn panicking_observer_changes_no_answer() {
    /// It may even panic again when what it panicked with is dropped.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a panic that panics");
        }
    }

    let reports = Reports::default();
    let inside = reports.clone();
    let harness = Harness::new().set(|layer| {
        layer.on_outcome(move |outcome| {
            report(&inside, outcome);
            panic_any(Bomb);
        })
    });
    for (ask, id, expected) in [
        (right(), Some("basic"), right().accepted("basic", AuthMethod::ClientSecretBasic)),
        (TestRequest::bare().basic("basic:x"), Some("basic"), failed(K::WrongSecret, "basic")),
        (TestRequest::bare().basic("nobody:x"), Some("nobody"), failed(K::UnknownClient, "nobody")),
        (TestRequest::bare(), None, refused(K::NoCredentials)),
        (right().method("GET"), Some("basic"), refused(K::MethodNotAllowed)),
    ] {
        let kind = expected.kind;
        assert_eq!(harness.ask(&ask), expected);
        assert_eq!(reports.take(), [(id.map(str::to_owned), kind)]);
    }
}

// R15, R119: who cannot tell whether the transport is secure lets nothing pass.
#[test]
fn panicking_predicate_lets_no_request_pass() {
    let insecure = || Harness::new().set(|layer| layer.require_https(|_| panic!("no such header")));
    let (harness, reports) = reporting(insecure());
    for (ask, id) in [
        (right(), Some("basic")),
        (TestRequest::form("client_id=public"), None),
        (TestRequest::bare(), None),
    ] {
        assert_eq!(harness.ask(&ask), refused(K::Panicked));
        assert_eq!(reports.take(), [(id.map(str::to_owned), Some(K::Panicked))]);
    }
    let headers_only = insecure().set(|layer| layer.headers_only().unwrap());
    assert_eq!(headers_only.ask(&right()), refused(K::Panicked));
    let grpc = insecure().set(|layer| layer.grpc().unwrap());
    let call = right().with("content-type", "application/grpc").with("te", "trailers");
    let internal = Answer {
        status: 200,
        headers: vec![
            ("content-type".into(), "application/grpc".into()),
            ("grpc-message".into(), "internal error".into()),
            ("grpc-status".into(), "13".into()),
        ],
        body: String::new(),
        ..refused(K::Panicked)
    };
    assert_eq!(grpc.ask(&call), internal);
}

// R63, R119: without a time nobody can tell what has expired. Clients whose secrets never do are no
// exception.
#[test]
fn panicking_clock_lets_no_request_pass() {
    let clock = || Clock::new(|| panic!("no time"), Instant::now);
    let (harness, reports) = reporting(Harness::new().set(|layer| layer.clock(clock())));
    for (ask, id) in [
        (right(), "basic"),
        (TestRequest::form("client_id=post&client_secret=post-s3cr3t"), "post"),
        (TestRequest::form("client_id=public"), "public"),
        (TestRequest::bare().basic("nobody:x"), "nobody"),
    ] {
        assert_eq!(harness.ask(&ask), failed(K::Panicked, id));
        assert_eq!(reports.take(), [(Some(id.to_owned()), Some(K::Panicked))]);
    }
    let preset =
        Harness::with(clients(), ClientAuthLayer::mcp_python_sdk).set(|layer| layer.clock(clock()));
    let ask = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    assert_eq!(preset.ask(&ask), failed(K::Panicked, "post"));
}

// An assertion is dated, so the clock is read before the look-up.
#[cfg(feature = "jwt")]
#[test]
fn panicking_clock_lets_no_assertion_pass() {
    use tower_client_auth::{assertion::Assertions, replay::MemoryReplayStore};

    let harness = Harness::new().set(|layer| {
        let replay = MemoryReplayStore::default();
        layer
            .assertions(Assertions::new("https://as.example", replay).unwrap())
            .clock(Clock::new(|| panic!("no time"), Instant::now))
    });
    let (harness, reports) = reporting(harness);
    let ask = TestRequest::form(
        "client_assertion=e30.e30.x&client_assertion_type=\
         urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    assert_eq!(harness.ask(&ask), refused(K::Panicked));
    assert_eq!(reports.take(), [(None, Some(K::Panicked))]);
}

// R73: the clock of a cache is part of the provider.
#[cfg(feature = "cache")]
#[tokio::test]
async fn panicking_clock_of_a_cache_is_an_outage() {
    let clock = Clock::new(|| NOW, || panic!("no time"));
    let cached = tower_client_auth::provider::CachedProvider::new(clients()).clock(clock);
    let answer = Harness::of(cached).answer(right().request()).await;
    assert_eq!(answer, failed(K::Provider, "basic"));
}

// R113: what was to be changed is not sent, and the reason that was reported stays what it was.
#[test]
fn panicking_change_of_an_answer_is_500() {
    let harness =
        Harness::new().set(|layer| layer.map_error_response(|_, _| panic!("no template")));
    let (harness, reports) = reporting(harness);
    let wrong = TestRequest::bare().basic("basic:wrong");
    assert_eq!(harness.ask(&wrong), failed(K::Panicked, "basic"));
    assert_eq!(reports.take(), [(Some("basic".to_owned()), Some(K::WrongSecret))]);
    let expected = Answer { body: String::new(), ..refused(K::Panicked) };
    assert_eq!(harness.ask(&TestRequest::bare().method("HEAD")), expected);
    assert_eq!(reports.take(), [(None, Some(K::MethodNotAllowed))]);
    let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(harness.ask(&right()), expected);
}

/// An error of the application that cannot even be read.
#[derive(Debug)]
struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it cannot be printed")
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        panic!("it has no cause")
    }
}

struct Unprintable;

impl From<Unprintable> for BoxError {
    fn from(_: Unprintable) -> Self {
        panic!("it is no error")
    }
}

// R119: errors of the provider are of the application, too.
#[test]
fn panicking_error_of_a_provider_is_500() {
    let unreadable = Harness::of(provider_fn(|_: &str| async {
        Err::<Option<RegisteredClient<App>>, _>(Unreadable)
    }));
    assert_eq!(unreadable.ask(&right()), failed(K::Panicked, "basic"));
    let unprintable = Harness::of(provider_fn(|_: &str| async {
        Err::<Option<RegisteredClient<App>>, _>(Unprintable)
    }));
    assert_eq!(unprintable.ask(&right()), failed(K::Panicked, "basic"));
}

/// Panics when it is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("it breaks");
    }
}

// R110, R113: what a look-up holds is dropped with it when the caller hangs up.
#[test]
fn panic_while_a_look_up_is_dropped_is_swallowed() {
    let provider = provider_fn(|_: &str| async {
        let _fragile = Fragile;
        pending::<Result<Option<RegisteredClient<App>>, Infallible>>().await
    });
    let reports = Reports::default();
    let inside = reports.clone();
    let layer = ClientAuthLayer::new(provider).on_outcome(move |outcome| report(&inside, outcome));
    let inner = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let ask = TestRequest::form("client_id=public");
    {
        let mut answer = pin!(layer.layer(inner).oneshot(ask.request()));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..5 {
            assert!(answer.as_mut().poll(&mut cx).is_pending());
        }
    }
    assert_eq!(reports.take(), [(Some("public".to_owned()), Some(K::Abandoned))]);
}

// R110: the client that was found is dropped with the request, too.
#[test]
fn panic_of_a_client_whose_caller_hangs_up_is_swallowed() {
    let layer = ClientAuthLayer::new(provider_fn(|id: &str| {
        let secrets = [ClientSecret::verified_by(|_| pending())];
        let client = RegisteredClient::secret_basic(id, secrets, Fragile);
        async { Ok::<_, Infallible>(Some(client)) }
    }));
    let inner = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let ask = TestRequest::bare().basic("c:s3cr3t");
    let mut answer = pin!(Some(layer.layer(inner).oneshot(ask.request())));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..5 {
        assert!(answer.as_mut().as_pin_mut().unwrap().poll(&mut cx).is_pending());
    }
    answer.set(None);
}

// R119: a client that panics when it is dropped, because it was refused, refuses itself only.
#[test]
fn panicking_client_is_500() {
    let layer = ClientAuthLayer::new(provider_fn(|id: &str| {
        let secrets = [plain("right-s3cr3t")];
        let client = RegisteredClient::secret_basic(id, secrets, Fragile);
        async { Ok::<_, Infallible>(Some(client)) }
    }));
    let inner = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let ask = TestRequest::bare().basic("c:wrong-s3cr3t");
    let response = run(layer.layer(inner).oneshot(ask.request())).unwrap();
    assert_eq!(response.status(), 500);
    let error = response.extensions().get::<Error>().unwrap();
    assert_eq!(
        (error.kind(), error.error_code(), error.is_internal(), error.source().is_none()),
        (K::Panicked, "server_error", true, true)
    );
}

// The layer is as good as before, whatever panicked.
#[test]
fn layer_survives_panics() {
    let stored = clients();
    stored.insert(basic_client("c", [plain("c-s3cr3t")]));
    stored.insert(public_client("p"));
    let harness = Harness::of(stored).set(|layer| {
        layer.require_https(|head| {
            assert!(!head.headers.contains_key("x-panic"), "told to");
            true
        })
    });
    for times in 0..3 {
        let ask = TestRequest::bare().basic("c:c-s3cr3t");
        assert_eq!(harness.ask(&ask.clone().with("x-panic", "1")), refused(K::Panicked));
        assert_eq!(harness.ask(&ask), ask.accepted("c", AuthMethod::ClientSecretBasic), "{times}");
        let ask = TestRequest::form("client_id=p");
        assert_eq!(harness.ask(&ask), ask.accepted("p", AuthMethod::None), "{times}");
    }
}

// R119: nor may the error of a verifier be read where a panic in it would end the connection.
#[test]
fn panicking_error_of_a_verifier_is_503() {
    let stored = clients();
    let unreadable = ClientSecret::verified_by(|_| async { Err(Unreadable.into()) });
    stored.insert(basic_client("c", [unreadable]));
    let (harness, reports) = reporting(Harness::of(stored));
    let ask = TestRequest::bare().basic("c:c-s3cr3t");
    assert_eq!(harness.ask(&ask), failed(K::Verifier, "c"));
    assert_eq!(reports.take(), [(Some("c".to_owned()), Some(K::Verifier))]);
}
