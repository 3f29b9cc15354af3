//! Errors that handlers answer with, and the texts of the application in those of the layer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower_client_auth::{ErrorKind as K, OAuthError};

use crate::support::{
    Answer, Harness, Log, TestRequest, basic, clients, failed, refused, run, sorted,
};

fn wire(error: OAuthError) -> (u16, Vec<(String, String)>, String) {
    let response: Response<Full<Bytes>> = error.into_response();
    let (head, body) = response.into_parts();
    let body = run(http_body_util::BodyExt::collect(body)).unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (head.status.as_u16(), sorted(&head.headers), body)
}

fn expected(
    status: u16,
    more: &[(&str, &str)],
    body: &str,
) -> (u16, Vec<(String, String)>, String) {
    let always = [
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
        ("pragma", "no-cache"),
    ];
    let mut headers: Vec<_> =
        always.iter().chain(more).map(|(n, v)| ((*n).into(), (*v).into())).collect();
    headers.sort();
    (status, headers, body.into())
}

// R70, R72, R110.
#[test]
fn every_code_is_answered_as_its_rfc_says() {
    let wait = &[("retry-after", "1")][..];
    for (error, status, headers, code) in [
        (OAuthError::INVALID_REQUEST, 400, &[][..], "invalid_request"),
        (OAuthError::INVALID_GRANT, 400, &[], "invalid_grant"),
        (OAuthError::UNAUTHORIZED_CLIENT, 400, &[], "unauthorized_client"),
        (OAuthError::UNSUPPORTED_GRANT_TYPE, 400, &[], "unsupported_grant_type"),
        (OAuthError::INVALID_SCOPE, 400, &[], "invalid_scope"),
        (OAuthError::INVALID_TARGET, 400, &[], "invalid_target"),
        (OAuthError::AUTHORIZATION_PENDING, 400, &[], "authorization_pending"),
        (OAuthError::SLOW_DOWN, 400, &[], "slow_down"),
        (OAuthError::ACCESS_DENIED, 400, &[], "access_denied"),
        (OAuthError::EXPIRED_TOKEN, 400, &[], "expired_token"),
        (OAuthError::UNSUPPORTED_TOKEN_TYPE, 400, &[], "unsupported_token_type"),
        (
            OAuthError::INVALID_TOKEN,
            401,
            &[("www-authenticate", "Bearer error=\"invalid_token\"")],
            "invalid_token",
        ),
        (
            OAuthError::INSUFFICIENT_SCOPE,
            403,
            &[("www-authenticate", "Bearer error=\"insufficient_scope\"")],
            "insufficient_scope",
        ),
        (OAuthError::UNSUPPORTED_RESPONSE_TYPE, 400, &[], "unsupported_response_type"),
        (OAuthError::INVALID_REQUEST_OBJECT, 400, &[], "invalid_request_object"),
        (OAuthError::SERVER_ERROR, 500, &[], "server_error"),
        (OAuthError::TEMPORARILY_UNAVAILABLE, 503, wait, "temporarily_unavailable"),
        (OAuthError::TOO_MANY_REQUESTS, 429, wait, "temporarily_unavailable"),
        (OAuthError::new("use_dpop_nonce"), 400, &[], "use_dpop_nonce"),
    ] {
        assert_eq!((error.code(), error.status().as_u16()), (code, status));
        assert_eq!(error.to_string(), code);
        let document = format!(r#"{{"error":"{code}"}}"#);
        assert_eq!(wire(error), expected(status, headers, &document));
    }
}

// R70, R72: a handler behind an optional layer refuses as the layer would.
#[test]
fn invalid_client_is_answered_as_the_layer_answers_nothing() {
    let layer = Harness::new().ask(&TestRequest::bare());
    let (status, headers, body) = wire(OAuthError::INVALID_CLIENT);
    assert_eq!((status, &headers, &body), (layer.status, &layer.headers, &layer.body));
    assert_eq!(
        OAuthError::INVALID_CLIENT.to_string(),
        "invalid_client: Client authentication is required"
    );
}

// R70.
#[test]
fn texts_and_a_wait_are_in_the_answer() {
    const UNKNOWN: OAuthError = OAuthError::INVALID_GRANT;
    let error =
        UNKNOWN.description("The \"code\" is\u{e9}\n\\used").uri("https://as.example/\"e r\u{e9}");
    // Also for logs: what a handler quotes may be a caller's.
    assert_eq!(error.to_string(), "invalid_grant: The 'code' is??/used");
    let document = concat!(
        r#"{"error":"invalid_grant","error_description":"The 'code' is??/used","#,
        r#""error_uri":"https://as.example/%22e%20r%C3%A9"}"#
    );
    assert_eq!(wire(error), expected(400, &[], document));
    let error = OAuthError::TEMPORARILY_UNAVAILABLE.retry_after(Duration::from_millis(1500));
    let document = r#"{"error":"temporarily_unavailable"}"#;
    assert_eq!(wire(error), expected(503, &[("retry-after", "2")], document));
    let error = OAuthError::SLOW_DOWN.retry_after(Duration::from_secs(5));
    assert_eq!(wire(error), expected(400, &[("retry-after", "5")], r#"{"error":"slow_down"}"#));
}

// R66, R71, R113.
#[test]
fn texts_of_the_application_replace_those_of_the_layer() {
    let harness = Harness::new().set(|layer| {
        layer
            .error_description(|error| {
                (error.status() == StatusCode::UNAUTHORIZED).then_some("D\u{e9}sol\u{e9}")
            })
            .error_uri(|error| Some(format!("https://as.example/{}", error.error_code())))
    });
    let wrong = TestRequest::bare().basic("basic:wrong-s3cr3t");
    let answer = Answer {
        body: concat!(
            r#"{"error":"invalid_client","error_description":"D?sol?","#,
            r#""error_uri":"https://as.example/invalid_client"}"#
        )
        .into(),
        ..failed(K::WrongSecret, "basic")
    };
    assert_eq!(harness.ask(&wrong), answer);
    let answer = Answer {
        body: concat!(
            r#"{"error":"invalid_request","error_description":"The request method must be POST","#,
            r#""error_uri":"https://as.example/invalid_request"}"#
        )
        .into(),
        ..refused(K::MethodNotAllowed)
    };
    assert_eq!(harness.ask(&TestRequest::bare().method("GET")), answer);
    // An answer to HEAD has no content.
    let answer = Answer { body: String::new(), ..answer };
    assert_eq!(harness.ask(&TestRequest::bare().method("HEAD")), answer);
}

// R113: the refusal is none of their business.
#[test]
fn text_that_panics_is_the_one_of_the_layer() {
    let harness = Harness::new().set(|layer| {
        layer.error_description(|_| -> Option<String> { panic!("no text") }).error_uri(|error| {
            (error.kind() != K::WrongSecret).then(|| panic!("no page")).or(Some("a:b"))
        })
    });
    let wrong = TestRequest::bare().basic("basic:wrong-s3cr3t");
    let plain = failed(K::WrongSecret, "basic");
    let body = plain.body.replace('}', r#","error_uri":"a:b"}"#);
    assert_eq!(harness.ask(&wrong), Answer { body, ..plain });
    let unknown = TestRequest::bare().basic("nobody:s3cr3t");
    assert_eq!(harness.ask(&unknown), failed(K::UnknownClient, "nobody"));
}

// R73: what rewrites documents is not called where there are none.
#[test]
fn grpc_refusals_are_changed_by_their_own_hook_alone() {
    let ask = TestRequest::bare()
        .with("content-type", "application/grpc")
        .with("te", "trailers")
        .authorization(basic("basic:wrong-s3cr3t"));
    let grpc = || Harness::of(clients()).set(|layer| layer.grpc().unwrap());
    let plain = grpc().ask(&ask);
    assert_eq!((plain.status, plain.kind), (200, Some(K::WrongSecret)));
    let called = Log::default();
    let of_http = called.clone();
    let documents = grpc().set(|layer| {
        let (first, second) = (of_http.clone(), of_http.clone());
        layer
            .map_error_response(move |_, _| {
                of_http.push("map_error_response");
                Response::new("{}".into())
            })
            .error_description(move |_| {
                first.push("error_description");
                Some("x")
            })
            .error_uri(move |_| {
                second.push("error_uri");
                Some("x")
            })
    });
    assert_eq!(documents.ask(&ask), plain);
    assert_eq!(called.take(), Vec::<&str>::new());
    let change = |_: &tower_client_auth::Error, mut response: Response<Bytes>| {
        response.headers_mut().insert("x-help", HeaderValue::from_static("as.example"));
        response
    };
    let changed = grpc().set(|layer| layer.map_grpc_error_response(change));
    assert_eq!(changed.ask(&ask), plain.with("x-help", "as.example"));
    // Elsewhere it is not called: what is no gRPC is refused as JSON.
    assert_eq!(changed.ask(&TestRequest::bare()), grpc().ask(&TestRequest::bare()));
    let panicking = grpc().set(|layer| layer.map_grpc_error_response(|_, _| panic!("no status")));
    let answer = panicking.ask(&ask);
    assert!(answer.headers.contains(&("grpc-status".into(), "13".into())), "{answer:?}");
    assert_eq!((answer.status, answer.kind), (200, Some(K::Panicked)));
}
