//! The decision: one look-up, then one comparison, whoever the client is.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    slice,
    task::{Poll, ready},
};

use crate::{
    AuthMethod, ClientProvider, RegisteredClient,
    client::Registration,
    deadline::Deadline,
    error::{Error, ErrorKind},
    iana::Method,
    method::Credentials,
    policy::Policy,
    seed,
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

/// What a request presented.
pub(crate) enum Presented {
    Credentials(Credentials),
    /// In the seed's mode the registered method decides which place counts, so all are kept.
    Seed(Box<seed::Presented>),
}

impl Presented {
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Credentials(credentials) => credentials.client_id(),
            Self::Seed(presented) => presented.client_id(),
        }
    }

    /// The method, where the request alone tells it.
    pub(crate) const fn method(&self) -> Option<Method> {
        match self {
            Self::Credentials(credentials) => Some(credentials.method()),
            Self::Seed(_) => None,
        }
    }
}

pub(crate) async fn authenticate<P: ClientProvider>(
    provider: &P,
    policy: &Policy,
    presented: &Presented,
) -> Result<AuthenticatedClient<P::Client>, Error> {
    let found =
        look_up(provider, presented.client_id(), Deadline::new(policy.provider_deadline)).await?;
    // Ids are opaque octets (RFC 6749 §2.2): a store that folds case or trims must not merge
    // clients.
    let mismatch = found.as_ref().is_some_and(|found| found.client_id() != presented.client_id());
    let known = found.filter(|_| !mismatch);
    let registration = known.as_ref().map(RegisteredClient::registration);
    let verdict = match presented {
        Presented::Credentials(credentials) => {
            decide(policy, credentials, registration).map_err(Error::from)
        }
        Presented::Seed(presented) => seed::decide(policy, presented, known.as_ref()),
    };
    match (known, verdict) {
        (Some(registered), Ok(method)) => Ok(AuthenticatedClient { registered, method }),
        (None, _) if mismatch => Err(ErrorKind::ProviderMismatch.into()),
        (None, _) => Err(ErrorKind::UnknownClient.into()),
        (_, Err(error)) => Err(error),
    }
}

/// A panic of the provider is a failure of the store, and must not take the connection down.
async fn look_up<P: ClientProvider>(
    provider: &P,
    client_id: &str,
    mut deadline: Deadline,
) -> Result<Option<RegisteredClient<P::Client>>, Error> {
    let mut look = pin!(async { provider.find_client(client_id).await });
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| look.as_mut().poll(cx))) {
        Ok(Poll::Ready(found)) => Poll::Ready(found.map_err(|error| Error::provider(error.into()))),
        Ok(Poll::Pending) => {
            ready!(deadline.poll(cx));
            Poll::Ready(Err(ErrorKind::ProviderTimeout.into()))
        }
        Err(_panic) => Poll::Ready(Err(Error::provider("the provider panicked".into()))),
    })
    .await
}

/// Holds the credentials against the registration, and against a decoy if there is none: time must
/// not tell whether a client exists (RFC 6819 §5.1.4.2).
fn decide(
    policy: &Policy,
    credentials: &Credentials,
    registration: Option<&Registration>,
) -> Result<Method, ErrorKind> {
    let secrets = registration.and_then(Registration::secrets);
    let verdict =
        credentials.verify(secrets.unwrap_or(slice::from_ref(&policy.decoy)), policy.now());

    let registration = registration.ok_or(ErrorKind::UnknownClient)?;
    let method = credentials.method();
    // RFC 7591 §2: `token_endpoint_auth_method` is the one that the client uses. What is not listed
    // is refused.
    match (method, registration) {
        (Method::None, Registration::Public) => Ok(method),
        // What was presented proves nothing, so the method is the one that needs no proof.
        (Method::Basic | Method::Post, Registration::Public)
            if policy.ignore_public_credentials && policy.methods.contains(Method::None) =>
        {
            Ok(Method::None)
        }
        (_, Registration::Unusable(_)) => Err(ErrorKind::UnusableRegistration),
        (_, Registration::SecretBasic(_) | Registration::SecretPost(_)) if secrets.is_none() => {
            Err(ErrorKind::UnusableRegistration)
        }
        (Method::Basic, Registration::SecretBasic(_))
        | (Method::Post, Registration::SecretPost(_)) => verdict.map(|()| method),
        (Method::Basic, Registration::SecretPost(_))
        | (Method::Post, Registration::SecretBasic(_))
            if policy.interchange_basic_and_post =>
        {
            verdict.map(|()| method)
        }
        _ => Err(ErrorKind::MethodMismatch),
    }
}
