//! Public keys as people have them: PEM, DER, one key of JSON. `openssl_keys.json` was made by OpenSSL 3.0:
//! `openssl genpkey`, `pkey -pubout`, `rsa -RSAPublicKey_out`, `req -x509`, `pkcs8 -topk8`, `ec -conv_form`.

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    },
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tower_client_auth::{
    AuthMethod, Clock, ErrorKind, RegisteredClient,
    assertion::{Assertions, ClientKeys, InvalidAssertion, InvalidKeys},
    replay::MemoryReplayStore,
};

use crate::{
    jose::{ISSUER, Key, claims, compact, ed, form, jwks},
    support::{Clients, Harness, NOW, TestRequest, app, refused},
};

/// What `openssl_keys.json` has of this kind.
fn recorded(kind: &str, form: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("openssl_keys.json")).unwrap();
    all[kind][form].as_str().unwrap().to_owned()
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(base64).unwrap()
}

/// The recorded keys that can be used, with the `alg` of each.
fn private() -> [(&'static str, Key, &'static [&'static str]); 5] {
    let pkcs8 = |kind| der(&recorded(kind, "private"));
    let ec = |kind, alg, parameters| {
        Key::Ec(alg, EcdsaKeyPair::from_pkcs8(parameters, &pkcs8(kind)).unwrap())
    };
    [
        (
            "rsa",
            Key::Rsa(rsa::KeyPair::from_pkcs8(&pkcs8("rsa")).unwrap()),
            &["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
        ),
        ("p256", ec("p256", "ES256", &ECDSA_P256_SHA256_FIXED_SIGNING), &["ES256"]),
        ("p384", ec("p384", "ES384", &ECDSA_P384_SHA384_FIXED_SIGNING), &["ES384"]),
        ("p521", ec("p521", "ES512", &ECDSA_P521_SHA512_FIXED_SIGNING), &["ES512"]),
        (
            "ed25519",
            Key::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8("ed25519")).unwrap()),
            &["EdDSA", "Ed25519"],
        ),
    ]
}

fn harness(keys: ClientKeys) -> Harness {
    let clients = Clients::new();
    clients.insert(RegisteredClient::private_key_jwt("batch", keys, app("batch")));
    let used = MemoryReplayStore::default().clock(Clock::fixed(NOW));
    let settings = Assertions::new(ISSUER, used).unwrap();
    Harness::of(clients).set(|layer| layer.assertions(settings))
}

/// An assertion of the client, with this `kid` in its header.
fn request(key: &Key, alg: &str, kid: &str) -> TestRequest {
    let header = json!({ "alg": alg, "kid": kid }).to_string();
    TestRequest::form(form(&compact(key, alg, &header, &claims("batch").to_string())))
}

#[test]
fn key_is_the_same_in_every_form() {
    for (kind, key, algorithms) in private() {
        let pem = recorded(kind, "public");
        let certificate = recorded(kind, "certificate");
        let mut forms = vec![
            ("PEM", ClientKeys::from_pem(&pem)),
            ("DER", ClientKeys::from_der(&der(&pem))),
            ("JWK", ClientKeys::from_jwk(&key.jwk().to_string())),
            ("set", ClientKeys::from_jwks(&jwks([key.jwk()]))),
            ("certificate", ClientKeys::from_pem(&certificate)),
            ("certificate in DER", ClientKeys::from_der(&der(&certificate))),
            // As Windows, YAML and a person write it.
            ("CRLF", ClientKeys::from_pem(&pem.replace('\n', "\r\n"))),
            ("indented", ClientKeys::from_pem(&format!("  {}", pem.replace('\n', "\n  ")))),
            ("text", ClientKeys::from_pem(&format!("of batch, {{2026}}\n\n{pem}\nthe end"))),
        ];
        if kind == "rsa" {
            let pem = recorded(kind, "pkcs1");
            forms.push(("PKCS #1", ClientKeys::from_pem(&pem)));
            forms.push(("PKCS #1 in DER", ClientKeys::from_der(&der(&pem))));
        }
        for (form, keys) in forms {
            let keys = keys.unwrap_or_else(|error| panic!("{kind} {form}: {error}"));
            assert_eq!(keys.omitted_keys(), [], "{kind} {form}");
            for alg in algorithms {
                let request = request(&key, alg, "");
                let request = if form == "JWK" || form == "set" {
                    let text = compact(
                        &key,
                        alg,
                        &json!({ "alg": alg }).to_string(),
                        &claims("batch").to_string(),
                    );
                    TestRequest::form(crate::jose::form(&text))
                } else {
                    request
                };
                let expected = request.accepted("batch", AuthMethod::PrivateKeyJwt);
                assert_eq!(harness(keys.clone()).ask(&request), expected, "{kind} {form} {alg}");
            }
            // Nobody else's.
            let answer = harness(keys).ask(&request(ed(), "EdDSA", ""));
            assert_eq!(answer.status, 401, "{kind} {form}");
        }
    }
}

/// There is no place for it in PEM, and libraries write one into every assertion.
#[test]
fn kid_does_not_matter_where_keys_have_none() {
    let (_, key, _) = private().into_iter().next().unwrap();
    let pem = ClientKeys::from_pem(&recorded("rsa", "public")).unwrap();
    let asked = request(&key, "PS256", "2026-11");
    let expected = asked.accepted("batch", AuthMethod::PrivateKeyJwt);
    assert_eq!(harness(pem).ask(&asked), expected);
    let jwk = ClientKeys::from_jwk(&key.jwk().to_string()).unwrap();
    let unknown = ErrorKind::Assertion(InvalidAssertion::UnknownKey);
    let answer = harness(jwk).ask(&asked);
    assert_eq!(answer.kind, Some(unknown));
    assert_eq!(answer.wire(), refused(unknown).wire());
}

/// A client that rotates has an old and a new key, and no `kid` says which of them it is.
#[test]
fn both_keys_without_an_id_are_tried_whatever_kid_is_sent() {
    let (old, new) = (Key::ed(), Key::ed());
    let pem = |key: &Key| {
        let x = BASE64_URL_SAFE_NO_PAD.decode(key.jwk()["x"].as_str().unwrap()).unwrap();
        // RFC 8410 §4.
        let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &x].concat();
        let base64 = BASE64_STANDARD.encode(spki);
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    };
    let keys = ClientKeys::from_pem(&(pem(&old) + &pem(&new))).unwrap();
    for (name, key) in [("old", &old), ("new", &new)] {
        for kid in ["", "2026-11"] {
            let asked = request(key, "EdDSA", kid);
            let expected = asked.accepted("batch", AuthMethod::PrivateKeyJwt);
            assert_eq!(harness(keys.clone()).ask(&asked), expected, "{name} {kid:?}");
        }
    }
}

#[test]
fn file_may_hold_several_keys() {
    let all: String = private().iter().map(|(kind, ..)| recorded(kind, "public")).collect();
    let keys = ClientKeys::from_pem(&all).unwrap();
    for (_, key, algorithms) in private() {
        let asked = request(&key, algorithms[0], "");
        let expected = asked.accepted("batch", AuthMethod::PrivateKeyJwt);
        assert_eq!(harness(keys.clone()).ask(&asked), expected);
    }
    // What cannot be used spoils no other.
    let pem = ["secp256k1", "x25519", "rsa1024", "ed25519"].map(|kind| recorded(kind, "public"));
    let pem = format!(
        "-----BEGIN DH PARAMETERS-----\nAA==\n-----END DH PARAMETERS-----\n{}",
        pem.concat()
    );
    let keys = ClientKeys::from_pem(&pem).unwrap();
    let told: Vec<_> = keys.omitted_keys().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "`keys[0]` is PEM of something else than a public key or a certificate",
            "`keys[1].crv` is secp256k1, not P-256, P-384 or P-521",
            "`keys[2].crv` is X25519, which cannot sign, not Ed25519",
            "`keys[3].n` has fewer than 2048 bits",
        ]
    );
}

/// This DER, whose lengths take two bytes each, without `cut` bytes of what is inside at `at`.
fn without(der: &[u8], headers: &[usize], at: usize, cut: usize) -> Vec<u8> {
    let mut other = der.to_vec();
    for header in headers {
        assert_eq!(other[header + 1], 0x82);
        let length = u16::from_be_bytes([other[header + 2], other[header + 3]]);
        let length = length - u16::try_from(cut).unwrap();
        other[header + 2..header + 4].copy_from_slice(&length.to_be_bytes());
    }
    other.drain(at..at + cut);
    other
}

/// RFC 5280 §4.1.2.1: the version is left out where it is the first.
#[test]
fn certificate_of_version_1_has_its_key_elsewhere() {
    let whole = der(&recorded("rsa", "certificate"));
    assert_eq!(whole[8..13], [0xa0, 3, 2, 1, 2]);
    let first = without(&whole, &[0, 4], 8, 5);
    let (_, key, algorithms) = private().into_iter().next().unwrap();
    let asked = request(&key, algorithms[0], "");
    let expected = asked.accepted("batch", AuthMethod::PrivateKeyJwt);
    assert_eq!(harness(ClientKeys::from_der(&first).unwrap()).ask(&asked), expected);
}

/// RFC 8017 §A.1.1.
#[test]
fn rsa_key_is_two_numbers() {
    let mut three = der(&recorded("rsa", "pkcs1"));
    three.extend([2, 1, 3]);
    let length = u16::from_be_bytes([three[2], three[3]]) + 3;
    three[2..4].copy_from_slice(&length.to_be_bytes());
    let none =
        "the key set has no key that can verify a signature: `keys[0]` is no public key in DER";
    assert_eq!(ClientKeys::from_der(&three).unwrap_err().to_string(), none);
}

#[test]
fn key_that_cannot_be_used_is_named() {
    let none = "the key set has no key that can verify a signature: `keys[0]";
    for (kind, form, expected) in [
        ("secp256k1", "public", ".crv` is secp256k1, not P-256, P-384 or P-521"),
        ("brainpool", "public", ".crv` is not P-256, P-384 or P-521"),
        ("x25519", "public", ".crv` is X25519, which cannot sign, not Ed25519"),
        ("ed448", "public", ".crv` is not Ed25519"),
        ("rsa1024", "public", ".n` has fewer than 2048 bits"),
        ("pss", "public", ".kty` is RSASSA-PSS: make it RSA, which signs both ways"),
        ("dsa", "public", ".kty` is not RSA, EC or OKP"),
        ("p256", "compressed", ".y` is missing, because the point is compressed"),
        ("p256", "explicit", ".crv` is written out instead of named (RFC 5480 §2.1.1)"),
    ] {
        let pem = recorded(kind, form);
        for read in [ClientKeys::from_pem(&pem), ClientKeys::from_der(&der(&pem))] {
            assert_eq!(read.unwrap_err().to_string(), format!("{none}{expected}"), "{kind}");
        }
    }
    // The examples of RFCs, in PEM as in JSON.
    let known = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let error = ClientKeys::from_der(&BASE64_STANDARD.decode(known).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), format!("{none}` has a private key that everybody knows"));
}

const PRIVATE: &str = "this is a private key, where the public one belongs";

#[test]
fn private_key_is_refused_and_never_repeated() {
    let refused = |read: Result<ClientKeys, InvalidKeys>, pem: &str| {
        let error = read.unwrap_err();
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(!format!("{error} {error:?}").contains(line));
        }
        error.to_string()
    };
    for (kind, form) in [
        ("rsa", "private"),
        ("p256", "private"),
        ("p521", "private"),
        ("ed25519", "private"),
        ("rsa", "traditional"),
        ("p256", "traditional"),
        ("ed25519", "encrypted"),
    ] {
        let pem = recorded(kind, form);
        assert_eq!(refused(ClientKeys::from_pem(&pem), &pem), PRIVATE, "{kind} {form}");
        assert_eq!(refused(ClientKeys::from_der(&der(&pem)), &pem), PRIVATE, "{kind} {form}");
        // Behind a public one, broken, on one line, or under another name.
        let both = recorded("ed25519", "public") + &pem;
        assert_eq!(refused(ClientKeys::from_pem(&both), &pem), PRIVATE, "{kind} {form}");
        let half = &pem[..pem.len() / 2];
        assert_eq!(refused(ClientKeys::from_pem(half), half), PRIVATE, "{kind} {form}");
        let line = pem.replace('\n', "\\n");
        assert_eq!(refused(ClientKeys::from_pem(&line), &pem), PRIVATE, "{kind} {form}");
        let body: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let body = body.join("\n");
        let other = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
        assert_eq!(refused(ClientKeys::from_pem(&other), &pem), PRIVATE, "{kind} {form}");
        // Whatever a person or another program has made of it: the public one beside it is no excuse.
        let public = recorded("p384", "public");
        let longer = BASE64_STANDARD.encode([der(&pem), vec![0]].concat());
        for odd in [
            pem.replace("KEY-----", "KEY -----"),
            pem.replace("PRIVATE KEY", "PRIVATE  KEY"),
            pem.replace("-----BEGIN", "-----BEGIN PGP").replace("KEY-----", "KEY BLOCK-----"),
            pem.to_lowercase(),
            format!("-----BEGIN PUBLIC KEY-----\n{longer}\n-----END PUBLIC KEY-----\n"),
            format!("-----BEGIN SOMETHING-----\n{body}\n-----END SOMETHING-----\n"),
        ] {
            for both in [odd.clone() + &public, public.clone() + &odd] {
                assert_eq!(refused(ClientKeys::from_pem(&both), &odd), PRIVATE, "{both}");
            }
        }
    }
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"c2VjcmV0"}"#;
    let error = ClientKeys::from_jwk(jwk).unwrap_err().to_string();
    assert_eq!(error, PRIVATE);
    let jwk = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
    let error = ClientKeys::from_jwk(jwk).unwrap_err().to_string();
    assert_eq!(error, "this is a symmetric key");
}

#[test]
fn other_form_is_named() {
    let pem = recorded("p256", "public");
    let jwk = ed().jwk().to_string();
    let set = jwks([ed().jwk()]);
    let error = |read: Result<ClientKeys, InvalidKeys>| read.unwrap_err().to_string();
    for (read, expected) in [
        (
            ClientKeys::from_jwks(&pem),
            "not a JSON Web Key Set: this is PEM, which `ClientKeys::from_pem` reads",
        ),
        (
            ClientKeys::from_jwks(&jwk),
            "not a JSON Web Key Set: this is one key, for `ClientKeys::from_jwk`; a set is \
            `{\"keys\": […]}`",
        ),
        (
            ClientKeys::from_jwks(&format!("[{jwk}]")),
            "not a JSON Web Key Set: this is an array; a set is `{\"keys\": […]}`",
        ),
        (ClientKeys::from_jwks(r#"{"issuer":"x"}"#), "not a JSON Web Key Set"),
        (
            ClientKeys::from_jwk(&set),
            "not a JSON Web Key: this is a set, for `ClientKeys::from_jwks`",
        ),
        (
            ClientKeys::from_jwk(&pem),
            "not a JSON Web Key: this is PEM, which `ClientKeys::from_pem` reads",
        ),
        (ClientKeys::from_jwk("{"), "not a JSON Web Key"),
        (ClientKeys::from_pem(&set), "this is JSON, for `ClientKeys::from_jwks`"),
        (
            ClientKeys::from_pem("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA batch"),
            "this is a key of SSH: `ssh-keygen -e -m PKCS8` writes it as PEM",
        ),
        (ClientKeys::from_pem(""), "this is no PEM: no line begins with `-----BEGIN `"),
        (
            ClientKeys::from_pem(&pem.replace('\n', "\\n")),
            "the line breaks of the PEM are written as a backslash and an `n`",
        ),
        (
            ClientKeys::from_pem(pem.split("-----END").next().unwrap()),
            "a line `-----BEGIN …-----` of the PEM has no `-----END …-----` that fits",
        ),
        (
            ClientKeys::from_pem(&pem.replace("-----END PUBLIC", "-----END RSA PUBLIC")),
            "a line `-----BEGIN …-----` of the PEM has no `-----END …-----` that fits",
        ),
        (
            ClientKeys::from_pem(&pem.replace('M', "!")),
            "between the lines `BEGIN` and `END` of the PEM is no base64",
        ),
        (ClientKeys::from_der(pem.as_bytes()), "this is PEM, which `ClientKeys::from_pem` reads"),
        (
            ClientKeys::from_der(b"{}"),
            "the key set has no key that can verify a signature: `keys[0]` is no public key in DER",
        ),
    ] {
        assert_eq!(error(read), expected);
    }
}

/// Whatever it is cut to and whichever of its bytes is another, it is a key or an error.
#[test]
fn damaged_key_does_no_harm() {
    for (kind, form) in [
        ("rsa", "public"),
        ("rsa", "pkcs1"),
        ("p256", "public"),
        ("p256", "explicit"),
        ("ed25519", "certificate"),
        ("ed25519", "encrypted"),
    ] {
        let pem = recorded(kind, form);
        let whole = der(&pem);
        let mut longer = whole.clone();
        longer.push(0);
        assert!(ClientKeys::from_der(&longer).is_err(), "{kind} {form}");
        for length in 0..whole.len() {
            assert!(ClientKeys::from_der(&whole[..length]).is_err(), "{kind} {form} {length}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                let _read = ClientKeys::from_der(&other);
            }
        }
        for length in 0..pem.len() {
            let _read = ClientKeys::from_pem(&pem[..length]);
        }
    }
}
