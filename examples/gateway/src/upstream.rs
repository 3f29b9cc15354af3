//! The servers behind.

mod bounds;

use std::{
    error::Error,
    mem,
    pin::Pin,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, ready},
    time::Duration,
};

use example_support::proxy::{
    CONNECTION_WINDOW, STREAM_WINDOW, causes, end_hop, hand_on, has_cause, is_answer, is_framed,
    is_timeout, join_cookies,
};
use futures_util::future;
use http::{
    HeaderMap, Request, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{Either, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, ResponseFuture, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use pin_project_lite::pin_project;
use tokio::time::{Timeout, timeout};
use tower::Service;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientMetadata, body::RequestBody,
};

pub(crate) use self::bounds::Counted;
use self::bounds::{Count, InTime};
use crate::{
    answer::{Refusal, Reply},
    config::{self, Protocol},
    telemetry,
};

/// How long a connection may be idle. A server closes it after a while, too, and a request that is sent just then
/// would be lost; most wait for longer than this.
const IDLE: Duration = Duration::from_secs(4);

/// What a connection may hold of an answer. Hyper takes 400 KB.
const BUFFER: usize = 64 * 1024;

type Sent = Counted<InTime<Either<RequestBody<Incoming>, Limited<RequestBody<Incoming>>>>>;

/// The connections to a server, which outlive a configuration.
#[derive(Clone)]
pub(crate) struct Pool {
    client: Client<To, Sent>,
    authority: Authority,
    protocol: Protocol,
    connect: Duration,
    requests: Arc<AtomicUsize>,
}

/// Connects to one server, whatever the URI of a request says.
#[derive(Clone)]
struct To {
    connector: HttpConnector,
    server: Arc<Uri>,
}

impl Service<Uri> for To {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _named: Uri) -> Self::Future {
        self.connector.call(Uri::clone(&self.server))
    }
}

impl Pool {
    /// `None` if the upstream has no host.
    pub(crate) fn new(upstream: &config::Upstream) -> Option<Self> {
        let authority = upstream.url.value.authority()?.clone();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(upstream.connect));
        connector.set_nodelay(true);
        let server = Arc::new(upstream.url.value.clone());
        let client = Client::builder(TokioExecutor::new())
            .http2_only(upstream.protocol == Protocol::H2c)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(BUFFER)
            .set_host(false)
            .build(To { connector, server });
        let config::Upstream { protocol, connect, .. } = *upstream;
        Some(Self { client, authority, protocol, connect, requests: Arc::default() })
    }

    pub(crate) fn serves(&self, upstream: &config::Upstream) -> bool {
        (Some(&self.authority), self.protocol, self.connect) == upstream.pool()
    }
}

/// One that a route has.
pub(crate) struct Upstream {
    pool: Pool,
    max_requests: usize,
    answer: Duration,
    /// For bodies that are streamed.
    body_limit: Option<usize>,
    route: String,
    failures: telemetry::Failures,
}

impl Upstream {
    pub(crate) fn new(
        pool: Pool,
        upstream: &config::Upstream,
        body_limit: Option<usize>,
        route: &str,
    ) -> Arc<Self> {
        let failures = telemetry::Failures::new(route);
        let config::Upstream { answer, max_requests, .. } = *upstream;
        Arc::new(Self { pool, max_requests, answer, body_limit, route: route.to_owned(), failures })
    }

    /// No `async fn`: it would move the request, which is large, twice.
    pub(crate) fn forward(
        self: &Arc<Self>,
        mut request: Request<RequestBody<Incoming>>,
    ) -> Forwarded {
        let is_larger = |limit| announced(request.headers()) > limit as u64;
        let own = if !is_framed(request.headers()) {
            Some(Refusal::CODING)
        } else if self.body_limit.is_some_and(is_larger) {
            Some(Refusal::TOO_LARGE)
        } else {
            None
        };
        if let Some(refusal) = own {
            telemetry::log_own_refusal(refusal, Some(&self.route), &request.into_parts().0);
            return now(Ok(refuse(refusal)));
        }
        // Strangers must not take all places of those who authenticate.
        let client = request.extensions().get::<AuthenticatedClient<ClientMetadata>>();
        let is_known = client.is_some_and(|client| *client.method() != AuthMethod::None);
        let max = if is_known { self.max_requests } else { self.max_requests.div_ceil(2) };
        let Some(counted) = Count::new(&self.pool.requests, max) else {
            let reason = Refusal::BUSY.reason;
            tracing::error!(route = self.route, upstream = %self.pool.authority, reason, "refused");
            self.failures.count(Refusal::BUSY);
            return now(Ok(refuse(Refusal::BUSY)));
        };
        end_hop(request.headers_mut());
        if let Err(error) = self.address(&mut request) {
            return now(Err(error));
        }
        let request = request.map(|body| {
            let body = match self.body_limit {
                Some(limit) => Either::Right(Limited::new(body, limit)),
                None => Either::Left(body),
            };
            // An answer that has begun does not end the upload.
            Counted::new(InTime::new(body, self.answer * 2), Arc::clone(&counted))
        });
        let asked = timeout(self.answer, self.pool.client.request(request));
        future::Either::Left(Forwarding { asked, upstream: Arc::clone(self), counted })
    }

    /// Where the request goes, in the terms of the protocol.
    fn address<B>(&self, request: &mut Request<B>) -> Result<(), BoxError> {
        let mut target = mem::take(request.uri_mut()).into_parts();
        target.scheme = Some(Scheme::HTTP);
        target.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        let headers = request.headers_mut();
        match self.pool.protocol {
            Protocol::Http1 => {
                // It is not sent. The pool, which has one server, asks for it, and hashes it byte by byte three times.
                target.authority = Some(Authority::from_static("-"));
                join_cookies(headers);
                if !headers.contains_key(header::HOST) {
                    headers.insert(header::HOST, self.pool.authority.as_str().try_into()?);
                }
                *request.version_mut() = Version::HTTP_11;
            }
            Protocol::H2c => {
                target.authority = Some(self.pool.authority.clone());
                // `:authority` takes its place, and the two must not differ (RFC 9113 §8.3.1).
                headers.remove(header::HOST);
                *request.version_mut() = Version::HTTP_2;
            }
        }
        *request.uri_mut() = Uri::from_parts(target)?;
        Ok(())
    }

    /// What the caller gets. The request counts for as long as the answer is there.
    fn pass(&self, asked: Asked, counted: &Arc<Count>) -> Reply {
        match asked {
            Ok(Ok(mut response)) if is_answer(&response) => {
                hand_on(&mut response);
                response.map(|body| Either::Left(Counted::new(body, Arc::clone(counted))))
            }
            asked => refuse(self.failed(asked)),
        }
    }

    #[cold]
    fn failed(&self, asked: Asked) -> Refusal {
        let refusal = match asked {
            Ok(Ok(response)) => {
                let (status, reason) = (response.status().as_u16(), Refusal::NO_ANSWER.reason);
                tracing::error!(route = self.route, upstream = %self.pool.authority, reason, answered = status, "refused");
                Refusal::NO_ANSWER
            }
            Ok(Err(error)) => {
                // It is not to blame for a body that is too large, or for a caller that hung up.
                let own = if has_cause(&error, |cause| cause.is::<LengthLimitError>()) {
                    Some(Refusal::TOO_LARGE)
                } else if has_cause(&error, is_of_the_caller) {
                    Some(Refusal::ABORTED)
                } else {
                    None
                };
                if let Some(refusal) = own {
                    tracing::info!(route = self.route, upstream = %self.pool.authority, reason = refusal.reason, "refused");
                    return refusal;
                }
                let refusal =
                    if has_cause(&error, is_timeout) { Refusal::LATE } else { Refusal::DOWN };
                let error = causes(&error);
                tracing::error!(route = self.route, upstream = %self.pool.authority, reason = refusal.reason, error, "refused");
                refusal
            }
            Err(_elapsed) => {
                let reason = Refusal::LATE.reason;
                tracing::error!(route = self.route, upstream = %self.pool.authority, reason, "refused");
                Refusal::LATE
            }
        };
        self.failures.count(refusal);
        refusal
    }
}

/// What becomes of a request to an upstream.
pub(crate) type Forwarded = future::Either<Forwarding, future::Ready<Result<Reply, BoxError>>>;

/// What is known at once.
pub(crate) fn now(reply: Result<Reply, BoxError>) -> Forwarded {
    future::Either::Right(future::ready(reply))
}

pin_project! {
    /// A request that an upstream has.
    pub(crate) struct Forwarding {
        #[pin]
        asked: Timeout<ResponseFuture>,
        upstream: Arc<Upstream>,
        counted: Arc<Count>,
    }
}

type Asked = <Timeout<ResponseFuture> as Future>::Output;

impl Future for Forwarding {
    type Output = Result<Reply, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let asked = ready!(this.asked.poll(context));
        Poll::Ready(Ok(this.upstream.pass(asked, this.counted)))
    }
}

fn refuse(refusal: Refusal) -> Reply {
    refusal.answer().map(Either::Right)
}

fn announced(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Whether it is of the body that was to be sent.
fn is_of_the_caller(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)
}
