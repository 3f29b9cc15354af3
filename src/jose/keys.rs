//! The public keys of a client, prepared once for many verifications.

use std::{fmt, sync::Arc};

use serde::Deserialize;

use crate::jose::{
    alg::{Algorithm, Algorithms},
    jwk::{Jwk, Key, Prepared},
};

/// More than any client rotates through; each is compared with the `kid`.
const MOST_KEYS: usize = 64;

/// The public keys of a `private_key_jwt` client: the registered ones (`jwks`), or where
/// they are published (`jwks_uri`; RFC 7591 §2).
///
/// It is a handle: cloning it copies a pointer. Make it once per client and not once per request,
/// because preparing a key takes longer than it looks. A provider that reads rows needs a
/// `CachedProvider` (feature `cache`) around it, or keeps the `ClientKeys` itself, by the text that
/// they were made from: then new keys in the row are used at once.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{RegisteredClient, assertion::ClientKeys};
///
/// let keys = ClientKeys::from_jwks(
///     r#"{"keys": [{
///         "kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig",
///         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
///     }]}"#,
/// )?;
/// let client = RegisteredClient::private_key_jwt("batch", keys, ());
/// # drop(client);
/// # Ok::<(), tower_client_auth::assertion::InvalidKeys>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientKeys {
    source: Source,
    algorithms: Algorithms,
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
    /// symmetric: publishing such a key compromises it.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeys> {
        KeySet::parse(json.as_bytes()).map(|keys| Self::new(Source::Registered(Arc::new(keys))))
    }

    /// Keys that the client publishes at this address. They are fetched by the source of the
    /// [settings](crate::assertion::Assertions::jwks_source) when they are needed; without one the client
    /// never authenticates.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is not an `https` URL.
    pub fn jwks_uri(jwks_uri: &str) -> Result<Self, InvalidKeys> {
        // The rest of the URL is checked by the source that fetches it.
        let https = jwks_uri.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
        if !https || !jwks_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKeys("`jwks_uri` is not an https URL"));
        }
        Ok(Self::new(Source::Published(jwks_uri.into())))
    }

    const fn new(source: Source) -> Self {
        Self { source, algorithms: Algorithms::ALL }
    }

    /// Accepts signatures with this `alg` only (`token_endpoint_auth_signing_alg`, OpenID Connect
    /// Registration §2). Default: whatever the keys are good for.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is not the `alg` of a signature that this crate verifies, such as `none`
    /// or `HS256`.
    pub fn signing_alg(self, alg: &str) -> Result<Self, InvalidKeys> {
        match Algorithm::from_name(alg) {
            Some(algorithm) if !algorithm.is_symmetric() => {
                Ok(Self { algorithms: Algorithms::EMPTY.with(algorithm), ..self })
            }
            _ => Err(InvalidKeys("the signing algorithm is not supported")),
        }
    }

    pub(crate) const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }
}

/// A key set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeys(&'static str);

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidKeys {}

/// Why a set has no key for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// None has the `kid`.
    Unknown,
    /// Several fit.
    Ambiguous,
    /// None is for the algorithm.
    Algorithm,
}

/// Prepared keys.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Box<[Key]>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
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
    pub(crate) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Prepared, NoKey> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid)))
            .peekable();
        if named.peek().is_none() {
            return Err(NoKey::Unknown);
        }
        let mut fitting = named.filter_map(|key| key.for_algorithm(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            (None, _) => Err(NoKey::Algorithm),
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
