//! The forms in which a client is registered with its keys, and what is said of other forms.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::jose::{
    invalid::{Fault, InvalidKeys},
    json::{Members, Object, Value},
    jwk::Jwk,
    leaked::Leaked,
    pem,
    set::KeySet,
    spki,
};

/// The elements are read one by one, so that one which cannot be read does not spoil the others.
#[derive(Default)]
struct Document<'a>(Option<Vec<&'a RawValue>>);

impl<'de> Members<'de> for Document<'de> {
    const USUAL: &'static [&'static str] = &["keys"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        if name != "keys" {
            return value.ignore();
        }
        self.0 = Some(value.parse()?);
        Ok(())
    }
}

pub(super) fn read(json: &[u8]) -> Result<Vec<&RawValue>, InvalidKeys> {
    // The message of the parser may quote the text.
    text(json)
        .and_then(|text| serde_json::from_str(text).ok())
        .and_then(|Object(Document(keys))| keys)
        .ok_or_else(|| InvalidKeys::new(instead_of_set(json)))
}

/// Checked as a whole, because the parser does not look into strings that it skips.
fn text(json: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(json).ok()?;
    // RFC 8259 §8.1: a byte order mark may be ignored.
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What somebody gave in place of a key set.
fn instead_of_set(json: &[u8]) -> &'static str {
    if pem::is_pem(json) {
        return "not a JSON Web Key Set: this is PEM, which `ClientKeys::from_pem` reads";
    }
    let value = text(json).and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    match value.map(RawValue::get) {
        Some(array) if array.starts_with('[') => {
            "not a JSON Web Key Set: this is an array; a set is `{\"keys\": […]}`"
        }
        Some(_) if value.is_some_and(|value| Jwk::read(value).has("kty")) => {
            "not a JSON Web Key Set: this is one key, for `ClientKeys::from_jwk`; a set is \
            `{\"keys\": […]}`"
        }
        _ => "not a JSON Web Key Set",
    }
}

impl KeySet {
    /// The keys of a SPIFFE bundle that verify JWT-SVIDs.
    ///
    /// # Errors
    ///
    /// As from [`registered`](Self::registered).
    pub(crate) fn bundle(json: &[u8]) -> Result<Self, InvalidKeys> {
        let mut elements = read(json)?;
        // Authorities of certificates are in every bundle, and nothing to report.
        elements.retain(|element| {
            let jwk = Jwk::read(element);
            let usage = jwk.text("use").ok().flatten();
            jwk.secret().is_some() || usage.is_none_or(|usage| usage != "x509-svid")
        });
        Self::without_secrets(&elements, Jwk::in_bundle)?.not_empty()
    }

    /// The one key that a client is registered with.
    ///
    /// # Errors
    ///
    /// If the text is no key, or it is private or symmetric, or cannot be used.
    pub(crate) fn of_one(json: &[u8]) -> Result<Self, InvalidKeys> {
        let value = text(json).and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        match value.map(Jwk::read).filter(|jwk| jwk.has("kty")) {
            Some(jwk) if jwk.symmetric.is_some() => {
                Err(InvalidKeys::new("this is a symmetric key"))
            }
            Some(jwk) if jwk.private.is_some() => Err(InvalidKeys::PRIVATE),
            Some(jwk) => Self::of([jwk].into_iter(), &Leaked::default()).not_empty(),
            _ if read(json).is_ok() => Err(InvalidKeys::new(
                "not a JSON Web Key: this is a set, for `ClientKeys::from_jwks`",
            )),
            _ if pem::is_pem(json) => Err(InvalidKeys::new(
                "not a JSON Web Key: this is PEM, which `ClientKeys::from_pem` reads",
            )),
            _ => Err(InvalidKeys::new("not a JSON Web Key")),
        }
    }

    /// The keys in a text with PEM.
    ///
    /// # Errors
    ///
    /// If the text is no PEM, holds a private key, or none that can be used.
    pub(crate) fn of_pem(pem: &str) -> Result<Self, InvalidKeys> {
        Self::of_ders(pem::read(pem).map_err(|error| match serde_json::from_str(pem) {
            Ok::<&RawValue, _>(_) => InvalidKeys::new("this is JSON, for `ClientKeys::from_jwks`"),
            Err(_) if pem.trim_start().starts_with("ssh-") => {
                InvalidKeys::new("this is a key of SSH: `ssh-keygen -e -m PKCS8` writes it as PEM")
            }
            Err(_) => error,
        })?)
    }

    /// The key in DER.
    ///
    /// # Errors
    ///
    /// If it is private, or cannot be used.
    pub(crate) fn of_der(der: &[u8]) -> Result<Self, InvalidKeys> {
        if pem::is_pem(der) {
            return Err(InvalidKeys::new("this is PEM, which `ClientKeys::from_pem` reads"));
        }
        Self::of_ders(vec![Ok(der.to_vec())])
    }

    fn of_ders(ders: Vec<Result<Vec<u8>, Fault>>) -> Result<Self, InvalidKeys> {
        if ders.iter().flatten().any(|der| spki::is_private(der)) {
            return Err(InvalidKeys::PRIVATE);
        }
        let jwks: Vec<_> = ders.into_iter().map(|der| spki::read(&der?)).collect();
        let jwks = jwks.iter().map(|jwk| match jwk {
            Ok(jwk) => Jwk::read(jwk),
            Err(fault) => Jwk::malformed(*fault),
        });
        Self { has_ids: false, ..Self::of(jwks, &Leaked::default()) }.not_empty()
    }
}
