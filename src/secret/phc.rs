//! Secrets behind a slow hash, as PHC strings.

use std::{fmt, sync::LazyLock, time::Duration};

use argon2::{
    Argon2, PasswordVerifier,
    password_hash::{Error, phc::PasswordHash},
};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;

use crate::isolate::pool::Work;

/// The most memory in KiB that a hash may ask for: 1 GiB, twenty times what OWASP names. A string that
/// asks for more than there is would end the program.
const MEMORY: u64 = 1024 * 1024;

/// A hash that can be verified: its algorithm is known and its parameters are valid.
pub(crate) struct Phc {
    hash: PasswordHash,
    verify: Verify,
}

/// How long they take.
pub(crate) static WORK: LazyLock<Work> =
    LazyLock::new(|| Work::new(Duration::from_millis(20), true));

type Verify = fn(&[u8], &PasswordHash) -> Result<(), Error>;

impl Phc {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPhc> {
        let hash = PasswordHash::new(text).map_err(|_malformed| InvalidPhc)?;
        // Without a salt or an output nothing could ever match.
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidPhc);
        }
        let (memory, verify): (Option<u64>, Verify) = match hash.algorithm.as_str() {
            "argon2id" => (
                argon2::Params::try_from(&hash).ok().map(|params| params.m_cost().into()),
                |secret, hash| Argon2::default().verify_password(secret, hash),
            ),
            "scrypt" => (
                // RFC 7914 §2: 128 * N * r bytes.
                scrypt::Params::try_from(&hash)
                    .ok()
                    .map(|params| params.n().saturating_mul(params.r().into()) / 8),
                |secret, hash| Scrypt::default().verify_password(secret, hash),
            ),
            "pbkdf2-sha256" | "pbkdf2-sha512" => {
                (pbkdf2::Params::try_from(&hash).ok().map(|_params| 0), |secret, hash| {
                    Pbkdf2::default().verify_password(secret, hash)
                })
            }
            _ => return Err(InvalidPhc),
        };
        if memory.is_some_and(|memory| memory <= MEMORY) {
            Ok(Self { hash, verify })
        } else {
            Err(InvalidPhc)
        }
    }

    /// Takes some ten milliseconds, and the memory that the hash asks for.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        !presented.is_empty() && (self.verify)(presented, &self.hash).is_ok()
    }
}

/// A text that is not a PHC string of argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512, or that asks
/// for more than 1 GiB of memory. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidPhc;

impl fmt::Display for InvalidPhc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a PHC string of argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512")
    }
}

impl std::error::Error for InvalidPhc {}
