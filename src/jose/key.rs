//! One public key, checked when it is read and prepared when it is used.

#[cfg(feature = "unstable-attestation")]
mod alone;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};

use crate::jose::{
    alg::{Algorithm, Algorithms},
    invalid::Fault,
    jwk::Jwk,
    spki, weak,
};

/// NIST SP 800-57 and RFC 7518 §3.3 ask for 2048 bits at least; beyond 8192 a verification takes
/// milliseconds.
const SHORTEST_MODULUS: usize = 256;
const LONGEST_MODULUS: usize = 1024;

/// What the library keeps of a key once it has been used, in bytes: measured, and rounded up. Of an RSA
/// key it keeps five numbers as long as the modulus, too.
const PREPARED: usize = 768;

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// A key, and the algorithms that it may be used with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) kid: Option<Box<str>>,
    pub(crate) algorithms: Algorithms,
    /// Entries of a set may share it.
    pub(crate) public: Arc<Public>,
}

#[derive(Debug)]
pub(crate) enum Public {
    Rsa(RsaKey),
    /// Of a type that has but one algorithm.
    Point(Algorithm, ParsedPublicKey),
}

/// Prepared for an algorithm when it is first used with it, because hardly any client uses two.
#[derive(Debug)]
pub(crate) struct RsaKey {
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
    prepared: [OnceLock<Option<Box<ParsedPublicKey>>>; RSA.len()],
}

impl Key {
    /// # Errors
    ///
    /// What keeps it from being used.
    pub(crate) fn read(jwk: &Jwk<'_>) -> Result<Self, Fault> {
        if let Some(fault) = jwk.malformed.or(jwk.secret()) {
            return Err(fault);
        }
        if jwk.text("use")?.is_some_and(|value| value != "sig") {
            return Err(Fault::of("use", "is not `sig`"));
        }
        if !jwk.may_verify() {
            return Err(Fault::of("key_ops", "does not list `verify`"));
        }
        let kid = jwk.kid()?.map(Box::from);
        let public = match &*jwk.required("kty")? {
            "RSA" => Public::Rsa(RsaKey::read(jwk)?),
            "EC" => ec(jwk)?,
            "OKP" => okp(jwk)?,
            "RSASSA-PSS" => {
                return Err(Fault::of("kty", "is RSASSA-PSS: make it RSA, which signs both ways"));
            }
            _ => return Err(Fault::of("kty", "is not RSA, EC or OKP")),
        };
        let possible = public.algorithms();
        let algorithms = match jwk.text("alg")? {
            None => possible,
            Some(alg) => Algorithm::from_name(&alg)
                .filter(|algorithm| possible.contains(*algorithm))
                .map(|only| Algorithms::EMPTY.with(only))
                .ok_or(Fault::of("alg", "is no signature algorithm for such a key"))?,
        };
        Ok(Self { kid, algorithms, public: Arc::new(public) })
    }

    pub(crate) const fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(algorithm)
    }

    /// Whether both are entries of one key.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.public, &other.public)
    }

    /// In bytes.
    pub(crate) fn signature_length(&self) -> usize {
        match &*self.public {
            Public::Rsa(key) => key.modulus.len(),
            Public::Point(Algorithm::Es384, _) => 96,
            Public::Point(Algorithm::Es512, _) => 132,
            Public::Point(..) => 64,
        }
    }

    /// How many bytes the entry takes up.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.kid.as_ref().map_or(0, |kid| kid.len())
    }

    /// Whether a verification takes much longer than one of ES256.
    pub(crate) fn is_slow(&self, algorithm: Algorithm) -> bool {
        // An exponent of 32 bits costs up to four times as much as the usual one.
        let long_exponent = match &*self.public {
            Public::Rsa(key) => {
                key.exponent.iter().fold(0, |e, byte| e << 8 | u64::from(*byte)) > 65_537
            }
            Public::Point(..) => false,
        };
        long_exponent || algorithm.is_slow(self.signature_length())
    }

    /// Whether the signature is the key's, or `None` if it has another length or, as a number, is
    /// not below the modulus (RFC 8017 §5.2.2): that is found out without any work.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        if signature.len() != self.signature_length() || !self.is_for(algorithm) {
            return None;
        }
        let prepared = match &*self.public {
            Public::Rsa(key) if signature >= &*key.modulus => return None,
            Public::Rsa(key) => key.prepared(algorithm)?,
            Public::Point(_, key) => key,
        };
        #[cfg(test)]
        crate::jose::counted::note();
        Some(prepared.verify_sig(signed, signature).is_ok())
    }
}

impl Public {
    /// Whether they are of one type and, if points, on one curve.
    pub(crate) const fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rsa(_), Self::Rsa(_)) => true,
            (Self::Point(one, _), Self::Point(other, _)) => *one as u8 == *other as u8,
            _ => false,
        }
    }

    /// How many bytes it takes up at most, prepared for each of these algorithms.
    pub(crate) fn size(&self, algorithms: Algorithms) -> usize {
        let held = match self {
            Self::Rsa(key) => {
                let prepared = RSA.iter().filter(|(algorithm, _)| algorithms.contains(*algorithm));
                let modulus = key.modulus.len();
                modulus + prepared.count() * (PREPARED + 5 * modulus)
            }
            Self::Point(..) => PREPARED,
        };
        size_of::<Self>() + held
    }

    fn algorithms(&self) -> Algorithms {
        match self {
            Self::Rsa(_) => {
                RSA.iter().fold(Algorithms::EMPTY, |all, (algorithm, _)| all.with(*algorithm))
            }
            Self::Point(algorithm, _) => Algorithms::EMPTY.with(*algorithm),
        }
    }
}

impl PartialEq for Public {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rsa(one), Self::Rsa(other)) => {
                (&one.modulus, &one.exponent) == (&other.modulus, &other.exponent)
            }
            (Self::Point(curve, one), Self::Point(other_curve, other)) => {
                curve == other_curve && one.as_ref() == other.as_ref()
            }
            _ => false,
        }
    }
}

impl RsaKey {
    fn read(jwk: &Jwk<'_>) -> Result<Self, Fault> {
        let (modulus, exponent) = (jwk.number("n")?, jwk.number("e")?);
        // A modulus of 256 bytes may still have fewer than 2048 bits.
        let short = modulus.len() == SHORTEST_MODULUS
            && modulus.first().is_none_or(|first| first & 0x80 == 0);
        if modulus.len() < SHORTEST_MODULUS || short {
            return Err(Fault::of("n", "has fewer than 2048 bits"));
        }
        if modulus.len() > LONGEST_MODULUS {
            return Err(Fault::of("n", "has more than 8192 bits"));
        }
        // An exponent of 1 makes every message its own signature; a long one only costs time.
        if exponent.last().is_none_or(|last| last & 1 == 0) || exponent == [1] {
            return Err(Fault::of("e", "is 1 or even"));
        }
        if exponent.len() > 4 {
            return Err(Fault::of("e", "has more than 32 bits"));
        }
        if let Some(reason) = weak::modulus(&modulus) {
            return Err(Fault::of("n", reason));
        }
        let (modulus, exponent) = (modulus.into(), exponent.into());
        Ok(Self { modulus, exponent, prepared: Default::default() })
    }

    fn prepared(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let index = RSA.iter().position(|(known, _)| *known == algorithm)?;
        let (_, parameters) = RSA.get(index)?;
        let components = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        let prepare = || components.to_parsed_public_key(parameters).map(Box::new).ok();
        self.prepared.get(index)?.get_or_init(prepare).as_deref()
    }
}

fn ec(jwk: &Jwk<'_>) -> Result<Public, Fault> {
    let (algorithm, parameters, length, before): (_, &'static EcdsaVerificationAlgorithm, _, _) =
        match &*jwk.required("crv")? {
            "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32, spki::P256),
            "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48, spki::P384),
            "P-521" => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66, spki::P521),
            "secp256k1" => return Err(Fault::of("crv", "is secp256k1, not P-256, P-384 or P-521")),
            _ => return Err(Fault::of("crv", "is not P-256, P-384 or P-521")),
        };
    // As DER, because the library tries that first: it validates a bare point once more.
    let mut point = Vec::with_capacity(before.len() + 2 * length);
    point.extend(before);
    for name in ["x", "y"] {
        let coordinate = jwk.number(name)?;
        let Some(zeros) = length.checked_sub(coordinate.len()) else {
            return Err(Fault::of(name, "is longer than the field of the curve"));
        };
        if let Some(reason) = weak::coordinate(&coordinate).filter(|_| name == "x") {
            return Err(Fault::of(name, reason));
        }
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend(coordinate);
    }
    let key = ParsedPublicKey::new(parameters, point)
        .map_err(|_unspecific| Fault::whole("is not a point on its curve"))?;
    Ok(Public::Point(algorithm, key))
}

fn okp(jwk: &Jwk<'_>) -> Result<Public, Fault> {
    match &*jwk.required("crv")? {
        "Ed25519" => {}
        "X25519" => return Err(Fault::of("crv", "is X25519, which cannot sign, not Ed25519")),
        _ => return Err(Fault::of("crv", "is not Ed25519")),
    }
    let x = jwk.bytes("x")?;
    let Ok(x) = <&[u8; 32]>::try_from(&*x) else {
        return Err(Fault::of("x", "does not have 32 bytes"));
    };
    if let Some(reason) = weak::ed25519(x) {
        return Err(Fault::of("x", reason));
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x)
        .map_err(|_unspecific| Fault::whole("is not a point on its curve"))?;
    Ok(Public::Point(Algorithm::EdDsa, key))
}
