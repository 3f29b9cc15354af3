//! Client ID metadata documents that several machines share, and that outlive a restart.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

use crate::error::BoxError;

/// Keeps the documents that were fetched, for machines that share them and for the time after a restart.
///
/// What is shared is the documents alone. How much is fetched, the pauses after failures and what was refused, each
/// machine knows for itself; a document that was withdrawn is used by another machine until its lifetime there is
/// over. What is read is judged as if it had just been fetched, so a store needs no more trust than the network.
///
/// # Contract
///
/// - Keep a document for as long as a client may come back: 90 days, and not less than the life of a refresh token.
///   How fresh it is, is judged by when it was fetched.
/// - Limit the time of each call: requests wait for it. One that fails counts as if nothing was kept, but for
///   [`known_only`](crate::metadata_documents::MetadataDocuments::known_only), where it is answered 503.
/// - The last one that was put replaces the one before.
///
/// # Examples
///
/// A table with the columns `url`, `text`, `fetched_at` and `max_age`:
///
/// ```
/// use std::{collections::HashMap, convert::Infallible, sync::Mutex};
/// use tower_client_auth::metadata_documents::{DocumentStore, StoredDocument};
///
/// #[derive(Default)]
/// struct Table(Mutex<HashMap<String, StoredDocument>>);
///
/// impl DocumentStore for Table {
///     type Error = Infallible;
///
///     async fn get(&self, url: &str) -> Result<Option<StoredDocument>, Infallible> {
///         Ok(self.0.lock().unwrap().get(url).cloned())
///     }
///
///     async fn put(&self, url: &str, document: StoredDocument) -> Result<(), Infallible> {
///         self.0.lock().unwrap().insert(url.to_owned(), document);
///         Ok(())
///     }
/// }
/// ```
pub trait DocumentStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// The document that was put last under this URL.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    fn get(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<StoredDocument>, Self::Error>> + Send;

    /// Keeps a document.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked. It is not put again before it is fetched again.
    fn put(
        &self,
        url: &str,
        document: StoredDocument,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A document as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    text: Bytes,
    fetched_at: i64,
    max_age: Option<Duration>,
}

impl StoredDocument {
    /// The JSON text, when it was fetched, in seconds since the Unix epoch, and how long its origin said that it may
    /// be kept.
    #[must_use]
    pub const fn new(text: Bytes, fetched_at: i64, max_age: Option<Duration>) -> Self {
        Self { text, fetched_at, max_age }
    }

    /// The JSON text.
    #[must_use]
    pub const fn text(&self) -> &Bytes {
        &self.text
    }

    /// When it was fetched, in seconds since the Unix epoch.
    #[must_use]
    pub const fn fetched_at(&self) -> i64 {
        self.fetched_at
    }

    /// How long it may be kept.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

type Get<'a> = Pin<Box<dyn Future<Output = Result<Option<StoredDocument>, BoxError>> + Send + 'a>>;
type Put<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

pub(crate) trait DynDocumentStore: Send + Sync {
    fn get_dyn<'a>(&'a self, url: &'a str) -> Get<'a>;
    fn put_dyn<'a>(&'a self, url: &'a str, document: StoredDocument) -> Put<'a>;
}

impl<S: DocumentStore> DynDocumentStore for S {
    fn get_dyn<'a>(&'a self, url: &'a str) -> Get<'a> {
        Box::pin(async move { self.get(url).await.map_err(Into::into) })
    }

    fn put_dyn<'a>(&'a self, url: &'a str, document: StoredDocument) -> Put<'a> {
        Box::pin(async move { self.put(url, document).await.map_err(Into::into) })
    }
}
