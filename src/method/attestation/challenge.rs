//! Challenges that every replica can check and none has to remember.

use std::fmt;

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::error::config::ConfigError;

/// Of a secret, in bytes: RFC 7518 §3.2 has as many for the same MAC.
const SHORTEST_SECRET: usize = 32;

/// How long a challenge is good, in seconds.
pub(super) const LIFETIME: i64 = 5 * 60;

/// The clock of the replica that made it may be ahead by so many seconds.
const CLOCK_SKEW: i64 = 60;

/// Keeps the MACs apart from others that may be made with the secret.
const PURPOSE: &[u8] = b"tower-client-auth attestation challenge";

const TIME: usize = 8;
const NONCE: usize = 16;
const MAC: usize = 32;

/// Challenges that a client has to put into its next proof of possession, for
/// [`Attesters::challenges`](crate::attestation::Attesters::challenges)
/// (draft-ietf-oauth-attestation-based-client-auth-11 §6).
///
/// A challenge says when it was made, and is good for 5 minutes. A MAC shows that one of the replicas made it
/// for this issuer, so that nothing is kept.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ConfigError, attestation::Challenges};
///
/// // 32 random bytes, the same for all replicas.
/// # let secret = [7; 32];
/// let challenges = Challenges::stateless(secret)?;
/// assert!(Challenges::stateless("a password").is_err());
/// # drop(challenges);
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Challenges {
    key: hmac::Key,
    pub(super) once: bool,
}

/// A challenge that is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Good {
    /// When it ceases to be, in seconds since the Unix epoch.
    pub(super) until: i64,
}

impl Challenges {
    /// Challenges that are made and checked with this secret, which all replicas share.
    ///
    /// Who knows it can make challenges. With a new one the challenges of the old one are refused, and each
    /// client gets another: that costs it one more request.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ChallengeSecret`] if it has fewer than 32 bytes.
    pub fn stateless(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        if secret.len() < SHORTEST_SECRET {
            return Err(ConfigError::ChallengeSecret);
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), once: false })
    }

    /// Accepts each challenge once: it is claimed in the replay store of the
    /// [`Attesters`](crate::attestation::Attesters). Default: it may be used again while it is
    /// good, as the draft leaves to the server (-11 §6); each proof is accepted once in any case.
    ///
    /// A client that sends several requests at the same time needs a challenge for each of them.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// A new one, unless the system has no random numbers.
    pub(super) fn issue(&self, issuer: &str, now: i64) -> Option<String> {
        let mut nonce = [0; NONCE];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut challenge = Vec::with_capacity(TIME + NONCE + MAC);
        challenge.extend_from_slice(&now.to_be_bytes());
        challenge.extend_from_slice(&nonce);
        let mac = hmac::sign(&self.key, &message(issuer, &challenge));
        challenge.extend_from_slice(mac.as_ref());
        Some(BASE64_URL_SAFE_NO_PAD.encode(challenge))
    }

    /// What a client presents, if it is good.
    pub(super) fn check(&self, issuer: &str, presented: &str, now: i64) -> Option<Good> {
        // Nothing that is longer is decoded.
        if presented.len() != (TIME + NONCE + MAC).div_ceil(3) * 4 - 1 {
            return None;
        }
        let challenge = BASE64_URL_SAFE_NO_PAD.decode(presented).ok()?;
        let (made, mac) = challenge.split_at_checked(TIME + NONCE)?;
        hmac::verify(&self.key, &message(issuer, made), mac).ok()?;
        let at = i64::from_be_bytes(*made.first_chunk()?);
        let until = at.saturating_add(LIFETIME);
        (now < until && at <= now.saturating_add(CLOCK_SKEW)).then_some(Good { until })
    }
}

fn message(issuer: &str, made: &[u8]) -> Vec<u8> {
    [PURPOSE, made, issuer.as_bytes()].concat()
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").field("once", &self.once).finish_non_exhaustive()
    }
}
