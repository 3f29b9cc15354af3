//! Documents that outlive the process.

use std::sync::Arc;

use crate::{
    error::document::DocumentError,
    fetch::store::DocumentStore,
    isolate::single_flight::SharedError,
    provider::documents::{MetadataDocuments, error_of_store, settings::Settings},
};

/// # Several machines, and restarts
impl MetadataDocuments {
    /// Looks here for documents that are not known, and keeps those here that are to be [kept](Self::keep). Default:
    /// what is known is in memory alone. The handle still shares what is known with the one that it was cloned from.
    #[must_use]
    pub fn store(self, store: impl DocumentStore) -> Self {
        self.set_store(store)
    }

    /// As [`store`](Self::store), and fetches no document of a client that is neither known nor kept there, so that
    /// it is unknown: 401. For the layers at token and revocation endpoints, whose clients have been at the
    /// authorization endpoint, which [keeps](Self::keep) their documents in the same store:
    ///
    /// ```
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientProvider, ClientMetadata,
    ///     metadata_documents::{DocumentStore, MetadataDocuments},
    /// };
    ///
    /// fn layer(
    ///     clients: impl ClientProvider<Client = ClientMetadata>,
    ///     store: impl DocumentStore + Clone,
    /// ) -> Result<(), tower_client_auth::BoxError> {
    ///     let documents = MetadataDocuments::from_any_host()?.store(store.clone());
    ///     let layer = ClientAuthLayer::new(clients)
    ///         .metadata_documents(documents.clone().known_only(store));
    /// #   drop(layer);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Nobody can make such a layer connect to a host of their choice. A client that the store has forgotten must
    /// come back through the authorization endpoint.
    #[must_use]
    pub fn known_only(self, store: impl DocumentStore) -> Self {
        Self { known_only: true, ..self.set_store(store) }
    }

    /// Keeps the document of this client in the [store](Self::store) from now on, for all machines and over restarts,
    /// and forgets it there no sooner than its withdrawal. Call it when a client has got what strangers do not get for
    /// nothing: at the authorization endpoint once a user has consented, before the code is sent, or when somebody
    /// has approved the client. Without a store it does nothing.
    ///
    /// No document is kept otherwise, because anybody can have as many as they like. So the store holds as many
    /// as users let in: limit what one user may do.
    ///
    /// ```
    /// # use tower_client_auth::metadata_documents::{DocumentError, MetadataDocuments};
    /// async fn consented(documents: &MetadataDocuments, client_id: &str) -> Result<(), DocumentError> {
    ///     // Also on the other machines the token endpoint knows it now.
    ///     documents.keep(client_id).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve); and [`DocumentError::Store`] if the store could not be asked.
    pub async fn keep(&self, client_id: &str) -> Result<(), DocumentError> {
        let Some(store) = &self.settings.store else { return Ok(()) };
        let client = self.resolve(client_id).await?;
        let known = self.known(client.client_id()).await?;
        let put = store.put_dyn(client_id, known.stored.clone());
        put.await.map_err(|error| error_of_store(&SharedError::new(error)))
    }

    fn set_store(mut self, store: impl DocumentStore) -> Self {
        let settings = Settings { store: Some(Arc::new(store)), ..(*self.settings).clone() };
        self.settings = Arc::new(settings);
        self.remembered.documents.0 = Arc::clone(&self.settings);
        self
    }
}
