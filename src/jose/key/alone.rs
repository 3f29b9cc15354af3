//! A key that is in no set, such as that of an instance of a client, and how it is called.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::value::RawValue;

use crate::jose::{
    alg::Algorithm,
    invalid::Fault,
    jwk::Jwk,
    key::{Key, Public},
    weak,
};

/// Enough for the members of every point, so that those of RSA alone are moved.
const USUAL_LENGTH: usize = 256;

impl Key {
    /// Reads a key as [`KeySet::of_one`](crate::jose::set::KeySet::of_one) does, without the set.
    ///
    /// # Errors
    ///
    /// What keeps it from being used.
    pub(crate) fn alone(jwk: &RawValue) -> Result<Self, Fault> {
        let key = Self::read(&Jwk::read(jwk))?;
        let part = match &*key.public {
            Public::Rsa(rsa) => &rsa.modulus,
            Public::Point(..) => key.coordinates().0,
        };
        if part.last_chunk().is_some_and(weak::is_well_known) {
            return Err(weak::WELL_KNOWN_KEY);
        }
        Ok(key)
    }

    /// Those of a point, of which an Edwards curve has one.
    fn coordinates(&self) -> (&[u8], &[u8]) {
        let Public::Point(algorithm, key) = &*self.public else { return (&[], &[]) };
        let encoded = key.as_ref();
        if *algorithm == Algorithm::EdDsa {
            return (encoded, &[]);
        }
        // They are as long as the numbers of a signature.
        let both = encoded.len().checked_sub(self.signature_length());
        let both = both.and_then(|start| encoded.get(start..)).unwrap_or_default();
        both.split_at_checked(both.len() / 2).unwrap_or_default()
    }

    /// The SHA-256 of the members that the type of the key requires, in base64url (RFC 7638 §3). They are as
    /// RFC 7518 §6 has them, however the key was written.
    pub(crate) fn thumbprint(&self) -> String {
        let mut members = String::with_capacity(USUAL_LENGTH);
        let mut add = |text: &str, value: &[u8]| {
            members += text;
            BASE64_URL_SAFE_NO_PAD.encode_string(value, &mut members);
        };
        let (x, y) = self.coordinates();
        let mut point = |before: &str| {
            add(before, x);
            add(r#"","y":""#, y);
        };
        match &*self.public {
            Public::Rsa(key) => {
                add(r#"{"e":""#, &key.exponent);
                add(r#"","kty":"RSA","n":""#, &key.modulus);
            }
            Public::Point(Algorithm::EdDsa, _) => add(r#"{"crv":"Ed25519","kty":"OKP","x":""#, x),
            Public::Point(Algorithm::Es384, _) => point(r#"{"crv":"P-384","kty":"EC","x":""#),
            Public::Point(Algorithm::Es512, _) => point(r#"{"crv":"P-521","kty":"EC","x":""#),
            Public::Point(..) => point(r#"{"crv":"P-256","kty":"EC","x":""#),
        }
        members += r#""}"#;
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
    };

    use super::*;
    use crate::jose::{set::KeySet, sign::encode};

    fn coordinates(algorithm: &'static EcdsaSigningAlgorithm) -> [String; 2] {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        [encode(x), encode(y)]
    }

    fn alone(jwk: &str) -> Result<Key, Fault> {
        Key::alone(serde_json::from_str(jwk).unwrap())
    }

    #[test]
    fn key_alone_is_refused_as_it_is_in_a_set() {
        let [x, y] = coordinates(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let point = |more: &str| format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"{more}}}"#);
        let (zeros, y) = (format!(r#","y":"AAAA{y}""#), format!(r#","y":"{y}""#));
        let known: Vec<&RawValue> =
            serde_json::from_str(include_str!("../set/known.json")).unwrap();
        let good = [point(&y), point(&format!(r#"{y},"kid":"a""#)), point(&zeros)];
        let bad = [
            point(""),
            point(&format!(r#","y":"{x}""#)),
            point(&format!(r#"{y},"d":"eA""#)),
            point(&format!(r#"{y},"crv":"P-256""#)),
            point(&format!(r#"{y},"use":"enc""#)),
            point(&y.replace('y', "y\\ud800")),
            "{}".to_owned(),
            "[]".to_owned(),
        ];
        let bad = bad.iter().map(String::as_str).chain(known.iter().map(|jwk| jwk.get()));
        let cases = good.iter().map(|jwk| (true, jwk.as_str())).chain(bad.map(|jwk| (false, jwk)));
        let cases: Vec<_> = cases.collect();
        assert_eq!(cases.len(), 44);
        for (is_good, jwk) in cases {
            let found = (alone(jwk).is_ok(), KeySet::of_one(jwk.as_bytes()).is_ok());
            assert_eq!(found, (is_good, is_good), "{jwk}");
        }
    }

    // RFC 7638 §3.2.
    #[test]
    fn thumbprint_of_a_point_is_that_of_its_required_members() {
        for (crv, algorithm) in [
            ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let [x, y] = coordinates(algorithm);
            let members = format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#);
            let jwk = members.replacen('{', r#"{"kid":"a","#, 1);
            let expected = encode(digest(&SHA256, members.as_bytes()).as_ref());
            assert_eq!(alone(&jwk).unwrap().thumbprint(), expected);
        }
    }
}
