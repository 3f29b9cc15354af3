//! The signature of an assertion. Whatever is wrong, to find out costs as much: one verification where
//! the assertion names its key by `kid`, and two where it does not, because a client that rotates its
//! keys has two that may fit. What the client has no key for is verified with decoys. Two keys that can have no
//! `kid`, such as those of PEM, are both tried in any case, so that such a client fails at the price of two.

use std::sync::Arc;

use crate::{
    error::{Error, assertion::InvalidAssertion, kind::ErrorKind},
    isolate::{
        meter::{self, Histogram, meter},
        pool::{Attempt, Pool},
    },
    jose::{alg::Algorithm, key::Key, mac::MacKeys},
    method::assertion::{Credentials, decoy},
    secret::{
        comparison::{Comparison, Match},
        stored::ClientSecret,
    },
};

/// What a client may have made a signature with.
pub(super) enum Candidates<'a> {
    Secrets(&'a [ClientSecret], &'a [MacKeys]),
    Keys(&'a Arc<Key>, Option<&'a Arc<Key>>),
}

/// Without a `kid`, or with a secret.
const MOST: usize = 2;

/// A signature, and what is signed.
#[derive(Clone, Copy)]
pub(super) struct Signature<'a> {
    client_id: &'a str,
    algorithm: Algorithm,
    names_key: bool,
    signed: &'a [u8],
    bytes: &'a [u8],
    now: i64,
}

impl<'a> Signature<'a> {
    pub(super) fn of(presented: &'a Credentials) -> Self {
        let assertion = &presented.assertion;
        Self {
            client_id: presented.client_id(),
            algorithm: assertion.algorithm,
            // A secret has no `kid`.
            names_key: assertion.kid.is_some() && !assertion.algorithm.is_symmetric(),
            signed: assertion.signed(presented.compact()),
            bytes: assertion.signature(),
            now: assertion.now,
        }
    }

    /// Succeeds if it is made with one of the candidates, and says which secret it was.
    ///
    /// # Errors
    ///
    /// Why it is not the client's, which is that of `candidates` if there are none, or what failed.
    pub(super) async fn verify(
        self,
        candidates: Result<Candidates<'_>, ErrorKind>,
        pool: &Pool,
    ) -> Result<Option<Match>, Error> {
        let (known, keys, failure) = match candidates {
            Ok(Candidates::Secrets(secrets, macs)) => {
                return Ok(Some(self.verify_mac(secrets, macs)?));
            }
            Ok(Candidates::Keys(first, second)) => {
                (true, [Some(first), second], InvalidAssertion::WrongSignature.into())
            }
            Err(failure) => (false, [None; MOST], failure),
        };
        let [_, second] = &keys;
        let tried = if self.names_key && second.is_none() { 1 } else { MOST };
        let mut keys = keys.into_iter().take(tried);
        let made = if keys.clone().any(|key| self.is_slow(key)) {
            // Boxed, so that the future of all others stays small.
            Box::pin(self.is_made_with(keys, known, pool)).await?
        } else {
            keys.any(|key| verify_one(key, self.algorithm, self.signed, self.bytes))
        };
        if made { Ok(None) } else { Err(failure.into()) }
    }

    /// Whether the signature is as long as those of the key.
    fn fits(&self, key: &Key) -> bool {
        key.signature_length() == self.bytes.len()
    }

    /// Whether a verification takes so long that the async worker must not do it.
    fn is_slow(&self, key: Option<&Arc<Key>>) -> bool {
        key.filter(|key| self.fits(key))
            .or_else(|| decoy::key(self.algorithm, self.bytes))
            .is_some_and(|key| key.is_slow(self.algorithm))
    }

    /// Whether one of the keys made it, found out in the pool.
    async fn is_made_with<'k>(
        self,
        keys: impl Iterator<Item = Option<&'k Arc<Key>>>,
        known: bool,
        pool: &Pool,
    ) -> Result<bool, Error> {
        let algorithm = self.algorithm;
        let (signed, signature) = (Arc::<[u8]>::from(self.signed), Arc::<[u8]>::from(self.bytes));
        for key in keys {
            // A signature that cannot be the client's takes the place of a stranger's.
            let known = known && key.is_some_and(|key| self.fits(key));
            let attempt = Attempt { client_id: self.client_id, known, cost: 0 };
            let (key, signed, signature) = (key.cloned(), signed.clone(), signature.clone());
            let job = move || verify_one(key.as_ref(), algorithm, &signed, &signature);
            // What was not computed is the signature of nobody.
            if pool.run(attempt, decoy::work(algorithm), job).await?.unwrap_or_default() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All secrets are tried, as for the methods that send them.
    ///
    /// # Errors
    ///
    /// Why it is made with none of them.
    fn verify_mac(&self, secrets: &[ClientSecret], macs: &[MacKeys]) -> Result<Match, ErrorKind> {
        let mut comparison = Comparison::default();
        let mut verified = 0;
        for (index, (secret, mac)) in secrets.iter().zip(macs).enumerate() {
            if mac.can(self.algorithm) {
                let matches = mac.verify(self.algorithm, self.signed, self.bytes);
                comparison.add(secret, index, matches, self.now);
                verified += 1;
            }
        }
        let verdict = comparison.verdict();
        if verdict.is_err() {
            for _ in verified..MOST {
                decoy::verify(self.algorithm, self.signed, self.bytes);
            }
        }
        verdict.map_err(|failure| match failure {
            ErrorKind::WrongSecret if verified == 0 => InvalidAssertion::AlgorithmMismatch.into(),
            ErrorKind::WrongSecret => InvalidAssertion::WrongSignature.into(),
            failure => failure,
        })
    }
}

static SIGNATURES: Histogram =
    meter!("client_auth_verification_duration_seconds", "work" => "signature");

/// One verification, also if there is no key or none that the signature could be of.
pub(in crate::method) fn verify_one(
    key: Option<&Arc<Key>>,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
) -> bool {
    let start = meter::start();
    let verified = key.and_then(|key| key.verify(algorithm, signed, signature));
    let verified = verified.unwrap_or_else(|| {
        decoy::verify(algorithm, signed, signature);
        false
    });
    SIGNATURES.record_since(start);
    verified
}
