//! The decision: one look-up, then one comparison, whoever the client is.

use std::{fmt, slice};

use crate::{
    AuthMethod, ClientProvider, RegisteredClient,
    client::Registration,
    error::{Error, ErrorKind},
    method::{Credentials, Method},
    policy::Policy,
};

/// The client that is calling, as the layer proved it.
///
/// It stands in the extensions of the request; only the layer can make one. Cloning it copies a
/// pointer. With the feature `axum` it is an extractor.
///
/// A client with the method [`None`](AuthMethod::None) is *identified*, not authenticated: anybody
/// can send its id.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use tower_client_auth::{AuthMethod, AuthenticatedClient, ClientMetadata};
///
/// fn may_introspect<B>(request: &Request<B>) -> bool {
///     request
///         .extensions()
///         .get::<AuthenticatedClient<ClientMetadata>>()
///         .is_some_and(|client| *client.method() != AuthMethod::None)
/// }
/// # assert!(!may_introspect(&Request::new(())));
/// ```
pub struct AuthenticatedClient<C> {
    registered: RegisteredClient<C>,
    method: Method,
}

impl<C> AuthenticatedClient<C> {
    /// The application's own client, as the provider returned it.
    #[must_use]
    pub fn client(&self) -> &C {
        self.registered.client()
    }

    /// The id of the client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.registered.client_id()
    }

    /// The method that the client used in this request.
    #[must_use]
    pub const fn method(&self) -> &'static AuthMethod {
        self.method.iana()
    }
}

impl<C> Clone for AuthenticatedClient<C> {
    fn clone(&self) -> Self {
        Self { registered: self.registered.clone(), method: self.method }
    }
}

impl<C> fmt::Debug for AuthenticatedClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatedClient")
            .field("client_id", &self.client_id())
            .field("method", self.method())
            .finish_non_exhaustive()
    }
}

pub(crate) async fn authenticate<P: ClientProvider>(
    provider: &P,
    policy: &Policy,
    credentials: &Credentials,
) -> Result<AuthenticatedClient<P::Client>, Error> {
    let found = provider
        .find_client(credentials.client_id())
        .await
        .map_err(|error| Error::provider(error.into()))?;
    decide(policy, credentials, found).map_err(Error::from)
}

fn decide<C>(
    policy: &Policy,
    credentials: &Credentials,
    found: Option<RegisteredClient<C>>,
) -> Result<AuthenticatedClient<C>, ErrorKind> {
    let registration = found.as_ref().map(RegisteredClient::registration);
    // The comparison comes first and is made for unknown clients, too, so that time tells nothing
    // (RFC 6819 §5.1.4.2).
    let (secrets, has_secret) = match registration {
        Some(Registration::SecretBasic(secrets) | Registration::SecretPost(secrets))
            if !secrets.is_empty() =>
        {
            (&**secrets, true)
        }
        _ => (slice::from_ref(&policy.decoy), false),
    };
    let verdict = credentials.verify(secrets, policy.now());

    let registered = found.ok_or(ErrorKind::UnknownClient)?;
    if registered.client_id() != credentials.client_id() {
        return Err(ErrorKind::ProviderMismatch);
    }
    let method = credentials.method();
    // RFC 7591 §2: `token_endpoint_auth_method` is the one that the client uses. Anything not
    // listed is refused.
    match (method, registered.registration()) {
        (Method::None, Registration::Public) => {}
        (Method::Basic | Method::Post, Registration::Public)
            if policy.ignore_public_credentials => {}
        (Method::Basic, Registration::SecretBasic(_))
        | (Method::Post, Registration::SecretPost(_))
            if has_secret =>
        {
            verdict?;
        }
        (Method::Basic, Registration::SecretPost(_))
        | (Method::Post, Registration::SecretBasic(_))
            if has_secret && policy.interchange_basic_and_post =>
        {
            verdict?;
        }
        (_, Registration::Unusable) => return Err(ErrorKind::UnusableRegistration),
        (_, Registration::SecretBasic(_) | Registration::SecretPost(_)) if !has_secret => {
            return Err(ErrorKind::UnusableRegistration);
        }
        _ => return Err(ErrorKind::MethodMismatch),
    }
    Ok(AuthenticatedClient { registered, method })
}
