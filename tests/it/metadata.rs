//! Client metadata of RFC 7591 and the JSON that `MemoryProvider` reads.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, Clock, Error, ErrorKind as K,
    RegisteredClient, body::RequestBody, provider::MemoryProvider,
};

#[cfg(feature = "jwt")]
use crate::jose::ed;
use crate::support::{MARK, NOW, TestRequest, run};

/// What the client of this record is answered: the name that a handler sees, or the reason.
pub(crate) fn ask(record: &str, ask: &TestRequest) -> Result<String, K> {
    let (clients, _) = MemoryProvider::from_json(format!("[{record}]").as_bytes()).unwrap();
    let layer = ClientAuthLayer::new(clients).clock(Clock::fixed(NOW));
    let service = layer.layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let client =
            request.extensions().get::<AuthenticatedClient<ClientMetadata>>().unwrap().client();
        // The secret does not travel with the request.
        assert_eq!(client.client_secret, None);
        let name = client.client_name.clone().unwrap_or_else(|| client.client_id.clone());
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(name)))
    }));
    let response = run(service.oneshot(ask.request())).unwrap();
    match response.extensions().get::<Error>() {
        Some(error) => Err(error.kind()),
        None => {
            let body = run(response.into_body().collect()).unwrap().to_bytes();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
    }
}

// R104. RFC 7591 §3.2.1: what was read is written again, but for the secret.
#[test]
fn rfc7591_3_2_1_round_trip_without_the_secret() {
    let document = json!({
        "client_id": "c",
        "client_secret": "c-s3cr3t",
        "client_secret_expires_at": 0,
        "client_id_issued_at": 1_800_000_000,
        "token_endpoint_auth_method": "carrier_pigeon",
        "client_name": "C",
        "client_name#fr": "Cé",
        "redirect_uris": ["https://client.example/a?b=c"],
        "grant_types": ["client_credentials"],
        "scope": "a b",
        "jwks": {"keys": []},
        "software_version": 1.5,
        "unheard_of": [null, {"deep": true}],
    });
    let metadata: ClientMetadata = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(metadata.client_secret.as_deref(), Some("c-s3cr3t"));
    assert_eq!(metadata.auth_method(), AuthMethod::from("carrier_pigeon"));
    let mut expected = document;
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(serde_json::to_value(&metadata).unwrap(), expected);
}

// R58, R104: 0 stays 0, and absent stays absent.
#[test]
fn rfc7591_3_2_1_zero_differs_from_absent() {
    for document in [
        json!({"client_id": "c"}),
        json!({
            "client_id": "c", "client_secret_expires_at": 0
        }),
    ] {
        let metadata: ClientMetadata = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(&metadata).unwrap(), document);
    }
    // Programs that write every member write `null`.
    let nulls = json!({
        "client_id": "c",
        "client_secret": null,
        "client_secret_expires_at": null,
        "client_id_issued_at": null,
        "token_endpoint_auth_method": null,
        "client_name": null,
        "redirect_uris": null,
        "grant_types": null,
        "scope": null,
    });
    let metadata: ClientMetadata = serde_json::from_value(nulls).unwrap();
    assert_eq!(serde_json::to_value(&metadata).unwrap(), json!({"client_id": "c"}));
}

// R57: not through Debug, not through serde, not through the registered client.
#[test]
fn metadata_hides_its_secret() {
    let document = json!({"client_id": "c", "client_secret": "c-s3cr3t"});
    let metadata: ClientMetadata = serde_json::from_value(document).unwrap();
    assert!(!format!("{metadata:?}{metadata:#?}").contains(MARK));
    assert!(!serde_json::to_string(&metadata).unwrap().contains(MARK));
    assert!(!serde_urlencoded::to_string(&metadata).unwrap_or_default().contains(MARK));
    let client = RegisteredClient::try_from(metadata).unwrap();
    assert_eq!(client.client().client_secret, None);
    assert!(!format!("{client:?}{:?}", client.client()).contains(MARK));
}

// RFC 7592 §3, RFC 7518 §6.2.2: what a handler returns of its client gives nothing away, and what must not
// be used is not usable once it was written and read again.
#[test]
fn written_metadata_holds_no_token_and_no_private_key() {
    let covered = "[redacted]";
    let mut members = json!({"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "d"});
    for absent in ["p", "q", "dp"] {
        members[absent] = json!(null);
    }
    let mut written = members.clone();
    for private in ["d", "dq", "qi", "priv", "k"] {
        members[private] = json!("s3cr3t");
        written[private] = json!(covered);
    }
    members["oth"] = json!([{"r": "s3cr3t"}]);
    written["oth"] = json!(covered);
    for (jwks, expected) in [
        (json!({"keys": [members, {"kty": "EC"}]}), json!({"keys": [written, {"kty": "EC"}]})),
        (json!({"keys": members}), json!({"keys": covered})),
        (json!({"keys": ["s3cr3t", [members], null]}), json!({"keys": [covered, covered, null]})),
        (json!({"keys": members.to_string()}), json!({"keys": covered})),
        (members.clone(), written.clone()),
        (
            json!({"keys": [{"kty": "OKP", "jwk": [members]}], "more": {"d": 1}}),
            json!({"keys": [{"kty": "OKP", "jwk": [written]}], "more": {"d": covered}}),
        ),
        (json!([members]), json!(covered)),
        (json!({"keys": [members]}).to_string().into(), json!(covered)),
        (json!({"keys": []}), json!({"keys": []})),
        (json!({}), json!({})),
        (json!(""), json!("")),
    ] {
        let document = json!({
            "client_id": "c",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": jwks,
            "registration_access_token": "c-s3cr3t",
            "registration_client_uri": "https://as.example/c",
        });
        let mut metadata: ClientMetadata = serde_json::from_value(document.clone()).unwrap();
        // As an application may put it there.
        metadata.other.insert("client_secret".to_owned(), json!("c-s3cr3t"));
        let mut expected_ = document;
        expected_.as_object_mut().unwrap().remove("registration_access_token");
        expected_["jwks"] = expected;
        let written = serde_json::to_value(&metadata).unwrap();
        assert_eq!(written, expected_);
        assert!(!format!("{metadata:?}").contains(MARK));
        let again: ClientMetadata = serde_json::from_value(written).unwrap();
        assert!(RegisteredClient::try_from(metadata).is_err());
        assert!(RegisteredClient::try_from(again).is_err());
    }
}

// Many programs write every member, so that what decides is absent if it is empty. An expiry is not, because
// without one the secret would never expire.
#[test]
fn empty_text_is_absent_from_what_decides() {
    let full = json!({
        "client_id": "c",
        "client_secret": "c-s3cr3t",
        "token_endpoint_auth_method": "",
        "token_endpoint_auth_signing_alg": "",
        "jwks": "",
        "jwks_uri": "",
        "client_name": "",
        "scope": "",
    });
    let ask_ = TestRequest::bare().basic("c:c-s3cr3t");
    assert_eq!(ask(&full.to_string(), &ask_), Ok(String::new()));
    let mut public = full.clone();
    public["client_secret"] = json!("");
    public["token_endpoint_auth_method"] = json!("none");
    let ask_ = TestRequest::form("client_id=c");
    assert_eq!(ask(&public.to_string(), &ask_), Ok(String::new()));
    #[cfg(feature = "jwt")]
    for (method, name, value) in [
        ("client_secret_jwt", "client_secret", json!("c-s3cr3t of 32 bytes and some more")),
        ("private_key_jwt", "jwks", json!({"keys": [ed().jwk()]})),
        ("private_key_jwt", "jwks_uri", json!("https://client.example/jwks")),
    ] {
        let mut client = full.clone();
        client["token_endpoint_auth_method"] = json!(method);
        client["client_secret"] = json!("");
        client[name] = value;
        assert_eq!(report(&format!("[{client}]")), [""; 0]);
        client[name] = json!("");
        assert_eq!(report(&format!("[{client}]")).len(), 1, "{client}");
    }
}

// R43, R45, R46, R48, R58 to R60: each kind of record, right and wrong, and what its client gets.
#[test]
fn records_become_clients_or_fail_closed() {
    let by_basic = || TestRequest::bare().basic("c:c-s3cr3t");
    let by_post = || TestRequest::form("client_id=c&client_secret=c-s3cr3t");
    let by_none = || TestRequest::form("client_id=c");
    let ok = || Ok("C".to_owned());
    for (members, ask_, expected) in [
        (json!({"client_secret": "c-s3cr3t"}), by_basic(), ok()),
        (json!({"client_secret": "c-s3cr3t"}), by_none(), Err(K::MethodMismatch)),
        (
            json!({"client_secret": "c-s3cr3t", "token_endpoint_auth_method": "client_secret_post"}),
            by_post(),
            ok(),
        ),
        (json!({"token_endpoint_auth_method": "none"}), by_none(), ok()),
        (json!({"token_endpoint_auth_method": "none", "client_secret": ""}), by_none(), ok()),
        (
            json!({"token_endpoint_auth_method": "none", "client_secret": "c-s3cr3t"}),
            by_none(),
            Err(K::UnusableRegistration),
        ),
        // A public client has nothing that expires.
        (
            json!({"token_endpoint_auth_method": "none", "client_secret_expires_at": 1}),
            by_none(),
            ok(),
        ),
        (json!({}), by_basic(), Err(K::UnusableRegistration)),
        (json!({}), by_none(), Err(K::UnusableRegistration)),
        (
            json!({"client_secret": ""}),
            TestRequest::bare().basic("c:"),
            Err(K::UnusableRegistration),
        ),
        (json!({"client_secret": null}), by_basic(), Err(K::UnusableRegistration)),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}),
            by_none(),
            Err(K::UnusableRegistration),
        ),
        // Programs that write every member write an empty one for what is absent.
        (json!({"token_endpoint_auth_method": "", "client_secret": "c-s3cr3t"}), by_basic(), ok()),
        (json!({"token_endpoint_auth_method": ""}), by_none(), Err(K::UnusableRegistration)),
        (
            json!({"token_endpoint_auth_method": 7, "client_secret": "c-s3cr3t"}),
            by_basic(),
            Err(K::UnusableRegistration),
        ),
        (json!({"client_secret": 7}), by_basic(), Err(K::UnusableRegistration)),
        (json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": 0}), by_basic(), ok()),
        (json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": null}), by_basic(), ok()),
        (
            json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": NOW}),
            by_basic(),
            Err(K::SecretExpired),
        ),
        (
            json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": NOW + 1}),
            by_basic(),
            ok(),
        ),
        (
            json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": -1}),
            by_basic(),
            Err(K::SecretExpired),
        ),
        (
            json!({
                "client_secret": "c-s3cr3t", "client_secret_expires_at": 9_007_199_254_740_993_i64
            }),
            by_basic(),
            ok(),
        ),
        // Not a time: it is unknown whether it has passed.
        (
            json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": u64::MAX}),
            by_basic(),
            Err(K::UnusableRegistration),
        ),
        (
            json!({"client_secret": "c-s3cr3t", "client_secret_expires_at": "0"}),
            by_basic(),
            Err(K::UnusableRegistration),
        ),
    ] {
        let mut record: Value = members;
        record["client_id"] = "c".into();
        record["client_name"] = "C".into();
        assert_eq!(ask(&record.to_string(), &ask_), expected, "{record}");
    }
}

fn report(json: &str) -> Vec<String> {
    let (_, invalid) = MemoryProvider::from_json(json.as_bytes()).unwrap();
    invalid.iter().map(|record| format!("{} {record}", record.index())).collect()
}

// RFC 7591 §3.2.1. JSON has one kind of number (RFC 8259 §6), and clocks give fractions. Only 0 is never:
// what is rounded down to it has expired.
#[test]
fn expiry_may_have_a_fraction() {
    let valid = || Ok("c".to_owned());
    for (expires_at, expected) in [
        ("0.0", valid()),
        ("-0.0", valid()),
        ("0e9", valid()),
        ("0.4", Err(K::SecretExpired)),
        ("1e-9", Err(K::SecretExpired)),
        ("-0.4", Err(K::SecretExpired)),
        ("-1e9", Err(K::SecretExpired)),
        ("1900000000.0", Err(K::SecretExpired)),
        ("1900000000.999", Err(K::SecretExpired)),
        ("1900000001.0", valid()),
        ("1.900000001e9", valid()),
        ("9.2e18", valid()),
        // Not a time: it is unknown whether it has passed.
        ("9.3e18", Err(K::UnusableRegistration)),
        ("1e30", Err(K::UnusableRegistration)),
        ("-1e30", Err(K::UnusableRegistration)),
        ("1e400", Err(K::UnusableRegistration)),
        ("18446744073709551615", Err(K::UnusableRegistration)),
        ("1000000000000000000000000000000", Err(K::UnusableRegistration)),
        ("\"0\"", Err(K::UnusableRegistration)),
        ("\"1900000001\"", Err(K::UnusableRegistration)),
        ("\"\"", Err(K::UnusableRegistration)),
        ("false", Err(K::UnusableRegistration)),
        ("[0]", Err(K::UnusableRegistration)),
        ("{}", Err(K::UnusableRegistration)),
    ] {
        let record = format!(
            r#"{{"client_id":"c","client_secret":"c-s3cr3t","client_secret_expires_at":{expires_at}}}"#
        );
        let answer = ask(&record, &TestRequest::bare().basic("c:c-s3cr3t"));
        assert_eq!(answer, expected, "{expires_at}");
        let expected = match expected {
            Err(K::UnusableRegistration) => {
                vec![r#"0 record 0: client "c": `client_secret_expires_at` is not a time"#]
            }
            _ => vec![],
        };
        assert_eq!(report(&format!("[{record}]")), expected, "{expires_at}");
    }
    // At the beginning of all times, too.
    let metadata = json!({"client_id": "c", "client_secret": "s", "client_secret_expires_at": 0.4});
    let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
    assert_eq!(metadata.client_secret_expires_at, Some(-1));
}

// A member that authentication does not need makes no client unusable, and its value is kept.
#[test]
fn carried_member_of_another_type_is_kept() {
    for (name, value) in [
        ("client_id_issued_at", json!("1767000000")),
        ("client_id_issued_at", json!(1e30)),
        ("client_id_issued_at", json!(true)),
        ("client_name", json!({"en": "C"})),
        ("client_name", json!(7)),
        ("redirect_uris", json!("https://client.example/")),
        ("redirect_uris", json!(["https://client.example/", 7])),
        ("grant_types", json!({"0": "client_credentials"})),
        ("scope", json!(["a", "b"])),
        ("logo_uri", json!([null])),
    ] {
        let mut document = json!({"client_id": "c", "client_secret": "c-s3cr3t"});
        document[name] = value.clone();
        let text = document.to_string();
        assert_eq!(ask(&text, &TestRequest::bare().basic("c:c-s3cr3t")), Ok("c".into()), "{text}");
        assert_eq!(report(&format!("[{text}]")), [""; 0]);
        let metadata: ClientMetadata = serde_json::from_str(&text).unwrap();
        assert_eq!(metadata.other.get(name), Some(&value));
        assert_eq!(metadata.other.len(), 1);
        assert!(metadata.redirect_uris.is_empty() && metadata.grant_types.is_empty());
        document.as_object_mut().unwrap().remove("client_secret");
        assert_eq!(serde_json::to_value(&metadata).unwrap(), document);
    }
    for (issued_at, expected) in [
        ("1767000000.0", 1_767_000_000),
        ("1767000000.999", 1_767_000_000),
        ("0.4", 0),
        ("-0.4", -1),
        ("9007199254740993", 9_007_199_254_740_993),
    ] {
        let text = format!(r#"{{"client_id": "c", "client_id_issued_at": {issued_at}}}"#);
        let metadata: ClientMetadata = serde_json::from_str(&text).unwrap();
        assert_eq!(metadata.client_id_issued_at, Some(expected), "{issued_at}");
        assert!(metadata.other.is_empty());
    }
}

// Parsers disagree on which of two members counts (RFC 8259 §4), so that neither can be trusted if it
// decides who authenticates. Of the others the last one counts.
#[test]
fn member_that_decides_is_there_once() {
    for (name, value) in [
        ("client_id", json!("c")),
        ("client_secret", json!("c-s3cr3t")),
        ("client_secret", json!(null)),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_signing_alg", json!("ES256")),
        ("jwks", json!({})),
        ("jwks_uri", json!("")),
    ] {
        let mut once = json!({"client_id": "c", "client_secret": "c-s3cr3t"});
        once[name] = value.clone();
        // The same name, spelt in another way.
        let again = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        let twice = once.to_string().replacen('{', &format!(r#"{{"{again}":{value},"#), 1);
        let answer = ask(&twice, &TestRequest::bare().basic("c:c-s3cr3t"));
        assert_eq!(answer, Err(K::UnusableRegistration), "{twice}");
        let expected = format!("0 record 0: client \"c\": `{name}` is there twice");
        assert_eq!(report(&format!("[{twice}]")), [expected]);
    }
    for (names, expected) in [
        (
            r#""client_name": "A", "client_name": "B""#,
            json!({"client_id": "c", "client_name": "B"}),
        ),
        (r#""client_name": 7, "client_name": "B""#, json!({"client_id": "c", "client_name": "B"})),
        (r#""client_name": "A", "client_name": 7"#, json!({"client_id": "c", "client_name": 7})),
        (r#""logo_uri": "A", "logo_uri": 7"#, json!({"client_id": "c", "logo_uri": 7})),
    ] {
        let text = format!(r#"{{"client_id": "c", {names}}}"#);
        let metadata: ClientMetadata = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&metadata).unwrap(), expected);
    }
}

// A report names the member that is wrong, and nothing of its value.
#[test]
fn report_names_the_member_and_not_its_value() {
    for (member, expected) in [
        (r#""client_secret": ["c-s3cr3t"]"#, "`client_secret` is not a string"),
        (r#""client_secret": 12345678"#, "`client_secret` is not a string"),
        (r#""client_secret_expires_at": "s3cr3t""#, "`client_secret_expires_at` is not a time"),
        (
            r#""token_endpoint_auth_method": 12345678"#,
            "`token_endpoint_auth_method` is not a string",
        ),
        (
            r#""token_endpoint_auth_method": "c-s3cr3t""#,
            "`token_endpoint_auth_method` names no known method",
        ),
        (
            r#""token_endpoint_auth_method": "tls_client_auth""#,
            if cfg!(feature = "mtls") {
                "`tls_client_auth` needs one of tls_client_auth_subject_dn, tls_client_auth_san_dns, \
                 tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email"
            } else {
                "the method \"tls_client_auth\" needs the feature `mtls`"
            },
        ),
        (
            r#""token_endpoint_auth_signing_alg": ["s3cr3t"]"#,
            "`token_endpoint_auth_signing_alg` is not a string",
        ),
        (r#""jwks_uri": {"s3cr3t": 1}"#, "`jwks_uri` is not a string"),
        // Text that is no text, and depth that nobody needs.
        (r#""client_name": "\ud800s3cr3t""#, "`client_name` cannot be read"),
        (r#""x": "\ud800s3cr3t""#, "a member cannot be read"),
    ] {
        let record = format!(r#"{{"client_id": "c", {member}}}"#);
        let others = r#"{"client_id": "d", "client_secret": "d-s3cr3t"}"#;
        let expected = format!("0 record 0: client \"c\": {expected}");
        assert_eq!(report(&format!("[{record},{others}]")), [expected]);
        assert_eq!(
            ask(&format!("{record},{others}"), &TestRequest::bare().basic("c:c-s3cr3t")),
            Err(K::UnusableRegistration)
        );
        let metadata = serde_json::from_str::<ClientMetadata>(&record);
        let shown = match metadata.map(RegisteredClient::try_from) {
            Ok(client) => format!("{client:?} {}", client.as_ref().unwrap_err()),
            Err(error) => format!("{error:?} {error}"),
        };
        assert!(!shown.contains(MARK) && !shown.contains("12345678"), "{shown}");
    }
    let deep = format!(r#"{{"client_id": "c", "x": {}{}}}"#, "[".repeat(200), "]".repeat(200));
    let expected = "0 record 0: client \"c\": a member cannot be read";
    assert_eq!(report(&format!("[{deep}]")), [expected]);
}

// Windows editors put a byte order mark before a file (RFC 8259 §8.1: a parser may ignore it).
#[test]
fn byte_order_mark_before_the_list_is_skipped() {
    let json = "\u{feff}[{\"client_id\": \"c\", \"token_endpoint_auth_method\": \"none\"}]";
    let (clients, invalid) = MemoryProvider::from_json(json.as_bytes()).unwrap();
    assert_eq!(invalid, []);
    assert!(clients.get("c").is_some());
    for json in ["\u{feff}\u{feff}[]", "[\u{feff}]", "\u{fffe}[]"] {
        assert!(MemoryProvider::from_json(json.as_bytes()).is_err(), "{json:?}");
    }
}

// What cannot be used is reported, does no harm to the rest, and shows no secret.
#[test]
fn unusable_records_spare_the_others() {
    let json = r#"[
        {"client_id": "good", "client_secret": "good-s3cr3t"},
        {"client_id": "secretless"},
        {"client_secret": "anonymous-s3cr3t"},
        {"client_id": 7, "client_secret": "seven-s3cr3t"},
        "string-s3cr3t",
        ["array", "array-s3cr3t"],
        {"client_id": "typed", "client_secret": ["typed-s3cr3t"]},
        {"client_id": "pigeon", "client_secret": "p-s3cr3t", "token_endpoint_auth_method": "x"},
        {"client_id": "twice", "client_secret": "one-s3cr3t"},
        {"client_id": "twice", "client_secret": "two-s3cr3t"},
        {"client_id": "twice", "client_secret": "three-s3cr3t"},
        {"client_id": "", "client_secret": "empty-s3cr3t"},
        {"client_id": "line\nbreak"},
        {"client_id": "keys", "token_endpoint_auth_method": "", "jwks": {"keys": [{"kty": "OKP"}]}},
        {"client_id": "stated", "token_endpoint_auth_method": "client_secret_basic"}
    ]"#;
    let expected = [
        "1 record 1: client \"secretless\": `client_secret_basic`, the default of `token_endpoint_auth_method`, needs a secret \
         and none is stored",
        "2 record 2: `client_id` is missing",
        "3 record 3: `client_id` is not a string",
        "4 record 4: it is not an object",
        "5 record 5: it is not an object",
        "6 record 6: client \"typed\": `client_secret` is not a string",
        "7 record 7: client \"pigeon\": `token_endpoint_auth_method` names no known method",
        "9 record 9: client \"twice\": the client is recorded twice",
        "10 record 10: client \"twice\": the client is recorded twice",
        "11 record 11: client \"\": `client_id` is empty",
        "12 record 12: client \"line\\nbreak\": `client_id` has a control character",
        // Empty is absent.
        "13 record 13: client \"keys\": `client_secret_basic`, the default of `token_endpoint_auth_method`, needs a secret and \
         none is stored",
        "14 record 14: client \"stated\": `client_secret_basic` needs a secret and none is stored",
    ];
    assert_eq!(report(json), expected);
    let records = json.trim().trim_start_matches('[').trim_end_matches(']');
    assert_eq!(ask(records, &TestRequest::bare().basic("good:good-s3cr3t")), Ok("good".into()));
    for (credentials, id) in [
        ("typed:typed-s3cr3t", "typed"),
        ("twice:one-s3cr3t", "twice"),
        ("twice:two-s3cr3t", "twice"),
        ("twice:three-s3cr3t", "twice"),
        ("pigeon:p-s3cr3t", "pigeon"),
    ] {
        let answer = ask(records, &TestRequest::bare().basic(credentials));
        assert_eq!(answer, Err(K::UnusableRegistration), "{id}");
    }
}

// RFC 6749 Appendix A, RFC 7617 §2: no request can have such an id or secret, so that an import must tell.
#[test]
fn control_character_in_id_or_secret_is_reported() {
    for control in ["\0", "\n", "\u{1f}", "\u{7f}"] {
        let text = format!("c{control}d");
        for method in ["client_secret_basic", "client_secret_post"] {
            let record = json!([
                {"client_id": text, "client_secret": "c-s3cr3t", "token_endpoint_auth_method": method},
                {"client_id": "c", "client_secret": text, "token_endpoint_auth_method": method},
                {"client_id": text, "token_endpoint_auth_method": "none"},
                {"client_id": "public", "client_secret": text, "token_endpoint_auth_method": "none"},
            ]);
            let expected = [
                format!("0 record 0: client {text:?}: `client_id` has a control character"),
                "1 record 1: client \"c\": `client_secret` has a control character".to_owned(),
                format!("2 record 2: client {text:?}: `client_id` has a control character"),
                format!("2 record 2: client {text:?}: the client is recorded twice"),
                "3 record 3: client \"public\": `none` contradicts a stored secret".to_owned(),
            ];
            assert_eq!(report(&record.to_string()), expected);
        }
        let new = RegisteredClient::new(&*text, &AuthMethod::None, [], ()).unwrap_err();
        let expected = format!("client {text:?}: `client_id` has a control character");
        assert_eq!(new.to_string(), expected);
    }
    // Those of the second kind (U+0080 to U+009F) can be sent.
    let record = json!({"client_id": "c", "client_secret": "c\u{85}d"}).to_string();
    assert_eq!(report(&format!("[{record}]")), [""; 0]);
    let ask_ = TestRequest::bare().basic("c:c%C2%85d");
    assert_eq!(ask(&record, &ask_), Ok("c".into()));
}

#[test]
fn report_has_the_id_of_the_client() {
    let json =
        r#"[{"client_id": "c"}, {"client_id": 7}, null, {"client_id": "d", "jwks": "\ud800"}]"#;
    let (_, invalid) = MemoryProvider::from_json(json.as_bytes()).unwrap();
    let ids: Vec<_> = invalid.iter().map(|record| record.client_id()).collect();
    assert_eq!(ids, [Some("c"), None, None, Some("d")]);
}

#[cfg(feature = "jwt")]
#[test]
fn key_that_is_left_out_of_an_imported_set_is_reported() {
    let good = ed().jwk();
    let record = |keys: Value| {
        json!([{"client_id": "c", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}}])
            .to_string()
    };
    let expected = [
        "0 record 0: client \"c\": `jwks`: `keys[0].kty` is not a string",
        "0 record 0: client \"c\": `jwks`: `keys[2]` is not an object",
    ];
    assert_eq!(report(&record(json!([{"kty": 7}, good, null]))), expected);
    let (clients, _) = MemoryProvider::from_json(record(json!([null, good])).as_bytes()).unwrap();
    assert!(format!("{:?}", clients.get("c").unwrap()).contains("PrivateKey"));
    assert_eq!(report(&record(json!([good]))), [""; 0]);
}

// A file that is no list of clients is one clear line, without any of its text.
#[test]
fn non_array_is_an_error_without_quotes() {
    for json in [
        "",
        "{}",
        r#"{"client_id": "c", "client_secret": "c-s3cr3t"}"#,
        r#"[{"client_id": "c", "client_secret": "c-s3cr3t"}"#,
        r#"[{"client_secret": "c-s3cr3t" "x"}]"#,
        "\"s3cr3t\"",
        "s3cr3t",
        "[] s3cr3t",
    ] {
        let error = MemoryProvider::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let text = error.to_string();
        assert!(text.starts_with("not a JSON array of client metadata, line "), "{text}");
        assert!(!text.contains(MARK) && !text.contains('\n'), "{text}");
    }
    assert_eq!(report("[]"), [""; 0]);
}

#[test]
fn from_file_names_the_file_on_error() {
    let directory = std::env::temp_dir().join(format!("tower-client-auth-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("clients.json");

    let missing = MemoryProvider::from_json_file(&path).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    assert!(missing.to_string().starts_with(&format!("{}: ", path.display())), "{missing}");

    std::fs::write(&path, r#"{"client_secret": "c-s3cr3t"}"#).unwrap();
    let malformed = MemoryProvider::from_json_file(&path).unwrap_err();
    assert_eq!(
        malformed.to_string(),
        format!(
            "{}: not a JSON array of client metadata, line 1 column 0: one client, too, stands in `[` and `]`",
            path.display()
        )
    );

    std::fs::write(&path, r#"[{"client_id": "c", "client_secret": "c-s3cr3t"}]"#).unwrap();
    let (clients, invalid) = MemoryProvider::from_json_file(&path).unwrap();
    assert_eq!(invalid, []);
    assert_eq!(clients.get("c").unwrap().client_id(), "c");
    std::fs::remove_dir_all(&directory).unwrap();
}
