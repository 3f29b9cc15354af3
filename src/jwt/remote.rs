//! The keys of clients that publish them at a `jwks_uri`.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;

use super::keys::KeySet;
use crate::BoxError;

/// Fetches the key set that a client publishes (RFC 7591 §2, `jwks_uri`).
///
/// The URI comes from a registration, which anybody may have made where registration is open.
///
/// # Contract
///
/// - Follow no redirects, limit time and size, and refuse addresses that are not public.
/// - The returned future may be dropped at any time.
pub trait JwksSource: Send + Sync + 'static {
    /// Why the keys could not be had.
    type Error: Into<BoxError>;

    /// Fetches the document at `jwks_uri`.
    ///
    /// # Errors
    ///
    /// If it cannot be had. The caller is answered 503.
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

type Fetch<'a> = Pin<Box<dyn Future<Output = Result<FetchedJwks, BoxError>> + Send + 'a>>;

trait AnyJwksSource: Send + Sync {
    fn fetch_any<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a>;
}

impl<J: JwksSource> AnyJwksSource for J {
    fn fetch_any<'a>(&'a self, jwks_uri: &'a str) -> Fetch<'a> {
        Box::pin(async move { self.fetch(jwks_uri).await.map_err(Into::into) })
    }
}

/// What the settings keep of a source.
#[derive(Clone)]
pub(crate) struct RemoteKeys {
    source: Arc<dyn AnyJwksSource>,
}

impl RemoteKeys {
    pub(crate) fn new(source: impl JwksSource) -> Self {
        Self { source: Arc::new(source) }
    }

    /// The prepared keys at `jwks_uri`, with the one of this `kid` if it can be had.
    ///
    /// # Errors
    ///
    /// If there are none that may be used.
    pub(crate) async fn keys(
        &self,
        jwks_uri: &str,
        _kid: Option<&str>,
    ) -> Result<Arc<KeySet>, BoxError> {
        let fetched = self.source.fetch_any(jwks_uri).await?;
        Ok(Arc::new(KeySet::parse(fetched.document())?))
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").finish_non_exhaustive()
    }
}
