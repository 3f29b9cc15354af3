//! Public keys of which somebody else than their owner has the private one.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::jose::{invalid::Fault, jwk::Jwk, weak};

/// Of one address. Who publishes that many private keys can begin anew elsewhere.
const MOST_REMEMBERED: usize = 64;

/// The end of a modulus or of the x-coordinate of a point (of an Edwards curve the y-coordinate): what
/// two keys with the same private key have in common. The other coordinate, the sign and the exponent do
/// not matter, because a private key gives away those of its siblings.
pub(crate) type Part = [u8; 32];

/// The curves, and how many bytes a coordinate has.
const CURVES: [(&str, &str, usize); 8] = [
    ("EC", "P-256", 32),
    ("EC", "P-384", 48),
    ("EC", "P-521", 66),
    ("EC", "secp256k1", 32),
    ("OKP", "Ed25519", 32),
    ("OKP", "X25519", 32),
    ("OKP", "Ed448", 57),
    ("OKP", "X448", 56),
];

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether it has what a private key is recognized by. Without it, it is no key (RFC 7518 §6).
#[cfg(feature = "mtls")]
pub(crate) fn has_public_part(jwk: &Jwk<'_>) -> bool {
    part(jwk).is_some()
}

/// The text of the public part.
fn text<'a>(jwk: &Jwk<'a>) -> Option<Cow<'a, str>> {
    let kty = jwk.required("kty").ok()?;
    jwk.required(if kty == "RSA" { "n" } else { "x" }).ok()
}

/// The public part, read as leniently as possible, and how many bytes it takes.
fn part(jwk: &Jwk<'_>) -> Option<(Part, usize)> {
    let text: Vec<u8> = text(jwk)?
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            byte => byte,
        })
        .collect();
    let mut bytes = LENIENT.decode(text).ok()?;
    // The sign of an Edwards point. No two other keys differ in that bit alone.
    if let Some(last) = bytes.last_mut() {
        *last &= 0x7f;
    }
    let mut part = Part::default();
    part.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some((part, bytes.len() - zeros))
}

/// The public part of a private key, unless it may be another.
fn certain_part(jwk: &Jwk<'_>) -> Option<Part> {
    if jwk.malformed.is_some() || (jwk.has("n") && jwk.has("x")) {
        return None;
    }
    // Hexadecimal digits, or decimal ones, are base64url, too, and mean something else.
    let text = text(jwk)?;
    if text.len() > 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (part, length) = part(jwk)?;
    let kty = jwk.required("kty").ok()?;
    let plausible = if kty == "RSA" {
        // As libraries make them.
        length >= 64 && length % 16 == 0
    } else {
        let crv = jwk.required("crv").ok()?;
        let curve = CURVES.iter().find(|(of, curve, _)| *of == kty && *curve == crv);
        curve.is_some_and(|(_, _, most)| length <= *most)
    };
    plausible.then_some(part)
}

/// The public parts of private keys that were published, the last ones first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leaked(Arc<[Part]>);

impl Leaked {
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// These, and those that were known `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        if before.0.iter().all(|part| self.0.contains(part)) {
            return self.clone();
        }
        let earlier = before.0.iter().filter(|part| !self.0.contains(*part));
        Self(self.0.iter().chain(earlier).take(MOST_REMEMBERED).copied().collect())
    }
}

/// Where no private key may be.
#[cfg(feature = "metadata-documents")]
impl Leaked {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let parts = bytes.chunks_exact(size_of::<Part>()).take(MOST_REMEMBERED);
        Self(parts.filter_map(|part| part.try_into().ok()).collect())
    }

    /// Whether the key is one of them, or has the certificate of one.
    pub(crate) fn has(&self, jwk: &Jwk<'_>) -> bool {
        #[cfg(feature = "mtls")]
        if jwk.certificates().any(|digest| self.0.contains(&digest)) {
            return true;
        }
        part(jwk).is_some_and(|(part, _)| self.0.contains(&part))
    }
}

/// What the private and symmetric keys of a set, and those that were published before, say about its
/// other keys.
pub(crate) struct Withdrawn<'a> {
    before: &'a Leaked,
    parts: HashSet<Part>,
    kids: HashSet<Cow<'a, str>>,
    /// There is a private key that may belong to any other.
    all: bool,
}

impl<'a> Withdrawn<'a> {
    pub(crate) fn new(before: &'a Leaked) -> Self {
        Self { before, parts: HashSet::new(), kids: HashSet::new(), all: false }
    }

    /// Notes a private or symmetric key.
    pub(crate) fn add(&mut self, jwk: &Jwk<'a>) {
        if let Some(kid) = jwk.kid().ok().flatten().filter(|kid| !kid.is_empty()) {
            self.kids.insert(kid);
        }
        if jwk.private.is_some() {
            #[cfg(feature = "mtls")]
            self.parts.extend(jwk.certificates());
            match certain_part(jwk) {
                Some(part) => drop(self.parts.insert(part)),
                None => {
                    self.all = true;
                    self.parts.extend(part(jwk).map(|(part, _)| part));
                }
            }
        }
    }

    /// Whether somebody else than its owner may be able to sign with a key, and why.
    pub(crate) fn fault(&self, jwk: &Jwk<'_>) -> Option<Fault> {
        let (part, _) = part(jwk)?;
        let fault = if weak::is_well_known(&part) {
            weak::WELL_KNOWN_KEY
        } else if self.all {
            Fault::whole("may belong to a private key in the set")
        } else if self.parts.contains(&part) {
            Fault::whole("has its private key in the set")
        } else if self.before.0.contains(&part) {
            Fault::whole("had its private key in the set before")
        } else {
            // The set says that they belong together.
            let kid = jwk.kid().ok()??;
            return self
                .kids
                .contains(&kid)
                .then_some(Fault::of("kid", "is also that of a private or symmetric key"));
        };
        Some(fault)
    }

    /// Whether somebody else than its owner has the key of a certificate. A digest is as long as a part of a
    /// key, and is remembered with them.
    #[cfg(feature = "mtls")]
    pub(crate) fn has_certificate(&self, digest: &[u8; 32]) -> bool {
        self.parts.contains(digest) || self.before.0.contains(digest)
    }

    /// Notes the certificates of a key that may be a private one's.
    #[cfg(feature = "mtls")]
    pub(crate) fn add_certificates(&mut self, jwk: &Jwk<'_>) {
        if self.all {
            self.parts.extend(jwk.certificates());
        }
    }

    /// What to remember of these keys, which are all that could be used.
    pub(crate) fn leaked<'k>(self, keys: impl Iterator<Item = &'k Jwk<'k>>) -> Leaked {
        let Self { before, mut parts, all, .. } = self;
        if all {
            parts.extend(keys.filter_map(part).map(|(part, _)| part));
        }
        if parts.is_empty() {
            return before.clone();
        }
        let earlier = before.0.iter().filter(|part| !parts.contains(*part));
        Leaked(parts.iter().chain(earlier).take(MOST_REMEMBERED).copied().collect())
    }
}
