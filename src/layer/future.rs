//! The course of a request: collect the form, authenticate, call the inner service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    compat::dialect::Presented,
    error::{BoxError, Error, kind::ErrorKind},
    layer::{
        attempt::{self, Authentication},
        policy::Policy,
        shared::Shared,
    },
    provider::lookup::ClientProvider,
    wire::{
        admission::{self, Protocol, Source},
        authorization::{Authorization, Presence},
        body::{RequestBody, ResponseBody},
        collect::Collect,
        form,
        mode::{BodyMode, WrappedBodies},
        response,
    },
};

pin_project! {
    /// The future of [`ClientAuth`](crate::ClientAuth). Dropping it at any time leaves nothing behind.
    pub struct ResponseFuture<S, P, B, M = WrappedBodies>
    where
        S: Service<Request<<M as BodyMode<B>>::Request>>,
        P: ClientProvider,
        M: BodyMode<B>,
    {
        #[pin]
        state: State<S, P, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, P: ClientProvider, B, F> {
        // The exchange stays where it is from step to step, because it is large.
        Exchange { exchange: Exchange<S, P>, #[pin] step: Step<P, B> },
        Call { #[pin] future: F },
        Done,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<P: ClientProvider, B> {
        Collect { #[pin] collect: Collect<B> },
        Authenticate { attempt: Authentication<P>, body: Option<RequestBody<B>> },
        // The client is authenticated, and the inner service is not ready.
        Wait { body: Option<RequestBody<B>> },
        Refuse { error: Option<Error> },
    }
}

/// A request under way. Its attempt has the head and the handle, and gives them back.
struct Exchange<S, P> {
    head: Option<Parts>,
    protocol: Protocol,
    authorization: Presence,
    inner: S,
    shared: Option<Arc<Shared<P>>>,
}

impl<S, P, B, M> ResponseFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>>,
    P: ClientProvider,
    M: BodyMode<B>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(request: Request<B>, inner: S, shared: Arc<Shared<P>>) -> Self {
        let (mut head, body) = request.into_parts();
        let Policy { admission, limits, .. } = &shared.policy;
        let (protocol, authorization, source) = admission::admit(&mut head, admission);
        let collect = match source {
            Ok(Source::Form { foreign }) => Collect::new(body, foreign, limits).map(Ok),
            Ok(Source::Headers) => Ok(Err(RequestBody::stream(body))),
            Err(kind) => Err(kind),
        };
        let mut exchange =
            Exchange { head: Some(head), protocol, authorization, inner, shared: Some(shared) };
        let step = match collect {
            Ok(Ok(collect)) => Step::Collect { collect },
            Ok(Err(body)) => exchange.begin(body),
            Err(kind) => Step::Refuse { error: Some(kind.into()) },
        };
        Self { state: State::Exchange { exchange, step } }
    }
}

impl<S, P: ClientProvider> Exchange<S, P> {
    /// Reads the credentials and starts the look-up.
    fn begin<B>(&mut self, body: RequestBody<B>) -> Step<P, B> {
        match self.presented(&body) {
            Ok(presented) => {
                let attempt = attempt::begin(self.head.take(), presented, self.shared.take());
                Step::Authenticate { attempt, body: Some(body) }
            }
            Err(kind) => Step::Refuse { error: Some(kind.into()) },
        }
    }

    fn presented<B>(&self, body: &RequestBody<B>) -> Result<Presented, ErrorKind> {
        let (Some(head), Some(shared)) = (&self.head, &self.shared) else {
            return Err(ErrorKind::Abandoned);
        };
        let Policy { dialect, limits, methods, repeated, .. } = &shared.policy;
        // A stream is not touched: it counts as a form without parameters.
        let bytes = body.bytes().map(Bytes::as_ref).unwrap_or_default();
        let form = form::scan(bytes, limits, *repeated)?;
        let authorization = Authorization::read(&head.headers, self.authorization);
        dialect.extract(authorization, &form, methods, limits)
    }
}

fn refuse(head: &Parts, protocol: Protocol, policy: &Policy, error: Error) -> Response<Bytes> {
    let other = policy.dialect.answer(&error);
    response::refuse(error, protocol, head, &policy.answers, other)
}

impl<S, P, B, M, R> Future for ResponseFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>, Response = Response<R>>,
    P: ClientProvider,
    M: BodyMode<B> + BodyMode<R>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<<M as BodyMode<R>>::Response>, S::Error>;

    // What is taken is there: each step takes what the one before has left, and none is done twice.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let refusal = loop {
            let (exchange, mut step) = match state.as_mut().project() {
                StateProj::Exchange { exchange, step } => (exchange, step),
                StateProj::Call { future } => {
                    return future.poll(cx).map_ok(|response| {
                        response.map(|body| <M as BodyMode<R>>::response(ResponseBody::inner(body)))
                    });
                }
                // Polled after it was ready.
                StateProj::Done => return Poll::Pending,
            };
            let request = match step.as_mut().project() {
                StepProj::Collect { collect } => {
                    let Some(shared) = &exchange.shared else { return Poll::Pending };
                    match ready!(collect.poll_collect(&shared.policy.limits, cx)) {
                        Ok(form) => step.set(exchange.begin(RequestBody::buffered(form))),
                        Err(error) => step.set(Step::Refuse { error: Some(error) }),
                    }
                    continue;
                }
                StepProj::Authenticate { attempt, body } => {
                    let mut decision = ready!(attempt.as_mut().poll(cx));
                    let (Some(head), Some(shared)) = (&mut decision.head, &decision.shared) else {
                        return Poll::Pending;
                    };
                    match decision.result {
                        // Replaces whatever a caller or an outer layer put there.
                        Ok(client) => head.extensions.insert(client),
                        Err(error) => {
                            break refuse(head, exchange.protocol, &shared.policy, error);
                        }
                    };
                    if shared.policy.ready_after_auth {
                        exchange.head = decision.head.take();
                        let body = body.take();
                        step.set(Step::Wait { body });
                        continue;
                    }
                    decision.head.take().zip(body.take())
                }
                StepProj::Wait { body } => {
                    ready!(exchange.inner.poll_ready(cx))?;
                    exchange.head.take().zip(body.take())
                }
                StepProj::Refuse { error } => {
                    let (Some(head), Some(shared), Some(error)) =
                        (&exchange.head, &exchange.shared, error.take())
                    else {
                        return Poll::Pending;
                    };
                    shared.policy.observers.report(head, None, Some(&error));
                    break refuse(head, exchange.protocol, &shared.policy, error);
                }
            };
            let Some((head, body)) = request else { return Poll::Pending };
            let request = Request::from_parts(head, <M as BodyMode<B>>::request(body));
            let future = exchange.inner.call(request);
            state.set(State::Call { future });
        };
        state.set(State::Done);
        Poll::Ready(Ok(
            refusal.map(|bytes| <M as BodyMode<R>>::response(ResponseBody::refusal(bytes)))
        ))
    }
}

impl<S, P, B, M> fmt::Debug for ResponseFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>>,
    P: ClientProvider,
    M: BodyMode<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Exchange { step, .. } => match step {
                Step::Collect { .. } => "collect",
                Step::Authenticate { .. } => "authenticate",
                Step::Wait { .. } => "ready",
                Step::Refuse { .. } => "refuse",
            },
            State::Call { .. } => "call",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish()
    }
}
