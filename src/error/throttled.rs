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
/// At most ten failures per client id and minute:
///
/// ```
/// use std::{
///     collections::HashMap,
///     sync::{Arc, Mutex, PoisonError},
///     time::Duration,
/// };
/// use tower_client_auth::{
///     BoxError, ClientAuthLayer, ClientProvider, Error, ErrorKind, RegisteredClient,
///     provider::Throttled,
/// };
///
/// /// Failures by client id. A task of the application clears the map every minute.
/// type Failures = Arc<Mutex<HashMap<String, u32>>>;
///
/// struct Throttle<P> {
///     inner: P,
///     failures: Failures,
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
///         let failures = {
///             let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
///             failures.get(client_id).copied().unwrap_or(0)
///         };
///         if failures >= 10 {
///             return Err(Throttled::new(Duration::from_secs(60)).into());
///         }
///         self.inner.find_client(client_id).await.map_err(Into::into)
///     }
/// }
///
/// fn layer<P: ClientProvider>(clients: P, failures: Failures) -> ClientAuthLayer<Throttle<P>> {
///     let provider = Throttle { inner: clients, failures: Arc::clone(&failures) };
///     ClientAuthLayer::new(provider).on_outcome(move |outcome| {
///         let kind = outcome.error().map(Error::kind);
///         // Both alike: counting one alone would tell which ids exist. Not `Throttled` itself, or a
///         // client that goes on trying would stay out for good.
///         if let Some(ErrorKind::WrongSecret | ErrorKind::UnknownClient) = kind {
///             if let Some(client_id) = outcome.client_id() {
///                 let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
///                 // Any caller can send any id: the map must not grow without end.
///                 if failures.len() < 100_000 || failures.contains_key(client_id) {
///                     *failures.entry(client_id.to_owned()).or_default() += 1;
///                 }
///             }
///         }
///     })
/// }
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_client_auth::{ClientMetadata, body::RequestBody, provider::MemoryProvider};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// #     let (clients, _) = MemoryProvider::<ClientMetadata>::from_json(
/// #         br#"[{"client_id": "batch", "client_secret": "gX9k",
/// #             "token_endpoint_auth_method": "client_secret_post"}]"#,
/// #     )?;
/// #     let failures = Failures::default();
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
/// #     for id in ["batch", "unknown"] {
/// #         for _ in 0..10 {
/// #             assert_eq!(ask(id, "guessed").await?, 401);
/// #         }
/// #         for _ in 0..10 {
/// #             assert_eq!(ask(id, "gX9k").await?, 429);
/// #         }
/// #         assert_eq!(failures.lock().unwrap_or_else(PoisonError::into_inner)[id], 10);
/// #     }
/// #     failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
/// #     assert_eq!(ask("batch", "gX9k").await?, 200);
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
        // The source of an `io::Error` is the source of what it wraps, which would be skipped.
        let cause = |error: &&'a (dyn std::error::Error + 'static)| {
            error
                .downcast_ref::<io::Error>()
                .map_or_else(|| error.source(), |error| error.get_ref().map(|wrapped| wrapped as _))
        };
        iter::successors(Some(error), cause).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many attempts, retry after {:?}", self.retry_after)
    }
}

impl std::error::Error for Throttled {}
