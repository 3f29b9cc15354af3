//! How a presented secret is compared with the stored ones.

use std::{hint::black_box, ops::Deref, slice, time::Duration};

use crate::{
    error::{Error, kind::ErrorKind},
    isolate::pool::{Attempt, Pool},
    secret::stored::ClientSecret,
};
#[cfg(feature = "argon2")]
use crate::{isolate::pool::Work, secret::presented::PresentedSecret};

/// The secrets of a client, at least one, none of them empty.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    imitated: u64,
    list: List,
}

/// Most clients have one, and it is read where the client is.
#[derive(Clone, Debug)]
enum List {
    One(ClientSecret),
    More(Box<[ClientSecret]>),
}

impl Secrets {
    /// An empty secret is none (RFC 6749 §3.2): it must not make a registration look complete.
    pub(crate) fn new(secrets: impl IntoIterator<Item = ClientSecret>) -> Option<Self> {
        let mut secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        let first = secrets.next()?;
        let Some(second) = secrets.next() else { return Some(first.into()) };
        Some(Self::of(List::More([first, second].into_iter().chain(secrets).collect())))
    }

    fn of(list: List) -> Self {
        Self { imitated: imitated(&list).unwrap_or_default(), list }
    }

    /// What a dummy [like](crate::secret::dummy::Dummy::like) these costs, or 0 if there can be none.
    pub(crate) const fn imitated(&self) -> u64 {
        self.imitated
    }

    /// See [`ClientSecret::settle`].
    pub(crate) fn settle(&mut self) {
        match &mut self.list {
            List::One(secret) => secret.settle(),
            List::More(secrets) => secrets.iter_mut().for_each(ClientSecret::settle),
        }
    }
}

impl From<ClientSecret> for Secrets {
    fn from(secret: ClientSecret) -> Self {
        Self::of(List::One(secret))
    }
}

impl Deref for List {
    type Target = [ClientSecret];

    fn deref(&self) -> &[ClientSecret] {
        match self {
            Self::One(secret) => slice::from_ref(secret),
            Self::More(secrets) => secrets,
        }
    }
}

impl Deref for Secrets {
    type Target = [ClientSecret];

    fn deref(&self) -> &[ClientSecret] {
        &self.list
    }
}

/// What a dummy costs in place of these, if none needs an external verifier: not more than two of the
/// slowest, which a client has while it rotates, or one with many would make every stranger as dear.
pub(super) fn imitated(secrets: &[ClientSecret]) -> Option<u64> {
    let slowest = secrets.iter().filter_map(ClientSecret::cost).max().unwrap_or_default();
    Some(cost(secrets)?.min(slowest.saturating_mul(2)))
}

/// What comparing with all of them costs, unless something else verifies one.
pub(super) fn cost(secrets: &[ClientSecret]) -> Option<u64> {
    secrets.iter().try_fold(0_u64, |sum, secret| Some(sum.saturating_add(secret.cost()?)))
}

/// Which of several secrets was presented, or why none of them authenticates.
pub(crate) type Verdict = Result<Match, ErrorKind>;

/// A stored secret that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) index: usize,
    /// Whether it was presented raw, where form encoding was expected.
    pub(crate) raw: bool,
}

/// The outcome of comparing several secrets with what was presented. A secret that has expired must be
/// indistinguishable from a wrong one, also by how long the answer takes: all are compared, and there
/// is no branch for the processor to guess that depends on which of them it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Comparison {
    /// The best outcome, as an index into `FAILURES` or `RIGHT`, and in the low half the complement
    /// of the index of the secret: the first one is greatest.
    best: u64,
}

impl Comparison {
    const FAILURES: [ErrorKind; 3] =
        [ErrorKind::WrongSecret, ErrorKind::SecretNotYetValid, ErrorKind::SecretExpired];
    const RIGHT: u64 = 3;

    /// Adds that `secret`, the one at `index`, was compared.
    pub(crate) fn add(&mut self, secret: &ClientSecret, index: usize, matches: bool, now: i64) {
        // RFC 7591 §3.2.1: "time at which the client secret will expire", so at that second it has.
        let expired = (secret.expires_at <= now) & (secret.expires_at != 0);
        let early = (now < secret.not_before) & !expired;
        let rank = Self::RIGHT - u64::from(expired) - 2 * u64::from(early);
        let first = u64::from(u32::MAX).saturating_sub(index as u64);
        // The barrier keeps the compiler from making the product a branch again.
        self.best = self.best.max(u64::from(black_box(matches)) * (rank << 32 | first));
    }

    pub(crate) fn verdict(self) -> Verdict {
        let (rank, first) = (self.best >> 32, self.best & u64::from(u32::MAX));
        if rank == Self::RIGHT {
            return Ok(Match { index: (u64::from(u32::MAX) - first) as usize, raw: false });
        }
        Err(*Self::FAILURES.get(rank as usize).unwrap_or(&ErrorKind::WrongSecret))
    }
}

/// Compares what was presented with every stored secret.
pub(crate) fn verify(secrets: &[ClientSecret], presented: &[u8], now: i64) -> Verdict {
    let mut comparison = Comparison::default();
    for (index, secret) in secrets.iter().enumerate() {
        comparison.add(secret, index, secret.matches(presented), now);
    }
    comparison.verdict()
}

/// What it takes to compare slow secrets.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "argon2"), expect(dead_code, reason = "only hashes need the pool"))]
pub(crate) struct Slow<'a> {
    pub(crate) attempt: Attempt<'a>,
    pub(crate) pool: &'a Pool,
    /// For each verifier of the application.
    pub(crate) timeout: Option<Duration>,
}

/// As [`verify`], where some of the secrets are slow.
///
/// # Errors
///
/// If something failed that has nothing to do with what was presented.
pub(crate) async fn verify_slowly(
    secrets: &[ClientSecret],
    presented: &str,
    now: i64,
    slow: Slow<'_>,
) -> Result<Verdict, Error> {
    #[cfg(feature = "argon2")]
    let mut hashed = verify_hashes(secrets, presented, slow).await?.into_iter();
    #[cfg(not(feature = "argon2"))]
    let mut hashed = std::iter::empty();
    let mut comparison = Comparison::default();
    for (index, secret) in secrets.iter().enumerate() {
        let matches = secret.matches_slowly(presented, &mut hashed, slow.timeout).await?;
        comparison.add(secret, index, matches, now);
    }
    Ok(comparison.verdict())
}

/// One job for all hashes of a client: it waits once in the queue, as an unknown client does.
#[cfg(feature = "argon2")]
async fn verify_hashes(
    secrets: &[ClientSecret],
    presented: &str,
    slow: Slow<'_>,
) -> Result<Vec<bool>, Error> {
    let hashes: Vec<_> = secrets.iter().filter_map(ClientSecret::slow_hash).cloned().collect();
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let cost = hashes.iter().map(|hash| hash.cost()).fold(0, u64::saturating_add);
    let presented = PresentedSecret::new(presented);
    let matches =
        move || hashes.iter().map(|hash| hash.matches(presented.expose().as_bytes())).collect();
    let work = Work::new(Duration::from_nanos(cost), true);
    let attempt = Attempt { cost: slow.attempt.cost.max(cost), ..slow.attempt };
    let matches = slow.pool.run(attempt, &work, matches).await?;
    // Of a known client each is computed.
    matches.ok_or_else(|| ErrorKind::Overloaded.into())
}
