//! What the operator is told of a request.

use std::time::Duration;

use tower_client_auth::{
    AuthMethod, ClientAuthLayer, ClientSecret, Clock, Compat, Limits, Outcome, RegisteredClient,
    provider::{MemoryProvider, provider_fn},
};

use crate::support::{App, Harness, Log, TestLayer, TestRequest, run};

/// Reason, method, id, other id, registered method, and what there is to say beyond that.
#[derive(Debug, Default, PartialEq)]
struct Report {
    reason: &'static str,
    method: Option<&'static str>,
    client_id: Option<String>,
    other_client_id: Option<String>,
    registered: Option<&'static str>,
    source: String,
}

impl Report {
    fn of(outcome: &Outcome<'_>) -> Self {
        let name = |method: &AuthMethod| match method {
            AuthMethod::None => "none",
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::ClientSecretJwt => "client_secret_jwt",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
            _ => "another",
        };
        let source = outcome.error().and_then(std::error::Error::source);
        Self {
            reason: outcome.error().map_or("success", |error| error.kind().as_str()),
            method: outcome.method().map(name),
            client_id: outcome.client_id().map(str::to_owned),
            other_client_id: outcome.other_client_id().map(str::to_owned),
            registered: outcome.registered_method().map(name),
            source: source.map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn new(reason: &'static str) -> Self {
        Self { reason, ..Self::default() }
    }

    fn method(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    fn id(self, client_id: &str) -> Self {
        Self { client_id: Some(client_id.to_owned()), ..self }
    }

    fn other(self, client_id: &str) -> Self {
        Self { other_client_id: Some(client_id.to_owned()), ..self }
    }

    fn registered(self, method: &'static str) -> Self {
        Self { registered: Some(method), ..self }
    }

    fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }
}

/// What a hook is told, which must be one report.
fn reported(harness: Harness, ask: &TestRequest) -> Report {
    let log = Log::default();
    let inside = log.clone();
    let harness =
        harness.set(|layer| layer.on_outcome(move |outcome| inside.push(Report::of(outcome))));
    harness.ask(ask);
    let mut reports = log.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

fn layer(change: impl FnOnce(TestLayer) -> TestLayer) -> Harness {
    Harness::new().set(change)
}

#[test]
fn registered_method_is_reported() {
    for (ask, expected) in [
        (
            TestRequest::form("client_id=basic&client_secret=basic-s3cr3t"),
            Report::new("method_mismatch")
                .method("client_secret_post")
                .id("basic")
                .registered("client_secret_basic")
                .source("the client is registered for `client_secret_basic`"),
        ),
        (
            TestRequest::form("client_id=post"),
            Report::new("method_mismatch")
                .method("none")
                .id("post")
                .registered("client_secret_post")
                .source("the client is registered for `client_secret_post`"),
        ),
        (
            TestRequest::bare().basic("basic:wrong"),
            Report::new("wrong_secret")
                .method("client_secret_basic")
                .id("basic")
                .registered("client_secret_basic"),
        ),
        (
            TestRequest::bare().basic("nobody:x"),
            Report::new("unknown_client").method("client_secret_basic").id("nobody"),
        ),
        (
            TestRequest::bare().basic("basic:basic-s3cr3t"),
            Report::new("success")
                .method("client_secret_basic")
                .id("basic")
                .registered("client_secret_basic"),
        ),
    ] {
        assert_eq!(reported(Harness::new(), &ask), expected);
    }
    // Where it is another than the one that was used.
    let interchanged = layer(|layer| layer.compat(Compat::new().interchange_basic_and_post()));
    let ask = TestRequest::form("client_id=basic&client_secret=basic-s3cr3t");
    let expected = Report::new("success")
        .method("client_secret_post")
        .id("basic")
        .registered("client_secret_basic");
    assert_eq!(reported(interchanged, &ask), expected);
}

#[test]
fn method_and_id_are_reported_without_a_look_up() {
    let confidential = || layer(ClientAuthLayer::refuse_public_clients);
    let only_post = || layer(|layer| layer.auth_methods([AuthMethod::ClientSecretPost]).unwrap());
    let short = || layer(|layer| layer.limits(Limits::new().credential(9)));
    for (harness, ask, expected) in [
        (
            confidential(),
            TestRequest::form("client_id=public"),
            Report::new("method_not_accepted").method("none").id("public"),
        ),
        (
            only_post(),
            TestRequest::bare().basic("basic%20x:s3cr3t"),
            Report::new("method_not_accepted").method("client_secret_basic").id("basic x"),
        ),
        (
            Harness::new(),
            TestRequest::form("client_secret=x"),
            Report::new("missing_client_id").method("client_secret_post"),
        ),
        (
            Harness::new(),
            TestRequest::form("client_id=a&client_secret=x").basic("b:x"),
            Report::new("multiple_methods")
                .id("a")
                .source("`Authorization` and `client_secret` are both there"),
        ),
        (
            Harness::new(),
            TestRequest::form("client_id=a&scope=x&scope=y"),
            Report::new("repeated_parameter")
                .method("none")
                .id("a")
                .source("`scope` occurs more than once"),
        ),
        // Of what is too long nothing is read.
        (
            short(),
            TestRequest::form("client_id=0123456789&client_secret=x"),
            Report::new("credential_too_long").method("client_secret_post"),
        ),
        // Nor of what nobody read: the form of a request that is refused by its head.
        (
            Harness::new(),
            TestRequest::form("client_id=a").method("PUT"),
            Report::new("method_not_allowed"),
        ),
        (
            Harness::new(),
            TestRequest::bare().basic("b:x").method("PUT"),
            Report::new("method_not_allowed").method("client_secret_basic").id("b"),
        ),
        (
            Harness::new(),
            TestRequest::bare().with("authorization", "Bearer abc:x"),
            Report::new("unsupported_scheme"),
        ),
    ] {
        assert_eq!(reported(harness, &ask), expected);
    }
}

#[test]
fn ids_that_disagree_are_both_reported() {
    let ask = TestRequest::form("client_id=post").basic("basic:basic-s3cr3t");
    let expected =
        Report::new("client_id_mismatch").method("client_secret_basic").id("basic").other("post");
    assert_eq!(reported(Harness::new(), &ask), expected);
}

#[test]
fn what_is_wrong_with_a_form_is_named_without_its_values() {
    let malformed = |method, id: Option<&str>| {
        let report = Report::new("malformed_parameter").method(method);
        match id {
            Some(id) => report.id(id),
            None => report,
        }
    };
    let post = "client_secret_post";
    for (form, expected, source) in [
        (
            "client_id=post&scope=a&client_secret=s&scope=b",
            Report::new("repeated_parameter").method(post).id("post"),
            "`scope` occurs more than once",
        ),
        (
            "client_id=post&client_secret=s&client%5Fid=",
            Report::new("repeated_parameter").method(post),
            "`client_id` occurs more than once",
        ),
        (
            "client_id=post&client_secret=s3cr3t%0A",
            malformed(post, Some("post")),
            "`client_secret` has a control character, such as a line break at its end",
        ),
        (
            "client_id=post&client_secret=s3cr3t%zz",
            malformed(post, Some("post")),
            "`client_secret` has a `%` that two hexadecimal digits do not follow",
        ),
        ("client_id=p%FF&client_secret=s3cr3t", malformed(post, None), "`client_id` is not UTF-8"),
        (
            "\u{feff}client_id=post",
            Report::new("malformed_parameter"),
            "the form begins with a byte order mark",
        ),
    ] {
        assert_eq!(reported(Harness::new(), &TestRequest::form(form)), expected.source(source));
    }
    let secret = TestRequest::form("client_id=basic&client_secret=s").basic("basic:s");
    let assertion = TestRequest::form("client_id=basic&client_assertion=s").basic("basic:s");
    let both = TestRequest::form("client_id=basic&client_secret=s&client_assertion=s");
    let all =
        TestRequest::form("client_id=basic&client_secret=s&client_assertion=s").basic("basic:s");
    for (ask, source) in [
        (secret, "`Authorization` and `client_secret` are both there"),
        (assertion, "`Authorization` and an assertion are both there"),
        (both, "`client_secret` and an assertion are both there"),
        (all, "`Authorization`, `client_secret` and an assertion are all there"),
    ] {
        let expected = Report::new("multiple_methods").id("basic").source(source);
        assert_eq!(reported(Harness::new(), &ask), expected);
    }
    let bearer = TestRequest::form("client_id=basic").with("authorization", "Bearer t");
    let harness = layer(|layer| layer.optional().foreign_schemes(["Bearer"]).unwrap());
    let source = "`Authorization` and `client_id` are both there";
    let expected = Report::new("multiple_methods").id("basic").source(source);
    assert_eq!(reported(harness, &bearer), expected);
}

#[test]
fn what_is_wrong_with_basic_is_named_without_its_values() {
    let basic = "client_secret_basic";
    let line_break = "id or secret has a control character, such as a line break at its end";
    let escape = "id and secret do not form-decode to UTF-8 (RFC 6749 §2.3.1): a `%` in either is sent as \
         `%25`, or `Compat::raw_basic` is set";
    for (credentials, id, source) in [
        ("basic:s3cr3t\n", Some("basic"), line_break),
        ("basic:100%", Some("basic"), escape),
        ("basic", None, "what is in the base64 has no id with a colon behind it"),
        (":s3cr3t", Some(""), "what is in the base64 has no id with a colon behind it"),
    ] {
        let expected = Report::new("malformed_authorization").method(basic).source(source);
        let expected = match id {
            Some(id) => expected.id(id),
            None => expected,
        };
        let ask = TestRequest::form("a=b").basic(credentials);
        assert_eq!(reported(Harness::new(), &ask), expected);
    }
    let ask = TestRequest::form("a=b").with("authorization", "Basic YmF_aWM6cw==");
    let source = "what follows `Basic` is not base64: perhaps base64url, or a line break in it";
    let expected = Report::new("malformed_authorization").method(basic).source(source);
    assert_eq!(reported(Harness::new(), &ask), expected);
}

#[test]
fn preflight_is_named_as_one() {
    const ADVICE: &str =
        "this is a CORS preflight: put the layer that answers it outside of this one";
    let preflight =
        || TestRequest::bare().method("OPTIONS").with("access-control-request-method", "POST");
    for (harness, expected) in [
        (Harness::new(), Report::new("method_not_allowed")),
        (layer(|layer| layer.headers_only().unwrap()), Report::new("no_credentials")),
        (layer(|layer| layer.grpc().unwrap()), Report::new("not_grpc")),
    ] {
        assert_eq!(reported(harness, &preflight()), expected.source(ADVICE));
    }
    let others = [
        TestRequest::bare().method("OPTIONS"),
        TestRequest::bare().method("PUT").with("access-control-request-method", "POST"),
    ];
    for ask in others {
        assert_eq!(reported(Harness::new(), &ask), Report::new("method_not_allowed"));
    }
}

/// A client changes over from one secret to another, and the operator sees when.
#[test]
fn label_of_the_secret_that_was_right_is_reported() {
    let log = Log::default();
    let inside = log.clone();
    let secrets = [
        ClientSecret::plain("old-s3cr3t").labelled("2026"),
        ClientSecret::plain("new-s3cr3t").labelled("2027"),
        ClientSecret::plain("bare-s3cr3t"),
    ];
    let clients = MemoryProvider::from_iter([RegisteredClient::secret_basic("batch", secrets, ())]);
    let layer = ClientAuthLayer::new(clients).on_outcome(move |outcome| {
        inside.push(outcome.secret_label().map(str::to_owned));
    });
    let service = tower::Layer::layer(&layer, Harness::new().recorder());
    for secret in ["old-s3cr3t", "new-s3cr3t", "bare-s3cr3t", "wr0ng"] {
        let ask = TestRequest::bare().basic(format!("batch:{secret}"));
        let _answer = run(tower::ServiceExt::oneshot(service.clone(), ask.request()));
    }
    let label = |label: &str| Some(label.to_owned());
    assert_eq!(log.take(), [label("2026"), label("2027"), None, None]);
}

/// From the head of the request to the decision, whatever the caller hides in its clock.
#[test]
fn duration_is_reported() {
    let clock = Clock::fixed(0);
    let durations = |clock: &Clock| {
        let (log, store) = (Log::default(), clock.clone());
        let inside = log.clone();
        let provider = provider_fn(move |_: &str| {
            store.advance(Duration::from_millis(30));
            std::future::ready(Ok::<_, std::convert::Infallible>(None::<RegisteredClient<App>>))
        });
        let layer = ClientAuthLayer::new(provider)
            .clock(clock.clone())
            .on_outcome(move |outcome| inside.push(outcome.duration()));
        let service = tower::Layer::layer(&layer, Harness::new().recorder());
        for ask in [TestRequest::form("client_id=c"), TestRequest::bare()] {
            let answer = tower::ServiceExt::oneshot(service.clone(), ask.request());
            assert!(run(answer).is_ok());
        }
        log.take()
    };
    assert_eq!(durations(&clock), [Duration::from_millis(30), Duration::ZERO]);
    // One that panics has nothing to say.
    let broken = Clock::new(|| 0, || panic!("no time"));
    assert_eq!(durations(&broken), [Duration::ZERO; 2]);
}

#[test]
fn assertions_name_the_setting_or_feature_that_is_missing() {
    let ask = TestRequest::form("client_id=jwt&client_assertion=x&client_assertion_type=y");
    let advice = if cfg!(feature = "jwt") {
        "assertions are accepted where `ClientAuthLayer::assertions` is set"
    } else {
        "assertions need the feature `jwt`, which this build is without"
    };
    assert_eq!(
        reported(Harness::new(), &ask),
        Report::new("method_not_accepted").id("jwt").source(advice)
    );
}

#[cfg(feature = "jwt")]
mod assertions {
    use serde_json::json;
    use tower_client_auth::{
        RegisteredClient,
        assertion::{Assertions, ClientKeys},
    };

    use super::*;
    use crate::{
        jose::{ISSUER, claims, ed, form, jwks, sign},
        support::{app, clients},
    };

    fn harness(change: impl FnOnce(Assertions) -> Assertions) -> Harness {
        let clients = clients();
        let keys = ClientKeys::from_jwks(&jwks([ed().jwk()])).unwrap();
        clients.insert(RegisteredClient::private_key_jwt("ed", keys, app("ed")));
        let published = ClientKeys::jwks_uri("https://client.example/jwks").unwrap();
        clients.insert(RegisteredClient::private_key_jwt("published", published, app("published")));
        let assertions = Assertions::dangerously_without_replay_protection(ISSUER).unwrap();
        Harness::of(clients).set(|layer| layer.assertions(change(assertions)))
    }

    fn signed(client_id: &str, audience: &str) -> String {
        let mut claims = claims(client_id);
        claims["aud"] = json!(audience);
        form(&sign(ed(), "EdDSA", &claims))
    }

    fn signing(reason: &'static str, client_id: &str) -> Report {
        Report::new(reason).method("private_key_jwt").id(client_id)
    }

    #[test]
    fn accepted_audience_is_reported() {
        let ask = TestRequest::form(signed("ed", "https://as.example/token"));
        let expected = signing("wrong_audience", "ed").registered("private_key_jwt");
        assert_eq!(
            reported(harness(|assertions| assertions), &ask),
            expected.source("the accepted audience is `https://as.example`")
        );
        let expected = signing("wrong_audience", "ed").registered("private_key_jwt");
        let legacy = |assertions: Assertions| {
            assertions.legacy_audiences(["https://as.example/a", "b"]).string_audience()
        };
        assert_eq!(
            reported(harness(legacy), &ask),
            expected.source(
                "the accepted audience is `https://as.example` or `https://as.example/a` or `b`, as a string"
            )
        );
        // Who has not proved that it is the client may as well mean another one.
        let ask = TestRequest::form(signed("nobody", "https://as.example/token"));
        let expected = signing("unknown_client", "nobody");
        assert_eq!(reported(harness(|assertions| assertions), &ask), expected);
    }

    #[test]
    fn accepted_lifetime_is_reported() {
        let mut claims = claims("ed");
        claims["exp"] = json!(crate::support::NOW + 3600);
        let ask = TestRequest::form(form(&sign(ed(), "EdDSA", &claims)));
        let expected = |seconds: &str| {
            let report = signing("assertion_lifetime", "ed").registered("private_key_jwt");
            report.source(&format!("`exp` may be {seconds} seconds ahead, see `longest_lifetime`"))
        };
        assert_eq!(reported(harness(|assertions| assertions), &ask), expected("300"));
        let short =
            |assertions: Assertions| assertions.longest_lifetime(Duration::from_secs(60)).unwrap();
        assert_eq!(reported(harness(short), &ask), expected("60"));
    }

    #[test]
    fn what_is_wrong_with_an_assertion_is_reported_without_its_values() {
        let right = claims("ed").to_string();
        let header = r#"{"alg":"EdDSA"}"#;
        let compact =
            |header: &str, claims: &str| form(&crate::jose::compact(ed(), "EdDSA", header, claims));
        let long = form(&format!("{}.x", sign(ed(), "EdDSA", &claims("ed"))));
        for (ask, source) in [
            (form("a.b"), "it has not the three parts of a signed JWT, with dots between them"),
            (long, "it has not the three parts of a signed JWT, with dots between them"),
            (form("e30=.e30.AA"), "one of its parts is not base64url without padding"),
            (form("e30.e30.AA%zz"), "it is not form-encoded text"),
            (
                compact(r#"{"alg":"EdDSA","kid":7}"#, &right),
                "its header is not an object in JSON, with each member once, and `alg`, `kid` and `typ` as text",
            ),
            (compact("{}", &right), "its header has no `alg`"),
            (
                compact(header, r#"{"sub":"ed","exp":"soon"}"#),
                "its claims are not an object in JSON, with each member once, `iss`, `sub` and `jti` as text, and \
                 `exp`, `nbf` and `iat` as numbers of seconds",
            ),
            (compact(header, r#"{"sub":"e\u0000d"}"#), "`sub` or `jti` has a control character"),
        ] {
            let report = reported(harness(|assertions| assertions), &TestRequest::form(ask));
            assert_eq!(report, Report::new("malformed_assertion").source(source));
        }
        let ask = TestRequest::form(compact(header, r#"{"iss":"ed"}"#));
        let expected = Report::new("missing_claim").source("`sub` is missing or empty");
        assert_eq!(reported(harness(|assertions| assertions), &ask), expected);
    }

    #[test]
    fn claim_that_is_missing_is_reported_after_the_signature() {
        let without = |client_id: &str, claim: &str| {
            let mut claims = claims(client_id);
            claims.as_object_mut().unwrap().remove(claim).unwrap();
            TestRequest::form(form(&sign(ed(), "EdDSA", &claims)))
        };
        for (claim, source) in [
            ("iss", "`iss` is missing or empty"),
            ("aud", "`aud` is missing or empty"),
            ("exp", "`exp` is missing"),
            ("jti", "`jti` is missing or empty"),
        ] {
            let report = reported(harness(|assertions| assertions), &without("ed", claim));
            let expected = signing("missing_claim", "ed").registered("private_key_jwt");
            assert_eq!(report, expected.source(source));
        }
        // Of what nobody has signed nothing is said.
        let report = reported(harness(|assertions| assertions), &without("nobody", "jti"));
        assert_eq!(report, signing("unknown_client", "nobody"));
    }

    // What a caller wrote is cut, so that it floods no log, and nothing in it ends a line.
    #[test]
    fn key_that_is_not_there_is_reported() {
        let signed = |client_id: &str, kid: &str| {
            let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
            let claims = claims(client_id).to_string();
            TestRequest::form(form(&crate::jose::compact(ed(), "EdDSA", &header, &claims)))
        };
        for (kid, told) in [
            ("2026-11", "2026-11".to_owned()),
            ("", String::new()),
            ("a\nb\u{1b}[m\"\u{202e}", r#"a\nb\u{1b}[m\"\u{202e}"#.to_owned()),
            (&"é".repeat(1_000), "é".repeat(128)),
        ] {
            let source = format!("no key that can be used has the `kid` \"{told}\"");
            let expected = signing("unknown_key", "ed").registered("private_key_jwt");
            let report = reported(harness(|assertions| assertions), &signed("ed", kid));
            assert_eq!(report, expected.source(&source));
        }
        // Of a client that is not known nothing is said.
        let report = reported(harness(|assertions| assertions), &signed("nobody", "2026-11"));
        assert_eq!(report, signing("unknown_client", "nobody"));
    }

    #[test]
    fn source_of_keys_that_is_missing_is_reported() {
        let ask = TestRequest::form(signed("published", ISSUER));
        let expected = signing("unusable_registration", "published")
            .registered("private_key_jwt")
            .source("the keys of the client are at its `jwks_uri`: set `Assertions::jwks_source`");
        assert_eq!(reported(harness(|assertions| assertions), &ask), expected);
    }

    #[test]
    fn id_of_an_assertion_is_reported_without_a_look_up() {
        let mismatch = format!("{}&client_id=other", signed("ed", ISSUER));
        let ask = TestRequest::form(mismatch);
        assert_eq!(
            reported(harness(|assertions| assertions), &ask),
            signing("client_id_mismatch", "ed").other("other")
        );
    }
}
