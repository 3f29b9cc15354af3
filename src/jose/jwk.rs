//! The members of a JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use std::{borrow::Cow, fmt};

#[cfg(feature = "mtls")]
use base64::prelude::BASE64_STANDARD;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

#[cfg(feature = "mtls")]
use crate::x509::certificate::ClientCertificate;
use crate::{
    iana::PRIVATE_KEY_MEMBERS,
    jose::{invalid::Fault, json::Text},
};

/// The members that are read.
const MEMBERS: [&str; 11] =
    ["kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "x5c"];

/// How deep in an element a private key is looked for. It bounds the work.
const DEPTH: usize = 3;

/// An element of `keys`. Whatever it is, reading it succeeds: a key that is not understood is left
/// out and does not spoil the set (RFC 7517 §5).
#[derive(Default)]
pub(crate) struct Jwk<'a> {
    members: Vec<(&'static str, &'a RawValue)>,
    /// What is wrong with it as JSON.
    pub(crate) malformed: Option<Fault>,
    /// Where it has a private key.
    pub(crate) private: Option<Fault>,
    /// Where it has a symmetric key.
    pub(crate) symmetric: Option<Fault>,
}

const WRAPPED: Fault = Fault::whole("has a private key in it");

impl<'a> Jwk<'a> {
    pub(crate) fn read(element: &'a RawValue) -> Self {
        Self::read_object(element, DEPTH).unwrap_or_else(|| {
            let wrapping = wraps_private_key(element, DEPTH).then_some(WRAPPED);
            let malformed = wrapping.or(Some(Fault::whole("is not an object")));
            Self { malformed, private: wrapping, ..Self::default() }
        })
    }

    /// One of which no more is known than what is wrong with it.
    pub(crate) fn malformed(fault: Fault) -> Self {
        Self { malformed: Some(fault), ..Self::default() }
    }

    fn read_object(value: &'a RawValue, depth: usize) -> Option<Self> {
        // The parser writes down what else it is, which takes much longer than to read it.
        if !value.get().starts_with('{') {
            return None;
        }
        serde_json::Deserializer::from_str(value.get()).deserialize_map(JwkVisitor(depth)).ok()
    }

    /// The same in a SPIFFE bundle, where the `use` tells for which documents a key is, and must be there (SPIFFE Trust
    /// Domain and Bundle §4.2.2).
    pub(crate) fn in_bundle(mut self) -> Self {
        let fault = match self.text("use") {
            Ok(Some(usage)) if usage == "jwt-svid" => None,
            Ok(_) => Some(Fault::of("use", "is not `jwt-svid`")),
            Err(fault) => Some(fault),
        };
        self.malformed = self.malformed.or(fault);
        self.members.retain(|(name, _)| *name != "use");
        self
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.members.iter().find(|(member, _)| *member == name)?;
        (value.get() != "null").then_some(*value)
    }

    /// Programs that write every member have `null`, `""` or `[]` for what is absent.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|value| !is_empty(value))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// # Errors
    ///
    /// If it is something else than a string.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.get(name).map(|value| text(name, value)).transpose()
    }

    /// The id. An empty one is one, because the header of an assertion may have it, too.
    ///
    /// # Errors
    ///
    /// If it is something else than a string.
    pub(crate) fn kid(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        self.raw("kid").map(|value| text("kid", value)).transpose()
    }

    /// # Errors
    ///
    /// If it is missing or something else than a string.
    pub(crate) fn required(&self, name: &'static str) -> Result<Cow<'a, str>, Fault> {
        self.text(name)?.ok_or(Fault::of(name, "is missing"))
    }

    /// Whether `key_ops` has `verify`, if it is there.
    pub(crate) fn may_verify(&self) -> bool {
        let verifies = |value: &'a RawValue| {
            serde_json::from_str(value.get())
                .is_ok_and(|ops: Vec<Text<'a>>| ops.iter().any(|op| op.0 == "verify"))
        };
        self.get("key_ops").is_none_or(verifies)
    }

    /// # Errors
    ///
    /// If it is missing or no base64url.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Fault> {
        BASE64_URL_SAFE_NO_PAD
            .decode(self.required(name)?.as_bytes())
            .map_err(|_quotes_it| Fault::of(name, "is not base64url without padding"))
    }

    /// What a member is, each time that it is there.
    #[cfg(feature = "mtls")]
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a RawValue> {
        self.members.iter().filter(move |(member, _)| *member == name).map(|(_, value)| *value)
    }

    /// The SHA-256 of all certificates that are there, whatever else is wrong with the key.
    #[cfg(feature = "mtls")]
    pub(crate) fn certificates(&self) -> impl Iterator<Item = [u8; 32]> {
        let chains = self.all("x5c").filter_map(|chain| serde_json::from_str(chain.get()).ok());
        chains.flat_map(|chain: Vec<Text<'a>>| chain).filter_map(|one| {
            let der = BASE64_STANDARD.decode(one.0.as_bytes()).ok()?;
            ClientCertificate::unverified(der).ok().map(|certificate| *certificate.digest())
        })
    }

    /// Whether there is a private or symmetric key, and where.
    pub(crate) fn secret(&self) -> Option<Fault> {
        self.private.or(self.symmetric)
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
}

fn text<'a>(name: &'static str, value: &'a RawValue) -> Result<Cow<'a, str>, Fault> {
    // Such as half a surrogate pair.
    let reason = if value.get().starts_with('"') { "is not Unicode" } else { "is not a string" };
    string(value).ok_or(Fault::of(name, reason))
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = value.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match quoted.filter(|text| memchr::memchr(b'\\', text.as_bytes()).is_none()) {
        // The parser has looked for everything else that a string must not have.
        Some(text) => Some(Cow::Borrowed(text)),
        None => serde_json::from_str(value.get()).ok().map(|Text(text)| text),
    }
}

fn is_empty(value: &RawValue) -> bool {
    let list = value.get().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    matches!(value.get(), "null" | "\"\"") || list.is_some_and(|list| list.trim().is_empty())
}

/// Whether there is a private key in it, as programs write it that wrap keys in something else.
fn wraps_private_key(value: &RawValue, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(value.get())
            .is_ok_and(|all: Vec<&RawValue>| all.iter().any(|one| wraps_private_key(one, depth))),
        Some(b'{') => Jwk::read_object(value, depth)
            .is_some_and(|jwk| jwk.private.is_some_and(|at| at == WRAPPED || jwk.has("kty"))),
        _ => false,
    }
}

fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

struct JwkVisitor(usize);

impl<'de> Visitor<'de> for JwkVisitor {
    type Value = Jwk<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// By name only, and each name once: RFC 7517 §4. What is no JSON to other parsers, such as half a
    /// surrogate pair, spoils its member alone.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk<'de>, A::Error> {
        let mut jwk = Jwk::default();
        while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            let Some(name) = string(name) else { continue };
            if let Some(member) = MEMBERS.into_iter().find(|member| *member == name) {
                if jwk.members.iter().any(|(read, _)| *read == member) {
                    jwk.malformed = Some(Fault::of(member, "is there more than once"));
                }
                jwk.members.push((member, value));
            } else if is_empty(value) {
                continue;
            } else if name == "k" {
                jwk.symmetric = Some(Fault::of("k", "is a symmetric key"));
            } else if let Some(name) =
                PRIVATE_KEY_MEMBERS.into_iter().find(|private| *private == name)
            {
                jwk.private = Some(Fault::of(name, "belongs to a private key"));
            } else if wraps_private_key(value, self.0) {
                (jwk.malformed, jwk.private) = (Some(WRAPPED), jwk.private.or(Some(WRAPPED)));
            }
        }
        if jwk.text("kty").is_ok_and(|kty| kty.is_some_and(|kty| kty == "oct")) {
            jwk.symmetric = Some(Fault::of("kty", "is that of a symmetric key"));
        }
        Ok(jwk)
    }
}
