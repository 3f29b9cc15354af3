//! RFC 9110, HTTP Semantics: transport, media types, challenges; and RFC 9111 for caches.

use tower_client_auth::{AuthMethod, ErrorKind as K};

use crate::{
    cases::check,
    support::{Ask, Bench, REFUSALS, refused},
};

// R2. §8.3.1.
#[test]
fn rfc9110_8_3_1_media_types_are_compared_whole_without_case_and_parameters() {
    check("R2 ");
}

// R3. §8.3.
#[test]
fn rfc9110_8_3_a_body_without_a_media_type_is_not_taken_for_a_form() {
    check("R3 ");
}

// R16. §8.4, §15.5.16.
#[test]
fn rfc9110_8_4_a_content_coding_is_refused_and_never_decoded() {
    check("R16 ");
}

// R25. §5.3, §11.6.2.
#[test]
fn rfc9110_11_6_2_several_authorizations_are_refused_even_if_they_are_equal() {
    check("R25 ");
}

// R68. §11.6.1, §15.5.2: a 401 "MUST send a WWW-Authenticate header field containing at least one
// challenge". With every setting that touches challenges and statuses, over all cases.
#[test]
fn rfc9110_15_5_2_every_401_carries_exactly_one_challenge_and_nothing_else_does() {
    let methods = |methods: &'static [AuthMethod]| {
        Bench::new().set(|layer| layer.auth_methods(methods.iter().cloned()).unwrap())
    };
    let benches = [
        Bench::new(),
        Bench::new().set(|layer| layer.refuse_public_clients()),
        Bench::new().set(|layer| layer.headers_only().unwrap()),
        methods(&[AuthMethod::ClientSecretPost]),
        methods(&[AuthMethod::None]),
        methods(&[AuthMethod::ClientSecretPost, AuthMethod::None]),
    ];
    for bench in benches {
        for case in crate::cases::cases() {
            let answer = bench.ask(&case.ask);
            let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
            let expected = usize::from(answer.status == 401);
            assert_eq!(challenges.count(), expected, "{}: {answer:?}", case.name);
        }
    }
}

// R74. §15.5.6, §15.5.16; R72. RFC 9111 §5.2.2.5. The whole answers are in the table.
#[test]
fn rfc9110_15_5_refusals_say_what_would_be_allowed_and_are_not_cached() {
    for (kind, status, _, _, header) in REFUSALS {
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
    for ask in [Ask::bare().method("GET"), Ask::bare().body("x")] {
        let answer = crate::support::ask(&ask);
        assert_eq!(answer, refused(answer.kind.unwrap()));
    }
}

// R114, R115, R116. RFC 9440 §4: headers that a proxy may set authenticate nobody.
#[test]
fn rfc9440_4_certificate_headers_authenticate_nobody() {
    check("R114 ");
    check("R115 ");
    // What the message says of its own address changes nothing.
    let ask = Ask::bare()
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
fn rfc9110_11_6_2_authorization_is_marked_sensitive_and_nothing_else_is() {
    let bench = Bench::new().set(|layer| layer.headers_only().unwrap());
    let ask = Ask::bare().basic("basic:basic-s3cr3t").with("accept", "*/*");
    let service = tower::Layer::layer(
        &bench.layer,
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
fn rfc9110_9_3_2_an_answer_to_head_has_no_content() {
    let bench = Bench::new().set(|layer| layer.headers_only().unwrap());
    for ask in [Ask::bare(), Ask::bare().basic("basic:x"), Ask::bare().authorization("Bearer x")] {
        let get = bench.ask(&ask.clone().method("GET"));
        assert_ne!(get.body, "");
        let expected = crate::support::Answer { body: String::new(), ..get };
        assert_eq!(bench.ask(&ask.method("HEAD")), expected);
    }
}
