//! What a provider answers: the application's client, and what to check it against.

pub(crate) mod authenticated;

// After the other, as in the documentation of `AuthenticatedClient`.
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
mod assumed;

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    error::problem::{Problem, UnusableClient},
    iana::{AuthMethod, metadata::ClientMetadata},
    method::Registration,
    secret::stored::ClientSecret,
    wire::text::Text,
};

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

/// In this order: with many clients each is in no cache, and what a request reads of it should be on as
/// few lines as possible, from that of the count on.
#[repr(C)]
struct Record<C> {
    /// One like a UUID has 36 bytes.
    client_id: Text<40>,
    registration: Registration,
    /// Whether a stored registration left the method out, so that it is the one that RFC 7591 §2
    /// prescribes.
    method_is_absent: bool,
    client: C,
}

impl<C> RegisteredClient<C> {
    /// A client that is on record and never authenticates, for a registration that cannot be
    /// trusted. The caller is answered like an unknown client; the operator sees
    /// [`UnusableRegistration`](crate::ErrorKind::UnusableRegistration).
    #[must_use]
    pub fn unusable(client_id: impl Into<String>, client: C) -> Self {
        Self::from_registration(client_id.into(), Registration::unusable(Problem::Declared), client)
    }

    /// A client from a database row: the method may be any stored text, and the secrets may be
    /// missing.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if the registration is contradictory or its method cannot be checked
    /// here, which includes `private_key_jwt`, whose keys have a constructor of their own. The error
    /// holds an [unusable](Self::unusable) client. A provider may return either, with `?` or as here: the
    /// client is answered 401.
    ///
    /// ```
    /// use tower_client_auth::{AuthMethod, RegisteredClient, provider::InvalidRegistration};
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
        let registration = Registration::from_secrets(method, secrets);
        Self::try_from_registration(client_id.into(), registration, client)
    }

    pub(crate) fn from_registration(
        client_id: String,
        registration: Registration,
        client: C,
    ) -> Self {
        let client_id = client_id.into();
        let mut record =
            Arc::new(Record { client_id, registration, method_is_absent: false, client });
        if let Some(record) = Arc::get_mut(&mut record) {
            record.registration.settle();
        }
        Self { record }
    }

    pub(crate) fn try_from_registration(
        client_id: String,
        registration: Result<Registration, Problem>,
        client: C,
    ) -> Result<Self, InvalidRegistration<C>> {
        let registration = if client_id.is_empty() {
            Err(Problem::NoClientId)
        } else if client_id.bytes().any(|byte| byte.is_ascii_control()) {
            Err(Problem::ControlCharacter("client_id"))
        } else {
            registration
        };
        match registration {
            Ok(registration) => Ok(Self::from_registration(client_id, registration, client)),
            Err(problem) => {
                let problem = Arc::new(problem);
                let registration = Registration::Unusable(Arc::clone(&problem));
                let client = Self::from_registration(client_id, registration, client);
                let cause = UnusableClient { client_id: client.client_id().into(), problem };
                Err(InvalidRegistration { cause, client })
            }
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

    pub(crate) fn method_is_absent(&self) -> bool {
        self.record.method_is_absent
    }

    /// Whether it is the same record, and not only an equal one.
    #[cfg(feature = "metadata-documents")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
    }

    /// Another client with the registration of a document, which has no secrets.
    #[cfg(feature = "metadata-documents")]
    pub(crate) fn of_document<D>(&self, client: D) -> RegisteredClient<D> {
        let client_id = self.client_id().to_owned();
        RegisteredClient::from_registration(client_id, self.registration().of_document(), client)
    }

    /// There is no other handle yet.
    pub(crate) fn with_absent_method(mut self) -> Self {
        if let Some(record) = Arc::get_mut(&mut self.record) {
            record.method_is_absent = true;
        }
        self
    }
}

/// A client in a set or a cache, which finds it by its id without keeping a copy of that.
pub(crate) struct ById<C>(pub(crate) RegisteredClient<C>);

impl<C> Borrow<str> for ById<C> {
    fn borrow(&self) -> &str {
        self.0.client_id()
    }
}

impl<C> Hash for ById<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.client_id().hash(state);
    }
}

impl<C> PartialEq for ById<C> {
    fn eq(&self, other: &Self) -> bool {
        self.0.client_id() == other.0.client_id()
    }
}

impl<C> Eq for ById<C> {}

impl<C> Clone for ById<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
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

impl TryFrom<ClientMetadata> for RegisteredClient<ClientMetadata> {
    type Error = InvalidRegistration<ClientMetadata>;

    /// Moves the secret from the metadata to the registration.
    ///
    /// An empty string or key set is absent, because many programs write every member:
    /// `"jwks_uri": ""`, `"jwks": {"keys": []}`.
    ///
    /// # Errors
    ///
    /// As [`RegisteredClient::new`].
    fn try_from(mut metadata: ClientMetadata) -> Result<Self, Self::Error> {
        let expires_at = metadata.client_secret_expires_at.unwrap_or(0);
        let secret = metadata
            .client_secret
            .take()
            .map(|secret| ClientSecret::plain(secret).expires_at(expires_at));
        let registration = Registration::from_metadata(&metadata, secret);
        let method_is_absent = metadata.stated_method().is_none();
        let client =
            Self::try_from_registration(metadata.client_id.clone(), registration, metadata);
        if method_is_absent {
            return client
                .map(Self::with_absent_method)
                .map_err(InvalidRegistration::with_absent_method);
        }
        client
    }
}

/// A stored registration that no client could authenticate with.
///
/// A provider may return it as its error, or as a cause of its error, with `?`. The client that was asked for is
/// answered 401 then, as one that is [unusable](RegisteredClient::unusable) is: with the reason
/// [`UnusableRegistration`](crate::ErrorKind::UnusableRegistration), and as an unknown client to the caller. If it is the
/// registration of another client, such as one of many that are loaded at once, the look-up has failed: 503.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{AuthMethod, BoxError, ClientSecret, RegisteredClient};
///
/// fn from_row(id: &str, method: &str, secret: &str) -> Result<RegisteredClient<()>, BoxError> {
///     let method = AuthMethod::from(method);
///     Ok(RegisteredClient::new(id, &method, [ClientSecret::plain(secret)], ())?)
/// }
/// assert!(from_row("batch", "carrier_pigeon", "gX9k").is_err());
/// ```
pub struct InvalidRegistration<C> {
    cause: UnusableClient,
    client: RegisteredClient<C>,
}

impl<C> InvalidRegistration<C> {
    /// The client as one that never authenticates.
    #[must_use]
    pub fn into_unusable(self) -> RegisteredClient<C> {
        self.client
    }

    pub(crate) fn problem(&self) -> &Problem {
        &self.cause.problem
    }

    pub(crate) fn with_absent_method(self) -> Self {
        Self { client: self.client.with_absent_method(), ..self }
    }
}

impl<C> fmt::Debug for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidRegistration")
            .field("client_id", &self.client.client_id())
            .field("problem", &self.cause.problem)
            .finish()
    }
}

impl<C> fmt::Display for InvalidRegistration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {:?}: {}", self.client.client_id(), self.cause)
    }
}

impl<C> std::error::Error for InvalidRegistration<C> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
