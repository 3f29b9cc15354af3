//! What the key of a certificate may be used for (RFC 5280 §4.2.1.3), and how the certificate is signed.

use crate::x509::{
    element::{Elements, OBJECT_IDENTIFIER, SEQUENCE},
    invalid::InvalidCertificate,
    walk::{BIT_STRING, BOOLEAN, EXTENSIONS, OCTET_STRING},
};

/// 2.5.29.15.
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
const NO_CERTIFICATE: &str = "it is no certificate";

/// Bits of the first byte.
#[derive(Clone, Copy)]
pub(crate) enum KeyUsage {
    DigitalSignature = 0x80,
    CertificateSign = 0x04,
}

/// Whether the certificate allows this use, or says nothing about it.
///
/// # Errors
///
/// If it is no certificate in DER, as far as it is read, or says it twice.
pub(crate) fn allows(der: &[u8], usage: KeyUsage) -> Result<bool, InvalidCertificate> {
    let mut signed = Elements::new(der)
        .required(SEQUENCE, NO_CERTIFICATE)?
        .elements()
        .required(SEQUENCE, NO_CERTIFICATE)?
        .elements();
    let mut found = None;
    while !signed.is_empty() {
        let element = signed.read()?;
        if element.tag != EXTENSIONS {
            continue;
        }
        let mut extensions =
            element.elements().required(SEQUENCE, "the extensions are missing")?.elements();
        while !extensions.is_empty() {
            let mut extension =
                extensions.required(SEQUENCE, "an extension is no sequence")?.elements();
            let id = extension.required(OBJECT_IDENTIFIER, "an extension has no OID")?;
            extension.optional(BOOLEAN)?;
            let value = extension.required(OCTET_STRING, "an extension has no value")?;
            if id.content != KEY_USAGE {
                continue;
            }
            let bits = value.elements().required(BIT_STRING, "the key usage is no bit string")?;
            // The first byte says how many bits of the last one are none.
            let first = bits.content.get(1).copied().unwrap_or_default();
            if found.replace(first & usage as u8 != 0).is_some() {
                return Err(InvalidCertificate::new("there is a key usage a second time", id.at));
            }
        }
    }
    Ok(found.unwrap_or(true))
}

/// The signature of a certificate.
pub(crate) struct Signature<'a> {
    pub(crate) signed: &'a [u8],
    /// The content of its OID.
    pub(crate) algorithm: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Signature<'a> {
    /// # Errors
    ///
    /// If it is no certificate in DER, as far as it is read.
    pub(crate) fn of(der: &'a [u8]) -> Result<Self, InvalidCertificate> {
        let mut all = Elements::new(der).required(SEQUENCE, NO_CERTIFICATE)?.elements();
        let signed = all.required(SEQUENCE, NO_CERTIFICATE)?;
        let algorithm = all
            .required(SEQUENCE, "the algorithm of the signature is missing")?
            .elements()
            .required(OBJECT_IDENTIFIER, "the algorithm of the signature has no OID")?;
        let bits = all.required(BIT_STRING, "the signature is missing")?;
        Ok(Self {
            signed: signed.whole,
            algorithm: algorithm.content,
            bytes: bits.content.get(1..).unwrap_or_default(),
        })
    }
}
