//! Providers: the one in memory, closures, boxes, and those that fail.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, ready},
    io,
    sync::Arc,
    time::Duration,
};

use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, ErrorKind as K, RegisteredClient,
    provider::{BoxClientProvider, Throttled, provider_fn},
};

use crate::support::{
    App, Clients, Harness, Log, TestRequest, basic_client, clients, failed, plain, public_client,
    refused,
};

type Found = Option<RegisteredClient<App>>;

fn right() -> TestRequest {
    TestRequest::bare().basic("basic:basic-s3cr3t")
}

// R107: while requests are served, also while one of them is under way.
#[test]
fn insert_and_remove_while_serving() {
    let shared = Arc::new(Clients::new());
    let harness = Harness::of(Arc::clone(&shared));
    let ask = TestRequest::form("client_id=late");
    assert_eq!(harness.ask(&ask), failed(K::UnknownClient, "late"));
    assert!(shared.insert(public_client("late")).is_none());
    assert_eq!(harness.ask(&ask), ask.accepted("late", AuthMethod::None));
    let replaced = shared.insert(basic_client("late", [plain("s3cr3t")])).unwrap();
    assert_eq!(replaced.client_id(), "late");
    assert_eq!(harness.ask(&ask), failed(K::MethodMismatch, "late"));
    assert_eq!(shared.get("late").unwrap().client().0, "app of late");
    assert!(shared.remove("late").is_some());
    assert!(shared.remove("late").is_none());
    assert_eq!(harness.ask(&ask), failed(K::UnknownClient, "late"));
}

#[test]
fn later_client_replaces_the_earlier() {
    let twice = Clients::from_iter([
        public_client("basic"),
        basic_client("basic", [plain("basic-s3cr3t")]),
    ]);
    let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(Harness::of(twice).ask(&right()), expected);
}

// R29: short ones are kept in another place than long ones.
#[test]
fn id_and_secret_may_have_any_length() {
    let text = |length: usize| "x".repeat(length);
    let lengths = || (1..100).chain([1_000]);
    let known = lengths().map(|length| basic_client(&text(length), [plain(&text(length))]));
    let harness = Harness::of(Clients::from_iter(known));
    for length in lengths() {
        let (id, right) = (text(length), text(length));
        let ask = |secret: &str| TestRequest::bare().basic(format!("{id}:{secret}"));
        let accepted = ask(&right).accepted(&id, AuthMethod::ClientSecretBasic);
        assert_eq!(harness.ask(&ask(&right)), accepted, "{length}");
        for wrong in [text(length - 1), text(length + 1), format!("{}y", text(length - 1))] {
            assert_eq!(harness.ask(&ask(&wrong)), failed(K::WrongSecret, &id), "{length}");
        }
    }
}

// Every kind of provider gives the same answers to all cases.
#[test]
fn every_kind_of_provider() {
    fn check<P: ClientProvider<Client = App>>(harness: &Harness<P>) {
        for case in crate::cases::cases() {
            assert_eq!(harness.ask(&case.ask), case.expected, "{}", case.name);
        }
    }
    check(&Harness::of(Arc::new(clients())));
    check(&Harness::of(Arc::new(Arc::new(clients()))));
    check(&Harness::of(BoxClientProvider::new(clients())));
    check(&Harness::of(BoxClientProvider::new(BoxClientProvider::new(clients())).clone()));
    let known = clients();
    check(&Harness::of(provider_fn(move |id: &str| ready(Ok::<_, Infallible>(known.get(id))))));
    check(&Harness::of(provider_fn(find)));
    check(&Harness::of(provider_fn(async |id: &str| find(id).await)));
    check(&Harness::of(Yielding(clients())));
}

/// Borrows the id across an await.
async fn find(client_id: &str) -> Result<Found, BoxError> {
    tokio::task::yield_now().await;
    Ok(clients().get(client_id))
}

/// A provider that borrows the id across several awaits.
struct Yielding(Clients);

impl ClientProvider for Yielding {
    type Client = App;
    type Error = BoxError;

    async fn find_client(&self, client_id: &str) -> Result<Found, BoxError> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok(self.0.get(client_id))
    }
}

// R73: never 401, which would make clients throw their registration away, and never success.
#[test]
fn failing_provider_is_503_without_detail() {
    let failing = Harness::of(provider_fn(|_: &str| {
        ready(Err::<Found, _>(io::Error::other("password s3cr3t of the database")))
    }));
    assert_eq!(failing.ask(&right()), failed(K::Provider, "basic"));
    let public = TestRequest::form("client_id=public");
    assert_eq!(failing.ask(&public), failed(K::Provider, "public"));
    // What is malformed is so without a provider.
    assert_eq!(failing.ask(&TestRequest::bare()), refused(K::NoCredentials));
    let response =
        crate::support::run(tower::ServiceExt::oneshot(failing.service(), right().request()))
            .unwrap();
    let error = response.extensions().get::<tower_client_auth::Error>().unwrap();
    let cause = std::error::Error::source(error).unwrap();
    assert!(cause.is::<io::Error>(), "the operator's logs need it");
    assert!(error.is_internal());
    assert_eq!(error.to_string(), "the provider failed");
    assert_eq!(error.kind().to_string(), error.kind().as_str());
}

// R73, R119: before and after its first await, with any payload, and the service stays usable.
#[test]
fn panicking_provider_is_503() {
    struct Panics(Clients);
    impl ClientProvider for Panics {
        type Client = App;
        type Error = Infallible;

        fn find_client(
            &self,
            client_id: &str,
        ) -> impl Future<Output = Result<Found, Infallible>> + Send {
            assert_ne!(client_id, "panic-in-call", "before there is a future");
            async move {
                match client_id {
                    "panic-at-once" => panic!("before the first await"),
                    "panic-later" => {
                        tokio::task::yield_now().await;
                        std::panic::panic_any(17)
                    }
                    _ => Ok(self.0.get(client_id)),
                }
            }
        }
    }
    let outcomes = Log::default();
    let outcomes_inside = outcomes.clone();
    let harness = Harness::of(Panics(clients())).set(|layer| {
        layer.on_outcome(move |outcome| {
            outcomes_inside.push((
                outcome.client_id().map(str::to_owned),
                outcome.method().cloned(),
                outcome.error().map(tower_client_auth::Error::kind),
            ));
        })
    });
    for id in ["panic-in-call", "panic-at-once", "panic-later"] {
        let answer = harness.ask(&TestRequest::bare().basic(format!("{id}:x")));
        assert_eq!(answer, failed(K::Provider, id));
        let basic = Some(AuthMethod::ClientSecretBasic);
        assert_eq!(outcomes.take(), [(Some(id.into()), basic, Some(K::Provider))]);
        let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
        assert_eq!(harness.ask(&right()), expected);
        outcomes.take();
    }
    let boxed = Harness::of(BoxClientProvider::new(Panics(clients())));
    let answer = boxed.ask(&TestRequest::form("client_id=panic-in-call"));
    assert_eq!(answer, failed(K::Provider, "panic-in-call"));
}

// R73, R110.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn silent_provider_is_503_at_its_deadline() {
    let deadline = Duration::from_secs(5);
    let slow = |after: Duration| {
        Harness::of(provider_fn(move |id: &str| {
            let id = id.to_owned();
            async move {
                tokio::time::sleep(after).await;
                Ok::<Found, Infallible>(clients().get(&id))
            }
        }))
        .set(|layer| layer.limits(tower_client_auth::Limits::new().provider_deadline(deadline)))
    };
    let start = tokio::time::Instant::now();
    let answer = slow(Duration::MAX).answer(right().request()).await;
    assert_eq!(answer, failed(K::ProviderTimeout, "basic"));
    assert_eq!(start.elapsed().as_secs(), deadline.as_secs());
    let answer = slow(deadline / 2).answer(right().request()).await;
    assert_eq!(answer, right().accepted("basic", AuthMethod::ClientSecretBasic));
    let never_boxed = Harness::of(BoxClientProvider::new(provider_fn(|_: &str| {
        std::future::pending::<Result<Found, Infallible>>()
    })))
    .set(|layer| layer.limits(tower_client_auth::Limits::new().provider_deadline(deadline)));
    let answer = never_boxed.answer(right().request()).await;
    assert_eq!(answer, failed(K::ProviderTimeout, "basic"));
}

// RFC 6749 §2.2: a store that folds case, trims or normalises must not merge two clients. The
// credentials that are right for the other client are wrong for this one.
#[test]
fn answer_for_another_id_is_refused() {
    for stored in ["BASIC", "basic ", "basic\u{0}", "basi\u{441}", "", "other"] {
        for client in [basic_client(stored, [plain("basic-s3cr3t")]), public_client(stored)] {
            let harness = Harness::of(provider_fn(move |_: &str| {
                ready(Ok::<_, Infallible>(Some(client.clone())))
            }));
            assert_eq!(harness.ask(&right()), failed(K::ProviderMismatch, "basic"), "{stored:?}");
            let by_id = TestRequest::form("client_id=basic");
            assert_eq!(harness.ask(&by_id), failed(K::ProviderMismatch, "basic"), "{stored:?}");
        }
    }
}

// R75, R79. RFC 6585 §4: whole seconds, rounded up.
#[test]
fn throttled_attempt_is_429_with_retry_after() {
    for (wait, header) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_secs(30), "30"),
        (Duration::from_millis(30_001), "31"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let throttled = Throttled::new(wait);
        assert_eq!(throttled.retry_after(), wait);
        let expected = failed(K::Throttled, "basic").with("retry-after", header);
        let typed = Harness::of(provider_fn(move |_: &str| ready(Err::<Found, _>(throttled))));
        assert_eq!(typed.ask(&right()), expected);
        // As most decorators have it, and through a box, which must not hide it.
        let boxed = provider_fn(move |_: &str| ready(Err::<Found, BoxError>(throttled.into())));
        assert_eq!(Harness::of(boxed).ask(&right()), expected);
        let erased = Harness::of(BoxClientProvider::new(boxed));
        assert_eq!(erased.ask(&right()), expected);
    }
}

// R75, R79: also as the cause of an error of the application's own, at any depth; its text says nothing.
#[test]
fn throttled_cause_is_429_with_retry_after() {
    #[derive(Debug)]
    enum StoreError {
        Refused(Throttled),
        Replica(Box<Self>),
        Text(&'static str),
    }
    impl fmt::Display for StoreError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if let Self::Text(text) = self { text } else { "the store failed" })
        }
    }
    impl std::error::Error for StoreError {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            match self {
                Self::Refused(throttled) => Some(throttled),
                Self::Replica(cause) => Some(cause.as_ref()),
                Self::Text(_) => None,
            }
        }
    }
    fn answer(make: fn(Throttled) -> BoxError) -> crate::support::Answer {
        let throttled = Throttled::new(Duration::from_secs(30));
        let failing = provider_fn(move |_: &str| ready(Err::<Found, BoxError>(make(throttled))));
        Harness::of(failing).ask(&right())
    }
    let expected = failed(K::Throttled, "basic").with("retry-after", "30");
    assert_eq!(answer(Into::into), expected);
    assert_eq!(answer(|throttled| StoreError::Refused(throttled).into()), expected);
    assert_eq!(
        answer(|throttled| StoreError::Replica(Box::new(StoreError::Refused(throttled))).into()),
        expected
    );
    let text = answer(|_| StoreError::Text("too many attempts, retry after 30s").into());
    assert_eq!(text, failed(K::Provider, "basic"));
    let nested = answer(|_| StoreError::Replica(Box::new(StoreError::Text("throttled"))).into());
    assert_eq!(nested, failed(K::Provider, "basic"));
}

/// What `RegisteredClient::new` returns for a row that has a method and no secret for it.
fn invalid(client_id: &str) -> BoxError {
    let method = AuthMethod::ClientSecretBasic;
    RegisteredClient::new(client_id, &method, [], App(String::new())).unwrap_err().into()
}

// A row that nobody can authenticate with is no outage, also where the provider says so with `?`.
#[test]
fn invalid_registration_of_the_client_that_was_asked_for_is_401() {
    #[derive(Debug)]
    struct StoreError(BoxError);
    impl fmt::Display for StoreError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a row is wrong")
        }
    }
    impl std::error::Error for StoreError {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.0)
        }
    }
    let makers: [fn(BoxError) -> BoxError; 3] =
        [|error| error, |error| StoreError(error).into(), |error| io::Error::other(error).into()];
    for make in makers {
        let of = |client_id: &'static str| {
            let failing =
                provider_fn(move |_: &str| ready(Err::<Found, BoxError>(make(invalid(client_id)))));
            (Harness::of(failing), Harness::of(BoxClientProvider::new(failing)))
        };
        let ((typed, boxed), (others, others_boxed)) = (of("basic"), of("batch"));
        for harness in [&typed.ask(&right()), &boxed.ask(&right())] {
            assert_eq!(*harness, failed(K::UnusableRegistration, "basic"));
        }
        // Who loads a whole table must not turn one bad row into 401 for all.
        for answer in [others.ask(&right()), others_boxed.ask(&right())] {
            assert_eq!(answer, failed(K::Provider, "basic"));
        }
    }
}

// R79: a decorator that throttles is asked before anything expensive is done, and only then.
#[test]
fn throttle_runs_before_the_store() {
    struct Throttle<P> {
        inner: P,
        asked: Log<String>,
    }
    impl<P: ClientProvider> ClientProvider for Throttle<P> {
        type Client = P::Client;
        type Error = BoxError;

        async fn find_client(
            &self,
            client_id: &str,
        ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
            if client_id == "throttled" {
                return Err(Throttled::new(Duration::from_secs(1)).into());
            }
            self.asked.push(client_id.into());
            self.inner.find_client(client_id).await.map_err(Into::into)
        }
    }
    let asked = Log::default();
    let harness = Harness::of(Throttle { inner: clients(), asked: asked.clone() });
    let answer = harness.ask(&TestRequest::bare().basic("throttled:x"));
    assert_eq!(answer, failed(K::Throttled, "throttled").with("retry-after", "1"));
    assert_eq!(asked.take(), [""; 0]);
    let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(harness.ask(&right()), expected);
    assert_eq!(asked.take(), ["basic"]);
}

// R106: nothing is fetched or guessed about an id that is a URL; the provider decides.
#[test]
fn url_id_reaches_the_provider_unchanged() {
    let url = "https://client.example/a%20b?c=d#e";
    let harness = Harness::of(provider_fn(|_: &str| ready(Ok::<Found, Infallible>(None))));
    let encoded = "https%3A%2F%2Fclient.example%2Fa%2520b%3Fc%3Dd%23e";
    for ask in [
        TestRequest::form(format!("client_id={encoded}")),
        TestRequest::form(format!("client_id={encoded}&client_secret=x")),
        TestRequest::bare().basic(format!("{encoded}:x")),
    ] {
        assert_eq!(harness.ask(&ask), failed(K::UnknownClient, url));
    }
}
