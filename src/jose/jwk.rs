//! One public key (RFC 7517 §4), prepared for many verifications.

use std::sync::Arc;

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::jose::alg::Algorithm;

/// NIST SP 800-57 and RFC 7518 §3.3 ask for 2048 bits at least; beyond 8192 a verification takes
/// milliseconds.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// RFC 7517 §4, RFC 7518 §6, RFC 8037 §2. Members are read whatever their type: a key that is not
/// understood is left out and does not spoil the set (RFC 7517 §5).
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: Option<Value>,
    #[serde(rename = "use")]
    key_use: Option<Value>,
    key_ops: Option<Value>,
    alg: Option<Value>,
    kid: Option<Value>,
    crv: Option<Value>,
    x: Option<Value>,
    y: Option<Value>,
    n: Option<Value>,
    e: Option<Value>,
    k: Option<IgnoredAny>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

/// A key for one algorithm.
#[derive(Debug)]
pub(crate) struct Prepared {
    algorithm: Algorithm,
    key: ParsedPublicKey,
    pub(crate) signature_length: usize,
    /// The modulus of an RSA key.
    modulus: Option<Arc<[u8]>>,
}

impl Prepared {
    /// Whether the signature is the key's, or `None` if it has another length or, as a number, is
    /// not below the modulus (RFC 8017 §5.2.2): that is found out without any work.
    pub(crate) fn verify(&self, signed: &[u8], signature: &[u8]) -> Option<bool> {
        let in_range = signature.len() == self.signature_length
            && self.modulus.as_ref().is_none_or(|modulus| signature < &**modulus);
        in_range.then(|| self.key.verify_sig(signed, signature).is_ok())
    }
}

/// A key, prepared for each algorithm that it may be used with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) kid: Option<Box<str>>,
    prepared: Box<[Prepared]>,
}

impl Key {
    pub(crate) fn prepare(jwk: &Jwk) -> Option<Self> {
        let for_signatures = jwk.key_use.as_ref().is_none_or(|value| value == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| {
                ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"))
            });
        if !for_signatures {
            return None;
        }
        let kid = match &jwk.kid {
            None => None,
            Some(kid) => Some(kid.as_str()?.into()),
        };
        let prepared = match jwk.kty.as_ref()?.as_str()? {
            "RSA" => rsa(jwk)?,
            "EC" => ec(jwk)?,
            "OKP" => okp(jwk)?,
            _ => return None,
        };
        let prepared: Box<[_]> = match &jwk.alg {
            None => prepared.into(),
            Some(alg) => {
                let only = Algorithm::from_name(alg.as_str()?)?;
                prepared.into_iter().filter(|key| key.algorithm == only).collect()
            }
        };
        (!prepared.is_empty()).then_some(Self { kid, prepared })
    }

    pub(crate) fn for_algorithm(&self, algorithm: Algorithm) -> Option<&Prepared> {
        self.prepared.iter().find(|key| key.algorithm == algorithm)
    }
}

fn rsa(jwk: &Jwk) -> Option<Vec<Prepared>> {
    const PARAMETERS: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let (n, e) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    let (first, last) = (*n.first()?, *e.last()?);
    // A modulus of 256 bytes may still have fewer than 2048 bits.
    let long_enough = RSA_BYTES.contains(&n.len()) && (n.len() > 256 || first & 0x80 != 0);
    // An exponent of 1 makes every message its own signature; a long one only costs time.
    if !long_enough || e.len() > 4 || last & 1 == 0 || e == [1] {
        return None;
    }
    let modulus: Arc<[u8]> = n.into();
    let components = RsaPublicKeyComponents { n, e };
    PARAMETERS
        .into_iter()
        .map(|(algorithm, parameters)| {
            let key = components.to_parsed_public_key(parameters).ok()?;
            let modulus = Some(Arc::clone(&modulus));
            Some(Prepared { algorithm, key, signature_length: n.len(), modulus })
        })
        .collect()
}

fn ec(jwk: &Jwk) -> Option<Vec<Prepared>> {
    let (algorithm, parameters, length): (_, &'static EcdsaVerificationAlgorithm, _) =
        match jwk.crv.as_ref()?.as_str()? {
            "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66),
            _ => return None,
        };
    let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
    // RFC 7518 §6.2.1.2: full length. SEC 1 §2.3.3: 4 marks an uncompressed point.
    if x.len() != length || y.len() != length {
        return None;
    }
    let point = [&[4], &*x, &*y].concat();
    let key = ParsedPublicKey::new(parameters, point).ok()?;
    Some(vec![Prepared { algorithm, key, signature_length: 2 * length, modulus: None }])
}

fn okp(jwk: &Jwk) -> Option<Vec<Prepared>> {
    let x = bytes(jwk.x.as_ref())?;
    if jwk.crv.as_ref()? != "Ed25519" || x.len() != 32 {
        return None;
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x).ok()?;
    Some(vec![Prepared { algorithm: Algorithm::EdDsa, key, signature_length: 64, modulus: None }])
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(value?.as_str()?).ok()
}

/// RFC 7518 §2 forbids them, and some libraries write the one that DER needs.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

impl Jwk {
    pub(crate) fn is_symmetric(&self) -> bool {
        self.k.is_some() || self.kty.as_ref().is_some_and(|kty| kty == "oct")
    }

    pub(crate) fn is_private(&self) -> bool {
        [self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth].iter().any(Option::is_some)
    }
}
