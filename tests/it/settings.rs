//! Each setting, on and off. What it is for is in its documentation; the rules that need no
//! setting are tested with the RFC they come from.

use http::{HeaderValue, Response, StatusCode};
use tower_client_auth::{
    AuthMethod, ClientSecret, Compat, ConfigError, ErrorKind as K, Limits, Outcome,
};

use crate::support::{
    Answer, CHALLENGE, Clients, Harness, Log, NOW, TestLayer, TestRequest, basic_client, clients,
    failed, plain, post_client, refused,
};

/// A setting: how to turn it on, and what a request gets without and with it.
fn on_and_off(
    set: fn(TestLayer) -> TestLayer,
    rows: impl IntoIterator<Item = (TestRequest, Answer, Answer)>,
) {
    for (ask, off, on) in rows {
        assert_eq!(Harness::new().ask(&ask), off, "by default: {ask:?}");
        assert_eq!(Harness::new().set(set).ask(&ask), on, "on: {ask:?}");
    }
}

fn by(ask: &TestRequest, client_id: &str, method: AuthMethod) -> Answer {
    ask.accepted(client_id, method)
}

// R44.
#[test]
fn interchange_basic_and_post() {
    let basic_by_post = TestRequest::form("client_id=basic&client_secret=basic-s3cr3t");
    let post_by_basic = TestRequest::bare().basic("post:post-s3cr3t");
    let accepted_post = by(&basic_by_post, "basic", AuthMethod::ClientSecretPost);
    let accepted_basic = by(&post_by_basic, "post", AuthMethod::ClientSecretBasic);
    let mismatch =
        |ask: TestRequest, id: &str, on: K| (ask, failed(K::MethodMismatch, id), failed(on, id));
    on_and_off(
        |layer| layer.compat(Compat::new().interchange_basic_and_post()),
        [
            (basic_by_post, failed(K::MethodMismatch, "basic"), accepted_post),
            (post_by_basic, failed(K::MethodMismatch, "post"), accepted_basic),
            // The secret is still compared, and public clients are not meant.
            mismatch(TestRequest::bare().basic("post:wrong-s3cr3t"), "post", K::WrongSecret),
            mismatch(
                TestRequest::bare().basic("post-expired:expired-s3cr3t"),
                "post-expired",
                K::SecretExpired,
            ),
            mismatch(TestRequest::bare().basic("public:"), "public", K::MethodMismatch),
            mismatch(TestRequest::form("client_id=basic"), "basic", K::MethodMismatch),
        ],
    );
}

// R39.
#[test]
fn raw_basic() {
    let plus = TestRequest::bare().basic("my+client:with+plus s3cr3t");
    let raw = |id: &str, bytes: &str, off: Answer| {
        let ask = TestRequest::bare().basic(bytes);
        let on = by(&ask, id, AuthMethod::ClientSecretBasic);
        (ask, off, on)
    };
    let malformed = || refused(K::MalformedAuthorization);
    on_and_off(
        |layer| layer.compat(Compat::new().raw_basic()),
        [
            // The id is decoded all the same: there is one look-up, for one id.
            (plus, failed(K::WrongSecret, "my client"), failed(K::WrongSecret, "my client")),
            raw("my+client", "my%2Bclient:with+plus s3cr3t", failed(K::WrongSecret, "my+client")),
            raw("percent%41", "percent%2541:100%25-s3cr3t", failed(K::WrongSecret, "percent%41")),
            // Both readings are right here; the decoded one is the standard's.
            raw("basic", "basic:%62asic-s3cr3t", {
                by(
                    &TestRequest::bare().basic("basic:%62asic-s3cr3t"),
                    "basic",
                    AuthMethod::ClientSecretBasic,
                )
            }),
            (TestRequest::bare().basic("%zz:s3cr3t"), malformed(), malformed()),
            (
                TestRequest::bare().basic("basic:s3cr3t%zz"),
                malformed(),
                failed(K::WrongSecret, "basic"),
            ),
            (TestRequest::bare().basic("basic:s3cr3t+\0"), malformed(), malformed()),
        ],
    );
    // Secrets that are not form encoding, or whose decoding is no text, or that hold what decodes
    // to a control character.
    for secret in ["100%-s3cr3t", "%zz-s3cr3t", "a%FFb-s3cr3t", "a%00b-s3cr3t", "a+%-s3cr3t", "%"] {
        let harness = || Harness::of(Clients::from_iter([basic_client("c", [plain(secret)])]));
        let ask = TestRequest::bare().basic(format!("c:{secret}"));
        assert_eq!(harness().ask(&ask), malformed(), "{secret}");
        let on = harness().set(|layer| layer.compat(Compat::new().raw_basic()));
        assert_eq!(on.ask(&ask), by(&ask, "c", AuthMethod::ClientSecretBasic), "{secret}");
    }
}

// R39, R113: the reason is that of the reading which came further.
#[test]
fn raw_basic_reports_the_matching_reason() {
    for (secret, bytes) in [("a b-s3cr3t", "c:a+b-s3cr3t"), ("a+b-s3cr3t", "c:a+b-s3cr3t")] {
        let client = basic_client("c", [plain(secret).expires_at(NOW)]);
        let harness = Harness::of(Clients::from_iter([client]))
            .set(|layer| layer.compat(Compat::new().raw_basic()));
        let answer = harness.ask(&TestRequest::bare().basic(bytes));
        assert_eq!(answer, failed(K::SecretExpired, "c"), "{secret}");
    }
}

// R47. What was presented proves nothing, so the method that handlers see is `none`.
#[test]
fn ignore_public_credentials() {
    let refused_by_default = || failed(K::MethodMismatch, "public");
    let row = |ask: TestRequest| {
        let on = by(&ask, "public", AuthMethod::None);
        (ask, refused_by_default(), on)
    };
    on_and_off(
        |layer| layer.compat(Compat::new().ignore_public_credentials()),
        [
            row(TestRequest::bare().basic("public:")),
            row(TestRequest::bare().basic("public:any-s3cr3t")),
            row(TestRequest::form("client_id=public").basic("public:")),
            row(TestRequest::form("client_id=public&client_secret=any-s3cr3t")),
            // A malformed header, two methods and confidential clients are no matter of this
            // setting.
            (
                TestRequest::form("client_id=public").authorization("Basic !"),
                refused(K::MalformedAuthorization),
                refused(K::MalformedAuthorization),
            ),
            (
                TestRequest::form("client_id=public&client_secret=x").basic("public:"),
                refused(K::MultipleMethods),
                refused(K::MultipleMethods),
            ),
            (
                TestRequest::bare().basic("basic:wrong-s3cr3t"),
                failed(K::WrongSecret, "basic"),
                failed(K::WrongSecret, "basic"),
            ),
            (
                TestRequest::bare().basic("none-with-secret:none-s3cr3t"),
                failed(K::UnusableRegistration, "none-with-secret"),
                failed(K::UnusableRegistration, "none-with-secret"),
            ),
        ],
    );
    // Nor does it open an endpoint for which `none` is not accepted.
    for harness in [
        Harness::new().set(|layer| layer.refuse_public_clients()),
        Harness::new().set(|layer| layer.auth_methods([AuthMethod::ClientSecretBasic]).unwrap()),
    ] {
        let harness = harness.set(|layer| layer.compat(Compat::new().ignore_public_credentials()));
        let answer = harness.ask(&TestRequest::bare().basic("public:any-s3cr3t"));
        assert_eq!(answer, failed(K::MethodMismatch, "public"));
    }
}

// R14.
#[test]
fn refuse_uri_credentials() {
    let with = |query: &str| {
        TestRequest::form("client_id=post&client_secret=post-s3cr3t")
            .uri(&format!("/token?{query}"))
    };
    let passes = |query: &str| {
        let ask = with(query);
        let answer = by(&ask, "post", AuthMethod::ClientSecretPost);
        (ask, answer.clone(), answer)
    };
    let found = |query: &str| {
        let (ask, off, _) = passes(query);
        (ask, off, refused(K::CredentialsInUri))
    };
    let many = "a&".repeat(2000);
    on_and_off(
        TestLayer::refuse_uri_credentials,
        [
            found("client_secret=s3cr3t"),
            found("a=b&client%5Fsecret=s3cr3t"),
            found("client_secret=%zz"),
            found("client_secret=a&client_secret=b"),
            found("client_secret=&client_secret=b"),
            found("client_assertion=s3cr3t.x.y"),
            passes("client_secret="),
            passes("client_secret"),
            passes(""),
            passes("tenant=1&state=1&state=2"),
            passes("client_id=a&client_id=b"),
            passes(&many),
            passes("Client_Secret=x&xclient_secret=x"),
        ],
    );
    // Whatever else is wrong, the leak is made known.
    let harness = Harness::new().set(|layer| layer.refuse_uri_credentials());
    let get =
        TestRequest::bare().method("GET").uri("/token?client_id=post&client_secret=post-s3cr3t");
    assert_eq!(harness.ask(&get), refused(K::CredentialsInUri));
}

// R11, R12.
#[test]
fn last_parameter_wins() {
    let row = |form: &str, id: &str, method: AuthMethod| {
        let ask = TestRequest::form(form);
        let on = by(&ask, id, method);
        (ask, refused(K::RepeatedParameter), on)
    };
    let post = "client_id=post&client_secret=post-s3cr3t";
    on_and_off(
        |layer| layer.compat(Compat::new().last_parameter_wins()),
        [
            row(&format!("client_id=x&{post}"), "post", AuthMethod::ClientSecretPost),
            row(&format!("client_secret=x&{post}"), "post", AuthMethod::ClientSecretPost),
            row("client_id=post&client%5Fid=public", "public", AuthMethod::None),
            // The last one has no value, so there is none.
            row("client_id=public&client_secret=x&client_secret=", "public", AuthMethod::None),
            row("grant_type=a&grant_type=b&client_id=public", "public", AuthMethod::None),
        ],
    );
}

// R1, R5, R27: a gateway authenticates by headers whatever the rest is.
#[test]
fn headers_only() {
    let harness = Harness::new().set(|layer| layer.headers_only().unwrap());
    let right = || TestRequest::bare().basic("basic:basic-s3cr3t");
    for ask in [
        right(),
        right().method("GET").uri("/resource?client_secret=x"),
        right().method("DELETE"),
        right().method("OPTIONS"),
        right().with("content-type", "application/json").body(r#"{"client_id":"x"}"#),
        right().with("content-encoding", "gzip").body([0x1f, 0x8b]),
        right().with("transfer-encoding", "gzip, chunked").body([0x1f, 0x8b]),
        right().body(vec![b'x'; 1 << 20]),
        // Body parameters are left to the inner service.
        TestRequest::form("client_id=other&client_secret=x&client_id=y")
            .basic("basic:basic-s3cr3t"),
    ] {
        assert_eq!(harness.ask(&ask), by(&ask, "basic", AuthMethod::ClientSecretBasic));
    }
    for (ask, expected) in [
        (TestRequest::form("client_id=public"), refused(K::NoCredentials)),
        (TestRequest::form("client_id=post&client_secret=post-s3cr3t"), refused(K::NoCredentials)),
        (TestRequest::bare().method("GET"), refused(K::NoCredentials)),
        (TestRequest::bare().basic("basic:x").method("GET"), failed(K::WrongSecret, "basic")),
        (TestRequest::bare().authorization("Bearer x"), refused(K::UnsupportedScheme)),
        (right().basic("basic:basic-s3cr3t"), refused(K::RepeatedAuthorization)),
    ] {
        assert_eq!(harness.ask(&ask), expected);
    }
}

// R50: where the method is found, before any look-up, and without an offer of it.
#[test]
fn auth_methods() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let basic = TestRequest::bare().basic("basic:basic-s3cr3t");
    let post = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let none = TestRequest::form("client_id=public");
    let challenge = |answer: Answer, value: &str| {
        answer.without("www-authenticate").with("www-authenticate", value)
    };
    for (methods, offer) in [
        (vec![ClientSecretPost], r#"client_secret_post realm="OAuth""#),
        (vec![None], r#"none realm="OAuth""#),
        (vec![None, ClientSecretPost], r#"client_secret_post realm="OAuth""#),
        (vec![ClientSecretBasic], CHALLENGE),
        (vec![None, ClientSecretBasic], CHALLENGE),
    ] {
        let accepts = |method: AuthMethod| methods.contains(&method);
        let harness = Harness::new().set(|layer| layer.auth_methods(methods.clone()).unwrap());
        let not_accepted = || refused(K::MethodNotAccepted);
        for (ask, method, id, refusal) in [
            // RFC 6749 §5.2: the scheme that the client used.
            (&basic, ClientSecretBasic, "basic", not_accepted()),
            (&post, ClientSecretPost, "post", challenge(not_accepted(), offer)),
            (&none, None, "public", challenge(not_accepted(), offer)),
        ] {
            let expected = if accepts(method.clone()) { by(ask, id, method) } else { refusal };
            assert_eq!(harness.ask(ask), expected, "{methods:?}");
        }
        assert_eq!(harness.ask(&TestRequest::bare()), challenge(refused(K::NoCredentials), offer));
        // R24: a scheme that is not Basic gets what is supported.
        let bearer = harness.ask(&TestRequest::bare().authorization("Bearer x"));
        assert_eq!(bearer, challenge(refused(K::UnsupportedScheme), offer), "{methods:?}");
    }
    // The realm and the methods are set in any order.
    for harness in [
        Harness::new()
            .set(|layer| layer.realm("R").unwrap().auth_methods([ClientSecretPost]).unwrap()),
        Harness::new()
            .set(|layer| layer.auth_methods([ClientSecretPost]).unwrap().realm("R").unwrap()),
    ] {
        let expected = challenge(refused(K::NoCredentials), r#"client_secret_post realm="R""#);
        assert_eq!(harness.ask(&TestRequest::bare()), expected);
    }
}

// R50, R81: what this build cannot check must not look accepted.
#[test]
fn invalid_auth_methods_are_errors() {
    let set = |methods: Vec<AuthMethod>| {
        Harness::new().layer.auth_methods(methods).map(drop).unwrap_err()
    };
    assert_eq!(set(vec![]), ConfigError::NoMethods);
    for name in [
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "pigeon",
    ] {
        let method = AuthMethod::from(name);
        if cfg!(feature = "jwt") && name.ends_with("_jwt")
            || cfg!(feature = "mtls") && name.ends_with("tls_client_auth")
        {
            // It counts as soon as there are `assertions` or `mutual_tls`, before or after.
            let layer = Harness::new().layer.auth_methods([AuthMethod::ClientSecretBasic, method]);
            let supported: Vec<_> = layer.unwrap().auth_methods_supported().collect();
            assert_eq!(supported, ["client_secret_basic"]);
            continue;
        }
        let error = set(vec![AuthMethod::ClientSecretBasic, method.clone()]);
        assert_eq!(error, ConfigError::UnsupportedMethod(method));
        let why = match name {
            "pigeon" => "is not supported",
            name if name.ends_with("_jwt") => "needs the feature `jwt`",
            _ => "needs the feature `mtls`",
        };
        let text = format!("the client authentication method \"{name}\" {why}");
        assert_eq!(error.to_string(), text);
    }
}

// R4, R108.
#[test]
fn limits() {
    let post = || "client_id=post&client_secret=post-s3cr3t".to_owned();
    let ask = TestRequest::form(post());
    let accepted = || by(&ask, "post", AuthMethod::ClientSecretPost);
    let with = |set: fn(Limits, usize) -> Limits, limit: usize| {
        Harness::new().set(|layer| layer.limits(set(Limits::new(), limit))).ask(&ask)
    };
    let length = post().len();
    assert_eq!(with(Limits::body, length), accepted());
    assert_eq!(with(Limits::body, length - 1), refused(K::BodyTooLarge));
    assert_eq!(with(Limits::parameters, 2), accepted());
    assert_eq!(with(Limits::parameters, 1), refused(K::TooManyParameters));
    // An empty form has none.
    let empty = TestRequest::form("").basic("basic:basic-s3cr3t");
    let harness = Harness::new().set(|layer| layer.limits(Limits::new().parameters(0)));
    assert_eq!(harness.ask(&empty), by(&empty, "basic", AuthMethod::ClientSecretBasic));
    // `post-s3cr3t` is the longest of them.
    assert_eq!(with(Limits::credential, 11), accepted());
    assert_eq!(with(Limits::credential, 10), refused(K::CredentialTooLong));
    let basic = TestRequest::bare().basic("basic:basic-s3cr3t");
    let length = basic.headers[0].1.len();
    for (limit, expected) in [
        (length, by(&basic, "basic", AuthMethod::ClientSecretBasic)),
        (length - 1, refused(K::CredentialTooLong)),
    ] {
        let harness = Harness::new().set(|layer| layer.limits(Limits::new().credential(limit)));
        assert_eq!(harness.ask(&basic), expected);
    }
}

// R63. The system's clock is used unless another one is given: a secret that expired in 1970, and
// one of the far future.
#[test]
fn clock() {
    for (expires_at, expected) in [(1, Some(K::SecretExpired)), (i64::MAX, None)] {
        let client = basic_client("c", [plain("c-s3cr3t").expires_at(expires_at)]);
        let layer = tower_client_auth::ClientAuthLayer::new(Clients::from_iter([client]));
        let service =
            tower::Layer::layer(&layer, crate::support::Recorder { calls: Log::default() });
        let request = TestRequest::bare().basic("c:c-s3cr3t").request();
        let response = crate::support::run(tower::ServiceExt::oneshot(service, request)).unwrap();
        let error = response.extensions().get::<tower_client_auth::Error>();
        assert_eq!(error.map(tower_client_auth::Error::kind), expected);
    }
}

// R78: whatever the decoy is, it authenticates no client, not even with the decoy itself.
#[test]
fn decoy() {
    for decoy in [plain("decoy-s3cr3t"), ClientSecret::sha256_of("decoy-s3cr3t"), plain("")] {
        let harness = Harness::new().set(|layer| layer.decoy(decoy.clone()));
        for (bytes, kind) in [
            ("nobody:decoy-s3cr3t", K::UnknownClient),
            ("nobody:", K::UnknownClient),
            ("public:decoy-s3cr3t", K::MethodMismatch),
            ("pigeon:decoy-s3cr3t", K::UnusableRegistration),
            ("secretless-unchecked:decoy-s3cr3t", K::UnusableRegistration),
            ("basic:decoy-s3cr3t", K::WrongSecret),
        ] {
            let id = bytes.split(':').next().unwrap();
            assert_eq!(
                harness.ask(&TestRequest::bare().basic(bytes)),
                failed(kind, id),
                "{decoy:?}"
            );
        }
        // Nor where methods may be exchanged or the store answers for another client.
        let harness = harness.set(|layer| {
            layer
                .compat(Compat::new().interchange_basic_and_post())
                .compat(Compat::new().raw_basic())
                .compat(Compat::new().ignore_public_credentials())
        });
        let ask = TestRequest::bare().basic("nobody:decoy-s3cr3t");
        assert_eq!(harness.ask(&ask), failed(K::UnknownClient, "nobody"));
    }
}

// R113.
#[test]
fn map_error_response_never_lets_a_request_pass() {
    let seen = Log::default();
    let seen_inside = seen.clone();
    let harness = Harness::new().set(|layer| {
        layer.map_error_response(move |error, response| {
            assert_eq!(error.status(), response.status());
            seen_inside.push(error.kind());
            // It may even drop the extensions: the reason is still there for layers further out.
            let mut changed = Response::new("changed".into());
            *changed.status_mut() = StatusCode::OK;
            changed.headers_mut().insert("x-inner", HeaderValue::from_static("forged"));
            changed
        })
    });
    let answer = harness.ask(&TestRequest::bare().basic("basic:wrong-s3cr3t"));
    let expected = Answer {
        status: 200,
        headers: vec![("x-inner".into(), "forged".into())],
        body: "changed".into(),
        ..failed(K::WrongSecret, "basic")
    };
    assert_eq!(answer, expected);
    assert_eq!(seen.take(), [K::WrongSecret]);
    // It is not asked about what succeeds.
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t");
    assert_eq!(harness.ask(&ask), by(&ask, "basic", AuthMethod::ClientSecretBasic));
    assert_eq!(seen.take(), []);
}

// R113, R79: the reason goes to the hook, once per decision, with what was presented and no secret.
#[test]
fn on_outcome_sees_every_decision() {
    let seen = Log::default();
    let seen_inside = seen.clone();
    let harness = Harness::new().set(|layer| {
        layer.on_outcome(move |outcome: &Outcome<'_>| {
            seen_inside.push((
                outcome.request().uri.path().to_owned(),
                outcome.client_id().map(str::to_owned),
                outcome.method().cloned(),
                outcome.error().map(tower_client_auth::Error::kind),
            ));
        })
    });
    let basic = || Some(AuthMethod::ClientSecretBasic);
    for (ask, client_id, method, kind) in [
        (TestRequest::bare().basic("basic:basic-s3cr3t"), Some("basic"), basic(), None),
        (TestRequest::bare().basic("basic:wrong"), Some("basic"), basic(), Some(K::WrongSecret)),
        (TestRequest::bare().basic("nobody:x"), Some("nobody"), basic(), Some(K::UnknownClient)),
        (
            TestRequest::bare().basic("expired:expired-s3cr3t"),
            Some("expired"),
            basic(),
            Some(K::SecretExpired),
        ),
        (
            TestRequest::form("client_id=post"),
            Some("post"),
            Some(AuthMethod::None),
            Some(K::MethodMismatch),
        ),
        (TestRequest::bare().method("GET"), None, None, Some(K::MethodNotAllowed)),
        (TestRequest::bare(), None, None, Some(K::NoCredentials)),
        (
            TestRequest::form("client_id=basic&client_secret=x").basic("basic:x"),
            Some("basic"),
            None,
            Some(K::MultipleMethods),
        ),
    ] {
        harness.ask(&ask.uri("/path"));
        assert_eq!(seen.take(), [("/path".into(), client_id.map(str::to_owned), method, kind)]);
    }
}

// Every setting belongs to the layer it is made on: a clone made before does not change.
#[test]
fn settings_on_a_clone_leave_the_layer() {
    let harness = Harness::new();
    let changed = Harness::new()
        .set(|_| harness.layer.clone().refuse_public_clients().limits(Limits::new().body(0)));
    assert_eq!(
        changed.layer.auth_methods_supported().collect::<Vec<_>>(),
        ["client_secret_basic", "client_secret_post"]
    );
    let ask = TestRequest::form("client_id=public");
    assert_eq!(harness.ask(&ask), by(&ask, "public", AuthMethod::None));
}

// R44 and R42 together with a digest: nothing depends on how the secret is stored.
#[test]
fn settings_apply_to_digests() {
    let stored = clients();
    stored.insert(post_client("digest", [ClientSecret::sha256_of("a+b-s3cr3t")]));
    let harness = Harness::of(stored)
        .set(|layer| layer.compat(Compat::new().interchange_basic_and_post().raw_basic()));
    for bytes in ["digest:a%2Bb-s3cr3t", "digest:a+b-s3cr3t"] {
        let ask = TestRequest::bare().basic(bytes);
        assert_eq!(harness.ask(&ask), by(&ask, "digest", AuthMethod::ClientSecretBasic));
    }
}

// R50. What was left out stays out, also when an endpoint narrows what it shares with others.
#[test]
fn auth_methods_narrow_again() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};

    let shared = || Harness::new().layer.auth_methods([ClientSecretBasic, None]).unwrap();
    let again = shared().auth_methods([ClientSecretBasic, ClientSecretPost, None]).unwrap();
    assert_eq!(again.auth_methods_supported().collect::<Vec<_>>(), ["client_secret_basic", "none"]);
    let narrower = shared().auth_methods([ClientSecretBasic, ClientSecretPost]).unwrap();
    assert_eq!(narrower.auth_methods_supported().collect::<Vec<_>>(), ["client_secret_basic"]);
    let nothing = shared().auth_methods([ClientSecretPost]).map(drop);
    assert_eq!(nothing, Err(ConfigError::NoMethods));
}

// R63. However far a clock is moved, it never goes back: what has expired stays expired.
#[test]
fn fixed_clock_never_goes_back() {
    use std::time::Duration;

    let clock = tower_client_auth::Clock::fixed(1_000);
    let begin = clock.instant();
    clock.clone().advance(Duration::from_millis(1_500));
    assert_eq!(clock.unix_seconds(), 1_001);
    assert_eq!(clock.instant() - begin, Duration::from_millis(1_500));
    let mut before = (clock.unix_seconds(), clock.instant());
    for by in [Duration::MAX, Duration::from_millis(1), Duration::MAX] {
        clock.advance(by);
        let now = (clock.unix_seconds(), clock.instant());
        assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
        before = now;
    }
}

// R79: a throttle around a cache sees every attempt; within one it sees the first alone, because the
// cache answers the others.
#[cfg(feature = "cache")]
#[tokio::test]
async fn throttle_goes_outside_of_a_cache() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tower_client_auth::{
        BoxError, ClientProvider, RegisteredClient,
        provider::{CachedProvider, Throttled},
    };

    use crate::support::App;

    /// Lets three attempts through.
    struct Throttle<P>(P, AtomicUsize);
    impl<P: ClientProvider<Client = App>> ClientProvider for Throttle<P> {
        type Client = App;
        type Error = BoxError;

        async fn find_client(&self, id: &str) -> Result<Option<RegisteredClient<App>>, BoxError> {
            if self.1.fetch_add(1, Ordering::Relaxed) >= 3 {
                return Err(Throttled::new(std::time::Duration::from_secs(60)).into());
            }
            self.0.find_client(id).await.map_err(Into::into)
        }
    }

    async fn statuses<P: ClientProvider<Client = App>>(provider: P) -> Vec<u16> {
        let harness = Harness::of(provider);
        let mut statuses = Vec::new();
        for _ in 0..5 {
            let guess = TestRequest::bare().basic("basic:guessed").request();
            statuses.push(harness.answer(guess).await.status);
        }
        statuses
    }

    let throttled_outside = Throttle(CachedProvider::new(clients()), AtomicUsize::new(0));
    assert_eq!(statuses(throttled_outside).await, [401, 401, 401, 429, 429]);
    let throttled_inside = CachedProvider::new(Throttle(clients(), AtomicUsize::new(0)));
    assert_eq!(statuses(throttled_inside).await, [401; 5]);
}
