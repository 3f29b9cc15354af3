//! What is taken from the keys that a client publishes.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// Nobody kept the private keys of these examples.
const X: &str = "ADydqJUhd7_wh6HMnwXArui8XruoBGnFAK9Roanputs";

fn ed(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X})
}

fn ec(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "R-PTpWv_AGsfWr2vxmmRpbCIk_iAXxWbnMzg_0VvQtk",
        "y": "kiOHyQ4hpmv6m3_JnGejGmrTg7lyLUu0PTNQxbyovHg",
    })
}

const N: &str = "1mfdTHrbZlJb0oT83_dCrnrAcGQxkch2CcpdIBrxglOtwAIoAVZK8STViTrrR_13PMOw5C4OEwh56FiFFTTVgoNjtXFIv2Is9NsDQIZafT2oRk8mfG-Fc3HsexSIUrER09khvbv2dhgX9MVuSFitZcwYU81cNQwPwOziffI89DnE-YDRmOZhlIGTWdWxvRGlvWFaeTy0rbE46sz2z07kHpmlQI5L9O9N8mwRokBh9FHdghy2mNzMeuYVbfd7y2UiQtQ-mWXZ3Qa8mREXBGRCLrr4qKG8ABkx-rOJV40Q9fiEfNG2ieyJ9sD0XuktDtErN3fckzdX_-b6KB-8WZ9CCw";

fn rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": N})
}

fn with(mut key: Value, members: &Value) -> Value {
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key
}

/// The ids of the keys that are used, and what is said about the others.
fn published(keys: &[Value]) -> (String, String) {
    let set = KeySet::published(json!({ "keys": keys }).to_string().as_bytes(), &Leaked::default())
        .unwrap();
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
        assert!(
            KeySet::published(set.as_bytes(), &Leaked::default()).unwrap().keys.is_empty(),
            "{set}"
        );
    }
    for set in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[}"#] {
        assert!(KeySet::published(set.as_bytes(), &Leaked::default()).is_err(), "{set}");
    }
    assert!(KeySet::published("\u{feff}{\"keys\":[]}".as_bytes(), &Leaked::default()).is_ok());
    assert!(KeySet::published(b"{\"keys\":[],\"\xff\":0}", &Leaked::default()).is_err());
}

#[test]
fn private_key_withdraws_its_public_keys() {
    let private = json!({"d": "secret"});
    let omitted = "`keys[0].d` belongs to a private key (private)";
    let twin = "`keys[1]` has its private key in the set";
    let (begin, end) = X.split_at(20);
    let mut negative = BASE64_URL_SAFE_NO_PAD.decode(X).unwrap();
    negative[31] ^= 0x80;
    let written = [
        X.to_owned(),
        X.replace('_', "/") + "=",
        format!(" {begin}\r\n{end}\n"),
        BASE64_URL_SAFE_NO_PAD.encode([&[0], &*BASE64_URL_SAFE_NO_PAD.decode(X).unwrap()].concat()),
        BASE64_URL_SAFE_NO_PAD.encode(negative),
    ];
    for x in written {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": 0, "use": "enc", "kid": "a"});
        let used = published(&[key, ed("b"), ec("c")]);
        assert_eq!(used, ("c".into(), format!("{omitted}, {twin}")), "{x}");
    }
    // Also of 512 bits, which some once made.
    let short = BASE64_URL_SAFE_NO_PAD.encode([0xff; 64]);
    let keys = [
        with(rsa(), &json!({"d": "secret"})),
        with(rsa(), &json!({"kid": "a"})),
        json!({"kty": "RSA", "e": "AQAB", "n": short, "d": "secret"}),
        ec("c"),
    ];
    let other = "`keys[2].d` belongs to a private key (private)";
    assert_eq!(published(&keys), ("c".into(), format!("{omitted}, {other}, {twin}")));
    // The other coordinate follows from the private key.
    let key = with(ec("a"), &json!({"d": "secret", "y": "AA"}));
    assert_eq!(published(&[key, ec("b"), ed("c")]), ("c".into(), format!("{omitted}, {twin}")));
    // Of the same id.
    assert_eq!(
        published(&[with(ed("a"), &private), ec("a"), ec("c")]),
        (
            "c".into(),
            format!("{omitted}, `keys[1].kid` is also that of a private or symmetric key")
        )
    );
    // An empty one says nothing.
    let keys = [with(ed(""), &private), ec("")];
    assert_eq!(published(&keys), (String::new(), omitted.into()));
    assert!(
        KeySet::published(json!({"keys": keys}).to_string().as_bytes(), &Leaked::default())
            .unwrap()
            .has("")
    );
    // The order does not matter, nor how far away it is.
    let mut keys = vec![ed("b"), ec("c")];
    keys.resize(20_000, json!({}));
    keys.push(with(ed("a"), &private));
    let (kids, others) = published(&keys);
    let expected = "`keys[20000].d` belongs to a private key (private), \
        `keys[0]` has its private key in the set, `keys[2].kty` is missing, ";
    assert_eq!(kids, "c");
    assert!(others.starts_with(expected), "{others}");
}

/// What others may make of it, this crate does not know.
#[test]
fn private_key_that_cannot_be_told_apart_withdraws_all() {
    let d = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T";
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(X).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let okp = |x: &str| format!(r#""kty":"OKP","crv":"Ed25519","d":"{d}","x":"{x}""#);
    for key in [
        format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{d}"}}"#),
        format!(r#"{{"kty":"OKP","d":"{d}","x":"{X}"}}"#),
        format!(r#"{{"kty":"okp","crv":"Ed25519","d":"{d}","x":"{X}"}}"#),
        format!(r#"{{"kty":"OKP","crv":"P-256","d":"{d}","x":"{X}"}}"#),
        format!(r#"{{"d":"{d}","x":"{X}"}}"#),
        format!(r#"{{{}}}"#, okp(&hex)),
        format!(r#"{{{}}}"#, okp("not base64")),
        format!(r#"{{{}}}"#, okp(r"\ud800")),
        format!(r#"{{{},"x":"AAAA"}}"#, okp(X)),
        format!(r#"{{{},"n":"AA"}}"#, okp(X)),
        format!(r#"{{"kty":"RSA","n":"{}","d":"{d}"}}"#, "ab".repeat(256)),
        format!(r#"{{"kty":"RSA","n":"{}","d":"{d}"}}"#, &"MIIBCgKCAQEA".repeat(30)[..350]),
        format!(r#"{{"p":"{d}"}}"#),
        format!(r#"[{{{}}}]"#, okp(X)),
        format!(r#"{{"key":{{{}}}}}"#, okp(X)),
        format!(r#"{{"key":{{"key":{{{}}}}}}}"#, okp(X)),
        format!(r#"{{"kty":"OKP","keys":[[{{{}}}]]}}"#, okp(X)),
    ] {
        let text = format!(r#"{{"keys":[{},{},{key}]}}"#, ed("a"), ec("b"));
        let set = KeySet::published(text.as_bytes(), &Leaked::default()).unwrap();
        let told: Vec<_> = set.omitted().iter().map(ToString::to_string).skip(1).collect();
        let expected =
            [0, 1].map(|n| format!("`keys[{n}]` may belong to a private key in the set"));
        assert!(set.is_empty() && set.omitted()[0].is_private(), "{key}");
        assert_eq!(told, expected, "{key}");
        assert_eq!(
            KeySet::registered(text.as_bytes()).unwrap_err().to_string(),
            "the key set holds a private key",
            "{key}"
        );
    }
    // What is deep in something else is not looked for, because that takes its time.
    let deep = format!("{}{{{}}}{}", "[".repeat(4), okp(X), "]".repeat(4));
    let text = format!(r#"{{"keys":[{},{deep}]}}"#, ed("a"));
    assert!(KeySet::registered(text.as_bytes()).unwrap().has("a"));
}

#[test]
fn leaked_key_stays_withdrawn() {
    let parse = |keys: &[Value], leaked: &Leaked| {
        KeySet::published(json!({ "keys": keys }).to_string().as_bytes(), leaked).unwrap()
    };
    let first = parse(&[with(ed("a"), &json!({"d": "secret"})), ec("b")], &Leaked::default());
    assert!(first.has("b") && !first.has("a"));
    // Without `d`, under another id, and after the set was empty.
    let second = parse(&[], first.leaked());
    let third = parse(&[ed("c"), ec("b")], second.leaked());
    assert!(third.has("b") && !third.has("c"));
    let told: Vec<_> = third.omitted().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["`keys[0]` had its private key in the set before"]);
    // All that may have been meant.
    let all = parse(&[ed("a"), ec("b"), json!({"d": "secret"})], &Leaked::default());
    assert!(parse(&[ed("a"), ec("b")], all.leaked()).is_empty());
    let forgotten = parse(&[], &Leaked::default());
    assert_eq!(parse(&[], all.leaked()).size(), forgotten.size() + 2 * 32);
    // Also where it is alone, and not certain which key it belongs to.
    for d in [json!({"d": "secret", "n": "AA"}), json!({"d": "secret", "crv": null})] {
        let alone = parse(&[with(ec("b"), &d)], &Leaked::default());
        assert!(!parse(&[ec("b")], alone.leaked()).has("b"), "{d}");
    }
    // The last 64.
    let many: Vec<_> = (100..164_u32)
        .map(|n| {
            json!({"kty": "OKP", "crv": "X25519", "d": "", "priv": 1,
            "x": BASE64_URL_SAFE_NO_PAD.encode(n.to_be_bytes())})
        })
        .collect();
    let one = parse(&many[..1], first.leaked());
    assert!(!parse(&[ed("a")], one.leaked()).has("a"));
    let full = parse(&many, first.leaked());
    assert!(parse(&[ed("a")], full.leaked()).has("a"));
}

#[test]
fn key_that_cannot_be_read_spoils_no_other() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    for (members, fault) in [
        (r#""kid":"\ud800""#, ".kid` is not Unicode"),
        (r#""x":1e999"#, ".x` is there more than once"),
        (r#""crv":1e999"#, ".crv` is there more than once"),
        (r#""alg":1e999"#, ".alg` is not a string"),
        (r#""use":{"a":[]}"#, ".use` is not a string"),
        (&*format!(r#""use":{deep}"#), ".use` is not a string"),
        (&*format!(r#""key_ops":{deep}"#), ".key_ops` does not list `verify`"),
    ] {
        let bad = ed("bad").to_string().replace(r#""kid":"bad","#, &format!("{members},"));
        let text = format!(r#"{{"keys":[{bad},{}]}}"#, ed("a"));
        let set = KeySet::published(text.as_bytes(), &Leaked::default()).unwrap();
        let told: Vec<_> = set.omitted().iter().map(ToString::to_string).collect();
        assert_eq!((told, set.has("a")), (vec![format!("`keys[0]{fault}")], true), "{text}");
    }
    // Of a member that does not matter, nothing does.
    for other in [
        r#""\ud800":1"#,
        r#""more":"\ud800""#,
        r#""more":1e999"#,
        r#""more":{"a":1}"#,
        r#""more":{"d":1}"#,
        &format!(r#""a":{deep}"#),
    ] {
        let text = format!(r#"{{"keys":[{{{other},{}]}}"#, &ed("a").to_string()[1..]);
        let set = KeySet::published(text.as_bytes(), &Leaked::default()).unwrap();
        assert!(set.has("a") && set.omitted().is_empty(), "{text}");
    }
}

/// The longest document that is fetched, of what takes longest.
#[test]
fn long_set_takes_no_longer_than_its_length() {
    let parse = |text: &str| KeySet::published(text.as_bytes(), &Leaked::default()).unwrap();
    let x = |n: u64| {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(X).unwrap();
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(bytes)})
    };
    let keys: Vec<_> = (0..400).map(|n| x(n).to_string()).collect();
    let set = parse(&format!(
        r#"{{"keys":[{},{}]}}"#,
        vec![r#"{"k":1}"#; 4_000].join(","),
        keys.join(",")
    ));
    assert!(set.is_empty());
    let set = parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")));
    assert_eq!((set.keys.len(), set.omitted().len()), (MOST_OF_A_KIND, MOST_OMITTED));
    // Only the first hundred are read.
    let mut keys: Vec<_> = vec![ec("a"); 100];
    keys.push(ed("b"));
    let set = parse(&json!({ "keys": keys }).to_string());
    let told: Vec<_> = set.omitted().iter().map(ToString::to_string).collect();
    assert_eq!(
        (set.has("a"), told),
        (true, vec!["`keys[100]` is beyond the first 100 of the set".to_owned()])
    );
}

/// Keys of which the private ones are in RFCs and tutorials.
#[test]
fn key_that_everybody_knows_is_left_out() {
    let known: Vec<Value> = serde_json::from_str(include_str!("known.json")).unwrap();
    assert_eq!(known.len(), 33);
    for key in known {
        let told = published(&[key.clone(), ed("a")]);
        let expected = "`keys[0]` has a private key that everybody knows";
        assert_eq!(told, ("a".into(), expected.into()), "{key}");
    }
    // The sign does not matter, nor how it is written.
    let mut x =
        BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    x[31] ^= 0x80;
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(x)});
    assert_eq!(published(&[key]).0, "");
    let coordinate = BASE64_URL_SAFE_NO_PAD
        .decode("AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk")
        .unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode([&[0, 0], &*coordinate].concat());
    let y =
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";
    let key = json!({"kty": "EC", "crv": "P-521", "kid": "known", "x": x, "y": y});
    assert_eq!(published(&[key, ed("a")]).0, "a");
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
    let rsa = rsa();
    let ps256 = with(rsa.clone(), &json!({"alg": "PS256"}));
    let size = |keys: Vec<Value>| {
        KeySet::published(json!({ "keys": keys }).to_string().as_bytes(), &Leaked::default())
            .unwrap()
            .size()
    };
    let (none, rsa, ps256) = (size(vec![]), size(vec![rsa]), size(vec![ps256]));
    assert!((2_000..3_000).contains(&(ps256 - none)), "{ps256}");
    assert!((12_000..14_000).contains(&(rsa - none)), "{rsa}");
    assert!((500..2_000).contains(&(size(vec![ed("1")]) - none)));
    assert!((1..100).contains(&(size(vec![json!({})]) - none)));
    assert_eq!(size(vec![ed(&"1".repeat(100))]) - size(vec![ed("1")]), 99);
    // Entries of one key share what it holds.
    assert!((1..200).contains(&(size(vec![ed("1"), ed("2")]) - size(vec![ed("1")]))));
}

#[test]
fn signature_that_cannot_be_of_the_key_takes_no_verification() {
    let key = with(rsa(), &json!({"alg": "PS256"}));
    let text = json!({ "keys": [key] }).to_string();
    let set = KeySet::published(text.as_bytes(), &Leaked::default()).unwrap();
    let (key, _) = set.find(Algorithm::Ps256, None).unwrap();
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(N).unwrap();
    let verify = |algorithm, signature: &[u8]| key.verify(algorithm, b"", signature);
    assert_eq!(verify(Algorithm::Ps256, &[0; 256]), Some(false));
    assert_eq!(verify(Algorithm::Rs256, &[0; 256]), None);
    for signature in [&[0; 255][..], &[0; 257], &modulus, &[0xff; 256]] {
        assert_eq!(verify(Algorithm::Ps256, signature), None);
    }
}

#[test]
fn slow_keys_are_known_by_their_kind() {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let is_slow = |key: &Value, algorithm: Algorithm| {
        let set =
            KeySet::published(json!({ "keys": [key] }).to_string().as_bytes(), &Leaked::default())
                .unwrap();
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
fn absent_members_are_absent() {
    for absent in [json!(null), json!(""), json!([])] {
        for name in ["d", "p", "oth", "priv", "k", "use", "key_ops", "alg", "n", "y", "x5c"] {
            let key = with(ed("a"), &json!({ name: absent }));
            assert_eq!(published(&[key]), ("a".into(), String::new()), "{name} {absent}");
        }
    }
    let spaced = format!(r#"{{"keys":[{{"key_ops":[ ],"d":[  ],{}]}}"#, &ed("a").to_string()[1..]);
    assert!(KeySet::registered(spaced.as_bytes()).unwrap().has("a"));
}
