//! The methods that present a secret, or nothing: one comparison, for every client.

use std::time::Duration;

use crate::{
    error::{Error, kind::ErrorKind},
    isolate::pool::{Attempt, Pool},
    method::{Credentials, Proof, Registration, Settings, State, Verification, basic},
    secret::{
        comparison::{self, Verdict},
        stored::ClientSecret,
    },
};

/// An unknown client is checked against a dummy registration for the presented method, so that it
/// takes the same code path as a wrong secret; without a stored secret there is a decoy.
pub(super) fn verify<'a>(
    credentials: &'a Credentials,
    known: Option<&'a Registration>,
    settings: &'a Settings,
    state: &'a State,
    timeout: Option<Duration>,
) -> Verification<'a> {
    let registration = match known {
        Some(registration) => state.decoy.learn(registration),
        None => state.decoy.registration(credentials.method()),
    };
    let secrets = registration.secrets().unwrap_or_else(|| state.decoy.secrets());
    let now = settings.clock.unix_seconds();
    let decide = move |verdict| {
        let proof = decide(credentials, registration, settings, verdict);
        if known.is_some() { proof } else { Err(ErrorKind::UnknownClient) }.map_err(Error::from)
    };
    if secrets.iter().any(ClientSecret::is_slow) {
        return Verification::Pending(Box::pin(async move {
            let attempt = Attempt { client_id: credentials.client_id(), known: known.is_some() };
            compare_slowly(credentials, secrets, now, attempt, &state.pool, timeout)
                .await
                .and_then(decide)
        }));
    }
    Verification::Done(decide(compare(credentials, secrets, now)))
}

/// What authenticates a client that uses the method it is registered for.
#[derive(Clone, Copy)]
pub(super) enum Matching {
    /// Nothing: it is identified.
    Public,
    Secret,
}

fn decide(
    credentials: &Credentials,
    registration: &Registration,
    settings: &Settings,
    verdict: Verdict,
) -> Result<Proof, ErrorKind> {
    match super::matching(credentials, registration, settings)? {
        Matching::Public => Ok(Proof { method: super::Method::None, secret: None }),
        Matching::Secret => {
            verdict.map(|matched| Proof { method: credentials.method(), secret: Some(matched) })
        }
    }
}

/// There is nothing to compare, and so nothing that could match.
const NOTHING: Verdict = Err(ErrorKind::WrongSecret);

fn compare(credentials: &Credentials, secrets: &[ClientSecret], now: i64) -> Verdict {
    match credentials {
        Credentials::Basic(basic) => {
            let verify = |presented: &str| comparison::verify(secrets, presented.as_bytes(), now);
            let decoded = verify(basic.pair().secret());
            match basic.raw_secret() {
                Some(raw) => basic::either(decoded, verify(raw)),
                None => decoded,
            }
        }
        Credentials::Post(post) => {
            comparison::verify(secrets, post.pair().secret().as_bytes(), now)
        }
        _ => NOTHING,
    }
}

/// As [`compare`], where some of the secrets are slow.
///
/// # Errors
///
/// If something failed that has nothing to do with what was presented.
async fn compare_slowly(
    credentials: &Credentials,
    secrets: &[ClientSecret],
    now: i64,
    attempt: Attempt<'_>,
    pool: &Pool,
    timeout: Option<Duration>,
) -> Result<Verdict, Error> {
    let (decoded, raw) = match credentials {
        Credentials::Basic(basic) => (basic.pair().secret(), basic.raw_secret()),
        Credentials::Post(post) => (post.pair().secret(), None),
        _ => return Ok(NOTHING),
    };
    let verify =
        |presented| comparison::verify_slowly(secrets, presented, now, attempt, pool, timeout);
    let decoded = verify(decoded).await?;
    match raw {
        Some(raw) => Ok(basic::either(decoded, verify(raw).await?)),
        None => Ok(decoded),
    }
}
