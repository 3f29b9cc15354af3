//! Authenticated clients for tests.

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    iana::AuthMethod,
    method::{Method, verification::Proof},
    secret::comparison::Match,
};

/// # Tests
impl<C> AuthenticatedClient<C> {
    /// Claims that `registered` has authenticated with `method`, which nothing has checked: for tests of what is
    /// behind the layer.
    ///
    /// The feature `test-util` belongs into `[dev-dependencies]`. `guide::testing` shows how to call
    /// a handler, a router and a gRPC method with such a client. A layer replaces, or removes, whatever stands in
    /// the extensions of a request, so that nobody gets past it with one.
    ///
    /// `method` need not be the one that the client is registered for. A name that is no method of this
    /// crate ([`AuthMethod::Other`]) counts as [`AuthMethod::None`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{AuthMethod, AuthenticatedClient, ClientSecret, RegisteredClient};
    ///
    /// struct Tenant(&'static str);
    ///
    /// let secrets = [ClientSecret::plain("gX9k").labelled("2027")];
    /// let batch = RegisteredClient::secret_basic("batch", secrets, Tenant("blue"));
    /// let client = AuthenticatedClient::assume(batch, AuthMethod::ClientSecretBasic)
    ///     .with_secret_label("2027");
    /// assert_eq!(client.client_id(), "batch");
    /// assert_eq!(client.client().0, "blue");
    /// assert_eq!(client.secret_label(), Some("2027"));
    /// ```
    #[must_use]
    pub fn assume(registered: RegisteredClient<C>, method: AuthMethod) -> Self {
        let method = Method::ALL.into_iter().find(|one| *one.iana() == method);
        Self::new(registered, Proof { method: method.unwrap_or(Method::None), secret: None })
    }

    /// Claims that it was the secret with this label that the client presented. It is that of a secret that the
    /// client is registered with: no request could bring another one, and so there is no label then.
    #[must_use]
    pub fn with_secret_label(mut self, label: &str) -> Self {
        let secrets = self.registered.registration().secrets().unwrap_or_default();
        let index = secrets.iter().position(|secret| secret.label() == Some(label));
        self.proof.secret = index.map(|index| Match { index, raw: false });
        self
    }

    /// Claims that this certificate came with the request.
    #[cfg(feature = "mtls")]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "mtls", feature = "test-util"))))]
    #[must_use]
    pub fn with_certificate(mut self, certificate: crate::method::mutual_tls::Certificate) -> Self {
        self.set_certificate(certificate);
        self
    }

    /// Claims that an attestation was about the key with this thumbprint.
    #[cfg(feature = "unstable-attestation")]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "unstable-attestation", feature = "test-util"))))]
    #[must_use]
    pub fn with_key_thumbprint(mut self, thumbprint: &str) -> Self {
        self.set_attested_key(std::sync::Arc::new(thumbprint.into()));
        self
    }
}
