//! RFC 7523, RFC 7521 and RFC 10070: client authentication with assertions.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, ClientMetadata, Clock, ConfigError, ErrorKind,
    RegisteredClient,
    assertion::{Assertions, ClientKeys, InvalidAssertion},
    provider::{MemoryProvider, provider_fn},
    replay::{MemoryReplayStore, ReplayStore},
};

use crate::{
    jose::{ISSUER, Key, TYPE, base64url, claims, compact, ed, form, jwks, rsa, sign, with},
    secrets_at_rest::label,
    support::{
        Answer, App, CHALLENGE, Clients, Harness, Log, MARK, NOW, Recorder, TestLayer, TestRequest,
        app, clients, failed, plain, refused, run,
    },
};

const SECRET: &str = "s3cr3t-0123456789-0123456789-0123456789-0123456789-0123456789-01234";

fn store() -> MemoryReplayStore {
    MemoryReplayStore::default().clock(Clock::fixed(NOW))
}

fn settings() -> Assertions {
    Assertions::new(ISSUER, store()).unwrap()
}

/// For tests that use one assertion several times.
fn unprotected() -> Assertions {
    Assertions::dangerously_without_replay_protection(ISSUER).unwrap()
}

fn key_client(client_id: &str, jwks: &str) -> RegisteredClient<App> {
    RegisteredClient::private_key_jwt(
        client_id,
        ClientKeys::from_jwks(jwks).unwrap(),
        app(client_id),
    )
}

fn secret_client(client_id: &str, secret: &str) -> RegisteredClient<App> {
    RegisteredClient::client_secret_jwt(client_id, [plain(secret)], app(client_id)).unwrap()
}

fn registered() -> Clients {
    let clients = clients();
    for client in [
        key_client("ed", &jwks([ed().jwk()])),
        key_client("rsa", &jwks([rsa().jwk()])),
        secret_client("mac", SECRET),
    ] {
        clients.insert(client);
    }
    clients
}

fn harness_of(clients: Clients, settings: Assertions) -> Harness {
    Harness::of(clients).set(|layer| layer.assertions(settings))
}

fn harness() -> Harness {
    harness_of(registered(), settings())
}

/// What comes of an assertion that is otherwise right.
fn kind(harness: &Harness, assertion: &str) -> Option<ErrorKind> {
    kind_of(&harness.ask(&TestRequest::form(form(assertion))))
}

fn kind_of(answer: &Answer) -> Option<ErrorKind> {
    assert_eq!(answer.calls.len(), usize::from(answer.kind.is_none()), "{answer:?}");
    if let Some(kind) = answer.kind {
        let same = Answer { lookups: answer.lookups.clone(), ..refused(kind) };
        assert_eq!(answer, &same);
    }
    answer.kind
}

/// Claims of `ed` that differ in these members; `null` takes one away.
fn changed(changes: Value) -> Value {
    let mut claims = claims("ed");
    for (name, value) in changes.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// Each with a layer of its own, so that the `jti` does not matter.
fn verdict(settings: &Assertions, changes: Value) -> Option<ErrorKind> {
    let harness = harness_of(registered(), settings.clone());
    kind(&harness, &sign(ed(), "EdDSA", &changed(changes)))
}

// R81.
#[test]
fn rfc7521_4_2_assertion_needs_both_parameters() {
    let assertion = sign(ed(), "EdDSA", &claims("ed"));
    let right = TestRequest::form(form(&assertion));
    assert_eq!(harness().ask(&right), right.accepted("ed", AuthMethod::PrivateKeyJwt));
    let escaped = TYPE.replace(':', "%3A");
    let right = TestRequest::form(format!(
        "client_assertion={}&client_assertion_type={escaped}",
        assertion.replace('.', "%2E")
    ));
    assert_eq!(harness().ask(&right), right.accepted("ed", AuthMethod::PrivateKeyJwt));

    for (body, kind) in [
        (
            format!("client_assertion={assertion}"),
            ErrorKind::Assertion(InvalidAssertion::Incomplete),
        ),
        (
            format!("client_assertion_type={TYPE}"),
            ErrorKind::Assertion(InvalidAssertion::Incomplete),
        ),
        (
            format!("client_assertion_type={TYPE}&client_assertion="),
            ErrorKind::Assertion(InvalidAssertion::Incomplete),
        ),
        (
            format!(
                "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer&client_assertion={assertion}"
            ),
            ErrorKind::Assertion(InvalidAssertion::UnknownType),
        ),
        (
            format!("client_assertion_type={}&client_assertion={assertion}", TYPE.to_uppercase()),
            ErrorKind::Assertion(InvalidAssertion::UnknownType),
        ),
        (
            format!("client_assertion_type=%zz&client_assertion={assertion}"),
            ErrorKind::Assertion(InvalidAssertion::UnknownType),
        ),
        (
            format!("{}&client_assertion={assertion}", form(&assertion)),
            ErrorKind::RepeatedParameter,
        ),
        (
            format!("{}&client%5Fassertion_type={TYPE}", form(&assertion)),
            ErrorKind::RepeatedParameter,
        ),
    ] {
        assert_eq!(harness().ask(&TestRequest::form(&body)), refused(kind), "{body}");
    }
}

// R18, R19, R81.
#[test]
fn rfc6749_2_3_assertion_beside_another_method() {
    let body = form(&sign(ed(), "EdDSA", &claims("ed")));
    for ask in [
        TestRequest::form(&body).basic("basic:basic-s3cr3t"),
        TestRequest::form(&body).basic("ed:x"),
        TestRequest::form(&body).authorization("Bearer x"),
        TestRequest::form(format!("{body}&client_secret=post-s3cr3t")),
        TestRequest::form(format!("{body}&client_id=post&client_secret=post-s3cr3t")),
        TestRequest::form("client_assertion=x&client_id=post&client_secret=post-s3cr3t"),
    ] {
        assert_eq!(harness().ask(&ask), refused(ErrorKind::MultipleMethods));
    }
}

// R82.
#[test]
fn rfc7523_3_iss_sub_and_client_id_agree() {
    let assertion = sign(ed(), "EdDSA", &claims("ed"));
    let ask = TestRequest::form(format!("{}&client_id=ed", form(&assertion)));
    assert_eq!(harness().ask(&ask), ask.accepted("ed", AuthMethod::PrivateKeyJwt));
    for other in ["post", "ED", "ed%20", "ed%00"] {
        let answer =
            harness().ask(&TestRequest::form(format!("{}&client_id={other}", form(&assertion))));
        let kind = match other {
            "ed%00" => ErrorKind::MalformedParameter,
            _ => ErrorKind::ClientIdMismatch,
        };
        assert_eq!(answer, refused(kind), "{other}");
    }
    let verdict = |changes| verdict(&settings(), changes);
    assert_eq!(
        verdict(json!({"iss": "rsa"})),
        Some(ErrorKind::Assertion(InvalidAssertion::IssuerMismatch))
    );
    assert_eq!(
        verdict(json!({"iss": "ED"})),
        Some(ErrorKind::Assertion(InvalidAssertion::IssuerMismatch))
    );
    assert_eq!(
        verdict(json!({"iss": ISSUER})),
        Some(ErrorKind::Assertion(InvalidAssertion::IssuerMismatch))
    );
    assert_eq!(
        verdict(json!({"iss": null})),
        Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim))
    );
    assert_eq!(
        verdict(json!({"sub": null})),
        Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim))
    );
    assert_eq!(
        verdict(json!({"sub": ""})),
        Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim))
    );
    assert_eq!(
        verdict(json!({"sub": "e\u{0}d"})),
        Some(ErrorKind::Assertion(InvalidAssertion::Malformed))
    );
    // The key of `ed` signs for another client.
    assert_eq!(
        verdict(json!({"sub": "rsa", "iss": "rsa"})),
        Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))
    );
    for member in ["iss", "sub", "jti"] {
        for value in [json!(1), json!(["ed"]), json!({}), json!(true)] {
            let mut changes = json!({});
            changes[member] = value;
            assert_eq!(
                verdict(changes),
                Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
                "{member}"
            );
        }
    }
}

// R83, CVE-2025-27370, CVE-2025-27371.
#[test]
fn rfc10070_4_issuer_is_the_sole_audience() {
    let endpoint = "https://as.example/token";
    let cases = [
        (json!(ISSUER), [None, None, None]),
        (
            json!([ISSUER]),
            [None, Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)), None],
        ),
        (
            json!(endpoint),
            [
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                None,
            ],
        ),
        (
            json!([ISSUER, endpoint]),
            [
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                None,
            ],
        ),
        (
            json!([ISSUER, ISSUER]),
            [
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
                None,
            ],
        ),
        (
            json!([ISSUER, "https://other.example"]),
            [Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)); 3],
        ),
        (
            json!("https://as.example/"),
            [Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)); 3],
        ),
        (
            json!("https://AS.example"),
            [Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)); 3],
        ),
        (
            json!("https://other.example"),
            [Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)); 3],
        ),
        (json!(""), [Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)); 3]),
        (Value::Null, [Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim)); 3]),
        (json!([1]), [Some(ErrorKind::Assertion(InvalidAssertion::Malformed)); 3]),
        (json!([[ISSUER]]), [Some(ErrorKind::Assertion(InvalidAssertion::Malformed)); 3]),
        (json!({"aud": ISSUER}), [Some(ErrorKind::Assertion(InvalidAssertion::Malformed)); 3]),
    ];
    let modes = [
        unprotected(),
        unprotected().string_audience(),
        unprotected().legacy_audiences([endpoint]),
    ];
    for (aud, expected) in cases {
        for (settings, expected) in modes.iter().zip(expected) {
            assert_eq!(verdict(settings, json!({"aud": aud})), expected, "{aud} {settings:?}");
        }
    }
    let empty = [
        Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim)),
        Some(ErrorKind::Assertion(InvalidAssertion::WrongAudience)),
    ];
    assert_eq!(modes.map(|mode| verdict(&mode, json!({"aud": []})))[..2], empty);
}

// R116.
#[test]
fn rfc7523_3_audience_ignores_the_request() {
    let evil = "https://evil.example";
    let claims = changed(json!({"aud": evil}));
    let ask = TestRequest::form(form(&sign(ed(), "EdDSA", &claims)))
        .uri("https://evil.example/token")
        .with("host", "evil.example")
        .with("x-forwarded-host", "evil.example")
        .with("forwarded", "host=evil.example;proto=https");
    assert_eq!(
        harness().ask(&ask),
        failed(ErrorKind::Assertion(InvalidAssertion::WrongAudience), "ed")
    );
}

// R84.
#[test]
fn rfc7523_3_times_are_checked() {
    let hour = settings().longest_lifetime(Duration::from_secs(3600)).unwrap();
    let verdict = |changes| verdict(&settings(), changes);
    let cases = [
        (json!({"exp": NOW}), Some(ErrorKind::Assertion(InvalidAssertion::Expired))),
        (json!({"exp": NOW - 300}), Some(ErrorKind::Assertion(InvalidAssertion::Expired))),
        (json!({"exp": -1}), Some(ErrorKind::Assertion(InvalidAssertion::Expired))),
        (json!({"exp": 0}), Some(ErrorKind::Assertion(InvalidAssertion::Expired))),
        (json!({"exp": NOW + 1}), None),
        (json!({"exp": NOW as f64 + 0.5}), None),
        (json!({"exp": NOW + 300}), None),
        (json!({"exp": NOW + 360}), None),
        (
            json!({"exp": NOW as f64 + 360.5}),
            Some(ErrorKind::Assertion(InvalidAssertion::Lifetime)),
        ),
        (json!({"exp": NOW + 361}), Some(ErrorKind::Assertion(InvalidAssertion::Lifetime))),
        (json!({"exp": i64::MAX}), Some(ErrorKind::Assertion(InvalidAssertion::Lifetime))),
        (json!({"exp": u64::MAX}), Some(ErrorKind::Assertion(InvalidAssertion::Lifetime))),
        (json!({"exp": 1e300}), Some(ErrorKind::Assertion(InvalidAssertion::Lifetime))),
        (json!({"exp": null}), Some(ErrorKind::Assertion(InvalidAssertion::MissingClaim))),
        (json!({"exp": "1900000060"}), Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        (json!({"exp": [NOW + 60]}), Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        (json!({"nbf": NOW - 1_000_000}), None),
        (json!({"nbf": NOW}), None),
        (json!({"nbf": NOW + 10}), None),
        (json!({"nbf": NOW + 61}), Some(ErrorKind::Assertion(InvalidAssertion::NotYetValid))),
        (json!({"iat": NOW - 1_000_000}), None),
        (json!({"iat": NOW + 10}), None),
        (json!({"iat": NOW as f64 + 10.25}), None),
        (json!({"iat": NOW + 61}), Some(ErrorKind::Assertion(InvalidAssertion::NotYetValid))),
        (json!({"iat": u64::MAX}), Some(ErrorKind::Assertion(InvalidAssertion::NotYetValid))),
        (json!({"iat": "now"}), Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
    ];
    for (changes, expected) in cases {
        assert_eq!(verdict(changes.clone()), expected, "{changes}");
    }
    for (exp, expected) in
        [(NOW + 3660, None), (NOW + 3661, Some(ErrorKind::Assertion(InvalidAssertion::Lifetime)))]
    {
        assert_eq!(self::verdict(&hour, json!({"exp": exp})), expected);
    }
    // As they are on the wire.
    for (exp, expected) in [
        ("1.90000006e9", None),
        ("1900000060.000", None),
        ("19000000600E-1", None),
        ("1e999", Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        ("-1e999", Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        ("1e-999", Some(ErrorKind::Assertion(InvalidAssertion::Expired))),
        (
            "99999999999999999999999999999999",
            Some(ErrorKind::Assertion(InvalidAssertion::Lifetime)),
        ),
        ("01900000060", Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        ("NaN", Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
        ("0x71400", Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
    ] {
        let claims = changed(json!({"exp": "X"})).to_string().replace("\"X\"", exp);
        let assertion = compact(ed(), "EdDSA", r#"{"alg":"EdDSA"}"#, &claims);
        assert_eq!(kind(&harness(), &assertion), expected, "{exp}");
    }
}

// R84. The MCP SDKs make assertions of exactly five minutes, and Authlib of exactly an hour.
#[test]
fn longest_lifetime_is_measured_by_a_clock_that_may_be_ahead() {
    let hour = unprotected().longest_lifetime(Duration::from_secs(3600)).unwrap();
    for (settings, lifetime) in [(unprotected(), 300), (hour, 3600)] {
        for (ahead, expected) in [
            (-10, None),
            (0, None),
            (1, None),
            (10, None),
            (60, None),
            (61, Some(ErrorKind::Assertion(InvalidAssertion::Lifetime))),
        ] {
            let iat = NOW + ahead;
            let times = json!({"iat": iat, "nbf": iat, "exp": iat + lifetime});
            assert_eq!(verdict(&settings, times), expected, "{lifetime} {ahead}");
        }
    }
}

// R84, R85: a store may have forgotten what has expired.
#[test]
fn assertion_that_expires_during_the_look_up_is_refused() {
    for (seconds, expected) in
        [(59, None), (60, Some(ErrorKind::Assertion(InvalidAssertion::Expired)))]
    {
        let clock = Clock::fixed(NOW);
        let slow = clock.clone();
        let clients = provider_fn(move |_id: &str| {
            slow.advance(Duration::from_secs(seconds));
            ready(Ok::<_, BoxError>(Some(key_client("ed", &jwks([ed().jwk()])))))
        });
        let claims_made = Arc::new(AtomicUsize::new(0));
        let store = Store(Arc::clone(&claims_made), || Ok(true));
        let layer = ClientAuthLayer::new(clients)
            .clock(clock)
            .assertions(Assertions::new(ISSUER, store).unwrap());
        let service = layer.layer(Recorder { calls: Log::default() });
        let request = TestRequest::form(form(&sign(ed(), "EdDSA", &claims("ed")))).request();
        let response = run(service.oneshot(request)).unwrap();
        let error = response.extensions().get::<tower_client_auth::Error>();
        assert_eq!(error.map(tower_client_auth::Error::kind), expected);
        assert_eq!(claims_made.load(Ordering::SeqCst), usize::from(expected.is_none()));
    }
}

// R85, GHSA-v3q9-2p3m-7g43.
#[test]
fn rfc7523_3_assertion_is_accepted_once() {
    let harness = harness();
    let assertion = sign(ed(), "EdDSA", &claims("ed"));
    let ask = TestRequest::form(form(&assertion));
    assert_eq!(harness.ask(&ask), ask.accepted("ed", AuthMethod::PrivateKeyJwt));
    assert_eq!(harness.ask(&ask), failed(ErrorKind::Assertion(InvalidAssertion::Replayed), "ed"));
    // Another assertion with the same id, and the same id of another client.
    let again = sign(ed(), "EdDSA", &changed(json!({"exp": NOW + 61})));
    assert_eq!(kind(&harness, &again), Some(ErrorKind::Assertion(InvalidAssertion::Replayed)));
    assert_eq!(kind(&harness, &sign(rsa(), "RS256", &claims("rsa"))), None);
    assert_eq!(kind(&harness, &sign(ed(), "EdDSA", &changed(json!({"jti": "2"})))), None);
    for (jti, expected) in [
        (json!(null), ErrorKind::Assertion(InvalidAssertion::MissingClaim)),
        (json!(""), ErrorKind::Assertion(InvalidAssertion::MissingClaim)),
        (json!("x".repeat(257)), ErrorKind::Assertion(InvalidAssertion::IdTooLong)),
    ] {
        let assertion = sign(ed(), "EdDSA", &changed(json!({"jti": jti})));
        assert_eq!(kind(&harness, &assertion), Some(expected));
    }
    let longest = sign(ed(), "EdDSA", &changed(json!({"jti": "x".repeat(256)})));
    assert_eq!(kind(&harness, &longest), None);
}

// R85: a store of text would fail on some of them, and that is an outage.
#[test]
fn jti_with_control_characters_is_refused() {
    for jti in ["a\0", "\n", "a\u{1b}[2J", "\u{7f}"] {
        assert_eq!(
            verdict(&settings(), json!({"jti": jti})),
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
            "{jti:?}"
        );
    }
    assert_eq!(verdict(&settings(), json!({"jti": "caf\u{e9} 1"})), None);
}

// R85.
#[test]
fn layers_that_share_a_store_accept_an_assertion_once() {
    let assertion = sign(ed(), "EdDSA", &claims("ed"));
    let layer = |store: &Arc<MemoryReplayStore>| {
        harness_of(registered(), Assertions::new(ISSUER, Arc::clone(store)).unwrap())
    };
    let shared = Arc::new(store());
    let (token, revocation) = (layer(&shared), layer(&shared));
    assert_eq!(kind(&token, &assertion), None);
    let replayed = Some(ErrorKind::Assertion(InvalidAssertion::Replayed));
    assert_eq!(kind(&revocation, &assertion), replayed);
    let of_its_own = layer(&Arc::new(store()));
    assert_eq!(kind(&of_its_own, &assertion), None, "another store has not seen it");
}

// R85: one client that signs without end is no outage for the others.
#[test]
fn client_with_its_share_of_the_replay_store_is_throttled_alone() {
    let replay = MemoryReplayStore::new(8).clock(Clock::fixed(NOW));
    let harness = harness_of(registered(), Assertions::new(ISSUER, replay).unwrap());
    let ask = |key, alg, client_id: &str, jti: &str| {
        let claims = with(claims(client_id), json!({"jti": jti}));
        harness.ask(&TestRequest::form(form(&sign(key, alg, &claims))))
    };
    for jti in ["1", "2", "3", "4"] {
        assert_eq!(kind_of(&ask(ed(), "EdDSA", "ed", jti)), None);
    }
    assert_eq!(
        ask(ed(), "EdDSA", "ed", "5"),
        failed(ErrorKind::Throttled, "ed").with("retry-after", "60")
    );
    let replayed = ErrorKind::Assertion(InvalidAssertion::Replayed);
    assert_eq!(kind_of(&ask(ed(), "EdDSA", "ed", "4")), Some(replayed));
    assert_eq!(kind_of(&ask(rsa(), "RS256", "rsa", "1")), None);
    assert_eq!(kind_of(&ask(&Key::secret(SECRET), "HS256", "mac", "1")), None);
}

/// Counts claims, and answers each like this.
struct Store(Arc<AtomicUsize>, fn() -> Result<bool, std::io::Error>);

impl ReplayStore for Store {
    type Error = std::io::Error;

    fn claim(
        &self,
        client_id: &str,
        jti: &str,
        until: i64,
    ) -> impl Future<Output = Result<bool, std::io::Error>> + Send {
        assert_eq!((client_id, jti, until), ("ed", "1", NOW + 60));
        self.0.fetch_add(1, Ordering::SeqCst);
        let answer: Ready<_> = ready((self.1)());
        answer
    }
}

// R85: only what has been verified whole reaches the store.
#[test]
fn rfc7523_3_jti_is_claimed_last() {
    let claims_made = Arc::new(AtomicUsize::new(0));
    let store = Store(Arc::clone(&claims_made), || Ok(true));
    let harness = harness_of(registered(), Assertions::new(ISSUER, store).unwrap());
    let right = sign(ed(), "EdDSA", &claims("ed"));
    let stranger = Key::ed();
    for assertion in [
        sign(&stranger, "EdDSA", &claims("ed")),
        sign(&stranger, "EdDSA", &claims("nobody")),
        sign(ed(), "EdDSA", &changed(json!({"aud": "https://other.example"}))),
        sign(ed(), "EdDSA", &changed(json!({"exp": NOW}))),
        sign(ed(), "EdDSA", &changed(json!({"nbf": NOW + 100}))),
        sign(ed(), "EdDSA", &changed(json!({"iss": "rsa"}))),
        right.replace('.', ".."),
    ] {
        assert_ne!(kind(&harness, &assertion), None);
    }
    assert_eq!(claims_made.load(Ordering::SeqCst), 0);
    assert_eq!(kind(&harness, &right), None);
    assert_eq!(claims_made.load(Ordering::SeqCst), 1);
}

// R73, R85.
#[test]
fn rfc7523_3_failing_store_is_an_outage() {
    for answer in [
        || Err(std::io::Error::other("s3cr3t")),
        || -> Result<bool, std::io::Error> { panic!("out of order") },
    ] {
        let store = Store(Arc::default(), answer);
        let harness = harness_of(registered(), Assertions::new(ISSUER, store).unwrap());
        let answer = harness.ask(&TestRequest::form(form(&sign(ed(), "EdDSA", &claims("ed")))));
        assert_eq!(answer, failed(ErrorKind::ReplayStore, "ed"));
        assert!(!answer.body.contains(MARK));
    }
    let harness = harness_of(registered(), unprotected());
    for _ in 0..2 {
        assert_eq!(kind(&harness, &sign(ed(), "EdDSA", &claims("ed"))), None);
    }
}

/// What comes of these texts, signed by `ed`.
fn judge_texts(settings: &Assertions, header: &str, claims: &str) -> Option<ErrorKind> {
    kind(&harness_of(registered(), settings.clone()), &compact(ed(), "EdDSA", header, claims))
}

fn judge_header(settings: &Assertions, header: &str) -> Option<ErrorKind> {
    judge_texts(settings, header, &claims("ed").to_string())
}

// R86.
#[test]
fn rfc8725_3_11_other_typ_is_refused() {
    let strict = unprotected().explicit_typ();
    let wrong = Some(ErrorKind::Assertion(InvalidAssertion::UnsupportedTyp));
    for (typ, expected, expected_strictly) in [
        ("", None, wrong),
        (r#","typ":"JWT""#, None, wrong),
        (r#","typ":"jwt""#, None, wrong),
        (r#","typ":"application/jwt""#, None, wrong),
        (r#","typ":"client-authentication+jwt""#, None, None),
        (r#","typ":"application/client-authentication+jwt""#, None, None),
        (r#","typ":"dpop+jwt""#, wrong, wrong),
        (r#","typ":"at+jwt""#, wrong, wrong),
        (r#","typ":"oauth-client-attestation-pop+jwt""#, wrong, wrong),
        (r#","typ":"secevent+jwt""#, wrong, wrong),
        (r#","typ":"JOSE""#, wrong, wrong),
        (r#","typ":"""#, wrong, wrong),
        (
            r#","typ":null"#,
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
        ),
        (
            r#","typ":["JWT"]"#,
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
        ),
    ] {
        let header = format!(r#"{{"alg":"EdDSA"{typ}}}"#);
        assert_eq!(judge_header(&settings(), &header), expected, "{typ}");
        assert_eq!(judge_header(&strict, &header), expected_strictly, "{typ}");
    }
}

// R87.
#[test]
fn rfc8725_3_1_accepted_algorithms() {
    let clients = clients();
    let keys =
        [("ES256", Key::ec("ES256")), ("ES384", Key::ec("ES384")), ("ES512", Key::ec("ES512"))];
    for (alg, key) in &keys {
        clients.insert(key_client(alg, &jwks([key.jwk()])));
    }
    clients.insert(key_client("ed", &jwks([ed().jwk()])));
    clients.insert(key_client("rsa", &jwks([rsa().jwk()])));
    clients.insert(secret_client("mac", SECRET));
    let harness = harness_of(clients, settings());
    let accept = |client_id: &str, key: &Key, alg: &str, method| {
        let claims = with(claims(client_id), json!({"jti": alg}));
        let ask = TestRequest::form(form(&sign(key, alg, &claims)));
        assert_eq!(harness.ask(&ask), ask.accepted(client_id, method), "{alg}");
    };
    for (alg, key) in &keys {
        accept(alg, key, alg, AuthMethod::PrivateKeyJwt);
    }
    for alg in ["EdDSA", "Ed25519"] {
        accept("ed", ed(), alg, AuthMethod::PrivateKeyJwt);
    }
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        accept("rsa", rsa(), alg, AuthMethod::PrivateKeyJwt);
    }
    for alg in ["HS256", "HS384", "HS512"] {
        accept("mac", &Key::secret(SECRET), alg, AuthMethod::ClientSecretJwt);
    }
    let names = [
        "none", "None", "NONE", "nOnE", "", "hs256", "rs256", "RS1", "ES256K", "Ed448", "RSA-OAEP",
        "HS256 ",
    ];
    for alg in names {
        let input = format!(
            "{}.{}",
            base64url(json!({"alg": alg}).to_string()),
            base64url(claims("ed").to_string())
        );
        for assertion in [format!("{input}."), format!("{input}.{}", base64url([0; 64]))] {
            let answer = harness.ask(&TestRequest::form(form(&assertion)));
            assert_eq!(
                answer,
                refused(ErrorKind::Assertion(InvalidAssertion::UnsupportedAlgorithm)),
                "{alg}"
            );
        }
    }
}

// R87.
#[test]
fn rfc8725_3_1_registered_algorithm_only() {
    let clients = clients();
    let only = |alg: &str, keys: &str| ClientKeys::from_jwks(keys).unwrap().signing_alg(alg);
    clients.insert(secret_client("mac", SECRET));
    let keys = only("PS256", &jwks([rsa().jwk()])).unwrap();
    clients.insert(RegisteredClient::private_key_jwt("rsa", keys, app("rsa")));
    // Neither `none` nor the algorithm of a secret.
    for alg in ["none", "HS256", "es256", ""] {
        let error = only(alg, &jwks([ed().jwk()])).unwrap_err();
        assert_eq!(error.to_string(), "the signing algorithm is not supported", "{alg}");
    }
    let harness = harness_of(clients, settings());
    let mac = Key::secret(SECRET);
    for (client_id, key, alg, expected) in [
        ("rsa", rsa(), "PS256", None),
        ("rsa", rsa(), "RS256", Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))),
        ("rsa", rsa(), "PS512", Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))),
        // Of a client without a registered one it is any.
        ("mac", &mac, "HS256", None),
    ] {
        assert_eq!(
            kind(&harness, &sign(key, alg, &claims(client_id))),
            expected,
            "{client_id} {alg}"
        );
    }
    // The server accepts what it says.
    let fapi = settings().signing_algs(["PS256", "ES256", "EdDSA"]).unwrap();
    let answer = harness_of(registered(), fapi).ask(&TestRequest::form(form(&sign(
        rsa(),
        "RS256",
        &claims("rsa"),
    ))));
    assert_eq!(answer, refused(ErrorKind::Assertion(InvalidAssertion::UnsupportedAlgorithm)));
}

// R88: algorithm confusion.
#[test]
fn rfc8725_2_1_public_key_is_never_a_secret() {
    let jwk = rsa().jwk();
    let text = jwk.to_string();
    for secret in ["", &text, jwk["n"].as_str().unwrap(), &jwks([jwk.clone()])] {
        for alg in ["HS256", "HS384", "HS512"] {
            let assertion = sign(&Key::secret(secret), alg, &claims("rsa"));
            assert_eq!(kind(&harness(), &assertion), Some(ErrorKind::MethodMismatch));
        }
    }
    // The other way round, and the secret of a client registered to send it.
    for (key, alg, client_id, expected) in [
        (ed(), "EdDSA", "mac", ErrorKind::MethodMismatch),
        (&Key::secret(""), "HS256", "mac", ErrorKind::Assertion(InvalidAssertion::WrongSignature)),
        (&Key::secret("basic-s3cr3t"), "HS256", "basic", ErrorKind::MethodMismatch),
        (&Key::secret("post-s3cr3t"), "HS256", "post", ErrorKind::MethodMismatch),
        (&Key::secret(""), "HS256", "public", ErrorKind::MethodMismatch),
        (ed(), "EdDSA", "public", ErrorKind::MethodMismatch),
        (ed(), "EdDSA", "jwt", ErrorKind::UnusableRegistration),
        (&Key::secret("hmac-s3cr3t"), "HS256", "hmac", ErrorKind::UnusableRegistration),
    ] {
        assert_eq!(
            kind(&harness(), &sign(key, alg, &claims(client_id))),
            Some(expected),
            "{client_id}"
        );
    }
    // The secret itself is no credential of a client that keys assertions with it.
    let ask = TestRequest::form(format!("client_id=mac&client_secret={SECRET}"));
    assert_eq!(harness().ask(&ask), failed(ErrorKind::MethodMismatch, "mac"));
    let ask = TestRequest::bare().basic(format!("mac:{SECRET}"));
    assert_eq!(harness().ask(&ask), failed(ErrorKind::MethodMismatch, "mac"));
    for client_id in ["mac", "ed"] {
        let ask = TestRequest::form(format!("client_id={client_id}"));
        assert_eq!(harness().ask(&ask), failed(ErrorKind::MethodMismatch, client_id));
    }
}

// R89.
#[test]
fn rfc8725_3_10_keys_in_the_header_are_ignored_and_reported() {
    let seen: Log<(bool, Option<ErrorKind>)> = Log::default();
    let report = seen.clone();
    let harness = harness_of(registered(), unprotected()).set(|layer| {
        layer.on_outcome(move |outcome| {
            let kind = outcome.error().map(tower_client_auth::Error::kind);
            report.push((outcome.has_key_in_header(), kind));
        })
    });
    let wrong = Some(ErrorKind::Assertion(InvalidAssertion::WrongSignature));
    let stranger = Key::ed();
    for (member, expected) in [
        (format!(r#","jwk":{}"#, stranger.jwk()), true),
        (r#","jku":"https://evil.example/jwks""#.into(), true),
        (r#","x5u":"https://evil.example/cert""#.into(), true),
        (r#","x5c":["MIIB"]"#.into(), true),
        (r#","x5c":{"not":["read"]},"jku":null"#.into(), true),
        (r#","j\u0077k":{}"#.into(), true),
        (String::new(), false),
        // What is not critical and brings no key is ignored, too (RFC 7515 §4).
        (r#","x5t":"x","cty":"x","x":{"alg":"none"}"#.into(), false),
    ] {
        let header = format!(r#"{{"alg":"EdDSA"{member}}}"#);
        for (key, kind) in [(&stranger, wrong), (ed(), None)] {
            let assertion = compact(key, "EdDSA", &header, &claims("ed").to_string());
            assert_eq!(self::kind(&harness, &assertion), kind, "{member}");
            assert_eq!(seen.take(), [(expected, kind)], "{member}");
        }
    }
    let ask = TestRequest::form("client_id=public&jwk=x");
    assert_eq!(harness.ask(&ask).kind, None);
    assert_eq!(seen.take(), [(false, None)]);
}

// R90.
#[test]
fn rfc7515_4_1_11_critical_and_encrypted_headers_are_refused() {
    let stranger = Key::ed();
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""enc":"A256GCM""#,
        r#""zip":"DEF""#,
        r#""jku":"https://client.example/jwks","z\u0069p":"DEF""#,
    ] {
        for key in [&stranger, ed()] {
            let header = format!(r#"{{"alg":"EdDSA",{member}}}"#);
            let assertion = compact(key, "EdDSA", &header, &claims("ed").to_string());
            let answer = harness().ask(&TestRequest::form(form(&assertion)));
            assert_eq!(
                answer,
                refused(ErrorKind::Assertion(InvalidAssertion::UnsupportedHeader)),
                "{member}"
            );
        }
    }
}

// R90.
#[test]
fn rfc7515_7_1_strict_compact_form() {
    let right = sign(ed(), "EdDSA", &claims("ed"));
    let parts: Vec<&str> = right.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    // The last character of 64 bytes holds two bits of padding.
    let last = signature.as_bytes()[85];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.iter().position(|byte| *byte == last).unwrap();
    let stray = format!("{}{}", &signature[..85], char::from(alphabet[at | 1]));
    let malformed = [
        String::from("x"),
        "..".into(),
        ".".into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}."),
        format!("{header}.{payload}.{signature}.x"),
        format!("{header}.x.x.x.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{}", stray),
        format!("{header}.{payload}.{signature}%20"),
        format!("%20{right}"),
        format!("{header}.{payload}.%2B{}", &signature[1..]),
        format!("{header}.{payload}./{}", &signature[1..]),
        format!("{header}%00.{payload}.{signature}"),
        format!("%zz.{payload}.{signature}"),
        format!("{header}.{payload}.%FF{signature}"),
        ".".repeat(8 * 1024),
    ];
    for assertion in malformed {
        let answer = harness().ask(&TestRequest::form(form(&assertion)));
        assert_eq!(
            answer,
            refused(ErrorKind::Assertion(InvalidAssertion::Malformed)),
            "{assertion}"
        );
    }
    for header in [
        "",
        "null",
        "[]",
        "1",
        "\"alg\"",
        "{",
        "{}",
        "{}{}",
        r#"{"alg":null}"#,
        r#"{"alg":["EdDSA"]}"#,
        r#"{"alg":"EdDSA"} x"#,
        r#"{"alg":"EdDSA",}"#,
        r#"{'alg':'EdDSA'}"#,
        "\u{feff}{\"alg\":\"EdDSA\"}",
        r#"{"alg":"EdDSA","kid":1}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","x":1,"x":1}"#,
        r#"{"alg":"EdDSA","\u0061lg":"EdDSA"}"#,
    ] {
        assert_eq!(
            judge_header(&settings(), header),
            Some(ErrorKind::Assertion(InvalidAssertion::Malformed)),
            "{header}"
        );
    }
    // Case matters in names (RFC 7515 §4).
    assert_eq!(
        judge_header(&settings(), r#"{"ALG":"EdDSA"}"#),
        Some(ErrorKind::Assertion(InvalidAssertion::Malformed))
    );
    // A byte that is no UTF-8, in a string that is not read.
    let input = format!("{}.{payload}", base64url(b"{\"alg\":\"EdDSA\",\"x\":\"\xff\"}"));
    let assertion = format!("{input}.{}", base64url(ed().sign("EdDSA", input.as_bytes())));
    assert_eq!(
        kind(&harness(), &assertion),
        Some(ErrorKind::Assertion(InvalidAssertion::Malformed))
    );
}

// R91.
#[test]
fn rfc7519_4_hostile_claims_cost_bounded_work() {
    let right = claims("ed").to_string();
    let inner = &right[1..right.len() - 1];
    let nested = |open: &str, close: &str| {
        format!(r#"{{{inner},"x":{}{}}}"#, open.repeat(1000), close.repeat(1000))
    };
    let many: String = (0..100).map(|n| format!(r#","x{n}":0"#)).collect();
    for claims in [
        format!(r#"{{{inner},"sub":"rsa"}}"#),
        format!(r#"{{{inner},"s\u0075b":"ed"}}"#),
        format!(r#"{{{inner},"aud":["{ISSUER}"]}}"#),
        format!(r#"{{{inner},"x":1,"x":2}}"#),
        format!(r#"{{{inner}{many}}}"#),
        format!("[{right}]"),
        format!("{right}{right}"),
        "null".into(),
        nested("[", ""),
        nested("{\"x\":", ""),
    ] {
        let expected = Some(ErrorKind::Assertion(InvalidAssertion::Malformed));
        assert_eq!(judge_texts(&settings(), r#"{"alg":"EdDSA"}"#, &claims), expected, "{claims}");
    }
    // All that are known, and 64 others.
    let known = changed(json!({"iat": NOW, "nbf": NOW})).to_string();
    let verdict = |others| {
        let others: String = (0..others).map(|n| format!(r#","x{n}":0"#)).collect();
        let claims = format!("{}{others}}}", &known[..known.len() - 1]);
        judge_texts(&settings(), r#"{"alg":"EdDSA"}"#, &claims)
    };
    assert_eq!(verdict(64), None);
    assert_eq!(verdict(65), Some(ErrorKind::Assertion(InvalidAssertion::Malformed)));
    // Deep, and well-formed: skipped without recursion, or refused, but never a fault.
    for claims in
        [nested("[", "]"), format!(r#"{{{inner},"aud2":{}}}"#, "[".repeat(10) + &"]".repeat(10))]
    {
        let kind = judge_texts(&settings(), r#"{"alg":"EdDSA"}"#, &claims);
        assert!(
            matches!(kind, None | Some(ErrorKind::Assertion(InvalidAssertion::Malformed))),
            "{kind:?}"
        );
    }
    // R108: beyond 8 KiB nothing is looked at.
    let long = ".".repeat(8 * 1024 + 1);
    assert_eq!(
        harness().ask(&TestRequest::form(form(&long))),
        refused(ErrorKind::CredentialTooLong)
    );
    let long = ".".repeat(60_000);
    assert_eq!(
        harness().ask(&TestRequest::form(form(&long))),
        refused(ErrorKind::CredentialTooLong)
    );
}

#[test]
fn label_tells_the_secret_that_made_the_assertion() {
    let (old, new) =
        (plain(SECRET).labelled("old"), plain(&format!("new-{SECRET}")).labelled("new"));
    let client = RegisteredClient::client_secret_jwt("mac", [old, new], app("mac")).unwrap();
    let clients: Clients = [client].into_iter().collect();
    let layer = ClientAuthLayer::new(clients).assertions(unprotected());
    for (secret, expected) in [(SECRET, "old"), (&format!("new-{SECRET}"), "new")] {
        let assertion = sign(&Key::secret(secret), "HS256", &claims("mac"));
        let label = label(layer.clone(), &TestRequest::form(form(&assertion)));
        assert_eq!(label.as_deref(), Some(expected));
    }
}

// R62, R92.
#[test]
fn oidc_10_1_secret_keys_assertions_while_valid() {
    let client = |secrets: Vec<_>| {
        RegisteredClient::client_secret_jwt("mac", secrets, app("mac")).map_err(|e| e.to_string())
    };
    let harness =
        |secrets| harness_of([client(secrets).unwrap()].into_iter().collect(), settings());
    let old = format!("old-{SECRET}");
    let assertion = sign(&Key::secret(SECRET), "HS256", &claims("mac"));
    let by_old = sign(&Key::secret(&old), "HS256", &claims("mac"));
    for (secret, expected) in [
        (plain(SECRET).expires_at(NOW - 1), Some(ErrorKind::SecretExpired)),
        (plain(SECRET).expires_at(NOW), Some(ErrorKind::SecretExpired)),
        (plain(SECRET).expires_at(NOW + 1), None),
        (plain(SECRET).expires_at(0), None),
        (plain(SECRET).not_before(NOW + 1), Some(ErrorKind::SecretNotYetValid)),
        (plain(SECRET).not_before(NOW), None),
    ] {
        assert_eq!(kind(&harness(vec![secret]), &assertion), expected);
    }
    let rotating = || vec![plain(SECRET), plain(&old)];
    assert_eq!(kind(&harness(rotating()), &assertion), None);
    assert_eq!(kind(&harness(rotating()), &by_old), None);
    let third = sign(&Key::secret("a third secret of some 32 bytes"), "HS256", &claims("mac"));
    assert_eq!(
        kind(&harness(rotating()), &third),
        Some(ErrorKind::Assertion(InvalidAssertion::WrongSignature))
    );

    // RFC 7518 §3.2: at least as long as the hash.
    let short =
        "client \"mac\": `client_secret_jwt` needs secrets in plain text of at least 32 bytes";
    let digest = tower_client_auth::ClientSecret::sha256_of(SECRET);
    for secrets in [vec![plain(&SECRET[..31])], vec![plain(SECRET), plain("s3cr3t")], vec![digest]]
    {
        assert_eq!(client(secrets).map(drop), Err(short.into()));
    }
    for secrets in [vec![], vec![plain("")]] {
        let none = "client \"mac\": `client_secret_jwt` needs a secret and none is stored";
        assert_eq!(client(secrets).map(drop), Err(none.into()));
    }
    for (length, alg, expected) in [
        (32, "HS256", None),
        (32, "HS384", Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))),
        (48, "HS384", None),
        (48, "HS512", Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))),
        (64, "HS512", None),
    ] {
        let assertion = sign(&Key::secret(&SECRET[..length]), alg, &claims("mac"));
        assert_eq!(kind(&harness(vec![plain(&SECRET[..length])]), &assertion), expected, "{alg}");
    }
}

// R89: which of the registered keys.
#[test]
fn rfc7517_4_kid_use_and_key_ops() {
    let (first, second, curve) = (Key::ed(), Key::ed(), Key::ec("ES256"));
    let named = |key: &Key, members: Value| with(key.jwk(), members);
    let verdict = |keys: Vec<Value>, key: &Key, alg: &str, kid: Option<&str>| {
        let harness = harness_of([key_client("ed", &jwks(keys))].into_iter().collect(), settings());
        let header = match kid {
            Some(kid) => json!({"alg": alg, "kid": kid}),
            None => json!({"alg": alg}),
        };
        kind(&harness, &compact(key, alg, &header.to_string(), &claims("ed").to_string()))
    };
    let a = || named(&first, json!({"kid": "a"}));
    let b = || named(&second, json!({"kid": "b"}));
    let c = || named(&curve, json!({"kid": "c"}));
    for (keys, key, kid, expected) in [
        (vec![a(), b()], &first, Some("a"), None),
        (vec![a(), b()], &second, Some("b"), None),
        (
            vec![a(), b()],
            &second,
            Some("a"),
            Some(ErrorKind::Assertion(InvalidAssertion::WrongSignature)),
        ),
        (
            vec![a(), b()],
            &first,
            Some("A"),
            Some(ErrorKind::Assertion(InvalidAssertion::UnknownKey)),
        ),
        (
            vec![a(), b()],
            &first,
            Some(""),
            Some(ErrorKind::Assertion(InvalidAssertion::UnknownKey)),
        ),
        // Without a `kid` the two that fit are tried, and no more.
        (vec![a(), b()], &first, None, None),
        (vec![a(), b(), c()], &second, None, None),
        (
            vec![a(), b(), named(&Key::ed(), json!({}))],
            &first,
            None,
            Some(ErrorKind::Assertion(InvalidAssertion::AmbiguousKey)),
        ),
        (vec![a()], &first, None, None),
        (vec![a(), c()], &first, None, None),
        (
            vec![first.jwk()],
            &first,
            Some("a"),
            Some(ErrorKind::Assertion(InvalidAssertion::UnknownKey)),
        ),
        // One key is one, however often it is listed.
        (vec![a(), a()], &first, Some("a"), None),
        (vec![a(), named(&first, json!({"kid": "A"})), b()], &second, None, None),
        (vec![a(), named(&first, json!({"kid": "A"}))], &first, Some("a"), None),
        (vec![a(), named(&first, json!({"kid": "A"}))], &first, Some("A"), None),
        (
            vec![a(), named(&second, json!({"kid": "a"}))],
            &first,
            Some("a"),
            Some(ErrorKind::Assertion(InvalidAssertion::AmbiguousKey)),
        ),
        (
            vec![c()],
            &first,
            Some("c"),
            Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch)),
        ),
        // Keys that are not for signatures do not count.
        (vec![named(&second, json!({"use": "enc"})), a()], &first, None, None),
        (vec![named(&second, json!({"key_ops": ["encrypt"]})), a()], &first, None, None),
        (vec![named(&second, json!({"alg": "ES256"})), a()], &first, None, None),
        (vec![named(&second, json!({"alg": 1})), a()], &first, None, None),
        (vec![named(&second, json!({"kid": 1})), a()], &first, None, None),
        (vec![json!({"kty": "PQ"}), json!({}), a()], &first, None, None),
        (
            vec![named(&first, json!({"use": "sig", "key_ops": ["verify"], "alg": "EdDSA"}))],
            &first,
            None,
            None,
        ),
        (vec![named(&first, json!({"alg": "Ed25519"}))], &first, None, None),
    ] {
        let shown = jwks(keys.clone());
        assert_eq!(verdict(keys, key, "EdDSA", kid), expected, "{kid:?} {shown}");
    }
    // An RSA key for one algorithm is not for another.
    let ps = || vec![with(rsa().jwk(), json!({"alg": "PS256"}))];
    assert_eq!(verdict(ps(), rsa(), "PS256", None), None);
    assert_eq!(
        verdict(ps(), rsa(), "RS256", None),
        Some(ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch))
    );
}

// R89, RFC 7517 §9.3.
#[test]
fn rfc7517_5_untrusted_key_sets_are_refused() {
    let refused = |json: &str| ClientKeys::from_jwks(json).unwrap_err().to_string();
    let good = ed().jwk();
    for (keys, expected) in [
        (vec![good.clone(), with(Key::ed().jwk(), json!({"d": "x"}))], "a private key"),
        (vec![good.clone(), with(rsa().jwk(), json!({"q": "x"}))], "a private key"),
        (vec![good.clone(), json!({"kty": "oct", "k": "x"})], "a symmetric key"),
        (vec![good.clone(), json!({"kty": "oct"})], "a symmetric key"),
    ] {
        let expected = format!("the key set holds {expected}");
        assert_eq!(refused(&jwks(keys.clone())), expected, "{}", jwks(keys));
    }
    for text in
        ["", "null", "1", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#]
    {
        assert_eq!(refused(text), "not a JSON Web Key Set", "{text}");
    }
    assert!(ClientKeys::jwks_uri("https://client.example/jwks").is_ok());
    for uri in ["http://client.example/jwks", "file:///etc/passwd", "", "https://a b", "https"] {
        let expected = "`jwks_uri` is not an https URL";
        assert_eq!(ClientKeys::jwks_uri(uri).unwrap_err().to_string(), expected, "{uri}");
    }
}

// R94, R77: whatever is wrong, one answer.
#[test]
fn rfc7521_4_2_1_failed_assertions_are_alike() {
    let unknown = harness().ask(&TestRequest::form(form(&sign(ed(), "EdDSA", &claims("nobody")))));
    assert_eq!(unknown, failed(ErrorKind::UnknownClient, "nobody"));
    let wrong_secret = harness().ask(&TestRequest::form("client_id=post&client_secret=x"));
    assert_eq!(unknown.wire(), wrong_secret.wire());
    let stranger = Key::ed();
    for assertion in [
        "x".to_owned(),
        sign(&stranger, "EdDSA", &claims("ed")),
        sign(&stranger, "EdDSA", &claims("basic")),
        sign(ed(), "none", &claims("ed")),
        sign(ed(), "EdDSA", &changed(json!({"exp": NOW}))),
        sign(ed(), "EdDSA", &changed(json!({"aud": "x"}))),
        compact(ed(), "EdDSA", r#"{"alg":"EdDSA","kid":"x"}"#, &claims("ed").to_string()),
    ] {
        assert_eq!(harness().ask(&TestRequest::form(form(&assertion))).wire(), unknown.wire());
    }
    // A signature of every length and algorithm, over every client.
    for alg in ["ES256", "ES384", "ES512", "EdDSA", "RS256", "PS512", "HS256", "HS512"] {
        for length in [0, 1, 63, 64, 96, 132, 256, 384, 512, 1024] {
            for client_id in ["ed", "rsa", "mac", "basic", "public", "pigeon", "nobody"] {
                let input = format!(
                    "{}.{}",
                    base64url(json!({"alg": alg}).to_string()),
                    base64url(claims(client_id).to_string())
                );
                let assertion = format!("{input}.{}", base64url(vec![1; length]));
                let answer = harness().ask(&TestRequest::form(form(&assertion)));
                assert_eq!(answer.wire(), unknown.wire(), "{alg} {length} {client_id}");
                assert_eq!(answer.lookups, [client_id]);
            }
        }
    }
}

// R90: a JSON Web Signature with ECDSA has a fixed length (RFC 7518 §3.4), and DER is another.
#[test]
fn rfc7518_3_4_signatures_have_one_form() {
    let key = Key::ec("ES256");
    let harness =
        harness_of([key_client("ec", &jwks([key.jwk()]))].into_iter().collect(), settings());
    let right = sign(&key, "ES256", &claims("ec"));
    let (input, signature) = right.rsplit_once('.').unwrap();
    let bytes = key.sign("ES256", input.as_bytes());
    let (r, s) = bytes.split_at(32);
    let der = [&[0x30, 70, 2, 33, 0], r, &[2, 33, 0], s].concat();
    for bytes in [der, bytes[..63].to_vec(), [&bytes[..], &[0]].concat(), vec![0; 64], vec![]] {
        let assertion = format!("{input}.{}", base64url(bytes));
        assert_eq!(
            kind(&harness, &assertion),
            Some(ErrorKind::Assertion(InvalidAssertion::WrongSignature))
        );
    }
    assert_eq!(signature.len(), 86);
    assert_eq!(kind(&harness, &right), None);
}

// R103, R50, R81.
#[test]
fn rfc8414_2_announced_algorithms() {
    let layer = || ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new());
    let with = |settings| layer().assertions(settings);
    let methods =
        |layer: &ClientAuthLayer<_>| layer.auth_methods_supported().collect::<Vec<_>>().join(" ");
    let algs = |layer: &ClientAuthLayer<_>| {
        layer.auth_signing_algs_supported().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(methods(&layer()), "client_secret_basic client_secret_post none");
    assert_eq!(algs(&layer()), "");
    let all = with(settings());
    assert_eq!(
        methods(&all),
        "client_secret_basic client_secret_post private_key_jwt client_secret_jwt none"
    );
    assert_eq!(
        algs(&all),
        "ES256 ES384 ES512 EdDSA Ed25519 PS256 PS384 PS512 RS256 RS384 RS512 HS256 HS384 HS512"
    );
    let fapi = settings().signing_algs(["PS256", "ES256", "HS256"]).unwrap();
    let fapi = with(fapi).auth_methods([AuthMethod::PrivateKeyJwt]).unwrap();
    assert_eq!((methods(&fapi), algs(&fapi)), ("private_key_jwt".into(), "ES256 PS256".into()));
    assert_eq!(algs(&with(settings()).headers_only().unwrap()), "");

    let only = |method| harness().set(|layer| layer.auth_methods([method]).unwrap());
    let mac = sign(&Key::secret(SECRET), "HS256", &claims("mac"));
    let signed = sign(ed(), "EdDSA", &claims("ed"));
    let answer = only(AuthMethod::PrivateKeyJwt).ask(&TestRequest::form(form(&mac)));
    assert_eq!(answer.kind, Some(ErrorKind::MethodNotAccepted));
    assert!(answer.lookups.is_empty());
    assert!(answer.headers.contains(&(
        "www-authenticate".into(),
        CHALLENGE.replace("Basic", "private_key_jwt").replace(r#", charset="UTF-8""#, "")
    )));
    assert_eq!(only(AuthMethod::PrivateKeyJwt).ask(&TestRequest::form(form(&signed))).kind, None);
    assert_eq!(only(AuthMethod::ClientSecretJwt).ask(&TestRequest::form(form(&mac))).kind, None);
    for method in [AuthMethod::ClientSecretJwt, AuthMethod::ClientSecretPost] {
        let answer = only(method).ask(&TestRequest::form(form(&signed)));
        assert_eq!(answer.kind, Some(ErrorKind::MethodNotAccepted));
    }
    // Not turned on: seen, counted and refused.
    let answer = Harness::of(registered()).ask(&TestRequest::form(form(&signed)));
    assert_eq!(answer, refused(ErrorKind::MethodNotAccepted));
}

// R50, R103. What was narrowed stays narrow, and a method counts when it has all that it needs.
#[test]
fn settings_of_methods_commute() {
    let set = |layer: TestLayer, setting: &str, methods: &[AuthMethod]| match setting {
        "methods" => layer.auth_methods(methods.iter().cloned()).unwrap(),
        "assertions" => layer.assertions(settings()),
        _ => layer.refuse_public_clients(),
    };
    let all = [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::ClientSecretJwt,
        AuthMethod::None,
    ];
    for subset in 1_u8..1 << all.len() {
        let picked = |index: &usize| subset & 1 << *index != 0;
        let methods: Vec<_> = (0..all.len()).filter(picked).map(|i| all[i].clone()).collect();
        for order in [
            &["methods", "assertions"][..],
            &["assertions", "methods"],
            &["methods", "no public"],
            &["no public", "methods"],
            &["methods", "assertions", "no public"],
            &["methods", "no public", "assertions"],
            &["assertions", "methods", "no public"],
            &["assertions", "no public", "methods"],
            &["no public", "methods", "assertions"],
            &["no public", "assertions", "methods"],
        ] {
            let expected: Vec<_> = methods
                .iter()
                .map(AuthMethod::as_str)
                .filter(|method| order.contains(&"assertions") || !method.ends_with("_jwt"))
                .filter(|method| !order.contains(&"no public") || *method != "none")
                .collect();
            let layer = Harness::new().layer;
            let layer = order.iter().fold(layer, |layer, setting| set(layer, setting, &methods));
            let supported: Vec<_> = layer.auth_methods_supported().collect();
            assert_eq!(supported, expected, "{order:?}");
        }
    }
}

// R81, R87.
#[test]
fn invalid_settings_are_errors() {
    let error = |issuer: &str| Assertions::new(issuer, store()).map(drop);
    for issuer in ["https://as.example", "https://as.example/tenant", "http://127.0.0.1:8080"] {
        assert_eq!(error(issuer), Ok(()), "{issuer}");
    }
    for issuer in [
        "",
        "as.example",
        "https://",
        "https:///x",
        "https://as.example?x",
        "https://as.example#x",
        "https://as example",
        "ftp://as.example",
    ] {
        assert_eq!(error(issuer), Err(ConfigError::Issuer), "{issuer}");
    }
    for (lifetime, right) in [(0, false), (1, true), (3600, true), (3601, false), (u64::MAX, false)]
    {
        let set = settings().longest_lifetime(Duration::from_secs(lifetime));
        assert_eq!(set.is_ok(), right, "{lifetime}");
    }
    for algs in [vec![], vec!["none"], vec!["ES256", "es256"]] {
        assert_eq!(settings().signing_algs(algs).map(drop), Err(ConfigError::SigningAlgorithm));
    }
}

// R87. Also for a secret, of which only the metadata tells the algorithm.
#[test]
fn rfc7591_2_secret_has_the_registered_algorithm() {
    let metadata = json!({
        "client_id": "mac",
        "token_endpoint_auth_method": "client_secret_jwt",
        "token_endpoint_auth_signing_alg": "HS256",
        "client_secret": SECRET,
    });
    let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
    let clients = MemoryProvider::from_iter([RegisteredClient::try_from(metadata).unwrap()]);
    let layer = ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).assertions(settings());
    for (alg, expected) in [("HS256", None), ("HS512", Some(InvalidAssertion::AlgorithmMismatch))] {
        let service = layer.layer(Recorder { calls: Log::default() });
        let assertion = sign(&Key::secret(SECRET), alg, &claims("mac"));
        let request = TestRequest::form(form(&assertion)).request();
        let response = run(service.oneshot(request)).unwrap();
        let error = response.extensions().get::<tower_client_auth::Error>();
        let kind = error.map(tower_client_auth::Error::kind);
        assert_eq!(kind, expected.map(ErrorKind::Assertion), "{alg}");
    }
}

// R104, R45, R46.
#[test]
fn rfc7591_2_keys_and_alg_from_metadata() {
    let read = |members: Value| {
        let metadata = with(json!({"client_id": "c"}), members);
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        RegisteredClient::try_from(metadata).map(drop).map_err(|error| error.to_string())
    };
    let keys = json!({"keys": [ed().jwk()]});
    let jwt = "private_key_jwt";
    let mac = "client_secret_jwt";
    for (members, expected) in [
        (json!({"token_endpoint_auth_method": jwt, "jwks": keys}), Ok(())),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": keys, "token_endpoint_auth_signing_alg": "EdDSA"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt}),
            Err("`private_key_jwt` needs `jwks` or `jwks_uri`"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": null}),
            Err("`private_key_jwt` needs `jwks` or `jwks_uri`"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": keys, "jwks_uri": "https://client.example/jwks"}),
            Err("`jwks` and `jwks_uri` must not both be present"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": "x"}),
            Err("`jwks`: not a JSON Web Key Set"),
        ),
        // Programs that write every member write an empty one for what is absent.
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": keys, "jwks_uri": "", "token_endpoint_auth_signing_alg": ""}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": {}, "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": {"keys": []}, "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": {"keys": null}, "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": "", "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": {"keys": []}, "jwks_uri": ""}),
            Err("`private_key_jwt` needs `jwks` or `jwks_uri`"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": [], "jwks_uri": "https://client.example/jwks"}),
            Ok(()),
        ),
        // These are not empty.
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": {"kyes": []}, "jwks_uri": "https://client.example/jwks"}),
            Err("`jwks` and `jwks_uri` must not both be present"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": [{}], "jwks_uri": "https://client.example/jwks"}),
            Err("`jwks` and `jwks_uri` must not both be present"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks_uri": "http://client.example/jwks"}),
            Err("`jwks_uri` is not an https URL"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": keys, "token_endpoint_auth_signing_alg": "none"}),
            Err("`token_endpoint_auth_signing_alg` does not fit the method"),
        ),
        (
            json!({"token_endpoint_auth_method": jwt, "jwks": keys, "token_endpoint_auth_signing_alg": "HS256"}),
            Err("`token_endpoint_auth_signing_alg` does not fit the method"),
        ),
        (json!({"token_endpoint_auth_method": mac, "client_secret": SECRET}), Ok(())),
        (
            json!({"token_endpoint_auth_method": mac, "client_secret": SECRET, "token_endpoint_auth_signing_alg": "HS512"}),
            Ok(()),
        ),
        (
            json!({"token_endpoint_auth_method": mac, "client_secret": SECRET, "token_endpoint_auth_signing_alg": "RS256"}),
            Err("`token_endpoint_auth_signing_alg` does not fit the method"),
        ),
        (
            json!({"token_endpoint_auth_method": mac, "client_secret": &SECRET[..40], "token_endpoint_auth_signing_alg": "HS512"}),
            Err("the secret is shorter than the hash of the signing algorithm"),
        ),
        (
            json!({"token_endpoint_auth_method": mac, "client_secret": "short"}),
            Err("`client_secret_jwt` needs secrets in plain text of at least 32 bytes"),
        ),
        (
            json!({"token_endpoint_auth_method": mac}),
            Err("`client_secret_jwt` needs a secret and none is stored"),
        ),
        // For clients that make no assertions they do not matter.
        (
            json!({"client_secret": "x", "jwks": "x", "jwks_uri": "x", "token_endpoint_auth_signing_alg": "none"}),
            Ok(()),
        ),
    ] {
        let expected = expected.map_err(|problem| format!("client \"c\": {problem}"));
        assert_eq!(read(members.clone()), expected, "{members}");
    }
    let json = json!([{
        "client_id": "ed", "token_endpoint_auth_method": jwt, "jwks": keys,
        "token_endpoint_auth_signing_alg": "EdDSA",
    }]);
    let (clients, invalid) = MemoryProvider::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(invalid, []);
    let client = clients.get("ed").unwrap();
    assert_eq!(client.client().jwks.as_ref(), Some(&keys));
}

// R93: without a source such a client cannot authenticate, and nothing is fetched.
#[test]
fn rfc7591_2_published_keys_need_a_source() {
    let keys = ClientKeys::jwks_uri("https://client.example/jwks").unwrap();
    let client = RegisteredClient::private_key_jwt("ed", keys, app("ed"));
    let harness = harness_of([client].into_iter().collect(), settings());
    let answer = harness.ask(&TestRequest::form(form(&sign(ed(), "EdDSA", &claims("ed")))));
    assert_eq!(answer, failed(ErrorKind::UnusableRegistration, "ed"));
}

// R57, R111.
#[test]
fn debug_shows_no_keys_or_assertions() {
    let shown = format!(
        "{:?} {:?} {:?}",
        secret_client("mac", SECRET),
        key_client("ed", &jwks([ed().jwk()])),
        settings()
    );
    assert!(!shown.contains(MARK), "{shown}");
    let layer = format!("{:?}", harness().layer);
    assert!(layer.contains("replay_protection: true"), "{layer}");
}

// R107, R112: an assertion is not handed out as a secret that matched.
#[test]
fn assertion_is_never_offered_as_a_secret() {
    let offered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&offered);
    let harness = harness().set(|layer| {
        layer.on_secret_match(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
    });
    assert_eq!(kind(&harness, &sign(&Key::secret(SECRET), "HS256", &claims("mac"))), None);
    assert_eq!(offered.load(Ordering::SeqCst), 0);
}
