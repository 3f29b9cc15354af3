//! A certificate that a client presented.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use arrayvec::ArrayString;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    error::BoxError,
    x509::{
        element::Elements,
        invalid::InvalidCertificate,
        name::{self, Comparable},
        walk::Certificate,
    },
};

/// A certificate that the client presented when the connection was made, and whether its chain was
/// verified.
///
/// Make it once per connection, when the handshake is over: it hashes the certificate and reads its
/// subject, its alternative names and its validity. It is a handle: cloning it copies a pointer.
///
/// # Examples
///
/// ```
/// use tower_client_auth::mutual_tls::ClientCertificate;
///
/// let not_even_der = ClientCertificate::unverified(b"-----BEGIN CERTIFICATE-----".as_slice());
/// assert_eq!(
///     not_even_der.unwrap_err().to_string(),
///     "it is no DER of a certificate, at byte 0",
/// );
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<Presented>);

struct Presented {
    der: Vec<u8>,
    parts: Certificate,
    digest: [u8; 32],
    thumbprint: ArrayString<43>,
    verified: bool,
    /// What the verifier said, if it was asked and did not accept the chain.
    #[cfg(feature = "rustls")]
    refusal: Option<Arc<BoxError>>,
    /// Made when it is asked for.
    subject: OnceLock<Comparable>,
}

impl Presented {
    fn new(der: Vec<u8>, verified: bool) -> Result<Self, InvalidCertificate> {
        let parts = Certificate::read(&der)?;
        let digest: [u8; 32] = Sha256::digest(&der).into();
        let mut thumbprint = [0; 43];
        // It has room for it.
        let _ = BASE64_URL_SAFE_NO_PAD.encode_slice(digest, &mut thumbprint);
        let thumbprint = ArrayString::from_byte_string(&thumbprint).unwrap_or_default();
        Ok(Self {
            der,
            parts,
            digest,
            thumbprint,
            verified,
            #[cfg(feature = "rustls")]
            refusal: None,
            subject: OnceLock::new(),
        })
    }
}

impl ClientCertificate {
    /// The leaf of a chain, as DER, that a verifier led to an authority that the application trusts for
    /// clients (RFC 8705 §2.1).
    ///
    /// Nothing is verified here.
    ///
    /// # Errors
    ///
    /// If it is no certificate in DER.
    pub fn verified(der: impl Into<Vec<u8>>) -> Result<Self, InvalidCertificate> {
        Self::new(der.into(), true)
    }

    /// A certificate, as DER, of which nobody knows who issued it: it proves that the client has its key
    /// (RFC 8705 §2.2).
    ///
    /// # Errors
    ///
    /// If it is no certificate in DER.
    pub fn unverified(der: impl Into<Vec<u8>>) -> Result<Self, InvalidCertificate> {
        Self::new(der.into(), false)
    }

    /// One whose chain a verifier did not accept.
    #[cfg(feature = "rustls")]
    pub(super) fn refused(der: &[u8], why: &str) -> Result<Self, InvalidCertificate> {
        let mut presented = Presented::new(der.into(), false)?;
        presented.refusal = Some(Arc::new(why.into()));
        Ok(Self(Arc::new(presented)))
    }

    fn new(der: Vec<u8>, verified: bool) -> Result<Self, InvalidCertificate> {
        Presented::new(der, verified).map(|presented| Self(Arc::new(presented)))
    }

    /// What the verifier said about the chain, if it was asked and did not accept it.
    pub(crate) fn refusal(&self) -> Option<&Arc<BoxError>> {
        #[cfg(feature = "rustls")]
        return self.0.refusal.as_ref();
        #[cfg(not(feature = "rustls"))]
        None
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The SHA-256 of the certificate in base64url, 43 characters: what `x5t#S256` is in a token that is
    /// bound to it (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The subject as an RFC 4514 string: what to register as `tls_client_auth_subject_dn`.
    ///
    /// It is empty if the certificate has alternative names alone, and cannot be registered if it has
    /// a control character.
    #[must_use]
    pub fn subject(&self) -> String {
        name::print(self.subject_elements())
    }

    /// Whether its chain was verified.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.0.verified
    }

    /// The last second of its validity, in Unix seconds (RFC 5280 §4.1.2.5).
    ///
    /// From the next one on a client with `tls_client_auth` is refused, also on a connection that is open already. A
    /// server that ends its connection then makes it come back with its next certificate.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.0.parts.not_after
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    /// Whether a time, in Unix seconds, is within its validity (RFC 5280 §4.1.2.5).
    pub(crate) fn is_valid_at(&self, unix_seconds: i64) -> bool {
        (self.0.parts.not_before..=self.0.parts.not_after).contains(&unix_seconds)
    }

    fn subject_elements(&self) -> Elements<'_> {
        Elements::new(self.0.der.get(self.0.parts.subject.clone()).unwrap_or_default())
    }

    pub(super) fn comparable_subject(&self) -> &Comparable {
        self.0.subject.get_or_init(|| Comparable::of(self.subject_elements()))
    }

    /// Whether one of its alternative names, a tag and bytes, is what is asked for. All are looked at: the
    /// time would tell that one before the last is the registered one.
    pub(super) fn has_alternative(&self, is: impl Fn(u8, &[u8]) -> bool) -> bool {
        let names = self.0.der.get(self.0.parts.alternatives.clone()).unwrap_or_default();
        let mut names = Elements::new(names);
        std::iter::from_fn(|| names.read().ok())
            .fold(false, |found, name| found | is(name.tag, name.content))
    }
}

impl fmt::Debug for ClientCertificate {
    /// Names are personal data. The thumbprint tells certificates apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint())
            .field("verified", &self.0.verified)
            .finish_non_exhaustive()
    }
}
