//! RFC 6749, The OAuth 2.0 Authorization Framework.

use std::{collections::HashSet, convert::Infallible, time::Duration};

use serde_json::Value;
use tower_client_auth::{
    AuthMethod, BoxError, ErrorKind as K, RegisteredClient,
    provider::{Throttled, provider_fn},
};

use crate::{
    bodies::Script,
    cases::check,
    support::{
        Answer, App, Clients, Harness, OF_ASSERTIONS, REFUSALS, TestRequest, ask, basic,
        basic_client, failed, plain, post_client, public_client, refused,
    },
};

// R29, R30. §2.2: "The client identifier is a unique string"; Appendix A.1, A.2.
#[test]
fn rfc6749_2_2_ids_and_secrets_byte_for_byte() {
    check("R29 ");
    check("R30 ");
}

// R29: nothing is cut off, however long they are.
#[test]
fn ids_and_secrets_of_any_length_are_compared_whole() {
    for length in (3..=100).chain([255, 1000]) {
        let text = |first: &str| first.to_owned() + &"i".repeat(length - first.len());
        let (id, secret) = (text("ö"), text("ß"));
        let [by_header, by_form, public] = ["a", "b", ""].map(|last| format!("{id}{last}"));
        let harness = Harness::of(Clients::from_iter([
            basic_client(&by_header, [plain(&secret)]),
            post_client(&by_form, [plain(&secret)]),
            public_client(&public),
        ]));
        let header = |secret: &str| {
            TestRequest::form("").authorization(basic(format!("{by_header}:{secret}")))
        };
        let form =
            |secret: &str| TestRequest::form(format!("client_id={by_form}&client_secret={secret}"));
        let longer = format!("{secret}i");
        let shorter = &longer[..length - 1];
        for (ask, id, method) in [
            (header(&secret), &by_header, AuthMethod::ClientSecretBasic),
            (form(&secret), &by_form, AuthMethod::ClientSecretPost),
            (TestRequest::form(format!("client_id={public}")), &public, AuthMethod::None),
        ] {
            assert_eq!(harness.ask(&ask), ask.accepted(id, method), "{length}");
        }
        for wrong in [&longer, shorter] {
            for (ask, id) in [(header(wrong), &by_header), (form(wrong), &by_form)] {
                assert_eq!(harness.ask(&ask), failed(K::WrongSecret, id), "{length} {wrong}");
            }
        }
    }
}

/// What a request can present: where, right and wrong.
fn presented(right: bool) -> [(&'static str, String); 3] {
    let secret = if right { "both-s3cr3t" } else { "wrong-s3cr3t" };
    [
        ("authorization", basic(format!("both:{secret}"))),
        ("secret", format!("client_id=both&client_secret={secret}")),
        ("assertion", format!("client_assertion={secret}.x.y&client_assertion_type=z")),
    ]
}

// R18, R19. §2.3: "The client MUST NOT use more than one authentication method in each request."
#[test]
fn rfc6749_2_3_two_right_methods_are_refused() {
    for client in
        [basic_client("both", [plain("both-s3cr3t")]), post_client("both", [plain("both-s3cr3t")])]
    {
        let harness = Harness::of(Clients::from_iter([client]));
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            for (first_right, second_right) in
                [(true, true), (true, false), (false, true), (false, false)]
            {
                let parts = [
                    presented(first_right)[first].clone(),
                    presented(second_right)[second].clone(),
                ];
                let mut ask = TestRequest::bare().with("content-type", crate::support::FORM);
                for (place, value) in parts {
                    if place == "authorization" {
                        ask = ask.authorization(value);
                    } else {
                        ask.body.extend_from_slice(b"&");
                        ask.body.extend_from_slice(value.as_bytes());
                    }
                }
                assert_eq!(harness.ask(&ask), refused(K::MultipleMethods), "{ask:?}");
            }
        }
    }
    check("R18 ");
    check("R19 ");
}

// R26: after a failed attempt with one method no other one is tried.
#[test]
fn rfc6749_2_3_malformed_header_has_no_fallback() {
    check("R26 ");
}

// R51. §2.3.1: the server "MUST support the HTTP Basic authentication scheme"; OAuth 2.1 §2.4.1
// asks the same of the body.
#[test]
fn rfc6749_2_3_1_basic_and_post_by_default() {
    check("R51 ");
}

// R14. §2.3.1: "MUST NOT be included in the request URI".
#[test]
fn rfc6749_2_3_1_no_credentials_from_the_uri() {
    check("R14 ");
}

// R27.
#[test]
fn rfc6749_2_3_1_no_credentials_from_other_headers() {
    check("R27 ");
}

// R28. §2.3.1: `client_id` is "REQUIRED".
#[test]
fn rfc6749_2_3_1_secret_needs_a_client_id() {
    check("R28 ");
}

// R36, R39. §2.3.1 and Appendix B: both halves are form-encoded.
#[test]
fn rfc6749_2_3_1_basic_is_form_decoded_once() {
    check("R36 ");
}

// R1. §3.2: "The client MUST use the HTTP "POST" method".
#[test]
fn rfc6749_3_2_only_post_is_accepted() {
    check("R1 ");
}

// R10. §3.2: "Parameters sent without a value MUST be treated as if they were omitted".
#[test]
fn rfc6749_3_2_valueless_parameter_is_omitted() {
    check("R10 ");
}

// R11. §3.2: "Request and response parameters MUST NOT be included more than once."
#[test]
fn rfc6749_3_2_repeated_credentials_are_refused() {
    check("R11 ");
}

// R12; RFC 8707 §2 and RFC 8693 §2.1 allow `resource` and `audience` to be repeated.
#[test]
fn rfc6749_3_2_only_extensions_may_be_repeated() {
    check("R12 ");
}

// R13. §3.2: "MUST ignore unrecognized request parameters".
#[test]
fn rfc6749_3_2_unknown_parameters_are_ignored() {
    check("R13 ");
}

// R15. §3.2: the server "MUST require the use of TLS".
#[test]
fn rfc6749_3_2_tls_is_required_first() {
    let harness = Harness::new().set(|layer| {
        layer.require_https(|head| {
            // The credentials are hidden from whatever the predicate logs.
            assert!(head.headers.get("authorization").is_none_or(http::HeaderValue::is_sensitive));
            head.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
        })
    });
    let plain = TestRequest::bare().basic("basic:basic-s3cr3t");
    assert_eq!(harness.ask(&plain), refused(K::InsecureTransport));
    assert_eq!(harness.ask(&plain.clone().method("GET")), refused(K::InsecureTransport));
    let secure = plain.with("x-forwarded-proto", "https");
    assert_eq!(harness.ask(&secure), secure.accepted("basic", AuthMethod::ClientSecretBasic));
}

// R22. §3.2.1: "Confidential clients or other clients issued client credentials MUST authenticate".
#[test]
fn rfc6749_3_2_1_id_alone_is_for_public_clients() {
    check("R22 ");
}

// R20. §3.2.1: a client "MAY use the "client_id" request parameter to identify itself".
#[test]
fn rfc6749_3_2_1_same_client_id_beside_basic() {
    check("R20 ");
}

// R21.
#[test]
fn rfc6749_3_2_1_other_client_id_beside_basic() {
    check("R21 ");
}

// R23. §5.2, `invalid_client`: "no client authentication included".
#[test]
fn rfc6749_5_2_no_client_is_invalid_client() {
    check("R23 ");
}

// R24. §5.2, `invalid_client`: "unsupported authentication method".
#[test]
fn rfc6749_5_2_other_scheme_is_invalid_client() {
    check("R24 ");
}

// R66. §5.2: the server "MUST respond with an HTTP 401 (Unauthorized) status code and include the
// "WWW-Authenticate" response header field matching the authentication scheme used by the client".
#[test]
fn rfc6749_5_2_failed_header_is_401_with_its_scheme() {
    let failures = [
        ("nobody:x", K::UnknownClient),
        ("basic:wrong", K::WrongSecret),
        ("expired:expired-s3cr3t", K::SecretExpired),
        ("early:early-s3cr3t", K::SecretNotYetValid),
        ("post:post-s3cr3t", K::MethodMismatch),
        ("public:", K::MethodMismatch),
        ("pigeon:pigeon-s3cr3t", K::UnusableRegistration),
    ];
    for (credentials, kind) in failures {
        let id = credentials.split(':').next().unwrap();
        assert_eq!(Harness::new().ask(&TestRequest::bare().basic(credentials)), failed(kind, id));
    }
    // Also where Basic is not accepted at all.
    let no_basic =
        Harness::new().set(|layer| layer.auth_methods([AuthMethod::ClientSecretPost]).unwrap());
    assert_eq!(
        no_basic.ask(&TestRequest::bare().basic("basic:basic-s3cr3t")),
        refused(K::MethodNotAccepted)
    );
}

/// One way to each refusal, with the expected answer.
pub(crate) fn every_refusal() -> Vec<Answer> {
    let on = |change: fn(crate::support::TestLayer) -> crate::support::TestLayer,
              ask: &TestRequest| { Harness::new().set(change).ask(ask) };
    let right = TestRequest::bare().basic("basic:basic-s3cr3t");
    let by_provider = |answer: fn() -> Result<Option<RegisteredClient<App>>, BoxError>| {
        Harness::of(provider_fn(move |_: &str| std::future::ready(answer()))).ask(&right)
    };
    let mut answers = vec![
        on(|layer| layer.require_https(|_| false), &right),
        on(|layer| layer.require_https(|_| panic!("no such header")), &right),
        on(|layer| layer.refuse_uri_credentials(), &right.clone().uri("/?client_secret=x")),
        Harness::new().send(
            TestRequest::form("").request().map(|_| Script::broken_after("client_id=public")),
        ),
        by_provider(|| Err("the database is on fire".into())),
        by_provider(|| Err(Throttled::new(Duration::from_secs(30)).into())),
        by_provider(|| Ok(Some(basic_client("BASIC", [plain("basic-s3cr3t")])))),
    ];
    let by_default = [
        right.clone().method("GET"),
        TestRequest::bare().body("x"),
        TestRequest::bare()
            .with("content-type", "application/x-www-form-urlencoded; charset=utf-16")
            .body("x"),
        right.clone().with("content-encoding", "br"),
        right.clone().with("transfer-encoding", "gzip, chunked"),
        TestRequest::form("x".repeat(64 * 1024 + 1)),
        TestRequest::form("&".repeat(1024)),
        TestRequest::form("client_id=a&client_id=a"),
        TestRequest::form("client_id=%"),
        TestRequest::form(format!("client_id={}", "x".repeat(8 * 1024 + 1))),
        right.clone().basic("basic:basic-s3cr3t"),
        TestRequest::form("client_secret=x").basic("basic:basic-s3cr3t"),
        TestRequest::form("client_id=other").basic("basic:basic-s3cr3t"),
        TestRequest::form("client_secret=x"),
        TestRequest::bare(),
        TestRequest::bare().authorization("Bearer x"),
        TestRequest::bare().authorization("Basic x"),
        TestRequest::form("client_assertion=x"),
        TestRequest::bare().basic("nobody:x"),
        TestRequest::form("client_id=post"),
        TestRequest::bare().basic("basic:x"),
        TestRequest::bare().basic("expired:expired-s3cr3t"),
        TestRequest::bare().basic("early:early-s3cr3t"),
        TestRequest::form("client_id=jwt"),
    ];
    answers.extend(by_default.iter().map(ask));
    answers
}

// R64, R65, R70, R72, R73, R74, R75: the table in `support.rs` has each answer whole.
#[test]
fn rfc6749_5_2_answer_of_every_error_kind() {
    let mut seen = HashSet::new();
    for answer in every_refusal() {
        let kind = answer.kind.unwrap();
        let mut expected = Answer { lookups: answer.lookups.clone(), ..refused(kind) };
        if kind == K::Throttled {
            expected = expected.with("retry-after", "30");
        }
        assert_eq!(answer, expected);
        assert!(seen.insert(kind), "{kind:?} twice");
    }
    let all: HashSet<_> = REFUSALS.iter().map(|row| row.0).collect();
    // These need more than a provider: see `attestation.rs`, `bodies.rs`, `grpc.rs`, `metadata_documents.rs`,
    // `mutual_tls.rs`, `secrets_at_rest.rs`, `tower_contract.rs` and `rfc7523.rs`.
    let missing: HashSet<_> = all.difference(&seen).collect();
    let mut elsewhere =
        HashSet::from([K::BodyTimeout, K::ProviderTimeout, K::Verifier, K::Overloaded]);
    elsewhere.extend([K::UnexpectedGrpc, K::NotGrpc, K::Abandoned]);
    elsewhere.extend([K::MetadataDocument, K::MetadataUnreachable]);
    #[cfg(feature = "mtls")]
    elsewhere.extend(all.iter().filter(|kind| matches!(kind, K::Certificate(_))));
    #[cfg(feature = "unstable-attestation")]
    elsewhere.extend(all.iter().filter(|kind| matches!(kind, K::Attestation(_))));
    elsewhere.extend(OF_ASSERTIONS.iter().copied());
    assert_eq!(missing, elsewhere.iter().collect::<HashSet<_>>());
}

// R64, R65, R70. §5.2: the members, the codes, and the characters of `error_description`.
#[test]
fn rfc6749_5_2_refusals_are_json_with_registered_codes() {
    for (kind, status, code, description, _) in REFUSALS.iter().copied() {
        let json: Value = serde_json::from_str(&refused(kind).body).unwrap();
        assert_eq!(json, serde_json::json!({"error": code, "error_description": description}));
        assert!(
            description.bytes().all(|c| matches!(c, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "{description}"
        );
        // `temporarily_unavailable` is of §4.1.2.1; §5.2 has no code for an outage.
        let allowed: &[_] = match code {
            "invalid_client" => &[401],
            "invalid_request" => &[400, 405, 408, 413, 415, 501],
            "temporarily_unavailable" => &[429, 503],
            // Of §4.1.2.1, too.
            "server_error" => &[500],
            // Of draft-ietf-oauth-attestation-based-client-auth-11 §7.4.
            "use_fresh_attestation" => &[401],
            "use_attestation_challenge" => &[400],
            other => panic!("{other}"),
        };
        assert!(allowed.contains(&status), "{kind:?}: {code} with {status}");
    }
}

// What `Error` tells the application about a refusal is what the caller gets.
#[test]
fn rfc6749_5_2_error_extension_agrees_with_answer() {
    for (kind, status, code, ..) in REFUSALS.iter().copied() {
        let error = tower_client_auth::Error::from(kind);
        assert_eq!((error.status().as_u16(), error.error_code()), (status, code), "{kind:?}");
    }
}

// R71: hostile input is not echoed.
#[test]
fn rfc6749_5_2_request_is_not_echoed() {
    let hostile = "\"\\<script>\u{1f600}\u{e9}x-hostile";
    let encoded = "%22%5C%3Cscript%3E%F0%9F%98%80%C3%A9x-hostile";
    let asks = [
        (TestRequest::form(format!("client_id={encoded}")), failed(K::UnknownClient, hostile)),
        (
            TestRequest::form(format!("client_id={encoded}&client_secret={encoded}")),
            failed(K::UnknownClient, hostile),
        ),
        (
            TestRequest::bare().basic(format!("{encoded}:{encoded}")),
            failed(K::UnknownClient, hostile),
        ),
        (TestRequest::bare().authorization(hostile), refused(K::UnsupportedScheme)),
        (TestRequest::form(hostile).with("content-encoding", "x-hostile"), {
            refused(K::UnsupportedContentEncoding)
        }),
    ];
    for (ask_, expected) in asks {
        assert_eq!(ask(&ask_), expected, "{ask_:?}");
    }
}

// R77. RFC 6819 §5.1.4.2; §10.10: guessing. For every pair, by every method.
#[test]
fn rfc6749_10_10_failures_are_answered_alike() {
    let by_basic = [
        "nobody:x",
        "basic:x",
        "expired:expired-s3cr3t",
        "expired:x",
        "expiring:\
         expiring-s3cr3t",
        "early:early-s3cr3t",
        "post:post-s3cr3t",
        "post:x",
        "public:x",
        "public:",
        "jwt:x",
        "pigeon:pigeon-s3cr3t",
        "secretless:",
        "empty-secret:",
        "empty-secret:x",
    ]
    .map(|credentials| TestRequest::bare().basic(credentials));
    let by_post = [
        ("nobody", "x"),
        ("post", "x"),
        ("post-expired", "expired-s3cr3t"),
        ("post-expired", "x"),
        ("basic", "basic-s3cr3t"),
        ("basic", "x"),
        ("public", "x"),
        ("jwt", "x"),
    ]
    .map(|(id, secret)| TestRequest::form(format!("client_id={id}&client_secret={secret}")));
    let by_none = ["nobody", "basic", "post", "jwt", "none-with-secret", "secretless"]
        .map(|id| TestRequest::form(format!("client_id={id}")));
    let answers: Vec<_> = by_basic.iter().chain(&by_post).chain(&by_none).map(ask).collect();
    let expected = refused(K::UnknownClient);
    for answer in &answers {
        assert_eq!(answer.wire(), expected.wire());
    }
    let kinds: HashSet<_> = answers.iter().map(|answer| answer.kind.unwrap()).collect();
    let behind_them = HashSet::from([
        K::UnknownClient,
        K::WrongSecret,
        K::SecretExpired,
        K::SecretNotYetValid,
        K::MethodMismatch,
        K::UnusableRegistration,
    ]);
    assert_eq!(kinds, behind_them, "R113: the operator can tell them apart");
}

// R52. §10.10.
#[test]
fn rfc6749_10_10_whole_secret_is_compared() {
    check("R52 ");
}

// R2. Appendix B.
#[test]
fn rfc6749_appendix_b_media_type() {
    check("R2 ");
}

// R7. Appendix B: UTF-8, strictly.
#[test]
fn rfc6749_appendix_b_strict_utf_8() {
    check("R7 ");
}

// R8, R9: WHATWG URL §5.1.
#[test]
fn rfc6749_appendix_b_escapes_and_separators() {
    check("R8 ");
    check("R9 ");
}

// R109: the provider is not asked about requests that cannot succeed, and once about others.
#[test]
fn one_look_up_at_most_and_none_if_malformed() {
    let harness = Harness::of(provider_fn(|_: &str| async {
        Ok::<Option<RegisteredClient<App>>, Infallible>(None)
    }));
    for case in crate::cases::cases() {
        let asked = harness.ask(&case.ask).lookups;
        assert_eq!(asked, case.expected.lookups, "{}", case.name);
        assert!(asked.len() <= 1, "{}", case.name);
    }
}
