//! The members of a JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_URL_SAFE_NO_PAD,
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::jose::{invalid::Fault, json::Text};

/// The members that are read.
const MEMBERS: [&str; 10] = ["kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e"];

/// Members of private keys: RSA, EC, OKP, AKP.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];

/// An element of `keys`. Whatever it is, reading it succeeds: a key that is not understood is left
/// out and does not spoil the set (RFC 7517 §5).
#[derive(Default)]
pub(crate) struct Jwk {
    members: Vec<(&'static str, Value)>,
    /// What is wrong with it as JSON.
    pub(crate) malformed: Option<Fault>,
    /// Where it has a private or symmetric key.
    pub(crate) secret: Option<Fault>,
    pub(crate) symmetric: bool,
}

impl Jwk {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        // Some exports have `null` for what is absent.
        let (_, value) = self.members.iter().find(|(member, _)| *member == name)?;
        (!value.is_null()).then_some(value)
    }

    /// # Errors
    ///
    /// If it is something else than a string.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::of(name, "is not a string")),
        }
    }

    /// # Errors
    ///
    /// If it is missing or something else than a string.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Fault> {
        self.text(name)?.ok_or(Fault::of(name, "is missing"))
    }

    /// # Errors
    ///
    /// If it is missing or no base64url.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Fault> {
        BASE64_URL_SAFE_NO_PAD
            .decode(self.required(name)?)
            .map_err(|_quotes_it| Fault::of(name, "is not base64url without padding"))
    }

    /// A positive number, of which the leading zeros do not matter: RFC 7518 §2 forbids them in an RSA
    /// key and §6.2.1.2 demands them in a coordinate, and libraries get both wrong.
    ///
    /// # Errors
    ///
    /// If it is missing or no base64url.
    pub(crate) fn number(&self, name: &'static str) -> Result<Vec<u8>, Fault> {
        self.bytes(name).map(without_leading_zeros)
    }

    /// What two keys with the same private key have in common, read as leniently as possible: a modulus
    /// or the x-coordinate of a point (of an Edwards curve the y-coordinate). The other coordinate, the
    /// sign and the exponent do not matter, because a private key gives away those of its siblings.
    pub(crate) fn public_part(&self) -> Option<Vec<u8>> {
        let modulus = self.get("n");
        let text = modulus.or_else(|| self.get("x"))?.as_str()?;
        let text = text.replace('+', "-").replace('/', "_");
        let mut part = LENIENT.decode(text).ok()?;
        if modulus.is_none() && self.get("kty").is_some_and(|kty| kty == "OKP") {
            if let Some(last) = part.last_mut() {
                *last &= 0x7f;
            }
        }
        Some(without_leading_zeros(part))
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JwkVisitor)
    }
}

struct JwkVisitor;

impl JwkVisitor {
    fn other() -> Jwk {
        Jwk { malformed: Some(Fault::whole("is not an object")), ..Jwk::default() }
    }
}

impl<'de> Visitor<'de> for JwkVisitor {
    type Value = Jwk;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// By name only, and each name once: RFC 7517 §4.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk, A::Error> {
        let mut jwk = Jwk::default();
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if let Some(member) = MEMBERS.into_iter().find(|member| *member == name) {
                let value = map.next_value()?;
                if jwk.members.iter().any(|(read, _)| *read == member) {
                    jwk.malformed = Some(Fault::of(member, "is there more than once"));
                } else {
                    jwk.members.push((member, value));
                }
                continue;
            }
            let present = map.next_value::<Option<IgnoredAny>>()?.is_some();
            if !present {
                continue;
            }
            if name == "k" {
                jwk.symmetric = true;
                jwk.secret = Some(Fault::of("k", "is a symmetric key"));
            } else if let Some(name) = PRIVATE.into_iter().find(|private| *private == name) {
                jwk.secret = Some(Fault::of(name, "belongs to a private key"));
            }
        }
        if jwk.get("kty").is_some_and(|kty| kty == "oct") {
            jwk.symmetric = true;
            jwk.secret = Some(Fault::of("kty", "is that of a symmetric key"));
        }
        Ok(jwk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Jwk, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }

    fn visit_unit<E>(self) -> Result<Jwk, E> {
        Ok(Self::other())
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Jwk, E> {
        Ok(Self::other())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Jwk, E> {
        Ok(Self::other())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Jwk, E> {
        Ok(Self::other())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Jwk, E> {
        Ok(Self::other())
    }

    fn visit_str<E>(self, _value: &str) -> Result<Jwk, E> {
        Ok(Self::other())
    }
}
