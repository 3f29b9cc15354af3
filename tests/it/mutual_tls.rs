//! Clients that present certificates (RFC 8705). How a certificate is read and compared is tested in
//! `x509`; here is which one counts, for whom, and what it is good for.

use std::{
    any::type_name,
    io,
    net::Ipv6Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, request::Parts};
use http_body_util::Full;
use serde_json::{Value, json};
use store_harness::certificate::{Attribute, Certificate, SubjectAltName, element};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientMetadata, Clock, ErrorKind as K, RegisteredClient,
    assertion::{FetchedJwks, JwksCache, JwksSource},
    mutual_tls::{
        CertificateError as E, CertificateSubject, ClientCertificate, ClientCertificates,
        MutualTls, ProxyHeader,
    },
    provider::MemoryProvider,
};

use crate::support::{
    Answer, Clients, Harness, Log, NOW, TestLayer, TestRequest, app, basic_client, failed, plain,
    post_client, public_client, refused,
};

const DN: &str = "CN=p,O=Acme,C=DE";
const VERIFIED: HeaderName = HeaderName::from_static("x-client-verify");

/// Of the PKI client, whose subject is registered.
fn pki() -> Certificate {
    Certificate::new()
        .rdn([Attribute::printable("2.5.4.6", "DE")])
        .rdn([Attribute::utf8("2.5.4.10", "Acme")])
        .rdn([Attribute::utf8("2.5.4.3", "p")])
        .valid(&time(-1_000), &time(1_000))
}

/// Of the self-signed client, one for each number.
fn own(serial: u8) -> Certificate {
    let certificate = Certificate::new().rdn([Attribute::utf8("2.5.4.3", "s")]);
    certificate.valid(&time(-1_000), &time(1_000)).serial(serial)
}

/// A GeneralizedTime, so many seconds from the one of the clock.
fn time(seconds: i64) -> Vec<u8> {
    // NOW is 17:46:40.
    let second = 17 * 3_600 + 46 * 60 + 40 + seconds;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    element(0x18, format!("20300317{hour:02}{minute:02}{second:02}Z").as_bytes())
}

fn verified(certificate: &Certificate) -> ClientCertificate {
    ClientCertificate::verified(certificate.der()).unwrap()
}

fn unverified(certificate: &Certificate) -> ClientCertificate {
    ClientCertificate::unverified(certificate.der()).unwrap()
}

fn x5c(certificates: &[Certificate]) -> Value {
    json!({"kty": "EC", "x": "eA", "x5c": certificates.iter().map(|one| BASE64_STANDARD.encode(one.der())).collect::<Vec<_>>()})
}

fn jwks(keys: impl IntoIterator<Item = Value>) -> String {
    json!({"keys": keys.into_iter().collect::<Vec<_>>()}).to_string()
}

fn by_dn(client_id: &str, dn: &str) -> RegisteredClient<crate::support::App> {
    RegisteredClient::tls_client_auth(
        client_id,
        CertificateSubject::dn(dn).unwrap(),
        app(client_id),
    )
}

fn clients() -> Clients {
    let own = ClientCertificates::from_jwks(&jwks([x5c(&[own(1), own(9)]), x5c(&[own(2)])]));
    [
        by_dn("p", DN),
        RegisteredClient::self_signed_tls_client_auth("s", own.unwrap(), app("s")),
        basic_client("basic", [plain("basic-s3cr3t")]),
        post_client("post", [plain("post-s3cr3t")]),
        public_client("public"),
        crate::support::stored_client("unusable", "tls_client_auth", []),
    ]
    .into_iter()
    .collect()
}

/// A layer that takes certificates from the connection.
fn connection() -> Harness {
    Harness::of(clients()).set(|layer| layer.mutual_tls(MutualTls::from_connection()))
}

/// Sends the request on a connection with this certificate. The second value is what the inner service
/// sees of it.
fn send(
    harness: &Harness,
    request: &TestRequest,
    certificate: Option<&ClientCertificate>,
) -> (Answer, Option<String>) {
    let seen = Log::default();
    let log = seen.clone();
    let layer = harness.layer.clone();
    let recorder = harness.recorder();
    let service = tower::service_fn(move |request: http::Request<_>| {
        let client = request.extensions().get::<AuthenticatedClient<crate::support::App>>();
        let certificate = client.and_then(AuthenticatedClient::certificate);
        log.push(certificate.map(|certificate| certificate.thumbprint().to_owned()));
        tower::ServiceExt::oneshot(recorder.clone(), request)
    });
    let mut sent = request.request();
    if let Some(certificate) = certificate {
        sent.extensions_mut().insert(certificate.clone());
    }
    let service = tower::Layer::layer(&layer, service);
    let Ok(response) = crate::support::run(tower::ServiceExt::oneshot(service, sent));
    (harness.observe(response), seen.take().pop().flatten())
}

fn ask(request: &TestRequest, certificate: Option<&ClientCertificate>) -> (Answer, Option<String>) {
    send(&connection(), request, certificate)
}

fn form(client_id: &str) -> TestRequest {
    TestRequest::form(format!("grant_type=client_credentials&client_id={client_id}"))
}

/// The client is authenticated, and the inner service sees the certificate.
fn passes(client_id: &str, method: AuthMethod, certificate: &ClientCertificate) {
    let request = form(client_id);
    let expected = (request.accepted(client_id, method), Some(certificate.thumbprint().to_owned()));
    assert_eq!(ask(&request, Some(certificate)), expected);
}

fn fails(client_id: &str, certificate: Option<&ClientCertificate>, kind: K) {
    assert_eq!(ask(&form(client_id), certificate), (failed(kind, client_id), None), "{client_id}");
}

const fn reason(error: E) -> K {
    K::Certificate(error)
}

// R96, R99.
#[test]
fn rfc8705_2_1_subject_of_a_verified_certificate_authenticates() {
    passes("p", AuthMethod::TlsClientAuth, &verified(&pki()));
    // Renewed, with another serial number: nothing of that is registered.
    passes("p", AuthMethod::TlsClientAuth, &verified(&pki().serial(7)));
}

// RFC 6749 §2.3.1: ids are escaped like any other value of a form.
#[test]
fn client_id_beside_a_certificate_is_a_value_of_a_form() {
    let clients = [by_dn("a b+c", DN)].into_iter().collect::<Clients>();
    let harness = Harness::of(clients).set(|layer| layer.mutual_tls(MutualTls::from_connection()));
    let escaped = form("a+b%2bc");
    let (answer, _) = send(&harness, &escaped, Some(&verified(&pki())));
    assert_eq!(answer, escaped.accepted("a b+c", AuthMethod::TlsClientAuth));
    let (answer, _) = send(&harness, &form("a%zz"), Some(&verified(&pki())));
    assert_eq!(answer, refused(K::MalformedParameter));
}

#[test]
fn client_with_a_certificate_gets_no_secret() {
    let subject = CertificateSubject::dn(DN).unwrap();
    let client = RegisteredClient::tls_client_auth("p", subject, ());
    assert!(client.with_secrets([plain("s3cr3t")]).is_err());
}

// R96.
#[test]
fn rfc8705_2_1_unverified_chain_is_refused() {
    fails("p", Some(&unverified(&pki())), reason(E::Unverified));
}

// R100.
#[test]
fn rfc8705_2_missing_certificate_is_refused() {
    fails("p", None, reason(E::Missing));
    fails("s", None, reason(E::Missing));
}

// R95.
#[test]
fn rfc8705_2_certificate_names_no_client() {
    let certificate = verified(&pki());
    for request in [
        TestRequest::form("grant_type=client_credentials"),
        TestRequest::form("grant_type=client_credentials").uri("/token?client_id=p"),
        TestRequest::bare(),
    ] {
        assert_eq!(ask(&request, Some(&certificate)), (refused(K::NoCredentials), None));
    }
    let twice = TestRequest::form("client_id=p&client_id=p");
    assert_eq!(ask(&twice, Some(&certificate)), (refused(K::RepeatedParameter), None));
    let long = form(&"p".repeat(8 * 1024 + 1));
    assert_eq!(ask(&long, Some(&certificate)), (refused(K::CredentialTooLong), None));
}

// R77, R100.
#[test]
fn unknown_client_with_a_certificate_is_answered_like_a_known_one() {
    let (unknown, _) = ask(&form("nobody"), Some(&verified(&pki())));
    assert_eq!(unknown, failed(K::UnknownClient, "nobody"));
    for (certificate, kind) in [
        (None, reason(E::Missing)),
        (Some(unverified(&pki())), reason(E::Unverified)),
        (Some(verified(&own(1))), reason(E::Mismatch)),
    ] {
        let (known, _) = ask(&form("p"), certificate.as_ref());
        assert_eq!(known.kind, Some(kind));
        assert_eq!(known.wire(), unknown.wire());
    }
}

// R97.
#[test]
fn rfc8705_2_2_registered_certificate_authenticates_whoever_issued_it() {
    for certificate in [own(1), own(2)] {
        passes("s", AuthMethod::SelfSignedTlsClientAuth, &unverified(&certificate));
        passes("s", AuthMethod::SelfSignedTlsClientAuth, &verified(&certificate));
    }
}

// R97: not the subject, not the key, not what else the set has.
#[test]
fn rfc8705_2_2_any_other_certificate_is_refused() {
    let reissued = own(1).valid(&time(-1_000), &time(1_001));
    for certificate in [own(3), reissued, pki(), own(9)] {
        fails("s", Some(&verified(&certificate)), reason(E::Mismatch));
        fails("s", Some(&unverified(&certificate)), reason(E::Mismatch));
    }
}

// R97.
#[test]
fn rfc8705_2_2_2_only_x5c_is_a_certificate() {
    // With bytes that the two alphabets write differently.
    let der = own(1).rdn([Attribute::teletex("2.5.4.3", &[0xff; 9])]).der();
    let standard = BASE64_STANDARD.encode(&der);
    let thumbprint = unverified(&own(1)).thumbprint().to_owned();
    let missing = "`keys[0].x5c` is missing";
    let encoding = "`keys[0].x5c` does not begin with base64 with padding";
    let url =
        "`keys[0].x5c` begins with base64url, where base64 with padding belongs (RFC 7517 §4.7)";
    let lines =
        "`keys[0].x5c` begins with base64 with line breaks or spaces, which do not belong there";
    let pem = "`keys[0].x5c` begins with PEM, of which the base64 alone belongs there, without line breaks";
    let no_key = "`keys[0]` has no public key beside `x5c`: `x` or `n` in base64url";
    for (members, fault) in [
        (json!({"x5t#S256": thumbprint}), missing),
        (json!({"x5c": null}), missing),
        (json!({"x5c": []}), "`keys[0].x5c` is empty"),
        (json!({"x5c": standard}), "`keys[0].x5c` is not an array of strings"),
        (json!({"x5c": [7]}), "`keys[0].x5c` is not an array of strings"),
        (json!({"x5c": [base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&der)]}), url),
        (json!({"x5c": ["MII"]}), encoding),
        (json!({"x5c": [format!("{}\n{}", &standard[..64], &standard[64..])]}), lines),
        (json!({"x5c": [format!("-----BEGIN CERTIFICATE-----{standard}")]}), pem),
        (
            json!({"x5c": [BASE64_STANDARD.encode(&der[1..])]}),
            "`keys[0].x5c` does not begin with a certificate in DER",
        ),
        // A handshake has a signature of the key.
        (json!({"x5c": [standard], "use": "enc"}), "`keys[0].use` is that of an encryption key"),
        // No key at all.
        (json!({"x5c": [standard], "x": null}), no_key),
        (json!({"x5c": [standard], "x": "!"}), no_key),
        (json!({"x5c": [standard], "kty": null}), "`keys[0].kty` is missing"),
    ] {
        let key = crate::jose::with(json!({"kty": "EC", "x": "eA"}), members);
        let error = ClientCertificates::from_jwks(&jwks([key.clone()])).unwrap_err();
        let expected = format!("no key of the set has a certificate: {fault}");
        assert_eq!(error.to_string(), expected, "{key}");
        // One that is wrong does not spoil another.
        let set = ClientCertificates::from_jwks(&jwks([key.clone(), x5c(&[own(2)])]));
        let omitted: Vec<_> = set.unwrap().omitted_keys().iter().map(ToString::to_string).collect();
        assert_eq!(omitted, [fault], "{key}");
    }
    for usage in ["sig", "tls"] {
        let key = crate::jose::with(x5c(&[own(1)]), json!({"use": usage}));
        assert!(ClientCertificates::from_jwks(&jwks([key])).is_ok(), "{usage}");
    }
    let error = ClientCertificates::from_jwks(&jwks([crate::jose::with(
        x5c(&[own(1)]),
        json!({"d": "x"}),
    )]));
    assert_eq!(error.unwrap_err().to_string(), "the key set holds a private key");
}

#[test]
fn registered_certificate_is_good_for_as_long_as_it_is_registered() {
    let expired = own(4).valid(&time(-10), &time(-1));
    let registered = ClientCertificates::from_certificates([&unverified(&expired)]);
    let harness = |checked: bool| {
        let client =
            RegisteredClient::self_signed_tls_client_auth("x", registered.clone(), app("x"));
        let mutual_tls = MutualTls::from_connection().self_signed_validity(checked);
        Harness::of(Clients::from_iter([client])).set(|layer| layer.mutual_tls(mutual_tls))
    };
    let (request, certificate) = (form("x"), unverified(&expired));
    let (answer, _) = send(&harness(false), &request, Some(&certificate));
    assert_eq!(answer, request.accepted("x", AuthMethod::SelfSignedTlsClientAuth));
    let (answer, _) = send(&harness(true), &request, Some(&certificate));
    assert_eq!(answer, failed(reason(E::Expired), "x"));
}

// The connection may have been opened before.
#[test]
fn certificate_of_an_authority_is_refused_outside_its_validity() {
    passes("p", AuthMethod::TlsClientAuth, &verified(&pki().valid(&time(-9), &time(0))));
    fails("p", Some(&verified(&pki().valid(&time(-9), &time(-1)))), reason(E::Expired));
    passes("p", AuthMethod::TlsClientAuth, &verified(&pki().valid(&time(0), &time(9))));
    fails("p", Some(&verified(&pki().valid(&time(1), &time(9)))), reason(E::Expired));
}

// R99.
#[test]
fn rfc8705_4_certificate_beside_another_method_is_handed_on() {
    let certificate = unverified(&own(3));
    let seen = Some(certificate.thumbprint().to_owned());
    let basic = form("basic").basic("basic:basic-s3cr3t");
    let expected = (basic.accepted("basic", AuthMethod::ClientSecretBasic), seen.clone());
    assert_eq!(ask(&basic, Some(&certificate)), expected);
    let post = TestRequest::form("client_id=post&client_secret=post-s3cr3t");
    let expected = (post.accepted("post", AuthMethod::ClientSecretPost), seen.clone());
    assert_eq!(ask(&post, Some(&certificate)), expected);
    let public = form("public");
    let expected = (public.accepted("public", AuthMethod::None), seen);
    assert_eq!(ask(&public, Some(&certificate)), expected);
}

// R18, R99: a certificate that would do for one client saves no other.
#[test]
fn certificate_does_not_make_good_for_a_wrong_secret() {
    let request = form("basic").basic("basic:wrong-s3cr3t");
    let (answer, _) = ask(&request, Some(&unverified(&own(1))));
    assert_eq!(answer, failed(K::WrongSecret, "basic"));
    let (answer, _) = ask(&form("basic").basic("s:x"), Some(&unverified(&own(1))));
    assert_eq!(answer, refused(K::ClientIdMismatch));
}

// R44: a client of mutual TLS presents nothing else.
#[test]
fn rfc7591_2_client_with_a_certificate_must_not_present_a_secret() {
    let certificate = verified(&pki());
    let post = TestRequest::form("client_id=p&client_secret=s3cr3t");
    assert_eq!(ask(&post, Some(&certificate)).0, failed(K::MethodMismatch, "p"));
    let basic = TestRequest::bare().basic("p:s3cr3t");
    assert_eq!(ask(&basic, Some(&certificate)).0, failed(K::MethodMismatch, "p"));
}

// R99.
#[test]
fn certificate_is_no_secret_of_another_method() {
    for client_id in ["basic", "post"] {
        fails(client_id, Some(&verified(&pki())), K::MethodMismatch);
    }
    fails("unusable", Some(&verified(&pki())), K::UnusableRegistration);
    fails("unusable", None, K::UnusableRegistration);
}

// R81: what is not accepted costs no look-up where the request tells, and is answered alike where only
// the registration does.
#[test]
fn method_that_is_not_accepted_is_refused() {
    let only = |methods: &[AuthMethod]| {
        connection().set(|layer| layer.auth_methods(methods.to_vec()).unwrap())
    };
    let certificate = verified(&pki());
    let tls = only(&[AuthMethod::TlsClientAuth]);
    let challenge = |answer: Answer| {
        let answer = answer.without("www-authenticate");
        answer.with("www-authenticate", r#"tls_client_auth realm="OAuth""#)
    };
    let (answer, _) = send(&tls, &form("p"), Some(&certificate));
    assert_eq!(answer, form("p").accepted("p", AuthMethod::TlsClientAuth));
    let (answer, _) = send(&tls, &form("public"), Some(&certificate));
    assert_eq!(answer, challenge(failed(K::MethodMismatch, "public")));
    let (answer, _) = send(&tls, &form("s"), Some(&unverified(&own(1))));
    assert_eq!(answer, challenge(failed(K::MethodMismatch, "s")));
    let (answer, _) = send(&tls, &form("p"), None);
    assert_eq!(answer, challenge(refused(reason(E::Missing))));
    let basic = TestRequest::bare().basic("basic:basic-s3cr3t");
    let (answer, _) = send(&tls, &basic, Some(&certificate));
    assert_eq!(answer, refused(K::MethodNotAccepted));

    let own_alone = only(&[AuthMethod::SelfSignedTlsClientAuth]);
    let challenge = |answer: Answer| {
        let answer = answer.without("www-authenticate");
        answer.with("www-authenticate", r#"self_signed_tls_client_auth realm="OAuth""#)
    };
    let (answer, _) = send(&own_alone, &form("s"), Some(&unverified(&own(1))));
    assert_eq!(answer, form("s").accepted("s", AuthMethod::SelfSignedTlsClientAuth));
    let (answer, _) = send(&own_alone, &form("p"), Some(&certificate));
    assert_eq!(answer, challenge(failed(K::MethodMismatch, "p")));

    let secrets = only(&[AuthMethod::ClientSecretBasic]);
    let (answer, _) = send(&secrets, &form("p"), Some(&certificate));
    assert_eq!(answer, refused(K::MethodNotAccepted));
    let (answer, _) = send(&secrets, &form("p"), None);
    assert_eq!(answer, refused(K::MethodNotAccepted));

    let confidential = connection().set(|layer| layer.refuse_public_clients());
    let (answer, _) = send(&confidential, &form("public"), Some(&certificate));
    assert_eq!(answer, failed(K::MethodMismatch, "public"));
    let (answer, _) = send(&confidential, &form("public"), None);
    assert_eq!(answer, refused(reason(E::Missing)));
}

// R81: nor is anything fetched.
#[test]
fn published_certificate_of_a_method_that_is_not_accepted_is_refused() {
    let client = Publisher::new();
    client.publish([x5c(&[own(1)])]);
    let harness =
        client.harness.set(|layer| layer.auth_methods([AuthMethod::TlsClientAuth]).unwrap());
    let (answer, _) = send(&harness, &form("s"), Some(&unverified(&own(1))));
    let answer = answer.without("www-authenticate");
    let expected = failed(K::MethodMismatch, "s").without("www-authenticate");
    assert_eq!((answer, client.web.fetches.load(Ordering::SeqCst)), (expected, 0));
}

// As for `assertions`: in whichever order they are set.
#[test]
fn methods_of_mutual_tls_need_its_settings() {
    let harness = Harness::of(clients());
    let (answer, seen) = send(&harness, &form("p"), Some(&verified(&pki())));
    // Whose cause says that it is not accepted.
    assert_eq!((answer, seen), (failed(K::MethodMismatch, "p"), None));
    let (answer, seen) = send(&harness, &form("public"), Some(&verified(&pki())));
    assert_eq!((answer, seen), (form("public").accepted("public", AuthMethod::None), None));
    let layer = harness.layer.auth_methods([AuthMethod::TlsClientAuth]).unwrap();
    assert_eq!(layer.auth_methods_supported().count(), 0);
    assert!(!layer.certificate_bound_access_tokens_supported());
    let layer = layer.mutual_tls(MutualTls::from_connection());
    assert_eq!(layer.auth_methods_supported().collect::<Vec<_>>(), ["tls_client_auth"]);
}

// R103, RFC 8705 §3.3.
#[test]
fn rfc8414_2_metadata_names_what_the_source_can_prove() {
    let supported = |mutual_tls: MutualTls| {
        let layer = Harness::of(clients()).layer.mutual_tls(mutual_tls);
        assert!(layer.certificate_bound_access_tokens_supported());
        let headers_only = layer.clone().headers_only().unwrap();
        assert_eq!(
            headers_only.auth_methods_supported().collect::<Vec<_>>(),
            ["client_secret_basic"]
        );
        assert!(headers_only.certificate_bound_access_tokens_supported());
        layer.auth_methods_supported().skip(2).collect::<Vec<_>>()
    };
    let both = ["tls_client_auth", "self_signed_tls_client_auth", "none"];
    assert_eq!(supported(MutualTls::from_connection()), both);
    let header = || MutualTls::from_header(ProxyHeader::client_cert(), |_| true);
    assert_eq!(supported(header()), both[1..]);
    assert_eq!(supported(header().verified_by_proxy()), both);
    assert_eq!(supported(header().verified_if(VERIFIED, HeaderValue::from_static("x"))), both);
}

// Gateways and gRPC services bind tokens, too.
#[test]
fn certificate_is_handed_on_without_a_form() {
    let harness = connection().set(|layer| layer.headers_only().unwrap());
    let certificate = verified(&pki());
    let request = TestRequest::form("client_id=p").basic("basic:basic-s3cr3t");
    let (answer, seen) = send(&harness, &request, Some(&certificate));
    assert_eq!((answer.status, seen.as_deref()), (200, Some(certificate.thumbprint())));
    let (answer, _) = send(&harness, &form("p"), Some(&certificate));
    assert_eq!(answer, refused(K::NoCredentials));
}

// R96.
#[test]
fn rfc8705_2_1_2_registration_has_one_subject() {
    let read = |members: Value| {
        let members = crate::jose::with(
            json!({"client_id": "c", "token_endpoint_auth_method": "tls_client_auth"}),
            members,
        );
        let metadata: ClientMetadata = serde_json::from_value(members).unwrap();
        RegisteredClient::try_from(metadata).map(drop).map_err(|error| error.to_string())
    };
    for one in [
        json!({"tls_client_auth_subject_dn": DN}),
        json!({"tls_client_auth_san_dns": "client.example"}),
        json!({"tls_client_auth_san_uri": "spiffe://example/a"}),
        json!({"tls_client_auth_san_ip": "2001:0DB8::1"}),
        json!({"tls_client_auth_san_email": "ops@example.org"}),
        // As programs write it that write every member.
        json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "", "tls_client_auth_san_ip": null}),
    ] {
        assert_eq!(read(one.clone()), Ok(()), "{one}");
    }
    let needs = "client \"c\": `tls_client_auth` needs one of tls_client_auth_subject_dn, \
                 tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, \
                 tls_client_auth_san_email";
    assert_eq!(read(json!({})), Err(needs.into()));
    assert_eq!(
        read(json!({"tls_client_auth_subject_dn": DN, "tls_client_auth_san_dns": "a.example"})),
        Err("client \"c\": `tls_client_auth_subject_dn` and `tls_client_auth_san_dns` must not both be present".into())
    );
    assert_eq!(
        read(json!({"tls_client_auth_san_dns": ["a.example"]})),
        Err("client \"c\": `tls_client_auth_san_dns` is not a string".into())
    );
    assert_eq!(
        read(json!({"tls_client_auth_san_ip": "10.0.0.256"})),
        Err("client \"c\": `tls_client_auth_san_ip` is not an IP address".into())
    );
    assert!(read(json!({"tls_client_auth_subject_dn": "/C=DE/CN=p"})).is_err());
    let twice =
        r#"{"client_id": "c", "tls_client_auth_san_dns": "a", "tls_client_auth_san_dns": "b"}"#;
    let error = serde_json::from_str::<ClientMetadata>(twice).unwrap_err().to_string();
    assert!(error.starts_with("`tls_client_auth_san_dns` is there twice"), "{error}");
}

// R45: what belongs to another method is no error.
#[test]
fn subject_of_another_method_is_ignored() {
    let metadata: ClientMetadata = serde_json::from_value(json!({
        "client_id": "c",
        "client_secret": "c-s3cr3t",
        "token_endpoint_auth_method": "client_secret_post",
        "tls_client_auth_san_dns": "client.example",
    }))
    .unwrap();
    assert!(RegisteredClient::try_from(metadata).is_ok());
}

// R96, R97: the members of RFC 7591 are those of the constructors.
#[test]
fn registered_metadata_authenticates() {
    for (members, certificate, method) in [
        (
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "2001:db8::1"}),
            verified(&pki().alternative(SubjectAltName::ip(
                &Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets(),
            ))),
            AuthMethod::TlsClientAuth,
        ),
        (
            json!({
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": {"keys": [x5c(&[own(1)])]},
            }),
            unverified(&own(1)),
            AuthMethod::SelfSignedTlsClientAuth,
        ),
    ] {
        let metadata = crate::jose::with(json!({"client_id": "c"}), members);
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let client = RegisteredClient::try_from(metadata).unwrap();
        let provider = MemoryProvider::from_iter([client]);
        let layer = tower_client_auth::ClientAuthLayer::new(provider)
            .clock(Clock::fixed(NOW))
            .mutual_tls(MutualTls::from_connection());
        let service = tower::Layer::layer(
            &layer,
            tower::service_fn(
                |request: http::Request<tower_client_auth::body::RequestBody<Full<Bytes>>>| async move {
                    let client = request.extensions().get::<AuthenticatedClient<ClientMetadata>>();
                    let method = client.map(|client| client.method().clone());
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::from(format!(
                        "{method:?}"
                    ))))
                },
            ),
        );
        let mut request = form("c").request();
        request.extensions_mut().insert(certificate);
        let Ok(response) = crate::support::run(tower::ServiceExt::oneshot(service, request));
        let body = crate::support::run(http_body_util::BodyExt::collect(response.into_body()));
        let expected = format!("{:?}", Some(method));
        assert_eq!(body.unwrap().to_bytes(), expected.as_bytes());
    }
}

/// What is published at the one address.
#[derive(Clone, Default)]
struct Web {
    answer: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl JwksSource for Web {
    type Error = io::Error;

    async fn fetch(&self, _jwks_uri: &str) -> io::Result<FetchedJwks> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        answer
            .map(|json| FetchedJwks::new(json.into_bytes().into(), None))
            .ok_or_else(|| io::ErrorKind::HostUnreachable.into())
    }
}

/// A client that publishes its certificates, and the layer that fetches them.
struct Publisher {
    web: Web,
    clock: Clock,
    harness: Harness,
}

impl Publisher {
    fn new() -> Self {
        Self::with(|mutual_tls| mutual_tls)
    }

    fn with(change: impl FnOnce(MutualTls) -> MutualTls) -> Self {
        let (web, clock) = (Web::default(), Clock::fixed(NOW));
        let published = ClientCertificates::jwks_uri("https://client.example/jwks.json").unwrap();
        let client = RegisteredClient::self_signed_tls_client_auth("s", published, app("s"));
        let keys = JwksCache::new(web.clone()).clock(clock.clone());
        let mutual_tls = change(MutualTls::from_connection().jwks_source(keys));
        let harness = Harness::of(Clients::from_iter([client]))
            .set(|layer| layer.mutual_tls(mutual_tls).clock(clock.clone()));
        Self { web, clock, harness }
    }

    fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        *self.web.answer.lock().unwrap() = Some(jwks(keys));
    }

    /// The answer, and how many times the set has been fetched until now.
    fn ask(&self, certificate: &Certificate) -> (Answer, usize) {
        let (answer, _) = send(&self.harness, &form("s"), Some(&unverified(certificate)));
        (answer, self.web.fetches.load(Ordering::SeqCst))
    }
}

// R93, R97.
#[test]
fn published_certificates_are_fetched_again_for_an_unknown_one() {
    let client = Publisher::new();
    let ask = |certificate: &Certificate| client.ask(certificate);
    let good = form("s").accepted("s", AuthMethod::SelfSignedTlsClientAuth);
    let mismatch = failed(reason(E::Mismatch), "s");

    assert_eq!(ask(&own(1)), (failed(K::KeySource, "s"), 1), "an outage is no wrong certificate");
    client.clock.advance(Duration::from_secs(60));
    client.publish([x5c(&[own(1), own(9)])]);
    assert_eq!(ask(&own(1)), (good.clone(), 2));
    assert_eq!(ask(&own(9)).0, mismatch, "a later member of x5c");
    client.publish([x5c(&[own(3)])]);
    client.clock.advance(Duration::from_secs(31));
    let fetches = ask(&own(1)).1;
    // The set is fetched for the next request, and this one is judged by what is known.
    let answers: Vec<_> = (0..3).map(|_| ask(&own(3)).0).collect();
    assert_eq!(answers.last(), Some(&good), "{answers:?}");
    assert_eq!(ask(&own(1)).0, mismatch, "it was withdrawn");
    assert_eq!(ask(&own(4)).1, fetches + 1, "one fetch for both unknown certificates");
}

/// The sets of those who have proved to have a certificate stay, and make room for each other alone.
#[test]
fn set_of_a_client_that_has_proved_itself_stays() {
    let (web, clock) = (Web::default(), Clock::fixed(NOW));
    *web.answer.lock().unwrap() = Some(jwks([x5c(&[own(1)])]));
    let client = |id: &str| {
        let at = ClientCertificates::jwks_uri(&format!("https://{id}.example/jwks.json")).unwrap();
        RegisteredClient::self_signed_tls_client_auth(id, at, app(id))
    };
    let ids: Vec<_> = (0..20).map(|n| format!("c{n}")).collect();
    let keys = JwksCache::new(web.clone()).clock(clock.clone()).capacity(2);
    let mutual_tls = MutualTls::from_connection().jwks_source(keys);
    let harness = Harness::of(ids.iter().map(|id| client(id)).collect::<Clients>())
        .set(|layer| layer.mutual_tls(mutual_tls).clock(clock));
    let ask = |id: &str, certificate: &Certificate| {
        let (answer, _) = send(&harness, &form(id), Some(&unverified(certificate)));
        (answer.status, web.fetches.load(Ordering::SeqCst))
    };
    assert_eq!(ask("c0", &own(1)), (200, 1));
    // Of strangers there are many, with whatever certificate.
    let after = ids[1..].iter().fold((0, 0), |_, id| ask(id, &own(3)));
    assert_eq!(after.0, 401);
    assert_eq!(ask("c0", &own(1)), (200, after.1));
}

#[test]
fn validity_of_a_published_certificate_counts_where_it_is_asked_for() {
    let expired = own(4).valid(&time(-10), &time(-1));
    for checked in [false, true] {
        let client = Publisher::with(|mutual_tls| mutual_tls.self_signed_validity(checked));
        client.publish([x5c(std::slice::from_ref(&expired))]);
        let answer = client.ask(&expired).0;
        let good = form("s").accepted("s", AuthMethod::SelfSignedTlsClientAuth);
        assert_eq!(answer, if checked { failed(reason(E::Expired), "s") } else { good });
    }
}

// Whoever has read the set can present the certificate.
#[test]
fn certificate_whose_key_was_published_is_refused_from_then_on() {
    let key = |members: Value| crate::jose::with(x5c(&[own(1)]), members);
    let public = || key(json!({"x": "eQ"}));
    for private in [
        key(json!({"d": "eA"})),
        // Whose public members are missing, so that it may be that of any other.
        json!({"kty": "EC", "d": "eA"}),
        key(json!({"x": null, "d": "eA"})),
        // In something else.
        key(json!({"pair": {"kty": "EC", "d": "eA"}})),
        // A later one of the chain, or twice.
        crate::jose::with(x5c(&[own(2), own(1)]), json!({"d": "eA"})),
        // A whole key, which is not that of any other: its certificates are known by themselves.
        key(json!({"crv": "P-256", "d": "eA"})),
        crate::jose::with(x5c(&[own(2), own(1)]), json!({"crv": "P-256", "d": "eA"})),
    ] {
        let client = Publisher::new();
        let ask = |keys: &[&Value]| {
            client.publish(keys.iter().map(|key| (*key).clone()));
            client.clock.advance(Duration::from_secs(25 * 60 * 60));
            client.ask(&own(1)).0
        };
        let good = form("s").accepted("s", AuthMethod::SelfSignedTlsClientAuth);
        let bad = failed(reason(E::Mismatch), "s");
        assert_eq!(ask(&[&public()]), good);
        assert_eq!(ask(&[&private, &public()]), bad, "beside {private}");
        assert_eq!(ask(&[&public()]), bad, "after {private}");
    }
}

// Otherwise a client would only find out with its next certificate.
#[test]
fn key_without_a_certificate_is_reported_of_an_imported_client() {
    let keys = [x5c(&[own(1)]), json!({"kty": "EC", "x": "eA"})];
    let json = json!([{
        "client_id": "s",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": {"keys": keys},
    }]);
    let (clients, invalid) = MemoryProvider::from_json(json.to_string().as_bytes()).unwrap();
    assert!(clients.get("s").is_some());
    let told: Vec<_> = invalid.iter().map(ToString::to_string).collect();
    assert_eq!(told, [r#"record 0: client "s": `jwks`: `keys[1].x5c` is missing"#]);
}

// A set can be as long as its author likes.
#[test]
fn first_keys_without_a_certificate_are_named() {
    let without = std::iter::repeat_n(json!({"kty": "EC", "x": "eA"}), 99);
    let keys = jwks(without.chain([x5c(&[own(1)])]));
    let certificates = ClientCertificates::from_jwks(&keys).unwrap();
    let told = certificates.omitted_keys();
    assert_eq!(told.len(), 64);
    assert_eq!(told[63].to_string(), "`keys[63].x5c` is missing");
}

// RFC 7517 §4: names are unique, and parsers disagree on which of two counts.
#[test]
fn certificate_of_a_malformed_key_is_none() {
    let member = |certificate| format!("\"x5c\":[{:?}]", BASE64_STANDARD.encode(certificate));
    let (one, two) = (member(own(1).der()), member(own(2).der()));
    let keys = format!(r#"{{"keys":[{{"kty":"EC","x":"eA",{one},{two}}}]}}"#);
    let error = ClientCertificates::from_jwks(&keys).unwrap_err().to_string();
    let fault = "`keys[0].x5c` is there more than once";
    assert_eq!(error, format!("no key of the set has a certificate: {fault}"));
}

#[test]
fn published_certificates_without_a_source_never_authenticate() {
    let published = ClientCertificates::jwks_uri("https://client.example/jwks.json").unwrap();
    let client = RegisteredClient::self_signed_tls_client_auth("s", published, app("s"));
    let harness = Harness::of(Clients::from_iter([client]))
        .set(|layer| layer.mutual_tls(MutualTls::from_connection()));
    let (answer, _) = send(&harness, &form("s"), Some(&unverified(&own(1))));
    assert_eq!(answer, failed(K::UnusableRegistration, "s"));
    assert!(ClientCertificates::jwks_uri("HTTPS://client.example/jwks.json").is_ok());
    let error = ClientCertificates::jwks_uri("http://client.example/jwks.json").unwrap_err();
    assert_eq!(error.to_string(), "`jwks_uri` is not an https URL");
}

/// Never answers.
#[cfg(feature = "tokio")]
struct Hangs;

#[cfg(feature = "tokio")]
impl JwksSource for Hangs {
    type Error = io::Error;

    async fn fetch(&self, _jwks_uri: &str) -> io::Result<FetchedJwks> {
        std::future::pending().await
    }
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn source_of_certificates_that_hangs_ends_at_the_deadline() {
    let published = ClientCertificates::jwks_uri("https://client.example/jwks.json").unwrap();
    let client = RegisteredClient::self_signed_tls_client_auth("s", published, app("s"));
    let mutual_tls = MutualTls::from_connection().jwks_source(JwksCache::new(Hangs));
    let limits = tower_client_auth::Limits::new().provider_deadline(Duration::from_secs(2));
    let harness = Harness::of(Clients::from_iter([client]))
        .set(|layer| layer.mutual_tls(mutual_tls).limits(limits));
    let mut request = form("s").request();
    request.extensions_mut().insert(unverified(&own(1)));
    let start = tokio::time::Instant::now();
    assert_eq!(harness.answer(request).await, failed(K::KeySource, "s"));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

/// A certificate in the header of a proxy, from the hop that says so in its extensions.
#[derive(Clone)]
struct Proxy;

fn from_proxy(request: &Parts) -> bool {
    request.extensions.get::<Proxy>().is_some()
}

fn behind_a_proxy() -> Harness {
    let mutual_tls = MutualTls::from_header(ProxyHeader::client_cert(), from_proxy)
        .verified_if(VERIFIED, HeaderValue::from_static("SUCCESS"))
        .certificate_limit(4096);
    Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls))
}

fn item(certificate: &Certificate) -> String {
    format!(":{}:", BASE64_STANDARD.encode(certificate.der()))
}

fn ask_proxy(request: &TestRequest, trusted: bool) -> Answer {
    let mut sent = request.request();
    if trusted {
        sent.extensions_mut().insert(Proxy);
    }
    behind_a_proxy().send(sent)
}

// R114.
#[test]
fn rfc9440_4_certificate_of_a_trusted_hop_counts() {
    let verified = form("p").with("client-cert", item(&pki())).with("x-client-verify", "SUCCESS");
    assert_eq!(ask_proxy(&verified, true), verified.accepted("p", AuthMethod::TlsClientAuth));
    let failed_there =
        form("p").with("client-cert", item(&pki())).with("x-client-verify", "FAILED:x");
    assert_eq!(ask_proxy(&failed_there, true), failed(reason(E::Unverified), "p"));
    // Of two values one is the caller's.
    let twice = verified.clone().with("x-client-verify", "SUCCESS");
    assert_eq!(ask_proxy(&twice, true), failed(reason(E::Unverified), "p"));
    let silent = form("p").with("client-cert", item(&pki()));
    assert_eq!(ask_proxy(&silent, true), failed(reason(E::Unverified), "p"));
    let always = MutualTls::from_header(ProxyHeader::client_cert(), |_| true).verified_by_proxy();
    let always = Harness::of(clients()).set(|layer| layer.mutual_tls(always));
    assert_eq!(always.ask(&silent), silent.accepted("p", AuthMethod::TlsClientAuth));
    let own = form("s").with("client-cert", item(&own(1)));
    assert_eq!(ask_proxy(&own, true), own.accepted("s", AuthMethod::SelfSignedTlsClientAuth));
}

// Whoever reads it behind the layer is not told that anybody verified it.
#[test]
fn certificate_of_a_proxy_that_says_nothing_is_unverified() {
    let harness = |verified: fn(MutualTls) -> MutualTls| {
        let mutual_tls = verified(MutualTls::from_header(ProxyHeader::client_cert(), |_| true));
        let (told, seen) = (Log::default(), Log::default());
        let log = told.clone();
        let harness = Harness::of(clients()).set(|layer| {
            layer.mutual_tls(mutual_tls).on_outcome(move |outcome| {
                log.push(outcome.certificate().map(ClientCertificate::is_verified));
            })
        });
        seen.push(harness.ask(&form("public").with("client-cert", item(&pki()))).status);
        (seen.take(), told.take())
    };
    assert_eq!(harness(|mutual_tls| mutual_tls), (vec![200], vec![Some(false)]));
    assert_eq!(harness(MutualTls::verified_by_proxy), (vec![200], vec![Some(true)]));
}

// R98, R114: nothing behind the layer may take it for the proxy's.
#[test]
fn rfc9440_4_header_of_any_other_hop_is_removed() {
    let request = |form: TestRequest| {
        form.with("client-cert", item(&pki()))
            .with("client-cert-chain", item(&pki()))
            .with("x-client-verify", "SUCCESS")
    };
    assert_eq!(ask_proxy(&request(form("p")), false), failed(reason(E::Missing), "p"));
    let mut expected = request(form("public")).accepted("public", AuthMethod::None);
    expected.calls[0]
        .headers
        .retain(|(name, _)| !name.starts_with("client-cert") && name != "x-client-verify");
    assert_eq!(ask_proxy(&request(form("public")), false), expected);
    let verified = form("public").with("x-client-verify", "SUCCESS");
    let mut expected = verified.accepted("public", AuthMethod::None);
    assert_eq!(ask_proxy(&verified, true), expected);
    expected.calls[0].headers.retain(|(name, _)| name != "x-client-verify");
    assert_eq!(ask_proxy(&verified, false), expected);
    let chain = form("public").with("client-cert-chain", item(&pki()));
    let mut expected = chain.accepted("public", AuthMethod::None);
    expected.calls[0].headers.retain(|(name, _)| name != "client-cert-chain");
    assert_eq!(ask_proxy(&chain, false), expected);
    // Also where it could not be read.
    let mut expected = form("public").accepted("public", AuthMethod::None);
    expected.calls[0].headers.retain(|(name, _)| name != "client-cert");
    assert_eq!(ask_proxy(&form("public").with("client-cert", "x"), false), expected);
}

// R100: taken for none, tokens would be unbound.
#[test]
fn rfc9440_2_certificate_that_cannot_be_read_refuses_every_method() {
    let good = item(&pki());
    let mut trailing = pki().der();
    trailing.push(0);
    let secret = || TestRequest::form("grant_type=x").basic("basic:basic-s3cr3t");
    for request in [form("p"), form("public"), secret()] {
        for malformed in [
            ":not base64:".to_owned(),
            good.trim_matches(':').to_owned(),
            format!("{good};a=1"),
            format!("{good}, {good}"),
            format!(":{}:", BASE64_STANDARD.encode(&trailing)),
            "-----BEGIN%20CERTIFICATE-----%0A".to_owned(),
        ] {
            let sent = request.clone().with("client-cert", &malformed);
            assert_eq!(ask_proxy(&sent, true), refused(reason(E::Malformed)), "{malformed}");
        }
        let twice = request.clone().with("client-cert", &good).with("client-cert", &good);
        assert_eq!(ask_proxy(&twice, true), refused(reason(E::Repeated)));
        let long = request.clone().with("client-cert", "x".repeat(5000));
        assert_eq!(ask_proxy(&long, true), refused(K::CredentialTooLong));
        let by_default = MutualTls::from_header(ProxyHeader::client_cert(), |_| true);
        let by_default = Harness::of(clients()).set(|layer| layer.mutual_tls(by_default));
        for (length, kind) in [(16_384, reason(E::Malformed)), (16_385, K::CredentialTooLong)] {
            let long = request.clone().with("client-cert", "x".repeat(length));
            assert_eq!(by_default.ask(&long), refused(kind));
        }
    }
}

// R98, R115: each source for itself, and the chain never.
#[test]
fn only_the_declared_source_is_read() {
    let certificate = verified(&pki());
    let spoofed = form("p")
        .with("client-cert", item(&pki()))
        .with("x-client-verify", "SUCCESS")
        .with("x-ssl-client-cert", item(&pki()))
        .with("x-forwarded-client-cert", "Cert=\"x\"")
        .with("ssl-client-verify", "SUCCESS");
    assert_eq!(connection().ask(&spoofed), failed(reason(E::Missing), "p"));
    // The certificate of the connection is the proxy's own.
    let mut sent = form("p").request();
    sent.extensions_mut().insert(Proxy);
    sent.extensions_mut().insert(certificate);
    assert_eq!(behind_a_proxy().send(sent), failed(reason(E::Missing), "p"));
    let chain =
        form("p").with("client-cert-chain", item(&pki())).with("x-client-verify", "SUCCESS");
    assert_eq!(ask_proxy(&chain, true), failed(reason(E::Missing), "p"));
    let empty = form("p").with("client-cert", "").with("x-client-verify", "SUCCESS");
    assert_eq!(ask_proxy(&empty, true), failed(reason(E::Missing), "p"));
}

// R119.
#[test]
fn panicking_predicate_of_mutual_tls_lets_no_request_pass() {
    fn panics(_: &Parts) -> bool {
        panic!("a bug of the application")
    }
    let request = form("public").with("client-cert", item(&pki()));
    let mutual_tls = MutualTls::from_header(ProxyHeader::client_cert(), panics);
    let harness = Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls));
    assert_eq!(harness.ask(&request), refused(K::Panicked));
    let mutual_tls = MutualTls::from_extension(|_: &Proxy| panic!("a bug of the application"));
    let harness = Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls));
    let mut sent = form("public").request();
    sent.extensions_mut().insert(Proxy);
    assert_eq!(harness.send(sent), refused(K::Panicked));
}

// A layer outside of it may look elsewhere.
#[test]
fn certificate_of_an_outer_layer_is_none_of_an_inner_one() {
    let layer = |name| {
        let header = ProxyHeader::base64_der(name);
        let mutual_tls = MutualTls::from_header(header, |_| true);
        Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls))
    };
    let outer = layer(HeaderName::from_static("x-outer"));
    let inner = layer(HeaderName::from_static("x-inner"));
    let seen = Log::default();
    let log = seen.clone();
    let recorder = inner.recorder();
    let service = tower::service_fn(move |request: http::Request<_>| {
        let client = request.extensions().get::<AuthenticatedClient<crate::support::App>>();
        let certificate = client.and_then(AuthenticatedClient::certificate);
        log.push(certificate.map(|certificate| certificate.thumbprint().to_owned()));
        tower::ServiceExt::oneshot(recorder.clone(), request)
    });
    let service = tower::Layer::layer(&outer.layer, tower::Layer::layer(&inner.layer, service));
    for (name, expected) in
        [("x-outer", None), ("x-inner", Some(unverified(&own(1)).thumbprint().to_owned()))]
    {
        let request = form("public").with(name, BASE64_STANDARD.encode(own(1).der()));
        let sent = tower::ServiceExt::oneshot(service.clone(), request.request());
        let Ok(response) = crate::support::run(sent);
        assert_eq!((response.status().as_u16(), seen.take()), (200, vec![expected]), "{name}");
    }
}

/// As an acceptor of the application keeps it.
#[derive(Clone)]
struct Peer(Option<Vec<u8>>);

#[test]
fn certificate_is_found_in_an_extension_of_another_type() {
    let mutual_tls =
        MutualTls::from_extension(|peer: &Peer| peer.0.clone().map(ClientCertificate::verified));
    let harness = Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls));
    let ask = |client_id: &str, peer: Option<Vec<u8>>| {
        let mut sent = form(client_id).request();
        sent.extensions_mut().insert(Peer(peer));
        harness.send(sent)
    };
    let good = form("p").accepted("p", AuthMethod::TlsClientAuth);
    assert_eq!(ask("p", Some(pki().der())), good);
    assert_eq!(ask("p", None), failed(reason(E::Missing), "p"));
    assert_eq!(harness.ask(&form("p")), failed(reason(E::Missing), "p"));
    for client_id in ["p", "public"] {
        assert_eq!(ask(client_id, Some(vec![0x30])), refused(reason(E::Malformed)));
    }
}

// R113: the operator sees what to register.
/// The source of the error that the operator is told of.
fn source(harness: Harness, request: http::Request<Full<Bytes>>) -> Option<String> {
    let seen = Log::default();
    let log = seen.clone();
    let harness = harness.set(|layer| {
        layer.on_outcome(move |outcome| {
            let source = outcome.error().and_then(std::error::Error::source);
            log.push(source.map(ToString::to_string));
        })
    });
    harness.send(request);
    seen.take().pop().flatten()
}

// Otherwise no certificate, one of a hop that is not trusted, and an acceptor that forgets it look alike.
#[test]
fn cause_of_a_missing_certificate_is_told() {
    let mutual_tls =
        |mutual_tls: MutualTls| Harness::of(clients()).set(|layer| layer.mutual_tls(mutual_tls));
    let peer = || {
        mutual_tls(MutualTls::from_extension(|peer: &Peer| {
            peer.0.clone().map(ClientCertificate::unverified)
        }))
    };
    let plain = || form("p").request();
    let with = |extension: Peer| {
        let mut request = plain();
        request.extensions_mut().insert(extension);
        request
    };
    let header = || form("p").with("client-cert", item(&pki())).request();
    let none = "the request has no extension of the type `ClientCertificate`: the client presented none, or \
                the acceptor does not put it there";
    let distrusted =
        "there was a header with a certificate, but the request did not come from a trusted hop";
    let no_header = "the request has no header with a certificate: the client presented none, or the proxy does not send it";
    let closed = |harness: Harness| harness.set(TestLayer::refuse_public_clients);
    let peer_type = format!("the request has no extension of the type `{}`", type_name::<Peer>());
    for (harness, request, expected) in [
        (connection(), plain(), Some(none)),
        (closed(connection()), plain(), Some(none)),
        (peer(), plain(), Some(&*peer_type)),
        (peer(), with(Peer(None)), None),
        (behind_a_proxy(), header(), Some(distrusted)),
        (closed(behind_a_proxy()), header(), Some(distrusted)),
        (behind_a_proxy(), plain(), Some(no_header)),
        // Whoever sends one of the chain alone, or says that it was verified.
        (
            behind_a_proxy(),
            form("p").with("client-cert-chain", item(&pki())).request(),
            Some(distrusted),
        ),
        (behind_a_proxy(), form("p").with("x-client-verify", "SUCCESS").request(), Some(no_header)),
    ] {
        assert_eq!(source(harness, request).as_deref(), expected);
    }
    let nothing = Harness::of(clients());
    let told = source(nothing, plain()).unwrap();
    assert!(told.contains("set `ClientAuthLayer::mutual_tls`"), "{told}");
    let header = MutualTls::from_header(ProxyHeader::client_cert(), |_| true);
    let told = source(mutual_tls(header), form("p").with("client-cert", item(&pki())).request());
    assert!(told.as_deref().unwrap().contains("`MutualTls::verified_if`"), "{told:?}");
}

#[test]
fn cause_of_an_unverified_certificate_is_told() {
    let from = |certificate: &Certificate| {
        let mut request = form("p").request();
        request.extensions_mut().insert(unverified(certificate));
        source(connection(), request)
    };
    assert_eq!(
        from(&pki()).unwrap(),
        "the acceptor asked no verifier: see `ClientCertificate::of` and `ClientCertificate::verified`"
    );
    let expired = pki().valid(&time(-1_000), &time(-1));
    let outside = "its chain was not verified, and it is outside its validity";
    assert_eq!(from(&expired).unwrap(), outside);
    let proxy = |certificate: &Certificate| {
        let mut request = form("p").with("client-cert", item(certificate)).request();
        request.extensions_mut().insert(Proxy);
        source(behind_a_proxy(), request)
    };
    assert_eq!(
        proxy(&pki()).unwrap(),
        "the proxy did not say that it verified the chain: see `MutualTls::verified_if`"
    );
    assert_eq!(proxy(&expired).unwrap(), outside);
}

#[test]
fn outcome_shows_the_certificate() {
    let log = Log::default();
    let seen = log.clone();
    let harness = connection().set(|layer| {
        layer.on_outcome(move |outcome| {
            let subject = outcome.certificate().map(ClientCertificate::subject);
            seen.push((
                outcome.method().cloned(),
                outcome.error().map(tower_client_auth::Error::kind),
                subject,
            ));
        })
    });
    send(&harness, &form("p"), Some(&verified(&pki())));
    send(&harness, &form("s"), Some(&verified(&pki())));
    send(&harness, &form("public"), None);
    let subject = || Some(DN.to_owned());
    assert_eq!(
        log.take(),
        [
            (Some(AuthMethod::TlsClientAuth), None, subject()),
            (None, Some(reason(E::Mismatch)), subject()),
            (Some(AuthMethod::None), None, None),
        ]
    );
}

// R111: a certificate is no secret, and still is not printed whole.
#[test]
fn debug_shows_the_thumbprint_alone() {
    let certificate = verified(&pki());
    let text = format!("{certificate:?}");
    assert!(text.contains(certificate.thumbprint()), "{text}");
    assert!(!text.contains("Acme"), "{text}");
    let settings = format!("{:?}", MutualTls::from_header(ProxyHeader::client_cert(), |_| true));
    assert!(settings.contains("client-cert"), "{settings}");
}
