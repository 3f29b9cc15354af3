//! What is left to do for an assertion once its client is known.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Error, assertion::InvalidAssertion, kind::ErrorKind},
    fetch::jwks::JwksCache,
    isolate::{deadline::Deadline, guard::guard},
    jose::{
        keys::Source,
        mac::MacKeys,
        set::{KeySet, NoKey},
    },
    method::{
        self, Proof,
        assertion::{
            Credentials, Registration, claims::ReplayClaim, decoy, read::Assertion,
            settings::Assertions,
        },
    },
    secret::{
        comparison::{Comparison, Match},
        stored::ClientSecret,
    },
};

/// Checks the assertion against what the client is registered with: the signature first, so that
/// nothing is believed before, and the claim on its id last, so that only the client can use it
/// up. Exactly one signature is verified, whatever is wrong.
///
/// # Errors
///
/// Why the assertion proves nothing, or what failed.
pub(in crate::method) async fn verify(
    presented: &Credentials,
    registered: Result<&Registration, ErrorKind>,
    settings: &method::Settings,
    timeout: Option<Duration>,
) -> Result<Proof, Error> {
    let method::Settings { assertions, clock, .. } = settings;
    let Some(settings) = assertions else {
        return Err(ErrorKind::MethodNotAccepted.into());
    };
    let (assertion, compact) = (&presented.assertion, presented.compact());
    let signed = assertion.signed(compact);
    let proof = match registered.and_then(|registered| fitting(presented, registered)) {
        Err(kind) => Err(kind),
        Ok(Registration::Secret { secrets, keys, .. }) => {
            assertion.verify_mac(signed, secrets, keys)
        }
        Ok(Registration::PrivateKey(keys)) => match (keys.source(), &settings.remote) {
            (Source::Registered(keys), _) => assertion.verify_signature(signed, keys),
            (Source::Published(uri), Some(remote)) => {
                let kid = assertion.kid.as_deref();
                let keys = published(remote, uri, kid, timeout).await?;
                let proof = assertion.verify_signature(signed, &keys);
                if proof.is_ok() {
                    remote.proved(uri);
                }
                proof
            }
            (Source::Published(_), None) => Err(ErrorKind::UnusableRegistration),
        },
    };
    let secret = match proof {
        Ok(secret) => secret,
        Err(kind) => {
            // The others have cost a verification already.
            if !matches!(
                kind,
                ErrorKind::Assertion(InvalidAssertion::WrongSignature)
                    | ErrorKind::SecretExpired
                    | ErrorKind::SecretNotYetValid
            ) {
                decoy::verify(assertion.algorithm, signed, assertion.signature());
            }
            return Err(kind.into());
        }
    };
    let claim = assertion.claim.as_ref().map_err(|invalid| *invalid)?;
    // The look-up took its time, and a store may have forgotten what has expired.
    if claim.until <= clock.unix_seconds() {
        return Err(InvalidAssertion::Expired.into());
    }
    use_up(claim, presented.client_id(), settings, timeout).await?;
    Ok(Proof { method: presented.method(), secret })
}

/// The registration decides about the method and the algorithm (RFC 8725 §3.1).
fn fitting<'a>(
    presented: &Credentials,
    registered: &'a Registration,
) -> Result<&'a Registration, ErrorKind> {
    if presented.method() != registered.method() {
        return Err(ErrorKind::MethodMismatch);
    }
    if registered.algorithms().contains(presented.assertion.algorithm) {
        Ok(registered)
    } else {
        Err(InvalidAssertion::AlgorithmMismatch.into())
    }
}

async fn published(
    remote: &JwksCache,
    uri: &str,
    kid: Option<&str>,
    timeout: Option<Duration>,
) -> Result<Arc<KeySet>, Error> {
    match guard(|| remote.keys(uri, kid), Deadline::new(timeout)).await {
        Ok(keys) => keys,
        Err(failure) => Err(Error::with_source(ErrorKind::KeySource, failure.as_str().into())),
    }
}

/// Accepts the assertion unless it was accepted before.
async fn use_up(
    claim: &ReplayClaim,
    client_id: &str,
    settings: &Assertions,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let Some(store) = &settings.replay else { return Ok(()) };
    let claim = || store.claim_dyn(client_id, &claim.jti, claim.until);
    match guard(claim, Deadline::new(timeout)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(InvalidAssertion::Replayed.into()),
        Ok(Err(error)) => Err(Error::unless_throttled(ErrorKind::ReplayStore, error)),
        Err(failure) => Err(Error::with_source(ErrorKind::ReplayStore, failure.as_str().into())),
    }
}

impl Assertion {
    fn verify_signature(&self, signed: &[u8], keys: &KeySet) -> Result<Option<Match>, ErrorKind> {
        let (first, second) =
            keys.find(self.algorithm, self.kid.as_deref()).map_err(|reason| match reason {
                NoKey::Unknown => InvalidAssertion::UnknownKey,
                NoKey::Ambiguous => InvalidAssertion::AmbiguousKey,
                NoKey::Algorithm => InvalidAssertion::AlgorithmMismatch,
            })?;
        for key in [Some(first), second].into_iter().flatten() {
            match key.verify(self.algorithm, signed, self.signature()) {
                Some(true) => return Ok(None),
                Some(false) => {}
                None => decoy::verify(self.algorithm, signed, self.signature()),
            }
        }
        Err(InvalidAssertion::WrongSignature.into())
    }

    /// All secrets are tried, as for the methods that send them.
    fn verify_mac(
        &self,
        signed: &[u8],
        secrets: &[ClientSecret],
        macs: &[MacKeys],
    ) -> Result<Option<Match>, ErrorKind> {
        if !macs.iter().any(|mac| mac.can(self.algorithm)) {
            return Err(InvalidAssertion::AlgorithmMismatch.into());
        }
        let mut comparison = Comparison::default();
        for (index, (secret, mac)) in secrets.iter().zip(macs).enumerate() {
            let matches = mac.verify(self.algorithm, signed, self.signature());
            comparison.add(secret, index, matches, self.now);
        }
        comparison.verdict().map(Some).map_err(|kind| match kind {
            ErrorKind::WrongSecret => InvalidAssertion::WrongSignature.into(),
            kind => kind,
        })
    }
}
