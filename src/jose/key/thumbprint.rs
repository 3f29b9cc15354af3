//! The thumbprint of a public key (RFC 7638).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::jose::{
    alg::Algorithm,
    key::{Key, Public},
};

impl Key {
    /// The SHA-256 of the members that the type of the key requires, in base64url (RFC 7638 §3). They are as
    /// RFC 7518 §6 has them, however the key was written.
    pub(crate) fn thumbprint(&self) -> String {
        let point = |bytes: &[u8], crv: &str| {
            // SEC 1 §2.3.3: 4, and the coordinates.
            let coordinates = bytes.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at_checked(coordinates.len() / 2).unwrap_or_default();
            format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
        };
        let members = match &*self.public {
            Public::Rsa(key) => {
                let (e, n) = (encode(&key.exponent), encode(&key.modulus));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Public::Point(Algorithm::Es384, key) => point(key.as_ref(), "P-384"),
            Public::Point(Algorithm::Es512, key) => point(key.as_ref(), "P-521"),
            Public::Point(Algorithm::EdDsa, key) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(key.as_ref()))
            }
            Public::Point(_, key) => point(key.as_ref(), "P-256"),
        };
        encode(&Sha256::digest(members))
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
