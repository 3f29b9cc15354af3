//! What is said about keys that cannot be used. It quotes nothing of them.

use std::{borrow::Cow, fmt};

/// Of an error, so that it stays a line.
const MOST_REASONS: usize = 4;

/// A document has at most some thousand of them.
pub(super) const MOST_OMITTED: usize = 64;

/// Why a key cannot be used. It quotes nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The member that is at fault, or `None` for the key as a whole.
    pub(crate) member: Option<&'static str>,
    pub(crate) reason: &'static str,
}

impl Fault {
    pub(crate) const fn of(member: &'static str, reason: &'static str) -> Self {
        Self { member: Some(member), reason }
    }

    pub(crate) const fn whole(reason: &'static str) -> Self {
        Self { member: None, reason }
    }
}

/// A key that is not used, and why. It quotes nothing of the key.
///
/// Its `Display` is such as "`keys[0].n` has fewer than 2048 bits".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmittedKey {
    pub(crate) index: usize,
    pub(crate) fault: Fault,
    pub(crate) private: bool,
}

impl OmittedKey {
    /// Where it is in the array `keys`, or among the blocks of a PEM file, counted from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The member that is at fault, or `None` for the key as a whole. Those of keys in PEM and DER have the
    /// names that they have in JSON.
    #[must_use]
    pub const fn member(&self) -> Option<&'static str> {
        self.fault.member
    }

    /// Whether it is a private or symmetric key: everybody who can read a set can sign with it. It
    /// must not be used again, whatever the set says later. A
    /// [`JwksCache`](crate::assertion::JwksCache) sees to that for as long as it remembers the address.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }
}

impl fmt::Display for OmittedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.member {
            Some(member) => write!(f, "`keys[{}].{member}` {}", self.index, self.fault.reason),
            None => write!(f, "`keys[{}]` {}", self.index, self.fault.reason),
        }
    }
}

/// Keys that cannot be used. It quotes nothing of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeys(Cow<'static, str>);

impl InvalidKeys {
    pub(crate) const PRIVATE: Self =
        Self::new("this is a private key, where the public one belongs");

    pub(crate) const fn new(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// None of the keys can be used, for these reasons.
    pub(crate) fn none(what: &str, omitted: &[OmittedKey]) -> Self {
        let mut reason = what.to_owned();
        for (n, key) in omitted.iter().take(MOST_REASONS).enumerate() {
            reason += if n == 0 { ": " } else { "; " };
            reason += &key.to_string();
        }
        if omitted.len() > MOST_REASONS {
            reason += "; …";
        }
        Self(Cow::Owned(reason))
    }
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidKeys {}
