//! Secrets behind a slow hash, as PHC strings.

use std::{collections::HashSet, fmt, hint::black_box};

use argon2::{
    Argon2, PasswordVerifier,
    password_hash::{
        Error,
        phc::{ParamsString, PasswordHash},
    },
};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;

use crate::isolate::meter::{self, Histogram, meter};

static HASHES: Histogram = meter!("client_auth_verification_duration_seconds", "work" => "hash");

/// The most memory in bytes that a hash may ask for: 1 GiB, twenty times what OWASP names. A string
/// that asks for more than there is would end the program.
const MEMORY: u64 = 1 << 30;
/// The most passes over a KiB of argon2id, which is 4 GiB, and the most lanes.
const ARGON2: (u64, u32) = (4 << 20, 64);
/// The most blocks of scrypt, N * r * p.
const SCRYPT: u64 = 1 << 25;
const SCRYPT_LIMIT: &str = "scrypt may compute at most 2^25 blocks, N * r * p";
/// The most iterations of PBKDF2.
const PBKDF2: u32 = 10_000_000;
/// RFC 9106 §4 recommends twice that; a shorter one can be met by chance.
const HASH_LENGTH: usize = 16;

/// A hash that can be verified: its algorithm is known and its parameters are valid.
pub(crate) struct Phc {
    hash: PasswordHash,
    algorithm: Algorithm,
    cost: u64,
}

enum Algorithm {
    Argon2id(argon2::Params),
    Scrypt(scrypt::Params),
    Pbkdf2(pbkdf2::Params),
}

const fn check(within: bool, limit: &'static str) -> Result<(), InvalidPhc> {
    if within { Ok(()) } else { Err(InvalidPhc(limit)) }
}

impl Algorithm {
    /// What is read can be computed, so that each verification takes its time.
    fn read(hash: &PasswordHash) -> Result<Self, InvalidPhc> {
        let read = match hash.algorithm.as_str() {
            "argon2id" => {
                // RFC 9106 §3.2, and the one before it. `argon2` finds out when it verifies.
                let version = hash.version.is_none_or(|version| matches!(version, 16 | 19));
                version.then(|| hash.try_into().ok().map(Self::Argon2id)).flatten()
            }
            "scrypt" => {
                // `scrypt` multiplies in 32 bits before it looks.
                let factor = |name, default| hash.params.get_decimal(name).unwrap_or(default);
                let r = factor("r", scrypt::Params::RECOMMENDED_R);
                let p = factor("p", scrypt::Params::RECOMMENDED_P);
                check(r.checked_mul(p).is_some(), SCRYPT_LIMIT)?;
                hash.try_into().ok().map(Self::Scrypt)
            }
            "pbkdf2-sha256" | "pbkdf2-sha512" => hash.try_into().ok().map(Self::Pbkdf2),
            _ => None,
        };
        read.ok_or(InvalidPhc::OTHER)
    }

    fn check(&self) -> Result<(), InvalidPhc> {
        let memory = |bytes| check(bytes <= MEMORY, "a hash may ask for at most 1 GiB of memory");
        match self {
            Self::Argon2id(params) => {
                let (passes, lanes) = ARGON2;
                memory(u64::from(params.m_cost()) << 10)?;
                let within = u64::from(params.m_cost()) * u64::from(params.t_cost()) <= passes;
                check(within, "argon2id may pass over at most 4 GiB, m * t")?;
                check(params.p_cost() <= lanes, "argon2id may have at most 64 lanes, p")
            }
            Self::Scrypt(params) => {
                let (n, r, p) = (params.n(), u64::from(params.r()), u64::from(params.p()));
                // RFC 7914 §2, §6: 128 * r bytes for each of N and each of p.
                memory(n.saturating_add(p).saturating_mul(r).saturating_mul(128))?;
                let within = n.saturating_mul(r).saturating_mul(p) <= SCRYPT;
                check(within, SCRYPT_LIMIT)
            }
            Self::Pbkdf2(params) => {
                check(params.rounds() <= PBKDF2, "PBKDF2 may have at most 10,000,000 iterations, i")
            }
        }
    }

    /// Some nanoseconds on a machine of 2026, so that algorithms can be compared.
    fn cost(&self, hash: &PasswordHash, length: usize) -> u64 {
        match self {
            // To get the memory takes about as long as one pass over it.
            Self::Argon2id(params) => {
                400 * u64::from(params.m_cost()) * (u64::from(params.t_cost()) + 1)
            }
            Self::Scrypt(params) => {
                300 * params.n() * u64::from(params.r()) * u64::from(params.p())
            }
            Self::Pbkdf2(params) => {
                // All iterations for each block of the output.
                let (iteration, block) =
                    if hash.algorithm.as_str() == "pbkdf2-sha512" { (400, 64) } else { (100, 32) };
                iteration * u64::from(params.rounds()) * length.div_ceil(block) as u64
            }
        }
    }

    /// Parameters that cost `part` of what is `whole` with these.
    fn part(&self, part: u64, whole: u64) -> Option<ParamsString> {
        let scale = |count: u64| {
            let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
            let scaled = (u128::from(count) * part + whole / 2) / whole;
            u32::try_from(scaled).unwrap_or(u32::MAX)
        };
        match self {
            Self::Argon2id(params) => {
                let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
                let m = scale(m.into()).max(8 * p);
                argon2::Params::new(m, t, p, None).ok()?.try_into().ok()
            }
            Self::Scrypt(params) => {
                let (n, r, p) = (params.log_n(), params.r(), params.p());
                let blocks = scale(u64::from(r) * u64::from(p)).max(1);
                scrypt::Params::new(n, r.min(blocks), (blocks / r).max(1)).ok()?.try_into().ok()
            }
            Self::Pbkdf2(params) => {
                let rounds = scale(params.rounds().into()).max(pbkdf2::Params::MIN_ROUNDS);
                let length = params.output_len();
                pbkdf2::Params::new_with_output_len(rounds, length).ok()?.try_into().ok()
            }
        }
    }

    fn verify(&self, secret: &[u8], hash: &PasswordHash) -> Result<(), Error> {
        #[cfg(test)]
        if let (Ok(params), Some(output)) = (Self::read(hash), &hash.hash) {
            crate::secret::spent::add(params.cost(hash, output.len()));
        }
        let start = meter::start();
        let verified = match self {
            Self::Argon2id(_) => Argon2::default().verify_password(secret, hash),
            Self::Scrypt(_) => Scrypt::default().verify_password(secret, hash),
            Self::Pbkdf2(_) => Pbkdf2::default().verify_password(secret, hash),
        };
        HASHES.record_since(start);
        verified
    }
}

impl Phc {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPhc> {
        let hash = PasswordHash::new(text).map_err(|_malformed| InvalidPhc::other(text))?;
        // Without a salt or an output nothing could ever match.
        let (Some(_salt), Some(output)) = (&hash.salt, &hash.hash) else {
            return Err(InvalidPhc::OTHER);
        };
        let mut names = HashSet::new();
        if !hash.params.iter().all(|(name, _value)| names.insert(name)) {
            return Err(InvalidPhc::OTHER);
        }
        let length = output.len();
        let algorithm = Algorithm::read(&hash)?;
        algorithm.check()?;
        if length < HASH_LENGTH {
            return Err(InvalidPhc("a hash must have at least 16 bytes"));
        }
        let cost = algorithm.cost(&hash, length);
        Ok(Self { hash, algorithm, cost })
    }

    /// About how many nanoseconds [`matches`](Self::matches) takes.
    pub(crate) const fn cost(&self) -> u64 {
        self.cost
    }

    /// Takes some ten milliseconds, and the memory that the hash asks for, whatever was presented.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        self.algorithm.verify(presented, &self.hash).is_ok() & !presented.is_empty()
    }

    /// Does work for about so many nanoseconds, in the way of this hash.
    pub(crate) fn spend(&self, presented: &[u8], cost: u64) {
        let mut left = cost;
        while left >= self.cost {
            black_box(self.matches(presented));
            left -= self.cost;
        }
        // A sixteenth is less than what one hash differs from another by.
        if left > self.cost / 16 {
            if let Some(params) = self.algorithm.part(left, self.cost) {
                let cheaper = PasswordHash { params, ..self.hash.clone() };
                let _wrong = black_box(self.algorithm.verify(presented, &cheaper));
            }
        }
    }
}

/// Why a text cannot be a [`ClientSecret::phc`](crate::ClientSecret::phc): it is not a PHC string of
/// argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512, or exceeds a limit, which [`Display`](fmt::Display)
/// names. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPhc(&'static str);

impl InvalidPhc {
    const OTHER: Self =
        Self("not a PHC string of argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512");

    fn other(text: &str) -> Self {
        match text.as_bytes() {
            // Written by bcrypt as `2`, `2a`, `2b`, `2x` or `2y`.
            [b'$', b'2', ..] => Self(
                "a hash of bcrypt, which is not a PHC string: `guide::recipes` has a `verified_by` for it",
            ),
            [b'$', ..] => Self::OTHER,
            _ => Self(
                "not a PHC string, which begins with `$`: `guide::recipes` rewrites the hashes of Django and Spring",
            ),
        }
    }
}

impl fmt::Display for InvalidPhc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidPhc {}

#[cfg(test)]
mod tests;
