//! Documents behind a layer.

use std::{fmt, sync::Arc};

use quick_cache::sync::Cache;

use crate::{
    client::RegisteredClient,
    error::{BoxError, document::DocumentError},
    iana::metadata::ClientMetadata,
    layer::ClientAuthLayer,
    provider::{documents::MetadataDocuments, lookup::ClientProvider},
};

/// How many clients are kept that were made of a document.
const MADE: usize = 1_000;

/// # Metadata documents
impl<P: ClientProvider, M> ClientAuthLayer<P, M> {
    /// Also authenticates the clients whose id is the URL of their metadata. The provider is asked first.
    ///
    /// Where the provider has a client type of its own, [`metadata_documents_as`](Self::metadata_documents_as)
    /// makes it. A `CachedProvider` belongs around the store of the registered clients, and not around this.
    #[cfg_attr(docsrs, doc(cfg(feature = "metadata-documents")))]
    #[must_use]
    pub fn metadata_documents(
        self,
        documents: MetadataDocuments,
    ) -> ClientAuthLayer<DocumentProvider<P>, M>
    where
        P: ClientProvider<Client = ClientMetadata>,
    {
        self.with_documents(documents.clone(), |provider| DocumentProvider {
            provider,
            documents,
            make: Same(()),
        })
    }

    /// As [`metadata_documents`](Self::metadata_documents), for a provider with a client type of its own: `make`
    /// makes such a client of a document. It is called once for each version of a document, and again for one
    /// that was not used for long.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientMetadata, metadata_documents::MetadataDocuments,
    ///     provider::MemoryProvider,
    /// };
    ///
    /// struct App {
    ///     name: String,
    /// }
    ///
    /// # fn main() -> Result<(), tower_client_auth::BoxError> {
    /// let documents = MetadataDocuments::from_hosts(["client.example"])?;
    /// let layer = ClientAuthLayer::new(MemoryProvider::<App>::new())
    ///     .metadata_documents_as(documents, |metadata| App {
    ///         name: metadata.client_name.clone().unwrap_or_default(),
    ///     });
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "metadata-documents")))]
    #[must_use]
    pub fn metadata_documents_as<F>(
        self,
        documents: MetadataDocuments,
        make: F,
    ) -> ClientAuthLayer<DocumentProvider<P, Made<P::Client, F>>, M>
    where
        F: Fn(&ClientMetadata) -> P::Client + Send + Sync + 'static,
    {
        let make = Made { make, clients: Cache::new(MADE) };
        self.with_documents(documents.clone(), |provider| DocumentProvider {
            provider,
            documents,
            make,
        })
    }
}

impl<P, M> ClientAuthLayer<P, M> {
    /// `client_id_metadata_document_supported` in the metadata of the server
    /// (draft-ietf-oauth-client-id-metadata-document-02 §6): whether the layer knows clients by their documents.
    #[cfg_attr(docsrs, doc(cfg(feature = "metadata-documents")))]
    #[must_use]
    pub fn client_id_metadata_document_supported(&self) -> bool {
        self.policy().metadata_documents.is_some()
    }
}

/// The provider of a layer with [metadata documents](MetadataDocuments): the registered clients, and those that
/// have a document.
pub struct DocumentProvider<P, A = Same> {
    provider: Arc<P>,
    documents: MetadataDocuments,
    make: A,
}

/// Clients of documents are their metadata.
#[derive(Clone, Copy, Debug)]
pub struct Same(());

/// Clients of documents are what the application makes of their metadata.
pub struct Made<C, F> {
    make: F,
    clients: Cache<Box<str>, Pair<C>>,
}

/// What was made, and what of.
struct Pair<C> {
    document: RegisteredClient<ClientMetadata>,
    client: RegisteredClient<C>,
}

impl<C> Clone for Pair<C> {
    fn clone(&self) -> Self {
        Self { document: self.document.clone(), client: self.client.clone() }
    }
}

impl<C, F: Fn(&ClientMetadata) -> C> Made<C, F> {
    fn client(&self, document: RegisteredClient<ClientMetadata>) -> RegisteredClient<C> {
        let made = self.clients.get(document.client_id());
        if let Some(made) = made.filter(|made| made.document.is(&document)) {
            return made.client;
        }
        let client = document.of_document((self.make)(document.client()));
        let pair = Pair { client: client.clone(), document };
        self.clients.insert(client.client_id().into(), pair);
        client
    }
}

impl<P, A> DocumentProvider<P, A> {
    /// What the documents have to say of an id that the provider does not know.
    async fn document(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        match self.documents.find(client_id).await {
            Ok(client) => Ok(Some(client)),
            Err(DocumentError::NotAnId | DocumentError::NotAllowed) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl<P: ClientProvider<Client = ClientMetadata>> ClientProvider for DocumentProvider<P> {
    type Client = ClientMetadata;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        match self.provider.find_client(client_id).await.map_err(Into::into)? {
            Some(client) => Ok(Some(client)),
            None => self.document(client_id).await,
        }
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        // No document says whose tokens its client presents.
        self.provider.find_federated(issuer, subject).await.map_err(Into::into)
    }
}

impl<P, F> ClientProvider for DocumentProvider<P, Made<P::Client, F>>
where
    P: ClientProvider,
    F: Fn(&ClientMetadata) -> P::Client + Send + Sync + 'static,
{
    type Client = P::Client;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        match self.provider.find_client(client_id).await.map_err(Into::into)? {
            Some(client) => Ok(Some(client)),
            None => {
                let document = self.document(client_id).await?;
                Ok(document.map(|document| self.make.client(document)))
            }
        }
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        self.provider.find_federated(issuer, subject).await.map_err(Into::into)
    }
}

impl<P, A> fmt::Debug for DocumentProvider<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentProvider")
            .field("documents", &self.documents)
            .finish_non_exhaustive()
    }
}

impl<C, F> fmt::Debug for Made<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}
