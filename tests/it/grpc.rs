//! gRPC over HTTP/2, for layers made for it: credentials come from the headers, the stream is not
//! touched, and a refusal is a response of trailers alone.

use std::time::Duration;

use bytes::Bytes;
use tower_client_auth::{
    AuthMethod, BoxError, ConfigError, ErrorKind as K,
    provider::{Throttled, provider_fn},
};

use crate::{
    bodies::Script,
    support::{Answer, App, Harness, Log, Recorder, TestRequest, basic, refused, run},
};

const TYPES: [&str; 5] = [
    "application/grpc",
    "application/grpc+proto",
    "Application/gRPC+json",
    "application/grpc;charset=x",
    "application/grpc ; charset=x",
];

/// A layer for gRPC services.
fn harness() -> Harness {
    Harness::new().set(|layer| layer.grpc().unwrap())
}

fn ask_grpc(ask: &TestRequest) -> Answer {
    harness().ask(ask)
}

fn call(media_type: &str) -> TestRequest {
    TestRequest::bare()
        .uri("/pkg.Service/Method")
        .with("content-type", media_type)
        .with("te", "trailers")
}

/// The whole answer to a refused gRPC request.
fn trailers_only(media_type: &str, kind: K, lookups: &[&str], status: &str) -> Answer {
    let message = match status {
        "16" => "client authentication failed",
        "3" => "malformed client authentication",
        "14" => "clients cannot be authenticated at the moment",
        _ => "too many attempts",
    };
    Answer {
        status: 200,
        headers: vec![
            ("content-type".into(), media_type.into()),
            ("grpc-message".into(), message.into()),
            ("grpc-status".into(), status.into()),
        ],
        body: String::new(),
        kind: Some(kind),
        lookups: lookups.iter().map(|id| (*id).into()).collect(),
        calls: Vec::new(),
    }
}

#[test]
fn grpc_requests_authenticate_by_headers() {
    // Frames of messages, and what would be credentials in a form.
    let message = b"\0\0\0\0\x2aclient_id=post&client_secret=post-s3cr3t&client_id=x";
    for media_type in TYPES {
        let ask = call(media_type).basic("basic:basic-s3cr3t").body(message);
        let expected = ask.accepted("basic", AuthMethod::ClientSecretBasic);
        assert_eq!(ask_grpc(&ask), expected, "{media_type}");
    }
    // Neither the limit nor a coding of the body is the layer's business, as it does not read it.
    let ask = call("application/grpc")
        .with("content-encoding", "gzip")
        .with("transfer-encoding", "gzip, chunked")
        .basic("basic:basic-s3cr3t")
        .body(vec![0; 100_000]);
    let expected = ask.accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(ask_grpc(&ask), expected);
}

#[test]
fn grpc_stream_is_handed_on_at_once() {
    let ask = call("application/grpc").basic("basic:basic-s3cr3t");
    let service = tower::Layer::layer(
        &harness().layer,
        tower::service_fn(
            async |request: http::Request<tower_client_auth::body::RequestBody<Script>>| {
                assert_eq!(request.body().bytes(), None);
                Ok::<_, std::convert::Infallible>(http::Response::new(
                    http_body_util::Full::<Bytes>::default(),
                ))
            },
        ),
    );
    let request = ask.request().map(|_| Script::hanging_after("\0"));
    let response = run(tower::ServiceExt::oneshot(service, request));
    assert_eq!(response.unwrap().status(), 200);
}

// The statuses of gRPC: 16 UNAUTHENTICATED, 3 INVALID_ARGUMENT, 14 UNAVAILABLE, 8
// RESOURCE_EXHAUSTED.
#[test]
fn grpc_refusals_are_trailers_only() {
    let refusals = [
        (call("application/grpc"), trailers_only("", K::NoCredentials, &[], "16")),
        (
            call("application/grpc").body("client_id=public"),
            trailers_only("", K::NoCredentials, &[], "16"),
        ),
        (
            call("application/grpc").authorization("Bearer s3cr3t"),
            trailers_only("", K::UnsupportedScheme, &[], "16"),
        ),
        (
            call("application/grpc").authorization("Basic !"),
            trailers_only("", K::MalformedAuthorization, &[], "16"),
        ),
        (
            call("application/grpc").basic("basic:wrong-s3cr3t"),
            trailers_only("", K::WrongSecret, &["basic"], "16"),
        ),
        (
            call("application/grpc").basic("nobody:x"),
            trailers_only("", K::UnknownClient, &["nobody"], "16"),
        ),
        (
            call("application/grpc").basic("post:post-s3cr3t"),
            trailers_only("", K::MethodMismatch, &["post"], "16"),
        ),
        (
            call("application/grpc").basic("expired:expired-s3cr3t"),
            trailers_only("", K::SecretExpired, &["expired"], "16"),
        ),
        (
            call("application/grpc").basic("jwt:x"),
            trailers_only("", K::UnusableRegistration, &["jwt"], "16"),
        ),
        (
            call("application/grpc").basic("basic:basic-s3cr3t").basic("basic:basic-s3cr3t"),
            trailers_only("", K::RepeatedAuthorization, &[], "3"),
        ),
        (
            call("application/grpc").basic(format!("basic:{}", "x".repeat(10_000))),
            trailers_only("", K::CredentialTooLong, &[], "3"),
        ),
    ];
    for (ask, expected) in refusals {
        for (sent, answered) in [
            ("application/grpc", "application/grpc"),
            ("application/grpc+proto", "application/grpc"),
            ("application/grpc-web", "application/grpc-web+proto"),
            ("application/grpc-web+proto", "application/grpc-web+proto"),
            ("Application/grpc-WEB;x=y", "application/grpc-web+proto"),
        ] {
            let mut ask = ask.clone();
            ask.headers[0].1 = sent.into();
            let expected = expected.clone().without("content-type").with("content-type", answered);
            assert_eq!(ask_grpc(&ask), expected, "{ask:?}");
        }
    }
}

// R73, R75.
#[test]
fn grpc_outages_are_unavailable() {
    let right = call("application/grpc").basic("basic:basic-s3cr3t");
    let failing = Harness::of(provider_fn(|_: &str| async {
        Err::<Option<tower_client_auth::RegisteredClient<App>>, BoxError>("down".into())
    }))
    .set(|layer| layer.grpc().unwrap());
    let expected = trailers_only("application/grpc", K::Provider, &["basic"], "14");
    assert_eq!(failing.ask(&right), expected);
    let throttling = Harness::of(provider_fn(|_: &str| async {
        Err::<Option<tower_client_auth::RegisteredClient<App>>, _>(Throttled::new(
            Duration::from_millis(1),
        ))
    }))
    .set(|layer| layer.grpc().unwrap());
    let expected = trailers_only("application/grpc", K::Throttled, &["basic"], "8");
    assert_eq!(throttling.ask(&right), expected);
    let insecure = harness().set(|layer| layer.require_https(|_| false));
    let expected = trailers_only("application/grpc", K::InsecureTransport, &[], "3");
    assert_eq!(insecure.ask(&right), expected);
}

const LOOK_ALIKES: [&str; 7] = [
    "application/grpcfoo",
    "application/grpc-foo",
    "application/grpc-webevil",
    "application/grpc-we",
    "application/grpc, application/x-www-form-urlencoded",
    "application/grp",
    "text/plain; application/grpc",
];

// R2: what merely looks like gRPC gets no way around the rules for forms.
#[test]
fn grpc_lookalikes_follow_the_http_rules() {
    for media_type in LOOK_ALIKES {
        let ask = call(media_type).basic("basic:basic-s3cr3t").body("x");
        assert_eq!(crate::support::ask(&ask), refused(K::UnsupportedMediaType), "{media_type}");
        assert_eq!(ask_grpc(&ask), refused(K::NotGrpc), "{media_type}");
    }
    let twice = call("application/grpc")
        .with("content-type", crate::support::FORM)
        .authorization(basic("basic:basic-s3cr3t"))
        .body("client_id=x");
    assert_eq!(crate::support::ask(&twice), refused(K::UnsupportedMediaType));
    assert_eq!(ask_grpc(&twice), refused(K::NotGrpc));
    for method in ["GET", "PUT"] {
        let ask = call("application/grpc").method(method).basic("basic:basic-s3cr3t");
        assert_eq!(crate::support::ask(&ask), refused(K::MethodNotAllowed), "{method}");
        assert_eq!(ask_grpc(&ask), refused(K::NotGrpc), "{method}");
    }
}

// R2: the caller does not choose how it is answered. Without the setting gRPC is a media type like any
// other that is not a form, whatever it carries, and the operator is told of the setting.
#[test]
fn caller_never_turns_a_refusal_into_a_success() {
    for media_type in TYPES.into_iter().chain(["application/grpc-web", "application/grpc-web-text"])
    {
        for ask in [
            call(media_type).body("x"),
            call(media_type).basic("basic:wrong-s3cr3t").body("x"),
            // Form rules apply to authenticated clients, too.
            call(media_type)
                .basic("basic:basic-s3cr3t")
                .body("client_id=victim&client_secret=a&client_secret=b"),
        ] {
            assert_eq!(crate::support::ask(&ask), refused(K::UnexpectedGrpc), "{ask:?}");
        }
        let headers_only = Harness::new().set(|layer| layer.headers_only().unwrap());
        let answer = headers_only.ask(&call(media_type).body("x"));
        assert_eq!(answer, refused(K::NoCredentials), "{media_type}");
        let coded = call(media_type).with("content-encoding", "gzip").body("x");
        assert_eq!(crate::support::ask(&coded), refused(K::UnsupportedContentEncoding));
    }
    let error = tower_client_auth::Error::from(K::UnexpectedGrpc);
    assert!(error.to_string().contains("`.grpc()`"), "{error}");
}

// gRPC over HTTP/2, "Requests": `te: trailers` is there to detect incompatible proxies.
#[test]
fn grpc_over_http_1_needs_te_trailers() {
    let right = |media_type: &str| {
        TestRequest::bare()
            .uri("/pkg.Service/Method")
            .with("content-type", media_type)
            .basic("basic:basic-s3cr3t")
    };
    let accepted = |ask: &TestRequest| ask.accepted("basic", AuthMethod::ClientSecretBasic);
    let bare = right("application/grpc");
    assert_eq!(ask_grpc(&bare), refused(K::NotGrpc));
    for te in ["gzip", "trailersx", "", "trailers;q=0"] {
        assert_eq!(ask_grpc(&bare.clone().with("te", te)), refused(K::NotGrpc), "{te}");
    }
    for te in ["trailers", "Trailers", "gzip, trailers", "gzip,trailers ,x"] {
        let ask = bare.clone().with("te", te);
        assert_eq!(ask_grpc(&ask), accepted(&ask), "{te}");
    }
    let web = right("application/grpc-web+proto");
    assert_eq!(ask_grpc(&web), accepted(&web));

    // Over HTTP/2 it is gRPC as it is.
    let service = tower::Layer::layer(&harness().layer, Recorder { calls: Log::default() });
    let mut request = call("application/grpc").request();
    request.headers_mut().remove("te");
    *request.version_mut() = http::Version::HTTP_2;
    let response = run(tower::ServiceExt::oneshot(service, request)).unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"16".parse().unwrap())
    );
}

#[test]
fn grpc_and_headers_only_exclude_each_other() {
    let error = Err(ConfigError::GrpcAndHeadersOnly);
    let both = Harness::new().layer.grpc().unwrap().headers_only().map(drop);
    assert_eq!(both, error);
    let both = Harness::new().layer.headers_only().unwrap().grpc().map(drop);
    assert_eq!(both, error);
    let twice = Harness::new().layer.grpc().unwrap().grpc();
    let methods: Vec<_> = twice.unwrap().auth_methods_supported().collect();
    assert_eq!(methods, ["client_secret_basic"]);
}
