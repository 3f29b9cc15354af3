//! The settings and the clients of the methods that present assertions.

use std::sync::Arc;

use crate::{
    client::{InvalidRegistration, RegisteredClient},
    iana::AuthMethod,
    jose::keys::ClientKeys,
    layer::ClientAuthLayer,
    method::{Registration, assertion},
    secret::stored::ClientSecret,
};

/// # Assertions
impl<P, M> ClientAuthLayer<P, M> {
    /// Accepts assertions: `private_key_jwt` and `client_secret_jwt` (RFC 7523 §2.2), in addition to
    /// the other methods, unless [`auth_methods`](Self::auth_methods) leaves them out. Default: an
    /// assertion counts as a method and is refused.
    ///
    /// The [provider deadline](crate::Limits::provider_deadline) holds for the replay store and for
    /// the source of keys, too. The presets of the MCP Python SDK know no assertions.
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    #[must_use]
    pub fn assertions(self, assertions: assertion::Assertions) -> Self {
        self.set_methods(|methods| methods.assertions = Some(Arc::new(assertions)))
    }

    /// The accepted signature algorithms, for `token_endpoint_auth_signing_alg_values_supported` and
    /// its siblings in the metadata of the server (RFC 8414 §2). There are none unless a method that
    /// presents assertions is accepted.
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn auth_signing_algs_supported(&self) -> impl Iterator<Item = &'static str> {
        let accepted = self.policy().supported();
        let settings = self.policy().methods.assertions.as_deref();
        settings.into_iter().flat_map(|settings| settings.algorithms.names()).filter_map(
            move |(name, algorithm)| {
                accepted.contains(assertion::method_of(algorithm)).then_some(name)
            },
        )
    }
}

/// # Clients that present assertions
impl<C> RegisteredClient<C> {
    /// A client that signs assertions with a private key (`private_key_jwt`; RFC 7523 §2.2, OpenID
    /// Connect Core §9).
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    #[must_use]
    pub fn private_key_jwt(client_id: impl Into<String>, keys: ClientKeys, client: C) -> Self {
        let registration = Registration::Assertion(assertion::Registration::PrivateKey(keys));
        Self::from_registration(client_id.into(), registration, client)
    }

    /// A client that keys assertions with its secret (`client_secret_jwt`; RFC 7523 §2.2, OpenID
    /// Connect Core §9). Any of the secrets will do, within its validity window.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if there is no secret, or one of them is not stored in plain text or
    /// is shorter than the hash of HS256, 32 bytes (RFC 7518 §3.2). One that is shorter than 64 is
    /// not used with HS512, nor one shorter than 48 with HS384.
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn client_secret_jwt(
        client_id: impl Into<String>,
        secrets: impl IntoIterator<Item = ClientSecret>,
        client: C,
    ) -> Result<Self, InvalidRegistration<C>> {
        let registration = Registration::from_secrets(&AuthMethod::ClientSecretJwt, secrets);
        Self::try_from_registration(client_id.into(), registration, client)
    }
}
