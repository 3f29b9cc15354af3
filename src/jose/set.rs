//! A JSON Web Key Set (RFC 7517 §5).

mod read;

use std::sync::Arc;

use serde_json::value::RawValue;

#[cfg(feature = "mtls")]
use crate::jose::certificate;
use crate::jose::{
    alg::{Algorithm, Algorithms},
    invalid::{Fault, InvalidKeys, MOST_OMITTED, OmittedKey},
    jwk::Jwk,
    key::{Key, Public},
    leaked::{Leaked, Withdrawn},
    set::read::read,
};

/// Of one type and, if points, on one curve: more than any client rotates through.
const MOST_OF_A_KIND: usize = 8;

/// Of which each may take some microseconds to read. The rest is searched for private keys alone.
const MOST: usize = 100;

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
    /// In PEM and DER there is no place for a `kid`.
    has_ids: bool,
    omitted: Box<[OmittedKey]>,
    leaked: Leaked,
    /// The SHA-256 of the certificates.
    #[cfg(feature = "mtls")]
    certificates: Box<[[u8; 32]]>,
}

impl KeySet {
    /// The keys that a client is registered with.
    ///
    /// # Errors
    ///
    /// If the text is no key set, holds a private or symmetric key, or none that can be used.
    pub(crate) fn registered(json: &[u8]) -> Result<Self, InvalidKeys> {
        Self::without_secrets(&read(json)?, |jwk| jwk)?.not_empty()
    }

    fn not_empty(self) -> Result<Self, InvalidKeys> {
        let what = "the key set has no key that can verify a signature";
        if self.keys.is_empty() { Err(InvalidKeys::none(what, &self.omitted)) } else { Ok(self) }
    }

    /// The certificates that a client is registered with, by their SHA-256 (RFC 8705 §2.2.2), and the keys without
    /// one.
    ///
    /// # Errors
    ///
    /// If the text is no key set, holds a private or symmetric key, or no certificate.
    #[cfg(feature = "mtls")]
    pub(crate) fn certificates_of(json: &[u8]) -> Result<(Self, Vec<OmittedKey>), InvalidKeys> {
        let elements = read(json)?;
        let set = Self::without_secrets(&elements, |jwk| jwk)?;
        let omitted = certificate::omitted(&elements);
        if set.certificates.is_empty() {
            return Err(InvalidKeys::none("no key of the set has a certificate", &omitted));
        }
        Ok((set, omitted))
    }

    fn without_secrets<'a>(
        elements: &[&'a RawValue],
        adapt: fn(Jwk<'a>) -> Jwk<'a>,
    ) -> Result<Self, InvalidKeys> {
        let keys = || elements.iter().map(|element| adapt(Jwk::read(element)));
        if keys().any(|key| key.symmetric.is_some()) {
            return Err(InvalidKeys::new("the key set holds a symmetric key"));
        }
        if keys().any(|key| key.private.is_some()) {
            return Err(InvalidKeys::new("the key set holds a private key"));
        }
        Ok(Self::of(keys(), &Leaked::default()))
    }

    /// The keys that a client publishes, without those of which it has published the private ones
    /// before. A set without any is one, too: that is how the last key is withdrawn (OpenID Connect
    /// Core §10.1.1).
    ///
    /// # Errors
    ///
    /// If the text is no key set, and so says nothing about the keys.
    pub(crate) fn published(json: &[u8], leaked: &Leaked) -> Result<Self, InvalidKeys> {
        read(json).map(|elements| Self::of(elements.into_iter().map(Jwk::read), leaked))
    }

    /// What a set has leaked where no private key may be, after what it leaked `before`, and why no key of it is
    /// used, if it is so. What is no set has leaked nothing.
    #[cfg(feature = "metadata-documents")]
    pub(crate) fn leaks(json: &[u8], before: &Leaked) -> (Leaked, Option<&'static str>) {
        let Ok(elements) = read(json) else { return (before.clone(), None) };
        let keys = || elements.iter().map(|element| Jwk::read(element));
        let fault = if keys().any(|key| key.secret().is_some()) {
            Some("`jwks` has a private or symmetric key")
        } else if keys().any(|key| before.has(&key)) {
            Some("`jwks` has a key whose private one was in the document before: it needs another")
        } else {
            None
        };
        (Self::of(keys(), before).leaked, fault)
    }

    fn of<'a>(jwks: impl Iterator<Item = Jwk<'a>>, leaked: &Leaked) -> Self {
        let mut withdrawn = Withdrawn::new(leaked);
        let (mut first, mut omitted) = (Vec::new(), Omitted::default());
        for (index, jwk) in jwks.enumerate() {
            if let Some(fault) = jwk.secret() {
                withdrawn.add(&jwk);
                omitted.add(index, fault, true);
            } else if index < MOST {
                first.push((index, jwk));
            } else {
                omitted.add(index, Fault::whole("is beyond the first 100 of the set"), false);
            }
        }
        // Not of a key whose private one was ever published.
        #[cfg(feature = "mtls")]
        let certificates =
            first.iter().filter_map(|(_, jwk)| certificate::of(jwk, &withdrawn).ok()).collect();
        #[cfg(feature = "mtls")]
        first.iter().for_each(|(_, jwk)| withdrawn.add_certificates(jwk));
        let (mut keys, mut publics) = (Vec::new(), Vec::new());
        first.retain(|(index, jwk)| {
            let key = Key::read(jwk);
            let good = key.is_ok();
            let added = key.and_then(|key| match withdrawn.fault(jwk) {
                Some(fault) => Err(fault),
                None => add(key, &mut keys, &mut publics),
            });
            if let Err(fault) = added {
                omitted.add(*index, fault, false);
            }
            good
        });
        Self {
            has_ids: true,
            #[cfg(feature = "mtls")]
            certificates,
            keys: keys.into_iter().map(Arc::new).collect(),
            omitted: omitted.first(),
            leaked: withdrawn.leaked(first.iter().map(|(_, jwk)| jwk)),
        }
    }

    /// The keys that were left out, the private and symmetric ones first, and 64 at most.
    pub(crate) const fn omitted(&self) -> &[OmittedKey] {
        &self.omitted
    }

    /// What to hand to the next [`published`](Self::published) of the same client.
    pub(crate) const fn leaked(&self) -> &Leaked {
        &self.leaked
    }

    /// How many bytes it takes up at most, once every key has been used.
    pub(crate) fn size(&self) -> usize {
        let entries: usize = self.keys.iter().map(|key| key.size()).sum();
        let lists = size_of_val(&*self.keys) + size_of_val(&*self.omitted) + self.leaked.size();
        #[cfg(feature = "mtls")]
        let lists = lists + size_of_val(&*self.certificates);
        size_of::<Self>() + lists + entries + self.publics()
    }

    /// How many bytes the keys themselves do, of which several entries may have one.
    fn publics(&self) -> usize {
        let size = |(index, key): (usize, &Arc<Key>)| {
            let entries = || self.keys.iter().enumerate().filter(|(_, other)| other.shares(key));
            let is_first = entries().next().is_some_and(|(first, _)| first == index);
            let algorithms =
                |all: Algorithms, (_, other): (usize, &Arc<Key>)| all.or(other.algorithms);
            if is_first {
                key.public.size(entries().fold(Algorithms::EMPTY, algorithms))
            } else {
                0
            }
        };
        self.keys.iter().enumerate().map(size).sum()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The certificates, by their SHA-256.
    #[cfg(feature = "mtls")]
    pub(crate) const fn certificates(&self) -> &[[u8; 32]] {
        &self.certificates
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The key that may have made a signature, or without a `kid` the two: a client that rotates its
    /// keys has an old and a new one (RFC 7515 §4.1.4, OpenID Connect Core §10.1.1). The header
    /// chooses among the keys of the client and never brings its own; the key says which algorithms it
    /// is for. Where keys can have no `kid`, that of the header says nothing.
    ///
    /// # Errors
    ///
    /// If none fits, or so many that trying them all would be at the caller's discretion.
    pub(crate) fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<(&Arc<Key>, Option<&Arc<Key>>), NoKey> {
        let kid = kid.filter(|_| self.has_ids);
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid)))
            .peekable();
        if named.peek().is_none() {
            return Err(NoKey::Unknown);
        }
        let mut fitting = named.filter(|key| key.is_for(algorithm));
        let first = fitting.next().ok_or(NoKey::Algorithm)?;
        // One key may be there under several ids.
        let mut others = fitting.filter(|key| !key.shares(first));
        let second = others.next();
        let third = second.and_then(|second| others.find(|key| !key.shares(second)));
        match second {
            Some(_) if kid.is_some() || third.is_some() => Err(NoKey::Ambiguous),
            _ => Ok((first, second)),
        }
    }

    /// Any key whose signatures are that long.
    pub(crate) fn of_size(&self, algorithm: Algorithm, length: usize) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| key.is_for(algorithm) && key.signature_length() == length)
    }
}

/// Adds a key, unless there are enough of its kind. Programs list a key once for each of its algorithms:
/// entries of one key share it, and those of one id become one.
fn add(mut key: Key, keys: &mut Vec<Key>, publics: &mut Vec<Arc<Public>>) -> Result<(), Fault> {
    match publics.iter().find(|public| ***public == *key.public) {
        Some(public) => {
            key.public = Arc::clone(public);
            let entry = keys.iter_mut().find(|entry| entry.shares(&key) && entry.kid == key.kid);
            if let Some(entry) = entry {
                entry.algorithms = entry.algorithms.or(key.algorithms);
                return Ok(());
            }
        }
        None if publics.iter().filter(|public| public.is_like(&key.public)).count()
            == MOST_OF_A_KIND =>
        {
            return Err(Fault::whole("is beyond the first 8 of its kind"));
        }
        None => publics.push(Arc::clone(&key.public)),
    }
    keys.push(key);
    Ok(())
}

/// The first keys that are left out.
#[derive(Default)]
struct Omitted {
    secrets: Vec<OmittedKey>,
    read: Vec<OmittedKey>,
    beyond: Vec<OmittedKey>,
}

impl Omitted {
    fn add(&mut self, index: usize, fault: Fault, private: bool) {
        let list = match index {
            _ if private => &mut self.secrets,
            ..MOST => &mut self.read,
            _ => &mut self.beyond,
        };
        if list.len() < MOST_OMITTED {
            list.push(OmittedKey { index, fault, private });
        }
    }

    /// The private and symmetric ones first.
    fn first(self) -> Box<[OmittedKey]> {
        let others = self.read.into_iter().chain(self.beyond);
        self.secrets.into_iter().chain(others).take(MOST_OMITTED).collect()
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
