//! The one seam to implement: where clients are looked up.

#[cfg(feature = "cache")]
pub(crate) mod cached;
pub(crate) mod memory;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{client::RegisteredClient, error::BoxError};

/// Looks clients up by their id.
///
/// A provider finds; it does not check. What is presented is compared with what is registered by
/// the layer, once for every kind of store: in constant time, with the same work for unknown
/// clients, and only by the registered method.
///
/// The layer asks once per request at most, never for a malformed request, and keeps no answer: a
/// change of the store takes effect with the next request (RFC 7592). Caching and throttling are
/// decorators, that is, providers which wrap a provider; see [`Throttled`](crate::Throttled) for an
/// example.
///
/// # Contract
///
/// - Compare ids octet for octet (RFC 6749 §2.2). The layer refuses an answer that bears another
///   id, such as one of a database with a case-insensitive collation.
/// - `Ok(None)` is an unknown client, answered 401. `Err` is a store that cannot be asked, answered
///   503: answering 401 would make clients throw their registration away. A panic counts as `Err`.
/// - The returned future may be dropped at any time.
/// - A client whose id is a URL (Client ID Metadata Document) must not be given a shared secret
///   unless it was registered beforehand.
///
/// # Examples
///
/// ```
/// use std::{collections::HashMap, convert::Infallible};
/// use tower_client_auth::{ClientProvider, ClientSecret, RegisteredClient};
///
/// struct Row {
///     secret_sha256: [u8; 32],
///     tenant: u64,
/// }
/// struct Table(HashMap<String, Row>);
///
/// impl ClientProvider for Table {
///     type Client = u64;
///     type Error = Infallible;
///
///     async fn find_client(
///         &self,
///         client_id: &str,
///     ) -> Result<Option<RegisteredClient<u64>>, Infallible> {
///         Ok(self.0.get(client_id).map(|row| {
///             RegisteredClient::secret_basic(
///                 client_id,
///                 [ClientSecret::sha256(row.secret_sha256)],
///                 row.tenant,
///             )
///         }))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a client provider",
    label = "this cannot look clients up",
    note = "implement `ClientProvider`, or wrap a closure with `provider_fn`"
)]
pub trait ClientProvider: Send + Sync + 'static {
    /// The application's own client type, which handlers get back.
    type Client: Send + Sync + 'static;

    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// Finds the client that is registered under exactly this id.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked. An unknown client is `Ok(None)`.
    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<Self::Client>>, Self::Error>> + Send;
}

impl<P: ClientProvider> ClientProvider for Arc<P> {
    type Client = P::Client;
    type Error = P::Error;

    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<P::Client>>, P::Error>> + Send {
        P::find_client(self, client_id)
    }
}

/// Makes a provider of a closure.
///
/// The closure copies what it needs of the id before its future starts.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use tower_client_auth::{ClientAuthLayer, ClientSecret, RegisteredClient, provider_fn};
///
/// let layer = ClientAuthLayer::new(provider_fn(|client_id: &str| {
///     let client_id = client_id.to_owned();
///     async move {
///         let known = client_id == "batch";
///         Ok::<_, Infallible>(known.then(|| {
///             RegisteredClient::secret_post(
///                 client_id,
///                 [ClientSecret::plain("gX9kWZ2c6qyVbDmC5rN1uA")],
///                 (),
///             )
///         }))
///     }
/// }));
/// # drop(layer);
/// ```
pub fn provider_fn<F, Fut, C, E>(find: F) -> ProviderFn<F>
where
    F: Fn(&str) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<RegisteredClient<C>>, E>> + Send,
    C: Send + Sync + 'static,
    E: Into<BoxError>,
{
    ProviderFn { find }
}

/// The provider that [`provider_fn`] makes.
#[derive(Clone, Copy)]
pub struct ProviderFn<F> {
    find: F,
}

impl<F, Fut, C, E> ClientProvider for ProviderFn<F>
where
    F: Fn(&str) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<RegisteredClient<C>>, E>> + Send,
    C: Send + Sync + 'static,
    E: Into<BoxError>,
{
    type Client = C;
    type Error = E;

    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<C>>, E>> + Send {
        (self.find)(client_id)
    }
}

impl<F> fmt::Debug for ProviderFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderFn").field(&format_args!("{}", std::any::type_name::<F>())).finish()
    }
}

/// A provider of any kind behind one type, chosen while the program runs. It costs one allocation
/// more per look-up.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{BoxClientProvider, ClientMetadata, MemoryProvider};
///
/// fn store(_from: &str) -> BoxClientProvider<ClientMetadata> {
///     BoxClientProvider::new(MemoryProvider::new())
/// }
/// # store("");
/// ```
pub struct BoxClientProvider<C> {
    provider: Arc<dyn ErasedProvider<C>>,
}

type Look<'a, C> =
    Pin<Box<dyn Future<Output = Result<Option<RegisteredClient<C>>, BoxError>> + Send + 'a>>;

trait ErasedProvider<C>: Send + Sync {
    fn find<'a>(&'a self, client_id: &'a str) -> Look<'a, C>;
}

impl<P: ClientProvider> ErasedProvider<P::Client> for P {
    fn find<'a>(&'a self, client_id: &'a str) -> Look<'a, P::Client> {
        Box::pin(async move { self.find_client(client_id).await.map_err(Into::into) })
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
        self.provider.find(client_id).await
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
