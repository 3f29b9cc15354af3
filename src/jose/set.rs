//! A JSON Web Key Set (RFC 7517 §5).

use std::sync::Arc;

use serde::de::MapAccess;

use crate::jose::{
    alg::Algorithm,
    invalid::{Fault, InvalidKeys, OmittedKey},
    json::{Members, Object, Value},
    jwk::Jwk,
    key::Key,
};

/// Of one type and, if points, on one curve: more than any client rotates through.
const MOST_OF_A_KIND: usize = 8;

/// A document has at most some thousand of them.
const MOST_OMITTED: usize = 64;

/// Why a set has no key for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// None has the `kid`.
    Unknown,
    /// Too many fit.
    Ambiguous,
    /// None is for the algorithm.
    Algorithm,
}

/// The keys of a set that can be used.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Box<[Arc<Key>]>,
    omitted: Box<[OmittedKey]>,
}

#[derive(Default)]
struct Document(Option<Vec<Jwk>>);

impl<'de> Members<'de> for Document {
    const USUAL: &'static [&'static str] = &["keys"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        if name != "keys" {
            return value.ignore();
        }
        self.0 = Some(value.parse()?);
        Ok(())
    }
}

fn read(json: &[u8]) -> Result<Vec<Jwk>, InvalidKeys> {
    // Checked as a whole, because the parser does not look into strings that it skips.
    let text = std::str::from_utf8(json).ok();
    // RFC 8259 §8.1: a byte order mark may be ignored.
    let text = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    // The message of the parser may quote the text.
    text.and_then(|text| serde_json::from_str(text).ok())
        .and_then(|Object(Document(keys))| keys)
        .ok_or(InvalidKeys::new("not a JSON Web Key Set"))
}

impl KeySet {
    /// The keys that a client is registered with.
    ///
    /// # Errors
    ///
    /// If the text is no key set, holds a private or symmetric key, or none that can be used.
    pub(crate) fn registered(json: &[u8]) -> Result<Self, InvalidKeys> {
        let keys = read(json)?;
        if keys.iter().any(|key| key.symmetric) {
            return Err(InvalidKeys::new("the key set holds a symmetric key"));
        }
        if keys.iter().any(|key| key.secret.is_some()) {
            return Err(InvalidKeys::new("the key set holds a private key"));
        }
        let set = Self::of(&keys);
        if set.keys.is_empty() {
            return Err(InvalidKeys::none_usable(&set.omitted));
        }
        Ok(set)
    }

    /// The keys that a client publishes. A set without any is one, too: that is how the last key is
    /// withdrawn (OpenID Connect Core §10.1.1).
    ///
    /// # Errors
    ///
    /// If the text is no key set, and so says nothing about the keys.
    pub(crate) fn published(json: &[u8]) -> Result<Self, InvalidKeys> {
        read(json).map(|keys| Self::of(&keys))
    }

    fn of(jwks: &[Jwk]) -> Self {
        let secrets: Vec<&Jwk> = jwks.iter().filter(|jwk| jwk.secret.is_some()).collect();
        let mut keys: Vec<Arc<Key>> = Vec::new();
        let mut omitted = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let key = Key::read(jwk).and_then(|key| {
                if let Some(fault) = secrets.iter().find_map(|secret| known(jwk, secret)) {
                    return Err(fault);
                }
                if keys.iter().filter(|other| other.is_like(&key)).count() == MOST_OF_A_KIND {
                    return Err(Fault::whole("is beyond the first 8 of its kind"));
                }
                Ok(key)
            });
            match key {
                Ok(key) => keys.push(Arc::new(key)),
                Err(fault) => {
                    omitted.push(OmittedKey { index, fault, private: jwk.secret.is_some() });
                }
            }
        }
        omitted.sort_by_key(|key| !key.private);
        omitted.truncate(MOST_OMITTED);
        Self { keys: keys.into(), omitted: omitted.into() }
    }

    /// The keys that were left out, the private and symmetric ones first, and 64 at most.
    pub(crate) const fn omitted(&self) -> &[OmittedKey] {
        &self.omitted
    }

    /// How many bytes it takes up at most, once every key has been used.
    pub(crate) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.size()).sum();
        size_of::<Self>() + size_of_val(&*self.keys) + size_of_val(&*self.omitted) + keys
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The key that may have made a signature, or without a `kid` the two: a client that rotates its
    /// keys has an old and a new one (RFC 7515 §4.1.4, OpenID Connect Core §10.1.1). The header
    /// chooses among the keys of the client and never brings its own; the key says which algorithms it
    /// is for.
    ///
    /// # Errors
    ///
    /// If none fits, or so many that trying them all would be at the caller's discretion.
    pub(crate) fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<(&Arc<Key>, Option<&Arc<Key>>), NoKey> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid)))
            .peekable();
        if named.peek().is_none() {
            return Err(NoKey::Unknown);
        }
        let mut fitting = named.filter(|key| key.is_for(algorithm));
        match (fitting.next(), fitting.next(), fitting.next()) {
            (None, ..) => Err(NoKey::Algorithm),
            (Some(key), None, _) => Ok((key, None)),
            (Some(first), second, None) if kid.is_none() => Ok((first, second)),
            _ => Err(NoKey::Ambiguous),
        }
    }

    /// Any key whose signatures are that long.
    pub(crate) fn of_size(&self, algorithm: Algorithm, length: usize) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| key.is_for(algorithm) && key.signature_length() == length)
    }
}

/// Whether whoever has the secret of one key may be able to sign with the other: they belong
/// together, or the set says so by giving them one `kid`.
fn known(jwk: &Jwk, secret: &Jwk) -> Option<Fault> {
    let part = jwk.public_part();
    if part.is_some() && part == secret.public_part() {
        return Some(Fault::whole("has its private key in the set"));
    }
    let kid = jwk.get("kid");
    (kid.is_some() && kid == secret.get("kid"))
        .then_some(Fault::of("kid", "is also that of a private or symmetric key"))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
