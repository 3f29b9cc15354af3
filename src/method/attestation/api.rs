//! The settings and the clients of attestations, and what is handed on of them.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    layer::ClientAuthLayer,
    method::{
        Method, Registration,
        attestation::{self, settings::Attesters},
    },
};

/// # Attestation
impl<P, M> ClientAuthLayer<P, M> {
    /// Accepts attestations of these attesters: `attest_jwt_client_auth`
    /// (draft-ietf-oauth-attestation-based-client-auth-11), in addition to the other methods, unless
    /// [`auth_methods`](Self::auth_methods) leaves it out. Default: the headers `OAuth-Client-Attestation` and
    /// `OAuth-Client-Attestation-PoP` say nothing.
    ///
    /// Both are headers, so that layers of [`headers_only`](Self::headers_only) and [`grpc`](Self::grpc) know the method,
    /// too. The [provider deadline](crate::Limits::provider_deadline) holds for the replay store and for the source of keys
    /// as well. Browsers hand the challenge of an answer to a script only if `Access-Control-Expose-Headers` names it.
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    #[must_use]
    pub fn attestation(self, attesters: Attesters) -> Self {
        let layer = self.set(|policy| {
            policy.admission.attested = true;
            policy.optional.attested = true;
        });
        let attesters = attesters.with_trusted_addresses();
        layer.set_methods(|methods| methods.attestation = Some(Arc::new(attesters)))
    }

    /// The answer of the challenge endpoint (-11 §6.3): 200 with a new challenge as JSON, `Cache-Control: no-store`. It
    /// needs [`Attesters::challenges`]; without, it is 404.
    ///
    /// The endpoint is for every caller, so it stands outside of the layer, and takes POST alone: a router answers
    /// GET with 405. Its URL is `challenge_endpoint` in the metadata of the server.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Method, Request, Response, StatusCode, header::ALLOW};
    /// use tower_client_auth::{ClientAuthLayer, ClientProvider};
    ///
    /// /// Where there is no router to do it: axum has `post(move || async move { layer.challenge().map(Body::from) })`.
    /// fn challenge<P: ClientProvider, B>(
    ///     layer: &ClientAuthLayer<P>,
    ///     request: &Request<B>,
    /// ) -> Response<Bytes> {
    ///     if request.method() == Method::POST {
    ///         return layer.challenge();
    ///     }
    ///     let mut refusal = Response::new(Bytes::new());
    ///     *refusal.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    ///     refusal.headers_mut().insert(ALLOW, http::HeaderValue::from_static("POST"));
    ///     refusal
    /// }
    /// # let layer = ClientAuthLayer::new(tower_client_auth::provider::MemoryProvider::<()>::new());
    /// # assert_eq!(challenge(&layer, &Request::post("/").body(()).unwrap()).status(), StatusCode::NOT_FOUND);
    /// # assert_eq!(challenge(&layer, &Request::new(())).status(), StatusCode::METHOD_NOT_ALLOWED);
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    #[must_use]
    pub fn challenge(&self) -> Response<Bytes> {
        attestation::endpoint(&self.policy().methods)
    }

    /// The accepted signature algorithms, for `client_attestation_signing_alg_values_supported` and
    /// `client_attestation_pop_signing_alg_values_supported` in the metadata of the server (-11 §8). There are none
    /// unless the method is accepted, for which an attester must be trusted.
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    pub fn attestation_signing_algs_supported(&self) -> impl Iterator<Item = &'static str> {
        let accepted = self.policy().supported();
        let settings = self.policy().methods.attestation.as_deref();
        let settings = settings.filter(|_set| accepted.contains(Method::AttestJwt));
        settings.into_iter().flat_map(|set| set.algorithms.names()).map(|(name, _)| name)
    }
}

/// # Clients that present attestations
impl<C> RegisteredClient<C> {
    /// A client for whose instances this attester vouches
    /// (`attest_jwt_client_auth`; draft-ietf-oauth-attestation-based-client-auth-11), by its name in
    /// [`Attesters::trust`].
    ///
    /// All instances have the id of the client. What tells them apart is the
    /// [thumbprint](AuthenticatedClient::key_thumbprint) of their key.
    ///
    /// [`ClientMetadata`](crate::ClientMetadata) names the attester in a member of this crate's own, `attester`.
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    #[must_use]
    pub fn attested(client_id: impl Into<String>, attester: &str, client: C) -> Self {
        let registered = attestation::Registration(attester.into());
        Self::from_registration(client_id.into(), Registration::Attestation(registered), client)
    }
}

/// # Attestation
impl<C> AuthenticatedClient<C> {
    /// The thumbprint (RFC 7638, SHA-256 in base64url) of the key that the attestation is about, if there was one: it is
    /// that of one instance of the client.
    ///
    /// Refresh tokens must be bound to it (-11 §10.3): keep it with the token, and refuse the token from another
    /// instance. Authorization codes should be (-11 §10.4).
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    #[must_use]
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.attested_key().map(|thumbprint| &***thumbprint)
    }
}
