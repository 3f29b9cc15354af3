//! The public keys of a client, prepared once for many verifications.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{error::ErrorKind, jose::alg::Algorithm};

/// More than any client rotates through; each is compared with the `kid`.
const MOST_KEYS: usize = 64;

/// NIST SP 800-57 and RFC 7518 §3.3 ask for 2048 bits at least; beyond 8192 a verification takes
/// milliseconds.
const RSA_OCTETS: std::ops::RangeInclusive<usize> = 256..=1024;

/// The public keys of a `private_key_jwt` client: the ones that are registered (`jwks`), or where
/// they are published (`jwks_uri`; RFC 7591 §2).
///
/// It is a handle: cloning it copies a pointer. Make it once per client and not once per request,
/// because preparing a key takes longer than it looks.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientKeys, RegisteredClient};
///
/// let keys = ClientKeys::from_jwks(
///     r#"{"keys": [{
///         "kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig",
///         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
///     }]}"#,
/// )?;
/// let client = RegisteredClient::private_key_jwt("batch", keys, ());
/// # drop(client);
/// # Ok::<(), tower_client_auth::InvalidKeys>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientKeys {
    source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Registered(Arc<KeySet>),
    Published(Arc<str>),
}

impl ClientKeys {
    /// Reads a JSON Web Key Set (RFC 7517 §5) of public keys: RSA of 2048 to 8192 bits, P-256, P-384,
    /// P-521 and Ed25519.
    ///
    /// Keys of other types, of `"use": "enc"`, without `verify` in their `key_ops` or for another
    /// algorithm are left out.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if the text is no key set, no key is left, or one of them is private or
    /// symmetric: a client that gives away such a key has lost it.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeys> {
        KeySet::parse(json.as_bytes())
            .map(|keys| Self { source: Source::Registered(Arc::new(keys)) })
    }

    /// Keys that the client publishes at this address. They are fetched by the source of the
    /// [settings](crate::Assertions::jwks_source) when they are needed; without one the client
    /// never authenticates.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is not an `https` URL.
    pub fn at(jwks_uri: &str) -> Result<Self, InvalidKeys> {
        // What makes a URL whole is the business of the source that fetches it.
        let https = jwks_uri.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
        if !https || !jwks_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKeys("`jwks_uri` is not an https URL"));
        }
        Ok(Self { source: Source::Published(jwks_uri.into()) })
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }
}

/// A key set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeys(&'static str);

impl InvalidKeys {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self(reason)
    }
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidKeys {}

/// Prepared keys.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Box<[Key]>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

/// RFC 7517 §4, RFC 7518 §6, RFC 8037 §2. Members are read whatever their type: a key that is not
/// understood is left out and does not spoil the set (RFC 7517 §5).
#[derive(Deserialize)]
struct Jwk {
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

impl KeySet {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, InvalidKeys> {
        // The message of the parser may quote the text.
        let document: Document = serde_json::from_slice(json)
            .map_err(|_quotes_the_text| InvalidKeys("not a JSON Web Key Set"))?;
        if document.keys.len() > MOST_KEYS {
            return Err(InvalidKeys("the key set has more than 64 keys"));
        }
        if document.keys.iter().any(Jwk::is_symmetric) {
            return Err(InvalidKeys("the key set holds a symmetric key"));
        }
        if document.keys.iter().any(Jwk::is_private) {
            return Err(InvalidKeys("the key set holds a private key"));
        }
        let keys: Box<[_]> = document.keys.iter().filter_map(Key::prepare).collect();
        if keys.is_empty() {
            return Err(InvalidKeys("the key set has no key that can verify a signature"));
        }
        Ok(Self { keys })
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The one key that may have made a signature (RFC 7515 §4.1.4). The header chooses among the
    /// registered keys and never brings its own; the key says which algorithms it is for.
    pub(crate) fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<&Prepared, ErrorKind> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid)))
            .peekable();
        if named.peek().is_none() {
            return Err(ErrorKind::UnknownKey);
        }
        let mut fitting = named.filter_map(|key| key.for_algorithm(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(ErrorKind::AmbiguousKey),
            (None, _) => Err(ErrorKind::AlgorithmMismatch),
        }
    }

    /// Any key whose signatures are that long.
    pub(crate) fn of_size(&self, algorithm: Algorithm, length: usize) -> Option<&Prepared> {
        self.keys
            .iter()
            .filter_map(|key| key.for_algorithm(algorithm))
            .find(|key| key.signature_length == length)
    }
}

/// A key for one algorithm.
#[derive(Debug)]
pub(crate) struct Prepared {
    algorithm: Algorithm,
    key: ParsedPublicKey,
    signature_length: usize,
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
struct Key {
    kid: Option<Box<str>>,
    prepared: Box<[Prepared]>,
}

impl Key {
    fn prepare(jwk: &Jwk) -> Option<Self> {
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

    fn for_algorithm(&self, algorithm: Algorithm) -> Option<&Prepared> {
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
    let (n, e) = (octets(jwk.n.as_ref())?, octets(jwk.e.as_ref())?);
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    let (first, last) = (*n.first()?, *e.last()?);
    // A modulus of 256 octets may still have fewer than 2048 bits.
    let long_enough = RSA_OCTETS.contains(&n.len()) && (n.len() > 256 || first & 0x80 != 0);
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
    let (x, y) = (octets(jwk.x.as_ref())?, octets(jwk.y.as_ref())?);
    // RFC 7518 §6.2.1.2: full length. SEC 1 §2.3.3: 4 marks an uncompressed point.
    if x.len() != length || y.len() != length {
        return None;
    }
    let point = [&[4], &*x, &*y].concat();
    let key = ParsedPublicKey::new(parameters, point).ok()?;
    Some(vec![Prepared { algorithm, key, signature_length: 2 * length, modulus: None }])
}

fn okp(jwk: &Jwk) -> Option<Vec<Prepared>> {
    let x = octets(jwk.x.as_ref())?;
    if jwk.crv.as_ref()? != "Ed25519" || x.len() != 32 {
        return None;
    }
    let key = ParsedPublicKey::new(&signature::ED25519, x).ok()?;
    Some(vec![Prepared { algorithm: Algorithm::EdDsa, key, signature_length: 64, modulus: None }])
}

fn octets(value: Option<&Value>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(value?.as_str()?).ok()
}

/// RFC 7518 §2 forbids them, and some libraries write the one that DER needs.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

impl Jwk {
    fn is_symmetric(&self) -> bool {
        self.k.is_some() || self.kty.as_ref().is_some_and(|kty| kty == "oct")
    }

    fn is_private(&self) -> bool {
        [self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth].iter().any(Option::is_some)
    }
}
