//! Clients that make assertions, on aws-lc-rs alone.

use std::sync::OnceLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::NOW;

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) enum Key {
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
    Secret(Vec<u8>),
}

impl Key {
    pub(crate) fn ec(alg: &'static str) -> Self {
        let parameters = match alg {
            "ES256" => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            "ES384" => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        Self::Ec(alg, EcdsaKeyPair::generate(parameters).unwrap())
    }

    pub(crate) fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn secret(secret: &str) -> Self {
        Self::Secret(secret.into())
    }

    pub(crate) fn sign(&self, alg: &str, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(_, key) => key.sign(&random, input).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(input).as_ref().to_vec(),
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, input, &mut signature).unwrap();
                signature
            }
            Self::Secret(secret) => {
                let algorithm = match alg {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(algorithm, secret), input).as_ref().to_vec()
            }
        }
    }

    /// The public half as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Ec(alg, key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = match *alg {
                    "ES256" => "P-256",
                    "ES384" => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().as_ref())})
            }
            Self::Rsa(key) => {
                // PKCS #1 `RSAPublicKey` of 2048 bits with the exponent 65537.
                let der = key.public_key().as_ref();
                json!({"kty": "RSA", "n": base64url(&der[9..265]), "e": "AQAB"})
            }
            Self::Secret(secret) => json!({"kty": "oct", "k": base64url(secret)}),
        }
    }
}

pub(crate) fn ed() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(Key::ed)
}

pub(crate) fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap()))
}

pub(crate) fn jwks(keys: impl IntoIterator<Item = Value>) -> String {
    json!({"keys": keys.into_iter().collect::<Vec<_>>()}).to_string()
}

/// A JWK with more members.
pub(crate) fn with(mut jwk: Value, members: Value) -> Value {
    let members = members.as_object().unwrap().clone();
    jwk.as_object_mut().unwrap().extend(members);
    jwk
}

/// Claims that are right for `client_id`.
pub(crate) fn claims(client_id: &str) -> Value {
    json!({"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": NOW + 60, "jti": "1"})
}

/// The compact form of these texts, signed.
pub(crate) fn compact(key: &Key, alg: &str, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", base64url(header), base64url(claims));
    let signature = key.sign(alg, input.as_bytes());
    format!("{input}.{}", base64url(signature))
}

pub(crate) fn sign(key: &Key, alg: &str, claims: &Value) -> String {
    compact(key, alg, &json!({"alg": alg}).to_string(), &claims.to_string())
}

/// The form that presents an assertion.
pub(crate) fn form(assertion: &str) -> String {
    format!(
        "grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}"
    )
}
