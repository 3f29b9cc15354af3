//! Requests that present nothing of a client, for layers that pass them on.

use std::future::poll_fn;

use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, Compat, ConfigError, ErrorKind as K, Limits,
    body::RequestBody,
};

use crate::support::{
    Answer, App, Harness, Log, TestLayer, TestRequest, basic, clients, failed, public_client,
    refused, run,
};

const TOKEN: &str = "Bearer mF_9.B5f-4.1JqM";

fn optional() -> Harness {
    Harness::new().set(TestLayer::optional)
}

/// Introspection by a client or with a bearer token.
fn or_bearer(layer: TestLayer) -> TestLayer {
    layer.optional().foreign_schemes(["Bearer", "DPoP"]).unwrap()
}

/// The whole answer to a request that is passed on: it is as it was sent, without a client.
fn passed(ask: &TestRequest) -> Answer {
    let mut answer = ask.accepted("", AuthMethod::None);
    answer.lookups.clear();
    answer.calls[0].client = None;
    answer
}

fn check(harness: &Harness, ask: &TestRequest, refusal: Option<Answer>) {
    assert_eq!(harness.ask(ask), refusal.unwrap_or_else(|| passed(ask)), "{ask:?}");
}

/// Requests with an `Authorization` of a foreign scheme, or one that looks like it, and what becomes of them
/// where `Bearer` and `DPoP` are foreign.
fn foreign() -> Vec<(TestRequest, Option<Answer>)> {
    let form = || TestRequest::form("token=abc");
    let long = format!("Bearer {}", "a".repeat(8 * 1024));
    let malformed = || Some(refused(K::MalformedAuthorization));
    let unsupported = || Some(refused(K::UnsupportedScheme));
    let mut rows = vec![
        (form(), None),
        (form().authorization(TOKEN), None),
        (TestRequest::bare().authorization(TOKEN), None),
        (form().authorization("bearer abc"), None),
        (form().authorization("BEARER abc"), None),
        (form().authorization("dpop abc"), None),
        (form().authorization("Bearer   abc=="), None),
        (form().authorization("Bearer"), malformed()),
        (form().authorization("Bearer "), malformed()),
        (form().authorization("Bearer =="), malformed()),
        (form().authorization("Bearer a=b"), malformed()),
        (form().authorization("Bearer a b"), malformed()),
        (form().authorization("Bearer abc "), malformed()),
        (form().authorization("Bearer a\tb"), malformed()),
        (form().authorization("Bearer \"abc\""), malformed()),
        (form().authorization(b"Bearer caf\xe9"), malformed()),
        // Two credentials in one field, or in two.
        (form().authorization("Bearer abc, Basic eDp5"), Some(refused(K::RepeatedAuthorization))),
        (form().authorization("Bearer abc,"), Some(refused(K::RepeatedAuthorization))),
        (form().authorization(long), Some(refused(K::CredentialTooLong))),
        // Other schemes, and what is none.
        (form().authorization(""), unsupported()),
        (form().authorization(" "), unsupported()),
        (form().authorization("Bearer\tabc"), unsupported()),
        (form().authorization("Bearer,abc"), unsupported()),
        (form().authorization("Bearerx abc"), unsupported()),
        (form().authorization("Bear abc"), unsupported()),
        (form().authorization("Digest abc"), unsupported()),
        (form().authorization("Basic"), malformed()),
        (form().authorization("Basic !"), malformed()),
    ];
    for second in [TOKEN, "DPoP abc", "Basic eDp5", ""] {
        let twice = form().authorization(TOKEN).authorization(second);
        rows.push((twice, Some(refused(K::RepeatedAuthorization))));
        let twice = form().authorization(second).authorization(TOKEN);
        rows.push((twice, Some(refused(K::RepeatedAuthorization))));
    }
    // Whatever else is of a client is a second method, however little of it there is.
    for body in [
        "client_id=public",
        "client_id=post&client_secret=post-s3cr3t",
        "client_secret=post-s3cr3t",
        "client_assertion=a.b.c",
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client%5Fid=public",
    ] {
        let ask = TestRequest::form(body).authorization(TOKEN);
        rows.push((ask, Some(refused(K::MultipleMethods))));
    }
    for name in ["oauth-client-attestation", "oauth-client-attestation-pop"] {
        let ask = form().with(name, "a.b.c").authorization(TOKEN);
        rows.push((ask, Some(refused(K::MultipleMethods))));
    }
    rows
}

#[test]
fn foreign_scheme_is_nothing_only_alone_and_well_formed() {
    let harness = Harness::new().set(or_bearer);
    for (ask, refusal) in foreign() {
        check(&harness, &ask, refusal);
    }
}

// Whatever reads the first of two sees credentials that nobody has checked.
#[test]
fn value_that_an_empty_one_follows_is_presented() {
    let lenient = |layer: TestLayer| layer.compat(Compat::new().last_parameter_wins());
    for name in ["client_id", "client_secret", "client_assertion", "client_assertion_type"] {
        let ask = TestRequest::form(format!("token=abc&{name}=x&{name}="));
        let harness = optional().set(lenient);
        assert_eq!(harness.ask(&ask), refused(K::NoCredentials), "{name}");
        let harness = Harness::new().set(or_bearer).set(lenient);
        let ask = ask.authorization(TOKEN);
        assert_eq!(harness.ask(&ask), refused(K::MultipleMethods), "{name}");
    }
    let nothing = TestRequest::form("client_id=&client_id=&client_secret&client_secret=");
    check(&optional().set(lenient), &nothing, None);
}

#[test]
fn schemes_that_were_not_named_are_refused() {
    let form = || TestRequest::form("token=abc");
    for ask in [form().authorization(TOKEN), form().authorization("DPoP abc")] {
        check(&optional(), &ask, Some(refused(K::UnsupportedScheme)));
        let named_others =
            optional().set(|layer| or_bearer(layer).foreign_schemes(["Negotiate"]).unwrap());
        check(&named_others, &ask, Some(refused(K::UnsupportedScheme)));
        let required =
            Harness::new().set(|layer| layer.foreign_schemes(["Bearer", "DPoP"]).unwrap());
        check(&required, &ask, Some(refused(K::UnsupportedScheme)));
    }
    let required = Harness::new().set(|layer| layer.foreign_schemes(["Bearer"]).unwrap());
    check(&required, &form(), Some(refused(K::NoCredentials)));
}

#[test]
fn nothing_is_passed_on_and_everything_else_is_judged_as_ever() {
    let harness = optional();
    let nothing = [
        TestRequest::bare(),
        TestRequest::form(""),
        TestRequest::form("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c"),
        // RFC 6749 §3.2: a parameter without a value is omitted.
        TestRequest::form("client_id=&client_secret&client_assertion=&client_assertion_type="),
        TestRequest::form("Client_Id=public&client-secret=x&client.id=x"),
        // What is never read is never an attempt.
        TestRequest::form("a=b").uri("/token?client_id=basic&client_secret=basic-s3cr3t"),
        TestRequest::form("a=b").with("x-client-id", "basic").with("cookie", "client_id=basic"),
        TestRequest::form("a=b").with("proxy-authorization", basic("basic:basic-s3cr3t")),
    ];
    for ask in &nothing {
        check(&harness, ask, None);
    }
    let by_post = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let by_basic = TestRequest::bare().basic("basic:basic-s3cr3t");
    let public = TestRequest::form("client_id=public");
    for (ask, client_id, method) in [
        (&by_post, "post", AuthMethod::ClientSecretPost),
        (&by_basic, "basic", AuthMethod::ClientSecretBasic),
        (&public, "public", AuthMethod::None),
    ] {
        assert_eq!(harness.ask(ask), ask.accepted(client_id, method));
    }
    for (ask, refusal) in [
        (TestRequest::form("client_id=nobody"), failed(K::UnknownClient, "nobody")),
        (TestRequest::form("client_id=basic"), failed(K::MethodMismatch, "basic")),
        (TestRequest::bare().basic("basic:wrong-s3cr3t"), failed(K::WrongSecret, "basic")),
        (TestRequest::bare().basic(":"), refused(K::MalformedAuthorization)),
        (TestRequest::form("client_id=%zz"), refused(K::MalformedParameter)),
        (TestRequest::form("client_id=%00"), refused(K::MalformedParameter)),
        (TestRequest::form("client_secret=post-s3cr3t"), refused(K::MissingClientId)),
        (TestRequest::form("client_id=&client_secret=post-s3cr3t"), refused(K::MissingClientId)),
        (by_post.clone().basic("basic:basic-s3cr3t"), refused(K::MultipleMethods)),
    ] {
        check(&harness, &ask, Some(refusal));
    }
    // No method reads it, but whoever sends it is a client.
    for name in ["oauth-client-attestation", "oauth-client-attestation-pop"] {
        let ask = TestRequest::form("a=b").with(name, "a.b.c");
        check(&harness, &ask, Some(refused(K::MethodNotAccepted)));
        assert_eq!(Harness::new().ask(&ask), refused(K::NoCredentials));
    }
}

#[test]
fn rules_for_forms_hold_for_what_presents_nothing() {
    let harness = Harness::new()
        .set(or_bearer)
        .set(|layer| layer.refuse_uri_credentials().limits(Limits::new().parameters(2).body(22)));
    for ask in [TestRequest::form("a=b"), TestRequest::form("a=b").authorization(TOKEN)] {
        check(&harness, &ask, None);
        for (ask, kind) in [
            (ask.clone().method("GET"), K::MethodNotAllowed),
            (ask.clone().with("content-encoding", "gzip"), K::UnsupportedContentEncoding),
            (ask.clone().with("transfer-encoding", "gzip"), K::UnsupportedTransferCoding),
            (ask.clone().with("content-type", "text/plain"), K::UnsupportedMediaType),
            (ask.clone().body("a=b&grant_type=x&scope=y"), K::BodyTooLarge),
            (ask.clone().body("a=b&c=d&e=f"), K::TooManyParameters),
            (ask.clone().body("scope=a&scope=b"), K::RepeatedParameter),
            (ask.clone().body("client_id=&client_id="), K::RepeatedParameter),
            (ask.clone().body(b"\xef\xbb\xbfa=b"), K::MalformedParameter),
            (ask.clone().uri("/?client_secret=x"), K::CredentialsInUri),
        ] {
            check(&harness, &ask, Some(refused(kind)));
        }
    }
    let insecure = optional().set(|layer| layer.require_https(|_| false));
    check(&insecure, &TestRequest::bare(), Some(refused(K::InsecureTransport)));
}

#[test]
fn public_clients_stay_refused() {
    let harness = optional().set(TestLayer::refuse_public_clients);
    check(&harness, &TestRequest::form("token=abc"), None);
    let public = TestRequest::form("client_id=public");
    check(&harness, &public, Some(refused(K::MethodNotAccepted)));
}

#[test]
fn foreign_scheme_that_cannot_be_one_is_an_error() {
    let set = |scheme: &'static str| {
        ClientAuthLayer::new(clients()).foreign_schemes(["Bearer", scheme]).map(drop)
    };
    for name in ["Basic", "basic", "BASIC", "", "Bearer abc", "Bearer,", "caf\u{e9}", "a\0"] {
        assert_eq!(set(name), Err(ConfigError::ForeignScheme(name.into())), "{name}");
    }
    for name in ["Bearer", "DPoP", "GNAP", "x_y~1"] {
        assert_eq!(set(name), Ok(()));
    }
    assert_eq!(
        set("bAsic").unwrap_err().to_string(),
        "the authentication scheme Basic is not foreign: the layer reads it"
    );
    assert_eq!(
        set("Bearer abc").unwrap_err().to_string(),
        r#"the authentication scheme "Bearer abc" is not a token"#
    );
}

/// What a handler finds in the extensions.
fn seen_by_handler(layer: &TestLayer, mut request: Request<Full<bytes::Bytes>>) -> Option<String> {
    // As a layer further out would leave it.
    let outer = Log::default();
    let found = outer.clone();
    let first = ClientAuthLayer::new(clients()).layer(service_fn(
        async |request: Request<RequestBody<Full<bytes::Bytes>>>| {
            outer.push(request.extensions().get::<AuthenticatedClient<App>>().cloned());
            Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::default()))
        },
    ));
    run(tower::ServiceExt::oneshot(first, TestRequest::form("client_id=public").request()))
        .unwrap();
    request.extensions_mut().insert(found.take().remove(0).unwrap());

    let seen = Log::default();
    let log = seen.clone();
    let service =
        layer.layer(service_fn(move |request: Request<RequestBody<Full<bytes::Bytes>>>| {
            let client = request.extensions().get::<AuthenticatedClient<App>>();
            log.push(client.map(|client| client.client_id().to_owned()));
            std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(
                Full::<bytes::Bytes>::default(),
            )))
        }));
    run(tower::ServiceExt::oneshot(service, request)).unwrap();
    seen.take().remove(0)
}

#[test]
fn client_of_an_outer_layer_is_removed() {
    for layer in [optional().layer, optional().layer.ready_after_auth()] {
        assert_eq!(seen_by_handler(&layer, TestRequest::bare().request()), None);
        let basic = TestRequest::bare().basic("basic:basic-s3cr3t").request();
        assert_eq!(seen_by_handler(&layer, basic), Some("basic".into()));
    }
}

#[test]
fn what_is_passed_on_is_no_outcome() {
    let outcomes = Log::default();
    let log = outcomes.clone();
    let harness = Harness::new().set(or_bearer).set(|layer| {
        layer.on_outcome(move |outcome| log.push(outcome.error().map(|error| error.kind())))
    });
    for (ask, refusal) in foreign() {
        check(&harness, &ask, refusal.clone());
        let expected: Vec<_> = refusal.into_iter().map(|refusal| refusal.kind).collect();
        assert_eq!(outcomes.take(), expected, "{ask:?}");
    }
}

// The one that was made ready is called, and asked again only where it was not asked before.
#[test]
fn readiness_is_asked_for_once() {
    for after in [false, true] {
        let layer = ClientAuthLayer::new(clients()).optional();
        let layer = if after { layer.ready_after_auth() } else { layer };
        let asked = Log::default();
        let mut service = layer.layer(Once { asked: asked.clone(), is_ready: false });
        run(async {
            poll_fn(|cx| Service::<Request<Full<bytes::Bytes>>>::poll_ready(&mut service, cx))
                .await
                .unwrap();
            service.call(TestRequest::bare().request()).await.unwrap();
        });
        assert_eq!(asked.take(), [()], "{after}");
    }
}

/// Panics unless it is asked before each call, once.
struct Once {
    asked: Log<()>,
    is_ready: bool,
}

impl Clone for Once {
    fn clone(&self) -> Self {
        Self { asked: self.asked.clone(), is_ready: false }
    }
}

impl Service<Request<RequestBody<Full<bytes::Bytes>>>> for Once {
    type Response = Response<Full<bytes::Bytes>>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.asked.push(());
        self.is_ready = true;
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody<Full<bytes::Bytes>>>) -> Self::Future {
        assert!(self.is_ready);
        std::future::ready(Ok(Response::default()))
    }
}

#[test]
fn headers_only_reads_no_form() {
    let harness = Harness::new().set(|layer| or_bearer(layer).headers_only().unwrap());
    for ask in [
        TestRequest::bare().method("GET"),
        TestRequest::bare().authorization(TOKEN),
        TestRequest::form("client_id=post&client_secret=post-s3cr3t"),
        TestRequest::form("client_id=post").authorization(TOKEN),
    ] {
        let mut expected = passed(&ask);
        expected.calls[0].length = Some(ask.body.len());
        assert_eq!(harness.ask(&ask), expected);
    }
    let twice = TestRequest::bare().authorization(TOKEN).basic("basic:basic-s3cr3t");
    check(&harness, &twice, Some(refused(K::RepeatedAuthorization)));
    let wrong = TestRequest::bare().basic("basic:wrong-s3cr3t");
    check(&harness, &wrong, Some(failed(K::WrongSecret, "basic")));
}

#[test]
fn grpc_call_without_metadata_is_passed_on() {
    let harness = Harness::new().set(|layer| or_bearer(layer).grpc().unwrap());
    let call =
        || TestRequest::bare().with("content-type", "application/grpc").with("te", "trailers");
    for ask in [call(), call().authorization(TOKEN), call().body("client_id=post")] {
        check(&harness, &ask, None);
    }
    let status = |ask: &TestRequest| {
        let answer = harness.ask(ask);
        let status = answer.headers.iter().find(|(name, _)| name == "grpc-status");
        (answer.status, answer.kind, status.map(|(_, value)| value.clone()))
    };
    for (ask, kind, code) in [
        (call().authorization("Bearer"), K::MalformedAuthorization, "16"),
        (call().authorization("Digest x"), K::UnsupportedScheme, "16"),
        (call().authorization(TOKEN).authorization(TOKEN), K::RepeatedAuthorization, "3"),
        (call().basic("basic:wrong-s3cr3t"), K::WrongSecret, "16"),
    ] {
        assert_eq!(status(&ask), (200, Some(kind), Some(code.into())));
    }
    // What is not gRPC is not passed on either.
    check(&harness, &TestRequest::form(""), Some(refused(K::NotGrpc)));
}

#[test]
fn preset_of_the_mcp_sdk_passes_nothing_on() {
    let harness = Harness::with(clients(), ClientAuthLayer::mcp_python_sdk).set(or_bearer);
    let form = || TestRequest::form("token=abc");
    for ask in [TestRequest::bare(), form(), form().authorization(TOKEN)] {
        check(&harness, &ask, None);
    }
    let kind = |ask: TestRequest| {
        let answer = harness.ask(&ask);
        (answer.status, answer.kind, answer.calls.len())
    };
    // The SDK does not look at what the method of the client does not use, but this is another caller.
    let both = TestRequest::form("client_id=public").authorization(TOKEN);
    assert_eq!(kind(both), (400, Some(K::MultipleMethods), 0));
    let without_id = form().basic("basic:basic-s3cr3t");
    assert_eq!(kind(without_id), (401, Some(K::NoCredentials), 0));
    assert_eq!(kind(form().authorization("Digest x")), (401, Some(K::NoCredentials), 0));
    assert_eq!(kind(form().authorization("Bearer")), (401, Some(K::MalformedAuthorization), 0));
    let public = TestRequest::form("client_id=public");
    assert_eq!(harness.ask(&public), public.accepted("public", AuthMethod::None));
}

// What the provider keeps does not matter to a request that asks for nobody.
#[test]
fn failing_provider_is_not_asked() {
    use tower_client_auth::provider::provider_fn;
    let outage = provider_fn(|id: &str| {
        let _known = public_client(id);
        std::future::ready(Err::<Option<_>, _>("the store is down"))
    });
    let harness = Harness::of(outage).set(ClientAuthLayer::optional);
    let ask = TestRequest::form("a=b");
    assert_eq!(harness.ask(&ask), passed(&ask));
    let client = TestRequest::form("client_id=public");
    assert_eq!(harness.ask(&client), failed(K::Provider, "public"));
}

#[cfg(feature = "mtls")]
#[test]
fn certificate_alone_is_nothing() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use store_harness::certificate::{Attribute, Certificate};
    use tower_client_auth::mutual_tls::{
        CertificateError, ClientCertificate, MutualTls, ProxyHeader,
    };

    let certificate = Certificate::new().rdn([Attribute::utf8("2.5.4.3", "s")]);
    let connection =
        || Harness::new().set(|layer| or_bearer(layer).mutual_tls(MutualTls::from_connection()));
    for ask in [TestRequest::form("a=b"), TestRequest::form("a=b").authorization(TOKEN)] {
        let mut request = ask.request();
        request.extensions_mut().insert(ClientCertificate::verified(certificate.der()).unwrap());
        assert_eq!(connection().send(request), passed(&ask));
    }
    // A header counts where the proxy is trusted, and is gone where it is not.
    let item = format!(":{}:", BASE64_STANDARD.encode(certificate.der()));
    for trusted in [true, false] {
        let proxy = Harness::new().set(|layer| {
            let header = ProxyHeader::client_cert();
            or_bearer(layer).mutual_tls(MutualTls::from_header(header, move |_| trusted))
        });
        let ask =
            TestRequest::form("a=b").with("client-cert", &item).with("client-cert-chain", &item);
        let mut expected = passed(&ask);
        if !trusted {
            expected.calls[0].headers.retain(|(name, _)| !name.starts_with("client-cert"));
        }
        assert_eq!(proxy.ask(&ask), expected);
        let unreadable = TestRequest::form("a=b").with("client-cert", "x");
        let mut expected = passed(&unreadable);
        expected.calls[0].headers.retain(|(name, _)| name != "client-cert");
        let malformed = refused(K::Certificate(CertificateError::Malformed));
        assert_eq!(proxy.ask(&unreadable), if trusted { malformed } else { expected });
    }
}
