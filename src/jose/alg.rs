//! The signature algorithms that an assertion may use.

/// A digital signature or MAC of RFC 7518 §3.1 or RFC 8037 §3.1. `none` has no representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    Es384,
    Es512,
    EdDsa,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
    Hs256,
    Hs384,
    Hs512,
}

/// RFC 9864 §2.2 gives Ed25519 a name of its own; on a key of that curve `EdDSA` means the same.
const NAMES: [(&str, Algorithm); 14] = [
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("ES512", Algorithm::Es512),
    ("EdDSA", Algorithm::EdDsa),
    ("Ed25519", Algorithm::EdDsa),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
];

impl Algorithm {
    /// The algorithm of this name; names are case-sensitive (RFC 7515 §4.1.1).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// Whether it is keyed with a secret that both sides know.
    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Whether the verification of a signature that long takes much longer than one of ES256: the longer
    /// curves, and RSA beyond 4096 bits.
    pub(crate) const fn is_slow(self, signature_length: usize) -> bool {
        match self {
            Self::Es384 | Self::Es512 => true,
            Self::Es256 | Self::EdDsa | Self::Hs256 | Self::Hs384 | Self::Hs512 => false,
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => {
                signature_length > 512
            }
        }
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Algorithms(u16);

impl Algorithms {
    pub(crate) const ALL: Self = Self((1 << 13) - 1);
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn with(self, algorithm: Algorithm) -> Self {
        Self(self.0 | 1 << algorithm as u16)
    }

    pub(crate) const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(crate) const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & 1 << algorithm as u16 != 0
    }

    /// The names, the preferred first.
    pub(crate) fn names(self) -> impl Iterator<Item = (&'static str, Algorithm)> {
        NAMES.into_iter().filter(move |(_, algorithm)| self.contains(*algorithm))
    }
}
