//! RFC 9110, HTTP Semantics: transport, media types, challenges; and RFC 9111 for caches.

use tower_client_auth::{AuthMethod, ErrorKind as K};

use crate::{
    cases::check,
    support::{Harness, REFUSALS, TestRequest, refused},
};

// R2. §8.3.1.
#[test]
fn rfc9110_8_3_1_media_type_comparison() {
    check("R2 ");
}

// R2. RFC 6749 Appendix B: what a server behind the layer could decode otherwise is not a form that was
// checked.
#[test]
fn form_in_another_charset_is_refused() {
    check("R2 charset");
}

// R3. §8.3.
#[test]
fn rfc9110_8_3_missing_media_type_is_no_form() {
    check("R3 ");
}

// R16. §8.4, §15.5.16.
#[test]
fn rfc9110_8_4_content_coding_is_refused() {
    check("R16 ");
}

// R16. §5.6.1.2: fields that are lists are read as lists.
#[test]
fn rfc9110_5_6_1_2_empty_elements_are_ignored() {
    for value in ["", ",", "identity,", ", ,identity"] {
        let ask = TestRequest::form("client_id=public").with("content-encoding", value);
        assert_eq!(crate::support::ask(&ask), ask.accepted("public", AuthMethod::None), "{value}");
    }
}

// R16. RFC 9112 §6.1: nothing but `chunked` was undone by the server, so the bytes are no form.
#[test]
fn rfc9112_6_1_other_transfer_coding_is_501() {
    check("R16 transfer");
}

// R25. §5.3, §11.6.2.
#[test]
fn rfc9110_11_6_2_several_authorizations_are_refused() {
    check("R25 ");
}

// R68. §11.6.1, §15.5.2: a 401 "MUST send a WWW-Authenticate header field containing at least one
// challenge". With every setting that touches challenges and statuses, over all cases.
#[test]
fn rfc9110_15_5_2_every_401_has_one_challenge() {
    let methods = |methods: &'static [AuthMethod]| {
        Harness::new().set(|layer| layer.auth_methods(methods.iter().cloned()).unwrap())
    };
    let benches = [
        Harness::new(),
        Harness::new().set(|layer| layer.refuse_public_clients()),
        Harness::new().set(|layer| layer.headers_only().unwrap()),
        methods(&[AuthMethod::ClientSecretPost]),
        methods(&[AuthMethod::None]),
        methods(&[AuthMethod::ClientSecretPost, AuthMethod::None]),
    ];
    for harness in benches {
        for case in crate::cases::cases() {
            let answer = harness.ask(&case.ask);
            let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
            let expected = usize::from(answer.status == 401);
            assert_eq!(challenges.count(), expected, "{}: {answer:?}", case.name);
        }
    }
}

// R74. §15.5.6, §15.5.16; R72. RFC 9111 §5.2.2.5. The whole answers are in the table.
#[test]
fn rfc9110_15_5_refusals_name_what_is_allowed() {
    for (kind, status, _, _, header) in REFUSALS.iter().copied() {
        let expected = match status {
            405 => "allow",
            415 if kind == K::UnsupportedContentEncoding => "accept-encoding",
            415 => "accept",
            _ => "",
        };
        assert_eq!(header, expected, "{kind:?}");
        let answer = refused(kind);
        assert!(answer.headers.contains(&("cache-control".into(), "no-store".into())));
    }
    for ask in [TestRequest::bare().method("GET"), TestRequest::bare().body("x")] {
        let answer = crate::support::ask(&ask);
        assert_eq!(answer, refused(answer.kind.unwrap()));
    }
}

// R114, R115, R116. RFC 9440 §4: headers that a proxy may set authenticate no client.
#[test]
fn rfc9440_4_certificate_headers_prove_nothing() {
    check("R114 ");
    check("R115 ");
    // What the message says of its own address changes nothing.
    let ask = TestRequest::bare()
        .uri("https://evil.example/token")
        .basic("basic:basic-s3cr3t")
        .with("host", "evil.example")
        .with("forwarded", "host=evil.example;proto=http")
        .with("x-forwarded-host", "evil.example")
        .with("x-forwarded-proto", "http");
    let expected = ask.accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(crate::support::ask(&ask), expected);
}

// R112: `HeaderValue` hides it in `Debug`, and HTTP/2 keeps it out of its tables. `accepted` in the
// cases asks for it with one header; here are several, and other headers stay as they are.
#[test]
fn rfc9110_11_6_2_authorization_is_sensitive() {
    let harness = Harness::new().set(|layer| layer.headers_only().unwrap());
    let ask = TestRequest::bare().basic("basic:basic-s3cr3t").with("accept", "*/*");
    let service = tower::Layer::layer(
        &harness.layer,
        tower::service_fn(async |request: http::Request<_>| {
            let headers: &http::HeaderMap = request.headers();
            assert!(headers["authorization"].is_sensitive());
            assert!(!headers["accept"].is_sensitive());
            drop::<tower_client_auth::body::RequestBody<http_body_util::Full<bytes::Bytes>>>(
                request.into_body(),
            );
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::<
                bytes::Bytes,
            >::default()))
        }),
    );
    let response = crate::support::run(tower::ServiceExt::oneshot(service, ask.request()));
    assert_eq!(response.unwrap().status(), 200);
}

// §9.3.2: an answer to HEAD is that to GET without its content.
#[test]
fn rfc9110_9_3_2_head_answer_has_no_content() {
    let harness = Harness::new().set(|layer| layer.headers_only().unwrap());
    for ask in [
        TestRequest::bare(),
        TestRequest::bare().basic("basic:x"),
        TestRequest::bare().authorization("Bearer x"),
    ] {
        let get = harness.ask(&ask.clone().method("GET"));
        assert_ne!(get.body, "");
        let expected = crate::support::Answer { body: String::new(), ..get };
        assert_eq!(harness.ask(&ask.method("HEAD")), expected);
    }
}
