//! What the inner service gets.

use std::fmt;

use crate::{
    client::RegisteredClient,
    iana::AuthMethod,
    method::{Method, attestation::Thumbprint, mutual_tls::Certificate, verification::Proof},
};

/// The client that is calling, as the layer authenticated it.
///
/// It is in the extensions of the request; only the layer can make one, but for tests: the feature `test-util` has
/// `AuthenticatedClient::assume`. Cloning it copies a pointer. With the feature `axum` it is an extractor.
///
/// A client with the method [`None`](AuthMethod::None) is *identified*, not authenticated: any
/// caller can send its id.
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
    pub(super) registered: RegisteredClient<C>,
    pub(super) proof: Proof,
    certificate: Option<Certificate>,
    attested_key: Option<Thumbprint>,
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

    pub(crate) const fn new(registered: RegisteredClient<C>, proof: Proof) -> Self {
        Self { registered, proof, certificate: None, attested_key: None }
    }

    /// In place, because each move costs.
    pub(crate) fn set_certificate(&mut self, certificate: Certificate) {
        self.certificate = Some(certificate);
    }

    /// In place, as well.
    pub(crate) fn set_attested_key(&mut self, thumbprint: Thumbprint) {
        self.attested_key = Some(thumbprint);
    }

    #[cfg(feature = "unstable-attestation")]
    pub(crate) const fn attested_key(&self) -> Option<&Thumbprint> {
        self.attested_key.as_ref()
    }

    #[cfg(feature = "mtls")]
    pub(crate) const fn presented_certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    pub(crate) fn registered_method(&self) -> Method {
        self.registered.registration().method()
    }

    pub(crate) const fn proof(&self) -> Proof {
        self.proof
    }
}

impl<C> Clone for AuthenticatedClient<C> {
    fn clone(&self) -> Self {
        Self {
            registered: self.registered.clone(),
            proof: self.proof,
            certificate: self.certificate.clone(),
            attested_key: self.attested_key.clone(),
        }
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
