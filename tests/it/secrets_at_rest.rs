//! Secrets that take more than a comparison, rotation, and what a store learns from a secret that
//! was right.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, UNIX_EPOCH},
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientSecret, Clock, Compat, Error,
    ErrorKind as K, RegisteredClient, body::RequestBody, provider::MemoryProvider,
    secret::PresentedSecret,
};

use crate::support::{
    Clients, Harness, Log, NOW, TestRequest, basic_client, failed, plain, post_client,
    public_client, run, stored_client,
};

/// A verifier that counts, and takes one secret.
fn counting(secret: &'static str) -> (ClientSecret, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let secret = ClientSecret::verified_by(move |presented: PresentedSecret| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(presented.expose() == secret))
    });
    (secret, count)
}

fn harness(clients: impl IntoIterator<Item = RegisteredClient<crate::support::App>>) -> Harness {
    Harness::of(MemoryProvider::from_iter(clients))
}

#[test]
fn r53_external_verifier() {
    let (secret, count) = counting("vault-s3cr3t");
    let harness = harness([basic_client("vault", [secret])]);
    let right = TestRequest::form("").basic("vault:vault-s3cr3t");
    assert_eq!(harness.ask(&right), right.accepted("vault", AuthMethod::ClientSecretBasic));
    let wrong = TestRequest::form("").basic("vault:other-s3cr3t");
    assert_eq!(harness.ask(&wrong), failed(K::WrongSecret, "vault"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    // An empty secret is none: the verifier is not asked, because a directory may take it for an
    // anonymous bind.
    let empty = TestRequest::form("").basic("vault:");
    assert_eq!(harness.ask(&empty), failed(K::WrongSecret, "vault"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn r73_failing_verifier_is_503() {
    let failing = ClientSecret::verified_by(|_| async { Err("the vault is sealed".into()) });
    let panicking = ClientSecret::verified_by(|presented: PresentedSecret| async move {
        assert!(presented.expose().is_empty(), "not today");
        Ok(true)
    });
    let early = ClientSecret::verified_by(|presented: PresentedSecret| {
        assert!(presented.expose().is_empty(), "not even a future");
        std::future::ready(Ok(true))
    });
    let harness = harness([
        basic_client("failing", [failing]),
        basic_client("panicking", [panicking]),
        basic_client("early", [early]),
        basic_client("well", [plain("s3cr3t")]),
    ]);
    for client in ["failing", "panicking", "early"] {
        let ask = TestRequest::form("").basic(format!("{client}:s3cr3t"));
        for _ in 0..2 {
            assert_eq!(harness.ask(&ask), failed(K::Verifier, client));
        }
    }
    let ask = TestRequest::form("").basic("well:s3cr3t");
    assert_eq!(harness.ask(&ask), ask.accepted("well", AuthMethod::ClientSecretBasic));
}

// R73, R110: a vault that hangs is an outage, as a store that hangs is one.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn r73_silent_verifier_is_503_at_the_deadline() {
    let deadline = Duration::from_secs(5);
    let after = |time| {
        let secret = ClientSecret::verified_by(move |_| async move {
            tokio::time::sleep(time).await;
            Ok(true)
        });
        harness([basic_client("vault", [secret])])
            .set(|layer| layer.limits(tower_client_auth::Limits::new().provider_deadline(deadline)))
    };
    let ask = TestRequest::form("").basic("vault:s3cr3t");
    let start = tokio::time::Instant::now();
    let answer = after(Duration::MAX).answer(ask.request()).await;
    assert_eq!(answer, failed(K::Verifier, "vault"));
    assert_eq!(start.elapsed().as_secs(), deadline.as_secs());
    let answer = after(deadline / 2).answer(ask.request()).await;
    assert_eq!(answer, ask.accepted("vault", AuthMethod::ClientSecretBasic));
}

// R54, R110: nothing waits for a verifier but the request itself, and with it the verifier ends.
#[test]
fn r54_waiting_verifier_delays_no_other_request() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let waits = ClientSecret::verified_by(move |_| {
        let held = Arc::clone(&held);
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(true)
        }
    });
    let harness =
        harness([basic_client("waits", [waits]), basic_client("quick", [plain("quick-s3cr3t")])]);
    let before = Arc::strong_count(&alive);
    let mut waiting =
        Box::pin(harness.answer(TestRequest::form("").basic("waits:s3cr3t").request()));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(Arc::strong_count(&alive), before + 1);
    harness.observe_nothing();
    let quick = TestRequest::form("").basic("quick:quick-s3cr3t");
    assert_eq!(harness.ask(&quick), quick.accepted("quick", AuthMethod::ClientSecretBasic));
    drop(waiting);
    assert_eq!(Arc::strong_count(&alive), before);
}

// R78. The decoy is compared for every client without a secret of its own.
#[test]
fn r78_unknown_client_costs_one_decoy_verification() {
    for (name, ask) in [
        ("unknown, Basic", TestRequest::form("").basic("nobody:x-s3cr3t")),
        ("unknown, post", TestRequest::form("client_id=nobody&client_secret=x-s3cr3t")),
        ("public with a secret", TestRequest::form("client_id=public&client_secret=x-s3cr3t")),
        ("unusable", TestRequest::form("client_id=pigeon&client_secret=x-s3cr3t")),
        ("secretless", TestRequest::form("client_id=secretless&client_secret=x-s3cr3t")),
        ("wrong method", TestRequest::form("client_id=basic&client_secret=x-s3cr3t")),
    ] {
        // The same verifier everywhere: what is counted is comparisons.
        let (decoy, count) = counting("basic-s3cr3t");
        let harness = harness([
            basic_client("basic", [decoy.clone()]),
            public_client("public"),
            stored_client("pigeon", "carrier_pigeon", []),
            stored_client("secretless", "client_secret_post", []),
        ])
        .set(|layer| layer.decoy(decoy));
        assert_eq!(harness.ask(&ask).status, 401, "{name}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[test]
fn r78_no_presented_secret_costs_no_verification() {
    let (decoy, count) = counting("basic-s3cr3t");
    let harness = harness([basic_client("basic", [decoy.clone()]), public_client("public")])
        .set(|layer| layer.decoy(decoy));
    for client in ["basic", "public", "nobody"] {
        harness.ask(&TestRequest::form(format!("client_id={client}")));
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

// An unknown client must not cost a real one an attempt.
#[test]
fn r78_external_verifier_is_no_decoy() {
    let (secret, count) = counting("vault-s3cr3t");
    let harness = harness([basic_client("vault", [secret])]);
    harness.ask(&TestRequest::form("").basic("vault:vault-s3cr3t"));
    let ask = TestRequest::form("").basic("nobody:vault-s3cr3t");
    assert_eq!(harness.ask(&ask), failed(K::UnknownClient, "nobody"));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

// R55. All are compared, whichever is right, so that time does not tell which.
#[test]
fn r55_every_stored_secret_is_compared() {
    let (first, one) = counting("first-s3cr3t");
    let (second, two) = counting("second-s3cr3t");
    let harness = harness([post_client("rotating", [first, second])]);
    for secret in ["first-s3cr3t", "second-s3cr3t", "third-s3cr3t"] {
        harness.ask(&TestRequest::form(format!("client_id=rotating&client_secret={secret}")));
    }
    assert_eq!((one.load(Ordering::SeqCst), two.load(Ordering::SeqCst)), (3, 3));
}

// R55, R59, R61 hold for slow secrets as for others.
#[test]
fn r61_slow_secret_window_is_checked_last() {
    let (secret, _) = counting("x-s3cr3t");
    let harness = harness([
        basic_client("expired", [secret.clone().expires_at(NOW)]),
        basic_client("living", [secret.clone().expires_at(NOW + 1)]),
        basic_client("early", [secret.not_before(NOW + 1)]),
    ]);
    let ask =
        |client: &str, secret: &str| TestRequest::form("").basic(format!("{client}:{secret}"));
    assert_eq!(harness.ask(&ask("expired", "x-s3cr3t")), failed(K::SecretExpired, "expired"));
    assert_eq!(harness.ask(&ask("expired", "y-s3cr3t")), failed(K::WrongSecret, "expired"));
    assert_eq!(harness.ask(&ask("early", "x-s3cr3t")), failed(K::SecretNotYetValid, "early"));
    assert_eq!(harness.ask(&ask("living", "x-s3cr3t")).status, 200);
}

// R39 with a slow secret: decoded or raw.
#[test]
fn r39_slow_secret_is_also_compared_raw() {
    let (secret, _) = counting("a+b-s3cr3t");
    let clients = || MemoryProvider::from_iter([basic_client("raw", [secret.clone()])]);
    let ask = TestRequest::form("").basic("raw:a+b-s3cr3t");
    assert_eq!(Harness::of(clients()).ask(&ask), failed(K::WrongSecret, "raw"));
    let lenient = Harness::of(clients()).set(|layer| layer.compat(Compat::new().raw_basic()));
    assert_eq!(lenient.ask(&ask), ask.accepted("raw", AuthMethod::ClientSecretBasic));
}

#[test]
fn preset_verifies_slow_secrets() {
    let (secret, _) = counting("vault-s3cr3t");
    let clients: Clients = MemoryProvider::from_iter([post_client("vault", [secret])]);
    let harness = Harness::with(clients, ClientAuthLayer::mcp_python_sdk);
    let right = TestRequest::form("client_id=vault&client_secret=vault-s3cr3t");
    assert_eq!(harness.ask(&right), right.accepted("vault", AuthMethod::ClientSecretPost));
    let wrong = TestRequest::form("client_id=vault&client_secret=other-s3cr3t");
    assert_eq!(harness.ask(&wrong).kind, Some(K::WrongSecret));
}

/// The label that the inner service sees.
pub(crate) fn label(layer: ClientAuthLayer<Clients>, ask: &TestRequest) -> Option<String> {
    let layer = layer.clock(Clock::fixed(NOW));
    let service =
        tower::ServiceBuilder::new().layer(layer).service_fn(|request: Request<RequestBody<_>>| {
            let client = request.extensions().get::<AuthenticatedClient<crate::support::App>>();
            let label = client.and_then(|client| client.secret_label()).map(str::to_owned);
            let mut response = Response::new(http_body_util::Full::<bytes::Bytes>::default());
            response.extensions_mut().insert(label);
            std::future::ready(Ok::<_, Infallible>(response))
        });
    let Ok(response) = run(service.oneshot(ask.request()));
    response.extensions().get::<Option<String>>().cloned().flatten()
}

#[test]
fn label_tells_the_secret_used() {
    let clients = || {
        MemoryProvider::from_iter([
            post_client(
                "rotating",
                [
                    plain("old-s3cr3t").labelled("2026-01"),
                    ClientSecret::sha256_of("new-s3cr3t").labelled("2026-07"),
                    plain("nameless-s3cr3t"),
                ],
            ),
            public_client("public"),
        ])
    };
    let seen = |form: &str| label(ClientAuthLayer::new(clients()), &TestRequest::form(form));
    let old = seen("client_id=rotating&client_secret=old-s3cr3t");
    assert_eq!(old.as_deref(), Some("2026-01"));
    let new = seen("client_id=rotating&client_secret=new-s3cr3t");
    assert_eq!(new.as_deref(), Some("2026-07"));
    assert_eq!(seen("client_id=rotating&client_secret=nameless-s3cr3t"), None);
    assert_eq!(seen("client_id=public"), None);
}

#[test]
fn secret_in_two_windows_is_the_valid_one() {
    let clients = MemoryProvider::from_iter([post_client(
        "renewed",
        [
            plain("same-s3cr3t").expires_at(NOW - 1).labelled("past"),
            plain("same-s3cr3t").labelled("present"),
            plain("same-s3cr3t").not_before(NOW + 1).labelled("future"),
        ],
    )]);
    let seen = label(
        ClientAuthLayer::new(clients),
        &TestRequest::form("client_id=renewed&client_secret=same-s3cr3t"),
    );
    assert_eq!(seen.as_deref(), Some("present"));
}

#[test]
fn on_secret_match_sees_right_secrets_only() {
    let log = Log::default();
    let entries = log.clone();
    let harness = harness([
        basic_client("digest", [ClientSecret::sha256_of("a b-s3cr3t").labelled("sha256")]),
        post_client("plain", [plain("plain-s3cr3t")]),
        post_client("expired", [plain("expired-s3cr3t").expires_at(NOW)]),
        public_client("public"),
    ])
    .set(move |layer| {
        layer.on_secret_match(move |matched| {
            entries.push((
                matched.client_id().to_owned(),
                matched.label().map(str::to_owned),
                matched.presented().expose().to_owned(),
            ));
        })
    });
    for ask in [
        TestRequest::form("").basic("digest:a+b-s3cr3t"),
        TestRequest::form("").basic("digest:wrong-s3cr3t"),
        TestRequest::form("client_id=plain&client_secret=plain-s3cr3t"),
        TestRequest::form("client_id=expired&client_secret=expired-s3cr3t"),
        TestRequest::form("client_id=public"),
        TestRequest::form("client_id=nobody&client_secret=x-s3cr3t"),
    ] {
        harness.ask(&ask);
    }
    assert_eq!(
        log.take(),
        [
            ("digest".into(), Some("sha256".into()), "a b-s3cr3t".to_owned()),
            ("plain".into(), None, "plain-s3cr3t".into()),
        ],
    );
}

// R39: what the hook gets is what matched, not what it would be after decoding.
#[test]
fn on_secret_match_sees_the_matching_form() {
    let log = Log::default();
    let entries = log.clone();
    let harness = harness([basic_client("raw", [plain("a+b-s3cr3t")])]).set(move |layer| {
        layer.compat(Compat::new().raw_basic()).on_secret_match(move |matched| {
            entries.push(matched.presented().expose().to_owned());
        })
    });
    harness.ask(&TestRequest::form("").basic("raw:a+b-s3cr3t"));
    assert_eq!(log.take(), ["a+b-s3cr3t"]);
}

#[test]
fn panicking_hook_does_not_fail_the_request() {
    let harness = harness([post_client("post", [plain("post-s3cr3t")])])
        .set(|layer| layer.on_secret_match(|_| panic!("the store is full")));
    let ask = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    for _ in 0..2 {
        assert_eq!(harness.ask(&ask), ask.accepted("post", AuthMethod::ClientSecretPost));
    }
}

#[cfg(feature = "generate")]
mod generate {
    use std::collections::HashSet;

    use tower_client_auth::secret::GeneratedSecret;

    use super::{AuthMethod, TestRequest, harness, post_client};

    // R56. RFC 6749 §10.10: 128 bits at least, 160 or more better.
    #[test]
    fn rfc6749_10_10_generated_secret_has_256_bits() {
        let secrets: Vec<_> = (0..100).map(|_| GeneratedSecret::new().unwrap()).collect();
        let texts: HashSet<_> = secrets.iter().map(GeneratedSecret::expose).collect();
        assert_eq!(texts.len(), 100);
        for text in texts {
            assert_eq!(text.len(), 43);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
        let secret = &secrets[0];
        let harness = harness([post_client("new", [secret.to_stored()])]);
        let ask = TestRequest::form(format!("client_id=new&client_secret={}", secret.expose()));
        assert_eq!(harness.ask(&ask), ask.accepted("new", AuthMethod::ClientSecretPost));
    }
}

#[cfg(feature = "argon2")]
mod hashes {
    use std::num::NonZeroUsize;

    use tower_client_auth::secret::HashPool;

    use crate::support::Answer;

    use super::{
        AuthMethod, ClientSecret, Context, Future, Harness, K, TestRequest, Waker, basic_client,
        failed, harness, plain,
    };

    /// `slow-s3cr3t` behind each algorithm, with parameters that are cheap enough for a test. Made with
    /// the reference programs: Python's `argon2-cffi` 25.1 and `hashlib`.
    const HASHES: [(&str, &str); 4] = [
        (
            "argon2id",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QuLg$Kutp91nEG2KNHlwtdhHNGIihTk5tzA1hqKKTeUNahMs",
        ),
        (
            "scrypt",
            "$scrypt$ln=4,r=8,p=1$c2FsdCBvZiBhIHRlc3QuLg$xlQY2C8pHXquYxxhvy+wt2hw4DJOLhUT9xAoPq2iMfA",
        ),
        (
            "pbkdf2-sha256",
            "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$pcrUp7eIW1wzpef1ou8QB3TtBxqcmRaMMZkReqGErUA",
        ),
        (
            "pbkdf2-sha512",
            "$pbkdf2-sha512$i=1000,l=64$c2FsdCBvZiBhIHRlc3QuLg$uz6fhVwAntCQerr+1sbBMRz1lD7WYZIRGhF1fwBh3Y0KFcYD1rrTuq538Tr2xDpv+aowr5z4UNHAPfec2mcWfQ",
        ),
    ];

    #[tokio::test]
    async fn r53_phc_strings_of_each_algorithm() {
        for (name, hash) in HASHES {
            let secret = ClientSecret::phc(hash).unwrap();
            assert_eq!(format!("{secret:?}"), "ClientSecret { phc: [redacted] }");
            let harness = harness([basic_client("slow", [secret])]);
            let right = TestRequest::form("").basic("slow:slow-s3cr3t");
            let answer = harness.answer(right.request()).await;
            assert_eq!(answer, right.accepted("slow", AuthMethod::ClientSecretBasic), "{name}");
            for wrong in ["slow:slow-s3cr3T", "slow:", "slow:slow-s3cr3t0"] {
                let answer = harness.answer(TestRequest::form("").basic(wrong).request()).await;
                assert_eq!(answer, failed(K::WrongSecret, "slow"), "{name} {wrong}");
            }
        }
    }

    // bcrypt truncates its input at 72 bytes. The reference programs are those of `HASHES`.
    #[tokio::test]
    async fn r53_long_secret_is_hashed_to_its_end() {
        let secret = format!("slow-s3cr3t-{}", "0123456789".repeat(7));
        assert_eq!(secret.len(), 82);
        for hash in [
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QuLg$VbjsPDheTX15T8Sh7TlLl3nt402OkB+iXeQxxDJMSlo",
            "$scrypt$ln=4,r=8,p=1$c2FsdCBvZiBhIHRlc3QuLg$uLZcMtosc14G87qMub9gPEQdTXiq531QGUnGEhCypG8",
            "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$7eAoJsZ3eaqAuYcUOJCVxrJLPGgFqDXqcwD64h6XMF4",
            "$pbkdf2-sha512$i=1000,l=64$c2FsdCBvZiBhIHRlc3QuLg$703OuoaxTanx/i2+6eSmIKOB6n9rxOKxIBxgJbDn3MAjVEchKbHkXYRVp3QWefKnBO7a+nXdASY14iy/lcvwGw",
        ] {
            let harness = harness([basic_client("slow", [ClientSecret::phc(hash).unwrap()])]);
            let right = TestRequest::form("").basic(format!("slow:{secret}"));
            let answer = harness.answer(right.request()).await;
            assert_eq!(answer, right.accepted("slow", AuthMethod::ClientSecretBasic), "{hash}");
            for wrong in [&secret[..72], &secret[..81], &format!("{}X", &secret[..81])] {
                let ask = TestRequest::form("").basic(format!("slow:{wrong}"));
                let answer = harness.answer(ask.request()).await;
                assert_eq!(answer, failed(K::WrongSecret, "slow"), "{hash} {wrong}");
            }
        }
    }

    #[test]
    fn invalid_phc_is_an_error() {
        for hash in [
            "$argon2id$",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "$argon2id$v=19$m=0,t=0,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$md5$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            // RFC 9106 §3.1: a salt has at least 8 bytes.
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbA$AAAAAAAAAAAAAAAAAAAAAA",
            // The other variants leak their memory accesses, or are weaker (RFC 9106 §4).
            "$argon2i$v=19$m=64,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2d$v=19$m=64,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let error = ClientSecret::phc(hash).map(drop).unwrap_err();
            assert_eq!(
                error.to_string(),
                "not a PHC string of argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512",
                "{hash}",
            );
        }
    }

    /// What tables of other servers hold is tried first, and then the guide is needed.
    #[test]
    fn invalid_phc_says_where_other_hashes_are_explained() {
        let bcrypt = "a hash of bcrypt, which is not a PHC string: `guide::recipes` has a `verified_by` for it";
        let other = "not a PHC string, which begins with `$`: `guide::recipes` rewrites the hashes of Django and Spring";
        for (hash, message) in [
            ("$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZL0yzZkC0wTQ6jh0pG4nQz8lqX4E8K", bcrypt),
            ("$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", bcrypt),
            (
                "pbkdf2_sha256$1000$50ry8iGTKrfwzWuV$Dddd8/75YUXFSRrDrwp2J4kDaYRIQmFIdh+sDe6Wy2E=",
                other,
            ),
            ("{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", other),
            ("slow-s3cr3t", other),
            ("", other),
        ] {
            let error = ClientSecret::phc(hash).map(drop).unwrap_err();
            assert_eq!(error.to_string(), message, "{hash}");
        }
    }

    // One string must not end the program, or keep a worker for hours. Each is just over a limit, or the
    // most that can be asked for; what is just within is parsed, and not computed here.
    #[test]
    fn phc_parameters_are_bounded_in_memory_and_time() {
        const MEMORY: &str = "a hash may ask for at most 1 GiB of memory";
        const PASSES: &str = "argon2id may pass over at most 4 GiB, m * t";
        const LANES: &str = "argon2id may have at most 64 lanes, p";
        const BLOCKS: &str = "scrypt may compute at most 2^25 blocks, N * r * p";
        const ITERATIONS: &str = "PBKDF2 may have at most 10,000,000 iterations, i";
        let parsed = |parameters: &str, hash: &str| {
            ClientSecret::phc(&format!("${parameters}$c2FsdHNhbHQ${hash}")).map(drop)
        };
        let hash = "AAAAAAAAAAAAAAAAAAAAAA";
        for (parameters, limit) in [
            ("argon2id$v=19$m=1048577,t=1,p=1", MEMORY),
            ("argon2id$v=19$m=4294967295,t=4294967295,p=1", MEMORY),
            ("argon2id$v=19$m=1048576,t=5,p=1", PASSES),
            ("argon2id$v=19$m=64,t=65537,p=1", PASSES),
            ("argon2id$v=19$m=64,t=4294967295,p=1", PASSES),
            ("argon2id$v=19$m=1024,t=1,p=65", LANES),
            ("scrypt$ln=20,r=8,p=1", MEMORY),
            ("scrypt$ln=24,r=8,p=1", MEMORY),
            ("scrypt$ln=1,r=8,p=16777216", MEMORY),
            ("scrypt$ln=1,r=8,p=134217727", MEMORY),
            ("scrypt$ln=15,r=8,p=129", BLOCKS),
            ("scrypt$ln=16,r=1,p=1024", BLOCKS),
            ("pbkdf2-sha256$i=10000001,l=16", ITERATIONS),
            ("pbkdf2-sha512$i=4294967295,l=16", ITERATIONS),
        ] {
            let error = parsed(parameters, hash).unwrap_err();
            assert_eq!(error.to_string(), limit, "{parameters}");
        }
        for parameters in [
            "argon2id$v=19$m=1048576,t=4,p=1",
            "argon2id$v=19$m=64,t=65536,p=1",
            "argon2id$v=19$m=1024,t=1,p=64",
            // There is no lower bound: SHA-256 is accepted as well.
            "argon2id$v=19$m=8,t=1,p=1",
            "scrypt$ln=19,r=8,p=8",
            "scrypt$ln=15,r=8,p=128",
            "pbkdf2-sha256$i=10000000,l=16",
        ] {
            assert_eq!(parsed(parameters, hash), Ok(()), "{parameters}");
        }
        // 15 bytes.
        for parameters in
            ["argon2id$v=19$m=64,t=1,p=1", "scrypt$ln=4,r=8,p=1", "pbkdf2-sha256$i=1000,l=15"]
        {
            let error = parsed(parameters, "AAAAAAAAAAAAAAAAAAAA").unwrap_err();
            assert_eq!(error.to_string(), "a hash must have at least 16 bytes");
        }
    }

    /// A runtime whose one blocking thread is taken until the sender is dropped: no hash is computed.
    fn paused() -> (tokio::runtime::Runtime, std::sync::mpsc::Sender<()>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (resume, wait) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || wait.recv().unwrap_err());
        (runtime, resume)
    }

    fn one_worker(queue: usize) -> Harness {
        harness([
            basic_client("slow", [ClientSecret::phc(HASHES[0].1).unwrap()]),
            basic_client("slower", [ClientSecret::phc(HASHES[0].1).unwrap()]),
            basic_client("quick", [plain("quick-s3cr3t")]),
        ])
        .set(|layer| layer.hash_pool(&HashPool::new(NonZeroUsize::MIN, queue)))
    }

    type Waiting<'a> = std::pin::Pin<Box<dyn Future<Output = Answer> + 'a>>;

    /// Sends a request that needs a hash, and polls it once.
    fn slow(harness: &Harness) -> Waiting<'_> {
        hashed(harness, TestRequest::form("").basic("slow:slow-s3cr3t"))
    }

    /// As [`slow`], for another client: one alone has but an eighth of the places.
    fn slower(harness: &Harness) -> Waiting<'_> {
        hashed(harness, TestRequest::form("").basic("slower:slow-s3cr3t"))
    }

    fn hashed(harness: &Harness, ask: TestRequest) -> Waiting<'_> {
        let mut waiting: Waiting<'_> = Box::pin(async move { harness.answer(ask.request()).await });
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        waiting
    }

    // R54: nothing but the request itself waits for its hash.
    #[test]
    fn r54_hash_delays_no_other_request() {
        let (runtime, resume) = paused();
        let harness = one_worker(8);
        runtime.block_on(async {
            let waiting = slow(&harness);
            harness.observe_nothing();
            let quick = TestRequest::form("").basic("quick:quick-s3cr3t");
            let answer = harness.answer(quick.request()).await;
            assert_eq!(answer, quick.accepted("quick", AuthMethod::ClientSecretBasic));
            drop(resume);
            assert_eq!(waiting.await.status, 200);
        });
    }

    // R54: the queue is bounded, and what is dropped leaves it.
    #[test]
    fn r54_full_queue_is_503_with_retry_after() {
        let (runtime, resume) = paused();
        let harness = one_worker(1);
        runtime.block_on(async {
            let computing = slow(&harness);
            let queued = slower(&harness);
            harness.observe_nothing();
            // Known or not, right or wrong: the answer does not tell.
            let full = async || {
                for client in ["slow", "nobody"] {
                    for secret in ["slow-s3cr3t", "wrong-s3cr3t"] {
                        let ask = TestRequest::form("").basic(format!("{client}:{secret}"));
                        let answer = harness.answer(ask.request()).await;
                        assert_eq!(answer, failed(K::Overloaded, client));
                        assert!(answer.headers.contains(&("retry-after".into(), "1".into())));
                    }
                }
            };
            full().await;
            drop(queued);
            let queued = slower(&harness);
            harness.observe_nothing();
            full().await;
            drop(resume);
            assert_eq!(computing.await.status, 200);
            assert_eq!(queued.await.status, 200);
        });
    }

    // Whoever makes up ids takes a quarter of the pool, and not the clients' part of it.
    #[test]
    fn flood_of_made_up_ids_keeps_no_client_out() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let harness = harness([basic_client("slow", [ClientSecret::phc(HASHES[0].1).unwrap()])]);
        let made_up = |number| TestRequest::form("").basic(format!("nobody{number}:x-s3cr3t"));
        runtime.block_on(async {
            // The layer learns what an unknown client is compared with.
            harness.answer(TestRequest::form("").basic("slow:x-s3cr3t").request()).await;
            let (resume, wait) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || wait.recv().unwrap_err());
            let mut flood: Vec<_> =
                (0..600).map(|number| hashed(&harness, made_up(number))).collect();
            let mut clients = Vec::new();
            for number in 600..605 {
                clients.push(slow(&harness));
                flood.push(hashed(&harness, made_up(number)));
            }
            harness.observe_nothing();
            drop(resume);
            // In the order of the queue, because nothing else polls them.
            for made_up in flood {
                assert_eq!(made_up.await.kind, Some(K::UnknownClient));
            }
            for client in clients {
                assert_eq!(client.await.status, 200);
            }
        });
    }

    // R78. Without any setting: an unknown client waits for a hash as a known one does.
    #[test]
    fn r78_decoy_has_the_kind_of_the_store() {
        let (runtime, resume) = paused();
        let harness = one_worker(8);
        runtime.block_on(async {
            let known = slow(&harness);
            let unknown = hashed(&harness, TestRequest::form("").basic("nobody:slow-s3cr3t"));
            drop(resume);
            assert_eq!(known.await.status, 200);
            // Right for the client that the decoy was learned from, and for no other.
            let answer = unknown.await;
            assert_eq!((answer.status, answer.kind), (401, Some(K::UnknownClient)));
        });
    }

    #[test]
    fn r73_hash_without_a_runtime_is_503() {
        let harness = one_worker(1);
        let ask = TestRequest::form("").basic("slow:slow-s3cr3t");
        assert_eq!(harness.ask(&ask), failed(K::Verifier, "slow"));
    }
}

/// `printf %s gX9kWZ2c6qyVbDmC5rN1uA | sha256sum`.
const DIGITS: &str = "00af03a13bfd020999b603d45b0c7b3acb32d184472e4fe2b995650ac0fb4fca";

#[test]
fn digest_is_read_from_hexadecimal_digits() {
    let secret = "gX9kWZ2c6qyVbDmC5rN1uA";
    for digits in [DIGITS.to_owned(), DIGITS.to_uppercase()] {
        let secret_at_rest = ClientSecret::sha256_hex(&digits).unwrap();
        let harness = harness([basic_client("batch", [secret_at_rest])]);
        let right = TestRequest::form("a=b").basic(format!("batch:{secret}"));
        assert_eq!(harness.ask(&right), right.accepted("batch", AuthMethod::ClientSecretBasic));
        let wrong = TestRequest::form("a=b").basic(format!("batch:{secret}x"));
        assert_eq!(harness.ask(&wrong).kind, Some(K::WrongSecret));
    }
    for other in ["", "0", &DIGITS[1..], &format!("{DIGITS}0"), &format!("{DIGITS} "), "0x"] {
        assert!(ClientSecret::sha256_hex(other).is_err(), "{other}");
    }
    for wrong in ['g', '+', ' ', 'é', '\0'] {
        let other = format!("{wrong}{}", &DIGITS[wrong.len_utf8()..]);
        let error = ClientSecret::sha256_hex(&other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a SHA-256 digest has 64 hexadecimal digits, and nothing else"
        );
    }
}

#[test]
fn system_time_is_a_time_like_any() {
    let at = |seconds: i64, nanos: u64| {
        let since = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since };
        time + Duration::from_nanos(nanos)
    };
    let kind = |secret: ClientSecret| {
        harness([basic_client("batch", [secret])])
            .ask(&TestRequest::form("a=b").basic("batch:s3cr3t-s3cr3t"))
            .kind
    };
    let secret = || plain("s3cr3t-s3cr3t");
    for (end, expected) in [
        (at(NOW, 0), Some(K::SecretExpired)),
        // Rather a moment too early than too late.
        (at(NOW, 999_999_999), Some(K::SecretExpired)),
        (at(NOW + 1, 0), None),
        // None of them means never.
        (at(0, 0), Some(K::SecretExpired)),
        (at(0, 5), Some(K::SecretExpired)),
        (at(-5, 0), Some(K::SecretExpired)),
        (at(-(1 << 40), 0), Some(K::SecretExpired)),
        (at(1 << 40, 0), None),
    ] {
        assert_eq!(kind(secret().expires_at(end)), expected, "{end:?}");
    }
    for (begin, expected) in [
        (at(NOW, 0), None),
        (at(NOW, 1), Some(K::SecretNotYetValid)),
        (at(NOW + 1, 0), Some(K::SecretNotYetValid)),
        (at(0, 0), None),
        (at(-5, 0), None),
        (at(-(1 << 40), 0), None),
    ] {
        assert_eq!(kind(secret().not_before(begin)), expected, "{begin:?}");
    }
}

/// What a person does who rotates the secret of one client of a file, while requests are served.
#[test]
fn client_in_memory_gets_new_secrets_and_stays_as_it_is() {
    let json = br#"[
        {"client_id": "batch", "client_secret": "old-s3cr3t", "token_endpoint_auth_method": "client_secret_post"},
        {"client_id": "mac", "client_secret": "0123456789-0123456789-0123456789-0123456789-0123456789-0123456789",
         "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS512"},
        {"client_id": "cli", "token_endpoint_auth_method": "none"},
        {"client_id": "odd", "token_endpoint_auth_method": "carrier_pigeon"}
    ]"#;
    let (clients, _) = MemoryProvider::from_json(json).unwrap();
    let clients = Arc::new(clients);
    let layer = ClientAuthLayer::new(Arc::clone(&clients)).clock(Clock::fixed(NOW));
    let service = layer.layer(service_fn(async |_: Request<RequestBody<_>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let ask = |secret: &str| {
        let request = TestRequest::form(format!("client_id=batch&client_secret={secret}"));
        let response = run(service.clone().oneshot(request.request())).unwrap();
        response.extensions().get::<Error>().map(Error::kind)
    };
    let client = clients.get("batch").unwrap();
    let old = client.secrets().iter().map(|old| old.clone().expires_at(NOW + 1));
    clients.insert(client.with_secrets(old.chain([plain("new-s3cr3t")])).unwrap());
    assert_eq!([ask("old-s3cr3t"), ask("new-s3cr3t")], [None, None]);
    let old = client.secrets().iter().map(|old| old.clone().expires_at(NOW));
    clients.insert(client.with_secrets(old.chain([plain("new-s3cr3t")])).unwrap());
    assert_eq!([ask("old-s3cr3t"), ask("new-s3cr3t")], [Some(K::SecretExpired), None]);
    assert_eq!(clients.get("batch").unwrap().client().client_id, "batch");

    let error = |client_id: &str, secrets: Vec<ClientSecret>| {
        let changed = clients.get(client_id).unwrap().with_secrets(secrets);
        changed.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |client_id: &str, reason: &str| Err(format!("client {client_id:?}: {reason}"));
    let none = "`client_secret_post` needs a secret and none is stored";
    assert_eq!(error("batch", vec![]), refused("batch", none));
    assert_eq!(error("batch", vec![plain("")]), refused("batch", none));
    let contradiction = "`none` contradicts a stored secret";
    assert_eq!(error("cli", vec![plain("s3cr3t")]), refused("cli", contradiction));
    assert_eq!(clients.get("cli").unwrap().secrets().len(), 0);
    let unknown = "`token_endpoint_auth_method` names no known method";
    assert_eq!(error("odd", vec![plain("s3cr3t")]), refused("odd", unknown));
    // It was registered for HS512 alone.
    #[cfg(feature = "jwt")]
    {
        let short = plain(&"s3cr3t".repeat(8));
        let reason = "the secret is shorter than the hash of the signing algorithm";
        assert_eq!(error("mac", vec![short]), refused("mac", reason));
        assert_eq!(error("mac", vec![plain(&"s3cr3t".repeat(12))]), Ok(()));
    }
}
