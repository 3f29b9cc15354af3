//! The way through the DER of a certificate (RFC 5280 §4.1), as far as it is needed.

use std::ops::Range;

use der::{
    Decode,
    asn1::{GeneralizedTime, UtcTime},
};

use crate::x509::{
    element::{Element, Elements, OBJECT_IDENTIFIER, SEQUENCE},
    invalid::InvalidCertificate,
    name,
};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
pub(super) const VERSION: u8 = 0xa0;
const ISSUER_UNIQUE_ID: u8 = 0x81;
const SUBJECT_UNIQUE_ID: u8 = 0x82;
pub(super) const EXTENSIONS: u8 = 0xa3;

/// Alternative names (RFC 5280 §4.2.1.6), by the tags that are compared.
pub(super) const EMAIL: u8 = 0x81;
pub(super) const DNS: u8 = 0x82;
pub(super) const URI: u8 = 0x86;
pub(super) const IP: u8 = 0x87;
/// All of them: which of them are constructed is not a choice.
const GENERAL_NAMES: [u8; 9] = [0xa0, EMAIL, DNS, 0xa3, 0xa4, 0xa5, URI, IP, 0x88];

/// 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// What is known of a certificate.
#[derive(Default)]
pub(super) struct Certificate {
    /// Where the RDNs of its subject are.
    pub(super) subject: Range<usize>,
    /// Where its alternative names are.
    pub(super) alternatives: Range<usize>,
    /// Both inclusive, as Unix seconds.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Certificate {
    /// # Errors
    ///
    /// If it is no certificate in DER, as far as it is read: what is signed, but neither the signature
    /// nor the issuer, the key and the other extensions.
    pub(super) fn read(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let mut outside = Elements::new(der);
        let mut all = outside.required(SEQUENCE, "it is no DER of a certificate")?.elements();
        outside.end("there is something behind the certificate")?;
        let mut signed = all.required(SEQUENCE, "it is no certificate")?.elements();
        all.required(SEQUENCE, "the algorithm of the signature is missing")?;
        all.required(BIT_STRING, "the signature is missing")?;
        all.end("there is something behind the signature")?;

        let version = version(&mut signed)?;
        signed.required(INTEGER, "the serial number is missing")?;
        signed.required(SEQUENCE, "the algorithm is missing")?;
        signed.required(SEQUENCE, "the issuer is missing")?;
        let mut validity = signed.required(SEQUENCE, "the validity is missing")?.elements();
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end("there is something behind the validity")?;
        let subject = signed.required(SEQUENCE, "the subject is missing")?;
        name::check(subject.elements())?;
        signed.required(SEQUENCE, "the key is missing")?;
        signed.optional(ISSUER_UNIQUE_ID)?;
        signed.optional(SUBJECT_UNIQUE_ID)?;
        let alternatives = match signed.optional(EXTENSIONS)? {
            Some(extensions) if version == Version::V3 => alternatives(extensions.elements())?,
            Some(extensions) => {
                let reason = "there are extensions in a certificate before version 3";
                return Err(InvalidCertificate::new(reason, extensions.at));
            }
            None => 0..0,
        };
        signed.end("there is something behind the extensions")?;
        Ok(Self { subject: subject.range(), alternatives, not_before, not_after })
    }
}

#[derive(PartialEq)]
enum Version {
    V1,
    V2,
    V3,
}

fn version(signed: &mut Elements<'_>) -> Result<Version, InvalidCertificate> {
    let Some(tagged) = signed.optional(VERSION)? else { return Ok(Version::V1) };
    let mut inside = tagged.elements();
    let number = inside.required(INTEGER, "the version is missing")?;
    inside.end("there is something behind the version")?;
    match number.content {
        [1] => Ok(Version::V2),
        [2] => Ok(Version::V3),
        _ => Err(InvalidCertificate::new("the version is unknown", number.at)),
    }
}

fn time(validity: &mut Elements<'_>) -> Result<i64, InvalidCertificate> {
    let time = validity.read()?;
    let since_1970 = match time.tag {
        UTC_TIME => UtcTime::from_der(time.whole).map(|time| time.to_unix_duration()),
        GENERALIZED_TIME => {
            GeneralizedTime::from_der(time.whole).map(|time| time.to_unix_duration())
        }
        _ => return Err(InvalidCertificate::new("the validity is no pair of times", time.at)),
    };
    let reason = "a time is before 1970, or not in UTC to the second";
    let since_1970 = since_1970.map_err(|_no_place| InvalidCertificate::new(reason, time.at))?;
    Ok(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
}

/// Hands the OID and the value of each extension to `read`.
///
/// # Errors
///
/// If they are no extensions, or what `read` has against them.
pub(super) fn each_extension<'a>(
    mut tagged: Elements<'a>,
    mut read: impl FnMut(Element<'a>, Element<'a>) -> Result<(), InvalidCertificate>,
) -> Result<(), InvalidCertificate> {
    let mut extensions = tagged.required(SEQUENCE, "the extensions are missing")?.elements();
    tagged.end("there is something behind the extensions")?;
    while !extensions.is_empty() {
        let mut extension =
            extensions.required(SEQUENCE, "an extension is no sequence")?.elements();
        let id = extension.required(OBJECT_IDENTIFIER, "an extension has no OID")?;
        extension.optional(BOOLEAN)?;
        let value = extension.required(OCTET_STRING, "an extension has no value")?;
        extension.end("there is something behind the value of an extension")?;
        read(id, value)?;
    }
    Ok(())
}

fn alternatives(tagged: Elements<'_>) -> Result<Range<usize>, InvalidCertificate> {
    let mut found = None;
    each_extension(tagged, |id, value| {
        if id.content != SUBJECT_ALT_NAME {
            return Ok(());
        }
        let mut inside = value.elements();
        let names = inside.required(SEQUENCE, "the alternative names are missing")?;
        inside.end("there is something behind the alternative names")?;
        check_alternatives(names.elements())?;
        if found.replace(names.range()).is_some() {
            let reason = "there are alternative names a second time";
            return Err(InvalidCertificate::new(reason, id.at));
        }
        Ok(())
    })?;
    Ok(found.unwrap_or_default())
}

fn check_alternatives(mut names: Elements<'_>) -> Result<(), InvalidCertificate> {
    while !names.is_empty() {
        let name = names.read()?;
        if !GENERAL_NAMES.contains(&name.tag) {
            return Err(InvalidCertificate::new(
                "the type of an alternative name is unknown",
                name.at,
            ));
        }
    }
    Ok(())
}
