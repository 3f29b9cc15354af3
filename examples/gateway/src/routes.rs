//! Which route a request takes, and what becomes of it there.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use example_support::proxy::settle_host;
use futures_util::{FutureExt, future};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Either;
use hyper::body::Incoming;
use tower::{Layer, Service as _};
use tower_client_auth::{BoxError, ClientAuth, body::RequestBody};

use crate::{
    answer::{Answer, Refusal, Reply, document},
    auth,
    check::METHODS,
    clients::Clients,
    config::{self, Config, Mistake, Target},
    forward_auth::ForwardAuth,
    identity,
    paths::{is_below, normal},
    telemetry,
    telemetry::Measured,
    upstream::{self, Forwarded, Pool, Upstream},
};

pub(crate) const JWKS: &str = "/.well-known/jwks.json";

/// All of a configuration that requests see. It is made anew for another configuration, while requests that have
/// begun keep this one.
pub(crate) struct Routes {
    /// By their [`normal`] paths.
    exact: BTreeMap<String, Arc<Route>>,
    /// The longest first.
    prefixes: Vec<(String, Arc<Route>)>,
    jwks: Option<Bytes>,
    unknown: Measured,
    pub(crate) clients: Clients,
}

type Service = ClientAuth<Behind, Clients>;
/// The future of an answer of the layer.
type Answering = <Service as tower::Service<Request<Incoming>>>::Future;

/// What is at a path.
enum Found<'a> {
    Route(&'a Arc<Route>),
    /// Those of signed identities.
    Keys(&'a Bytes),
}

struct Route {
    /// As it is logged and counted.
    name: String,
    service: Service,
    /// At least one.
    methods: Vec<Method>,
    forward_auth: Option<Arc<ForwardAuth>>,
    /// The value of `Allow`.
    allow: Option<HeaderValue>,
    measured: Measured,
}

impl Routes {
    pub(crate) fn new(
        config: &Config,
        clients: Clients,
        base: &auth::Layer,
        pools: &mut Vec<Pool>,
    ) -> Result<Self, Mistake> {
        let mut routes = Self {
            exact: BTreeMap::new(),
            prefixes: Vec::new(),
            jwks: identity::jwks(config)?.map(Bytes::from),
            unknown: Measured::new("-"),
            clients,
        };
        for route in &config.routes {
            let made = Arc::new(Route::new(config, route, base, pools)?);
            let pattern = &route.pattern.value;
            if pattern.is_prefix {
                routes.prefixes.push((pattern.normal.clone(), made));
            } else {
                routes.exact.insert(pattern.normal.clone(), made);
            }
        }
        // An upstream may take `/token/` for `/token`, and the other way round.
        for (path, route) in routes.exact.clone() {
            let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
            routes.exact.entry(other).or_insert(route);
        }
        routes.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(routes)
    }

    pub(crate) fn jwks(&self) -> Option<Bytes> {
        self.jwks.clone()
    }

    fn find(&self, path: &str) -> Result<Found<'_>, Refusal> {
        let path = normal(path).ok_or(Refusal::PATH)?;
        if !path.starts_with('/') {
            // `CONNECT` and `OPTIONS *`, which are for the gateway itself.
            return Err(Refusal::NO_ROUTE);
        }
        if let Some(route) = self.exact.get(&*path) {
            return Ok(Found::Route(route));
        }
        // Whoever answers for all other paths must not publish keys in the name of the gateway.
        if let Some(jwks) = self.jwks.as_ref().filter(|_| path == JWKS) {
            return Ok(Found::Keys(jwks));
        }
        let mut prefixes = self.prefixes.iter();
        let prefix = prefixes.find(|(prefix, _)| is_below(&path, prefix));
        prefix.map(|(_, route)| Found::Route(route)).ok_or(Refusal::NO_ROUTE)
    }

    /// Answers a request. No `async fn`: each of them would move the request, which is large, twice.
    fn answer(&self, mut request: Request<Incoming>) -> impl Future<Output = Answer> + use<> {
        let began = Instant::now();
        let host = settle_host(&mut request).map_err(|_invalid| Refusal::HOST);
        let answer = match host.and_then(|()| self.find(request.uri().path())) {
            Ok(Found::Route(route)) => match route.check(&mut request) {
                Ok(()) => {
                    let (answer, route) = (route.call(request), Arc::clone(route));
                    let pass = move |answer: Result<Response<_>, _>| {
                        let answer = answer.map(|answer| answer.map(Either::Left));
                        route.pass(answer.unwrap_or_else(not_forwarded), began)
                    };
                    return answer.map(pass).left_future();
                }
                Err(refusal) => route.pass(route.refuse(refusal, request), began),
            },
            Ok(Found::Keys(jwks)) => {
                document("application/jwk-set+json", jwks.clone()).map(Either::Right)
            }
            Err(refusal) => {
                self.unknown.note(refusal.status(), began);
                refuse(refusal, None, request)
            }
        };
        future::ready(answer).right_future()
    }
}

impl Route {
    fn new(
        config: &Config,
        route: &config::Route,
        base: &auth::Layer,
        pools: &mut Vec<Pool>,
    ) -> Result<Self, Mistake> {
        let pattern = &route.pattern.value;
        let name = format!("{}{}", pattern.path, if pattern.is_prefix { "/*" } else { "" });
        let layer = auth::layer(base, config, route, &name)?;
        let mut forward_auth = None;
        let behind = match &route.target {
            Target::Upstream(upstream) => {
                let pool = match pools.iter().find(|pool| pool.serves(upstream)) {
                    Some(pool) => pool.clone(),
                    None => {
                        let pool = Pool::new(upstream)
                            .ok_or_else(|| upstream.url.mistake("`upstream` has no host"))?;
                        pools.push(pool.clone());
                        pool
                    }
                };
                // A form is bounded by the layer.
                let limit = route.body_limit.filter(|_| route.kind == config::Kind::HeadersOnly);
                Behind::Upstream(Upstream::new(pool, upstream, limit, &name))
            }
            Target::ForwardAuth { only_401_403 } => {
                let check = Arc::new(ForwardAuth::new(identity::names(config), *only_401_403));
                forward_auth = Some(Arc::clone(&check));
                Behind::ForwardAuth(check)
            }
        };
        let methods = match &route.methods {
            Some(methods) => methods.iter().map(|method| method.value.clone()).collect(),
            // Not `CONNECT`, whose content is none of its own, nor `TRACE`, whose answer has what was forwarded.
            None => METHODS.to_vec(),
        };
        let names: Vec<_> = methods.iter().map(Method::as_str).collect();
        Ok(Self {
            service: layer.layer(behind),
            allow: HeaderValue::try_from(names.join(", ")).ok(),
            methods,
            forward_auth,
            measured: Measured::new(&name),
            name,
        })
    }

    /// Whether a request is for the layer.
    fn check(&self, request: &mut Request<Incoming>) -> Result<(), Refusal> {
        let original = match &self.forward_auth {
            Some(check) => check.receive(request)?,
            None => None,
        };
        let method = original.as_ref().unwrap_or(request.method());
        if self.methods.contains(method) { Ok(()) } else { Err(Refusal::METHOD) }
    }

    fn call(&self, request: Request<Incoming>) -> Answering {
        let mut service = self.service.clone();
        // What is behind the layer is always ready.
        let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
        debug_assert!(ready.is_ready(), "a service that is not ready is called");
        service.call(request)
    }

    /// What the caller gets, which is counted.
    fn pass(&self, answer: Answer, began: Instant) -> Answer {
        let answer = match &self.forward_auth {
            Some(check) => check.pass(answer),
            None => answer,
        };
        self.measured.note(answer.status(), began);
        answer
    }

    fn refuse(&self, refusal: Refusal, request: Request<Incoming>) -> Answer {
        let mut answer = refuse(refusal, Some(&self.name), request);
        if let Some(allow) =
            self.allow.as_ref().filter(|_| refusal.status() == StatusCode::METHOD_NOT_ALLOWED)
        {
            answer.headers_mut().insert(header::ALLOW, allow.clone());
        }
        answer
    }
}

#[cold]
fn not_forwarded(error: BoxError) -> Answer {
    tracing::error!(error, "a request could not be forwarded");
    Refusal::DOWN.answer().map(Either::Right)
}

fn refuse(refusal: Refusal, route: Option<&str>, request: Request<Incoming>) -> Answer {
    telemetry::log_own_refusal(refusal, route, &request.into_parts().0);
    refusal.answer().map(Either::Right)
}

/// What is behind the layer.
#[derive(Clone)]
enum Behind {
    Upstream(Arc<Upstream>),
    ForwardAuth(Arc<ForwardAuth>),
}

impl tower::Service<Request<RequestBody<Incoming>>> for Behind {
    type Response = Reply;
    type Error = BoxError;
    type Future = Forwarded;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Incoming>>) -> Self::Future {
        match self {
            Self::Upstream(upstream) => upstream.forward(request),
            Self::ForwardAuth(check) => upstream::now(Ok(check.answer(request.headers()))),
        }
    }
}

/// What listeners serve, and what a reload replaces.
pub(crate) type Current = Arc<ArcSwap<Routes>>;

/// Answers a request by the configuration of this moment.
pub(crate) fn serve(
    current: &ArcSwap<Routes>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Answer, Infallible>> + use<> {
    current.load().answer(request).map(Ok)
}
