//! Clients of tests that no layer has authenticated.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientSecret, RegisteredClient,
    body::RequestBody,
};

use crate::support::{App, Log, TestRequest, app, clients, public_client, run};

fn assumed() -> AuthenticatedClient<App> {
    AuthenticatedClient::assume(public_client("admin"), AuthMethod::PrivateKeyJwt)
}

#[test]
fn assumed_client_is_what_it_is_said_to_be() {
    let secrets = ["old", "new"].map(|label| ClientSecret::plain(label).labelled(label));
    let registered = RegisteredClient::secret_post("batch", secrets, app("batch"));
    let client = |method| AuthenticatedClient::assume(registered.clone(), method);
    for method in [
        AuthMethod::None,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::ClientSecretJwt,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::TlsClientAuth,
        AuthMethod::SelfSignedTlsClientAuth,
    ] {
        let client = client(method.clone());
        assert_eq!((client.client_id(), client.method()), ("batch", &method));
        assert_eq!((&*client.client().0, client.secret_label()), ("app of batch", None));
    }
    assert_eq!(client(AuthMethod::from("pigeon")).method(), &AuthMethod::None);
    for (label, expected) in [("old", Some("old")), ("new", Some("new")), ("none", None)] {
        let client = client(AuthMethod::ClientSecretPost).with_secret_label(label);
        assert_eq!(client.clone().secret_label(), expected);
    }
}

#[cfg(feature = "mtls")]
#[test]
fn assumed_client_has_the_certificate_that_it_is_given() {
    use store_harness::certificate::{Attribute, Certificate};
    use tower_client_auth::mutual_tls::ClientCertificate;

    let certificate = Certificate::new().rdn([Attribute::utf8("2.5.4.3", "p")]);
    let certificate = ClientCertificate::verified(certificate.der()).unwrap();
    let seen = |client: &AuthenticatedClient<App>| {
        client.certificate().map(|one| (one.thumbprint().to_owned(), one.is_verified()))
    };
    assert_eq!(seen(&assumed()), None);
    let expected = Some((certificate.thumbprint().to_owned(), true));
    assert_eq!(seen(&assumed().with_certificate(certificate)), expected);
}

// R6: whatever a caller could bring along, only the layer says who is calling.
#[test]
fn assumed_client_never_gets_past_the_layer() {
    let optional = ClientAuthLayer::new(clients()).optional();
    let layers = [
        ("by default", ClientAuthLayer::new(clients())),
        ("optional", optional.clone()),
        ("headers only", ClientAuthLayer::new(clients()).headers_only().unwrap()),
        ("optional, headers only", optional.headers_only().unwrap()),
    ];
    for (name, layer) in layers {
        let seen = Log::default();
        let seen_inside = seen.clone();
        let service = layer.layer(service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let client = request.extensions().get::<AuthenticatedClient<App>>();
            seen_inside.push(client.map(|client| client.client_id().to_owned()));
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        }));
        let ask = |ask: TestRequest| {
            let mut request = ask.request();
            request.extensions_mut().insert(assumed());
            run(service.clone().oneshot(request)).unwrap().status().as_u16()
        };
        assert_eq!(ask(TestRequest::bare().basic("basic:basic-s3cr3t")), 200, "{name}");
        assert_eq!(seen.take(), [Some("basic".to_owned())], "{name}");
        assert_eq!(ask(TestRequest::bare().basic("basic:wrong-s3cr3t")), 401, "{name}");
        assert_eq!(seen.take(), [], "{name}");
        let nothing = ask(TestRequest::form("grant_type=x"));
        let passed = if name.starts_with("optional") { (200, vec![None]) } else { (401, vec![]) };
        assert_eq!((nothing, seen.take()), passed, "{name}");
    }
}
