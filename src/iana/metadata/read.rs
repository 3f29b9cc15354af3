//! Reading client metadata. A member that decides who authenticates must be as it should, and there
//! once; of any other member the value is kept, whatever it is.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::iana::metadata::ClientMetadata;

const DECIDING: [&str; 7] = [
    "client_id",
    "client_secret",
    "client_secret_expires_at",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
];

/// Of the members that are kept in `other`, those that decide, too: those of RFC 8705 §2.1.2, and our own.
const DECIDING_OTHERS: [&str; 8] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
    "federated_identities",
    "spiffe_id",
    "spiffe_bundle",
];

impl<'de> Deserialize<'de> for ClientMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

#[cfg(feature = "metadata-documents")]
impl ClientMetadata {
    /// Reads a document that is published: UTF-8, and JSON in which every name is unique, because parsers
    /// disagree on which of two counts.
    ///
    /// # Errors
    ///
    /// If it is not, a member is wrong that decides who authenticates, or there is one that must not be.
    pub(crate) fn from_document(text: &[u8], forbidden: &[&str]) -> Result<Self, String> {
        let Ok(Unambiguous(Value::Object(document))) = serde_json::from_slice(text) else {
            return Err("it is no JSON object, or has a member twice".to_owned());
        };
        if let Some(name) = forbidden.iter().find(|name| document.contains_key(**name)) {
            return Err(format!("it has `{name}`"));
        }
        Self::deserialize(Value::Object(document)).map_err(|error| error.to_string())
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = ClientMetadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of client metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ClientMetadata, A::Error> {
        let mut metadata = ClientMetadata::default();
        let mut decided = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if let Some(name) = DECIDING.into_iter().find(|deciding| *deciding == name) {
                // Parsers disagree on which of two counts (RFC 8259 §4).
                if decided.contains(&name) {
                    return Err(A::Error::custom(format_args!("`{name}` is there twice")));
                }
                decided.push(name);
                decide(&mut metadata, name, &mut members)?;
            } else if DECIDING_OTHERS.contains(&&*name) {
                if metadata.other.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("`{name}` is there twice")));
                }
                let Unambiguous(value) =
                    read(&mut members, &name, "cannot be read, or has a member twice")?;
                metadata.other.insert(name, value);
            } else {
                let value = members.next_value().map_err(unreadable(&name))?;
                carry(&mut metadata, name, value);
            }
        }
        if decided.contains(&"client_id") {
            Ok(metadata)
        } else {
            Err(A::Error::missing_field("client_id"))
        }
    }
}

fn decide<'de, A: MapAccess<'de>>(
    metadata: &mut ClientMetadata,
    name: &str,
    members: &mut A,
) -> Result<(), A::Error> {
    match name {
        "client_id" => metadata.client_id = read(members, name, "is not a string")?,
        // An empty secret is none (RFC 6749 §3.2): it must not become one that an empty password
        // equals.
        "client_secret" => {
            let secret: Option<String> = read(members, name, "is not a string")?;
            metadata.client_secret = secret.filter(|secret| !secret.is_empty());
        }
        "client_secret_expires_at" => {
            let expiry: Option<Expiry> = read(members, name, "is not a time")?;
            metadata.client_secret_expires_at = expiry.map(|expiry| expiry.0);
        }
        "token_endpoint_auth_method" => {
            metadata.token_endpoint_auth_method = read(members, name, "is not a string")?;
        }
        "token_endpoint_auth_signing_alg" => {
            metadata.token_endpoint_auth_signing_alg = read(members, name, "is not a string")?;
        }
        "jwks" => {
            let jwks: Option<Unambiguous> =
                read(members, name, "cannot be read, or has a member twice")?;
            metadata.jwks = jwks.map(|jwks| jwks.0);
        }
        _ => metadata.jwks_uri = read(members, name, "is not a string")?,
    }
    Ok(())
}

/// The message of the parser would quote the value, which may be a secret.
fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    members: &mut A,
    name: &str,
    problem: &str,
) -> Result<T, A::Error> {
    members
        .next_value()
        .map_err(|_quotes_the_value| A::Error::custom(format_args!("`{name}` {problem}")))
}

fn unreadable<E: Error>(name: &str) -> impl FnOnce(E) -> E {
    // Any other name may be anything.
    let name = match name {
        "client_id_issued_at" | "client_name" | "redirect_uris" | "grant_types" | "scope" => {
            format!("`{name}`")
        }
        _ => "a member".to_owned(),
    };
    move |_quotes_the_value| E::custom(format_args!("{name} cannot be read"))
}

/// Of two members the last one counts, as it does for `serde_json`.
fn carry(metadata: &mut ClientMetadata, name: String, value: Value) {
    let fits = match name.as_str() {
        "client_id_issued_at" => {
            metadata.client_id_issued_at =
                value.as_i64().or_else(|| value.as_f64().and_then(whole_seconds));
            metadata.client_id_issued_at.is_some()
        }
        "client_name" => fill(&mut metadata.client_name, &value),
        "redirect_uris" => fill(&mut metadata.redirect_uris, &value),
        "grant_types" => fill(&mut metadata.grant_types, &value),
        "scope" => fill(&mut metadata.scope, &value),
        _ => {
            metadata.other.insert(name, value);
            return;
        }
    };
    // Some programs write what is absent as `null`.
    if fits || value.is_null() {
        metadata.other.remove(&name);
    } else {
        metadata.other.insert(name, value);
    }
}

fn fill<'de, T: Deserialize<'de> + Default>(field: &mut T, value: &'de Value) -> bool {
    let read = T::deserialize(value);
    let fits = read.is_ok();
    *field = read.unwrap_or_default();
    fits
}

/// `client_secret_expires_at`: seconds, and 0 for never.
struct Expiry(i64);

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(ExpiryVisitor)
    }
}

struct ExpiryVisitor;

impl Visitor<'_> for ExpiryVisitor {
    type Value = Expiry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since the Unix epoch")
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Expiry, E> {
        Ok(Expiry(seconds))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Expiry, E> {
        i64::try_from(seconds).map(Expiry).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Expiry, E> {
        match whole_seconds(seconds) {
            // Only 0 itself is never.
            Some(0) if seconds != 0.0 => Ok(Expiry(-1)),
            Some(whole) => Ok(Expiry(whole)),
            None => Err(E::custom("beyond all times")),
        }
    }
}

/// Rounded down, if it is a time at all.
fn whole_seconds(seconds: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2⁶³
    let whole = seconds.floor();
    (-END..END).contains(&whole).then_some(whole as i64)
}

/// A value in which every object has each name once: of two members, `Value` would keep the last.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(object.into())
    }
}
