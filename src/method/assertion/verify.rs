//! What is left to do for an assertion once its client is known.

use std::{sync::Arc, time::Duration};

use crate::{
    error::{Error, ErrorKind},
    fetch::jwks::JwksCache,
    isolate::{deadline::Deadline, guard::guard},
    jose::{
        alg::Algorithms,
        keys::{ClientKeys, KeySet, Source},
        mac::MacKeys,
    },
    method::assertion::{decoy, read::Assertion, settings::Assertions},
    secret::{ClientSecret, Findings, Match},
};

/// What a client is registered with, as far as assertions are concerned.
#[derive(Clone, Copy)]
pub(crate) enum Registered<'a> {
    Keys(&'a ClientKeys),
    Secrets(&'a [ClientSecret], &'a [MacKeys]),
}

impl Assertions {
    /// Does all that is left to do for an assertion which `compact` was read as: the signature
    /// first, so that nothing is believed before, and the claim on its id last, so that nobody but
    /// the client can use it up. Exactly one signature is verified, whatever is wrong. The answer
    /// tells which secret was used, if one was.
    ///
    /// # Errors
    ///
    /// Why the assertion proves nothing, or what failed.
    pub(crate) async fn verify(
        &self,
        assertion: &Assertion,
        compact: &str,
        client_id: &str,
        registered: Result<(Registered<'_>, Algorithms), ErrorKind>,
        patience: Option<Duration>,
    ) -> Result<Option<Match>, Error> {
        let signed = assertion.signed(compact);
        let spend = || decoy::verify(assertion.algorithm, signed, assertion.signature());
        let registered = registered.and_then(|(registered, algorithms)| {
            match (algorithms.contains(assertion.algorithm), registered) {
                (false, _) => Err(ErrorKind::AlgorithmMismatch),
                (true, registered) => Ok(registered),
            }
        });
        let proof = match registered {
            Err(kind) => Err(kind),
            Ok(Registered::Secrets(secrets, macs)) => assertion.verify_mac(signed, secrets, macs),
            Ok(Registered::Keys(keys)) => match (keys.source(), &self.remote) {
                (Source::Registered(keys), _) => assertion.verify_signature(signed, keys),
                (Source::Published(uri), Some(remote)) => {
                    let kid = assertion.kid.as_deref();
                    let keys = published(remote, uri, kid, patience).await?;
                    assertion.verify_signature(signed, &keys)
                }
                (Source::Published(_), None) => Err(ErrorKind::UnusableRegistration),
            },
        };
        let matched = match proof {
            Ok(matched) => matched,
            Err(kind) => {
                // The others have cost a verification already.
                if !matches!(
                    kind,
                    ErrorKind::WrongSignature
                        | ErrorKind::SecretExpired
                        | ErrorKind::SecretNotYetValid
                ) {
                    spend();
                }
                return Err(kind.into());
            }
        };
        let ticket = assertion.ticket.as_ref().map_err(|kind| *kind)?;
        if let Some(store) = &self.replay {
            let claim = || store.claim_any(client_id, &ticket.jti, ticket.until);
            match guard(claim, Deadline::new(patience)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Err(ErrorKind::Replayed.into()),
                Ok(Err(error)) => return Err(Error::with_source(ErrorKind::ReplayStore, error)),
                Err(failure) => {
                    return Err(Error::with_source(
                        ErrorKind::ReplayStore,
                        failure.as_str().into(),
                    ));
                }
            }
        }
        Ok(matched)
    }
}

async fn published(
    remote: &JwksCache,
    uri: &str,
    kid: Option<&str>,
    patience: Option<Duration>,
) -> Result<Arc<KeySet>, Error> {
    match guard(|| remote.keys(uri, kid), Deadline::new(patience)).await {
        Ok(keys) => keys.map_err(|error| Error::with_source(ErrorKind::KeySource, error)),
        Err(failure) => Err(Error::with_source(ErrorKind::KeySource, failure.as_str().into())),
    }
}

impl Assertion {
    fn verify_signature(&self, signed: &[u8], keys: &KeySet) -> Result<Option<Match>, ErrorKind> {
        let key = keys.find(self.algorithm, self.kid.as_deref())?;
        match key.verify(signed, self.signature()) {
            Some(true) => Ok(None),
            Some(false) => Err(ErrorKind::WrongSignature),
            None => {
                decoy::verify(self.algorithm, signed, self.signature());
                Err(ErrorKind::WrongSignature)
            }
        }
    }

    /// All secrets are tried, as for the methods that send them.
    fn verify_mac(
        &self,
        signed: &[u8],
        secrets: &[ClientSecret],
        macs: &[MacKeys],
    ) -> Result<Option<Match>, ErrorKind> {
        if !macs.iter().any(|mac| mac.can(self.algorithm)) {
            return Err(ErrorKind::AlgorithmMismatch);
        }
        let mut findings = Findings::default();
        for (index, (secret, mac)) in secrets.iter().zip(macs).enumerate() {
            let matches = mac.verify(self.algorithm, signed, self.signature());
            findings.add(secret, index, matches, self.now);
        }
        findings.verdict().map(Some).map_err(|kind| match kind {
            ErrorKind::WrongSecret => ErrorKind::WrongSignature,
            kind => kind,
        })
    }
}
