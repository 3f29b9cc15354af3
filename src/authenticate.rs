//! The decision: one look-up, then one comparison, whoever the client is.

use std::fmt;

use crate::{
    client::{RegisteredClient, Registration},
    compat::mcp_python_sdk,
    error::{Error, ErrorKind},
    iana::{AuthMethod, Method},
    isolate::{
        deadline::Deadline,
        guard::{Failure, guard},
    },
    layer::policy::Policy,
    method::Credentials,
    provider::ClientProvider,
    secret::{ClientSecret, Match, Verdict},
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
    proof: Proof,
}

/// How a client proved itself.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) method: Method,
    /// The secret that was presented, if one was.
    pub(crate) secret: Option<Match>,
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
        self.proof.method.iana()
    }

    /// The [label](crate::ClientSecret::labelled) of the secret that the client presented, if it
    /// has one.
    #[must_use]
    pub fn secret_label(&self) -> Option<&str> {
        let secrets = self.registered.registration().secrets()?;
        secrets.get(self.proof.secret?.index)?.label()
    }

    pub(crate) const fn proof(&self) -> Proof {
        self.proof
    }
}

impl<C> Clone for AuthenticatedClient<C> {
    fn clone(&self) -> Self {
        Self { registered: self.registered.clone(), proof: self.proof }
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
    Seed(Box<mcp_python_sdk::Presented>),
}

impl Presented {
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Credentials(credentials) => credentials.client_id(),
            Self::Seed(presented) => presented.client_id(),
        }
    }

    /// The secret that proved the client, in the form that did.
    pub(crate) fn secret(&self, proof: Proof) -> Option<&str> {
        let matched = proof.secret?;
        match self {
            Self::Credentials(credentials) if matched.raw => credentials.raw_secret(),
            // An assertion is no secret, and worth nothing any more.
            #[cfg(feature = "jwt")]
            Self::Credentials(credentials) if credentials.method().is_jwt() => None,
            Self::Credentials(credentials) => Some(credentials.secret()),
            Self::Seed(presented) => Some(presented.secret(proof.method)),
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
    let client_id = presented.client_id();
    let deadline = Deadline::new(policy.provider_deadline);
    let found = match guard(|| provider.find_client(client_id), deadline).await {
        Ok(found) => found.map_err(|error| Error::provider(error.into()))?,
        Err(Failure::Panic) => return Err(Error::provider("the provider panicked".into())),
        Err(Failure::Timeout) => return Err(ErrorKind::ProviderTimeout.into()),
    };
    // Ids are opaque octets (RFC 6749 §2.2): a store that folds case or trims must not merge
    // clients.
    let mismatch = found.as_ref().map_or(client_id, RegisteredClient::client_id) != client_id;
    let known = found.filter(|_| !mismatch);
    let proof = match presented {
        #[cfg(feature = "jwt")]
        Presented::Credentials(credentials) if credentials.assertion().is_some() => {
            let registered = known.as_ref().map(|known| (known.registration(), known.algorithms()));
            // As below.
            Box::pin(crate::method::assertion::verify(credentials, registered, policy))
                .await
                .map(|secret| Proof { method: credentials.method(), secret })
        }
        Presented::Credentials(credentials) => {
            // Time must not tell whether a client exists (RFC 6819 §5.1.4.2): an unknown one is
            // judged as well, and without a stored secret there is a decoy.
            let registration = match &known {
                Some(known) => policy.decoy.learn(known.registration()),
                None => policy.decoy.registration(credentials.method()),
            };
            let secrets = registration.secrets().unwrap_or_else(|| policy.decoy.secrets());
            // A box of its own, so that only who needs it pays for its size.
            let verdict = if secrets.iter().any(ClientSecret::is_slow) {
                Box::pin(credentials.verify_slowly(secrets, policy)).await?
            } else {
                credentials.verify(secrets, policy.now())
            };
            let proof = decide(policy, credentials.method(), registration, verdict);
            if known.is_some() { proof } else { Err(ErrorKind::UnknownClient) }.map_err(Error::from)
        }
        Presented::Seed(presented) => {
            Box::pin(mcp_python_sdk::check(policy, presented, known.as_ref())).await
        }
    };
    match (known, proof) {
        (Some(registered), Ok(proof)) => Ok(AuthenticatedClient { registered, proof }),
        (None, Err(error)) if mismatch && error.kind() == ErrorKind::UnknownClient => {
            Err(ErrorKind::ProviderMismatch.into())
        }
        (_, Err(error)) => Err(error),
        (None, Ok(_)) => Err(ErrorKind::UnknownClient.into()),
    }
}

fn decide(
    policy: &Policy,
    method: Method,
    registration: &Registration,
    verdict: Verdict,
) -> Result<Proof, ErrorKind> {
    let public = Proof { method: Method::None, secret: None };
    let secret = |matched| Proof { method, secret: Some(matched) };
    // RFC 7591 §2: `token_endpoint_auth_method` is the one that the client uses. What is not listed
    // is refused.
    match (method, registration) {
        (Method::None, Registration::Public) => Ok(public),
        // What was presented proves nothing, so the method is the one that needs no proof.
        (Method::Basic | Method::Post, Registration::Public)
            if policy.ignore_public_credentials && policy.methods.contains(Method::None) =>
        {
            Ok(public)
        }
        (_, Registration::Unusable(_)) => Err(ErrorKind::UnusableRegistration),
        (_, Registration::SecretBasic(secrets) | Registration::SecretPost(secrets))
            if secrets.is_empty() =>
        {
            Err(ErrorKind::UnusableRegistration)
        }
        (Method::Basic, Registration::SecretBasic(_))
        | (Method::Post, Registration::SecretPost(_)) => verdict.map(secret),
        (Method::Basic, Registration::SecretPost(_))
        | (Method::Post, Registration::SecretBasic(_))
            if policy.interchange_basic_and_post =>
        {
            verdict.map(secret)
        }
        _ => Err(ErrorKind::MethodMismatch),
    }
}
