//! What a provider answers: the application's client, and what to check it against.

pub(crate) mod metadata;

use std::{fmt, sync::Arc};

#[cfg(feature = "jwt")]
use crate::jose::{
    alg::{Algorithm, Algorithms},
    keys::{ClientKeys, InvalidKeys},
    mac::MacKeys,
};
use crate::{iana::AuthMethod, secret::ClientSecret};

/// A client as the store knows it: its id, how it authenticates, its secrets, and the application's
/// own client type `C`.
///
/// It is a handle: cloning it copies a pointer, so a provider may keep it in a map and hand out
/// clones.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientSecret, RegisteredClient};
///
/// struct Tenant {
///     name: &'static str,
/// }
///
/// let cli = RegisteredClient::public("cli", Tenant { name: "example" });
/// let batch = RegisteredClient::secret_basic(
///     "batch",
///     [ClientSecret::plain("2rH0…").expires_at(1_800_000_000), ClientSecret::plain("gX9k…")],
///     Tenant { name: "example" },
/// );
/// assert_eq!(batch.client_id(), "batch");
/// assert_eq!(cli.client().name, "example");
/// ```
pub struct RegisteredClient<C> {
    record: Arc<Record<C>>,
    /// What its assertions may be signed with.
    #[cfg(feature = "jwt")]
    algorithms: Algorithms,
}

struct Record<C> {
    client_id: Box<str>,
    registration: Registration,
    /// Whether the method is the one that RFC 7591 §2 prescribes for an absent member.
    method_is_default: bool,
    client: C,
}

/// How a client authenticates. What cannot be checked has no representation but
/// [`Registration::Unusable`].
#[derive(Debug)]
pub(crate) enum Registration {
    Public,
    SecretBasic(Box<[ClientSecret]>),
    SecretPost(Box<[ClientSecret]>),
    #[cfg(feature = "jwt")]
    SecretJwt(Box<[ClientSecret]>, Box<[MacKeys]>),
    #[cfg(feature = "jwt")]
    PrivateKeyJwt(ClientKeys),
    Unusable(Problem),
}

impl Registration {
    /// The stored secrets, if there are any.
    pub(crate) fn secrets(&self) -> Option<&[ClientSecret]> {
        match self {
            Self::SecretBasic(secrets) | Self::SecretPost(secrets) if !secrets.is_empty() => {
                Some(secrets)
            }
            #[cfg(feature = "jwt")]
            Self::SecretJwt(secrets, _) => Some(secrets),
            _ => None,
        }
    }
}

/// Why no client can authenticate with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The application said so.
    Declared,
    NoClientId,
    NoSecret(AuthMethod),
    PublicWithSecret,
    UnsupportedMethod(AuthMethod),
    #[cfg(feature = "jwt")]
    Assertions(AuthMethod, InvalidKeys),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => f.write_str("the registration is unusable"),
            Self::NoClientId => f.write_str("the client_id is empty"),
            Self::NoSecret(method) => write!(f, "`{method}` needs a secret and none is stored"),
            Self::PublicWithSecret => f.write_str("`none` contradicts a stored secret"),
            #[cfg(feature = "jwt")]
            Self::Assertions(_, problem) => problem.fmt(f),
            // Anything may have been stored as the name.
            Self::UnsupportedMethod(method) => {
                write!(f, "the method {:?} is not supported", method.as_str())
            }
        }
    }
}

impl<C> RegisteredClient<C> {
    /// A public client (`none`): it presents its id and no credentials (RFC 6749 §2.1).
    #[must_use]
    pub fn public(client_id: impl Into<String>, client: C) -> Self {
        Self::from_parts(client_id.into(), Registration::Public, client)
    }

    /// A client that presents a secret in the `Authorization` header (`client_secret_basic`). Any
    /// of the secrets will do, within its validity window; with none of them the client never
    /// authenticates.
    #[must_use]
    pub fn secret_basic(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Self {
        let registration = Registration::SecretBasic(usable(secrets));
        Self::from_parts(client_id.into(), registration, client)
    }

    /// A client that presents a secret in the form body (`client_secret_post`). Any of the secrets
    /// will do, within its validity window; with none of them the client never authenticates.
    #[must_use]
    pub fn secret_post(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Self {
        let registration = Registration::SecretPost(usable(secrets));
        Self::from_parts(client_id.into(), registration, client)
    }

    /// A client that signs assertions with a private key (`private_key_jwt`; RFC 7523 §2.2, OpenID
    /// Connect Core §9).
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    #[must_use]
    pub fn private_key_jwt(client_id: impl Into<String>, keys: ClientKeys, client: C) -> Self {
        Self::from_parts(client_id.into(), Registration::PrivateKeyJwt(keys), client)
    }

    /// A client that keys assertions with its secret (`client_secret_jwt`; RFC 7523 §2.2, OpenID
    /// Connect Core §9). Any of the secrets will do, within its validity window.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if there is no secret, or one of them is not stored in plain text or
    /// is shorter than the hash of HS256, 32 octets (RFC 7518 §3.2). One that is shorter than 64 is
    /// not used with HS512, nor one shorter than 48 with HS384.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn client_secret_jwt(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Result<Self, InvalidRegistration<C>> {
        let (client_id, secrets) = (client_id.into(), usable(secrets));
        if secrets.is_empty() {
            let problem = Problem::NoSecret(AuthMethod::ClientSecretJwt);
            return Err(Self::refuse(client_id, problem, client));
        }
        let keys: Option<Box<[_]>> =
            secrets.iter().map(|secret| secret.plain_octets().map(MacKeys::new)).collect();
        match keys {
            Some(keys) if keys.iter().all(|keys| keys.can(Algorithm::Hs256)) => {
                let registration = Registration::SecretJwt(secrets, keys);
                Ok(Self::from_parts(client_id, registration, client))
            }
            _ => {
                let problem = InvalidKeys::new(
                    "`client_secret_jwt` needs secrets in plain text of at least 32 octets",
                );
                Err(Self::refuse(
                    client_id,
                    Problem::Assertions(AuthMethod::ClientSecretJwt, problem),
                    client,
                ))
            }
        }
    }

    /// Accepts assertions with this `alg` only (OpenID Connect Registration §2). Default: whatever
    /// its keys or secrets are good for.
    ///
    /// With one that is not supported, such as `none`, no assertion is accepted.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    #[must_use]
    pub fn token_endpoint_auth_signing_alg(self, alg: &str) -> Self {
        let only = Algorithm::from_name(alg).map(|algorithm| Algorithms::EMPTY.with(algorithm));
        Self { algorithms: only.unwrap_or(Algorithms::EMPTY), ..self }
    }

    /// A client that is on record and never authenticates, for a registration that cannot be
    /// trusted. The caller is answered like an unknown client; the operator sees
    /// [`UnusableRegistration`](crate::ErrorKind::UnusableRegistration).
    #[must_use]
    pub fn unusable(client_id: impl Into<String>, client: C) -> Self {
        Self::from_parts(client_id.into(), Registration::Unusable(Problem::Declared), client)
    }

    /// A client from a database row: the method may be anything that was stored, and the secrets
    /// may be missing.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if the registration is contradictory or its method cannot be checked
    /// here, which includes `private_key_jwt`, whose keys have a constructor of their own. The error holds an [unusable](Self::unusable) client, so that a provider can fail
    /// closed without failing:
    ///
    /// ```
    /// use tower_client_auth::{AuthMethod, InvalidRegistration, RegisteredClient};
    ///
    /// let method = AuthMethod::from("carrier_pigeon");
    /// let client = RegisteredClient::new("batch", &method, [], ())
    ///     .unwrap_or_else(InvalidRegistration::into_unusable);
    /// assert_eq!(client.client_id(), "batch");
    /// ```
    pub fn new(
        client_id: impl Into<String>,
        method: &AuthMethod,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Result<Self, InvalidRegistration<C>> {
        let client_id = client_id.into();
        let secrets = usable(secrets);
        let problem = match method {
            _ if client_id.is_empty() => Problem::NoClientId,
            // RFC 6749 §3.2.1: a client that was issued credentials must authenticate.
            AuthMethod::None if !secrets.is_empty() => Problem::PublicWithSecret,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost if secrets.is_empty() => {
                Problem::NoSecret(method.clone())
            }
            AuthMethod::None => return Ok(Self::public(client_id, client)),
            AuthMethod::ClientSecretBasic => {
                return Ok(Self::secret_basic(client_id, secrets, client));
            }
            AuthMethod::ClientSecretPost => {
                return Ok(Self::secret_post(client_id, secrets, client));
            }
            #[cfg(feature = "jwt")]
            AuthMethod::ClientSecretJwt => {
                return Self::client_secret_jwt(client_id, secrets, client);
            }
            #[cfg(feature = "jwt")]
            AuthMethod::PrivateKeyJwt => Problem::Assertions(
                method.clone(),
                InvalidKeys::new("`private_key_jwt` needs keys"),
            ),
            _ => Problem::UnsupportedMethod(method.clone()),
        };
        Err(Self::refuse(client_id, problem, client))
    }

    pub(crate) fn refuse(client_id: String, problem: Problem, client: C) -> InvalidRegistration<C> {
        let registration = Registration::Unusable(problem.clone());
        let client = Self::from_parts(client_id, registration, client);
        InvalidRegistration { problem, client }
    }

    fn from_parts(client_id: String, registration: Registration, client: C) -> Self {
        let client_id = client_id.into();
        let record = Record { client_id, registration, method_is_default: false, client };
        Self {
            record: Arc::new(record),
            #[cfg(feature = "jwt")]
            algorithms: Algorithms::ALL,
        }
    }

    /// The identifier under which the client is registered.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.record.client_id
    }

    /// The application's own client.
    #[must_use]
    pub fn client(&self) -> &C {
        &self.record.client
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.record.registration
    }

    #[cfg(feature = "jwt")]
    pub(crate) const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) fn method_is_default(&self) -> bool {
        self.record.method_is_default
    }

    pub(crate) fn with_default_method(mut self) -> Self {
        if let Some(record) = Arc::get_mut(&mut self.record) {
            record.method_is_default = true;
        }
        self
    }
}

/// An empty secret is none: it must not make a registration look complete.
fn usable(secrets: impl IntoIterator<Item = ClientSecret>) -> Box<[ClientSecret]> {
    secrets.into_iter().filter(|secret| !secret.is_empty()).collect()
}

// Derived, `Clone` and `Debug` would ask the same of `C`.
impl<C> Clone for RegisteredClient<C> {
    fn clone(&self) -> Self {
        Self {
            record: Arc::clone(&self.record),
            #[cfg(feature = "jwt")]
            algorithms: self.algorithms,
        }
    }
}

impl<C> fmt::Debug for RegisteredClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient")
            .field("client_id", &self.client_id())
            .field("registration", self.registration())
            .finish_non_exhaustive()
    }
}

/// A stored registration that no client could authenticate with.
pub struct InvalidRegistration<C> {
    problem: Problem,
    client: RegisteredClient<C>,
}

impl<C> InvalidRegistration<C> {
    /// The client as one that never authenticates.
    #[must_use]
    pub fn into_unusable(self) -> RegisteredClient<C> {
        self.client
    }

    pub(crate) fn with_default_method(self) -> Self {
        Self { client: self.client.with_default_method(), ..self }
    }
}

impl<C> fmt::Debug for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidRegistration")
            .field("client_id", &self.client.client_id())
            .field("problem", &self.problem)
            .finish()
    }
}

impl<C> fmt::Display for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {:?}: {}", self.client.client_id(), self.problem)
    }
}

impl<C> std::error::Error for InvalidRegistration<C> {}
