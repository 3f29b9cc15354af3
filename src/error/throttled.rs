//! Too many attempts.

use std::{fmt, time::Duration};

/// The error that a [`ClientProvider`](crate::ClientProvider) returns to refuse an attempt before
/// anything expensive is done, because there have been too many. The caller gets 429 with
/// `Retry-After` (RFC 6749 §2.3.1, RFC 6585 §4).
///
/// Ids are public: throttle attempts, but never lock a client out for good because of them, or
/// any caller could lock out any client.
///
/// # Examples
///
/// A decorator that throttles by client id:
///
/// ```
/// use std::{
///     sync::atomic::{AtomicU32, Ordering},
///     time::Duration,
/// };
/// use tower_client_auth::{BoxError, ClientProvider, RegisteredClient, provider::Throttled};
///
/// struct Throttle<P> {
///     inner: P,
///     left: AtomicU32,
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
///         if self.left.load(Ordering::Relaxed) == 0 {
///             return Err(Throttled::new(Duration::from_secs(30)).into());
///         }
///         self.inner.find_client(client_id).await.map_err(Into::into)
///     }
/// }
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
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many attempts, retry after {:?}", self.retry_after)
    }
}

impl std::error::Error for Throttled {}
