//! Too many attempts.

use std::{fmt, io, iter, time::Duration};

/// The error that refuses an attempt because there have been too many. The caller gets 429 with `Retry-After`
/// (RFC 6749 §2.3.1, RFC 6585 §4).
///
/// A [`ClientProvider`](crate::ClientProvider) returns it, and so do the stores and sources of the application. It may
/// be the error itself, or a cause of an error of the application's own, that is, somewhere in
/// the chain of its [`source`](std::error::Error::source)s. An error that passes the source of
/// another one on as its own, such as `#[error(transparent)]` of thiserror, leaves that one out of
/// the chain.
///
/// Against guessing there is [`ClientAuthLayer::throttle`](crate::ClientAuthLayer::throttle), which sees the address of
/// the caller as well. A provider sees the id alone, which any caller can send: let it throttle by what it knows itself.
///
/// # Examples
///
/// A store that says how often it may be asked:
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{BoxError, ClientProvider, RegisteredClient, provider::Throttled};
///
/// struct Vault;
///
/// enum Found {
///     Client(RegisteredClient<()>),
///     Nothing,
///     /// It has answered 429.
///     TooMany { retry_after: Duration },
/// }
///
/// impl Vault {
///     async fn get(&self, _client_id: &str) -> Result<Found, BoxError> {
/// #       return Ok(Found::TooMany { retry_after: Duration::from_secs(30) });
///         // …
///     }
/// }
///
/// impl ClientProvider for Vault {
///     type Client = ();
///     type Error = BoxError;
///
///     async fn find_client(&self, client_id: &str) -> Result<Option<RegisteredClient<()>>, BoxError> {
///         match self.get(client_id).await? {
///             Found::Client(client) => Ok(Some(client)),
///             Found::Nothing => Ok(None),
///             Found::TooMany { retry_after } => Err(Throttled::new(retry_after).into()),
///         }
///     }
/// }
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_client_auth::{ClientAuthLayer, body::RequestBody};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// #     let service = ClientAuthLayer::new(Vault).layer(service_fn(
/// #         async |_: Request<RequestBody<Full<Bytes>>>| Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())),
/// #     ));
/// #     let request = Request::post("/token")
/// #         .header("content-type", "application/x-www-form-urlencoded")
/// #         .body(Full::from("client_id=app"))?;
/// #     let response = service.oneshot(request).await?;
/// #     assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"30".parse()?));
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
