//! The course of a request: collect the form, authenticate, call the inner service.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
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
    authenticate::{AuthenticatedClient, Presented, authenticate},
    compat::mcp_python_sdk,
    error::{BoxError, Error, ErrorKind},
    iana::Method,
    isolate::deadline::Deadline,
    layer::{
        policy::{Outcome, Policy, SecretMatch, Shared},
        trace,
    },
    method::{self, Authorization},
    provider::ClientProvider,
    secret::presented::PresentedSecret,
    wire::{
        admission::{self, Presence, Protocol, Source},
        body::{BodyMode, Collector, RequestBody, ResponseBody, WrappedBodies},
        form, response,
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
        state: State<S, P, B, S::Future, P::Client>,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<S, P, B, F, C> {
        // The exchange stays where it is from step to step, because it is large.
        Exchange { exchange: Exchange<S, P>, #[pin] step: Step<B, C> },
        Call { #[pin] future: F },
        Done,
    }
}

pin_project! {
    #[project = StepProj]
    #[project_replace = StepOwned]
    enum Step<B, C> {
        Collect { #[pin] body: B, collector: Collector, typed: bool, deadline: Deadline },
        // The attempt goes when it has succeeded, and the body stays until the inner service is ready.
        Authenticate { attempt: Option<Attempt<C>>, body: RequestBody<B> },
        Refuse { error: Error },
        Taken,
    }
}

/// The one allocation of the way: the provider's future has no name, and it borrows the
/// credentials.
type Attempt<C> = Pin<Box<dyn Future<Output = Decision<C>> + Send>>;

struct Decision<C> {
    result: Result<AuthenticatedClient<C>, Error>,
    presented: Presented,
}

/// A request under way.
struct Exchange<S, P> {
    head: Parts,
    protocol: Protocol,
    authorization: Presence,
    inner: S,
    shared: Arc<Shared<P>>,
}

impl<S, P, B, M> ResponseFuture<S, P, B, M>
where
    S: Service<Request<<M as BodyMode<B>>::Request>>,
    P: ClientProvider,
    M: BodyMode<B>,
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(request: Request<B>, inner: S, shared: Arc<Shared<P>>) -> Self {
        let (mut head, body) = request.into_parts();
        let policy = &shared.policy;
        let (protocol, authorization, source) = admission::admit(&mut head, policy);
        let step = match source {
            Ok(Source::Form { typed }) => collect(body, typed, policy),
            Ok(Source::Headers) => begin(&head, authorization, RequestBody::stream(body), &shared),
            Err(kind) => Step::Refuse { error: kind.into() },
        };
        let exchange = Exchange { head, protocol, authorization, inner, shared };
        Self { state: State::Exchange { exchange, step } }
    }
}

fn collect<B: Body, C>(body: B, typed: bool, policy: &Policy) -> Step<B, C> {
    // A declared length is enough to refuse: the body is not polled, and `Expect: 100-continue`
    // not answered.
    let declared = body.size_hint().lower();
    let refused = if declared > 0 && !typed {
        ErrorKind::UnsupportedMediaType
    } else if usize::try_from(declared).map_or(true, |declared| declared > policy.body_limit) {
        ErrorKind::BodyTooLarge
    } else {
        let deadline = Deadline::new(policy.body_deadline);
        return Step::Collect { body, collector: Collector::default(), typed, deadline };
    };
    Step::Refuse { error: refused.into() }
}

/// Reads the credentials and starts the look-up.
fn begin<B, P: ClientProvider>(
    head: &Parts,
    authorization: Presence,
    body: RequestBody<B>,
    shared: &Arc<Shared<P>>,
) -> Step<B, P::Client> {
    match presented(head, authorization, &body, &shared.policy) {
        Ok(presented) => {
            let shared = Arc::clone(shared);
            let attempt = Box::pin(async move {
                let Shared { provider, policy } = &*shared;
                let result = authenticate(&**provider, policy, &presented).await;
                Decision { result, presented }
            });
            Step::Authenticate { attempt: Some(attempt), body }
        }
        Err(kind) => Step::Refuse { error: kind.into() },
    }
}

fn presented<B>(
    head: &Parts,
    authorization: Presence,
    body: &RequestBody<B>,
    policy: &Policy,
) -> Result<Presented, ErrorKind> {
    // A stream is not touched: it counts as a form without parameters.
    let octets = body.bytes().map(Bytes::as_ref).unwrap_or_default();
    let form = form::scan(octets, policy)?;
    let authorization = Authorization::read(&head.headers, authorization);
    if policy.seed.is_some() {
        let presented = mcp_python_sdk::extract(authorization, &form, policy)?;
        return Ok(Presented::Seed(Box::new(presented)));
    }
    method::extract(authorization, &form, policy).map(Presented::Credentials)
}

impl<S, P: ClientProvider> Exchange<S, P> {
    fn report(&self, presented: Option<&Presented>, error: Option<&Error>) {
        let hook = self.shared.policy.outcome_hook.as_deref();
        if hook.is_none() && !trace::ENABLED {
            return;
        }
        let outcome = Outcome {
            request: &self.head,
            client_id: presented.map(Presented::client_id),
            method: presented.and_then(Presented::method).map(Method::iana),
            error,
        };
        trace::decision(&outcome);
        if let Some(hook) = hook {
            hook(&outcome);
        }
    }

    /// Hands a secret that was right to the hook. Its failure is not the request's.
    fn offer(&self, presented: &Presented, client: &AuthenticatedClient<P::Client>) {
        let Some(hook) = &self.shared.policy.secret_hook else { return };
        let Some(secret) = presented.secret(client.proof()) else { return };
        let matched = SecretMatch {
            client_id: client.client_id(),
            label: client.secret_label(),
            presented: PresentedSecret::new(secret),
        };
        let _panicked = catch_unwind(AssertUnwindSafe(|| hook(&matched)));
    }

    fn refuse(&self, presented: Option<&Presented>, error: Error) -> Response<Bytes> {
        self.report(presented, Some(&error));
        response::refuse(error, self.protocol, &self.head, &self.shared.policy)
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
            match step.as_mut().project() {
                StepProj::Collect { body, collector, typed, deadline } => {
                    let limit = exchange.shared.policy.body_limit;
                    let form = match collector.poll_collect(body, limit, *typed, cx) {
                        Poll::Ready(form) => form,
                        Poll::Pending => {
                            ready!(deadline.poll(cx));
                            Err(ErrorKind::BodyTimeout.into())
                        }
                    };
                    step.set(match form {
                        Ok(form) => {
                            let body = RequestBody::buffered(form);
                            begin(&exchange.head, exchange.authorization, body, &exchange.shared)
                        }
                        Err(error) => Step::Refuse { error },
                    });
                }
                StepProj::Authenticate { attempt, .. } => {
                    if let Some(pending) = attempt {
                        let Decision { result, presented } = ready!(pending.as_mut().poll(cx));
                        *attempt = None;
                        match result {
                            Ok(client) => {
                                exchange.report(Some(&presented), None);
                                exchange.offer(&presented, &client);
                                // Replaces whatever a caller or an outer layer put there.
                                exchange.head.extensions.insert(client);
                            }
                            Err(error) => break exchange.refuse(Some(&presented), error),
                        }
                    }
                    if exchange.shared.policy.ready_after_auth {
                        ready!(exchange.inner.poll_ready(cx))?;
                    }
                    let body = step.project_replace(Step::Taken);
                    let exchange = state.as_mut().project_replace(State::Done);
                    let (
                        StepOwned::Authenticate { body, .. },
                        StateOwned::Exchange { exchange: Exchange { head, mut inner, .. }, .. },
                    ) = (body, exchange)
                    else {
                        continue;
                    };
                    let body = <M as BodyMode<B>>::request(body);
                    let future = inner.call(Request::from_parts(head, body));
                    state.set(State::Call { future });
                }
                StepProj::Refuse { .. } => {
                    let StepOwned::Refuse { error } = step.project_replace(Step::Taken) else {
                        continue;
                    };
                    break exchange.refuse(None, error);
                }
                StepProj::Taken => return Poll::Pending,
            }
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
                Step::Authenticate { attempt: Some(_), .. } => "authenticate",
                Step::Authenticate { attempt: None, .. } => "ready",
                Step::Refuse { .. } => "refuse",
                Step::Taken => "done",
            },
            State::Call { .. } => "call",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish()
    }
}
