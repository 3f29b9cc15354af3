//! The authorities that issue the certificates of attesters.

use std::{collections::BTreeMap, fmt, sync::Arc};

use rustls_pki_types::{CertificateDer, TrustAnchor, pem::PemObject};

use crate::x509::{
    invalid::{InvalidCertificate, InvalidSubject},
    subject::CertificateSubject,
    types, usage,
};

/// RFC 9509 §3: `id-kp-jwt`, 1.3.6.1.5.5.7.3.37.
pub(super) const JWT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x25];
/// RFC 5280 §4.2.1.12: `anyExtendedKeyUsage`, 2.5.29.37.0.
const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// Authorities that issue the certificates of an attester, for
/// [`Attesters::trust_anchors`](crate::attestation::Attesters::trust_anchors).
///
/// Of the certificates of the authorities themselves only the name, the key and the name constraints count (RFC 5280
/// §6.1.1): an anchor is trusted until it is no longer here. It is a handle: cloning it copies pointers.
///
/// # Examples
///
/// ```
/// use tower_client_auth::attestation::TrustAnchors;
///
/// let error = TrustAnchors::from_pem("no PEM").unwrap_err();
/// assert_eq!(error.to_string(), "there is no certificate in PEM, at byte 0");
/// ```
#[derive(Clone)]
pub struct TrustAnchors {
    anchors: Arc<[TrustAnchor<'static>]>,
    /// For which a certificate may be, if it says for which it is: the contents of OIDs.
    purposes: Arc<[Box<[u8]>]>,
}

impl TrustAnchors {
    /// Reads the certificates in PEM (RFC 7468), one or several. What is between them is skipped.
    ///
    /// # Errors
    ///
    /// If there is none, one of them cannot be read or is not that of an authority, or there is a private key.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidCertificate> {
        if let Some(at) = pem.find("PRIVATE KEY-----") {
            return Err(InvalidCertificate::new("there is a private key", at));
        }
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_quotes_it| InvalidCertificate::new("it is no PEM of certificates", 0))?;
        if certificates.is_empty() {
            return Err(InvalidCertificate::new("there is no certificate in PEM", 0));
        }
        Self::from_der(certificates)
    }

    /// Reads certificates in DER, one or several.
    ///
    /// # Errors
    ///
    /// If there is none, or one of them cannot be read or is not that of an authority.
    pub fn from_der<T: AsRef<[u8]>>(
        certificates: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidCertificate> {
        let anchors = certificates.into_iter().map(|der| {
            let der = CertificateDer::from(der.as_ref());
            let unreadable = |_quotes_it| InvalidCertificate::new("it is no DER of a certificate", 0);
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(unreadable)?.to_owned();
            if usage::may_be_authority(&der)? {
                return Ok(anchor);
            }
            let other = "it is not that of an authority: to trust it alone, give its key to `Attesters::trust`";
            Err(InvalidCertificate::new(other, 0))
        });
        let anchors: Arc<[_]> = anchors.collect::<Result<_, _>>()?;
        if anchors.is_empty() {
            return Err(InvalidCertificate::new("there is no certificate", 0));
        }
        Ok(Self { anchors, purposes: [JWT, ANY].map(Box::from).into() })
    }

    /// Also takes certificates with this purpose in their extended key usage, as a dotted OID. Default: those that have no
    /// such extension, or have `id-kp-jwt` (RFC 9509, `1.3.6.1.5.5.7.3.37`) or `anyExtendedKeyUsage` in it. So the certificate
    /// of a TLS server signs no attestation.
    ///
    /// # Errors
    ///
    /// If it is no dotted OID.
    pub fn extended_key_usage(self, oid: &str) -> Result<Self, InvalidSubject> {
        let oid = types::from_dotted(oid).ok_or(InvalidSubject::new("it is no dotted OID", 0))?;
        let purposes = self.purposes.iter().cloned().chain([oid.into()]).collect();
        Ok(Self { purposes, ..self })
    }
}

impl fmt::Debug for TrustAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustAnchors").field("anchors", &self.anchors.len()).finish_non_exhaustive()
    }
}

/// The anchors of an attester, and which of the certificates below them is its own.
#[derive(Debug)]
pub(in crate::method) struct Anchored {
    anchors: TrustAnchors,
    pub(super) subject: Option<CertificateSubject>,
}

impl Anchored {
    pub(super) const fn new(anchors: TrustAnchors, subject: Option<CertificateSubject>) -> Self {
        Self { anchors, subject }
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors.anchors
    }

    pub(super) fn purposes(&self) -> &[Box<[u8]>] {
        &self.anchors.purposes
    }

    /// How many of the anchors have one name, beyond the first.
    pub(super) fn namesakes(&self) -> usize {
        let mut alike = BTreeMap::<&[u8], usize>::new();
        for anchor in self.anchors() {
            *alike.entry(anchor.subject.as_ref()).or_default() += 1;
        }
        alike.into_values().max().map_or(0, |most| most - 1)
    }
}
