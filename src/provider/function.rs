use std::{any::type_name, fmt, future::Future, marker::PhantomData};

use crate::{client::RegisteredClient, error::BoxError, provider::lookup::ClientProvider};

/// Makes a provider of an async function, or of a closure that returns a future.
///
/// Clients that do not name themselves are not found: for
/// [`find_federated`](ClientProvider::find_federated), implement the trait.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{
///     BoxError, ClientAuthLayer, ClientSecret, RegisteredClient, provider::provider_fn,
/// };
///
/// struct Row {
///     client_id: String,
///     secret_sha256: [u8; 32],
/// }
///
/// async fn row(_client_id: &str) -> Result<Option<Row>, BoxError> {
///     // SELECT client_id, secret_sha256 FROM clients WHERE client_id = $1
///     Ok(None)
/// }
///
/// async fn find(client_id: &str) -> Result<Option<RegisteredClient<()>>, BoxError> {
///     Ok(row(client_id).await?.map(|row| {
///         // With the id of the row, not the one that was asked for.
///         let secrets = [ClientSecret::sha256(row.secret_sha256)];
///         RegisteredClient::secret_post(row.client_id, secrets, ())
///     }))
/// }
///
/// let layer = ClientAuthLayer::new(provider_fn(find));
/// # drop(layer);
/// ```
///
/// The future of a closure cannot borrow, neither the id nor what the closure has captured. So the closure copies
/// both, and says that the id is a `&str`:
///
/// ```
/// use std::sync::Arc;
/// use tower_client_auth::{BoxError, ClientAuthLayer, RegisteredClient, provider::provider_fn};
///
/// struct Pool;
///
/// async fn find(
///     _pool: &Pool,
///     _client_id: &str,
/// ) -> Result<Option<RegisteredClient<()>>, BoxError> {
///     Ok(None)
/// }
///
/// let pool = Arc::new(Pool);
/// let layer = ClientAuthLayer::new(provider_fn(move |client_id: &str| {
///     let (pool, client_id) = (Arc::clone(&pool), client_id.to_owned());
///     async move { find(&pool, &client_id).await }
/// }));
/// # drop(layer);
/// ```
pub fn provider_fn<F, C, E>(find: F) -> ProviderFn<F, C, E>
where
    F: for<'a> FindClient<'a, Client = C, Error = E> + Send + Sync + 'static,
    C: Send + Sync + 'static,
    E: Into<BoxError> + 'static,
{
    ProviderFn { find, found: PhantomData }
}

/// What [`provider_fn`] takes: functions of a `&str` whose future has the answer of
/// [`ClientProvider::find_client`] and is `Send`. Every such function has this trait.
// A bound `Fn(&str) -> Fut` has one future for ids of all lifetimes, and that of an `async fn` borrows the id.
pub trait FindClient<'a>: Fn(&'a str) -> Self::Future {
    /// The application's own client type.
    type Client;

    /// Why the store could not be asked.
    type Error;

    /// What the function returns.
    type Future: Future<Output = Result<Option<RegisteredClient<Self::Client>>, Self::Error>> + Send;
}

impl<'a, F, Fut, C, E> FindClient<'a> for F
where
    F: Fn(&'a str) -> Fut,
    Fut: Future<Output = Result<Option<RegisteredClient<C>>, E>> + Send,
{
    type Client = C;
    type Error = E;
    type Future = Fut;
}

/// The provider that [`provider_fn`] makes.
pub struct ProviderFn<F, C, E> {
    find: F,
    found: PhantomData<fn() -> (C, E)>,
}

impl<F, C, E> ClientProvider for ProviderFn<F, C, E>
where
    F: for<'a> FindClient<'a, Client = C, Error = E> + Send + Sync + 'static,
    C: Send + Sync + 'static,
    E: Into<BoxError> + 'static,
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

impl<F: Clone, C, E> Clone for ProviderFn<F, C, E> {
    fn clone(&self) -> Self {
        Self { find: self.find.clone(), found: PhantomData }
    }
}

impl<F: Copy, C, E> Copy for ProviderFn<F, C, E> {}

impl<F, C, E> fmt::Debug for ProviderFn<F, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderFn").field(&format_args!("{}", type_name::<F>())).finish()
    }
}
