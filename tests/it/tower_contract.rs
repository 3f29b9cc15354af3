//! What tower asks of a middleware: readiness, the instance that is called, errors, cancellation
//! (R6, R110, R117). The inner service is tower-test's mock, which panics when it is called without
//! having been made ready.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuth, ClientAuthLayer, Clock, Error,
    ErrorKind as K, RegisteredClient,
    body::{RequestBody, ResponseBody},
    provider::provider_fn,
};
use tower_test::mock::{self, Handle, Mock};

use crate::{
    bodies::Script,
    support::{App, Clients, MARK, NOW, TestRequest, app, clients, public_client, run},
};

type Inside = Request<RequestBody<Script>>;
type Outside = Response<Full<Bytes>>;
type Stack<P = Clients> = ClientAuth<Mock<Inside, Outside>, P>;

fn stack() -> (Stack, Handle<Inside, Outside>) {
    with(ClientAuthLayer::new(clients()).clock(Clock::fixed(NOW)))
}

fn with<P>(layer: ClientAuthLayer<P>) -> (Stack<P>, Handle<Inside, Outside>) {
    let (inner, handle) = mock::pair();
    (layer.layer(inner), handle)
}

fn request(ask: &TestRequest) -> Request<Script> {
    ask.request().map(|_| Script::pieces(&ask.body, &[5]))
}

fn public() -> Request<Script> {
    request(&TestRequest::form("client_id=public"))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_ready<S: Service<R>, R>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

// R117.
#[test]
fn readiness_is_forwarded() {
    let (mut service, mut handle) = stack();
    handle.allow(0);
    assert!(poll_ready(&mut service).is_pending());
    handle.allow(1);
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Ok(()))));
}

// R117: the error of `poll_ready` is that of the inner service, unchanged.
#[test]
fn readiness_error_passes_unchanged() {
    let (mut service, mut handle) = stack();
    handle.send_error(Refusal);
    let Poll::Ready(Err(error)) = poll_ready(&mut service) else { panic!("not ready") };
    assert!(error.is::<Refusal>());
}

#[derive(Debug)]
struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refusal")
    }
}

impl std::error::Error for Refusal {}

// R6, R117: exactly once, with the client, and the answer passes unchanged.
#[test]
fn inner_service_is_called_once_on_success() {
    let (mut service, mut handle) = stack();
    handle.allow(1);
    assert!(poll_ready(&mut service).is_ready());
    let mut answer = pin!(service.call(public()));
    for _ in 0..100 {
        assert!(poll_once(answer.as_mut()).is_pending());
    }
    let (request, responder) = run(handle.next_request()).unwrap();
    let client = request.extensions().get::<AuthenticatedClient<App>>().unwrap();
    assert_eq!((client.client_id(), client.method()), ("public", &AuthMethod::None));
    let mut inner = Response::new(Full::from("inner"));
    inner.extensions_mut().insert(17_u8);
    responder.send_response(inner);
    let response = run(answer).unwrap();
    assert_eq!(response.extensions().get(), Some(&17_u8));
    assert!(response.extensions().get::<Error>().is_none());
    assert!(poll_once(pin!(handle.next_request())).is_pending(), "a second call");
}

// R6.
#[test]
fn inner_service_is_not_called_on_refusal() {
    for case in crate::cases::cases() {
        let Some(kind) = case.expected.kind else { continue };
        let (inner, mut handle) = mock::pair::<Request<RequestBody<Full<Bytes>>>, Outside>();
        let mut service = ClientAuthLayer::new(clients()).clock(Clock::fixed(NOW)).layer(inner);
        handle.allow(1);
        assert!(poll_ready(&mut service).is_ready());
        let response = run(service.call(case.ask.request())).unwrap();
        assert_eq!(response.extensions().get::<Error>().map(Error::kind), Some(kind));
        assert!(poll_once(pin!(handle.next_request())).is_pending(), "{}", case.name);
    }
}

// R117: "Errors of inner pass unchanged"; a refusal is no error.
#[test]
fn inner_error_passes_unchanged() {
    let (mut service, mut handle) = stack();
    handle.allow(1);
    assert!(poll_ready(&mut service).is_ready());
    let mut answer = pin!(service.call(public()));
    for _ in 0..100 {
        assert!(poll_once(answer.as_mut()).is_pending());
    }
    let (_, responder) = run(handle.next_request()).unwrap();
    responder.send_error(Refusal);
    let error: BoxError = run(answer).unwrap_err();
    assert!(error.is::<Refusal>());
}

/// Panics when a clone that was not made ready is called, as `ConcurrencyLimit` does, and counts.
struct OnlyIfReady {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for OnlyIfReady {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl<R> Service<R> for OnlyIfReady {
    type Response = Outside;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Outside, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "the instance that was made ready is another");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Outside::default()))
    }
}

// R117: also on the second call, and with several requests under way.
#[test]
fn ready_instance_is_called() {
    for ready_after_auth in [false, true] {
        let calls = Arc::new(AtomicUsize::new(0));
        let layer = ClientAuthLayer::new(clients());
        let layer = if ready_after_auth { layer.ready_after_auth() } else { layer };
        let mut service = layer.layer(OnlyIfReady { ready: false, calls: Arc::clone(&calls) });
        let mut under_way = Vec::new();
        for _ in 0..3 {
            assert!(poll_ready::<_, Request<Script>>(&mut service).is_ready());
            under_way.push(Box::pin(service.call(public())));
        }
        for answer in under_way.into_iter().rev() {
            assert_eq!(run(answer).unwrap().status(), 200);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }
}

/// A service of which one request at a time may be under way, and never ends.
#[expect(clippy::type_complexity, reason = "it is said once")]
fn single() -> ConcurrencyLimit<tower::util::ServiceFn<fn(Inside) -> Never>> {
    fn never(_: Inside) -> Never {
        pending()
    }
    ConcurrencyLimit::new(tower::service_fn(never as fn(Inside) -> Never), 1)
}

type Never = std::future::Pending<Result<Outside, Infallible>>;

// The permit that readiness took is held while the body arrives, and given back with a refusal.
#[test]
fn capacity_is_reserved_by_poll_ready() {
    let service = ClientAuthLayer::new(clients()).layer(single());
    let (mut first, mut second) = (service.clone(), service);
    assert!(poll_ready::<_, Request<Script>>(&mut first).is_ready());
    assert!(poll_ready::<_, Request<Script>>(&mut second).is_pending());
    let answer = first.call(request(&TestRequest::form("client_id=nobody")));
    assert_eq!(run(answer).unwrap().status(), 401);
    assert!(poll_ready::<_, Request<Script>>(&mut second).is_ready());
}

#[test]
fn ready_after_auth_reserves_no_early_capacity() {
    let service = ClientAuthLayer::new(clients()).ready_after_auth().layer(single());
    let (mut slow, mut refused, mut first, mut second) =
        (service.clone(), service.clone(), service.clone(), service);
    for service in [&mut slow, &mut refused, &mut first, &mut second] {
        assert!(poll_ready::<_, Request<Script>>(service).is_ready(), "the limit is 1");
    }
    let never_ending =
        TestRequest::form("").request().map(|_| Script::hanging_after("client_id=public"));
    let mut slow = pin!(slow.call(never_ending));
    assert!(poll_once(slow.as_mut()).is_pending());
    let refused = refused.call(request(&TestRequest::form("client_id=nobody")));
    assert_eq!(run(refused).unwrap().status(), 401);

    let mut first = Box::pin(first.call(public()));
    let mut second = pin!(second.call(public()));
    for _ in 0..20 {
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
    }
    assert_eq!(format!("{first:?}"), r#"ResponseFuture { state: "call" }"#);
    assert_eq!(format!("{second:?}"), r#"ResponseFuture { state: "ready" }"#);
    drop(first);
    assert!(poll_once(second.as_mut()).is_pending());
    assert_eq!(format!("{second:?}"), r#"ResponseFuture { state: "call" }"#);
}

#[test]
fn ready_after_auth_passes_readiness_errors() {
    let (mut service, mut handle) = with(ClientAuthLayer::new(clients()).ready_after_auth());
    handle.send_error(Refusal);
    assert!(matches!(poll_ready(&mut service), Poll::Ready(Ok(()))));
    let error: BoxError = run(service.call(public())).unwrap_err();
    assert!(error.is::<Refusal>());
}

/// Counts what is alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// R110: at every stage. What the request brought, what the provider started and what the inner
// service started is dropped with the future, and the next request is served.
#[test]
fn dropped_future_leaves_nothing_behind() {
    let alive = Arc::new(AtomicUsize::new(0));
    let alive_in_provider = Arc::clone(&alive);
    let provider = provider_fn(move |id: &str| {
        let id = id.to_owned();
        let guard = Alive::new(&alive_in_provider);
        async move {
            let _guard = guard;
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Some(public_client(&id)))
        }
    });
    let alive_inside = Arc::clone(&alive);
    let outcomes = Arc::new(AtomicUsize::new(0));
    let decided = Arc::clone(&outcomes);
    let layer = ClientAuthLayer::new(provider).on_outcome(move |_| {
        decided.fetch_add(1, Ordering::Relaxed);
    });
    let mut service = layer.layer(tower::service_fn(move |request: Inside| {
        let guard = Alive::new(&alive_inside);
        async move {
            let _guard = (guard, request);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Outside::default())
        }
    }));
    let mut stages = Vec::new();
    for polls in 0.. {
        let mut request = public();
        // A clone in the extensions must not keep the guard alive after the drop either.
        request.extensions_mut().insert(Arc::new(Alive::new(&alive)));
        let mut answer = Box::pin(run(service.ready()).unwrap().call(request));
        let mut done = false;
        for _ in 0..polls {
            done = poll_once(answer.as_mut()).is_ready();
        }
        stages.push(format!("{answer:?}"));
        drop(answer);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "{stages:?}");
        if done {
            break;
        }
    }
    stages.dedup();
    let expected = ["collect", "authenticate", "call"]
        .map(|stage| format!("ResponseFuture {{ state: {stage:?} }}"));
    assert_eq!(stages[..3], expected);
    // A decision was reported only where one was made: in the runs that reached the inner service.
    assert!(outcomes.load(Ordering::Relaxed) >= 1);
    assert_eq!(run(run(service.ready()).unwrap().call(public())).unwrap().status(), 200);
}

// R110, R113: an attempt that reached a look-up is reported once, also if the caller hung up; a
// request of which nothing was presented yet is none.
#[test]
fn dropped_future_reports_abandoned_once() {
    let outcomes = crate::support::Log::default();
    let seen = outcomes.clone();
    let never =
        provider_fn(|_: &str| pending::<Result<Option<RegisteredClient<App>>, Infallible>>());
    let (mut service, mut handle) = with(ClientAuthLayer::new(never).on_outcome(move |outcome| {
        let kind = outcome.error().map(Error::kind);
        seen.push((kind, outcome.client_id().map(str::to_owned), outcome.method().cloned()));
        // It must not end the program while something else unwinds.
        panic!("an observer that fails");
    }));
    for request in [public(), request(&TestRequest::form("")).map(|_| Script::hanging_after("x"))] {
        handle.allow(1);
        assert!(poll_ready(&mut service).is_ready());
        let mut answer = Box::pin(service.call(request));
        for _ in 0..20 {
            assert!(poll_once(answer.as_mut()).is_pending());
        }
    }
    let abandoned = (Some(K::Abandoned), Some("public".into()), Some(AuthMethod::None));
    assert_eq!(outcomes.take(), [abandoned]);
    assert!(poll_once(pin!(handle.next_request())).is_pending());
}

// R6: a value that is already there is replaced, and never trusted. No code outside the crate can
// make one, so an outer layer for other clients has to do it.
#[test]
fn client_in_the_extensions_is_replaced() {
    let other = Clients::from_iter([RegisteredClient::public("outer", app("outer"))]);
    let outer = ClientAuthLayer::new(other);
    let seen = crate::support::Log::default();
    let seen_inside = seen.clone();
    let recorder =
        tower::service_fn(move |request: Request<RequestBody<RequestBody<Full<Bytes>>>>| {
            let client = request.extensions().get::<AuthenticatedClient<App>>().unwrap();
            seen_inside.push((client.client_id().to_owned(), client.client().0.clone()));
            std::future::ready(Ok::<_, Infallible>(Outside::default()))
        });
    // The inner one looks for `client_id` in the header, the outer one in the form.
    let inner = ClientAuthLayer::new(clients()).clock(Clock::fixed(NOW)).headers_only().unwrap();
    let strip = tower::util::MapRequestLayer::new(|request: Request<RequestBody<Full<Bytes>>>| {
        let (mut head, body) = request.into_parts();
        if let Some(inner) = head.headers.remove("x-inner-authorization") {
            head.headers.insert("authorization", inner);
        }
        Request::from_parts(head, body)
    });
    let stack = outer.layer(strip.layer(inner.layer(recorder)));
    let ask = |inner: &str| {
        let ask = TestRequest::form("client_id=outer")
            .with("x-inner-authorization", crate::support::basic(inner));
        run(stack.clone().oneshot(ask.request())).unwrap()
    };
    assert_eq!(ask("basic:basic-s3cr3t").status(), 200);
    assert_eq!(seen.take(), [("basic".to_owned(), "app of basic".to_owned())]);
    let refused = ask("basic:wrong-s3cr3t");
    assert_eq!(refused.extensions().get::<Error>().map(Error::kind), Some(K::WrongSecret));
    assert_eq!(seen.take(), []);
}

// R118: no bound on the inner future, service or body but the needed ones. This compiles with
// a service whose future is not `Send` and borrows nothing, and runs without any runtime.
#[test]
fn non_send_service_without_a_runtime() {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = std::rc::Rc::clone(&count);
    let service = ClientAuthLayer::new(clients()).layer(tower::service_fn(
        move |request: Request<RequestBody<Full<Bytes>>>| {
            let counted = std::rc::Rc::clone(&counted);
            async move {
                counted.set(counted.get() + request.into_body().bytes().map_or(0, Bytes::len));
                Ok::<_, Infallible>(Outside::default())
            }
        },
    ));
    let ask = TestRequest::form("client_id=public");
    let response: Response<ResponseBody<Full<Bytes>>> =
        run(service.oneshot(ask.request())).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(count.get(), ask.body.len());
}

// Whatever the stage, what is printed of a future is the stage.
#[test]
fn future_debug_shows_its_stage() {
    let (mut service, mut handle) = stack();
    handle.allow(1);
    assert!(poll_ready(&mut service).is_ready());
    let ask = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let mut answer = Box::pin(service.call(request(&ask)));
    loop {
        let printed = format!("{answer:?}{answer:#?}");
        assert!(!printed.contains(MARK) && printed.len() < 200, "{printed}");
        if printed.contains("call") {
            break;
        }
        assert!(poll_once(answer.as_mut()).is_pending());
    }
}

// The accessors give the inner service back.
#[test]
fn inner_service_accessors() {
    let mut service = ClientAuthLayer::new(clients()).layer(7);
    *service.get_mut() += 1;
    assert_eq!(*service.get_ref(), 8);
    assert_eq!(service.into_inner(), 8);
}
