//! The one seam to implement: where clients are looked up.

use std::{future::Future, sync::Arc};

use crate::{client::RegisteredClient, error::BoxError};

/// Looks clients up by their id.
///
/// A provider finds; it does not check. What is presented is compared with what is registered by
/// the layer, once for every kind of store: in constant time, with the same work for unknown
/// clients, and only by the registered method.
///
/// The layer asks once per request at most, never for a malformed request, and keeps no answer: a
/// change of the store takes effect with the next request (RFC 7592). Caching and throttling are
/// decorators, that is, providers which wrap a provider; see [`Throttled`](crate::provider::Throttled) for an
/// example.
///
/// For a provider that is chosen while the program runs there is
/// [`BoxClientProvider`](crate::provider::BoxClientProvider). `Box<dyn ClientProvider<…>>` does not compile: error E0038,
/// "the trait `ClientProvider` is not dyn compatible".
///
/// # Contract
///
/// - Compare ids byte for byte (RFC 6749 §2.2). The layer refuses an answer that bears another
///   id, such as one of a database with a case-insensitive collation.
/// - `Ok(None)` is an unknown client, answered 401. `Err` is a store that cannot be asked, answered
///   503: answering 401 would make clients throw their registration away. A panic counts as `Err`.
///   A row that no client can authenticate with is not an outage:
///   [`RegisteredClient::new`] returns an [`InvalidRegistration`](crate::provider::InvalidRegistration) for it, which
///   may be passed on with `?`, and is answered 401 if it has the id that was asked for.
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
///     client_id: String,
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
///                 row.client_id.clone(), // and not the one that was asked for
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
    note = "implement `ClientProvider`, or wrap an async function with `provider_fn`"
)]
pub trait ClientProvider: Send + Sync + 'static {
    /// The application's own client type, which handlers get back.
    type Client: Send + Sync + 'static;

    /// Why the store could not be asked.
    type Error: Into<BoxError>;

    /// Finds the client registered under exactly this id.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked. An unknown client is `Ok(None)`.
    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<Self::Client>>, Self::Error>> + Send;

    /// Finds the [federated](RegisteredClient::federated) client to which an issuer gives tokens for this subject, for a
    /// request that does not name its client. Default: there is none.
    ///
    /// Such a request has an assertion (feature `jwt`) whose `iss` is not its `sub`, and no `client_id`; neither is proved
    /// yet. Of a JWT-SVID the issuer is the trust domain, as in `spiffe://prod.example`. What counts is the registration
    /// of the client that is returned: it must trust the issuer for this subject. The contract is that of
    /// [`find_client`](Self::find_client), and the layer still asks once. Where two clients have one issuer and
    /// subject, there is none: do not return the first. An [`InvalidRegistration`](crate::provider::InvalidRegistration)
    /// is answered 503 here, because no id was asked for that would tell whose it is; where it is the one of this issuer and
    /// subject, return what [`into_unusable`](crate::provider::InvalidRegistration::into_unusable) makes of it, which is
    /// answered 401.
    ///
    /// A provider that wraps another one hands it on, or such requests are refused.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<Self::Client>>, Self::Error>> + Send
    {
        let _ = (issuer, subject);
        async { Ok(None) }
    }
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

    fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<P::Client>>, P::Error>> + Send {
        P::find_federated(self, issuer, subject)
    }
}
