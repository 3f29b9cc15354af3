//! Providers: the one in memory, closures, boxes, and those that fail.

use std::{
    convert::Infallible,
    future::{Future, ready},
    io,
    sync::Arc,
    time::Duration,
};

use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, ErrorKind as K, Limits, RegisteredClient,
    provider::{BoxClientProvider, Throttled, provider_fn},
};

use crate::support::{
    App, Ask, Bench, Clients, Log, basic_client, clients, failed, plain, public_client, refused,
};

type Found = Option<RegisteredClient<App>>;

fn right() -> Ask {
    Ask::bare().basic("basic:basic-s3cr3t")
}

// R107: while requests are served, also while one of them is under way.
#[test]
fn clients_can_be_inserted_and_removed_while_serving() {
    let shared = Arc::new(Clients::new());
    let bench = Bench::of(Arc::clone(&shared));
    let ask = Ask::form("client_id=late");
    assert_eq!(bench.ask(&ask), failed(K::UnknownClient, "late"));
    assert!(shared.insert(public_client("late")).is_none());
    assert_eq!(bench.ask(&ask), ask.accepted("late", AuthMethod::None));
    let replaced = shared.insert(basic_client("late", [plain("s3cr3t")])).unwrap();
    assert_eq!(replaced.client_id(), "late");
    assert_eq!(bench.ask(&ask), failed(K::MethodMismatch, "late"));
    assert_eq!(shared.get("late").unwrap().client().0, "app of late");
    assert!(shared.remove("late").is_some());
    assert!(shared.remove("late").is_none());
    assert_eq!(bench.ask(&ask), failed(K::UnknownClient, "late"));
}

#[test]
fn of_two_clients_with_one_id_the_later_one_counts() {
    let twice = Clients::from_iter([
        public_client("basic"),
        basic_client("basic", [plain("basic-s3cr3t")]),
    ]);
    let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(Bench::of(twice).ask(&right()), expected);
}

// Every kind of provider gives the same answers to all cases.
#[test]
fn the_kind_of_provider_makes_no_difference() {
    fn check<P: ClientProvider<Client = App>>(bench: &Bench<P>) {
        for case in crate::cases::cases() {
            assert_eq!(bench.ask(&case.ask), case.expected, "{}", case.name);
        }
    }
    check(&Bench::of(Arc::new(clients())));
    check(&Bench::of(Arc::new(Arc::new(clients()))));
    check(&Bench::of(BoxClientProvider::new(clients())));
    check(&Bench::of(BoxClientProvider::new(BoxClientProvider::new(clients())).clone()));
    let known = clients();
    check(&Bench::of(provider_fn(move |id: &str| ready(Ok::<_, Infallible>(known.get(id))))));
    check(&Bench::of(Yielding(clients())));
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
fn a_provider_that_fails_is_answered_503_without_detail() {
    let failing = Bench::of(provider_fn(|_: &str| {
        ready(Err::<Found, _>(io::Error::other("password s3cr3t of the database")))
    }));
    assert_eq!(failing.ask(&right()), failed(K::Provider, "basic"));
    let public = Ask::form("client_id=public");
    assert_eq!(failing.ask(&public), failed(K::Provider, "public"));
    // What is malformed is so without a provider.
    assert_eq!(failing.ask(&Ask::bare()), refused(K::NoCredentials));
    let response =
        crate::support::run(tower::ServiceExt::oneshot(failing.service(), right().request()))
            .unwrap();
    let error = response.extensions().get::<tower_client_auth::Error>().unwrap();
    let cause = std::error::Error::source(error).unwrap();
    assert!(cause.is::<io::Error>(), "the operator's logs need it");
    assert!(error.is_internal());
    assert_eq!(error.to_string(), "the provider failed");
}

// R73, R119: before and after its first await, with any payload, and the service stays usable.
#[test]
fn a_provider_that_panics_is_answered_503_and_the_service_stays_usable() {
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
    let bench = Bench::of(Panics(clients())).set(|layer| {
        layer.on_outcome(move |outcome| {
            outcomes_inside.push((
                outcome.client_id().map(str::to_owned),
                outcome.method().cloned(),
                outcome.error().map(tower_client_auth::Error::kind),
            ));
        })
    });
    for id in ["panic-in-call", "panic-at-once", "panic-later"] {
        let answer = bench.ask(&Ask::bare().basic(format!("{id}:x")));
        assert_eq!(answer, failed(K::Provider, id));
        let basic = Some(AuthMethod::ClientSecretBasic);
        assert_eq!(outcomes.take(), [(Some(id.into()), basic, Some(K::Provider))]);
        let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
        assert_eq!(bench.ask(&right()), expected);
        outcomes.take();
    }
    let boxed = Bench::of(BoxClientProvider::new(Panics(clients())));
    let answer = boxed.ask(&Ask::form("client_id=panic-in-call"));
    assert_eq!(answer, failed(K::Provider, "panic-in-call"));
}

// R73, R110.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_answer_is_answered_503_at_its_deadline() {
    let deadline = Duration::from_secs(5);
    let slow = |after: Duration| {
        Bench::of(provider_fn(move |id: &str| {
            let id = id.to_owned();
            async move {
                tokio::time::sleep(after).await;
                Ok::<Found, Infallible>(clients().get(&id))
            }
        }))
        .set(|layer| layer.limits(Limits::new().provider_deadline(deadline)))
    };
    let start = tokio::time::Instant::now();
    let answer = slow(Duration::MAX).answer(right().request()).await;
    assert_eq!(answer, failed(K::ProviderTimeout, "basic"));
    assert_eq!(start.elapsed().as_secs(), deadline.as_secs());
    let answer = slow(deadline / 2).answer(right().request()).await;
    assert_eq!(answer, right().accepted("basic", AuthMethod::ClientSecretBasic));
    let never_boxed = Bench::of(BoxClientProvider::new(provider_fn(|_: &str| {
        std::future::pending::<Result<Found, Infallible>>()
    })))
    .set(|layer| layer.limits(Limits::new().provider_deadline(deadline)));
    let answer = never_boxed.answer(right().request()).await;
    assert_eq!(answer, failed(K::ProviderTimeout, "basic"));
}

// RFC 6749 §2.2: a store that folds case, trims or normalises must not merge two clients. The
// credentials that are right for the other client are wrong for this one.
#[test]
fn a_provider_that_answers_for_another_id_lets_nobody_in() {
    for stored in ["BASIC", "basic ", "basic\u{0}", "basi\u{441}", "", "other"] {
        for client in [basic_client(stored, [plain("basic-s3cr3t")]), public_client(stored)] {
            let bench = Bench::of(provider_fn(move |_: &str| {
                ready(Ok::<_, Infallible>(Some(client.clone())))
            }));
            assert_eq!(bench.ask(&right()), failed(K::ProviderMismatch, "basic"), "{stored:?}");
            let by_id = Ask::form("client_id=basic");
            assert_eq!(bench.ask(&by_id), failed(K::ProviderMismatch, "basic"), "{stored:?}");
        }
    }
}

// R75, R79. RFC 6585 §4: whole seconds, rounded up.
#[test]
fn a_throttled_attempt_is_answered_429_with_the_time_to_wait() {
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
        let typed = Bench::of(provider_fn(move |_: &str| ready(Err::<Found, _>(throttled))));
        assert_eq!(typed.ask(&right()), expected);
        // As most decorators have it, and through a box, which must not hide it.
        let boxed = provider_fn(move |_: &str| ready(Err::<Found, BoxError>(throttled.into())));
        assert_eq!(Bench::of(boxed).ask(&right()), expected);
        let erased = Bench::of(BoxClientProvider::new(boxed));
        assert_eq!(erased.ask(&right()), expected);
    }
}

// R79: a decorator that throttles is asked before anything expensive is done, and only then.
#[test]
fn a_throttle_runs_before_the_store_is_asked() {
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
    let bench = Bench::of(Throttle { inner: clients(), asked: asked.clone() });
    let answer = bench.ask(&Ask::bare().basic("throttled:x"));
    assert_eq!(answer, failed(K::Throttled, "throttled").with("retry-after", "1"));
    assert_eq!(asked.take(), [""; 0]);
    let expected = right().accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(bench.ask(&right()), expected);
    assert_eq!(asked.take(), ["basic"]);
}

// R106: nothing is fetched or guessed about an id that is a URL; the provider decides.
#[test]
fn an_id_that_is_a_url_reaches_the_provider_as_it_was_sent() {
    let url = "https://client.example/a%20b?c=d#e";
    let bench = Bench::of(provider_fn(|_: &str| ready(Ok::<Found, Infallible>(None))));
    let encoded = "https%3A%2F%2Fclient.example%2Fa%2520b%3Fc%3Dd%23e";
    for ask in [
        Ask::form(format!("client_id={encoded}")),
        Ask::form(format!("client_id={encoded}&client_secret=x")),
        Ask::bare().basic(format!("{encoded}:x")),
    ] {
        assert_eq!(bench.ask(&ask), failed(K::UnknownClient, url));
    }
}
