//! Too many attempts.

use std::{fmt, io, iter, time::Duration};

/// The error that a [`ClientProvider`](crate::ClientProvider) returns to refuse an attempt before
/// anything expensive is done, because there have been too many. The caller gets 429 with
/// `Retry-After` (RFC 6749 §2.3.1, RFC 6585 §4).
///
/// It may be the error itself, or a cause of an error of the application's own, that is, somewhere in
/// the chain of its [`source`](std::error::Error::source)s. An error that passes the source of
/// another one on as its own, such as `#[error(transparent)]` of thiserror, leaves that one out of
/// the chain.
///
/// Ids are public: throttle attempts, but never lock a client out for good because of them, or
/// any caller could lock out any client. `guide::operations` says what else there is to consider.
///
/// # Examples
///
/// At most ten failures per client id and minute, in memory that does not grow:
///
/// ```
/// use std::{
///     hash::{BuildHasher, RandomState},
///     sync::{
///         Arc,
///         atomic::{AtomicU32, Ordering::Relaxed},
///     },
///     time::Duration,
/// };
/// use http::StatusCode;
/// use tower_client_auth::{
///     BoxError, ClientAuthLayer, ClientProvider, ErrorKind, RegisteredClient, provider::Throttled,
/// };
///
/// /// Counts failures. Any caller can send any id, so ids share a million counters, by a hash with a
/// /// random key: a map with a limit would have no room for the next id once it is full of others.
/// struct Failures {
///     counters: Vec<AtomicU32>,
///     hasher: RandomState,
/// }
///
/// impl Failures {
///     fn new() -> Self {
///         let counters = (0..1 << 20).map(|_| AtomicU32::new(0)).collect();
///         Self { counters, hasher: RandomState::new() }
///     }
///
///     fn of(&self, client_id: &str) -> &AtomicU32 {
///         &self.counters[self.hasher.hash_one(client_id) as usize % self.counters.len()]
///     }
///
///     /// A task of the application calls this every minute.
///     fn clear(&self) {
///         for counter in &self.counters {
///             counter.store(0, Relaxed);
///         }
///     }
/// }
///
/// struct Throttle<P> {
///     inner: P,
///     failures: Arc<Failures>,
/// }
///
/// impl<P: ClientProvider> ClientProvider for Throttle<P> {
///     type Client = P::Client;
///     type Error = BoxError;
///
///     async fn find_client(
///         &self,
///         client_id: &str,
///     ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
///         if self.failures.of(client_id).load(Relaxed) >= 10 {
///             return Err(Throttled::new(Duration::from_secs(60)).into());
///         }
///         self.inner.find_client(client_id).await.map_err(Into::into)
///     }
/// }
///
/// fn layer<P: ClientProvider>(clients: P, failures: Arc<Failures>) -> ClientAuthLayer<Throttle<P>> {
///     let provider = Throttle { inner: clients, failures: Arc::clone(&failures) };
///     ClientAuthLayer::new(provider).on_outcome(move |outcome| {
///         let (Some(client_id), Some(error)) = (outcome.client_id(), outcome.error()) else { return };
///         // Every reason: counting some of them would tell which ids exist. Also callers that hang up
///         // before the answer, and `Overloaded`: secrets that are quick to compare have been compared by
///         // then. Not `Throttled`, or a client that goes on trying would stay out for good, and no outage,
///         // for which no client is to blame.
///         let is_failure = error.status() == StatusCode::UNAUTHORIZED;
///         if is_failure || matches!(error.kind(), ErrorKind::Abandoned | ErrorKind::Overloaded) {
///             failures.of(client_id).fetch_add(1, Relaxed);
///         }
///     })
/// }
/// # use std::{future, pin::pin, task::{Context, Waker}};
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_client_auth::{ClientSecret, body::RequestBody, provider::provider_fn};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// #     let clients = provider_fn(|id: &str| {
/// #         let id = id.to_owned();
/// #         async move {
/// #             let secrets = [ClientSecret::plain("gX9k")];
/// #             Ok::<_, BoxError>(match &*id {
/// #                 "batch" | "guessed" => Some(RegisteredClient::secret_post(id, secrets, ())),
/// #                 "mismatch" => Some(RegisteredClient::secret_basic(id, secrets, ())),
/// #                 "slow" => future::pending().await,
/// #                 "down" => return Err("the store is down".into()),
/// #                 _ => None,
/// #             })
/// #         }
/// #     });
/// #     let failures = Arc::new(Failures::new());
/// #     let service = layer(clients, Arc::clone(&failures)).layer(service_fn(
/// #         async |_: Request<RequestBody<Full<Bytes>>>| Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())),
/// #     ));
/// #     let ask = async |id: &str, secret: &str| -> Result<u16, BoxError> {
/// #         let request = Request::post("/token")
/// #             .header("content-type", "application/x-www-form-urlencoded")
/// #             .body(Full::from(format!("client_id={id}&client_secret={secret}")))?;
/// #         Ok(service.clone().oneshot(request).await?.status().as_u16())
/// #     };
/// #     assert_eq!(ask("batch", "gX9k").await?, 200);
/// #     for id in ["guessed", "mismatch", "unknown"] {
/// #         for _ in 0..10 {
/// #             assert_eq!(ask(id, "guess").await?, 401, "{id}");
/// #         }
/// #         for _ in 0..10 {
/// #             assert_eq!(ask(id, "gX9k").await?, 429, "{id}");
/// #         }
/// #         assert_eq!(failures.of(id).load(Relaxed), 10, "{id}");
/// #     }
/// #     for _ in 0..10 {
/// #         let mut hung_up = pin!(ask("slow", "guess"));
/// #         assert!(hung_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// #     }
/// #     assert_eq!(failures.of("slow").load(Relaxed), 10);
/// #     assert_eq!(ask("slow", "guess").await?, 429);
/// #     for _ in 0..11 {
/// #         assert_eq!(ask("down", "gX9k").await?, 503);
/// #     }
/// #     assert_eq!(ask("batch", "gX9k").await?, 200);
/// #     failures.clear();
/// #     assert_eq!(ask("guessed", "gX9k").await?, 200);
/// #     Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    retry_after: Duration,
}

impl Throttled {
    /// Asks the caller to wait this long; sent in whole seconds, rounded up.
    #[must_use]
    pub const fn new(retry_after: Duration) -> Self {
        Self { retry_after }
    }

    /// How long the caller should wait.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The throttle that `error` is, or that caused it.
    pub(crate) fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        find(error)
    }
}

/// The error of this type that `error` is, or that caused it.
pub(super) fn find<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    // The source of an `io::Error` is the source of what it wraps, which would be skipped.
    let cause = |error: &&'a (dyn std::error::Error + 'static)| {
        error
            .downcast_ref::<io::Error>()
            .map_or_else(|| error.source(), |error| error.get_ref().map(|wrapped| wrapped as _))
    };
    iter::successors(Some(error), cause).find_map(|error| error.downcast_ref())
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many attempts, retry after {:?}", self.retry_after)
    }
}

impl std::error::Error for Throttled {}
