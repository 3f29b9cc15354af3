//! Which route a request takes, and what becomes of it there.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use example_support::proxy::settle_host;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Either;
use hyper::body::Incoming;
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::{BoxError, body::RequestBody};

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
    upstream::{Pool, Upstream},
};

pub(crate) const JWKS: &str = "/.well-known/jwks.json";

/// All of a configuration that requests see. It is made anew for another configuration, while requests that have
/// begun keep this one.
pub(crate) struct Routes {
    /// By their [`normal`] paths.
    exact: HashMap<String, Arc<Route>>,
    /// The longest first.
    prefixes: Vec<(String, Route)>,
    jwks: Option<Bytes>,
    unknown: Measured,
    pub(crate) clients: Clients,
}

/// What is at a path.
enum Found<'a> {
    Route(&'a Route),
    /// Those of signed identities.
    Keys(&'a Bytes),
}

struct Route {
    /// As it is logged and counted.
    name: String,
    service: tower_client_auth::ClientAuth<Behind, Clients>,
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
            exact: HashMap::new(),
            prefixes: Vec::new(),
            jwks: identity::jwks(config)?.map(Bytes::from),
            unknown: Measured::new("-"),
            clients,
        };
        for route in &config.routes {
            let made = Route::new(config, route, base, pools)?;
            let pattern = &route.pattern.value;
            if pattern.is_prefix {
                routes.prefixes.push((pattern.normal.clone(), made));
            } else {
                routes.exact.insert(pattern.normal.clone(), Arc::new(made));
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

    pub(crate) async fn answer(&self, mut request: Request<Incoming>) -> Answer {
        let began = Instant::now();
        let host = settle_host(&mut request).map_err(|_invalid| Refusal::HOST);
        match host.and_then(|()| self.find(request.uri().path())) {
            Ok(Found::Route(route)) => {
                let answer = route.answer(request).await;
                route.measured.note(answer.status(), began);
                answer
            }
            Ok(Found::Keys(jwks)) => {
                document("application/jwk-set+json", jwks.clone()).map(Either::Right)
            }
            Err(refusal) => {
                self.unknown.note(refusal.status(), began);
                refuse(refusal, None, request)
            }
        }
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
                        let pool = Pool::new(upstream);
                        pools.push(pool.clone());
                        pool
                    }
                };
                // A form is bounded by the layer.
                let limit = route.body_limit.filter(|_| route.kind == config::Kind::HeadersOnly);
                Upstream::new(pool, upstream, limit, &name)
                    .map(Behind::Upstream)
                    .ok_or_else(|| upstream.url.mistake("`upstream` has no host"))?
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

    async fn answer(&self, mut request: Request<Incoming>) -> Answer {
        let original = match &self.forward_auth {
            Some(check) => match check.receive(&mut request) {
                Ok(original) => original,
                Err(refusal) => return check.pass(self.refuse(refusal, request)),
            },
            None => None,
        };
        let method = original.as_ref().unwrap_or(request.method());
        if !self.methods.contains(method) {
            let mut answer = self.refuse(Refusal::METHOD, request);
            if let Some(allow) = &self.allow {
                answer.headers_mut().insert(header::ALLOW, allow.clone());
            }
            return match &self.forward_auth {
                Some(check) => check.pass(answer),
                None => answer,
            };
        }
        let mut service = self.service.clone();
        let answer = match service.ready().await {
            Ok(service) => service.call(request).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => answer.map(Either::Left),
            Err(error) => {
                tracing::error!(error, "a request could not be forwarded");
                Refusal::DOWN.answer().map(Either::Right)
            }
        };
        match &self.forward_auth {
            Some(check) => check.pass(answer),
            None => answer,
        }
    }

    fn refuse(&self, refusal: Refusal, request: Request<Incoming>) -> Answer {
        refuse(refusal, Some(&self.name), request)
    }
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

impl Service<Request<RequestBody<Incoming>>> for Behind {
    type Response = Reply;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Incoming>>) -> Self::Future {
        match self {
            Self::Upstream(upstream) => Box::pin(Arc::clone(upstream).forward(request)),
            Self::ForwardAuth(check) => {
                let reply = check.answer(&request.into_parts().0);
                Box::pin(std::future::ready(Ok(reply)))
            }
        }
    }
}

/// What listeners serve, and what a reload replaces.
pub(crate) type Current = Arc<arc_swap::ArcSwap<Routes>>;

/// Answers a request by the configuration of this moment.
pub(crate) async fn serve(
    current: Current,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let routes = current.load_full();
    Ok(routes.answer(request).await)
}
