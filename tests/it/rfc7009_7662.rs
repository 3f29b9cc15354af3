//! The endpoints: RFC 7009 (revocation), RFC 7662 (introspection), RFC 9126 (PAR), RFC 8628
//! (device authorization), and RFC 8414 (what they announce).

use tower_client_auth::{AuthMethod, Compat, ErrorKind as K};

use crate::support::{Ask, Bench, failed, refused};

// R49. RFC 7662 §2.1: introspection "MUST also require some form of authorization".
#[test]
fn rfc7662_2_1_introspection_can_be_closed_to_public_clients() {
    let bench = Bench::new().set(|layer| layer.refuse_public_clients());
    let public = Ask::form("token=x&client_id=public").uri("/introspect");
    assert_eq!(bench.ask(&public), refused(K::MethodNotAccepted));
    for ask in [
        Ask::form("token=x").uri("/introspect").basic("public:"),
        Ask::form("token=x").uri("/introspect").basic("public:any-s3cr3t"),
        Ask::form("token=x&client_id=public&client_secret=any-s3cr3t").uri("/introspect"),
    ] {
        assert_eq!(bench.ask(&ask), failed(K::MethodMismatch, "public"));
    }
    let confidential = Ask::form("token=x").uri("/introspect").basic("basic:basic-s3cr3t");
    let expected = confidential.accepted("basic", AuthMethod::ClientSecretBasic);
    assert_eq!(bench.ask(&confidential), expected);
}

// R49 together with the other lenient setting.
#[test]
fn rfc7662_2_1_a_closed_endpoint_stays_closed_when_credentials_of_public_clients_are_ignored() {
    let bench = Bench::new().set(|layer| {
        layer.refuse_public_clients().compat(Compat::new().ignore_public_credentials())
    });
    for ask in [
        Ask::form("token=x").basic("public:"),
        Ask::form("token=x").basic("public:any-s3cr3t"),
        Ask::form("token=x&client_id=public&client_secret=any-s3cr3t"),
    ] {
        assert_eq!(bench.ask(&ask).wire(), refused(K::MethodMismatch).wire());
    }
}

// R49. RFC 7009 §2.1, RFC 9126 §2, RFC 8628 §3.1: these are for public clients, too.
#[test]
fn rfc7009_2_1_revocation_par_and_device_authorization_accept_public_clients() {
    for uri in ["/revoke", "/par", "/device_authorization"] {
        let ask = Ask::form("token=x&client_id=public").uri(uri);
        assert_eq!(crate::support::ask(&ask), ask.accepted("public", AuthMethod::None));
    }
}

// R67. RFC 7662 §2.3: 401, whichever method was used.
#[test]
fn rfc7662_2_3_invalid_credentials_are_401_whichever_method_was_used() {
    for ask in [
        Ask::form("token=x&client_id=post&client_secret=wrong-s3cr3t"),
        Ask::form("token=x").basic("post:wrong-s3cr3t"),
        Ask::form("token=x&client_id=post"),
    ] {
        let answer = crate::support::ask(&ask.uri("/introspect"));
        assert_eq!(answer.wire(), refused(K::WrongSecret).wire());
    }
}

// The path and the rest of the message do not matter to the answer.
#[test]
fn every_endpoint_gets_the_same_answer() {
    for uri in ["/token", "/revoke", "/introspect", "/par", "/", "*", "http://[::1]:8080/a?b=c"] {
        let ask = Ask::form("client_id=post&client_secret=wrong-s3cr3t").uri(uri);
        assert_eq!(crate::support::ask(&ask), failed(K::WrongSecret, "post"));
    }
}

// R103. RFC 8414 §2: what is announced is what is enforced.
#[test]
fn rfc8414_2_the_announced_methods_are_those_that_work() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let asks = [
        ("client_secret_basic", Ask::bare().basic("basic:basic-s3cr3t")),
        ("client_secret_post", Ask::form("client_id=post&client_secret=post-s3cr3t")),
        ("none", Ask::form("client_id=public")),
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
        let bench = Bench::new().set(|layer| layer.auth_methods(methods.clone()).unwrap());
        let announced: Vec<_> = bench.layer.auth_methods_supported().collect();
        let working: Vec<_> = asks
            .iter()
            .filter(|(_, ask)| bench.ask(ask).status == 200)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(announced, working, "{methods:?}");
        let refusals = asks.iter().filter(|(name, _)| !working.contains(name));
        for (name, ask) in refusals {
            assert_eq!(bench.ask(ask).kind, Some(K::MethodNotAccepted), "{name}");
        }
    }
    let names = |bench: Bench| bench.layer.auth_methods_supported().collect::<Vec<_>>();
    assert_eq!(names(Bench::new()), ["client_secret_basic", "client_secret_post", "none"]);
    assert_eq!(
        names(Bench::new().set(|layer| layer.refuse_public_clients())),
        ["client_secret_basic", "client_secret_post"]
    );
}

// R103.
#[test]
fn rfc8414_2_a_gateway_that_reads_headers_announces_basic_alone() {
    let layer = Bench::new().layer.headers_only().unwrap();
    assert_eq!(layer.auth_methods_supported().collect::<Vec<_>>(), ["client_secret_basic"]);
}
