//! A layer for each tenant, chosen by the request.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, Error, ErrorKind as K, RegisteredClient,
    body::RequestBody,
    provider::{BoxClientProvider, MemoryProvider, provider_fn},
    tenant::TenantLayer,
};

use crate::support::{Log, TestRequest, basic_client, plain, run, sorted};

type Inside = Request<RequestBody<Full<Bytes>>>;
type Outside = Response<Full<Bytes>>;
type Clients = MemoryProvider<crate::support::App>;

/// The client `web` of a tenant, whose secret is its own.
fn clients(tenant: &str) -> Clients {
    [basic_client("web", [plain(&format!("{tenant}-s3cr3t"))])].into_iter().collect()
}

fn layer(tenant: &str) -> ClientAuthLayer<Clients> {
    ClientAuthLayer::new(clients(tenant)).realm(tenant).unwrap()
}

/// By the first segment of the path.
fn by_path<P: Send + Sync + 'static>(
    tenants: impl IntoIterator<Item = (&'static str, ClientAuthLayer<P>)>,
) -> TenantLayer<P> {
    let tenants: HashMap<_, _> = tenants.into_iter().collect();
    TenantLayer::new(move |request| tenants.get(request.uri.path().split('/').nth(1)?).cloned())
}

fn two() -> TenantLayer<Clients> {
    by_path([("acme", layer("acme")), ("globex", layer("globex"))])
}

async fn who(request: Inside) -> Result<Outside, Infallible> {
    let client = request.extensions().get::<AuthenticatedClient<crate::support::App>>();
    let id = client.map(|client| client.client_id().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::from(format!("{id:?} {}", body.escape_ascii()))))
}

/// Status, headers, body, and the reason for the operator.
type Told = (u16, Vec<(String, String)>, String, Option<K>);

fn told<B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>>(response: Response<B>) -> Told {
    let (head, body) = response.into_parts();
    let kind = head.extensions.get::<Error>().map(Error::kind);
    let body = String::from_utf8(run(body.collect()).unwrap().to_bytes().to_vec()).unwrap();
    (head.status.as_u16(), sorted(&head.headers), body, kind)
}

fn ask<P>(layer: &TenantLayer<P>, ask: &TestRequest) -> Told
where
    P: tower_client_auth::ClientProvider,
{
    told(run(layer.layer(service_fn(who)).oneshot(ask.request())).unwrap())
}

fn as_web(tenant: &str, secret: &str) -> TestRequest {
    TestRequest::form("a=b").uri(&format!("/{tenant}/token")).basic(format!("web:{secret}"))
}

fn headers(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = [("cache-control", "no-store"), ("content-type", "application/json")];
    let mut all: Vec<_> = all.iter().chain(&[("pragma", "no-cache")]).chain(more).collect();
    all.sort();
    all.into_iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn unknown_tenant() -> Told {
    let json = r#"{"error":"invalid_request","error_description":"There is no such tenant"}"#;
    (404, headers(&[]), json.into(), None)
}

fn panicked() -> Told {
    let json = r#"{"error":"server_error","error_description":"The client could not be authenticated because of an internal error"}"#;
    (500, headers(&[]), json.into(), Some(K::Panicked))
}

#[test]
fn tenant_authenticates_its_own_clients_alone() {
    let tenants = two();
    for tenant in ["acme", "globex"] {
        let right = ask(&tenants, &as_web(tenant, &format!("{tenant}-s3cr3t")));
        assert_eq!(right, (200, Vec::new(), r#"Some("web") a=b"#.into(), None));
        let other = if tenant == "acme" { "globex" } else { "acme" };
        let json =
            r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#;
        let challenge = format!(r#"Basic realm="{tenant}", charset="UTF-8""#);
        let refused = headers(&[("www-authenticate", &challenge)]);
        let wrong = ask(&tenants, &as_web(tenant, &format!("{other}-s3cr3t")));
        assert_eq!(wrong, (401, refused, json.into(), Some(K::WrongSecret)));
    }
}

#[test]
fn unknown_tenant_is_404_whatever_is_presented() {
    let tenants = two();
    for ask_for in [
        as_web("initech", "acme-s3cr3t"),
        as_web("ACME", "acme-s3cr3t"),
        as_web("", "acme-s3cr3t"),
        TestRequest::bare().uri("/"),
        TestRequest::bare().uri("/initech").method("GET"),
        TestRequest::bare().uri("/initech").with("content-type", "application/grpc"),
    ] {
        assert_eq!(ask(&tenants, &ask_for), unknown_tenant(), "{ask_for:?}");
    }
    // RFC 9110 §9.3.2.
    let (status, headers, ..) = unknown_tenant();
    let head = TestRequest::bare().uri("/initech").method("HEAD");
    assert_eq!(ask(&tenants, &head), (status, headers, String::new(), None));
}

#[test]
fn answer_for_unknown_tenants_can_be_set() {
    let tenants = two().unknown_tenant(|request| {
        let mut answer = Response::new(Bytes::from(format!("no {}", request.uri)));
        *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        answer
    });
    let expected = (421, Vec::new(), "no /initech/token".to_owned(), None);
    assert_eq!(ask(&tenants, &as_web("initech", "x")), expected);
    let head = as_web("initech", "x").method("HEAD");
    assert_eq!(ask(&tenants, &head), (421, Vec::new(), String::new(), None));
    assert_eq!(ask(&tenants, &as_web("acme", "acme-s3cr3t")).0, 200);
}

#[test]
fn panicking_choice_lets_no_request_pass() {
    let tenants = layer("acme");
    let tenants = TenantLayer::new(move |request| {
        assert!(request.uri.path() != "/panic/token", "the choice failed");
        Some(tenants.clone())
    });
    assert_eq!(ask(&tenants, &as_web("panic", "acme-s3cr3t")), panicked());
    assert_eq!(ask(&tenants, &as_web("acme", "acme-s3cr3t")).0, 200);

    let answer = |_: &http::request::Parts| panic!("the answer failed");
    let tenants = two().unknown_tenant(answer);
    assert_eq!(ask(&tenants, &as_web("initech", "x")), panicked());
    assert_eq!(ask(&tenants, &as_web("acme", "acme-s3cr3t")).0, 200);
}

#[test]
fn each_tenant_has_its_own_hooks_and_settings() {
    let outcomes = Log::default();
    let tenants = by_path(["acme", "globex"].map(|tenant| {
        let log = outcomes.clone();
        let layer = layer(tenant).on_outcome(move |outcome| {
            log.push((tenant, outcome.error().map(|error| error.kind())));
        });
        let layer = if tenant == "acme" { layer.refuse_public_clients() } else { layer.optional() };
        (tenant, layer)
    }));
    let nothing = |tenant: &str| TestRequest::form("a=b").uri(&format!("/{tenant}/token"));
    assert_eq!(ask(&tenants, &nothing("acme")).3, Some(K::NoCredentials));
    assert_eq!(ask(&tenants, &nothing("globex")), (200, Vec::new(), "None a=b".into(), None));
    assert_eq!(ask(&tenants, &nothing("initech")), unknown_tenant());
    assert_eq!(outcomes.take(), [("acme", Some(K::NoCredentials))]);
}

// Which the layer of a tenant is one provider of.
#[test]
fn providers_of_several_types_are_boxed() {
    let web = || RegisteredClient::public("web", crate::support::app("web"));
    let store = provider_fn(move |_: &str| ready(Ok::<_, BoxError>(Some(web()))));
    let tenants = by_path([
        ("acme", ClientAuthLayer::new(BoxClientProvider::new(clients("acme")))),
        ("globex", ClientAuthLayer::new(BoxClientProvider::new(store))),
    ]);
    assert_eq!(ask(&tenants, &as_web("acme", "acme-s3cr3t")).0, 200);
    let public = TestRequest::form("client_id=web");
    assert_eq!(ask(&tenants, &public.clone().uri("/globex")).0, 200);
    assert_eq!(ask(&tenants, &public.uri("/acme")).3, Some(K::MethodMismatch));
}

#[test]
fn tenant_that_is_added_is_there_for_the_next_request() {
    let is_there = Arc::new(AtomicBool::new(false));
    let (acme, seen) = (layer("acme"), Arc::clone(&is_there));
    let tenants = TenantLayer::new(move |_| seen.load(Ordering::Relaxed).then(|| acme.clone()));
    let service = tenants.layer(service_fn(who));
    let send = || told(run(service.clone().oneshot(as_web("a", "acme-s3cr3t").request())).unwrap());
    assert_eq!(send(), unknown_tenant());
    is_there.store(true, Ordering::Relaxed);
    assert_eq!(send().0, 200);
}

/// A service that panics unless the instance that was made ready is called.
struct OnlyIfReady {
    ready: bool,
    polls: Log<()>,
}

impl Clone for OnlyIfReady {
    fn clone(&self) -> Self {
        Self { ready: false, polls: self.polls.clone() }
    }
}

impl Service<Inside> for OnlyIfReady {
    type Response = Outside;
    type Error = Infallible;
    type Future = Ready<Result<Outside, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polls.push(());
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Inside) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "not ready");
        ready(Ok(Response::default()))
    }
}

// Whatever the layer of the tenant says, because it was not known when readiness was asked for.
#[test]
fn ready_instance_is_called_once_it_was_asked() {
    for of_tenants in [false, true] {
        for of_layer in [false, true] {
            let acme = if of_layer { layer("acme").ready_after_auth() } else { layer("acme") };
            let tenants = by_path([("acme", acme)]);
            let tenants = if of_tenants { tenants.ready_after_auth() } else { tenants };
            let polls = Log::default();
            let mut service = tenants.layer(OnlyIfReady { ready: false, polls: polls.clone() });
            let mut under_way = Vec::new();
            for _ in 0..3 {
                let mut context = Context::from_waker(Waker::noop());
                let ready = Service::<Request<Full<Bytes>>>::poll_ready(&mut service, &mut context);
                assert!(ready.is_ready());
                let request = as_web("acme", "acme-s3cr3t").request();
                under_way.push(Box::pin(service.call(request)));
            }
            assert_eq!(polls.take().len(), if of_tenants { 0 } else { 3 });
            for answer in under_way.into_iter().rev() {
                assert_eq!(run(answer).unwrap().status(), 200);
            }
            assert_eq!(polls.take().len(), if of_tenants { 3 } else { 0 });
        }
    }
}

type Never = std::future::Pending<Result<Outside, Infallible>>;

// A permit is held while the body arrives, and given back with every refusal.
#[test]
fn unknown_tenant_keeps_no_capacity() {
    fn never(_: Inside) -> Never {
        std::future::pending()
    }
    let inner = ConcurrencyLimit::new(service_fn(never as fn(Inside) -> Never), 1);
    let service = two().layer(inner);
    let (mut first, mut second) = (service.clone(), service);
    let is_ready = |service: &mut _| {
        let mut context = Context::from_waker(Waker::noop());
        Service::<Request<Full<Bytes>>>::poll_ready(service, &mut context).is_ready()
    };
    assert!(is_ready(&mut first) && !is_ready(&mut second));
    let _refused = first.call(as_web("initech", "x").request());
    assert!(is_ready(&mut second));
    // Which counts again for the next one.
    let mut held = pin!(second.call(as_web("acme", "acme-s3cr3t").request()));
    for _ in 0..10 {
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::as_mut(&mut held).poll(&mut context).is_pending());
    }
    assert!(!is_ready(&mut first));
}

#[test]
fn answer_that_was_given_is_given_once() {
    let mut service = two().layer(service_fn(who));
    let mut future = pin!(service.call(as_web("initech", "x").request()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::as_mut(&mut future).poll(&mut context).is_ready());
    assert!(Pin::as_mut(&mut future).poll(&mut context).is_pending());
}

#[test]
fn debug_shows_no_settings() {
    assert_eq!(
        format!("{:?}", two().ready_after_auth()),
        "TenantLayer { unknown_tenant: false, ready_after_auth: true, .. }"
    );
    let mut service = two().layer(service_fn(who));
    let known = service.call(as_web("acme", "acme-s3cr3t").request());
    assert_eq!(format!("{known:?}"), r#"TenantFuture(ResponseFuture { state: "collect" })"#);
    let unknown = service.call(as_web("initech", "acme-s3cr3t").request());
    assert_eq!(format!("{unknown:?}"), r#"TenantFuture("unknown tenant")"#);
}

#[cfg(feature = "argon2")]
mod hashes {
    use std::{future::poll_fn, num::NonZeroUsize, sync::mpsc};

    use tokio::runtime::{Builder, Runtime};
    use tower_client_auth::{ClientSecret, secret::HashPool};

    use super::*;
    use crate::support::app;

    const SLOW: &str = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QuLg$AAAAAAAAAAAAAAAAAAAAAA";

    fn slow(pool: Option<&HashPool>) -> ClientAuthLayer<Clients> {
        let secret = ClientSecret::phc(SLOW).unwrap();
        let clients = [RegisteredClient::secret_basic("web", [secret], app("web"))];
        let layer = ClientAuthLayer::new(clients.into_iter().collect::<Clients>());
        if let Some(pool) = pool { layer.hash_pool(pool) } else { layer }
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap()
    }

    type Answered = Pin<Box<dyn Future<Output = (u16, Option<K>)>>>;

    fn wrong(layer: &TenantLayer<Clients>, tenant: &str, id: &str) -> Answered {
        let ask = TestRequest::bare().uri(&format!("/{tenant}")).basic(format!("{id}:x"));
        let answer = layer.layer(service_fn(who)).oneshot(ask.request());
        Box::pin(async {
            let (status, _, _, kind) = told(answer.await.unwrap());
            (status, kind)
        })
    }

    /// What there is at once, while no hash is computed.
    fn at_once(
        layer: &TenantLayer<Clients>,
        asks: &[(&str, &str)],
    ) -> Vec<Option<(u16, Option<K>)>> {
        let runtime = runtime();
        let (finish, held) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let mut asks: Vec<_> = asks.iter().map(|(tenant, id)| wrong(layer, tenant, id)).collect();
        let answers = runtime.block_on(poll_fn(|cx| {
            let polled = asks.iter_mut().map(|ask| match ask.as_mut().poll(cx) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            });
            Poll::Ready(polled.collect())
        }));
        runtime.shutdown_background();
        drop(finish);
        answers
    }

    // Which is that of its layer, and kept by all clones.
    #[test]
    fn decoy_of_a_tenant_is_kept_between_requests() {
        let tenants = by_path([("acme", slow(None)), ("globex", slow(None))]);
        let nobody = [("acme", "nobody"), ("globex", "nobody")];
        let unknown = Some((401, Some(K::UnknownClient)));
        assert_eq!(at_once(&tenants, &nobody), [unknown, unknown]);
        let failed = runtime().block_on(wrong(&tenants, "acme", "web"));
        assert_eq!(failed, (401, Some(K::WrongSecret)));
        assert_eq!(at_once(&tenants, &nobody), [None, unknown]);
    }

    #[test]
    fn tenants_share_a_pool() {
        let asks = [("acme", "web"), ("globex", "web")];
        let own = by_path([("acme", slow(None)), ("globex", slow(None))]);
        assert_eq!(at_once(&own, &asks), [None, None]);
        let pool = HashPool::new(NonZeroUsize::MIN, 0);
        let shared = by_path([("acme", slow(Some(&pool))), ("globex", slow(Some(&pool)))]);
        assert_eq!(at_once(&shared, &asks), [None, Some((503, Some(K::Overloaded)))]);
    }

    // An eighth of eight places is one.
    #[test]
    fn client_takes_no_share_of_its_namesake_at_another_tenant() {
        let pool = HashPool::new(NonZeroUsize::MIN, 7);
        let acme = slow(Some(&pool));
        let tenants =
            by_path([("acme", acme.clone()), ("acme-2", acme), ("globex", slow(Some(&pool)))]);
        let asks = [("acme", "web"), ("acme-2", "web"), ("globex", "web"), ("globex", "web")];
        let overloaded = Some((503, Some(K::Overloaded)));
        assert_eq!(at_once(&tenants, &asks), [None, overloaded, None, overloaded]);
    }
}
