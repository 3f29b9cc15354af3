//! Providers: where clients are looked up.
//!
//! [`ClientProvider`] is the trait to implement. [`MemoryProvider`] keeps its
//! clients in memory, [`provider_fn`] makes a provider of a function, and the others wrap a provider.

#[cfg(feature = "cache")]
pub(crate) mod cached;
#[cfg(feature = "metadata-documents")]
pub(crate) mod documents;
mod function;
pub(crate) mod lookup;
pub(crate) mod memory;

#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use self::cached::CachedProvider;
pub use self::function::{FindClient, ProviderFn, provider_fn};
pub use self::memory::{InvalidRecord, MemoryProvider};
pub use crate::{client::InvalidRegistration, error::throttled::Throttled};

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{client::RegisteredClient, error::BoxError, provider::lookup::ClientProvider};

/// A provider of any kind behind one type, chosen while the program runs. It costs one allocation
/// more per look-up.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientMetadata, provider::{BoxClientProvider, MemoryProvider}};
///
/// fn store(_from: &str) -> BoxClientProvider<ClientMetadata> {
///     BoxClientProvider::new(MemoryProvider::new())
/// }
/// # store("");
/// ```
pub struct BoxClientProvider<C> {
    provider: Arc<dyn DynProvider<C>>,
}

type Look<'a, C> =
    Pin<Box<dyn Future<Output = Result<Option<RegisteredClient<C>>, BoxError>> + Send + 'a>>;

trait DynProvider<C>: Send + Sync {
    fn find_dyn<'a>(&'a self, client_id: &'a str) -> Look<'a, C>;

    fn find_federated_dyn<'a>(&'a self, issuer: &'a str, subject: &'a str) -> Look<'a, C>;
}

impl<P: ClientProvider> DynProvider<P::Client> for P {
    fn find_dyn<'a>(&'a self, client_id: &'a str) -> Look<'a, P::Client> {
        Box::pin(async move { self.find_client(client_id).await.map_err(Into::into) })
    }

    fn find_federated_dyn<'a>(&'a self, issuer: &'a str, subject: &'a str) -> Look<'a, P::Client> {
        Box::pin(async move { self.find_federated(issuer, subject).await.map_err(Into::into) })
    }
}

impl<C: Send + Sync + 'static> BoxClientProvider<C> {
    /// Hides the type of `provider`.
    #[must_use]
    pub fn new(provider: impl ClientProvider<Client = C>) -> Self {
        Self { provider: Arc::new(provider) }
    }
}

impl<C: Send + Sync + 'static> ClientProvider for BoxClientProvider<C> {
    type Client = C;
    type Error = BoxError;

    async fn find_client(&self, client_id: &str) -> Result<Option<RegisteredClient<C>>, BoxError> {
        self.provider.find_dyn(client_id).await
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<C>>, BoxError> {
        self.provider.find_federated_dyn(issuer, subject).await
    }
}

impl<C> Clone for BoxClientProvider<C> {
    fn clone(&self) -> Self {
        Self { provider: Arc::clone(&self.provider) }
    }
}

impl<C> fmt::Debug for BoxClientProvider<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxClientProvider").finish_non_exhaustive()
    }
}
