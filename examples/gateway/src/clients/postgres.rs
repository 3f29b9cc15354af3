//! Clients in PostgreSQL, in the tables of `examples/postgres`.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use token_server_postgres::{Client, Store, follow};
use tokio::task::AbortHandle;
use tower_client_auth::{
    BoxError, ClientMetadata, ClientProvider, RegisteredClient, provider::CachedProvider,
};

/// Finds what is wrong with a URL.
pub(crate) fn check(url: &str) -> Result<(), BoxError> {
    Ok(Store::open(url).map(drop)?)
}

/// A database whose clients are remembered for a while.
pub(crate) struct Database {
    store: Store,
    cache: Arc<CachedProvider<Rows>>,
    /// What listens for changes.
    following: OnceLock<AbortHandle>,
}

struct Rows(Store);

impl ClientProvider for Rows {
    type Client = ClientMetadata;
    type Error = BoxError;

    async fn find_client(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        let describe = |Client { name, .. }| {
            let mut metadata = ClientMetadata::new(client_id);
            metadata.client_name = Some(name);
            metadata
        };
        Ok(self.0.find(client_id, describe).await?)
    }
}

impl Database {
    /// Connects when it is needed, so that a gateway can start while the database is away.
    pub(crate) fn open(url: &str, cache: Duration) -> Result<Self, BoxError> {
        let store = Store::open(url)?;
        let cache = Arc::new(CachedProvider::new(Rows(store.clone())).time_to_live(cache));
        Ok(Self { store, cache, following: OnceLock::new() })
    }

    /// Begins to listen for changes.
    pub(crate) fn follow(&self) {
        self.following.get_or_init(|| {
            let changes = follow(self.store.clone(), Arc::clone(&self.cache));
            tokio::spawn(changes).abort_handle()
        });
    }

    pub(crate) async fn find(
        &self,
        client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        self.cache.find_client(client_id).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(following) = self.following.get() {
            following.abort();
        }
    }
}
