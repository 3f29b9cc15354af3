#[cfg(feature = "unstable-attestation-x5c")]
mod x5c;

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use http::{HeaderMap, HeaderValue};

use crate::{
    clock::Clock,
    error::{Error, attestation::InvalidAttestation as I, kind::ErrorKind as K},
    iana::AuthMethod,
    jose::{counted, keys::ClientKeys, sign::encode},
    method::{
        self, Registration, State,
        attestation::{Credentials, challenge::Challenges, settings::Attesters},
        verification::Proof,
    },
    replay::MemoryReplayStore,
    secret::stored::ClientSecret,
    wire::limits::Limits,
};

const NOW: i64 = 1_900_000_000;

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn jwk(key: &EcdsaKeyPair) -> String {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, encode(x), encode(y))
}

fn sign(key: &EcdsaKeyPair, typ: &str, claims: &str) -> HeaderValue {
    let header = format!(r#"{{"typ":"{typ}","alg":"ES256"}}"#);
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", encode(signature.as_ref())).parse().unwrap()
}

struct Keys {
    attester: EcdsaKeyPair,
    instance: EcdsaKeyPair,
}

impl Keys {
    fn settings(&self) -> method::Settings {
        let keys = ClientKeys::from_jwk(&jwk(&self.attester)).unwrap();
        let store = MemoryReplayStore::default().clock(Clock::fixed(NOW));
        let attesters = Attesters::new("https://as.example", store).unwrap().trust("a", keys);
        let mut settings = method::Settings { clock: Clock::fixed(NOW), ..Default::default() };
        settings.attestation = Some(Arc::new(attesters));
        settings.refresh();
        settings
    }

    fn presented(
        &self,
        settings: &method::Settings,
        signer: &EcdsaKeyPair,
        prover: &EcdsaKeyPair,
        exp: i64,
    ) -> Credentials {
        let claims =
            format!(r#"{{"sub":"w","exp":{exp},"cnf":{{"jwk":{}}}}}"#, jwk(&self.instance));
        let proof = format!(r#"{{"aud":"https://as.example","jti":"1","iat":{NOW}}}"#);
        let mut headers = HeaderMap::new();
        let attestation = sign(signer, "oauth-client-attestation+jwt", &claims);
        headers.insert("oauth-client-attestation", attestation);
        let proof = sign(prover, "oauth-client-attestation-pop+jwt", &proof);
        headers.insert("oauth-client-attestation-pop", proof);
        let attesters = settings.attestation.as_deref().unwrap();
        super::read(&headers, attesters, &Limits::new()).unwrap()
    }
}

fn verified(
    presented: &Credentials,
    registration: Option<&Registration>,
    settings: &method::Settings,
) -> Result<Proof, Error> {
    let state = State::default();
    run(super::verify(presented, registration, settings, &state, None))
}

/// Nothing here waits for anything.
fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

// R149.
#[test]
fn every_outcome_costs_two_verifications() {
    let keys = Keys { attester: pair(), instance: pair() };
    let attested = |name: &str| Registration::Attestation(super::Registration(name.into()));
    let (known, strange) = (attested("a"), attested("b"));
    let secret =
        Registration::from_secrets(&AuthMethod::ClientSecretBasic, [ClientSecret::plain("s3cr3t")]);
    let (secret, public) = (secret.unwrap(), Registration::None);
    let stranger = pair();
    let (right, wrong) = (&keys.attester, &stranger);
    let later = NOW + 60;
    for (registration, signer, prover, exp, expected) in [
        (Some(&known), right, &keys.instance, later, None),
        (Some(&known), wrong, &keys.instance, later, Some(K::Attestation(I::WrongSignature))),
        (Some(&known), right, wrong, later, Some(K::Attestation(I::WrongProof))),
        (Some(&known), wrong, wrong, later, Some(K::Attestation(I::WrongSignature))),
        (Some(&known), right, &keys.instance, NOW, Some(K::Attestation(I::Stale))),
        (Some(&strange), right, &keys.instance, later, Some(K::UnusableRegistration)),
        (Some(&secret), right, &keys.instance, later, Some(K::MethodMismatch)),
        (Some(&public), right, &keys.instance, later, Some(K::MethodMismatch)),
        (None, right, &keys.instance, later, Some(K::UnknownClient)),
        (None, wrong, wrong, later, Some(K::UnknownClient)),
    ] {
        // Each with a store of its own.
        let settings = keys.settings();
        let presented = keys.presented(&settings, signer, prover, exp);
        counted::take();
        let outcome = verified(&presented, registration, &settings);
        assert_eq!(counted::take(), 2, "{expected:?}");
        assert_eq!(outcome.err().map(|error| error.kind()), expected);
    }
}

#[test]
fn challenge_is_as_it_was_made() {
    let challenges = Challenges::stateless([7; 32]).unwrap();
    let issued = challenges.issue("https://as.example", NOW).unwrap();
    let is_good =
        |challenge: &str, now| challenges.check("https://as.example", challenge, now).is_some();
    assert!(is_good(&issued, NOW) && is_good(&issued, NOW + 299) && is_good(&issued, NOW - 60));
    assert!(!is_good(&issued, NOW + 300) && !is_good(&issued, NOW - 61));
    assert!(!is_good(&issued, i64::MAX) && !is_good(&issued, i64::MIN));
    let mut bytes = issued.clone().into_bytes();
    for place in 0..bytes.len() {
        let right = bytes[place];
        bytes[place] = if right == b'A' { b'B' } else { b'A' };
        assert!(!is_good(std::str::from_utf8(&bytes).unwrap(), NOW), "{place}");
        bytes[place] = right;
    }
    for wrong in ["", &issued[1..], &format!("{issued}A"), &format!("{issued}=")] {
        assert!(!is_good(wrong, NOW), "{wrong}");
    }
}
