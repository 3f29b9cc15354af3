//! What a failure that was cheap is made as dear with as any other.

#[cfg(feature = "argon2")]
use std::sync::Arc;
use std::{hint::black_box, iter, slice};

use crate::{
    error::Error,
    secret::{
        comparison::{self, Slow},
        stored::ClientSecret,
    },
};
#[cfg(feature = "argon2")]
use crate::{
    isolate::pool::{Attempt, Work},
    secret::presented::PresentedSecret,
};

/// A secret to compare with for the sake of time, and how much time that is to take.
#[derive(Clone)]
pub(crate) struct Dummy {
    secret: ClientSecret,
    /// In nanoseconds, about.
    cost: u64,
    #[cfg(feature = "argon2")]
    work: Work,
}

impl Dummy {
    /// One comparison with `secret`.
    pub(crate) fn new(secret: ClientSecret) -> Self {
        let cost = secret.cost().unwrap_or(u64::MAX);
        Self::of(secret, cost)
    }

    /// As slow as the comparison with a client's `secrets`, if that needs no external verifier.
    pub(crate) fn like(secrets: &[ClientSecret]) -> Option<Self> {
        let cost = comparison::imitated(secrets)?;
        let slowest = secrets.iter().max_by_key(|secret| secret.cost())?;
        Some(Self::of(slowest.decoy_of_same_cost()?, cost))
    }

    fn of(secret: ClientSecret, cost: u64) -> Self {
        Self {
            secret,
            cost,
            #[cfg(feature = "argon2")]
            work: Work::new(std::time::Duration::from_nanos(cost), true),
        }
    }

    pub(crate) const fn cost(&self) -> u64 {
        self.cost
    }

    /// As much of that as is a slow hash: all or nothing.
    pub(crate) const fn hashed(&self) -> u64 {
        #[cfg(feature = "argon2")]
        if self.secret.slow_hash().is_some() {
            return self.cost;
        }
        0
    }

    /// The secret, unless it is slow.
    pub(crate) fn quick(&self) -> &[ClientSecret] {
        if self.secret.is_slow() { &[] } else { slice::from_ref(&self.secret) }
    }

    /// What is left to spend after the comparison with `secrets`. Nothing, if something else verified
    /// them: nobody knows what that takes.
    pub(crate) fn rest(&self, secrets: &[ClientSecret]) -> u64 {
        comparison::cost(secrets).map_or(0, |spent| self.cost.saturating_sub(spent))
    }

    /// Whether it takes more than a moment to spend so much.
    pub(crate) const fn is_slow(&self, cost: u64) -> bool {
        cost > 0 && self.secret.is_slow()
    }

    /// Spends so much, if that is [not slow](Self::is_slow).
    pub(crate) fn spend(&self, presented: &str, cost: u64, now: i64) {
        let one = self.secret.cost().unwrap_or(u64::MAX).max(1);
        for _ in 0..cost.saturating_add(one / 2) / one {
            let secret = slice::from_ref(&self.secret);
            let _wrong = black_box(comparison::verify(secret, presented.as_bytes(), now));
        }
    }

    /// Spends so much. If that is slow, it has the place of an unknown client.
    ///
    /// # Errors
    ///
    /// If there is no place for it, or a verifier of the application failed.
    pub(crate) async fn spend_slowly(
        &self,
        presented: &str,
        cost: u64,
        now: i64,
        slow: Slow<'_>,
    ) -> Result<(), Error> {
        if !self.is_slow(cost) {
            self.spend(presented, cost, now);
            return Ok(());
        }
        #[cfg(feature = "argon2")]
        if let Some(phc) = self.secret.slow_hash() {
            let (phc, presented) = (Arc::clone(phc), PresentedSecret::new(presented));
            let job = move || phc.spend(presented.expose().as_bytes(), cost);
            let cost_of_failure = slow.attempt.cost.max(cost);
            let attempt = Attempt { known: false, cost: cost_of_failure, ..slow.attempt };
            let work = self.work.part(cost, self.cost);
            // What was not computed has taken its time.
            let _computed = slow.pool.run(attempt, &work, job).await?;
            return Ok(());
        }
        self.secret.matches_slowly(presented, &mut iter::empty(), slow.timeout).await?;
        Ok(())
    }
}
