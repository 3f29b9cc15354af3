//! The settings for requests that present nothing of a client.

use crate::{error::config::ConfigError, layer::ClientAuthLayer};

/// # Requests without a client
impl<P, M> ClientAuthLayer<P, M> {
    /// Passes a request on that presents nothing of a client. Default: it is refused
    /// ([`NoCredentials`](crate::ErrorKind::NoCredentials)).
    ///
    /// For endpoints that take something else than client authentication as well: introspection by a client or
    /// with a bearer token (RFC 7662 §2.1), grants without a client, such as a JWT bearer grant (RFC 7521 §4.1).
    /// The handler decides what such a request may do: it finds no
    /// [`AuthenticatedClient`](crate::AuthenticatedClient) in the extensions, and the extractor
    /// `Option<AuthenticatedClient<_>>` is `None`.
    ///
    /// Nothing is: no `Authorization`, or one of the [foreign schemes](Self::foreign_schemes), no `client_id`, no
    /// `client_secret`, `client_assertion` or `client_assertion_type` with a value in the form, and no
    /// `OAuth-Client-Attestation`. A client certificate alone is nothing. Everything else is an attempt, and
    /// refused if it fails; and what is asked of a request before its credentials holds as before: its method, its media
    /// type, its [limits](Self::limits), a certificate that can be read. With [`headers_only`](Self::headers_only)
    /// and [`grpc`](Self::grpc) the body is not read, so that nothing in it counts.
    ///
    /// An `AuthenticatedClient` of this client type that an outer layer made is removed, and so is the
    /// certificate in the header of a proxy that is not trusted. As nobody is authenticated or refused,
    /// [`on_outcome`](Self::on_outcome) is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tower_client_auth::{
    ///     AuthenticatedClient, ClientAuthLayer, ClientMetadata, OAuthError,
    ///     provider::MemoryProvider,
    /// };
    ///
    /// /// Who may introspect a token: a client, or whoever has a bearer token. Handlers of axum take both
    /// /// arguments as extractors; elsewhere the client is in the extensions, or not.
    /// fn may_introspect(
    ///     client: Option<AuthenticatedClient<ClientMetadata>>,
    ///     headers: HeaderMap,
    /// ) -> Result<(), OAuthError> {
    ///     match (client, headers.get("authorization")) {
    ///         (Some(_client), _) => Ok(()),
    ///         (None, Some(bearer)) if is_bearer_of_ours(bearer) => Ok(()),
    ///         (None, Some(_)) => Err(OAuthError::INVALID_TOKEN),
    ///         // Nothing at all.
    ///         (None, None) => Err(OAuthError::INVALID_CLIENT),
    ///     }
    /// }
    /// # fn is_bearer_of_ours(_: &http::HeaderValue) -> bool { false }
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
    ///     .refuse_public_clients()
    ///     .optional()
    ///     .foreign_schemes(["Bearer"])?;
    /// # drop((layer, may_introspect));
    /// # Ok::<(), tower_client_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn optional(self) -> Self {
        self.set(|policy| policy.optional.is_set = true)
    }

    /// The authentication schemes (RFC 9110 §11.1) that something else than this layer checks, such as `Bearer`
    /// or `DPoP`. Default: none, so that each but `Basic` is refused
    /// ([`UnsupportedScheme`](crate::ErrorKind::UnsupportedScheme)).
    ///
    /// An `Authorization` of such a scheme counts as nothing where the layer is [`optional`](Self::optional); otherwise
    /// this setting changes nothing. **The layer does not check it:** that is for the inner service. It must be one
    /// `token68` (RFC 9110 §11.2), as those two have it, no longer than a [credential](crate::Limits::credential)
    /// may be. Beside a `client_id` or anything else of a client it is a second method, and answered 400 (RFC 6749
    /// §2.3). Names are compared without case. Called again, it replaces them.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ForeignScheme`] if one is no token (RFC 9110 §5.6.2), or is `Basic`, which the layer reads
    /// itself.
    pub fn foreign_schemes<'a>(
        self,
        schemes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        self.try_set(|policy| policy.optional.set_schemes(schemes))
    }
}
