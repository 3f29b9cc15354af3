//! The settings and the clients of mutual TLS, and the certificates that are handed on.

use std::sync::Arc;

use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    layer::{ClientAuthLayer, outcome::Outcome},
    method::{
        Registration,
        mutual_tls::{self, certificates::ClientCertificates, settings::MutualTls},
    },
    x509::{certificate::ClientCertificate, subject::CertificateSubject},
};

/// # Mutual TLS
impl<P, M> ClientAuthLayer<P, M> {
    /// Takes client certificates from this source, and accepts `tls_client_auth` and
    /// `self_signed_tls_client_auth` (RFC 8705 §2), in addition to the other methods, unless
    /// [`auth_methods`](Self::auth_methods) leaves them out. Default: no certificate is looked for.
    ///
    /// Both need a `client_id` in a form: a layer of [`headers_only`](Self::headers_only) or
    /// [`grpc`](Self::grpc) only hands the certificate on. The [provider
    /// deadline](crate::Limits::provider_deadline) holds for the source of published certificates, too.
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub fn mutual_tls(self, mutual_tls: MutualTls) -> Self {
        self.set_methods(|methods| methods.mutual_tls = Some(Arc::new(mutual_tls)))
    }

    /// Whether the layer knows the certificates of clients, for
    /// `tls_client_certificate_bound_access_tokens` in the metadata of the server (RFC 8705 §3.3): the
    /// application can bind the tokens that it issues to
    /// [`AuthenticatedClient::certificate`].
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub fn certificate_bound_access_tokens_supported(&self) -> bool {
        self.policy().methods.mutual_tls.is_some()
    }
}

/// # Clients that present certificates
impl<C> RegisteredClient<C> {
    /// A client whose certificate has this subject, and was issued by an authority that is trusted for
    /// client certificates (`tls_client_auth`; RFC 8705 §2.1).
    ///
    /// A renewed certificate with the same subject is good as well. So trust few authorities, and no
    /// public ones: there anybody can have names of their own certified (RFC 8705 §7.4).
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub fn tls_client_auth(
        client_id: impl Into<String>,
        subject: CertificateSubject,
        client: C,
    ) -> Self {
        let registration = Registration::MutualTls(mutual_tls::Registration::Pki(subject));
        Self::from_registration(client_id.into(), registration, client)
    }

    /// A client that presents one of these certificates, whoever issued it
    /// (`self_signed_tls_client_auth`; RFC 8705 §2.2).
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub fn self_signed_tls_client_auth(
        client_id: impl Into<String>,
        certificates: ClientCertificates,
        client: C,
    ) -> Self {
        let registered = mutual_tls::Registration::SelfSigned(certificates);
        Self::from_registration(client_id.into(), Registration::MutualTls(registered), client)
    }
}

/// # Mutual TLS
impl<C> AuthenticatedClient<C> {
    /// The certificate that came with the request, whatever the method is: to bind tokens to its
    /// [thumbprint](ClientCertificate::thumbprint) (RFC 8705 §3).
    ///
    /// Where the method is not one of mutual TLS, nothing was compared with it: it is that of the
    /// connection, and the client may be another one tomorrow. A client that is registered with
    /// `tls_client_certificate_bound_access_tokens` should be refused without one, and not get a token that is
    /// bound to nothing.
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub const fn certificate(&self) -> Option<&ClientCertificate> {
        self.presented_certificate()
    }
}

/// # Mutual TLS
impl<'a> Outcome<'a> {
    /// The certificate that came with the request, if it got as far as a look-up. Its
    /// [subject](ClientCertificate::subject) is the text to compare with the registered one after a
    /// mismatch.
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    #[must_use]
    pub const fn certificate(&self) -> Option<&'a ClientCertificate> {
        self.certificate
    }
}
