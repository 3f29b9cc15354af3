//! The certificates of the keys of a set (RFC 7517 §4.7, RFC 8705 §2.2.2).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::value::RawValue;

use crate::{
    jose::{
        invalid::{Fault, MOST_OMITTED, OmittedKey},
        json::Text,
        jwk::Jwk,
        leaked::{Leaked, Withdrawn, has_public_part},
    },
    x509::certificate::ClientCertificate,
};

/// The SHA-256 of the certificate of a key, unless somebody else than its owner has the key.
pub(super) fn of(jwk: &Jwk<'_>, withdrawn: &Withdrawn<'_>) -> Result<[u8; 32], Fault> {
    let digest = read(jwk)?;
    match withdrawn.fault(jwk) {
        Some(fault) => Err(fault),
        None if withdrawn.has_certificate(&digest) => {
            Err(Fault::of("x5c", "is also that of a private key"))
        }
        None => Ok(digest),
    }
}

fn read(jwk: &Jwk<'_>) -> Result<[u8; 32], Fault> {
    if let Some(fault) = jwk.malformed {
        return Err(fault);
    }
    let chain = jwk.all("x5c").next().filter(|chain| chain.get() != "null");
    let chain = chain.ok_or(Fault::of("x5c", "is missing"))?;
    // RFC 7517 §4.2: its key makes no signatures, and a handshake has one. Other values are of other
    // registries: directories of banks have `tls`.
    if jwk.text("use")?.is_some_and(|usage| usage == "enc") {
        return Err(Fault::of("use", "is that of an encryption key"));
    }
    jwk.required("kty")?;
    // By it the key is recognized when the private one is published. RFC 7518 §6: without it, it is no key.
    if !has_public_part(jwk) {
        return Err(Fault::whole("has no public key beside `x5c`: `x` or `n` in base64url"));
    }
    let chain: Vec<Text<'_>> = serde_json::from_str(chain.get())
        .map_err(|_quotes_it| Fault::of("x5c", "is not an array of strings"))?;
    let first = chain.first().ok_or(Fault::of("x5c", "is empty"))?;
    let der = BASE64_STANDARD
        .decode(first.0.as_bytes())
        .map_err(|_quotes_it| Fault::of("x5c", not_base64(&first.0)))?;
    match ClientCertificate::unverified(der) {
        Ok(certificate) => Ok(*certificate.digest()),
        Err(_quotes_nothing) => Err(Fault::of("x5c", "does not begin with a certificate in DER")),
    }
}

/// What the text looks like instead.
fn not_base64(text: &str) -> &'static str {
    if text.contains("-----") {
        "begins with PEM, of which the base64 alone belongs there, without line breaks"
    } else if text.contains(char::is_whitespace) {
        "begins with base64 with line breaks or spaces, which do not belong there"
    } else if text.contains(['-', '_']) {
        "begins with base64url, where base64 with padding belongs (RFC 7517 §4.7)"
    } else {
        "does not begin with base64 with padding"
    }
}

/// Why keys have no certificate that counts, 64 of them at most.
pub(super) fn omitted(elements: &[&RawValue]) -> Vec<OmittedKey> {
    let leaked = Leaked::default();
    let withdrawn = Withdrawn::new(&leaked);
    let faults = elements.iter().enumerate().filter_map(|(index, element)| {
        let fault = of(&Jwk::read(element), &withdrawn).err()?;
        Some(OmittedKey { index, fault, private: false })
    });
    faults.take(MOST_OMITTED).collect()
}
