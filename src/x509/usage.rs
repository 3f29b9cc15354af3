//! What a certificate says that it may be used for (RFC 5280 §4.2.1.3), and how it is signed.

use crate::x509::{
    element::{Element, Elements, OBJECT_IDENTIFIER, SEQUENCE},
    invalid::InvalidCertificate,
    walk::{BIT_STRING, BOOLEAN, EXTENSIONS, OCTET_STRING},
};

/// 2.5.29.15.
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
/// 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
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
    let Some(value) = extension(der, KEY_USAGE, "there is a key usage a second time")? else {
        return Ok(true);
    };
    let bits = value.elements().required(BIT_STRING, "the key usage is no bit string")?;
    // The first byte says how many bits of the last one are none.
    let first = bits.content.get(1).copied().unwrap_or_default();
    Ok(first & usage as u8 != 0)
}

/// Whether the certificate is that of an authority, or says nothing about it, as those of version 1 (§4.2.1.9).
///
/// # Errors
///
/// As those of [`allows`].
pub(crate) fn may_be_authority(der: &[u8]) -> Result<bool, InvalidCertificate> {
    let twice = "there are basic constraints a second time";
    let Some(value) = extension(der, BASIC_CONSTRAINTS, twice)? else { return Ok(true) };
    let mut constraints =
        value.elements().required(SEQUENCE, "the basic constraints are no sequence")?.elements();
    Ok(constraints.optional(BOOLEAN)?.is_some_and(|stated| stated.content != [0]))
}

fn extension<'a>(
    der: &'a [u8],
    wanted: [u8; 3],
    twice: &'static str,
) -> Result<Option<Element<'a>>, InvalidCertificate> {
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
            if id.content == wanted && found.replace(value).is_some() {
                return Err(InvalidCertificate::new(twice, id.at));
            }
        }
    }
    Ok(found)
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
