//! Which keys of a set are used, and what is said about the others.

use serde_json::{Value, json};
use tower_client_auth::{
    ClientMetadata, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys, OmittedKey},
    replay::MemoryReplayStore,
};

use crate::{
    jose::{ISSUER, Key, base64url, claims, ed, form, jwks, rsa, sign, with},
    support::{Clients, Harness, NOW, TestRequest, app},
};

/// What is said about the keys that are not used.
fn omitted(keys: impl IntoIterator<Item = Value>) -> Vec<String> {
    let good = with(ed().jwk(), json!({"kid": "good"}));
    let keys = ClientKeys::from_jwks(&jwks(keys.into_iter().chain([good]))).unwrap();
    keys.omitted_keys().iter().map(ToString::to_string).collect()
}

#[test]
fn each_key_that_is_left_out_has_its_reason() {
    let (ed, rsa) = (ed().jwk(), rsa().jwk());
    let p256 = Key::ec("ES256").jwk();
    let ed_with = |members| with(ed.clone(), members);
    let rsa_with = |members| with(rsa.clone(), members);
    let p256_with = |members| with(p256.clone(), members);
    let modulus = |bytes: usize| base64url(vec![0x81; bytes]);
    for (key, expected) in [
        (json!(1), "` is not an object"),
        (json!(null), "` is not an object"),
        (json!(true), "` is not an object"),
        (json!("key"), "` is not an object"),
        (json!(-1.5), "` is not an object"),
        (json!([["OKP"], null]), "` is not an object"),
        (json!({}), ".kty` is missing"),
        (json!({"kty": null}), ".kty` is missing"),
        (json!({"kty": 1}), ".kty` is not a string"),
        (json!({"kty": "AKP"}), ".kty` is not RSA, EC or OKP"),
        (ed_with(json!({"use": "enc"})), ".use` is not `sig`"),
        (ed_with(json!({"key_ops": ["sign"]})), ".key_ops` does not list `verify`"),
        (ed_with(json!({"key_ops": "verify"})), ".key_ops` does not list `verify`"),
        (ed_with(json!({"kid": 1})), ".kid` is not a string"),
        (ed_with(json!({"alg": 1})), ".alg` is not a string"),
        (ed_with(json!({"alg": "ES256"})), ".alg` is no signature algorithm for such a key"),
        (rsa_with(json!({"alg": "RSA-OAEP"})), ".alg` is no signature algorithm for such a key"),
        (ed_with(json!({"crv": "Ed448"})), ".crv` is not Ed25519"),
        (ed_with(json!({"crv": "X25519"})), ".crv` is X25519, which cannot sign, not Ed25519"),
        (ed_with(json!({"x": 1})), ".x` is not a string"),
        (ed_with(json!({"x": base64url([1; 31])})), ".x` does not have 32 bytes"),
        (ed_with(json!({"x": base64url([1; 33])})), ".x` does not have 32 bytes"),
        (
            ed_with(json!({"x": format!("{}=", ed["x"].as_str().unwrap())})),
            ".x` is not base64url without padding",
        ),
        (p256_with(json!({"crv": "secp256k1"})), ".crv` is secp256k1, not P-256, P-384 or P-521"),
        (p256_with(json!({"y": null})), ".y` is missing"),
        (p256_with(json!({"x": base64url([1; 33])})), ".x` is longer than the field of the curve"),
        (p256_with(json!({"x": base64url([7; 32])})), "` is not a point on its curve"),
        (p256_with(json!({"x": "", "y": ""})), ".x` is missing"),
        (p256_with(json!({"x": "AA", "y": "AA"})), "` is not a point on its curve"),
        (p256_with(json!({"crv": "P-384"})), "` is not a point on its curve"),
        (rsa_with(json!({"n": modulus(255)})), ".n` has fewer than 2048 bits"),
        (
            rsa_with(json!({"n": base64url([&[0x7f][..], &[0xff; 255]].concat())})),
            ".n` has fewer than 2048 bits",
        ),
        (
            rsa_with(json!({"n": base64url([[0; 200], [0xff; 200]].concat())})),
            ".n` has fewer than 2048 bits",
        ),
        (rsa_with(json!({"n": modulus(1025)})), ".n` has more than 8192 bits"),
        (rsa_with(json!({"n": ""})), ".n` is missing"),
        (rsa_with(json!({"n": "AA"})), ".n` has fewer than 2048 bits"),
        (rsa_with(json!({"n": base64url([0xff; 256])})), ".n` is a repeated block of bytes"),
        (rsa_with(json!({"n": base64url([&[0x81; 255][..], &[0x80]].concat())})), ".n` is even"),
        (
            // 2^2047 + 1.
            rsa_with(json!({"n": base64url([&[0x80][..], &[0; 254], &[1]].concat())})),
            ".n` has a prime factor below 752",
        ),
        (ed_with(json!({"x": base64url([0; 32])})), ".x` is a point of small order"),
        (ed_with(json!({"x": base64url([0xff; 32])})), ".x` is not below 2^255 - 19"),
        (
            p256_with(json!({"x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY"})),
            ".x` is that of the generator of the curve, of which the private key is 1",
        ),
        (rsa_with(json!({"e": ""})), ".e` is missing"),
        (rsa_with(json!({"e": "AA"})), ".e` is 1 or even"),
        (rsa_with(json!({"e": "AQ"})), ".e` is 1 or even"),
        (rsa_with(json!({"e": "Ag"})), ".e` is 1 or even"),
        (rsa_with(json!({"e": "AQAAAAAB"})), ".e` has more than 32 bits"),
    ] {
        let shown = key.to_string();
        assert_eq!(omitted([key]), [format!("`keys[0]{expected}")], "{shown}");
    }
    // Read from the text, because a `Value` has each member once.
    let keys = |text: &str| ClientKeys::from_jwks(text).unwrap_err().to_string();
    assert_eq!(
        keys(r#"{"keys":[{"kty":"OKP","x":"","kty":"EC"}]}"#),
        "the key set has no key that can verify a signature: `keys[0].kty` is there more than once"
    );
}

#[test]
fn key_that_may_also_be_used_otherwise_is_used() {
    for key_ops in [json!(["verify", "encrypt"]), json!(["encrypt", "verify"])] {
        assert_eq!(omitted([with(ed().jwk(), json!({ "key_ops": key_ops }))]), [""; 0]);
    }
}

/// Parsers disagree on which of two counts (RFC 8259 §4).
#[test]
fn registration_with_a_member_twice_in_a_key_is_refused() {
    let x = ed().jwk()["x"].to_string();
    let read = |members: &str| {
        let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":{x},{members}}}]}}"#);
        let text = format!(
            r#"{{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{jwks}}}"#
        );
        let metadata: Result<ClientMetadata, _> = serde_json::from_str(&text);
        let same = metadata.as_ref().is_ok_and(|metadata| {
            metadata.jwks == Some(serde_json::from_str::<Value>(&jwks).unwrap())
        });
        metadata.map(|_| same).map_err(|error| error.to_string())
    };
    for members in [
        r#""d":"AA","d":null"#,
        r#""kid":"a","kid":"b""#,
        r#""use":"enc","use":"sig""#,
        r#""more":{"a":[{"b":1,"b":1}]}"#,
    ] {
        let error = read(members).unwrap_err();
        let expected = "`jwks` cannot be read, or has a member twice";
        assert!(error.starts_with(expected), "{members} {error}");
    }
    let others = r#""a":[1,-1,1.5,18446744073709551615,true,null,"\n",{"a":{}}],"b":{"a":[]}"#;
    assert_eq!(read(others), Ok(true));
    let none: ClientMetadata = serde_json::from_str(r#"{"client_id":"a","jwks":null}"#).unwrap();
    assert_eq!(none.jwks, None);
}

#[test]
fn omitted_key_names_its_place_and_member() {
    let keys = jwks([json!({"kty": "EC"}), ed().jwk(), json!([])]);
    let keys = ClientKeys::from_jwks(&keys).unwrap();
    let told = |key: &OmittedKey| (key.index(), key.member(), key.is_private());
    assert_eq!(
        keys.omitted_keys().iter().map(told).collect::<Vec<_>>(),
        [(0, Some("crv"), false), (2, None, false)]
    );
    let keys = ClientKeys::jwks_uri("https://client.example/jwks").unwrap();
    assert_eq!(keys.omitted_keys(), []);
}

#[test]
fn set_without_a_usable_key_says_why_in_a_line() {
    let error = |keys: Vec<Value>| ClientKeys::from_jwks(&jwks(keys)).unwrap_err().to_string();
    let none = "the key set has no key that can verify a signature";
    assert_eq!(error(vec![]), none);
    assert_eq!(
        error(vec![json!({"kty": "EC"}), json!({})]),
        format!("{none}: `keys[0].crv` is missing; `keys[1].kty` is missing")
    );
    let many = error(vec![json!({"kty": "a value"}); 100]);
    assert!(many.ends_with("`keys[3].kty` is not RSA, EC or OKP; …"), "{many}");
    assert!(many.len() < 300 && !many.contains("a value"), "{many}");
}

#[test]
fn eight_keys_of_a_kind_are_used() {
    // Eight numbers in place of eight keys, because keys of RSA take long to make.
    let modulus = |n: u8| json!({"kty": "RSA", "e": "AQAB", "n": base64url(modulus(n))});
    let mut keys: Vec<_> = (0..8).map(modulus).collect();
    for make in [Key::ed, || Key::ec("ES256"), || Key::ec("ES384"), || Key::ec("ES512")] {
        keys.extend((0..8).map(|_| make().jwk()));
    }
    let read = |keys: &[Value]| ClientKeys::from_jwks(&jwks(keys.to_vec())).unwrap();
    assert_eq!(read(&keys).omitted_keys(), []);
    // Entries of one key do not count, whatever they say of it.
    for n in 0..9 {
        keys.push(with(modulus(0), json!({"kid": n.to_string()})));
    }
    for alg in ["PS256", "PS384", "PS512", "RS512", "RS384", "RS256"] {
        keys.push(with(modulus(1), json!({"alg": alg, "kid": alg})));
    }
    assert_eq!(read(&keys).omitted_keys(), []);
    keys.push(modulus(8));
    let set = read(&keys);
    let told: Vec<_> = set.omitted_keys().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["`keys[55]` is beyond the first 8 of its kind"]);
    // However many there are.
    keys.resize(1_000, json!({}));
    assert_eq!(read(&keys).omitted_keys().len(), 64);
}

/// As a program lists keys that has an entry for each algorithm.
#[test]
fn entry_per_algorithm_is_used() {
    let algorithms = ["PS256", "PS384", "PS512", "RS512", "RS384", "RS256"];
    let other = json!({"kty": "RSA", "e": "AQAB", "n": base64url(modulus(0))});
    for kid in ["one", ""] {
        let entries = |key: &Value| {
            algorithms
                .map(|alg| with(key.clone(), json!({"alg": alg, "kid": kid.replace("one", alg)})))
        };
        let set = jwks(entries(&other).into_iter().chain(entries(&rsa().jwk())));
        let keys = ClientKeys::from_jwks(&set).unwrap();
        assert_eq!(keys.omitted_keys(), []);
        let clients: Clients =
            [RegisteredClient::private_key_jwt("batch", keys, app("batch"))].into_iter().collect();
        let replay = MemoryReplayStore::default().clock(Clock::fixed(NOW));
        let assertions = Assertions::new(ISSUER, replay).unwrap();
        let harness = Harness::of(clients).set(|layer| layer.assertions(assertions));
        for alg in algorithms {
            let claims = with(claims("batch"), json!({"jti": alg}));
            let answer = harness.ask(&TestRequest::form(form(&sign(rsa(), alg, &claims))));
            assert_eq!((answer.status, answer.kind), (200, None), "{alg}");
        }
    }
}

/// An odd number of 2048 bits without small factors, another one for each `n`.
fn modulus(n: u8) -> [u8; 256] {
    let mut bytes = [0xa5; 256];
    (bytes[0], bytes[1]) = (0xc3, n);
    let modulo = |bytes: &[u8], prime: u64| {
        bytes.iter().fold(0, |remainder, byte| (remainder << 8 | u64::from(*byte)) % prime)
    };
    let is_sound = |bytes: &[u8]| (3..752).all(|divisor| modulo(bytes, divisor) != 0);
    (0..u16::MAX)
        .map(|end| {
            bytes[254..].copy_from_slice(&(end | 1).to_be_bytes());
            bytes
        })
        .find(|bytes| is_sound(bytes))
        .unwrap()
}

#[test]
fn set_is_read_by_names_alone() {
    let key = ed().jwk();
    let by_position = json!([["OKP", null, null, null, null, "Ed25519", key["x"]]]);
    for set in [by_position.clone(), json!({ "keys": by_position[0] }), json!([[key]])] {
        let error = ClientKeys::from_jwks(&set.to_string()).unwrap_err().to_string();
        assert!(!error.is_empty(), "{set}");
    }
    let error = ClientKeys::from_jwks(&json!({ "keys": by_position }).to_string()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key set has no key that can verify a signature: `keys[0]` is not an object"
    );
}

#[test]
fn byte_order_mark_is_skipped() {
    let set = jwks([ed().jwk()]);
    assert!(ClientKeys::from_jwks(&format!("\u{feff}{set}")).is_ok());
    assert!(ClientKeys::from_jwks(&format!("\u{feff}\u{feff}{set}")).is_err());
}

#[test]
fn coordinates_are_numbers() {
    // One coordinate in 256 begins with a zero. Without that of `y` the point would be the same.
    let jwk = loop {
        let jwk = Key::ec("ES256").jwk();
        if decoded(&jwk["x"])[0] == 0 && decoded(&jwk["y"])[0] != 0 {
            break jwk;
        }
    };
    let shorter = |name: &str| base64url(&decoded(&jwk[name])[1..]);
    let longer = |name: &str| base64url([&[0], &*decoded(&jwk[name])].concat());
    for members in
        [json!({"x": shorter("x")}), json!({"x": longer("x")}), json!({"y": longer("y")})]
    {
        let set = jwks([with(jwk.clone(), members)]);
        assert!(ClientKeys::from_jwks(&set).is_ok(), "{set}");
    }
    assert!(ClientKeys::from_jwks(&jwks([with(jwk.clone(), json!({"y": shorter("y")}))])).is_err());
}

fn decoded(value: &Value) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}
