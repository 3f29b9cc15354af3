//! What a certificate says that it may be used for (RFC 5280 §4.2.1.3), and how it is signed.

use crate::x509::{
    element::{Element, Elements, OBJECT_IDENTIFIER, SEQUENCE},
    invalid::InvalidCertificate,
    link::{NO_CERTIFICATE, signed},
    walk::{BIT_STRING, BOOLEAN, EXTENSIONS, INTEGER, each_extension},
};

/// 2.5.29.15.
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
/// 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

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
    let mut signed = signed(der)?;
    let mut found = None;
    while !signed.is_empty() {
        let element = signed.read()?;
        if element.tag == EXTENSIONS {
            each_extension(element.elements(), |id, value| {
                if id.content == wanted && found.replace(value).is_some() {
                    return Err(InvalidCertificate::new(twice, id.at));
                }
                Ok(())
            })?;
        }
    }
    Ok(found)
}

/// A public key (RFC 5280 §4.1.2.7).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    /// The content of its `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// Reads the content of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn of(info: &'a [u8]) -> Result<Self, InvalidCertificate> {
        let mut info = Elements::new(info);
        let algorithm = info.required(SEQUENCE, "the algorithm of the key is missing")?.content;
        let bits = info.required(BIT_STRING, "the key is missing")?.content;
        Ok(Self { algorithm, bytes: bits.get(1..).unwrap_or_default() })
    }

    /// Whether it is an RSA key (RFC 8017 §A.1.1) with an exponent beyond 24 bits, which takes up to twice as long.
    pub(crate) fn has_long_exponent(&self) -> bool {
        let exponent = || {
            let key = Elements::new(self.bytes).required(SEQUENCE, "it is no RSA key")?;
            let mut numbers = key.elements();
            numbers.required(INTEGER, "the modulus is missing")?;
            numbers.required(INTEGER, "the exponent is missing")
        };
        exponent().is_ok_and(|exponent: Element<'_>| exponent.content.len() > 3)
    }
}

/// The signature of a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) signed: &'a [u8],
    /// The content of its `AlgorithmIdentifier`.
    pub(crate) identifier: &'a [u8],
    /// The content of the OID of that.
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
        let identifier = all.required(SEQUENCE, "the algorithm of the signature is missing")?;
        let algorithm = identifier
            .elements()
            .required(OBJECT_IDENTIFIER, "the algorithm of the signature has no OID")?;
        let bits = all.required(BIT_STRING, "the signature is missing")?;
        Ok(Self {
            signed: signed.whole,
            identifier: identifier.content,
            algorithm: algorithm.content,
            bytes: bits.content.get(1..).unwrap_or_default(),
        })
    }
}
