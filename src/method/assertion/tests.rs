//! What a failed assertion costs, counted in verifications.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    federated::{Trusts, trust::Trust},
    *,
};
use crate::{
    clock::Clock,
    iana::AuthMethod,
    isolate::pool::{Attempt, Pool, Work},
    jose::{counted, keys::ClientKeys},
    method::verification::Proof,
    secret::{comparison::Secrets, stored::ClientSecret},
    wire::form::Repeated,
};

const ISSUER: &str = "https://as.example";
const NOW: i64 = 1_900_000_000;
const SECRET: &str = "0123456789-0123456789-0123456789-0123456789-0123456789-0123456789";

/// Each algorithm with the length of its signatures, RSA in the usual sizes and beyond.
const KINDS: [(&str, usize); 18] = [
    ("ES256", 64),
    ("ES384", 96),
    ("ES512", 132),
    ("EdDSA", 64),
    ("PS256", 256),
    ("PS384", 384),
    ("PS512", 512),
    ("RS256", 256),
    ("RS384", 256),
    ("RS512", 256),
    ("RS256", 384),
    ("RS256", 512),
    ("RS256", 640),
    ("PS256", 768),
    ("RS256", 1024),
    ("HS256", 32),
    ("HS384", 48),
    ("HS512", 64),
];

fn settings(assertions: Assertions) -> method::Settings {
    let mut settings = method::Settings {
        assertions: Some(Arc::new(assertions)),
        clock: Clock::fixed(NOW),
        ..method::Settings::default()
    };
    settings.refresh();
    settings
}

fn assertions() -> Assertions {
    Assertions::dangerously_without_replay_protection(ISSUER).unwrap()
}

/// An assertion of `c` with what `sign` makes of its signing input.
fn presented(
    settings: &method::Settings,
    alg: &str,
    kid: Option<&str>,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Box<Credentials>, ErrorKind> {
    let mut header = json!({"alg": alg});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    signed_by(settings, ("c", header), sign)
}

/// An assertion about `c` that `iss` makes, which a request of `c` presents.
fn signed_by(
    settings: &method::Settings,
    (iss, header): (&str, Value),
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Box<Credentials>, ErrorKind> {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let claims = json!({"iss": iss, "sub": "c", "aud": ISSUER, "exp": NOW + 60, "jti": "1"});
    let input = [header, claims].map(|part| encode(part.to_string().as_bytes())).join(".");
    let signature = encode(&sign(input.as_bytes()));
    let body =
        format!("client_assertion_type={TYPE}&client_assertion={input}.{signature}&client_id=c");
    let limits = Limits::new();
    let form = form::scan(body.as_bytes(), &limits, Repeated::Refused).unwrap();
    extract(&form, settings, &limits)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

type Registered<'a> = Result<&'a Registration, ErrorKind>;

/// What comes of it where there is no runtime, and how many verifications that takes.
fn verified(
    settings: &method::Settings,
    presented: &Credentials,
    registered: Registered<'_>,
) -> (Result<Proof, ErrorKind>, usize) {
    let _before = counted::take();
    let pool = Pool::default();
    let verified = pin!(verify(presented, registered, settings, &pool, None));
    let Poll::Ready(result) = poll(verified) else { panic!("it waits for nothing") };
    (result.map_err(|error| error.kind()), counted::take())
}

/// The decoys serve as keys of a client: those for signatures of this length, each under these names.
fn named(alg: &str, length: usize, kids: &[&str]) -> ClientKeys {
    let decoys: Value = serde_json::from_str(include_str!("decoy.json")).unwrap();
    let key = decoys["keys"].as_array().unwrap().iter().find(|key| {
        let set = ClientKeys::from_jwks(&json!({"keys": [key]}).to_string()).unwrap();
        let crate::jose::keys::Source::Registered(set) = set.source() else { return false };
        set.of_size(Algorithm::from_name(alg).unwrap(), length).is_some()
    });
    let named = |kid: &&str| {
        let mut key = key.unwrap().clone();
        key["kid"] = (*kid).into();
        key
    };
    let keys: Vec<Value> = kids.iter().map(named).collect();
    ClientKeys::from_jwks(&json!({"keys": keys}).to_string()).unwrap()
}

fn secrets(texts: &[&str]) -> Registration {
    let secrets = Secrets::new(texts.iter().copied().map(ClientSecret::plain));
    Registration::from_secrets(&AuthMethod::ClientSecretJwt, secrets).unwrap()
}

#[test]
fn failure_costs_one_verification_with_a_kid_and_two_without() {
    let settings = settings(assertions());
    for (alg, length) in KINDS {
        let of_secret = alg.starts_with("HS");
        let other = if alg == "ES256" { ("EdDSA", 64) } else { ("ES256", 64) };
        let mut clients = vec![
            ("unknown", Err(ErrorKind::UnknownClient)),
            ("of another method", Err(ErrorKind::MethodMismatch)),
            ("unusable", Err(ErrorKind::UnusableRegistration)),
        ];
        let private: Vec<(&str, ClientKeys)> = vec![
            ("with a key for another algorithm", named(other.0, other.1, &["a"])),
            ("with keys at an address", ClientKeys::jwks_uri("https://client.example/").unwrap()),
        ];
        let fitting: Vec<(&str, ClientKeys)> = if of_secret {
            Vec::new()
        } else {
            let keys = |kids: &[&str]| named(alg, length, kids);
            vec![
                ("registered for another", keys(&["a"]).signing_alg(other.0).unwrap()),
                ("with a key", keys(&["a"])),
                ("with two keys", keys(&["a", "b"])),
                ("with three keys", keys(&["a", "b", "c"])),
                ("with two keys of one name", keys(&["a", "a"])),
            ]
        };
        let private = private.into_iter().chain(fitting);
        let mut registrations: Vec<(&str, Registration)> =
            private.map(|(name, keys)| (name, Registration::PrivateKey(keys))).collect();
        registrations.push(("with a secret", secrets(&[SECRET])));
        registrations.push(("with two secrets", secrets(&[SECRET, &SECRET[1..]])));
        registrations.push(("with a short secret", secrets(&[&SECRET[..32]])));
        registrations.push(("with a short secret, too", secrets(&[&SECRET[..32], SECRET])));
        clients.extend(registrations.iter().map(|(name, registered)| (*name, Ok(registered))));
        for kid in [None, Some("a"), Some("z")] {
            let presented = presented(&settings, alg, kid, |_| vec![1; length]).unwrap();
            let expected = if kid.is_some() && !of_secret { 1 } else { 2 };
            for (name, registered) in &clients {
                let (result, count) = verified(&settings, &presented, *registered);
                let label = format!("{alg} {length} {kid:?}, a client {name}");
                assert!(result.is_err(), "{label}");
                assert_eq!(count, expected, "{label}: {:?}", result.err());
            }
        }
    }
}

/// They have no `kid`, so any may have made it.
#[test]
fn failure_costs_two_verifications_of_two_keys_in_pem() {
    let settings = settings(assertions());
    let pem = |x: u8| {
        // RFC 8410 §4. The points are on the curve.
        let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
        spki.extend([x; 32]);
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64::prelude::BASE64_STANDARD.encode(spki)
        )
    };
    let points: Vec<String> =
        (2..=250).map(pem).filter(|pem| ClientKeys::from_pem(pem).is_ok()).take(2).collect();
    for (keys, expected) in [(1, 1), (2, 2)] {
        let pem: String = points.iter().take(keys).map(String::as_str).collect();
        let registered = Registration::PrivateKey(ClientKeys::from_pem(&pem).unwrap());
        let presented = presented(&settings, "EdDSA", Some("a"), |_| vec![1; 64]).unwrap();
        let (result, count) = verified(&settings, &presented, Ok(&registered));
        assert!(result.is_err());
        assert_eq!(count, expected, "{keys}");
    }
}

#[test]
fn right_signature_costs_one_verification() {
    let settings = settings(assertions());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let sign = |input: &[u8]| hmac::sign(&key, input).as_ref().to_vec();
    let presented = presented(&settings, "HS256", None, sign).unwrap();
    let (result, count) = verified(&settings, &presented, Ok(&secrets(&[SECRET])));
    assert_eq!((result.map(drop), count), (Ok(()), 1));
}

#[test]
fn signature_that_no_key_could_make_costs_nothing() {
    let settings = settings(assertions());
    for (alg, length) in [("ES256", 63), ("ES512", 64), ("RS256", 255), ("PS512", 1025)] {
        let (_, fits) = KINDS.into_iter().find(|(known, _)| *known == alg).unwrap();
        let registered = Registration::PrivateKey(named(alg, fits, &["a"]));
        let presented = presented(&settings, alg, None, |_| vec![1; length]).unwrap();
        for registered in [Err(ErrorKind::UnknownClient), Ok(&registered)] {
            assert_eq!(verified(&settings, &presented, registered).1, 0, "{alg} {length}");
        }
    }
}

#[test]
fn algorithm_that_no_setting_allows_costs_nothing() {
    let settings = settings(assertions().signing_algs(["EdDSA"]).unwrap());
    let _before = counted::take();
    for (alg, length) in KINDS {
        let presented = presented(&settings, alg, None, |_| vec![1; length]);
        let refused = ErrorKind::Assertion(InvalidAssertion::UnsupportedAlgorithm);
        assert_eq!(presented.err(), (alg != "EdDSA").then_some(refused), "{alg}");
    }
    assert_eq!(counted::take(), 0);
}

#[test]
fn two_keys_of_a_client_that_rotates_are_tried() {
    let settings = settings(assertions());
    let keys: Vec<_> = (0..3).map(|_| Ed25519KeyPair::generate().unwrap()).collect();
    let registered = |keys: &[Ed25519KeyPair]| {
        let jwk = |key: &Ed25519KeyPair| {
            let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
            json!({"kty": "OKP", "crv": "Ed25519", "x": x})
        };
        let jwks = json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()});
        Registration::PrivateKey(ClientKeys::from_jwks(&jwks.to_string()).unwrap())
    };
    let (one, two, three) = (registered(&keys[..1]), registered(&keys[..2]), registered(&keys));
    let ambiguous = Err(ErrorKind::Assertion(InvalidAssertion::AmbiguousKey));
    let wrong = Err(ErrorKind::Assertion(InvalidAssertion::WrongSignature));
    for (signer, registered, expected) in [
        (0, &one, (Ok(()), 1)),
        (0, &two, (Ok(()), 1)),
        (1, &two, (Ok(()), 2)),
        (1, &one, (wrong, 2)),
        (2, &two, (wrong, 2)),
        (0, &three, (ambiguous, 2)),
    ] {
        let sign = |input: &[u8]| keys[signer].sign(input).as_ref().to_vec();
        let presented = presented(&settings, "EdDSA", None, sign).unwrap();
        let (result, count) = verified(&settings, &presented, Ok(registered));
        assert_eq!((result.map(drop), count), expected, "{signer}");
    }
}

/// Whether a verification with this pool, which has one place and no free worker, is computed all the
/// same.
fn is_computed_aside(
    alg: &str,
    kid: Option<&str>,
    length: usize,
    registered: Registered<'_>,
) -> bool {
    let settings = settings(assertions());
    let presented = presented(&settings, alg, kid, |_| vec![1; length]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let pool = Pool::new(1, 0);
        let (finish, wait) = mpsc::channel::<()>();
        let work = Work::new(Duration::from_secs(1), true);
        let attempt = Attempt { client_id: "busy", known: true, cost: 0 };
        let mut held = pin!(pool.run(attempt, &work, move || wait.recv().is_err()));
        assert!(poll(held.as_mut()).is_pending());
        let verified = pin!(verify(&presented, registered, &settings, &pool, None));
        let Poll::Ready(result) = poll(verified) else { panic!("there is no place to wait in") };
        drop(finish);
        held.await.unwrap();
        result.err().unwrap().kind() != ErrorKind::Overloaded
    })
}

#[test]
fn dear_signatures_are_verified_in_the_pool_whether_the_client_is_known_or_not() {
    for (alg, length) in KINDS {
        let dear = matches!(alg, "ES384" | "ES512") || length > 512;
        let known = if alg.starts_with("HS") {
            secrets(&[SECRET])
        } else {
            Registration::PrivateKey(named(alg, length, &["a"]))
        };
        for registered in [Ok(&known), Err(ErrorKind::UnknownClient)] {
            let aside = is_computed_aside(alg, Some("a"), length, registered);
            assert_eq!(aside, !dear, "{alg} {length}");
        }
    }
    // There is nothing to compute.
    assert!(is_computed_aside("ES512", Some("a"), 64, Err(ErrorKind::UnknownClient)));
    // What is dear is the decoy that is computed, and not the key that the signature cannot be of.
    let large = Registration::PrivateKey(named("RS256", 1024, &["a"]));
    assert!(is_computed_aside("RS256", Some("a"), 256, Ok(&large)));
}

#[test]
fn signatures_of_a_key_with_a_long_exponent_are_verified_in_the_pool() {
    // It has no small factor.
    let n = BASE64_URL_SAFE_NO_PAD.encode([&[0xc3][..], &[0xa5; 253], &[0, 0x11]].concat());
    let key = |kid, e| json!({"kty": "RSA", "kid": kid, "n": n, "e": e});
    let keys = json!({"keys": [key("usual", "AQAB"), key("long", "AQAD")]});
    let keys = ClientKeys::from_jwks(&keys.to_string()).unwrap();
    assert_eq!(keys.omitted_keys(), []);
    let registered = Registration::PrivateKey(keys);
    for (kid, dear) in [(Some("usual"), false), (Some("long"), true), (None, true)] {
        assert_eq!(is_computed_aside("RS256", kid, 256, Ok(&registered)), !dear, "{kid:?}");
    }
}

// With known ids strangers would take the places of clients whose signatures these could be.
#[test]
fn signature_of_another_length_takes_the_place_of_a_stranger() {
    let settings = settings(assertions());
    let presented = presented(&settings, "RS256", Some("a"), |_| vec![1; 1024]).unwrap();
    let registered = Registration::PrivateKey(named("RS256", 256, &["a"]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let pool = Pool::new(1, 63);
        let (finish, wait) = mpsc::channel::<()>();
        let work = Work::new(Duration::from_secs(1), true);
        let attempt = Attempt { client_id: "nobody", known: false, cost: 0 };
        let mut stranger = pin!(pool.run(attempt, &work, move || wait.recv().is_err()));
        assert!(poll(stranger.as_mut()).is_pending());
        // There is no timer to wait by.
        let verified = pin!(verify(&presented, Ok(&registered), &settings, &pool, None));
        let Poll::Ready(result) = poll(verified) else { panic!("it waits for a worker") };
        let wrong = ErrorKind::Assertion(InvalidAssertion::WrongSignature);
        assert_eq!(result.err().unwrap().kind(), wrong);
        drop(finish);
    });
}

// It has one key, and whoever knows its id can send that: the second verification is of no key of its own.
#[test]
fn second_verification_for_a_client_with_one_key_takes_the_place_of_a_stranger() {
    let settings = settings(assertions());
    let presented = presented(&settings, "ES512", None, |_| vec![1; 132]).unwrap();
    let registered = Registration::PrivateKey(named("ES512", 132, &["a"]));
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let pool = Pool::new(1, 63);
        // The only thread is busy until all are asked.
        let (begin, busy) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || busy.recv().is_err());
        let mut verified = pin!(verify(&presented, Ok(&registered), &settings, &pool, None));
        assert!(poll(verified.as_mut()).is_pending(), "the first one needs a worker");
        let (finish, wait) = mpsc::channel::<()>();
        let work = Work::new(Duration::from_secs(1), true);
        let attempt = Attempt { client_id: "nobody", known: false, cost: 0 };
        let mut stranger = pin!(pool.run(attempt, &work, move || wait.recv().is_err()));
        assert!(poll(stranger.as_mut()).is_pending());
        drop(begin);
        busy.await.unwrap();
        // Behind the first verification.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        // There is no timer to wait by.
        let Poll::Ready(result) = poll(verified) else { panic!("it waits for a worker") };
        let wrong = ErrorKind::Assertion(InvalidAssertion::WrongSignature);
        assert_eq!(result.err().unwrap().kind(), wrong);
        drop(finish);
        stranger.await.unwrap();
    });
}

// Whoever knows a client could tell by the time whom it trusts.
#[test]
fn federated_failure_costs_one_verification_with_a_kid_and_two_without() {
    let settings = settings(assertions());
    let trust = |issuer: &str, subject: &str, kids: &[&str]| {
        Registration::Federated(
            Trusts::new([Trust::jwt(issuer, subject, named("ES256", 64, kids))]).unwrap(),
        )
    };
    let other_issuer = trust("https://other.example", "c", &["a"]);
    let other_subject = trust("https://platform.example", "d", &["a"]);
    let other_key = trust("https://platform.example", "c", &["z"]);
    let wrong = trust("https://platform.example", "c", &["a"]);
    let own = Registration::PrivateKey(named("ES256", 64, &["a"]));
    let mismatch = ErrorKind::Assertion(InvalidAssertion::IssuerMismatch);
    for kid in [Some("a"), None] {
        let mut header = json!({"alg": "ES256"});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let make = |_: &[u8]| vec![1; 64];
        let token = signed_by(&settings, ("https://platform.example", header), make).unwrap();
        let unknown_key = match kid {
            Some(_) => InvalidAssertion::UnknownKey,
            None => InvalidAssertion::WrongSignature,
        };
        for (registered, expected) in [
            (Err(ErrorKind::UnknownClient), ErrorKind::UnknownClient),
            (Err(ErrorKind::MethodMismatch), ErrorKind::MethodMismatch),
            (Ok(&other_issuer), mismatch),
            (Ok(&other_subject), ErrorKind::Assertion(InvalidAssertion::SubjectMismatch)),
            (Ok(&other_key), ErrorKind::Assertion(unknown_key)),
            (Ok(&wrong), ErrorKind::Assertion(InvalidAssertion::WrongSignature)),
            (Ok(&own), mismatch),
        ] {
            let (result, count) = verified(&settings, &token, registered);
            let expected = (Err(expected), if kid.is_some() { 1 } else { 2 });
            assert_eq!((result.map(drop), count), expected, "{kid:?}");
        }
    }
}
