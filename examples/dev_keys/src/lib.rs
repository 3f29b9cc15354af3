//! Keys and assertions, to develop with. A client in production has a library for them, and keeps its key where
//! nobody can read it.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PSS_SHA256,
    },
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tower_client_auth::{BoxError, secret::GeneratedSecret};

/// What `client_assertion_type` must be (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The private key of a demo client, Ed25519. **Everybody has it**: it is for trying things out alone.
pub const TEST_KEY: &str = include_str!("test_key.pem");

/// A key that signs with one algorithm.
pub struct SigningKey {
    alg: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<rsa::KeyPair>),
}

impl SigningKey {
    /// The algorithms that a key can be made for.
    pub const ALGORITHMS: [&str; 5] = ["ES256", "ES384", "ES512", "EdDSA", "PS256"];

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// If there is no such algorithm, or no randomness.
    pub fn generate(alg: &str) -> Result<Self, BoxError> {
        let unknown = || format!("--alg {alg}: it is one of {}", Self::ALGORITHMS.join(", "));
        let alg = Self::ALGORITHMS.into_iter().find(|known| *known == alg).ok_or_else(unknown)?;
        let pair = match alg {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?),
            "ES512" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING)?),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate()?),
            _ => Pair::Rsa(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?)),
        };
        Ok(Self { alg, pair })
    }

    /// Reads a private key as `openssl genpkey` and [`to_pem`](Self::to_pem) write it.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn from_pem(pem: &str) -> Result<Self, BoxError> {
        const OTHER: &str =
            "not a private key in PEM, as `dev_keys keygen` or `openssl genpkey` writes it";
        let base64: String = pem
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "-----BEGIN PRIVATE KEY-----")
            .skip(1)
            .take_while(|line| *line != "-----END PRIVATE KEY-----")
            .collect();
        // The message of the decoder may quote the key.
        let der = BASE64_STANDARD.decode(base64).map_err(|_quotes_it| OTHER)?;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(Self { alg: "EdDSA", pair: Pair::Ed(pair) });
        }
        for (alg, parameters) in [
            ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(parameters, &der) {
                return Ok(Self { alg, pair: Pair::Ec(pair) });
            }
        }
        let pair = rsa::KeyPair::from_pkcs8(&der).map_err(|_unspecific| OTHER)?;
        Ok(Self { alg: "PS256", pair: Pair::Rsa(Box::new(pair)) })
    }

    /// The private key.
    ///
    /// # Errors
    ///
    /// If the library cannot write it.
    pub fn to_pem(&self) -> Result<String, BoxError> {
        Ok(match &self.pair {
            Pair::Ec(pair) => pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref()),
            Pair::Ed(pair) => pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref()),
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der()?;
                pem("PRIVATE KEY", der.as_ref())
            }
        })
    }

    /// The public key.
    ///
    /// # Errors
    ///
    /// If the library cannot write it.
    pub fn public_pem(&self) -> Result<String, BoxError> {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_der()?,
            Pair::Ed(pair) => pair.public_key().as_der()?,
            Pair::Rsa(pair) => pair.public_key().as_der()?,
        };
        Ok(pem("PUBLIC KEY", der.as_ref()))
    }

    /// The public key as a JSON Web Key.
    ///
    /// # Errors
    ///
    /// If the library cannot write it.
    pub fn jwk(&self) -> Result<Value, BoxError> {
        Ok(match &self.pair {
            Pair::Ec(pair) => {
                let crv = match self.alg {
                    "ES256" => "P-256",
                    "ES384" => "P-384",
                    _ => "P-521",
                };
                // SEC 1 §2.3.3: a byte, and two coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y), "use": "sig" })
            }
            Pair::Ed(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig" })
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": n, "e": e, "use": "sig" })
            }
        })
    }

    /// An assertion of the client, for the server with this issuer identifier, for so many seconds from `now` on.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: u64,
        lifetime: u64,
    ) -> Result<String, BoxError> {
        let header = json!({ "alg": self.alg, "typ": "client-authentication+jwt" });
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now,
            "exp": now.saturating_add(lifetime),
            "jti": GeneratedSecret::new()?.expose(),
        });
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => encode(pair.sign(&random, input.as_bytes())?),
            Pair::Ed(pair) => encode(pair.sign(input.as_bytes())),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, input.as_bytes(), &mut signature)?;
                encode(signature)
            }
        };
        Ok(format!("{input}.{signature}"))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg).finish_non_exhaustive()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 7468 §2: lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in base64.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use tower_client_auth::assertion::ClientKeys;

    use super::*;

    #[test]
    fn key_is_written_as_it_is_read() {
        for alg in SigningKey::ALGORITHMS {
            let key = SigningKey::generate(alg).unwrap();
            let read = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!(read.alg, alg);
            assert_eq!(read.jwk().unwrap(), key.jwk().unwrap());
            let pem = key.public_pem().unwrap();
            assert_eq!(pem, read.public_pem().unwrap());
            // RFC 7468 §2.
            let lines: Vec<_> = pem.lines().map(str::len).collect();
            let whole = lines.iter().skip(1).take(lines.len().saturating_sub(3));
            assert!(whole.copied().all(|length| length == 64), "{pem}");
            assert!(lines.iter().all(|length| *length <= 64), "{pem}");
            assert_eq!(ClientKeys::from_pem(&pem).unwrap().omitted_keys(), []);
            let jwk = key.jwk().unwrap().to_string();
            assert_eq!(ClientKeys::from_jwk(&jwk).unwrap().omitted_keys(), []);
            let error = SigningKey::from_pem(&pem).unwrap_err();
            assert!(error.to_string().starts_with("not a private key in PEM"), "{error}");
        }
        assert!(SigningKey::generate("HS256").is_err());
    }
}
