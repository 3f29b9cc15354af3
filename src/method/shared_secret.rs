//! The methods that present a secret, or nothing: one comparison, for every client.

use std::{hint::black_box, iter, time::Duration};

use crate::{
    error::{Error, kind::ErrorKind},
    isolate::pool::Attempt,
    method::{
        Credentials, Method, Registration, Settings, State, basic,
        verification::{Proof, Verification},
    },
    secret::{
        comparison::{self, Slow, Verdict},
        dummy::Dummy,
        stored::ClientSecret,
    },
};

/// What authenticates a client that uses the method it is registered for.
#[derive(Clone, Copy)]
pub(super) enum Matching<'a> {
    /// Nothing: it is identified.
    Public,
    /// One of these.
    Secret(&'a [ClientSecret]),
}

/// An unknown client and one whose registration does not fit cost as much as the slowest that is
/// known, and so does every other that fails. One that succeeds costs nothing more.
pub(super) fn verify<'a>(
    credentials: &'a Credentials,
    known: Option<&'a Registration>,
    settings: &'a Settings,
    state: &'a State,
    timeout: Option<Duration>,
) -> Verification<'a> {
    // Without a clock nobody gets in, whatever is compared.
    let now = settings.clock.unix_seconds();
    let matching = match known {
        Some(registration) => {
            super::matching(credentials, state.decoy.learn(registration), settings)
        }
        None => Err(ErrorKind::UnknownClient),
    };
    let (secrets, misfit): (&[_], _) = match matching {
        Ok(Matching::Public) => {
            return Verification::done(Ok(Proof { method: Method::None, secret: None }));
        }
        Ok(Matching::Secret(secrets)) => (secrets, None),
        // On the way of a wrong secret, unless that is slow.
        Err(kind) => (state.decoy.dummy().quick(), Some(kind)),
    };
    let (method, presented) = match credentials {
        Credentials::Basic(basic) => {
            (Method::Basic, Presented(basic.pair().secret(), basic.raw_secret()))
        }
        Credentials::Post(post) => (Method::Post, Presented(post.pair().secret(), None)),
        // There is nothing to compare, and so nothing that could match.
        Credentials::None(_)
        | Credentials::Assertion(_)
        | Credentials::MutualTls(_)
        | Credentials::Attestation(_) => {
            let kind = misfit.unwrap_or(ErrorKind::WrongSecret);
            return Verification::done(Err(kind.into()));
        }
    };
    let proof = move |secret| Ok(Proof { method, secret: Some(secret) });
    // A comparison that is quick need not know.
    let slow = || Slow {
        attempt: Attempt {
            client_id: credentials.client_id(),
            known: known.is_some(),
            cost: state.decoy.dummy().hashed(),
        },
        pool: &state.pool,
        timeout,
    };
    if secrets.iter().any(ClientSecret::is_slow) {
        let slow = slow();
        return Verification::Pending(Box::pin(async move {
            match presented.compare_slowly(secrets, now, slow).await? {
                Ok(secret) => proof(secret),
                Err(kind) => {
                    let dummy = state.decoy.dummy();
                    presented.spend_slowly(dummy, dummy.rest(secrets), now, slow).await?;
                    Err(kind.into())
                }
            }
        }));
    }
    let compared = black_box(presented.compare(secrets, now));
    let kind = match misfit.map_or(compared, Err) {
        Ok(secret) => return Verification::done(proof(secret)),
        Err(kind) => kind,
    };
    let dummy = state.decoy.dummy();
    let rest = dummy.rest(secrets);
    if dummy.is_slow(rest) {
        let slow = slow();
        return Verification::Pending(Box::pin(async move {
            presented.spend_slowly(dummy, rest, now, slow).await?;
            Err(kind.into())
        }));
    }
    if rest > 0 {
        presented.forms().for_each(|presented| dummy.spend(presented, rest, now));
    }
    Verification::done(Err(kind.into()))
}

/// A secret, and as it was before form-decoding, if that may be meant.
#[derive(Clone, Copy)]
struct Presented<'a>(&'a str, Option<&'a str>);

impl<'a> Presented<'a> {
    fn forms(self) -> impl Iterator<Item = &'a str> + Send {
        iter::once(self.0).chain(self.1)
    }

    fn compare(self, secrets: &[ClientSecret], now: i64) -> Verdict {
        let verify = |presented: &str| comparison::verify(secrets, presented.as_bytes(), now);
        let decoded = verify(self.0);
        self.1.map_or(decoded, |raw| basic::either(decoded, verify(raw)))
    }

    /// As [`compare`](Self::compare), where some of the secrets are slow.
    ///
    /// # Errors
    ///
    /// If something failed that has nothing to do with what was presented.
    async fn compare_slowly(
        self,
        secrets: &[ClientSecret],
        now: i64,
        slow: Slow<'_>,
    ) -> Result<Verdict, Error> {
        let decoded = comparison::verify_slowly(secrets, self.0, now, slow).await?;
        let Some(raw) = self.1 else { return Ok(decoded) };
        Ok(basic::either(decoded, comparison::verify_slowly(secrets, raw, now, slow).await?))
    }

    /// # Errors
    ///
    /// As [`Dummy::spend_slowly`].
    async fn spend_slowly(
        self,
        dummy: &Dummy,
        rest: u64,
        now: i64,
        slow: Slow<'_>,
    ) -> Result<(), Error> {
        for presented in self.forms() {
            dummy.spend_slowly(presented, rest, now, slow).await?;
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "argon2"))]
mod tests;
