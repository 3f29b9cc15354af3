//! The endpoints: RFC 7009 (revocation), RFC 7662 (introspection), RFC 9126 (PAR), RFC 8628
//! (device authorization), and RFC 8414 (what they announce).

use tower_client_auth::{AuthMethod, Compat, ErrorKind as K};

use crate::support::{Harness, TestRequest, failed, refused};

// R49. RFC 7662 §2.1: introspection "MUST also require some form of authorization".
#[test]
fn rfc7662_2_1_refuse_public_clients() {
    let harness = Harness::new().set(|layer| layer.refuse_public_clients());
    let public = TestRequest::form("token=x&client_id=public").uri("/introspect");
    assert_eq!(harness.ask(&public), refused(K::MethodNotAccepted));
    for ask in [
        TestRequest::form("token=x").uri("/introspect").basic("public:"),
        TestRequest::form("token=x").uri("/introspect").basic("public:any-s3cr3t"),
        TestRequest::form("token=x&client_id=public&client_secret=any-s3cr3t").uri("/introspect"),
    ] {
        assert_eq!(harness.ask(&ask), failed(K::MethodMismatch, "public"));
    }
    let confidential = TestRequest::form("token=x").uri("/introspect").basic("basic:basic-s3cr3t");
    let expected = confidential.accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(harness.ask(&confidential), expected);
}

// R49 together with the other lenient setting.
#[test]
fn rfc7662_2_1_public_clients_stay_refused_with_leniency() {
    let harness = Harness::new().set(|layer| {
        layer.refuse_public_clients().compat(Compat::new().ignore_public_credentials())
    });
    for ask in [
        TestRequest::form("token=x").basic("public:"),
        TestRequest::form("token=x").basic("public:any-s3cr3t"),
        TestRequest::form("token=x&client_id=public&client_secret=any-s3cr3t"),
    ] {
        assert_eq!(harness.ask(&ask).wire(), refused(K::MethodMismatch).wire());
    }
}

// R49. RFC 7009 §2.1, RFC 9126 §2, RFC 8628 §3.1: these are for public clients, too.
#[test]
fn rfc7009_2_1_revocation_par_and_device_are_public() {
    for uri in ["/revoke", "/par", "/device_authorization"] {
        let ask = TestRequest::form("token=x&client_id=public").uri(uri);
        assert_eq!(crate::support::ask(&ask), ask.accepted("public", AuthMethod::None));
    }
}

// R67. RFC 7662 §2.3: 401, whichever method was used.
#[test]
fn rfc7662_2_3_invalid_credentials_are_401() {
    for ask in [
        TestRequest::form("token=x&client_id=post&client_secret=wrong-s3cr3t"),
        TestRequest::form("token=x").basic("post:wrong-s3cr3t"),
        TestRequest::form("token=x&client_id=post"),
    ] {
        let answer = crate::support::ask(&ask.uri("/introspect"));
        assert_eq!(answer.wire(), refused(K::WrongSecret).wire());
    }
}

// The path and the rest of the message do not matter to the answer.
#[test]
fn every_endpoint_gets_the_same_answer() {
    for uri in ["/token", "/revoke", "/introspect", "/par", "/", "*", "http://[::1]:8080/a?b=c"] {
        let ask = TestRequest::form("client_id=post&client_secret=wrong-s3cr3t").uri(uri);
        assert_eq!(crate::support::ask(&ask), failed(K::WrongSecret, "post"));
    }
}

// R103. RFC 8414 §2: what is announced is what is enforced.
#[test]
fn rfc8414_2_announced_methods_work() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let asks = [
        ("client_secret_basic", TestRequest::bare().basic("basic:basic-s3cr3t")),
        ("client_secret_post", TestRequest::form("client_id=post&client_secret=post-s3cr3t")),
        ("none", TestRequest::form("client_id=public")),
    ];
    let subsets = [
        vec![ClientSecretBasic, ClientSecretPost, None],
        vec![ClientSecretBasic, ClientSecretPost],
        vec![None, ClientSecretBasic],
        vec![ClientSecretPost, None],
        vec![ClientSecretBasic],
        vec![ClientSecretPost],
        vec![None],
        vec![None, None],
    ];
    for methods in subsets {
        let harness = Harness::new().set(|layer| layer.auth_methods(methods.clone()).unwrap());
        let announced: Vec<_> = harness.layer.auth_methods_supported().collect();
        let working: Vec<_> = asks
            .iter()
            .filter(|(_, ask)| harness.ask(ask).status == 200)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(announced, working, "{methods:?}");
        let refusals = asks.iter().filter(|(name, _)| !working.contains(name));
        for (name, ask) in refusals {
            assert_eq!(harness.ask(ask).kind, Some(K::MethodNotAccepted), "{name}");
        }
    }
    let names = |harness: Harness| harness.layer.auth_methods_supported().collect::<Vec<_>>();
    assert_eq!(names(Harness::new()), ["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(
        names(Harness::new().set(|layer| layer.refuse_public_clients())),
        ["client_secret_basic", "client_secret_post"]
    );
}

// R103.
#[test]
fn rfc8414_2_headers_only_announces_basic() {
    let layer = Harness::new().layer.headers_only().unwrap();
    assert_eq!(layer.auth_methods_supported().collect::<Vec<_>>(), ["client_secret_basic"]);
}
