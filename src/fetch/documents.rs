//! Where client ID metadata documents come from.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

use crate::error::BoxError;

/// Fetches client ID metadata documents: a proxy of one's own, or what a test says. Without one they are
/// fetched over HTTPS, from public addresses alone.
///
/// # Contract
///
/// - Follow no redirects, limit time and size, and refuse addresses that are not public.
/// - An error that is, or was caused by, [`DocumentError::Refused`](crate::metadata_documents::DocumentError)
///   says that there is no such document: what was known is forgotten, and the client is answered 401. Any
///   other error is an outage, during which a known document stays in use. Over HTTPS that is so of a known
///   document for all statuses but 404, 410 and 200; a [first fetch](Self::fetch_unproven) is refused.
/// - The returned future may be dropped at any time.
///
/// # Examples
///
/// ```
/// use tower_client_auth::metadata_documents::{
///     DocumentError, DocumentSource, FetchedDocument, MetadataDocuments,
/// };
///
/// struct Fixed;
///
/// impl DocumentSource for Fixed {
///     type Error = DocumentError;
///
///     async fn fetch(&self, url: &str) -> Result<FetchedDocument, DocumentError> {
///         match url {
///             "https://client.example/oauth" => Ok(FetchedDocument::new(
///                 r#"{
///                     "client_id": "https://client.example/oauth",
///                     "redirect_uris": ["https://client.example/callback"]
///                 }"#.into(),
///                 None,
///             )),
///             _ => Err(DocumentError::Refused("404".into())),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let documents = MetadataDocuments::from_hosts(["client.example"])?.source(Fixed);
/// let client = documents.resolve("https://client.example/oauth").await?;
/// assert!(client.client().allows_redirect("https://client.example/callback"));
/// # Ok(())
/// # }
/// ```
pub trait DocumentSource: Send + Sync + 'static {
    /// Why a document could not be fetched.
    type Error: Into<BoxError>;

    /// Fetches the document at `url`.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be fetched.
    fn fetch(&self, url: &str)
    -> impl Future<Output = Result<FetchedDocument, Self::Error>> + Send;

    /// Fetches the document of a client that is not known yet. Anybody may have made its URL up, and a
    /// source may bound such fetches more narrowly. Default: [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// As for [`fetch`](Self::fetch).
    fn fetch_unproven(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<FetchedDocument, Self::Error>> + Send {
        self.fetch(url)
    }
}

/// A fetched document.
#[derive(Clone, Debug)]
pub struct FetchedDocument {
    text: Bytes,
    max_age: Option<Duration>,
}

impl FetchedDocument {
    /// The JSON text, and how long its origin says that it may be kept.
    #[must_use]
    pub const fn new(text: Bytes, max_age: Option<Duration>) -> Self {
        Self { text, max_age }
    }

    /// The JSON text.
    #[must_use]
    pub const fn text(&self) -> &Bytes {
        &self.text
    }

    /// How long it may be kept.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

pub(crate) type Fetch<'a> =
    Pin<Box<dyn Future<Output = Result<FetchedDocument, BoxError>> + Send + 'a>>;

/// What a fetch may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// In bytes.
    pub(crate) longest: usize,
    pub(crate) timeout: Duration,
}

pub(crate) trait DynDocumentSource: Send + Sync {
    /// How many fetches of clients that are not known may lead to one network in a minute.
    fn max_per_network(&self, _per_minute: u32) {}

    fn fetch_dyn<'a>(&'a self, url: &'a str, known: bool, bounds: Bounds) -> Fetch<'a>;
}

impl<S: DocumentSource> DynDocumentSource for S {
    fn fetch_dyn<'a>(&'a self, url: &'a str, known: bool, _bounds: Bounds) -> Fetch<'a> {
        Box::pin(async move {
            let fetched = match known {
                true => self.fetch(url).await,
                false => self.fetch_unproven(url).await,
            };
            fetched.map_err(Into::into)
        })
    }
}
