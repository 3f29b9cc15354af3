//! RFC 7591, Dynamic Client Registration: the registered method binds, secrets expire. The
//! documents themselves are in `metadata.rs`.

use tower_client_auth::{AuthMethod, ClientSecret, Clock, ErrorKind as K, RegisteredClient};

use crate::{
    cases::check,
    support::{
        Answer, App, Clients, Harness, NOW, TestRequest, app, basic_client, clients, failed, plain,
        post_client, public_client, stored_client,
    },
};

// R42. §2: `token_endpoint_auth_method` is the "requested authentication method".
#[test]
fn rfc7591_2_registered_method_only() {
    check("R42 ");
}

// R43. §2: "If unspecified or omitted, the default is "client_secret_basic"".
#[test]
fn rfc7591_2_absent_method_is_basic() {
    for record in [
        r#"{"client_id": "c", "client_secret": "c-s3cr3t"}"#,
        r#"{"client_id": "c", "client_secret": "c-s3cr3t", "token_endpoint_auth_method": null}"#,
        r#"{"client_id": "c", "client_secret": "c-s3cr3t",
            "token_endpoint_auth_method": "client_secret_basic"}"#,
    ] {
        let metadata = serde_json::from_str::<tower_client_auth::ClientMetadata>(record).unwrap();
        assert_eq!(metadata.auth_method(), AuthMethod::ClientSecretBasic);
        assert_eq!(
            crate::metadata::ask(record, &TestRequest::bare().basic("c:c-s3cr3t")),
            Ok("c".into())
        );
        assert_eq!(
            crate::metadata::ask(record, &TestRequest::form("client_id=c&client_secret=c-s3cr3t")),
            Err(K::MethodMismatch)
        );
    }
}

// R45.
#[test]
fn rfc7591_2_unknown_method_fails_closed() {
    check("R45 ");
    for method in [
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "attest_jwt_client_auth",
        "NONE",
        "None",
        " none",
        "Client_Secret_Basic",
        "",
    ] {
        for secrets in [vec![], vec![plain("c-s3cr3t")]] {
            let harness = Harness::of(Clients::from_iter([stored_client("c", method, secrets)]));
            for ask in [
                TestRequest::form("client_id=c"),
                TestRequest::bare().basic("c:"),
                TestRequest::bare().basic("c:c-s3cr3t"),
                TestRequest::form("client_id=c&client_secret=c-s3cr3t"),
            ] {
                assert_eq!(harness.ask(&ask), failed(K::UnusableRegistration, "c"), "{method}");
            }
        }
    }
}

// R46.
#[test]
fn rfc7591_2_missing_secret_fails_closed() {
    check("R46 ");
}

// R46, R48: the row of a database is checked when it becomes a client.
#[test]
fn rfc7591_2_contradictory_registrations() {
    let problem = |client_id: &str, method: &str, secrets: Vec<ClientSecret>| {
        RegisteredClient::new(client_id, &AuthMethod::from(method), secrets, app(client_id))
            .map(|client| client.client_id().to_owned())
            .map_err(|error| error.to_string())
    };
    let secret = || vec![plain("c-s3cr3t")];
    assert_eq!(problem("c", "none", vec![]), Ok("c".into()));
    assert_eq!(problem("c", "client_secret_basic", secret()), Ok("c".into()));
    assert_eq!(problem("c", "client_secret_post", secret()), Ok("c".into()));
    for (client_id, method, secrets, expected) in [
        ("", "none", vec![], "`client_id` is empty"),
        ("c", "none", secret(), "`none` contradicts a stored secret"),
        (
            "c",
            "client_secret_basic",
            vec![],
            "`client_secret_basic` needs a secret and none is stored",
        ),
        (
            "c",
            "client_secret_post",
            vec![],
            "`client_secret_post` needs a secret and none is stored",
        ),
        (
            "c",
            "client_secret_basic",
            vec![plain("")],
            "`client_secret_basic` needs a secret and none is stored",
        ),
        ("c", "pigeon\n", secret(), "`token_endpoint_auth_method` names no known method"),
        #[cfg(not(feature = "mtls"))]
        ("c", "tls_client_auth", vec![], "the method \"tls_client_auth\" needs the feature `mtls`"),
        #[cfg(feature = "mtls")]
        ("c", "tls_client_auth", vec![], "`tls_client_auth` needs a subject"),
        #[cfg(feature = "mtls")]
        (
            "c",
            "self_signed_tls_client_auth",
            secret(),
            "`self_signed_tls_client_auth` needs certificates",
        ),
        #[cfg(feature = "jwt")]
        ("c", "private_key_jwt", vec![], "`private_key_jwt` needs keys"),
        #[cfg(feature = "jwt")]
        ("c", "private_key_jwt", secret(), "`private_key_jwt` needs keys"),
        ("c\r\n", "none", vec![], "`client_id` has a control character"),
    ] {
        assert_eq!(
            problem(client_id, method, secrets),
            Err(format!("client {client_id:?}: {expected}"))
        );
    }
    // An empty secret is none, so that it does not contradict `none`.
    assert_eq!(problem("c", "none", vec![plain("")]), Ok("c".into()));
}

// R47.
#[test]
fn rfc7591_2_public_client_has_no_credentials() {
    check("R47 ");
}

// R48. RFC 6749 §3.2.1.
#[test]
fn rfc7591_2_none_with_a_secret_fails_closed() {
    check("R48 ");
}

// R105.
#[test]
fn iana_names_round_trip() {
    for name in [
        "none",
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "attest_jwt_client_auth",
    ] {
        let method = AuthMethod::from(name);
        assert!(!matches!(method, AuthMethod::Other(_)), "{name}");
        assert_eq!(method.as_str(), name);
        assert_eq!(method.to_string(), name);
        let json = serde_json::to_string(&method).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<AuthMethod>(&json).unwrap(), method);
    }
    for name in ["attest_jwt_client_auth_dpop", "foo bar\n", "None", ""] {
        let method = AuthMethod::from(name);
        assert_eq!(method, AuthMethod::Other(name.into()));
        let json = serde_json::to_string(&method).unwrap();
        assert_eq!(serde_json::from_str::<AuthMethod>(&json).unwrap(), method);
    }
    assert!(serde_json::from_str::<AuthMethod>("7").is_err());
}

/// What a client with these secrets is answered when it presents `presented`, by both methods.
fn with_secrets(secrets: &[ClientSecret], now: i64, presented: &str) -> Result<(), K> {
    let clients = Clients::from_iter([
        basic_client("c", secrets.iter().cloned()),
        post_client("p", secrets.iter().cloned()),
    ]);
    let harness = Harness::of(clients).set(|layer| layer.clock(Clock::fixed(now)));
    let verdict = |answer: Answer| answer.kind.map_or(Ok(()), Err);
    let by_basic = verdict(harness.ask(&TestRequest::bare().basic(format!("c:{presented}"))));
    let by_post = format!("client_id=p&client_secret={presented}");
    assert_eq!(verdict(harness.ask(&TestRequest::form(by_post))), by_basic);
    by_basic
}

// R58, R59, R60, R63. §3.2.1: "Time at which the client secret will expire or 0 if it will not
// expire", in seconds of 64 bits.
#[test]
fn rfc7591_3_2_1_expiry_to_the_second() {
    for (expires_at, now, valid) in [
        (NOW, NOW - 1, true),
        (NOW, NOW, false),
        (NOW, NOW + 1, false),
        (0, NOW, true),
        (0, i64::MAX, true),
        (-1, NOW, false),
        (-1, 0, false),
        (1, 0, true),
        (1, 1, false),
        (i64::MIN, NOW, false),
        (i64::MAX, NOW, true),
        (i64::MAX, i64::MAX, false),
        (4_102_444_800, 4_102_444_799, true),
        (4_102_444_800, 4_102_444_800, false),
        (9_007_199_254_740_993, 9_007_199_254_740_992, true),
        (9_007_199_254_740_993, 9_007_199_254_740_993, false),
    ] {
        for secret in [plain("c-s3cr3t"), ClientSecret::sha256_of("c-s3cr3t")] {
            let expected = if valid { Ok(()) } else { Err(K::SecretExpired) };
            let got = with_secrets(&[secret.expires_at(expires_at)], now, "c-s3cr3t");
            assert_eq!(got, expected, "expires at {expires_at}, now {now}");
        }
    }
}

// R55, R61: the best of all secrets counts, in any order.
#[test]
fn rfc7591_3_2_1_any_valid_secret_of_several() {
    let old = || plain("c-s3cr3t").expires_at(NOW);
    let next = || plain("c-s3cr3t").not_before(NOW + 1);
    let live = || plain("c-s3cr3t");
    let other = || ClientSecret::sha256_of("other-s3cr3t");
    for (secrets, expected) in [
        (vec![old(), live()], Ok(())),
        (vec![live(), old()], Ok(())),
        (vec![next(), live(), other()], Ok(())),
        (vec![other(), live(), next()], Ok(())),
        (vec![old(), other()], Err(K::SecretExpired)),
        (vec![other(), old()], Err(K::SecretExpired)),
        (vec![next(), other()], Err(K::SecretNotYetValid)),
        (vec![other(), next()], Err(K::SecretNotYetValid)),
        (vec![other(), other()], Err(K::WrongSecret)),
        (vec![live().not_before(NOW).expires_at(NOW + 1)], Ok(())),
        (vec![live().not_before(NOW + 1).expires_at(NOW)], Err(K::SecretExpired)),
    ] {
        assert_eq!(with_secrets(&secrets, NOW, "c-s3cr3t"), expected, "{secrets:?}");
    }
    check("R55 ");
    check("R58 ");
    check("R59 ");
    check("R61 ");
}

// R53. RFC 6819 §5.1.4.1.3.
#[test]
fn rfc6819_5_1_4_1_3_digest_is_enough() {
    check("R53 ");
    // The digest as another program would have computed it.
    let digest = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];
    assert_eq!(with_secrets(&[ClientSecret::sha256(digest)], NOW, "abc"), Ok(()));
    assert_eq!(with_secrets(&[ClientSecret::sha256(digest)], NOW, "abd"), Err(K::WrongSecret));
}

// R38: of either kind.
#[test]
fn empty_stored_secret_matches_nothing() {
    for (secret, kind) in [
        (plain(""), K::UnusableRegistration),
        // That a digest is one of nothing cannot be seen.
        (ClientSecret::sha256_of(""), K::WrongSecret),
    ] {
        let harness = Harness::of(Clients::from_iter([basic_client("c", [secret.clone()])]));
        for presented in ["", "x", "%20"] {
            let answer = harness.ask(&TestRequest::bare().basic(format!("c:{presented}")));
            assert_eq!(answer, failed(kind, "c"), "{secret:?}");
        }
    }
}

// R107. RFC 7592: a change takes effect with the next request.
#[test]
fn rfc7592_changes_count_from_the_next_request() {
    let shared = std::sync::Arc::new(clients());
    let harness = Harness::of(std::sync::Arc::clone(&shared));
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t");
    let right = || ask.accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(harness.ask(&ask), right());
    let swap = |client: RegisteredClient<App>| assert!(shared.insert(client).is_some());
    swap(basic_client("basic", [plain("new-s3cr3t")]));
    assert_eq!(harness.ask(&ask), failed(K::WrongSecret, "basic"));
    swap(post_client("basic", [plain("basic-s3cr3t")]));
    assert_eq!(harness.ask(&ask), failed(K::MethodMismatch, "basic"));
    swap(public_client("basic"));
    assert_eq!(harness.ask(&ask), failed(K::MethodMismatch, "basic"));
    assert!(shared.remove("basic").is_some());
    assert_eq!(harness.ask(&ask), failed(K::UnknownClient, "basic"));
    assert!(shared.insert(basic_client("basic", [plain("basic-s3cr3t")])).is_none());
    assert_eq!(harness.ask(&ask), right());
}

// R106. An id that is a URL is compared as text, by either method.
#[test]
fn url_client_id_is_text() {
    check("R106 ");
    let harness = Harness::of(Clients::from_iter([public_client("https://client.example/c")]));
    let ask = TestRequest::form("client_id=https%3A%2F%2Fclient.example%2Fc");
    assert_eq!(harness.ask(&ask), ask.accepted("https://client.example/c", AuthMethod::None));
    for other in
        ["https://client.example/c/", "HTTPS://client.example/c", "https://client.example:443/c"]
    {
        let answer = harness.ask(&TestRequest::form(format!("client_id={other}")));
        assert_eq!(answer, failed(K::UnknownClient, other));
    }
}
