//! What a provider answers: the application's client, and what to check it against.

use std::{fmt, sync::Arc};

use crate::{AuthMethod, ClientSecret};

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
}

struct Record<C> {
    client_id: Box<str>,
    registration: Registration,
    client: C,
}

/// How a client authenticates. What cannot be checked has no representation but
/// [`Registration::Unusable`].
#[derive(Debug)]
pub(crate) enum Registration {
    Public,
    SecretBasic(Box<[ClientSecret]>),
    SecretPost(Box<[ClientSecret]>),
    Unusable,
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
        let registration = Registration::SecretBasic(secrets.into_iter().collect());
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
        let registration = Registration::SecretPost(secrets.into_iter().collect());
        Self::from_parts(client_id.into(), registration, client)
    }

    /// A client that is on record and never authenticates, for a registration that cannot be
    /// trusted. The caller is answered like an unknown client; the operator sees
    /// [`UnusableRegistration`](crate::ErrorKind::UnusableRegistration).
    #[must_use]
    pub fn unusable(client_id: impl Into<String>, client: C) -> Self {
        Self::from_parts(client_id.into(), Registration::Unusable, client)
    }

    /// A client from a database row: the method may be anything that was stored, and the secrets
    /// may be missing.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if the registration is contradictory or its method cannot be checked
    /// here. The error holds an [unusable](Self::unusable) client, so that a provider can fail
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
        let secrets: Box<[_]> = secrets.into_iter().collect();
        let registration = match method {
            _ if client_id.is_empty() => Err("the client_id is empty"),
            // RFC 6749 §3.2.1: a client that was issued credentials must authenticate.
            AuthMethod::None if !secrets.is_empty() => Err("`none` contradicts a stored secret"),
            AuthMethod::None => Ok(Registration::Public),
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost if secrets.is_empty() => {
                Err("the method needs a secret and none is stored")
            }
            AuthMethod::ClientSecretBasic => Ok(Registration::SecretBasic(secrets)),
            AuthMethod::ClientSecretPost => Ok(Registration::SecretPost(secrets)),
            _ => Err("the method is not supported"),
        };
        match registration {
            Ok(registration) => Ok(Self::from_parts(client_id, registration, client)),
            Err(problem) => Err(InvalidRegistration {
                method: method.clone(),
                problem,
                client: Self::unusable(client_id, client),
            }),
        }
    }

    fn from_parts(client_id: String, registration: Registration, client: C) -> Self {
        Self { record: Arc::new(Record { client_id: client_id.into(), registration, client }) }
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
}

// Derived, `Clone` and `Debug` would ask the same of `C`.
impl<C> Clone for RegisteredClient<C> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record) }
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
    method: AuthMethod,
    problem: &'static str,
    client: RegisteredClient<C>,
}

impl<C> InvalidRegistration<C> {
    /// The client as one that never authenticates.
    #[must_use]
    pub fn into_unusable(self) -> RegisteredClient<C> {
        self.client
    }
}

impl<C> fmt::Debug for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidRegistration")
            .field("client_id", &self.client.client_id())
            .field("method", &self.method)
            .field("problem", &self.problem)
            .finish()
    }
}

impl<C> fmt::Display for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "client {:?} with method {:?}: {}",
            self.client.client_id(),
            self.method.as_str(),
            self.problem
        )
    }
}

impl<C> std::error::Error for InvalidRegistration<C> {}
