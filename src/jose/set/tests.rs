//! What is taken from the keys that a client publishes.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn ed(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X})
}

/// Another key of these examples.
fn ec(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn with(mut key: Value, members: &Value) -> Value {
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key
}

/// The ids of the keys that are used, and what is said about the others.
fn published(keys: &[Value]) -> (String, String) {
    let set = KeySet::published(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    let kids: Vec<_> = set.keys.iter().filter_map(|key| key.kid.as_deref()).collect();
    let omitted: Vec<_> = set
        .omitted()
        .iter()
        .map(|key| format!("{key}{}", if key.is_private() { " (private)" } else { "" }))
        .collect();
    (kids.join(" "), omitted.join(", "))
}

#[test]
fn set_without_a_usable_key_is_an_answer() {
    for set in [r#"{"keys":[]}"#, r#"{"keys":[{}]}"#, r#"{"keys":[1],"more":{"keys":0}}"#] {
        assert!(KeySet::published(set.as_bytes()).unwrap().keys.is_empty(), "{set}");
    }
    for set in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[}"#] {
        assert!(KeySet::published(set.as_bytes()).is_err(), "{set}");
    }
    assert!(KeySet::published("\u{feff}{\"keys\":[]}".as_bytes()).is_ok());
    assert!(KeySet::published(b"{\"keys\":[],\"\xff\":0}").is_err());
}

#[test]
fn private_key_withdraws_its_public_keys() {
    let private = json!({"d": "secret"});
    let omitted = "`keys[0].d` belongs to a private key (private)";
    let twin = "`keys[1]` has its private key in the set";
    let mut negative = BASE64_URL_SAFE_NO_PAD.decode(X).unwrap();
    negative[31] ^= 0x80;
    let negative = BASE64_URL_SAFE_NO_PAD.encode(negative);
    for (keys, kids, others) in [
        // Of the same public part, whatever its id, and written differently.
        (vec![with(ed("a"), &private), ed("b"), ec("c")], "c", twin),
        (
            vec![
                json!({"kty": "OKP", "x": X.replace('_', "/") + "=", "d": 0}),
                with(ed("b"), &json!({"use": "sig"})),
                ec("c"),
            ],
            "c",
            twin,
        ),
        (
            vec![with(ec("a"), &json!({"d": "", "y": "AA", "use": "enc"})), ec("b"), ed("c")],
            "c",
            twin,
        ),
        (vec![with(ed("a"), &json!({"x": negative, "d": 0})), ed("b"), ec("c")], "c", twin),
        // Of the same id.
        (
            vec![with(ed("a"), &private), ec("a"), ec("c")],
            "c",
            "`keys[1].kid` is also that of a private or symmetric key",
        ),
        (
            vec![json!({"kid": "a", "d": "secret"}), ec("a"), ed("c")],
            "c",
            "`keys[1].kid` is also that of a private or symmetric key",
        ),
    ] {
        let shown = json!(keys).to_string();
        assert_eq!(published(&keys), (kids.into(), format!("{omitted}, {others}")), "{shown}");
    }
    // The order does not matter.
    let keys = [ed("b"), ec("c"), with(ed("a"), &private)];
    let expected =
        "`keys[2].d` belongs to a private key (private), `keys[0]` has its private key in the set";
    assert_eq!(published(&keys), ("c".into(), expected.into()));
}

#[test]
fn symmetric_key_withdraws_its_id() {
    for (key, fault) in [
        (json!({"kty": "oct", "k": "secret", "kid": "a"}), "kty` is that of a symmetric key"),
        (json!({"kty": "oct", "kid": "a"}), "kty` is that of a symmetric key"),
        (json!({"k": "secret", "kid": "a"}), "k` is a symmetric key"),
    ] {
        let expected = format!(
            "`keys[0].{fault} (private), `keys[1].kid` is also that of a private or symmetric key"
        );
        assert_eq!(published(&[key, ed("a"), ed("b")]), ("b".into(), expected));
    }
}

/// For each algorithm that a key may be used with, whether it has been used or not.
#[test]
fn size_is_what_the_keys_come_to_hold() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let rsa = json!({"kty": "RSA", "e": "AQAB", "n": n});
    let ps256 = with(rsa.clone(), &json!({"alg": "PS256"}));
    let size = |keys: Vec<Value>| {
        KeySet::published(json!({ "keys": keys }).to_string().as_bytes()).unwrap().size()
    };
    let (none, rsa, ps256) = (size(vec![]), size(vec![rsa]), size(vec![ps256]));
    assert!((2_000..3_000).contains(&(ps256 - none)), "{ps256}");
    assert!((12_000..14_000).contains(&(rsa - none)), "{rsa}");
    assert!((500..2_000).contains(&(size(vec![ed("1")]) - none)));
    assert!((1..100).contains(&(size(vec![json!({})]) - none)));
}

#[test]
fn slow_keys_are_known_by_their_kind() {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let is_slow = |key: &Value, algorithm: Algorithm| {
        let set = KeySet::published(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        set.find(algorithm, None).map(|(key, _)| key.is_slow(algorithm))
    };
    // Until one has no small factor.
    let rsa = |bytes: usize, e: &[u8]| loop {
        let mut n = vec![0; bytes];
        aws_lc_rs::rand::fill(&mut n).unwrap();
        (n[0], n[bytes - 1]) = (n[0] | 0x80, n[bytes - 1] | 1);
        let slow =
            is_slow(&json!({"kty": "RSA", "n": encode(&n), "e": encode(e)}), Algorithm::Ps256);
        if let Ok(slow) = slow {
            break slow;
        }
    };
    assert_eq!(is_slow(&ed("1"), Algorithm::EdDsa), Ok(false));
    assert_eq!(is_slow(&ec("1"), Algorithm::Es256), Ok(false));
    for (curve, crv, length, algorithm) in [
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48, Algorithm::Es384),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66, Algorithm::Es512),
    ] {
        let key = EcdsaKeyPair::generate(curve).unwrap();
        let (x, y) = key.public_key().as_ref()[1..].split_at(length);
        let key = json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)});
        assert_eq!(is_slow(&key, algorithm), Ok(true), "{crv}");
    }
    for e in [&[3][..], &[1, 0, 1], &[0, 1, 0, 1]] {
        assert!(!rsa(256, e) && !rsa(512, e) && rsa(513, e), "{e:?}");
    }
    for e in [&[1, 0, 3][..], &[1, 0, 0, 1]] {
        assert!(rsa(256, e), "{e:?}");
    }
}

#[test]
fn absent_private_members_are_absent() {
    let key = with(ed("a"), &json!({"d": null, "k": null, "use": null, "alg": null}));
    assert_eq!(published(&[key]), ("a".into(), String::new()));
}
