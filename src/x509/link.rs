//! Who issued a certificate to whom.

use crate::x509::{
    element::{Elements, SEQUENCE},
    invalid::InvalidCertificate,
    walk::{INTEGER, VERSION},
};

pub(super) const NO_CERTIFICATE: &str = "it is no certificate";

/// Who issued a certificate to whom: the content of both names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    /// The content of the `SubjectPublicKeyInfo`.
    pub(crate) key: &'a [u8],
}

impl<'a> Link<'a> {
    /// # Errors
    ///
    /// If it is no certificate in DER, as far as it is read.
    pub(crate) fn of(der: &'a [u8]) -> Result<Self, InvalidCertificate> {
        let mut signed = signed(der)?;
        signed.optional(VERSION)?;
        signed.required(INTEGER, "the serial number is missing")?;
        signed.required(SEQUENCE, "the algorithm is missing")?;
        let issuer = signed.required(SEQUENCE, "the issuer is missing")?;
        signed.required(SEQUENCE, "the validity is missing")?;
        let subject = signed.required(SEQUENCE, "the subject is missing")?;
        let key = signed.required(SEQUENCE, "the key is missing")?;
        Ok(Self { issuer: issuer.content, subject: subject.content, key: key.content })
    }
}

/// What is signed.
pub(super) fn signed(der: &[u8]) -> Result<Elements<'_>, InvalidCertificate> {
    let mut all = Elements::new(der).required(SEQUENCE, NO_CERTIFICATE)?.elements();
    Ok(all.required(SEQUENCE, NO_CERTIFICATE)?.elements())
}
