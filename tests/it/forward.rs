//! What an upstream gets to see, of layers that forward: whole requests, as the inner service gets them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, ClientAuthLayer, ConfigError, ErrorKind as K,
    body::RequestBody,
    forward::{Forward, percent_encode},
    tenant::TenantLayer,
};

use crate::{
    bodies::Script,
    script::Step,
    support::{
        Answer, Harness, Log, TestLayer, TestRequest, basic, basic_client, failed, plain, refused,
        run, sorted,
    },
};

const ID: &str = "x-client-id";
const METHOD: &str = "x-client-auth-method";
const THUMBPRINT: &str = "x-client-cert-thumbprint";

/// What a caller tries to be taken for somebody else with.
const FORGED: [&str; 9] = [
    ID,
    "x_client_id",
    "x-client_id",
    "x.client.id",
    "x!client~id",
    METHOD,
    "x_client_auth_method",
    THUMBPRINT,
    "x_client-cert.thumbprint",
];

fn named() -> Forward {
    let forward = Forward::new().identity(ID).unwrap().auth_method(METHOD).unwrap();
    forward.thumbprint(THUMBPRINT).unwrap()
}

fn harness(forward: Forward) -> Harness {
    Harness::new().set(|layer| layer.forward(forward))
}

/// The request that the inner service must get instead of `sent`.
#[derive(Clone)]
struct Expected(Answer);

impl Expected {
    fn of(sent: &TestRequest, client_id: &str, method: AuthMethod) -> Self {
        Self(sent.accepted(client_id, method))
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.0.calls[0].headers.retain(|(name, _)| !names.contains(&&**name));
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let headers = &mut self.0.calls[0].headers;
        headers.push((name.into(), value.into()));
        headers.sort();
        self
    }

    fn named(self, client_id: &str, method: &str) -> Self {
        self.without(&FORGED).with(ID, client_id).with(METHOD, method)
    }

    fn body(mut self, body: &str) -> Self {
        let seen = &mut self.0.calls[0];
        (seen.length, seen.body) = (Some(body.len()), Bytes::copy_from_slice(body.as_bytes()));
        self
    }
}

fn check(harness: &Harness, sent: &TestRequest, expected: &Expected) {
    assert_eq!(harness.ask(sent), expected.0, "{sent:?}");
}

fn with_basic(body: &str) -> TestRequest {
    TestRequest::form(body).basic("basic:basic-s3cr3t")
}

fn of_basic(sent: &TestRequest) -> Expected {
    let expected = Expected::of(sent, "basic", AuthMethod::ClientSecretBasic);
    expected.without(&["authorization"]).named("basic", "client_secret_basic")
}

#[test]
fn basic_credentials_go_and_the_form_stays() {
    let sent = with_basic("a=1&%zz=+%20&&client_id=basic&;").with("content-length", "29");
    check(&harness(named()), &sent, &of_basic(&sent));
    // Nothing is told, and nothing is left of the secret all the same.
    let bare = Expected::of(&sent, "basic", AuthMethod::ClientSecretBasic);
    check(&harness(Forward::new()), &sent, &bare.without(&["authorization"]));
}

#[test]
fn secret_goes_from_the_form_with_one_separator() {
    let sent = TestRequest::form("a=1&client_secret=post-s3cr3t&b=2&client_id=post")
        .with("content-length", "48");
    let expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .without(&["content-length"])
        .with("content-length", "22")
        .named("post", "client_secret_post")
        .body("a=1&b=2&client_id=post");
    check(&harness(named()), &sent, &expected);

    // One without a length gets none.
    let sent = TestRequest::form("client_id=post&client%5Fsecret=post-s3cr3t");
    let expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .named("post", "client_secret_post")
        .body("client_id=post");
    check(&harness(named()), &sent, &expected);

    // What has no value is no credential, and goes all the same.
    let sent = with_basic("client_secret=&a&client_assertion").with("content-length", "33");
    let expected = of_basic(&sent).without(&["content-length"]).with("content-length", "1");
    check(&harness(named()), &sent, &expected.body("a"));
}

// Some servers skip a byte order mark at the beginning, and would read another client.
#[test]
fn byte_order_mark_does_not_come_to_the_beginning() {
    let sent =
        TestRequest::form("client_secret=post-s3cr3t&\u{feff}client_id=admin&client_id=post");
    let expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .named("post", "client_secret_post")
        .body("&\u{feff}client_id=admin&client_id=post");
    check(&harness(named()), &sent, &expected);
}

#[test]
fn chunked_form_arrives_without_credentials() {
    let sent = TestRequest::form("a=1&client_secret=post-s3cr3t&client_id=post");
    let body = Script::pieces(&sent.body, &[1, 7]);
    let expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .named("post", "client_secret_post")
        .with("transfer-encoding", "chunked")
        .body("a=1&client_id=post");
    let request = sent.with("transfer-encoding", "chunked").request().map(|_| body);
    assert_eq!(harness(named()).send(request), expected.0);
}

#[test]
fn form_without_credentials_is_the_same_memory() {
    let form = Bytes::from_static(b"grant_type=client_credentials&client_id=basic");
    let pointer = form.as_ptr();
    for forward in [named(), named().add_client_id(true), named().keep_credentials()] {
        let service = harness(forward).layer.layer(service_fn(
            move |request: Request<RequestBody<Full<Bytes>>>| {
                let seen = request.body().bytes().map(|bytes| bytes.as_ptr());
                assert_eq!(seen, Some(pointer));
                let response = http::Response::new(Full::<Bytes>::default());
                std::future::ready(Ok::<_, std::convert::Infallible>(response))
            },
        ));
        let request = with_basic("").request().map(|_| Full::new(form.clone()));
        assert_eq!(run(service.oneshot(request)).unwrap().status(), 200);
    }
}

#[test]
fn client_id_is_appended_where_it_is_absent() {
    let added = || named().add_client_id(true);
    for (form, forwarded) in [
        ("a=1", "a=1&client_id=basic"),
        ("a=1&", "a=1&&client_id=basic"),
        ("client_secret=", "client_id=basic"),
        ("a=1&client_id=basic", "a=1&client_id=basic"),
        ("client%5Fid=basic", "client%5Fid=basic"),
        // A second one would make the request one that names two.
        ("client_id=&a=1", "client_id=&a=1"),
        ("", ""),
    ] {
        let sent = with_basic(form);
        check(&harness(added()), &sent, &of_basic(&sent).body(forwarded));
    }
    let sent = TestRequest::bare().basic("basic:basic-s3cr3t");
    check(&harness(added()), &sent, &of_basic(&sent));
    // Encoded as a form has it.
    let clients = crate::support::clients();
    clients.insert(basic_client("a&b=\u{fc} c", [plain("s3cr3t")]));
    let harness = Harness::of(clients).set(|layer| layer.forward(added()));
    let sent = TestRequest::form("x").basic("a%26b%3D%C3%BC+c:s3cr3t");
    let expected = Expected::of(&sent, "a&b=\u{fc} c", AuthMethod::ClientSecretBasic)
        .without(&["authorization"])
        .named("a%26b%3D%C3%BC%20c", "client_secret_basic")
        .body("x&client_id=a%26b%3D%C3%BC%20c");
    check(&harness, &sent, &expected);
}

#[test]
fn forged_identity_goes_in_every_spelling() {
    let mut sent = with_basic("a=1").with("x-client-idx", "stays").with("x-client-i", "stays");
    for name in FORGED {
        sent = sent.with(name, "admin").with(name, "root");
    }
    check(&harness(named()), &sent, &of_basic(&sent));
}

// RFC 9110 §7.6.1.
#[test]
fn connection_lists_no_identity_and_nothing_that_is_for_all() {
    let sent = with_basic("a=1")
        .with("connection", "close, X-Client-Id")
        .with("connection", "x_client.auth-method,content-type,Host")
        .with("connection", "Content-Length ,keep-alive,,X-Hop");
    let expected = of_basic(&sent)
        .without(&["connection"])
        .with("connection", "close")
        .with("connection", "keep-alive, X-Hop");
    check(&harness(named()), &sent, &expected);
    // One in which nothing is wrong stays as it is.
    let sent = with_basic("a=1").with("connection", "close,,X-Hop ").with("trailer", "X-Sum");
    check(&harness(named()), &sent, &of_basic(&sent));
}

fn trailers(names: &[&'static str]) -> HeaderMap {
    names
        .iter()
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("admin")))
        .collect()
}

// To its upstream a client without a method might be one that has proved who it is.
#[test]
fn client_is_not_named_where_there_is_no_room_for_its_method() {
    let mut request = with_basic("a=1").request();
    let headers = request.headers_mut();
    let value = || HeaderValue::from_static("x");
    let name = |number| HeaderName::try_from(format!("x-{number}")).unwrap();
    for number in 0_u32.. {
        if headers.try_insert(name(number), value()).is_err() {
            break;
        }
    }
    // `Authorization` goes, and two would come.
    let seen = harness(named()).send(request).calls.pop().unwrap();
    assert!(seen.headers.len() > 1_000);
    assert!(!seen.headers.iter().any(|(name, _)| name.contains("client")));
}

// RFC 9110 §6.5.
#[test]
fn identity_goes_from_trailers_too() {
    let sent = with_basic("a=1").with("trailer", "X-Client-Id, X-Sum, x_client_auth_method");
    let mut all = FORGED.to_vec();
    all.extend(["x-sum", "content-digest"]);
    let mut expected = of_basic(&sent).without(&["trailer"]).with("trailer", "X-Sum");
    expected.0.calls[0].trailers =
        vec![("content-digest".into(), "admin".into()), ("x-sum".into(), "admin".into())];
    let body = |form: &[u8]| {
        let mut body = Script::pieces(form, &[2]);
        body.steps.push_back(Step::Trailers(trailers(&all)));
        body
    };
    let request = || sent.request().map(|_| body(b"a=1"));
    assert_eq!(harness(named()).send(request()), expected.0);

    // Those of a stream as well, which is of unknown length.
    let streaming = harness(named()).set(|layer| layer.headers_only().unwrap());
    expected.0.calls[0].length = None;
    assert_eq!(streaming.send(request()), expected.0);

    // The digest of a form that was changed.
    let sent = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let mut expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .named("post", "client_secret_post")
        .body("client_id=post");
    expected.0.calls[0].trailers = vec![("x-sum".into(), "admin".into())];
    let request = sent.request().map(|_| body(&sent.body));
    assert_eq!(harness(named()).send(request), expected.0);
}

#[test]
fn refused_request_reaches_no_upstream_and_the_hook_sees_it_as_it_came() {
    let seen = Log::default();
    let log = seen.clone();
    let harness = harness(named()).set(|layer| {
        layer.on_outcome(move |outcome| {
            log.push((
                outcome.error().map(|error| error.kind()),
                sorted(&outcome.request().headers),
            ));
        })
    });
    for (sent, expected) in [
        (TestRequest::form("client_id=post&client_secret=x"), failed(K::WrongSecret, "post")),
        (TestRequest::form("client_secret=x"), refused(K::MissingClientId)),
        (TestRequest::form("a=1").basic("basic:x"), failed(K::WrongSecret, "basic")),
    ] {
        let sent = sent.with(ID, "admin").with("content-length", "7").with("content-digest", "x");
        assert_eq!(harness.ask(&sent), expected);
        assert_eq!(seen.take(), [(expected.kind, sorted(sent.request().headers()))]);
    }
}

#[test]
fn public_client_is_told_apart() {
    let sent = TestRequest::form("client_id=public").with(METHOD, "client_secret_basic");
    let expected = Expected::of(&sent, "public", AuthMethod::None).named("public", "none");
    check(&harness(named()), &sent, &expected);
}

#[test]
fn nobody_is_named_where_nobody_is_authenticated() {
    let optional =
        harness(named()).set(|layer| layer.optional().foreign_schemes(["Bearer"]).unwrap());
    let passed = |sent: &TestRequest| {
        let mut expected = Expected::of(sent, "", AuthMethod::None).without(&FORGED);
        expected.0.lookups.clear();
        expected.0.calls[0].client = None;
        expected
    };
    let forged = |mut sent: TestRequest| {
        for name in FORGED {
            sent = sent.with(name, "admin");
        }
        sent
    };
    let sent = forged(TestRequest::form("token=abc")).authorization("Bearer abc");
    check(&optional, &sent, &passed(&sent));
    let sent = forged(TestRequest::bare());
    check(&optional, &sent, &passed(&sent));
    // Of a credential without a value there is nothing left either.
    let sent = forged(TestRequest::form("client_secret=&a=1")).with("content-length", "18");
    let expected = passed(&sent).without(&["content-length"]).with("content-length", "3");
    check(&optional, &sent, &expected.body("a=1"));
    // A stream.
    let streaming = optional.set(|layer| layer.headers_only().unwrap());
    let sent = forged(TestRequest::bare().body("\0\u{1}").with("content-type", "application/x"));
    check(&streaming, &sent, &passed(&sent));
}

// RFC 9530, RFC 9421.
#[test]
fn what_no_longer_fits_is_removed() {
    const DIGESTS: [&str; 7] = [
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        // To CGI these are the same, and the first of two lengths may be the one that counts.
        "content_digest",
        "content.md5",
        "content_length",
    ];
    const SIGNATURES: [&str; 3] = ["signature", "signature-input", "signature_input"];
    let digested = |mut sent: TestRequest| {
        for name in DIGESTS.into_iter().chain(SIGNATURES).chain(["expect", "dpop", "etag"]) {
            sent = sent.with(name, "x");
        }
        sent
    };
    let post = "client_id=post&client_secret=post-s3cr3t";
    // The form was changed.
    let sent = digested(TestRequest::form(post));
    let whole = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .named("post", "client_secret_post");
    let changed = whole.clone().body("client_id=post");
    let changed = changed.without(&DIGESTS).without(&SIGNATURES).without(&["expect"]);
    check(&harness(named()), &sent, &changed);
    check(&harness(named().keep_credentials()), &sent, &whole);
    // The header alone.
    let sent = digested(with_basic("a=1"));
    check(&harness(named()), &sent, &of_basic(&sent).without(&SIGNATURES));
    let kept = Expected::of(&sent, "basic", AuthMethod::ClientSecretBasic)
        .named("basic", "client_secret_basic");
    check(&harness(named().keep_credentials()), &sent, &kept);
    // Nothing.
    let sent = digested(TestRequest::form("client_id=public"));
    let expected = Expected::of(&sent, "public", AuthMethod::None).named("public", "none");
    check(&harness(named()), &sent, &expected);
}

#[test]
fn streams_and_grpc_are_forwarded_untouched() {
    for media_type in ["application/grpc+proto", "application/json"] {
        let grpc = media_type.starts_with("application/grpc");
        let harness = harness(named())
            .set(|layer| if grpc { layer.grpc().unwrap() } else { layer.headers_only().unwrap() });
        let sent = TestRequest::bare()
            .with("content-type", media_type)
            .with("te", "trailers")
            .with("content-length", "17")
            .with("x_client_id", "admin")
            .basic("basic:basic-s3cr3t")
            .body("client_secret=\0\u{1}x");
        check(&harness, &sent, &of_basic(&sent));
    }
}

#[test]
fn each_tenant_names_its_own_clients() {
    let (acme, globex) = (harness(named()), harness(Forward::new().identity("x-globex").unwrap()));
    let layers = [acme.layer.clone(), globex.layer.clone()];
    let tenants = TenantLayer::new(move |head| {
        layers.get(usize::from(head.uri.path() == "/globex")).cloned()
    });
    let ask = |harness: &Harness, sent: &TestRequest| {
        let service = tenants.layer(harness.recorder());
        let Ok(response) = run(service.oneshot(sent.request()));
        harness.observe(response)
    };
    let sent = with_basic("a=1").uri("/acme").with(ID, "admin").with("x-globex", "admin");
    assert_eq!(ask(&acme, &sent), of_basic(&sent).0);
    let sent = sent.uri("/globex");
    let expected = Expected::of(&sent, "basic", AuthMethod::ClientSecretBasic)
        .without(&["authorization", "x-globex"])
        .with("x-globex", "basic");
    assert_eq!(ask(&globex, &sent), expected.0);
}

#[test]
fn ready_after_auth_changes_nothing() {
    let harness = harness(named()).set(TestLayer::ready_after_auth);
    let sent = with_basic("a=1&client_secret=").with("x_client_id", "admin");
    check(&harness, &sent, &of_basic(&sent).body("a=1"));
}

// Its callers present a secret where the layer does not look for one.
#[test]
fn secret_that_is_ignored_goes_as_well() {
    let harness = Harness::with(crate::support::clients(), ClientAuthLayer::mcp_python_sdk)
        .set(|layer| layer.forward(named()));
    let sent = TestRequest::form("client_id=post&client_secret=post-s3cr3t")
        .authorization(basic("post:s3cr3t"));
    let expected = Expected::of(&sent, "post", AuthMethod::ClientSecretPost)
        .without(&["authorization"])
        .named("post", "client_secret_post")
        .body("client_id=post");
    check(&harness, &sent, &expected);
}

#[test]
fn id_is_percent_encoded() {
    for (client_id, encoded) in [
        ("batch-7._~", "batch-7._~"),
        ("gr\u{fc}\u{df}e 1%", "gr%C3%BC%C3%9Fe%201%25"),
        ("https://c.example/x", "https%3A%2F%2Fc.example%2Fx"),
        ("a,b;c=\"d\"\u{1f600}", "a%2Cb%3Bc%3D%22d%22%F0%9F%98%80"),
        ("", ""),
    ] {
        assert_eq!(percent_encode(client_id), encoded);
    }
    let clients = crate::support::clients();
    clients.insert(basic_client("gr\u{fc}\u{df}e 1%", [plain("s3cr3t")]));
    let harness = Harness::of(clients).set(|layer| layer.forward(named()));
    let sent = TestRequest::form("a=1").basic("gr%C3%BC%C3%9Fe+1%25:s3cr3t");
    let expected = Expected::of(&sent, "gr\u{fc}\u{df}e 1%", AuthMethod::ClientSecretBasic)
        .without(&["authorization"])
        .named("gr%C3%BC%C3%9Fe%201%25", "client_secret_basic");
    check(&harness, &sent, &expected);
}

#[test]
fn header_with_a_meaning_says_nothing_of_the_client() {
    for name in [
        "host",
        "content-length",
        "Content-Type",
        "content_type",
        "authorization",
        "Connection",
        "proxy-authorization",
        "transfer_encoding",
        "te",
        "cookie",
        "expect",
        "range",
        "If-Match",
        "via",
        "proxy",
        "x_forwarded_for",
        "",
        "x client",
        "x-client-id:",
        "x-client-\u{fc}",
    ] {
        let error = ConfigError::IdentityHeader(name.to_owned());
        assert_eq!(Forward::new().identity(name).unwrap_err(), error);
        assert_eq!(Forward::new().auth_method(name).unwrap_err(), error);
        assert_eq!(Forward::new().thumbprint(name).unwrap_err(), error);
    }
    // One name for two things.
    for name in [ID, "X_Client.Id"] {
        let error = ConfigError::RepeatedIdentityHeader(name.to_owned());
        assert_eq!(named().auth_method(name).unwrap_err(), error);
    }
    let again = named().identity(ID).unwrap().identity("x-caller").unwrap();
    let sent = with_basic("a=1").with("x_caller", "admin").with(ID, "stays");
    let expected = Expected::of(&sent, "basic", AuthMethod::ClientSecretBasic)
        .without(&["authorization", "x_caller"])
        .with(METHOD, "client_secret_basic")
        .with("x-caller", "basic");
    check(&harness(again), &sent, &expected);
}

#[test]
fn trailers_of_a_stream_are_polled_as_they_come() {
    let service = harness(named()).set(|layer| layer.headers_only().unwrap()).layer.layer(
        service_fn(async |request: Request<RequestBody<Script>>| {
            let mut body = request.into_body();
            assert_eq!(http_body::Body::size_hint(&body).lower(), 17);
            let mut frames = Vec::new();
            while let Some(frame) = body.frame().await {
                frames.push(match frame {
                    Ok(frame) => frame.into_data().map_err(|frame| frame.into_trailers().unwrap()),
                    Err(error) => Ok(Bytes::from(error.to_string())),
                });
            }
            let failed = Bytes::from("reset of s3cr3t connection");
            assert_eq!(frames, [Ok(Bytes::from("a")), Ok(failed), Err(trailers(&["x-sum"]))]);
            Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::default()))
        }),
    );
    let steps = [
        Step::Data(Bytes::from("a")),
        Step::Wait,
        Step::Fail,
        Step::Trailers(trailers(&["x-sum", "x_client_id"])),
    ];
    let body = Script::new(steps).promising(17);
    let request = with_basic("").request().map(|_| body);
    assert_eq!(run(service.oneshot(request)).unwrap().status(), 200);
}

#[cfg(feature = "mtls")]
mod certificates {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use store_harness::certificate::Certificate;
    use tower_client_auth::mutual_tls::{ClientCertificate, MutualTls, ProxyHeader};

    use super::*;

    fn certificate() -> ClientCertificate {
        ClientCertificate::unverified(Certificate::new().der()).unwrap()
    }

    #[test]
    fn thumbprint_is_there_with_a_certificate_alone() {
        let harness = harness(named()).set(|layer| layer.mutual_tls(MutualTls::from_connection()));
        let sent = with_basic("a=1").with(THUMBPRINT, "x").with("x_client_cert_thumbprint", "x");
        let without = of_basic(&sent).without(&["x_client_cert_thumbprint"]);
        check(&harness, &sent, &without);
        let mut request = sent.request();
        request.extensions_mut().insert(certificate());
        let with = without.with(THUMBPRINT, certificate().thumbprint());
        assert_eq!(harness.send(request), with.0);
    }

    // RFC 9440 §2.4.
    #[test]
    fn certificate_of_a_proxy_goes_no_further() {
        const VERIFIED: &str = "x-client-verify";
        let mutual_tls = |trusted: bool| {
            MutualTls::from_header(ProxyHeader::client_cert(), move |_| trusted)
                .verified_if(HeaderName::from_static(VERIFIED), HeaderValue::from_static("SUCCESS"))
        };
        let value = format!(":{}:", BASE64_STANDARD.encode(certificate().der()));
        let chain =
            ["client-cert", "client_cert", "client-cert-chain", VERIFIED, "x_client.verify"];
        let sent = with_basic("a=1")
            .with("client-cert", value)
            .with("client_cert", "forged")
            .with("client-cert-chain", ":eA==:")
            .with(VERIFIED, "SUCCESS")
            .with("x_client.verify", "SUCCESS")
            .with("signature", "x");
        for trusted in [true, false] {
            let with =
                |forward| harness(forward).set(|layer| layer.mutual_tls(mutual_tls(trusted)));
            let none = of_basic(&sent).without(&chain).without(&["signature"]);
            let expected = if trusted {
                none.clone().with(THUMBPRINT, certificate().thumbprint())
            } else {
                none.clone()
            };
            check(&with(named()), &sent, &expected);
            // Under its own name the certificate is what it was, for the upstream alone to know whose.
            let same = Forward::new().thumbprint("client-cert").unwrap();
            let none = none.without(&[ID, METHOD]);
            let expected =
                if trusted { none.with("client-cert", certificate().thumbprint()) } else { none };
            check(&with(same), &sent, &expected);
        }
        // They go where none of them is read, too.
        let harness = harness(named()).set(|layer| layer.mutual_tls(MutualTls::from_connection()));
        let sent = sent.with("x_forwarded-client.cert", "URI=spiffe://example/batch");
        let forged = ["client-cert", "client_cert", "client-cert-chain", "x_forwarded-client.cert"];
        check(&harness, &sent, &of_basic(&sent).without(&forged).without(&["signature"]));
    }

    // RFC 9110 §6.5.1: some merge them into the headers.
    #[test]
    fn certificate_of_a_trailer_goes_no_further() {
        let mutual_tls = MutualTls::from_header(ProxyHeader::client_cert(), |_| true);
        let harness = |forward| harness(forward).set(|layer| layer.mutual_tls(mutual_tls.clone()));
        let names = ["client-cert", "x-sum", "client_cert", "client-cert-chain"];
        let sent = with_basic("a=1").with("trailer", "X-Sum, Client-Cert,Client_Cert-Chain");
        let mut expected = of_basic(&sent).without(&["trailer"]).with("trailer", "X-Sum");
        expected.0.calls[0].trailers = vec![("x-sum".into(), "admin".into())];
        let request = || {
            let mut body = Script::pieces(b"a=1", &[2]);
            body.steps.push_back(Step::Trailers(trailers(&names)));
            sent.request().map(|_| body)
        };
        assert_eq!(harness(named()).send(request()), expected.0);
        let kept = harness(named().keep_credentials()).send(request()).calls.pop().unwrap();
        assert_eq!(kept.trailers.len(), names.len());
    }
}

#[cfg(feature = "jwt")]
mod assertions {
    use tower_client_auth::{
        RegisteredClient,
        assertion::{Assertions, ClientKeys},
    };

    use super::*;
    use crate::{
        jose::{ISSUER, claims, ed, form, jwks, sign},
        support::app,
    };

    fn harness(forward: Forward) -> Harness {
        let clients = crate::support::clients();
        let keys = ClientKeys::from_jwks(&jwks([ed().jwk()])).unwrap();
        clients.insert(RegisteredClient::private_key_jwt("ed", keys, app("ed")));
        let settings = Assertions::dangerously_without_replay_protection(ISSUER).unwrap();
        Harness::of(clients).set(|layer| layer.assertions(settings).forward(forward))
    }

    #[test]
    fn both_parameters_of_an_assertion_go() {
        let credentials = form(&sign(ed(), "EdDSA", &claims("ed")));
        for (rest, added, kept) in [
            ("&a=1&b=2", false, "z&grant_type=client_credentials&a=1&b=2"),
            ("&a=1&b=2", true, "z&grant_type=client_credentials&a=1&b=2&client_id=ed"),
            ("&client_id=ed&a=1", true, "z&grant_type=client_credentials&client_id=ed&a=1"),
        ] {
            let sent = TestRequest::form(format!("z&{credentials}{rest}"));
            let expected = Expected::of(&sent, "ed", AuthMethod::PrivateKeyJwt)
                .named("ed", "private_key_jwt")
                .body(kept);
            check(&harness(named().add_client_id(added)), &sent, &expected);
        }
    }
}

#[cfg(feature = "jwt")]
mod signed {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::{Duration, Instant},
    };

    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING,
            ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
            UnparsedPublicKey,
        },
    };
    use base64::{
        Engine,
        prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
    };
    use serde_json::{Value, json};
    use tower_client_auth::{Clock, forward::IdentitySigner};

    use super::*;
    use crate::support::NOW;

    const SIGNED: &str = "x-client-identity";
    const GATEWAY: &str = "https://gateway.example";
    const UPSTREAM: &str = "https://orders.example";

    fn ed25519() -> Vec<u8> {
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec()
    }

    fn p256() -> Vec<u8> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        pair.unwrap().as_ref().to_vec()
    }

    fn signer(key: &[u8]) -> IdentitySigner {
        IdentitySigner::new(key, GATEWAY, UPSTREAM).unwrap()
    }

    fn decode(part: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    fn member(object: &Value, name: &str) -> Vec<u8> {
        decode(object[name].as_str().unwrap())
    }

    /// The header and the claims of a token whose signature is that of the key of its `kid`.
    fn verified(token: &str, jwks: &str) -> (Value, Value) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let header: Value = serde_json::from_slice(&decode(header)).unwrap();
        let claims: Value = serde_json::from_slice(&decode(claims)).unwrap();
        let keys: Value = serde_json::from_str(jwks).unwrap();
        let is_it = |key: &&Value| key["kid"] == header["kid"];
        let key = keys["keys"].as_array().unwrap().iter().find(is_it).unwrap();
        assert_eq!((&key["alg"], &key["use"]), (&header["alg"], &json!("sig")));
        let x = member(key, "x");
        let checked = if header["alg"] == "ES256" {
            let point = [&[4][..], &x, &member(key, "y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &decode(signature))
        } else {
            UnparsedPublicKey::new(&ED25519, x).verify(signed.as_bytes(), &decode(signature))
        };
        checked.unwrap();
        (header, claims)
    }

    /// What the upstream gets in the header, once.
    fn token(harness: &Harness, sent: &TestRequest) -> String {
        let mut answer = harness.ask(sent);
        let headers = answer.calls.pop().unwrap().headers;
        let mut tokens = headers.into_iter().filter(|(name, _)| name.contains("identity"));
        let (name, token) = tokens.next().unwrap();
        assert_eq!((&*name, tokens.next()), (SIGNED, None));
        token
    }

    fn signing(signer: IdentitySigner) -> Harness {
        harness(Forward::new().signed(SIGNED, signer).unwrap())
    }

    #[test]
    fn identity_can_be_verified_with_the_published_key() {
        for (key, alg) in [(ed25519(), "EdDSA"), (p256(), "ES256")] {
            let signer = signer(&key);
            let sent = with_basic("a=1").with(SIGNED, "forged").with("x_client_identity", "forged");
            let (header, claims) =
                verified(&token(&signing(signer.clone()), &sent), &signer.jwks());
            let kid = &header["kid"];
            let expected = json!({"alg": alg, "kid": kid, "typ": "client-identity+jwt"});
            assert_eq!(header, expected);
            let expected = json!({
                "iss": GATEWAY, "aud": UPSTREAM, "sub": "basic", "auth_method": "client_secret_basic",
                "iat": NOW, "exp": NOW + 60,
            });
            assert_eq!(claims, expected);
        }
    }

    #[test]
    fn identity_of_a_public_client_says_so() {
        let signer = signer(&ed25519());
        let sent = TestRequest::form("client_id=public");
        let (_, claims) = verified(&token(&signing(signer.clone()), &sent), &signer.jwks());
        assert_eq!((&claims["sub"], &claims["auth_method"]), (&json!("public"), &json!("none")));
    }

    // RFC 8705 §3.1.
    #[cfg(feature = "mtls")]
    #[test]
    fn identity_confirms_the_certificate() {
        use store_harness::certificate::Certificate;
        use tower_client_auth::mutual_tls::{ClientCertificate, MutualTls};

        let certificate = ClientCertificate::unverified(Certificate::new().der()).unwrap();
        let signer = signer(&p256());
        let layer =
            signing(signer.clone()).set(|layer| layer.mutual_tls(MutualTls::from_connection()));
        let mut request = with_basic("a=1").request();
        request.extensions_mut().insert(certificate.clone());
        let seen = layer.send(request).calls.pop().unwrap();
        let (_, token) = seen.headers.iter().find(|(name, _)| name == SIGNED).unwrap();
        let (_, claims) = verified(token, &signer.jwks());
        assert_eq!(claims["cnf"], json!({"x5t#S256": certificate.thumbprint()}));
    }

    #[test]
    fn identity_is_good_for_a_minute_at_most() {
        let lifetime = |of: Duration| signer(&ed25519()).lifetime(of);
        for of in [Duration::ZERO, Duration::from_millis(999), Duration::from_millis(60_001)] {
            assert_eq!(lifetime(of).unwrap_err(), ConfigError::IdentityLifetime);
        }
        for seconds in [1, 60] {
            let signer = lifetime(Duration::from_secs(seconds)).unwrap();
            let token = token(&signing(signer.clone()), &with_basic("a=1"));
            let (_, claims) = verified(&token, &signer.jwks());
            let expected = (json!(NOW), json!(NOW + i64::try_from(seconds).unwrap()));
            assert_eq!((&claims["iat"], &claims["exp"]), (&expected.0, &expected.1));
        }
    }

    #[test]
    fn keys_change_while_both_are_published() {
        let (before, after) = (signer(&p256()), signer(&ed25519()));
        let both = after.clone().publish(&before);
        let (first, second) = (
            token(&signing(before.clone().publish(&after)), &with_basic("a=1")),
            token(&signing(both.clone()), &with_basic("a=1")),
        );
        for token in [&first, &second] {
            verified(token, &both.jwks());
        }
        let kids = |signer: &IdentitySigner| -> Vec<String> {
            let keys: Value = serde_json::from_str(&signer.jwks()).unwrap();
            let keys = keys["keys"].as_array().unwrap();
            keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((kids(&before).len(), kids(&after).len()), (1, 1));
        assert_eq!(kids(&both), [kids(&after), kids(&before)].concat());
        // Each key once.
        assert_eq!(kids(&both.clone().publish(&both).publish(&after)), kids(&both));
    }

    // RFC 7638, RFC 8037 Appendix A.3.
    #[test]
    fn id_of_a_key_is_its_thumbprint() {
        const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let pkcs8 =
            [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", &decode(D)[..]];
        let der = pkcs8.concat();
        let expected = concat!(
            r#"{"keys":[{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","#,
            r#""alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","use":"sig"}]}"#
        );
        assert_eq!(signer(&der).jwks(), expected);
        let pem = format!(
            "a key\n-----BEGIN PRIVATE KEY-----\r\n{}\r\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(&der)
        );
        assert_eq!(signer(pem.as_bytes()).jwks(), expected);
    }

    #[test]
    fn key_of_another_kind_is_refused() {
        let random = SystemRandom::new();
        let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
        let truncated = ed25519();
        for key in [
            &b""[..],
            b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            b"-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----",
            p384.as_ref(),
            &truncated[..truncated.len() - 1],
        ] {
            let refused = IdentitySigner::new(key, GATEWAY, UPSTREAM).unwrap_err();
            assert_eq!(refused, ConfigError::IdentityKey);
        }
    }

    #[test]
    fn nothing_shows_the_private_key() {
        let key = ed25519();
        let signer = signer(&key);
        let layer = signing(signer.clone()).layer;
        let shown = format!("{signer:?} {layer:?} {}", signer.jwks());
        assert!(shown.contains(UPSTREAM) && shown.contains("EdDSA"), "{shown}");
        // The private part follows a head of 16 bytes.
        let secret = key.get(16..48).unwrap();
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for secret in [hex, format!("{secret:?}"), BASE64_URL_SAFE_NO_PAD.encode(secret)] {
            assert!(!shown.contains(&secret), "{shown}");
        }
    }

    #[test]
    fn nobody_is_named_by_a_clock_that_fails() {
        // The verification before reads the time once.
        let readings = AtomicU32::new(0);
        let time = move || match readings.fetch_add(1, Ordering::Relaxed) {
            0 => 1_700_000_000,
            _ => panic!("no time"),
        };
        let clock = Clock::new(time, Instant::now);
        let harness = signing(signer(&ed25519())).set(|layer| layer.clock(clock));
        let sent = TestRequest::form("client_id=public");
        assert_eq!(harness.ask(&sent), failed(K::Panicked, "public"));
    }
}
