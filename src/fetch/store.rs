//! Client ID metadata documents that several machines share, and that outlive a restart.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

use crate::error::BoxError;

/// Keeps the documents that were fetched, for machines that share them and for the time after a restart.
///
/// What is shared is the documents, and that one was withdrawn. How much is fetched, the pauses after failures and what
/// was refused, each machine knows for itself; a document that was withdrawn is used by a machine that remembers it until
/// its lifetime there is over. What is read is judged as if it had just been fetched, so a store needs no more trust than
/// the network.
///
/// When a document that was known is withdrawn, one with an [empty text](StoredDocument::text) is put in its place, so
/// that it does not come back after a restart, or on another machine. Of a URL at which no document was known, nothing is
/// put: strangers cannot fill a store with URLs that they make up.
///
/// # Contract
///
/// - Keep a document, also an empty one, for as long as a client may come back: 90 days, and not less than the life of a
///   refresh token. How fresh it is, is judged by when it was fetched.
/// - Limit the time of each call: requests wait for it. One that fails counts as if nothing was kept, but for
///   [`known_only`](crate::metadata_documents::MetadataDocuments::known_only), where it is answered 503.
/// - What is put replaces what was there, unless that was [fetched](StoredDocument::fetched_at) later. Compare and
///   replace in one step: machines put theirs at the same time, and a slow one must not bring back what was replaced, or
///   withdrawn. The clocks of the machines agree within seconds.
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
///         let mut documents = self.0.lock().unwrap();
///         let kept = documents.entry(url.to_owned()).or_insert_with(|| document.clone());
///         if kept.fetched_at() <= document.fetched_at() {
///             *kept = document;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait DocumentStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// The document that is kept under this URL.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    fn get(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<StoredDocument>, Self::Error>> + Send;

    /// Keeps a document, unless one is there that was fetched later.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked. It is not put again before it is fetched again. That one was withdrawn is not put
    /// again: a machine that does not know it uses the document that is kept, until its lifetime is over.
    fn put(
        &self,
        url: &str,
        document: StoredDocument,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A document as it was fetched, or that it was withdrawn.
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

    pub(crate) const fn withdrawn(asked_at: i64) -> Self {
        Self::new(Bytes::new(), asked_at, None)
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.text.is_empty()
    }

    /// The JSON text; empty, if the document was withdrawn.
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
