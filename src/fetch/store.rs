//! Client ID metadata documents that several machines share, and that outlive a restart.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

use crate::{error::BoxError, jose::leaked::Leaked};

/// Keeps the documents that were fetched, for machines that share them and for the time after a restart.
///
/// What is shared is the documents, and that one was withdrawn. How much is fetched, the pauses after failures and what
/// was refused, each machine knows for itself; a document that was withdrawn is used by a machine that remembers it until
/// its lifetime there is over. What is read is judged as if it had just been fetched, so a store needs no more trust than
/// the network.
///
/// A document is put once the application has said that its client is to be
/// [kept](crate::metadata_documents::MetadataDocuments::keep), and again whenever it is fetched, as long as it is there.
/// For all others nothing is put: anybody can have as many documents as they like, and strangers do not fill a store.
///
/// When one that is there is withdrawn, one with an [empty text](StoredDocument::text) is put in its place, so
/// that it does not come back after a restart, or on another machine. If that was because of a private key in it, this is
/// [remembered](StoredDocument::leaked_keys), also when the document is published again without it.
///
/// # Contract
///
/// - Keep a document, also an empty one, for as long as a client may come back: 90 days, and not less than the life of a
///   refresh token. How fresh it is, is judged by when it was fetched.
/// - Limit the time of each call: requests wait for it. One that fails counts as if nothing was kept, but for
///   [`known_only`](crate::metadata_documents::MetadataDocuments::known_only), where it is answered 503, [`ErrorKind::Provider`](crate::ErrorKind::Provider).
/// - What is put [replaces](StoredDocument::replaces) what was there, unless that was
///   [fetched](StoredDocument::fetched_at) later, or was withdrawn in the same second. Compare and
///   replace in one step: machines put theirs at the same time, and a slow one must not bring back what was replaced, or
///   withdrawn. The clocks of the machines agree within seconds.
///
/// # Examples
///
/// A table with the columns `url`, `text`, `fetched_at`, `max_age` and `leaked_keys`:
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
///         if document.replaces(kept) {
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

    /// Keeps a document, if it [replaces](StoredDocument::replaces) the one that is there.
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
    leaked_keys: Bytes,
}

impl StoredDocument {
    /// The JSON text, when it was fetched, in seconds since the Unix epoch, how long its origin said that it may
    /// be kept, and the [keys that leaked](Self::leaked_keys).
    #[must_use]
    pub const fn new(
        text: Bytes,
        fetched_at: i64,
        max_age: Option<Duration>,
        leaked_keys: Bytes,
    ) -> Self {
        Self { text, fetched_at, max_age, leaked_keys }
    }

    pub(crate) const fn withdrawn(asked_at: i64) -> Self {
        Self::new(Bytes::new(), asked_at, None, Bytes::new())
    }

    pub(crate) fn with_leaked(self, leaked: &Leaked) -> Self {
        Self { leaked_keys: leaked.bytes().into(), ..self }
    }

    pub(crate) fn leaked(&self) -> Leaked {
        Leaked::of_bytes(&self.leaked_keys)
    }

    /// Whether it takes the place of what is `kept`: unless that was fetched later, or was withdrawn in the same
    /// second.
    #[must_use]
    pub fn replaces(&self, kept: &Self) -> bool {
        let rank = |document: &Self| (document.fetched_at, document.is_withdrawn());
        rank(self) >= rank(kept)
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

    /// The ends of the public parts of private keys that the document had at some time, 32 bytes of each and 64 of
    /// them at most; usually empty. None of these keys is used any more. They are no secrets.
    #[must_use]
    pub const fn leaked_keys(&self) -> &Bytes {
        &self.leaked_keys
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
