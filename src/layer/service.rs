//! The tower service.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    error::BoxError,
    layer::{future::ResponseFuture, shared::Shared},
    provider::lookup::ClientProvider,
    wire::mode::{BodyMode, WrappedBodies},
};

/// The service that [`ClientAuthLayer`](crate::ClientAuthLayer) makes.
///
/// `poll_ready` is that of the inner service, and the instance that was made ready is the one that
/// is called; [`ready_after_auth`](crate::ClientAuthLayer::ready_after_auth) changes that. Errors
/// of the inner service pass unchanged: a refusal is a response.
pub struct ClientAuth<S, P, M = WrappedBodies> {
    inner: S,
    shared: Arc<Shared<P>>,
    mode: std::marker::PhantomData<fn() -> M>,
}

impl<S, P, M> ClientAuth<S, P, M> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<P>>) -> Self {
        Self { inner, shared, mode: std::marker::PhantomData }
    }

    /// The inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, M, B, R> Service<Request<B>> for ClientAuth<S, P, M>
where
    P: ClientProvider,
    M: BodyMode<B> + BodyMode<R>,
    S: Service<Request<<M as BodyMode<B>>::Request>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<<M as BodyMode<R>>::Response>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, B, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.shared.policy.ready_after_auth {
            Poll::Ready(Ok(()))
        } else {
            self.inner.poll_ready(cx)
        }
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S, P, B, M> {
        // The instance that was polled ready must be the one that is called, see "Be careful when
        // cloning inner services" of `tower_service::Service`.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(request, inner, Arc::clone(&self.shared))
    }
}

// Derived, `Clone` would ask the same of `P` and `M`.
impl<S: Clone, P, M> Clone for ClientAuth<S, P, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            mode: std::marker::PhantomData,
        }
    }
}

impl<S: fmt::Debug, P, M> fmt::Debug for ClientAuth<S, P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("inner", &self.inner)
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}
