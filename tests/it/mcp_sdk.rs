//! What the MCP SDKs test of their own client authentication, each case under the preset and by
//! default. The names are those of the SDKs' tests: Python `test_auth_integration.py` and
//! `test_error_handling.py`, TypeScript `clientAuth.test.ts`, `token.test.ts` and `revoke.test.ts`.
//!
//! Where the SDK lets a request pass to its grant handler, the inner service is called here.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, ClientAuthLayer, Compat, ErrorKind as K, RegisteredClient, body::RequestBody,
    provider::MemoryProvider,
};

use crate::support::{
    Answer, Asked, Clients, Harness, NOW, TestLayer, TestRequest, app, basic, basic_client, failed,
    plain, post_client, public_client, refused, run, stored_client,
};

fn clients() -> Clients {
    MemoryProvider::from_iter([
        basic_client("basic", [plain("basic-s3cr3t")]),
        basic_client("cid", [plain("s/cr3t")]),
        post_client("post", [plain("post-s3cr3t")]),
        post_client("expired", [plain("old-s3cr3t").expires_at(NOW - 3600)]),
        public_client("public"),
        public_client("https://client.example/metadata.json"),
        stored_client("secretless", "client_secret_post", []),
        basic_client("plus", [plain("a+b-s3cr3t")]),
        basic_client("percent", [plain("100%zz-s3cr3t")]),
        post_client("ending", [plain("end-s3cr3t").expires_at(NOW)]),
        stored_client("none-with-secret", "none", [plain("x-s3cr3t")]),
        stored_client("pigeon", "carrier_pigeon", [plain("x-s3cr3t")]),
    ])
}

/// The SDK's answer.
fn told(code: &str, description: &str, kind: K) -> Answer {
    Answer {
        status: 401,
        body: format!(r#"{{"error":"{code}","error_description":"{description}"}}"#),
        kind: Some(kind),
        headers: vec![
            ("cache-control".into(), "no-store".into()),
            ("content-type".into(), "application/json".into()),
            ("pragma".into(), "no-cache".into()),
        ],
        ..refused(K::NoCredentials)
    }
}

struct Case {
    name: &'static str,
    ask: TestRequest,
    preset: Answer,
    default: Answer,
}

const CODE: &str = "grant_type=authorization_code&code=c&code_verifier=v&redirect_uri=r";

fn python() -> Vec<Case> {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let form = |rest: &str| TestRequest::form(format!("{CODE}{rest}"));
    let looked_up =
        |client: &str, answer: Answer| Answer { lookups: vec![client.into()], ..answer };
    let case = |name, ask: TestRequest, preset, default| Case { name, ask, preset, default };
    let accepted = |name, ask: TestRequest, client: &str, method: AuthMethod| Case {
        name,
        preset: ask.accepted(client, method.clone()),
        default: ask.accepted(client, method),
        ask,
    };
    vec![
        case(
            "test_token_validation_error",
            TestRequest::form("grant_type=authorization_code"),
            told("invalid_client", "Missing client_id", K::NoCredentials),
            refused(K::NoCredentials),
        ),
        case(
            "test_token_invalid_client_secret_returns_invalid_client",
            form("&client_id=post&client_secret=wrong-s3cr3t"),
            looked_up("post", told("invalid_client", "Invalid client_secret", K::WrongSecret)),
            failed(K::WrongSecret, "post"),
        ),
        accepted(
            "test_client_secret_basic_authentication",
            form("&client_id=basic").basic("basic:basic-s3cr3t"),
            "basic",
            ClientSecretBasic,
        ),
        case(
            "test_wrong_auth_method_without_valid_credentials_fails",
            form("&client_id=post").basic("post:post-s3cr3t"),
            looked_up(
                "post",
                told("invalid_client", "Client secret is required", K::MethodMismatch),
            ),
            failed(K::MethodMismatch, "post"),
        ),
        case(
            "test_basic_auth_without_header_fails",
            form("&client_id=basic&client_secret=basic-s3cr3t"),
            looked_up(
                "basic",
                told(
                    "invalid_client",
                    "Missing or invalid Basic authentication in Authorization header",
                    K::UnsupportedScheme,
                ),
            ),
            failed(K::MethodMismatch, "basic"),
        ),
        case(
            "test_basic_auth_invalid_base64_fails",
            form("&client_id=basic").authorization("Basic !!!invalid-base64!!!"),
            looked_up(
                "basic",
                told(
                    "invalid_client",
                    "Invalid Basic authentication header",
                    K::MalformedAuthorization,
                ),
            ),
            refused(K::MalformedAuthorization),
        ),
        case(
            "test_basic_auth_no_colon_fails",
            form("&client_id=basic").basic("no-colon-here"),
            looked_up(
                "basic",
                told(
                    "invalid_client",
                    "Invalid Basic authentication header",
                    K::MalformedAuthorization,
                ),
            ),
            refused(K::MalformedAuthorization),
        ),
        case(
            "test_basic_auth_client_id_mismatch_fails",
            form("&client_id=basic").basic("wrong-client-id:basic-s3cr3t"),
            looked_up(
                "basic",
                told("invalid_client", "Client ID mismatch in Basic auth", K::ClientIdMismatch),
            ),
            refused(K::ClientIdMismatch),
        ),
        accepted("test_none_auth_method_public_client", form("&client_id=public"), "public", None),
        accepted(
            "test_a_client_with_a_secret_authenticates_the_token_request_with_http_basic",
            form("&client_id=cid").basic("cid:s%2Fcr3t"),
            "cid",
            ClientSecretBasic,
        ),
        accepted(
            "test_the_registered_auth_method_is_used_regardless",
            form("&client_id=post&client_secret=post-s3cr3t&resource=https%3A%2F%2Fr.example"),
            "post",
            ClientSecretPost,
        ),
        accepted(
            "test_cimd_is_selected",
            form("&client_id=https%3A%2F%2Fclient.example%2Fmetadata.json"),
            "https://client.example/metadata.json",
            None,
        ),
        case(
            "test_identity_assertion rejects_secretless_confidential_client",
            form("&client_id=secretless"),
            looked_up(
                "secretless",
                told(
                    "invalid_client",
                    "Client is registered for secret-based authentication but has no stored secret",
                    K::UnusableRegistration,
                ),
            ),
            failed(K::UnusableRegistration, "secretless"),
        ),
        case(
            "test_oversized_request_body_returns_413",
            TestRequest::form("a".repeat(4 * 1024 * 1024 + 1)),
            refused(K::BodyTooLarge),
            refused(K::BodyTooLarge),
        ),
        case(
            "test_request_body_within_the_limit_is_still_parsed",
            TestRequest::form(format!("padding={}", "a".repeat(32 * 1024))),
            told("invalid_client", "Missing client_id", K::NoCredentials),
            refused(K::NoCredentials),
        ),
    ]
}

/// The TypeScript SDK has no preset: it answers 400 to everything and takes JSON. What it lets pass
/// and what it refuses must come out the same by default.
fn typescript() -> Vec<(&'static str, TestRequest, Answer)> {
    let post = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let extra = TestRequest::form("client_id=post&client_secret=post-s3cr3t&extra=field");
    let public = TestRequest::form("client_id=public");
    let code = TestRequest::form(format!("{CODE}&client_id=post&client_secret=post-s3cr3t"));
    let revoke = TestRequest::form(
        "client_id=post&client_secret=post-s3cr3t&token=t&token_type_hint=access_token",
    );
    vec![
        (
            "authenticates valid client credentials",
            post.clone(),
            post.accepted("post", AuthMethod::ClientSecretPost),
        ),
        (
            "rejects invalid client_id",
            TestRequest::form("client_id=non-existent&client_secret=post-s3cr3t"),
            failed(K::UnknownClient, "non-existent"),
        ),
        (
            "rejects invalid client_secret",
            TestRequest::form("client_id=post&client_secret=invalid-s3cr3t"),
            failed(K::WrongSecret, "post"),
        ),
        (
            "rejects missing client_id",
            TestRequest::form("client_secret=post-s3cr3t"),
            refused(K::MissingClientId),
        ),
        (
            "allows missing client_secret if client has none",
            public.clone(),
            public.accepted("public", AuthMethod::None),
        ),
        (
            "rejects request when client secret has expired",
            TestRequest::form("client_id=expired&client_secret=old-s3cr3t"),
            failed(K::SecretExpired, "expired"),
        ),
        (
            "handles malformed request body",
            TestRequest::bare().with("content-type", "application/json").body("not-json-format"),
            refused(K::UnsupportedMediaType),
        ),
        (
            "ignores extra fields in request",
            extra.clone(),
            extra.accepted("post", AuthMethod::ClientSecretPost),
        ),
        ("requires POST method", TestRequest::bare().method("GET"), refused(K::MethodNotAllowed)),
        (
            "token: requires valid client credentials",
            TestRequest::form(format!(
                "{CODE}&client_id=invalid-client&client_secret=wrong-s3cr3t"
            )),
            failed(K::UnknownClient, "invalid-client"),
        ),
        (
            "token: accepts valid client credentials",
            code.clone(),
            code.accepted("post", AuthMethod::ClientSecretPost),
        ),
        (
            "revoke: authenticates client before revoking token",
            TestRequest::form("client_id=invalid-client&client_secret=wrong-s3cr3t&token=t"),
            failed(K::UnknownClient, "invalid-client"),
        ),
        (
            "revoke: successfully revokes token, accepts token_type_hint",
            revoke.clone(),
            revoke.accepted("post", AuthMethod::ClientSecretPost),
        ),
    ]
}

/// A harness for these clients.
fn harness(new: fn(Asked<Clients>) -> TestLayer) -> Harness {
    Harness::with(clients(), new)
}

#[test]
fn python_sdk_cases_with_the_preset() {
    let harness = harness(ClientAuthLayer::mcp_python_sdk);
    for case in python() {
        assert_eq!(harness.ask(&case.ask), case.preset, "{}", case.name);
    }
}

#[test]
fn python_sdk_cases_by_default() {
    let harness = harness(ClientAuthLayer::new);
    for case in python() {
        assert_eq!(harness.ask(&case.ask), case.default, "{}", case.name);
    }
}

#[test]
fn typescript_sdk_cases() {
    let harness = harness(ClientAuthLayer::new);
    for (name, ask, expected) in typescript() {
        assert_eq!(harness.ask(&ask), expected, "{name}");
    }
}

// `test_metadata_endpoint`, but for `none`, which the SDK accepts and does not announce (D24).
#[test]
fn preset_metadata_lists_what_works() {
    let layer = ClientAuthLayer::mcp_python_sdk(clients());
    let methods: Vec<_> = layer.auth_methods_supported().collect();
    assert_eq!(methods, ["client_secret_basic", "client_secret_post", "none"]);
}

// D21 (tests/requirements.md): revocation has its own code, and no cache headers.
#[test]
fn preset_revocation_answers_unauthorized_client() {
    let harness = harness(ClientAuthLayer::mcp_python_sdk_revocation);
    let wrong = TestRequest::form("token=t&client_id=post&client_secret=wrong-s3cr3t");
    let answer = told("unauthorized_client", "Invalid client_secret", K::WrongSecret)
        .without("cache-control")
        .without("pragma");
    assert_eq!(harness.ask(&wrong), Answer { lookups: vec!["post".into()], ..answer });
    // `test_revoke_invalid_token`, `test_revoke_with_malformed_token`: the token and its hint
    // are for the handler to check.
    for token in ["token=unknown", "token=t&token_type_hint=asdf"] {
        let right = TestRequest::form(format!("{token}&client_id=post&client_secret=post-s3cr3t"));
        assert_eq!(harness.ask(&right), right.accepted("post", AuthMethod::ClientSecretPost));
    }
}

// The rows D1 to D31 of tests/requirements.md that no test of the SDK touches.
#[test]
fn preset_rows_that_the_sdk_does_not_test() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let harness = harness(ClientAuthLayer::mcp_python_sdk);
    let accepted = [
        (
            "D2",
            TestRequest::form("client_id=basic").authorization(lower("basic:basic-s3cr3t")),
            "basic",
            ClientSecretBasic,
        ),
        (
            "D4",
            TestRequest::form("client_id=plus").basic("plus:a+b-s3cr3t"),
            "plus",
            ClientSecretBasic,
        ),
        (
            "D6",
            TestRequest::form("client_id=percent").basic("percent:100%zz-s3cr3t"),
            "percent",
            ClientSecretBasic,
        ),
        (
            "D7 secret beside Basic",
            TestRequest::form("client_id=basic&client_secret=x").basic("basic:basic-s3cr3t"),
            "basic",
            ClientSecretBasic,
        ),
        (
            "D7 Basic beside a secret",
            TestRequest::form("client_id=post&client_secret=post-s3cr3t").basic("basic:x"),
            "post",
            ClientSecretPost,
        ),
        (
            "D7 malformed Basic",
            TestRequest::form("client_id=post&client_secret=post-s3cr3t").authorization("Basic !"),
            "post",
            ClientSecretPost,
        ),
        (
            "D7 Basic of another",
            TestRequest::form("client_id=public").basic("basic:basic-s3cr3t"),
            "public",
            None,
        ),
        (
            "D7 an assertion",
            TestRequest::form("client_id=public&client_assertion=x"),
            "public",
            None,
        ),
        (
            "D8",
            TestRequest::form(
                "client_id=basic&client_id=post&client_secret=x&client_secret=post-s3cr3t",
            ),
            "post",
            ClientSecretPost,
        ),
        ("D11", TestRequest::form("client_id=public&client_secret=x"), "public", None),
        (
            "D15",
            TestRequest::form("client_id=ending&client_secret=end-s3cr3t"),
            "ending",
            ClientSecretPost,
        ),
    ];
    for (row, ask, client, method) in accepted {
        assert_eq!(harness.ask(&ask), ask.accepted(client, method), "{row}");
    }
    let refused = [
        (
            "D1",
            TestRequest::form("a=b").basic("basic:basic-s3cr3t"),
            "",
            "Missing client_id",
            K::NoCredentials,
        ),
        (
            "D12",
            TestRequest::form("client_id=none-with-secret"),
            "none-with-secret",
            "Client secret is required",
            K::MethodMismatch,
        ),
        (
            "D16",
            TestRequest::form("client_id=expired&client_secret=old-s3cr3t"),
            "expired",
            "Client secret has expired",
            K::SecretExpired,
        ),
        (
            "D18",
            TestRequest::form("client_id=nobody&client_secret=x"),
            "nobody",
            "Invalid client_id",
            K::UnknownClient,
        ),
        (
            "D18 method",
            TestRequest::form("client_id=pigeon&client_secret=x"),
            "pigeon",
            "Unsupported auth method: carrier_pigeon",
            K::UnusableRegistration,
        ),
        (
            "D20",
            TestRequest::bare().with("content-type", "application/json").body("{}"),
            "",
            "Missing client_id",
            K::UnsupportedMediaType,
        ),
        (
            "D20 multipart",
            TestRequest::bare()
                .with("content-type", "multipart/form-data; boundary=b")
                .body("--b--"),
            "",
            "Missing client_id",
            K::UnsupportedMediaType,
        ),
    ];
    for (row, ask, client, description, kind) in refused {
        let lookups = if client.is_empty() { vec![] } else { vec![client.to_owned()] };
        let expected = Answer { lookups, ..told("invalid_client", description, kind) };
        assert_eq!(harness.ask(&ask), expected, "{row}");
    }
}

// The rows of tests/requirements.md marked *never*.
#[test]
fn preset_never_imitates() {
    let harness = harness(ClientAuthLayer::mcp_python_sdk);
    let header = |value: &str| TestRequest::form("client_id=basic").authorization(value);
    let malformed = |row: &str, ask: TestRequest| {
        let told = told(
            "invalid_client",
            "Invalid Basic authentication header",
            K::MalformedAuthorization,
        );
        assert_eq!(harness.ask(&ask), Answer { lookups: vec!["basic".into()], ..told }, "{row}");
    };
    let token = "YmFzaWM6YmFzaWMtczNjcjN0"; // basic:basic-s3cr3t
    assert_eq!(harness.ask(&header(&format!("Basic {token}"))).status, 200);
    malformed("D3 junk", header(&format!("Basic {token}!")));
    malformed("D3 auth-param", header(&format!("Basic {token}, realm=x")));
    malformed("D3 text behind", header(&format!("Basic {token} x")));
    malformed("D5 escapes", TestRequest::form("client_id=basic").basic("basic:%FF"));
    malformed("D25 control", TestRequest::form("client_id=basic").basic("basic:\u{1}"));
    for (row, ask, kind) in [
        ("D5 form", TestRequest::form("client_id=post&client_secret=%FF"), K::MalformedParameter),
        (
            "D25 raw byte",
            TestRequest::form(b"client_id=post&client_secret=\xFF"),
            K::MalformedParameter,
        ),
        (
            "D25 control",
            TestRequest::form("client_id=post&client_secret=%01"),
            K::MalformedParameter,
        ),
        (
            "D30",
            TestRequest::bare()
                .with("content-type", "application/x-www-form-urlencoded; charset=latin1")
                .body("client_id=post&client_secret=post-s3cr3t"),
            K::UnsupportedCharset,
        ),
        ("D31", TestRequest::form("\u{feff}client_id=public"), K::MalformedParameter),
        ("D7b", header("Basic x").authorization("Basic x"), K::RepeatedAuthorization),
    ] {
        assert_eq!(harness.ask(&ask), refused(kind), "{row}");
    }
}

// D10: a client without a registered method fails for that reason, with a
// stored secret and without one.
#[test]
fn preset_refuses_clients_without_a_method() {
    let records = br#"[{"client_id": "a", "client_secret": "a-s3cr3t"}, {"client_id": "b"}]"#;
    let (clients, _invalid) = MemoryProvider::from_json(records).unwrap();
    let service = ClientAuthLayer::mcp_python_sdk(clients).layer(service_fn(
        async |_: Request<RequestBody<_>>| Ok::<_, Infallible>(Response::new(Full::default())),
    ));
    for client in ["a", "b"] {
        let ask =
            TestRequest::form(format!("client_id={client}")).basic(format!("{client}:a-s3cr3t"));
        let Ok(response) = run(service.clone().oneshot(ask.request()));
        let body = run(response.into_body().collect()).unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"error":"invalid_client","error_description":"Unsupported auth method: None"}"#,
            "{client}"
        );
    }
}

fn lower(bytes: &str) -> String {
    basic(bytes).replace("Basic", "basic")
}

// R49, R50, R103: the preset is an endpoint like any other. What is announced is what is enforced.
#[test]
fn preset_obeys_the_settings_of_methods() {
    let basic = TestRequest::form("client_id=basic").basic("basic:basic-s3cr3t");
    let post = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let public = TestRequest::form("client_id=public");
    let names = |layer: &TestLayer| layer.auth_methods_supported().collect::<Vec<_>>();

    let closed =
        harness(ClientAuthLayer::mcp_python_sdk).set(|layer| layer.refuse_public_clients());
    assert_eq!(names(&closed.layer), ["client_secret_basic", "client_secret_post"]);
    assert_eq!(closed.ask(&public), failed(K::MethodNotAccepted, "public"));
    assert_eq!(closed.ask(&post), post.accepted("post", AuthMethod::ClientSecretPost));

    let basic_only = harness(ClientAuthLayer::mcp_python_sdk)
        .set(|layer| layer.auth_methods([AuthMethod::ClientSecretBasic]).unwrap());
    assert_eq!(names(&basic_only.layer), ["client_secret_basic"]);
    for (ask, id) in [(&post, "post"), (&public, "public")] {
        assert_eq!(basic_only.ask(ask), failed(K::MethodNotAccepted, id));
    }
    assert_eq!(basic_only.ask(&basic), basic.accepted("basic", AuthMethod::ClientSecretBasic));

    // It reads the `client_id` from the form alone, and knows no assertions.
    let headers = harness(ClientAuthLayer::mcp_python_sdk).layer.headers_only().unwrap();
    assert_eq!(names(&headers), [""; 0]);
    #[cfg(feature = "jwt")]
    {
        use tower_client_auth::{assertion::Assertions, replay::MemoryReplayStore};

        let assertions = Assertions::new("https://as.example", MemoryReplayStore::default());
        let layer = harness(ClientAuthLayer::mcp_python_sdk).layer.assertions(assertions.unwrap());
        assert_eq!(names(&layer), ["client_secret_basic", "client_secret_post", "none"]);
    }

    // A leniency that is set beside it does not take away what the SDK does.
    let lenient = harness(ClientAuthLayer::mcp_python_sdk)
        .set(|layer| layer.compat(Compat::new().interchange_basic_and_post()));
    let twice = TestRequest::form("client_id=x&client_id=public");
    assert_eq!(lenient.ask(&twice), twice.accepted("public", AuthMethod::None));
}

/// What a provider says of a row is for the operator alone.
#[test]
fn preset_answers_an_invalid_registration_like_an_unknown_client() {
    let of = |client_id: &'static str| {
        let provider = tower_client_auth::provider::provider_fn(move |_: &str| {
            let method = AuthMethod::ClientSecretBasic;
            let invalid = RegisteredClient::new(client_id, &method, [], app("s3cr3t"));
            std::future::ready(match client_id {
                "" => Ok(None),
                _ => invalid.map(Some),
            })
        });
        Harness::with(provider, ClientAuthLayer::mcp_python_sdk)
            .ask(&TestRequest::form("client_id=batch"))
    };
    let unknown = of("");
    assert_eq!(unknown.kind, Some(K::UnknownClient));
    assert_eq!(of("batch"), Answer { kind: Some(K::UnusableRegistration), ..unknown });
}
