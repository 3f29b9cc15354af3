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
///             _ => return Err(io::ErrorKind::NotFound.into()),
///         };
///         let document = std::fs::read(path)?;
///         Ok(FetchedJwks::new(document.into(), Some(Duration::from_secs(600))))
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
    /// If it cannot be fetched. The caller is answered 503.
    fn fetch(
        &self,
        jwks_uri: &str,
    ) -> impl Future<Output = Result<FetchedJwks, Self::Error>> + Send;
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
    fn fetch_dyn<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a>;
}

impl<J: JwksSource> DynJwksSource for J {
    fn fetch_dyn<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a> {
        Box::pin(async move { self.fetch(jwks_uri).await.map_err(Into::into) })
    }
}
