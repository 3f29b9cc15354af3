//! What is left to do for an assertion once its client is known.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{
    error::{Error, assertion::InvalidAssertion, kind::ErrorKind},
    fetch::jwks::JwksCache,
    isolate::{
        deadline::Deadline,
        guard::guard,
        meter::{self, Histogram, meter},
        pool::Pool,
    },
    jose::{
        keys::{ClientKeys, Source},
        mac::MacKeys,
        set::{KeySet, NoKey},
    },
    method::{
        self, Proof,
        assertion::{
            Credentials, Registration,
            claims::ReplayClaim,
            fault,
            federated::{self, Federated},
            settings::Assertions,
            signature::{Candidates, Signature},
        },
    },
    replay::DynReplayStore,
    secret::stored::ClientSecret,
};

/// Checks the assertion against what the client is registered with, and what it says against whom the client trusts if
/// somebody else issued it.
///
/// # Errors
///
/// Why the assertion proves nothing, or what failed.
pub(in crate::method) fn verify<'a>(
    presented: &'a Credentials,
    registered: Result<&'a Registration, ErrorKind>,
    settings: &'a method::Settings,
    pool: &'a Pool,
    timeout: Option<Duration>,
) -> Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send + 'a>> {
    let Some(federated) = &presented.federated else {
        return Box::pin(verify_signed(presented, registered, settings, pool, timeout));
    };
    Box::pin(async move {
        let proof = verify_signed(presented, registered, settings, pool, timeout).await;
        let proof = proof.map_err(|error| error.because(|kind| federated.cause_of(kind)))?;
        let now = presented.assertion.now;
        accept(federated, registered, settings, now, timeout).await.map(|()| proof)
    })
}

/// Checks the signature and, unless somebody else issued the assertion, what it says: the signature first, so that
/// nothing is believed before, and the claim on its id last, so that only the client can use it
/// up. Whatever is wrong with the signature, its key or its client costs as many verifications.
///
/// # Errors
///
/// Why the assertion proves nothing, or what failed.
async fn verify_signed(
    presented: &Credentials,
    registered: Result<&Registration, ErrorKind>,
    settings: &method::Settings,
    pool: &Pool,
    timeout: Option<Duration>,
) -> Result<Proof, Error> {
    let method::Settings { assertions, clock, .. } = settings;
    let Some(settings) = assertions else {
        return Err(ErrorKind::MethodNotAccepted.into());
    };
    let assertion = &presented.assertion;
    let fetched;
    let mut source = None;
    let candidates = match registered.and_then(|registered| fitting(presented, registered)) {
        // Nobody is known by this issuer and subject.
        Err(ErrorKind::UnknownClient) if presented.issued().is_some() => {
            Err(InvalidAssertion::IssuerMismatch.into())
        }
        Err(kind) => Err(kind),
        Ok(Fitting::Secrets(secrets, keys)) => Ok(Candidates::Secrets(secrets, keys)),
        Ok(Fitting::Keys(keys)) => match (keys.source(), &settings.remote) {
            (Source::Registered(keys), _) => candidates(presented, keys),
            (Source::Published(uri), Some(remote)) => {
                source = Some((remote, uri));
                fetched = published(remote, uri, assertion.kid.as_deref(), timeout).await?;
                candidates(presented, &fetched)
            }
            (Source::Published(_), None) => Err(ErrorKind::UnusableRegistration),
        },
    };
    let secret = Signature::of(presented).verify(candidates, pool).await?;
    if let Some((remote, uri)) = source {
        remote.proved(uri);
    }
    // What it says is for `accept`.
    if presented.federated.is_some() {
        return Ok(Proof { method: presented.method(), secret });
    }
    let claim = assertion.claim.as_ref().map_err(|invalid| {
        Error::from(*invalid).because(|_kind| fault::after(*invalid, presented.compact()))
    })?;
    // The look-up took its time, and a store may have forgotten what has expired.
    if claim.until <= clock.unix_seconds() {
        return Err(InvalidAssertion::Expired.into());
    }
    use_up(claim, presented.client_id(), settings, timeout).await?;
    Ok(Proof { method: presented.method(), secret })
}

/// What the client is registered with that an assertion of its method is checked by.
enum Fitting<'a> {
    Secrets(&'a [ClientSecret], &'a [MacKeys]),
    Keys(&'a ClientKeys),
}

/// The registration decides about the method and the algorithm (RFC 8725 §3.1), and who may issue the assertion.
fn fitting<'a>(
    presented: &Credentials,
    registered: &'a Registration,
) -> Result<Fitting<'a>, ErrorKind> {
    if presented.method() != registered.method() {
        return Err(ErrorKind::MethodMismatch);
    }
    let (fitting, algorithms) = match registered {
        Registration::Federated(trusts) => {
            let trust = federated::issuer(presented.federated.as_deref(), trusts)?;
            (Fitting::Keys(trust.keys()), trust.keys().algorithms())
        }
        // Somebody else than the client issued it.
        _ if presented.federated.is_some() => return Err(InvalidAssertion::IssuerMismatch.into()),
        Registration::PrivateKey(keys) => (Fitting::Keys(keys), keys.algorithms()),
        Registration::Secret { secrets, keys, algorithms } => {
            (Fitting::Secrets(secrets, keys), *algorithms)
        }
    };
    if algorithms.contains(presented.assertion.algorithm) {
        Ok(fitting)
    } else {
        Err(InvalidAssertion::AlgorithmMismatch.into())
    }
}

/// Whether an assertion whose signature is right says what it should, and nobody has used it.
///
/// # Errors
///
/// Why it proves nothing, or what failed.
async fn accept(
    federated: &Federated,
    registered: Result<&Registration, ErrorKind>,
    settings: &method::Settings,
    now: i64,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let method::Settings { assertions: Some(settings), clock, .. } = settings else {
        return Err(ErrorKind::MethodNotAccepted.into());
    };
    let Ok(Registration::Federated(trusts)) = registered else {
        return Err(InvalidAssertion::IssuerMismatch.into());
    };
    let trust = federated.issued_by(trusts)?;
    let until = federated.validate(trust, settings, now)?;
    if until <= clock.unix_seconds() {
        return Err(InvalidAssertion::Expired.into());
    }
    if trust.reusable {
        return Ok(());
    }
    let jti = federated.id()?;
    let Some(store) = &settings.replay else { return Ok(()) };
    if claimed(&**store, federated.workload(), jti, until, timeout).await? {
        Ok(())
    } else {
        Err(InvalidAssertion::Replayed.into())
    }
}

/// The keys of the client that may have made the signature.
fn candidates<'a>(presented: &Credentials, keys: &'a KeySet) -> Result<Candidates<'a>, ErrorKind> {
    let assertion = &presented.assertion;
    let found = keys.find(assertion.algorithm, assertion.kid.as_deref());
    found.map(|(first, second)| Candidates::Keys(first, second)).map_err(|reason| {
        match reason {
            NoKey::Unknown => InvalidAssertion::UnknownKey,
            NoKey::Ambiguous => InvalidAssertion::AmbiguousKey,
            NoKey::Algorithm => InvalidAssertion::AlgorithmMismatch,
        }
        .into()
    })
}

/// The keys at an address.
///
/// # Errors
///
/// If they could not be had.
pub(in crate::method) async fn published(
    remote: &JwksCache,
    uri: &str,
    kid: Option<&str>,
    timeout: Option<Duration>,
) -> Result<Arc<KeySet>, Error> {
    let has = |keys: &KeySet| kid.map_or(!keys.is_empty(), |kid| keys.has(kid));
    match guard(|| remote.keys(uri, has), Deadline::new(timeout)).await {
        Ok(keys) => keys,
        Err(failure) => Err(Error::with_source(ErrorKind::KeySource, failure.as_str().into())),
    }
}

static CLAIMED: Histogram = meter!("client_auth_replay_claim_duration_seconds", "result" => "new");
static REPLAYED: Histogram =
    meter!("client_auth_replay_claim_duration_seconds", "result" => "replayed");
static UNCLAIMED: Histogram =
    meter!("client_auth_replay_claim_duration_seconds", "result" => "failed");

/// Accepts the assertion unless it was accepted before.
pub(super) async fn use_up(
    claim: &ReplayClaim,
    client_id: &str,
    settings: &Assertions,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let Some(store) = &settings.replay else { return Ok(()) };
    if claimed(&**store, client_id, &claim.jti, claim.until, timeout).await? {
        Ok(())
    } else {
        Err(InvalidAssertion::Replayed.into())
    }
}

/// Whether nobody has claimed it before.
///
/// # Errors
///
/// If the store cannot say.
pub(in crate::method) async fn claimed(
    store: &dyn DynReplayStore,
    of: &str,
    jti: &str,
    until: i64,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    let claim = || store.claim_dyn(of, jti, until);
    let start = meter::start();
    let claimed = guard(claim, Deadline::new(timeout)).await;
    let meter = match &claimed {
        Ok(Ok(true)) => &CLAIMED,
        Ok(Ok(false)) => &REPLAYED,
        Ok(Err(_)) | Err(_) => &UNCLAIMED,
    };
    meter.record_since(start);
    match claimed {
        Ok(Ok(granted)) => Ok(granted),
        Ok(Err(error)) => Err(Error::unless_throttled(ErrorKind::ReplayStore, error)),
        Err(failure) => Err(Error::with_source(ErrorKind::ReplayStore, failure.as_str().into())),
    }
}
