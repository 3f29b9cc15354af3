//! Certificates from connections of rustls.

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConnection, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::x509::{certificate::ClientCertificate, chain, invalid::InvalidCertificate};

/// Characters of what a verifier says.
const MOST_REASON: usize = 200;

/// A certificate for clients, well-formed, that no authority has issued. Its key was thrown away.
const NOBODY: &[u8] = include_bytes!("nobody.der");

/// Asks for a certificate, and takes any: from an authority that nobody knows, self-signed, or none.
///
/// On one listener with it clients of `tls_client_auth`, of `self_signed_tls_client_auth` and without a
/// certificate can all be served (RFC 8705 §6.1, §2.2), and what is not accepted is answered 401 and does
/// not end the handshake. The handshake proves that the client has the key of its certificate, and
/// nothing else: [`ClientCertificate::of`] asks who issued it.
///
/// A certificate that rustls cannot read ends the handshake, as do one of X.509 version 1 and one with a
/// critical extension that rustls does not know.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use rustls::{
///     ServerConfig,
///     crypto::CryptoProvider,
///     pki_types::{CertificateDer, PrivateKeyDer},
/// };
/// use tower_client_auth::mutual_tls::AnyClientCertificate;
///
/// fn config(
///     provider: Arc<CryptoProvider>,
///     chain: Vec<CertificateDer<'static>>,
///     key: PrivateKeyDer<'static>,
/// ) -> Result<ServerConfig, rustls::Error> {
///     let verifier = Arc::new(AnyClientCertificate::new(&provider));
///     ServerConfig::builder_with_provider(provider)
///         .with_safe_default_protocol_versions()?
///         .with_client_cert_verifier(verifier)
///         .with_single_cert(chain, key)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AnyClientCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClientCertificate {
    /// Verifies signatures with the algorithms of this provider.
    #[must_use]
    pub fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None, so that clients send what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    // That the client has the key is proved by its signature alone: certificates are public.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertificate {
    /// The certificate that the client presented in the handshake, if it did, to be asked for once the
    /// handshake is over.
    ///
    /// It is verified if `pki` accepts its chain now: a `WebPkiClientVerifier` with the authorities that
    /// issue the certificates of clients, which public ones are not (RFC 8705 §7.4). Without a `pki`, and
    /// with one that accepts everything, none is verified. What `pki` says about a chain that it does not
    /// accept is the [source](std::error::Error::source) of the error, where that is why a client is refused. It
    /// must be one that can be asked: `WebPkiClientVerifier::no_client_auth` panics.
    ///
    /// Strangers present chains, too, and `pki` is not asked about one that would take it long: of more than four
    /// certificates besides that of the client, of more than 32 KiB, with one that cannot be read, or with so many of the same
    /// subject that there are more than ten ways to take one for the issuer of another. Such a certificate is not
    /// verified, whoever issued it. It remains one for `self_signed_tls_client_auth`, which needs no chain.
    ///
    /// A resumed session has the certificate of the handshake before it, and rustls does not ask its
    /// verifier again. Here `pki` is asked every time, so that a chain that has expired meanwhile, or was
    /// revoked by a newer `pki`, is no longer verified.
    ///
    /// # Errors
    ///
    /// If the certificate cannot be read. End the connection then: served as if there were none, its
    /// tokens would not be bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use rustls::{ServerConnection, server::danger::ClientCertVerifier};
    /// use tower_client_auth::mutual_tls::{ClientCertificate, InvalidCertificate};
    ///
    /// fn insert(
    ///     connection: &ServerConnection,
    ///     pki: &dyn ClientCertVerifier,
    ///     extensions: &mut http::Extensions,
    /// ) -> Result<(), InvalidCertificate> {
    ///     if let Some(certificate) = ClientCertificate::of(connection, Some(pki))? {
    ///         extensions.insert(certificate);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn of(
        connection: &ServerConnection,
        pki: Option<&dyn ClientCertVerifier>,
    ) -> Result<Option<Self>, InvalidCertificate> {
        Self::of_chain(connection.peer_certificates().unwrap_or_default(), pki)
    }

    /// The same of a chain, the leaf first, that was [presented](rustls::CommonState::peer_certificates) before. A
    /// connection that stays open asks so again when `pki` is another one, and from time to time, because certificates
    /// expire.
    ///
    /// # Errors
    ///
    /// If the leaf cannot be read.
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn of_chain(
        chain: &[CertificateDer<'_>],
        pki: Option<&dyn ClientCertVerifier>,
    ) -> Result<Option<Self>, InvalidCertificate> {
        let [leaf, intermediates @ ..] = chain else { return Ok(None) };
        let der = leaf.as_ref();
        let read = match pki.map(|pki| verify(pki, leaf, intermediates)) {
            Some(Ok(())) => Self::verified(der),
            Some(Err(why)) => Self::refused(der, &why),
            None => Self::unverified(der),
        };
        read.map(Some)
    }
}

/// # Errors
///
/// What the verifier says about the chain.
fn verify(
    pki: &dyn ClientCertVerifier,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), String> {
    let ask = |leaf: &_, others: &_| pki.verify_client_cert(leaf, others, UnixTime::now());
    chain::check(leaf, intermediates)?;
    // It can name purposes that the certificate has, as many as there are.
    ask(leaf, intermediates)
        .map_err(|why| why.to_string().chars().take(MOST_REASON).collect::<String>())?;
    // One that accepts these, such as `AnyClientCertificate`, verifies nothing.
    for nobody in [&[][..], NOBODY] {
        if ask(&CertificateDer::from(nobody), &[]).is_ok() {
            return Err("the verifier of the acceptor accepts every certificate".to_owned());
        }
    }
    Ok(())
}
