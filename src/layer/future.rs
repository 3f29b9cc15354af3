//! The course of a request: collect the form, authenticate, call the inner service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    client::authenticated::AuthenticatedClient,
    error::{BoxError, Error, kind::ErrorKind},
    layer::{
        attempt::{self, Authentication, Course},
        policy::Policy,
        shared::Shared,
    },
    method::{attestation::NextChallenge, mutual_tls},
    provider::lookup::ClientProvider,
    wire::{
        admission::{self, Protocol, Source},
        authorization::Presence,
        body::{RequestBody, ResponseBody},
        collect::Collect,
        mode::{BodyMode, WrappedBodies},
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
    enum State<S, P, B, F> {
        // The exchange stays where it is from step to step, because it is large.
        Exchange { exchange: Exchange<S, P>, #[pin] step: Step<B> },
        Call { #[pin] future: F },
        // By itself, so that no other call is larger.
        Attested { #[pin] future: F, challenge: NextChallenge },
        Done,
    }
}

pin_project! {
    #[project = StepProj]
    enum Step<B> {
        Collect { #[pin] collect: Collect<B> },
        Begin { body: Option<RequestBody<B>> },
        Authenticate { attempt: Authentication, body: Option<RequestBody<B>> },
        // The request is passed on, with its client or without one, to the inner service that is ready, or not yet.
        Wait { body: Option<RequestBody<B>> },
        Refuse { error: Option<Error> },
    }
}

/// A request under way. From its look-up on, the attempt has what is taken from here.
struct Exchange<S, P> {
    head: Option<Parts>,
    protocol: Protocol,
    authorization: Presence,
    ready_after_auth: bool,
    inner: S,
    shared: Option<Arc<Shared<P>>>,
    started: Option<Instant>,
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
        let ready_after_auth = shared.policy.ready_after_auth;
        let (head, body) = request.into_parts();
        Self::start(head, body, inner, shared, ready_after_auth)
    }

    #[inline]
    pub(super) fn start(
        head: Parts,
        body: B,
        inner: S,
        shared: Arc<Shared<P>>,
        ready_after_auth: bool,
    ) -> Self {
        // The head is put where it stays, and admitted there.
        let mut exchange = Exchange {
            head: Some(head),
            protocol: Protocol::Http,
            authorization: Presence::Absent,
            ready_after_auth,
            inner,
            started: shared.policy.observers.start(&shared.policy.methods.clock),
            shared: Some(shared),
        };
        let step = exchange.admit(body);
        Self { state: State::Exchange { exchange, step } }
    }
}

impl<B> Step<B> {
    fn refuse(error: impl Into<Error>) -> Self {
        Self::Refuse { error: Some(error.into()) }
    }
}

impl<S, P: ClientProvider> Exchange<S, P> {
    fn admit<B>(&mut self, body: B) -> Step<B>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (Some(head), Some(shared)) = (&mut self.head, &self.shared) else {
            return Step::refuse(ErrorKind::Abandoned);
        };
        let Policy { admission, limits, .. } = &shared.policy;
        let (protocol, authorization, source) = admission::admit(head, admission);
        (self.protocol, self.authorization) = (protocol, authorization);
        match source {
            Ok(Source::Form { foreign }) => match Collect::new(body, foreign, limits) {
                Ok(collect) => Step::Collect { collect },
                Err(kind) => self.refuse(kind, None),
            },
            Ok(Source::Headers) => Step::Begin { body: Some(RequestBody::stream(body)) },
            Err(kind) => self.refuse(kind, None),
        }
    }

    /// Ends the request before any look-up. Of its form only the operator is told.
    #[cold]
    fn refuse<B>(&self, error: impl Into<Error>, form: Option<&Bytes>) -> Step<B> {
        let mut error = error.into();
        if let (Some(head), Some(shared)) = (&self.head, &self.shared) {
            error = error.because(|_kind| admission::preflight(head));
            let seen = (self.authorization, form);
            shared.policy.report_refusal(head, seen, self.started, &error);
        }
        Step::Refuse { error: Some(error) }
    }

    /// Reads the credentials and starts the look-up.
    fn begin<B>(&mut self, mut body: RequestBody<B>) -> Step<B> {
        let (Some(head), Some(shared)) = (&mut self.head, &self.shared) else {
            return Step::refuse(ErrorKind::Abandoned);
        };
        if let Err(error) = mutual_tls::find(head, &shared.policy.methods) {
            return self.refuse(error, body.bytes());
        }
        let presented = match shared.policy.presented(head, self.authorization, &body) {
            Ok(Some(presented)) => presented,
            Ok(None) => {
                if let Some(forward) = &shared.policy.forward {
                    forward.receive(head, &mut body, None, &shared.policy.methods);
                }
                head.extensions.remove::<AuthenticatedClient<P::Client>>();
                return Step::Wait { body: Some(body) };
            }
            Err(kind) => return self.refuse(kind, body.bytes()),
        };
        if let Some(forward) = &shared.policy.forward {
            let client_id = Some(presented.client_id());
            forward.receive(head, &mut body, client_id, &shared.policy.methods);
        }
        let Some(shared) = self.shared.take() else {
            return Step::refuse(ErrorKind::Abandoned);
        };
        // It goes by the step that looks at the head once more, and is ready for long.
        self.ready_after_auth |= presented.attestation().is_some();
        let attempt = attempt::begin(Course {
            head: self.head.take(),
            admitted: (self.protocol, self.authorization),
            presented,
            shared,
            started: self.started,
        });
        Step::Authenticate { attempt, body: Some(body) }
    }
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
        let answer = |response: Response<R>| {
            response.map(|body| <M as BodyMode<R>>::response(ResponseBody::inner(body)))
        };
        let refusal = loop {
            let (exchange, mut step) = match state.as_mut().project() {
                StateProj::Exchange { exchange, step } => (exchange, step),
                StateProj::Call { future } => return future.poll(cx).map_ok(answer),
                StateProj::Attested { future, challenge } => {
                    return future.poll(cx).map_ok(|response| answer(challenge.put(response)));
                }
                // Polled after it was ready.
                StateProj::Done => return Poll::Pending,
            };
            let future = match step.as_mut().project() {
                StepProj::Collect { collect } => {
                    let Some(shared) = &exchange.shared else { return Poll::Pending };
                    match ready!(collect.poll_collect(&shared.policy.limits, cx)) {
                        Ok(form) => step.set(exchange.begin(RequestBody::buffered(form))),
                        Err(error) => step.set(exchange.refuse(error, None)),
                    }
                    continue;
                }
                StepProj::Begin { body } => {
                    let Some(body) = body.take() else { return Poll::Pending };
                    step.set(exchange.begin(body));
                    continue;
                }
                StepProj::Authenticate { attempt, body } => {
                    // Bound where it is used: each move of a head costs.
                    match attempt.as_mut().poll(cx) {
                        Poll::Ready(Ok(head)) if exchange.ready_after_auth => {
                            exchange.head = head;
                            let body = body.take();
                            step.set(Step::Wait { body });
                            continue;
                        }
                        Poll::Ready(Ok(Some(head))) => {
                            let Some(body) = body.take() else { return Poll::Pending };
                            let body = <M as BodyMode<B>>::request(body);
                            exchange.inner.call(Request::from_parts(head, body))
                        }
                        Poll::Ready(Err(refusal)) => break refusal,
                        Poll::Ready(Ok(None)) | Poll::Pending => return Poll::Pending,
                    }
                }
                StepProj::Wait { body } => {
                    if exchange.ready_after_auth {
                        ready!(exchange.inner.poll_ready(cx))?;
                    }
                    let challenge = exchange.head.as_mut().and_then(NextChallenge::receive);
                    let (Some(body), Some(head)) = (body.take(), exchange.head.take()) else {
                        return Poll::Pending;
                    };
                    let body = <M as BodyMode<B>>::request(body);
                    let future = exchange.inner.call(Request::from_parts(head, body));
                    if let Some(challenge) = challenge {
                        state.set(State::Attested { future, challenge });
                        continue;
                    }
                    future
                }
                StepProj::Refuse { error } => {
                    let (Some(head), Some(shared), Some(error)) =
                        (&exchange.head, &exchange.shared, error.take())
                    else {
                        return Poll::Pending;
                    };
                    break shared.policy.refuse(
                        error,
                        (exchange.protocol, exchange.authorization),
                        head,
                    );
                }
            };
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
                Step::Begin { .. } => "begin",
                Step::Authenticate { .. } => "authenticate",
                Step::Wait { .. } => "ready",
                Step::Refuse { .. } => "refuse",
            },
            State::Call { .. } | State::Attested { .. } => "call",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish()
    }
}
