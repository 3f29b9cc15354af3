//! Where published keys come from.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

use crate::error::BoxError;

/// Fetches the key set that a client publishes (RFC 7591 §2, `jwks_uri`).
///
/// The URI comes from a registration, which any caller can make where registration is open. What a
/// source returns is remembered by a [`JwksCache`](crate::assertion::JwksCache); a source remembers nothing.
///
/// # Contract
///
/// - Follow no redirects, limit time and size, and refuse addresses that are not public.
/// - Tell an answer from an outage. A key set is an answer, also an empty one, and so is that there is
///   none, which [`FetchedJwks::gone`] says: what was known before is forgotten, and the client has
///   withdrawn its keys. An error is an outage: the keys that are known stay in use for a while.
/// - The returned future may be dropped at any time. It runs in a task of its own where there is a
///   tokio runtime.
///
/// # Examples
///
/// Keys that a side-car keeps in files:
///
/// ```
/// use std::{io, time::Duration};
/// use tower_client_auth::assertion::{FetchedJwks, JwksSource};
///
/// struct Files;
///
/// impl JwksSource for Files {
///     type Error = io::Error;
///
///     async fn fetch(&self, jwks_uri: &str) -> io::Result<FetchedJwks> {
///         let path = match jwks_uri {
///             "https://batch.example/jwks.json" => "/run/jwks/batch.json",
///             _ => return Ok(FetchedJwks::gone(None)),
///         };
///         let max_age = Some(Duration::from_secs(600));
///         match std::fs::read(path) {
///             Ok(document) => Ok(FetchedJwks::new(document.into(), max_age)),
///             Err(error) if error.kind() == io::ErrorKind::NotFound => {
///                 Ok(FetchedJwks::gone(max_age))
///             }
///             Err(error) => Err(error),
///         }
///     }
/// }
/// ```
pub trait JwksSource: Send + Sync + 'static {
    /// Why the keys could not be fetched.
    type Error: Into<BoxError>;

    /// Fetches the document at `jwks_uri`.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched. Unless keys are known, the caller is answered 503, or 429 where the
    /// error is, or was caused by, [`Throttled`](crate::provider::Throttled).
    fn fetch(
        &self,
        jwks_uri: &str,
    ) -> impl Future<Output = Result<FetchedJwks, Self::Error>> + Send;

    /// Fetches the document at an address whose keys have verified no signature yet. Anybody may
    /// have chosen it, and a source may bound such fetches more narrowly than others. Default:
    /// [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// As for [`fetch`](Self::fetch).
    fn fetch_unproven(
        &self,
        jwks_uri: &str,
    ) -> impl Future<Output = Result<FetchedJwks, Self::Error>> + Send {
        self.fetch(jwks_uri)
    }
}

/// A fetched key set (RFC 7517 §5).
#[derive(Clone, Debug)]
pub struct FetchedJwks {
    document: Bytes,
    max_age: Option<Duration>,
}

impl FetchedJwks {
    /// The document as it was received, and how long its origin says that it may be kept.
    #[must_use]
    pub const fn new(document: Bytes, max_age: Option<Duration>) -> Self {
        Self { document, max_age }
    }

    /// There is no key set at this address, and no keys are left: HTTP answers that with 404 or 410.
    #[must_use]
    pub const fn gone(max_age: Option<Duration>) -> Self {
        Self::new(Bytes::from_static(br#"{"keys":[]}"#), max_age)
    }

    /// The JSON text.
    #[must_use]
    pub const fn document(&self) -> &Bytes {
        &self.document
    }

    /// How long the document may be kept.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

pub(super) type Fetch<'a> =
    Pin<Box<dyn Future<Output = Result<FetchedJwks, BoxError>> + Send + 'a>>;

pub(super) trait DynJwksSource: Send + Sync {
    fn fetch_dyn<'a>(&'a self, jwks_uri: &'a str, proven: bool) -> Fetch<'a>;
}

impl<J: JwksSource> DynJwksSource for J {
    fn fetch_dyn<'a>(&'a self, jwks_uri: &'a str, proven: bool) -> Fetch<'a> {
        Box::pin(async move {
            let fetched = match proven {
                true => self.fetch(jwks_uri).await,
                false => self.fetch_unproven(jwks_uri).await,
            };
            fetched.map_err(Into::into)
        })
    }
}
