//! Documents that outlive the process.

use std::sync::Arc;

use crate::{
    fetch::store::DocumentStore,
    provider::documents::{MetadataDocuments, settings::Settings},
};

/// # Several machines, and restarts
impl MetadataDocuments {
    /// Keeps the documents here, too, and looks here for those that are not known. Default: what is known is in
    /// memory alone. The handle still shares what is known with the one that it was cloned from.
    #[must_use]
    pub fn store(self, store: impl DocumentStore) -> Self {
        self.set_store(store)
    }

    /// As [`store`](Self::store), and fetches no document of a client that is neither known nor kept there, so that
    /// it is unknown: 401. For the layers at token and revocation endpoints, whose clients have been at the
    /// authorization endpoint, by a handle that keeps its documents in the same store:
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

    fn set_store(mut self, store: impl DocumentStore) -> Self {
        let settings = Settings { store: Some(Arc::new(store)), ..(*self.settings).clone() };
        self.settings = Arc::new(settings);
        self.remembered.documents.0 = Arc::clone(&self.settings);
        self
    }
}
