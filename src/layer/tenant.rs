//! A layer for each tenant, chosen by the request.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::{BoxError, kind::ErrorKind},
    isolate::guard,
    layer::{ClientAuthLayer, future::ResponseFuture},
    provider::lookup::ClientProvider,
    wire::{
        body::ResponseBody,
        mode::{BodyMode, WrappedBodies},
        response,
    },
};

type Pick<P, M> = dyn Fn(&Parts) -> Option<ClientAuthLayer<P, M>> + Send + Sync;
type Unknown = dyn Fn(&Parts) -> Response<Bytes> + Send + Sync;

/// Chooses the [`ClientAuthLayer`] of a request, for servers with many tenants or issuers.
///
/// Everything that a layer has is then each tenant's own: its clients, its issuer, its realm, its methods, its hooks. Only
/// the types are the same: one provider type `P`, or [`BoxClientProvider`](crate::provider::BoxClientProvider) for
/// different ones, and one kind of bodies `M`. [`guide::tenants`](crate::guide::tenants) shows what else there is to
/// decide.
///
/// # Examples
///
/// ```
/// use std::{collections::HashMap, sync::Arc};
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, provider::MemoryProvider, tenant::TenantLayer,
/// };
///
/// let layer = |realm| {
///     ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).realm(realm)
/// };
/// // Made once, and kept: what a layer has learned is lost with the last of its clones.
/// let tenants = HashMap::from([("acme", layer("Acme")?), ("globex", layer("Globex")?)]);
///
/// // `/acme/token` is the token endpoint of the tenant `acme`.
/// let layer = TenantLayer::new(move |request| {
///     let tenant = request.uri.path().split('/').nth(1)?;
///     tenants.get(tenant).cloned()
/// });
/// # drop(layer);
/// # Ok::<(), tower_client_auth::ConfigError>(())
/// ```
pub struct TenantLayer<P, M = WrappedBodies> {
    tenants: Arc<Tenants<P, M>>,
}

struct Tenants<P, M> {
    pick: Arc<Pick<P, M>>,
    unknown: Option<Arc<Unknown>>,
    ready_after_auth: bool,
}

impl<P, M> TenantLayer<P, M> {
    /// Authenticates each request with the layer that `pick` returns for it.
    ///
    /// `pick` sees the head of the request, before anything is read of its body. It runs for every request, inline on
    /// the connection task: it returns a clone, which is cheap, of a layer that it keeps, and must not block. A
    /// layer that is made for each request forgets what it has learned, and has a pool for hashes of its own. For `None`
    /// the tenant is [unknown](Self::unknown_tenant). If `pick` panics, the request is answered 500 `server_error`.
    ///
    /// What it reads may be the caller's to choose: a path and a `Host` are. Whoever chooses a tenant is
    /// authenticated as a client of *that* tenant, so the handler must decide by the client that it finds, and never read the
    /// tenant from the request a second time.
    #[must_use]
    pub fn new(
        pick: impl Fn(&Parts) -> Option<ClientAuthLayer<P, M>> + Send + Sync + 'static,
    ) -> Self {
        let pick = Arc::new(pick);
        Self { tenants: Arc::new(Tenants { pick, unknown: None, ready_after_auth: false }) }
    }

    /// The answer where there is no such tenant. Default: 404 with JSON, in the form of all refusals.
    ///
    /// It is sent as it is, but for a `HEAD`, which gets no body. No [hook](ClientAuthLayer::on_outcome) of a layer is
    /// called, because there is none. If `answer` panics, the request is answered 500 `server_error`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Response, StatusCode};
    /// use tower_client_auth::{ClientMetadata, provider::MemoryProvider, tenant::TenantLayer};
    ///
    /// let layer = TenantLayer::<MemoryProvider<ClientMetadata>>::new(|_| None).unknown_tenant(|_| {
    ///     let mut answer = Response::new(Bytes::from_static(b"no such tenant"));
    ///     *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    ///     answer
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn unknown_tenant(
        mut self,
        answer: impl Fn(&Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.tenants).unknown = Some(Arc::new(answer));
        self
    }

    /// As [`ClientAuthLayer::ready_after_auth`], for all tenants: that of their layers does not count here, because
    /// the inner service is asked whether it is ready before there is a request.
    #[must_use]
    pub fn ready_after_auth(mut self) -> Self {
        Arc::make_mut(&mut self.tenants).ready_after_auth = true;
        self
    }
}

impl<P, M> Tenants<P, M> {
    /// The answer where there is no layer: the choice panicked, or was that there is none.
    #[cold]
    fn refuse(&self, chosen: bool, head: &Parts) -> Response<Bytes> {
        let answer = match &self.unknown {
            Some(answer) if chosen => guard::hook("unknown_tenant", || answer(head)),
            None if chosen => return response::not_found(head),
            _ => None,
        };
        let Some(mut answer) = answer else {
            return response::plain(ErrorKind::Panicked.into(), head);
        };
        response::without_content(&mut answer, head);
        answer
    }
}

impl<S, P, M> Layer<S> for TenantLayer<P, M> {
    type Service = TenantAuth<S, P, M>;

    fn layer(&self, inner: S) -> Self::Service {
        TenantAuth { inner, tenants: Arc::clone(&self.tenants) }
    }
}

/// The service that [`TenantLayer`] makes.
///
/// `poll_ready` is that of the inner service, and the instance that was made ready is the one that is called;
/// [`ready_after_auth`](TenantLayer::ready_after_auth) changes that. Errors of the inner service pass unchanged: a
/// refusal is a response.
pub struct TenantAuth<S, P, M = WrappedBodies> {
    inner: S,
    tenants: Arc<Tenants<P, M>>,
}

impl<S, P, M, B, R> Service<Request<B>> for TenantAuth<S, P, M>
where
    P: ClientProvider,
    M: BodyMode<B> + BodyMode<R>,
    S: Service<Request<<M as BodyMode<B>>::Request>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<<M as BodyMode<R>>::Response>;
    type Error = S::Error;
    type Future = TenantFuture<S, P, B, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.tenants.ready_after_auth { Poll::Ready(Ok(())) } else { self.inner.poll_ready(cx) }
    }

    fn call(&mut self, request: Request<B>) -> TenantFuture<S, P, B, M> {
        // The instance that was polled ready, see `ClientAuth`. An unknown tenant gives back what it reserved.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let (head, body) = request.into_parts();
        let tenants = &*self.tenants;
        let state = match guard::hook("tenant", || (tenants.pick)(&head)) {
            Some(Some(ClientAuthLayer { shared, .. })) => {
                let after = tenants.ready_after_auth;
                State::Known { future: ResponseFuture::start(head, body, inner, shared, after) }
            }
            none => State::Answer { answer: Some(tenants.refuse(none.is_some(), &head)) },
        };
        TenantFuture { state }
    }
}

pin_project! {
    /// The future of [`TenantAuth`]. Dropping it at any time leaves nothing behind.
    pub struct TenantFuture<S, P, B, M = WrappedBodies>
    where
        S: Service<Request<<M as BodyMode<B>>::Request>>,
        P: ClientProvider,
        M: BodyMode<B>,
    {
        #[pin]
        state: State<ResponseFuture<S, P, B, M>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Known { #[pin] future: F },
        Answer { answer: Option<Response<Bytes>> },
    }
}

impl<S, P, B, M, R> Future for TenantFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>, Response = Response<R>>,
    P: ClientProvider,
    M: BodyMode<B> + BodyMode<R>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<<M as BodyMode<R>>::Response>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Known { future } => future.poll(cx),
            StateProj::Answer { answer } => {
                match answer.take() {
                    Some(answer) => Poll::Ready(Ok(answer
                        .map(|bytes| <M as BodyMode<R>>::response(ResponseBody::refusal(bytes))))),
                    // Polled after it was ready.
                    None => Poll::Pending,
                }
            }
        }
    }
}

// Derived, `Clone` would ask the same of `P` and `M`.
impl<P, M> Clone for Tenants<P, M> {
    fn clone(&self) -> Self {
        Self {
            pick: Arc::clone(&self.pick),
            unknown: self.unknown.clone(),
            ready_after_auth: self.ready_after_auth,
        }
    }
}

impl<P, M> Clone for TenantLayer<P, M> {
    fn clone(&self) -> Self {
        Self { tenants: Arc::clone(&self.tenants) }
    }
}

impl<S: Clone, P, M> Clone for TenantAuth<S, P, M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), tenants: Arc::clone(&self.tenants) }
    }
}

impl<P, M> fmt::Debug for TenantLayer<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLayer")
            .field("unknown_tenant", &self.tenants.unknown.is_some())
            .field("ready_after_auth", &self.tenants.ready_after_auth)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P, M> fmt::Debug for TenantAuth<S, P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuth").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, P, B, M> fmt::Debug for TenantFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>>,
    P: ClientProvider,
    M: BodyMode<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Known { future } => f.debug_tuple("TenantFuture").field(future).finish(),
            State::Answer { .. } => f.write_str("TenantFuture(\"unknown tenant\")"),
        }
    }
}
