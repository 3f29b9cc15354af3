//! The settings and the clients of the methods that present assertions.

use std::sync::Arc;

use crate::{
    client::{InvalidRegistration, RegisteredClient},
    iana::AuthMethod,
    jose::keys::ClientKeys,
    layer::ClientAuthLayer,
    method::{
        Method, Registration,
        assertion::{
            self,
            federated::{Trusts, trust::Trust},
        },
    },
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
                let is_accepted = accepted.contains(assertion::method_of(algorithm))
                    || (!algorithm.is_symmetric() && accepted.contains(Method::SpiffeJwt));
                is_accepted.then_some(name)
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

    /// A client without secret and key: it presents the tokens that the platform issues on which it runs, such as
    /// Kubernetes or GitHub Actions (`private_key_jwt`; RFC 7523 §2.2), or a SPIFFE trust domain (`spiffe_jwt`).
    ///
    /// The client is found by the `client_id` in the form; without one by
    /// [issuer and subject](crate::ClientProvider::find_federated), where the provider can.
    ///
    /// # Errors
    ///
    /// [`InvalidRegistration`] if there is no [`Trust`] or more than 20, if two have one issuer and subject, if they
    /// are of both methods, or if no token can match one: an empty or strange issuer, subject or audience, an issuer
    /// that is the subject, too (that is [`private_key_jwt`](Self::private_key_jwt)), a lifetime out of bounds, a SPIFFE ID
    /// that is none or of another trust domain.
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn federated(
        client_id: impl Into<String>,
        trusts: impl IntoIterator<Item = Trust>,
        client: C,
    ) -> Result<Self, InvalidRegistration<C>> {
        let trusts = Trusts::new(trusts).map(assertion::Registration::Federated);
        let registration = trusts.map(Registration::Assertion);
        Self::try_from_registration(client_id.into(), registration, client)
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
