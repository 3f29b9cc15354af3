//! Private keys of this side, and what is signed with them.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::jose::pem;

/// A private key.
pub(crate) struct SigningKey {
    pair: Pair,
    /// The members of the public key that RFC 7638 §3.2 counts, in its order.
    public: String,
    kid: String,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// Reads a key in PKCS #8 (RFC 5958), as DER or PEM.
    pub(crate) fn read(pkcs8: &[u8]) -> Option<Self> {
        let decoded = pem::private(pkcs8);
        let der = decoded.as_ref().map_or(pkcs8, |der| der);
        let (pair, public) = if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let x = encode(pair.public_key().as_ref());
            (Pair::Ed25519(pair), format!(r#""crv":"Ed25519","kty":"OKP","x":"{x}""#))
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
            // SEC 1 §2.3.3: 4, and the coordinates.
            let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
            let public =
                format!(r#""crv":"P-256","kty":"EC","x":"{}","y":"{}""#, encode(x), encode(y));
            (Pair::P256(pair), public)
        };
        let kid = encode(&Sha256::digest(format!("{{{public}}}")));
        Some(Self { pair, public, kid })
    }

    /// The thumbprint of RFC 7638.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Known to each library, which the newer name `Ed25519` is not yet.
    pub(crate) const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ed25519(_) => "EdDSA",
            Pair::P256(_) => "ES256",
        }
    }

    /// The public key, as an element of a JSON Web Key Set.
    pub(crate) fn jwk(&self) -> String {
        let Self { public, kid, .. } = self;
        let alg = self.algorithm();
        format!(r#"{{{public},"alg":"{alg}","kid":"{kid}","use":"sig"}}"#)
    }

    /// The signature in base64url.
    pub(crate) fn sign(&self, signed: &[u8]) -> Option<String> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(signed),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), signed),
        };
        signature.ok().map(|signature| encode(signature.as_ref()))
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("alg", &self.algorithm())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
