//! What is left to do for an attestation once its client is known.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Error, attestation::InvalidAttestation, cause::Cause, kind::ErrorKind},
    isolate::pool::{Attempt, Pool},
    jose::key::Key,
    method::{
        self, Method, State,
        assertion::{decoy, signature::verify_one, verify::claimed},
        attestation::{
            Credentials, MOST_ATTESTERS,
            keys::{Trusted, find},
            read::Token,
            settings::Attesters,
            x5c::Candidates,
        },
        verification::Proof,
    },
};

/// FAPI 2.0 Security Profile §5.3.2.1, as for assertions.
const CLOCK_SKEW: f64 = 60.0;

/// Checks both signatures and then what they sign, so that nothing is believed before. Whatever is wrong with
/// the client, its attester or one of the signatures, it costs two verifications, beside those of certificates that the
/// attestation brings. The claim on the proof comes last, so that only the instance can use it up.
///
/// # Errors
///
/// Why the attestation proves nothing, or what failed.
pub(super) async fn verify(
    presented: &Credentials,
    registration: Option<&method::Registration>,
    settings: &method::Settings,
    state: &State,
    timeout: Option<Duration>,
) -> Result<Proof, Error> {
    let Some(attesters) = settings.attestation.as_deref() else {
        return Err(ErrorKind::MethodNotAccepted.into());
    };
    let proof = match &presented.beside {
        None => Ok(Proof { method: Method::AttestJwt, secret: None }),
        Some(other) => method::verify(other, registration, settings, state, timeout).await,
    };
    // RFC 8725 §3.1: the registration decides, and no header has a say.
    let trusted = match (registration, &presented.beside) {
        (Some(_), Some(_)) if proof.is_ok() => Ok(Trusted::Any),
        (Some(method::Registration::Attestation(registered)), None) => {
            Ok(Trusted::One(&registered.0))
        }
        (Some(method::Registration::Unusable(_)), _) => Err(ErrorKind::UnusableRegistration),
        (Some(_), _) => Err(ErrorKind::MethodMismatch),
        (None, _) => Err(ErrorKind::UnknownClient),
    };
    let client_id = presented.client_id();
    let issued = match &presented.attestation.chain {
        Some(chain) => {
            let issued = &attesters.issued;
            let candidates = match &trusted {
                Ok(Trusted::One(name)) => issued.named(name),
                Ok(Trusted::Any) => issued.all(),
                Err(_) => Candidates::default(),
            };
            let of = (presented.attestation.algorithm, settings.clock.unix_seconds());
            chain.key(candidates, issued, of, client_id, &state.pool).await?
        }
        None => None,
    };
    let (attestation, possession) = (&presented.attestation, &presented.proof);
    let signed = attestation.signed(presented.attestation_text());
    let (mut failure, mut key, mut source) = (None, None, None);
    let mut others = 0;
    let genuine = loop {
        match trusted {
            Err(kind) => failure = Some(kind.into()),
            Ok(trusted) => {
                let found = find(attestation, trusted, issued.clone(), attesters, others, timeout);
                match found.await? {
                    Ok((found, remote)) => (key, source) = (Some(found), remote),
                    Err(_) if others > 0 => break false,
                    Err(error) => failure = Some(error),
                }
            }
        }
        let made = is_made_with(key.as_ref(), attestation, signed, client_id, &state.pool).await?;
        // A signal does not say whose it is, and attesters may have given their keys the same `kid`.
        let is_anybodys = matches!(trusted, Ok(Trusted::Any)) && !matches!(issued, Some(Ok(_)));
        others += 1;
        if made || failure.is_some() || !is_anybodys || others == MOST_ATTESTERS {
            break made;
        }
    };
    // Of an instance that nobody vouches for, it is the signature of a stranger.
    let key = Some(&presented.attested.key);
    let signed = possession.signed(presented.proof_text());
    let pool = &state.pool;
    let proven = is_proven(key, possession, signed, (client_id, genuine), pool).await?;
    // The other method decides who the client is.
    let proof = proof?;
    if let Some(error) = failure {
        return Err(error);
    }
    if !genuine {
        return Err(InvalidAttestation::WrongSignature.into());
    }
    if let Some((remote, uri)) = source {
        remote.proved(&uri);
    }
    if !proven {
        return Err(InvalidAttestation::WrongProof.into());
    }
    let now = settings.clock.unix_seconds();
    let until = judge(presented, attesters, now)?;
    use_up(presented, attesters, until, now, timeout).await?;
    Ok(proof)
}

/// Whether the key made the signature. Without a key a decoy is asked, which did not.
async fn is_made_with(
    key: Option<&Arc<Key>>,
    token: &Token,
    signed: &[u8],
    client_id: &str,
    pool: &Pool,
) -> Result<bool, Error> {
    is_proven(key, token, signed, (client_id, key.is_some()), pool).await
}

/// The same for a client that is known, or not.
async fn is_proven(
    key: Option<&Arc<Key>>,
    token: &Token,
    signed: &[u8],
    (client_id, known): (&str, bool),
    pool: &Pool,
) -> Result<bool, Error> {
    let (algorithm, signature) = (token.algorithm, &*token.signature);
    let fitting = key.filter(|key| key.signature_length() == signature.len());
    let is_slow = fitting
        .or_else(|| decoy::key(algorithm, signature))
        .is_some_and(|key| key.is_slow(algorithm));
    if !is_slow {
        return Ok(verify_one(key, algorithm, signed, signature));
    }
    // A signature that cannot be the client's takes the place of a stranger's.
    let attempt = Attempt { client_id, known: known && fitting.is_some(), cost: 0 };
    let (key, signed, signature) =
        (key.cloned(), Box::<[u8]>::from(signed), Box::<[u8]>::from(signature));
    let job = move || verify_one(key.as_ref(), algorithm, &signed, &signature);
    // Boxed, so that the future of all others stays small.
    let computed = Box::pin(pool.run(attempt, decoy::work(algorithm), job)).await?;
    // What was not computed is the signature of nobody.
    Ok(computed.unwrap_or_default())
}

fn because(invalid: InvalidAttestation, why: &'static &'static str) -> Error {
    Error::from(invalid).because(|_kind| Some(Cause::Advice(why)))
}

fn missing(claim: &'static &'static str) -> Error {
    because(InvalidAttestation::MissingClaim, claim)
}

/// Whether both may say what they say, now. Returns when the proof ceases to be accepted.
fn judge(presented: &Credentials, attesters: &Attesters, now: i64) -> Result<i64, Error> {
    let (attested, proved) = (&presented.attested, &presented.proved);
    let seconds = now as f64;
    let longest = attesters.longest_attestation as f64;
    let exp = attested.exp.ok_or_else(|| missing(&"`exp` of the attestation is missing"))?;
    let is_early = |date: Option<f64>| date.is_some_and(|date| date > seconds + CLOCK_SKEW);
    if is_early(attested.iat) || is_early(attested.nbf) {
        return Err(InvalidAttestation::NotYetValid.into());
    }
    if exp <= seconds {
        return Err(because(InvalidAttestation::Stale, &"`exp` of the attestation is over"));
    }
    if attested.iat.is_some_and(|iat| iat + longest <= seconds) {
        let why = &"`iat` of the attestation is further back than `Attesters::longest_attestation`";
        return Err(because(InvalidAttestation::Stale, why));
    }
    if attested.iat.is_none() && exp > seconds + longest + CLOCK_SKEW {
        return Err(InvalidAttestation::Lifetime.into());
    }
    proved.audience.map_err(|invalid| match invalid {
        InvalidAttestation::MissingClaim => missing(&"`aud` of the proof is missing or empty"),
        other => other.into(),
    })?;
    let iat = proved.iat.ok_or_else(|| missing(&"`iat` of the proof is missing"))?;
    let until = iat + attesters.proof_window as f64;
    // Before -07 proofs expired (RFC 7519 §4.1.4).
    let has_expired = proved.exp.is_some_and(|exp| exp <= seconds);
    if until <= seconds || has_expired || is_early(Some(iat)) || is_early(proved.nbf) {
        return Err(InvalidAttestation::ProofTime.into());
    }
    // Between `now` and little more than an hour later, so nothing is cut off.
    Ok(until.ceil() as i64)
}

/// Accepts the proof, unless it was accepted before, and then its challenge.
async fn use_up(
    presented: &Credentials,
    attesters: &Attesters,
    until: i64,
    now: i64,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let proved = &presented.proved;
    let jti = proved.jti.as_deref().map_err(|invalid| match invalid {
        InvalidAttestation::MissingClaim => missing(&"`jti` of the proof is missing or empty"),
        InvalidAttestation::Malformed => {
            because(*invalid, &"`jti` of the proof has a control character")
        }
        other => Error::from(*other),
    })?;
    let store = &*attesters.replay;
    let challenge = match &attesters.challenges {
        Some(challenges) => {
            let absent = || because(InvalidAttestation::Challenge, &"the proof has no `challenge`");
            let challenge = proved.challenge.as_deref().ok_or_else(absent)?;
            let good = challenges.check(&attesters.issuer, challenge, now).ok_or_else(|| {
                let why = &"the `challenge` is old, or was made with another secret or for another issuer";
                because(InvalidAttestation::Challenge, why)
            })?;
            challenges.once.then_some((challenge, good.until))
        }
        None => None,
    };
    // RFC 9278: two instances of a client may have one `jti`.
    let instance = ["urn:ietf:params:oauth:jwk-thumbprint:sha-256:", presented.instance()];
    if !claimed(store, &instance.concat(), jti, until, timeout).await? {
        return Err(InvalidAttestation::Replayed.into());
    }
    // By itself and not with the instance, which could otherwise hand it on. It comes last: challenges are to be had for
    // nothing, so that only the share of the instance bounds how many it has in the store.
    match challenge {
        Some((challenge, until))
            if !claimed(store, challenge, "attestation_challenge", until, timeout).await? =>
        {
            Err(because(InvalidAttestation::Challenge, &"the `challenge` was used before"))
        }
        _ => Ok(()),
    }
}
