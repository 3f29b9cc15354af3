//! Client secrets at rest, and how a presented one is compared with them.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::ErrorKind;

/// A client secret as a store keeps it: the plain text, or its SHA-256 digest.
///
/// A secret may carry a validity window; a client may have several secrets at a time, so that it
/// can move from one to the next without an outage.
///
/// Comparison takes the same time wherever the difference is and however long the stored secret is
/// (RFC 6749 §10.10). The memory is wiped when the secret is dropped, `Debug` shows no part of it,
/// and there is deliberately no `PartialEq` and no `Serialize`.
///
/// # Which one
///
/// A secret that a machine made from at least 128 bits of randomness is as safe as a SHA-256 digest
/// as it is behind a slow hash, and costs nothing to check. A secret that a person may have chosen
/// is not.
///
/// # Examples
///
/// ```
/// use tower_client_auth::ClientSecret;
///
/// let old = ClientSecret::plain("2rH0…").expires_at(1_800_000_000);
/// let new = ClientSecret::sha256_of("gX9k…").not_before(1_790_000_000);
/// assert_eq!(format!("{old:?}"), "ClientSecret { plain: [redacted], expires_at: 1800000000 }");
/// # drop(new);
/// ```
#[derive(Clone)]
pub struct ClientSecret {
    stored: Stored,
    not_before: Option<i64>,
    expires_at: Option<i64>,
}

#[derive(Clone)]
enum Stored {
    Plain(Zeroizing<Box<[u8]>>),
    Sha256(Zeroizing<[u8; 32]>),
}

impl ClientSecret {
    /// A secret that is stored in plain text. An empty one matches nothing.
    #[must_use]
    pub fn plain(secret: impl Into<String>) -> Self {
        // The caller's buffer may be larger than the text: copy it exactly and wipe the original.
        let secret = Zeroizing::new(secret.into());
        Self::new(Stored::Plain(Zeroizing::new(Box::from(secret.as_bytes()))))
    }

    /// A secret of which only the SHA-256 digest of its UTF-8 octets is stored.
    #[must_use]
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self::new(Stored::Sha256(Zeroizing::new(digest)))
    }

    /// Digests `secret`, for a store that is filled from plain text.
    #[must_use]
    pub fn sha256_of(secret: &str) -> Self {
        Self::sha256(Sha256::digest(secret).into())
    }

    const fn new(stored: Stored) -> Self {
        Self { stored, not_before: None, expires_at: None }
    }

    /// Refuses the secret from this time on, in seconds since the Unix epoch. 0 means never, as
    /// `client_secret_expires_at` has it (RFC 7591 §3.2.1); a negative time has passed.
    ///
    /// The default is never.
    #[must_use]
    pub const fn expires_at(mut self, unix_seconds: i64) -> Self {
        self.expires_at = if unix_seconds == 0 { None } else { Some(unix_seconds) };
        self
    }

    /// Refuses the secret before this time, in seconds since the Unix epoch.
    ///
    /// The default is to accept it at any time before it expires.
    #[must_use]
    pub const fn not_before(mut self, unix_seconds: i64) -> Self {
        self.not_before = Some(unix_seconds);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.stored, Stored::Plain(secret) if secret.is_empty())
    }

    /// Whether the presented octets are the secret; its validity window does not matter here.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        match &self.stored {
            Stored::Plain(stored) => {
                // `constant_time_eq` returns at once when the lengths differ, which would tell how
                // long the stored secret is. Comparing the presented octets with
                // themselves takes the same work.
                let same_length = stored.len() == presented.len();
                let against = if same_length { stored } else { presented };
                // An absent secret equals nothing, not even an empty stored one (CWE-258).
                constant_time_eq::constant_time_eq(against, presented)
                    & same_length
                    & !presented.is_empty()
            }
            Stored::Sha256(digest) => {
                let presented_digest: [u8; 32] = Sha256::digest(presented).into();
                constant_time_eq::constant_time_eq_32(digest, &presented_digest)
                    & !presented.is_empty()
            }
        }
    }
}

/// Compares what was presented with every stored secret, and only then looks at the time: a secret
/// that has expired must be indistinguishable from a wrong one, also by how long the answer takes.
pub(crate) fn verify(
    secrets: &[ClientSecret],
    presented: &[u8],
    now: i64,
) -> Result<(), ErrorKind> {
    let mut verdict = Err(ErrorKind::WrongSecret);
    for secret in secrets {
        let matches = secret.matches(presented);
        // RFC 7591 §3.2.1: "time at which the client secret will expire", so at that second it has.
        let expired = secret.expires_at.is_some_and(|end| end <= now);
        let early = secret.not_before.is_some_and(|start| now < start);
        verdict = match (matches, expired, early) {
            (false, ..) => verdict,
            (true, false, false) => Ok(()),
            (true, true, _) => verdict.or(Err(ErrorKind::SecretExpired)),
            (true, false, true) => verdict.or(Err(ErrorKind::SecretNotYetValid)),
        };
    }
    verdict
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientSecret");
        let kind = match self.stored {
            Stored::Plain(_) => "plain",
            Stored::Sha256(_) => "sha256",
        };
        debug.field(kind, &format_args!("[redacted]"));
        if let Some(start) = self.not_before {
            debug.field("not_before", &start);
        }
        if let Some(end) = self.expires_at {
            debug.field("expires_at", &end);
        }
        debug.finish()
    }
}
