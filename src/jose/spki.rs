//! Public keys in DER, made keys of JSON, so that one set of rules holds for both.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use der::{
    AnyRef, Decode, Reader, SliceReader, Tag, Tagged,
    asn1::{BitStringRef, UintRef},
};
use serde_json::{json, value::RawValue};

use crate::jose::invalid::Fault;

const NO_KEY: Fault = Fault::whole("is no public key in DER");

/// The types of keys (RFC 5480 §2.1.1, RFC 8410 §3, RFC 4055 §1.2), by the content of the OID, and how they
/// are called in JSON.
const TYPES: [(&[u8], &str, &str); 9] = [
    // 1.2.840.113549.1.1.1 and .10.
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "RSA", ""),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "RSASSA-PSS", ""),
    // 1.2.840.10045.2.1.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "EC", ""),
    // 1.2.840.10040.4.1.
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA", ""),
    // 1.3.101.110 to .113.
    (&[0x2b, 0x65, 0x6e], "OKP", "X25519"),
    (&[0x2b, 0x65, 0x6f], "OKP", "X448"),
    (&[0x2b, 0x65, 0x70], "OKP", "Ed25519"),
    (&[0x2b, 0x65, 0x71], "OKP", "Ed448"),
    // 2.16.840.1.101.3.4.3.18.
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12], "ML-DSA", ""),
];

/// RFC 5480 §2.1.1.1, SEC 2 §2.4.1.
const CURVES: [(&[u8], &str); 4] = [
    // 1.2.840.10045.3.1.7.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "P-256"),
    // 1.3.132.0.34, .35 and .10.
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
];

/// What is in front of the coordinates of a point. They are not compressed, which SEC 1 §2.3.3 marks with 4.
pub(super) const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
pub(super) const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];
pub(super) const P521: &[u8] = &[
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04,
];

/// Whether it has the form of a private key: PKCS #8, encrypted or not (RFC 5958 §2, §3), SEC 1 (RFC 5915
/// §3), or PKCS #1 (RFC 8017 §A.1.2).
pub(super) fn is_private(der: &[u8]) -> bool {
    // Something may follow it.
    let outside = SliceReader::new(der).ok().and_then(|mut outside| element(&mut outside));
    let inside = outside.filter(|all| all.tag() == Tag::Sequence);
    let Some(mut inside) = inside.and_then(|all| SliceReader::new(all.value()).ok()) else {
        return false;
    };
    match (element(&mut inside), element(&mut inside)) {
        (Some(first), Some(_)) if first.tag() == Tag::Integer => matches!(first.value(), [0 | 1]),
        (Some(first), Some(second)) => {
            first.tag() == Tag::Sequence && second.tag() == Tag::OctetString
        }
        _ => false,
    }
}

/// The key of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), of a certificate, or an `RSAPublicKey` (RFC 8017
/// §A.1.1), as a JSON Web Key.
///
/// # Errors
///
/// If it is none of them, or of a form that is not read.
pub(super) fn read(der: &[u8]) -> Result<Box<RawValue>, Fault> {
    let mut inside = sequence(der).ok_or(NO_KEY)?;
    let first = element(&mut inside).ok_or(NO_KEY)?;
    let second = element(&mut inside).ok_or(NO_KEY)?;
    match (first.tag(), second.tag()) {
        (Tag::Integer, Tag::Integer) => rsa(der),
        (Tag::Sequence, Tag::BitString) if inside.is_finished() => info(first, second),
        (Tag::Sequence, Tag::Sequence) => of_certificate(first).ok_or(NO_KEY)?,
        _ => Err(NO_KEY),
    }
}

/// The key of what is signed of a certificate (RFC 5280 §4.1).
fn of_certificate(signed: AnyRef<'_>) -> Option<Result<Box<RawValue>, Fault>> {
    let mut signed = SliceReader::new(signed.value()).ok()?;
    // The version is the first element, if it is there, and the serial number is an integer.
    let first = element(&mut signed)?;
    if first.tag() != Tag::Integer {
        element(&mut signed).filter(|serial| serial.tag() == Tag::Integer)?;
    }
    // The algorithm, the issuer, the validity and the subject.
    for _ in 0..4 {
        element(&mut signed).filter(|element| element.tag() == Tag::Sequence)?;
    }
    let key = element(&mut signed).filter(|key| key.tag() == Tag::Sequence)?;
    let mut key = SliceReader::new(key.value()).ok()?;
    let (algorithm, bits) = (element(&mut key)?, element(&mut key)?);
    Some(if key.is_finished() { info(algorithm, bits) } else { Err(NO_KEY) })
}

fn info(algorithm: AnyRef<'_>, bits: AnyRef<'_>) -> Result<Box<RawValue>, Fault> {
    let mut algorithm = SliceReader::new(algorithm.value()).map_err(|_no_place| NO_KEY)?;
    let oid = element(&mut algorithm).filter(|oid| oid.tag() == Tag::ObjectIdentifier);
    let oid = oid.ok_or(NO_KEY)?;
    let bits: BitStringRef<'_> = bits.decode_as().map_err(|_no_place| NO_KEY)?;
    let key = bits.as_bytes().ok_or(NO_KEY)?;
    let known = TYPES.iter().find(|(known, _, _)| *known == oid.value());
    match known.map_or(("unknown", ""), |(_, kty, crv)| (*kty, *crv)) {
        ("RSA", _) => rsa(key),
        ("EC", _) => ec(element(&mut algorithm), key),
        ("OKP", crv) => raw(&json!({ "kty": "OKP", "crv": crv, "x": encode(key) })),
        (kty, _) => raw(&json!({ "kty": kty })),
    }
}

fn rsa(der: &[u8]) -> Result<Box<RawValue>, Fault> {
    let mut inside = sequence(der).ok_or(NO_KEY)?;
    let mut number = || UintRef::decode(&mut inside).map_err(|_no_place| NO_KEY);
    let (n, e) = (number()?, number()?);
    if !inside.is_finished() {
        return Err(NO_KEY);
    }
    raw(&json!({ "kty": "RSA", "n": encode(n.as_bytes()), "e": encode(e.as_bytes()) }))
}

fn ec(curve: Option<AnyRef<'_>>, point: &[u8]) -> Result<Box<RawValue>, Fault> {
    let curve = curve
        .filter(|curve| curve.tag() == Tag::ObjectIdentifier)
        .ok_or(Fault::of("crv", "is written out instead of named (RFC 5480 §2.1.1)"))?;
    let Some((_, crv)) = CURVES.iter().find(|(known, _)| *known == curve.value()) else {
        return raw(&json!({ "kty": "EC", "crv": "unknown" }));
    };
    // SEC 1 §2.3.3.
    let (x, y) = match point {
        [4, coordinates @ ..] if coordinates.len() % 2 == 0 => {
            coordinates.split_at(coordinates.len() / 2)
        }
        [2 | 3, ..] => return Err(Fault::of("y", "is missing, because the point is compressed")),
        _ => return Err(Fault::whole("is not a point on its curve")),
    };
    raw(&json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y) }))
}

fn sequence(der: &[u8]) -> Option<SliceReader<'_>> {
    let all = AnyRef::from_der(der).ok().filter(|all| all.tag() == Tag::Sequence)?;
    SliceReader::new(all.value()).ok()
}

fn element<'a>(reader: &mut SliceReader<'a>) -> Option<AnyRef<'a>> {
    AnyRef::decode(reader).ok()
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn raw(jwk: &serde_json::Value) -> Result<Box<RawValue>, Fault> {
    serde_json::value::to_raw_value(jwk).map_err(|_cannot_be| NO_KEY)
}
