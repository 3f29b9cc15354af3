//! The public keys of a client, prepared once for many verifications.

use std::sync::Arc;

use crate::jose::{
    alg::{Algorithm, Algorithms},
    invalid::{InvalidKeys, OmittedKey},
    set::KeySet,
};

/// The public keys of a `private_key_jwt` client: the registered ones (`jwks`), or where
/// they are published (`jwks_uri`; RFC 7591 §2).
///
/// It is a handle: cloning it copies a pointer. Reading a key takes 0.5 to 10 µs, and the first
/// verification with an RSA key 2 to 20 µs longer than the next. A provider that reads rows may do so for each
/// request. Where that is too much it needs a `CachedProvider` (feature `cache`) around it, or keeps the
/// `ClientKeys` itself, by the text that they were made from: then new keys in the row are used at once.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{RegisteredClient, assertion::ClientKeys};
///
/// let keys = ClientKeys::from_jwks(
///     r#"{"keys": [{
///         "kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig",
///         "x": "BodLhdoiQfn-WhHdjjLMDoCXYp5NjO0SRab3azLC4F8"
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
    /// algorithm are left out, and so is what follows the first 8 keys of one type and curve, or the first
    /// 100 elements of the set. Several entries of one key are one, as programs list a key once for each of
    /// its algorithms.
    /// Keys that somebody else than their owner can sign with are left out, too, as far as that shows at a
    /// glance: points of small order or not on their NIST curve, moduli that are squares or have a prime
    /// factor below 752, those of CVE-2017-15361 (ROCA), and some of which everybody knows the private key,
    /// such as the examples of RFCs. A modulus that is a prime, or a product of primes close to each
    /// other, is not found. [`omitted_keys`](Self::omitted_keys)
    /// says why a key is left out.
    ///
    /// Members that are `null`, `""` or `[]` are absent. Zeros in front of an RSA number or the coordinate
    /// of a point may be missing or too many. A byte order mark is skipped.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if the text is no key set, no key is left, or one of them is private or
    /// symmetric: it is known to everybody who can read the set.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeys> {
        KeySet::registered(json.as_bytes()).map(Self::registered)
    }

    /// Reads the bundle of a SPIFFE trust domain, for [`Trust::spiffe`](crate::assertion::Trust::spiffe): a JSON Web Key
    /// Set of which only the keys of `"use": "jwt-svid"` count. All else is as with [`from_jwks`](Self::from_jwks).
    ///
    /// The keys of a trust domain change often, every few days, so read the bundle again each time.
    ///
    /// # Errors
    ///
    /// As [`from_jwks`](Self::from_jwks).
    pub fn from_spiffe_bundle(json: &str) -> Result<Self, InvalidKeys> {
        KeySet::bundle(json.as_bytes()).map(Self::registered)
    }

    /// Reads one JSON Web Key (RFC 7517 §4), as [`from_jwks`](Self::from_jwks) reads those of a set.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if the text is no key, or the key is private or symmetric, or cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::assertion::ClientKeys;
    ///
    /// let keys = ClientKeys::from_jwk(
    ///     r#"{"kty": "OKP", "crv": "Ed25519", "x": "BodLhdoiQfn-WhHdjjLMDoCXYp5NjO0SRab3azLC4F8"}"#,
    /// )?;
    /// # drop(keys);
    /// # Ok::<(), tower_client_auth::assertion::InvalidKeys>(())
    /// ```
    pub fn from_jwk(json: &str) -> Result<Self, InvalidKeys> {
        KeySet::of_one(json.as_bytes()).map(Self::registered)
    }

    /// Reads public keys in PEM (RFC 7468), one or several: `PUBLIC KEY`, as `openssl pkey -pubout` writes it,
    /// `RSA PUBLIC KEY`, and `CERTIFICATE`, of which only the key counts: neither its validity nor who issued
    /// it.
    ///
    /// The same keys can be used as in [`from_jwks`](Self::from_jwks), and each with all algorithms that it
    /// is good for, unless [`signing_alg`](Self::signing_alg) says otherwise. PEM has no `kid`, and so the
    /// `kid` of an assertion does not matter: of the keys that may have made it two are tried, the old and
    /// the new one of a client that rotates. With three of one type no assertion is accepted. What is between
    /// the blocks is skipped.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if the text is no PEM, no key is left, or one of them is private. It quotes nothing
    /// of the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::assertion::ClientKeys;
    ///
    /// // openssl genpkey -algorithm ed25519 -out key.pem
    /// // openssl pkey -in key.pem -pubout
    /// let keys = ClientKeys::from_pem(
    ///     "-----BEGIN PUBLIC KEY-----
    /// MCowBQYDK2VwAyEABodLhdoiQfn+WhHdjjLMDoCXYp5NjO0SRab3azLC4F8=
    /// -----END PUBLIC KEY-----",
    /// )?;
    /// # drop(keys);
    /// # Ok::<(), tower_client_auth::assertion::InvalidKeys>(())
    /// ```
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKeys> {
        KeySet::of_pem(pem).map(Self::registered)
    }

    /// Reads one public key in DER: a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), an `RSAPublicKey` (RFC 8017
    /// §A.1.1), or the key of a certificate. All else is as with [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is something else, or the key is private or cannot be used.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidKeys> {
        KeySet::of_der(der).map(Self::registered)
    }

    /// Keys that the client publishes at this address. They are fetched by the source of the
    /// [settings](crate::assertion::Assertions::jwks_source) when they are needed; without one the client
    /// never authenticates.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is not an `https` URL.
    pub fn jwks_uri(jwks_uri: &str) -> Result<Self, InvalidKeys> {
        https(jwks_uri).map(|jwks_uri| Self::new(Source::Published(jwks_uri)))
    }

    fn registered(keys: KeySet) -> Self {
        Self::new(Source::Registered(Arc::new(keys)))
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
            _ => Err(InvalidKeys::new("the signing algorithm is not supported")),
        }
    }

    /// The registered keys that are not used, such as those of another type, and why (64 at most).
    #[must_use]
    pub fn omitted_keys(&self) -> &[OmittedKey] {
        match &self.source {
            Source::Registered(keys) => keys.omitted(),
            Source::Published(_) => &[],
        }
    }

    pub(crate) const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// How many bytes of memory the registered keys take.
    #[cfg(feature = "metadata-documents")]
    pub(crate) fn size(&self) -> usize {
        match &self.source {
            Source::Registered(keys) => keys.size(),
            Source::Published(_) => 0,
        }
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }
}

/// Checks a `jwks_uri`. The rest of the URL is checked by the source that fetches it.
///
/// # Errors
///
/// If it is not an `https` URL.
pub(crate) fn https(jwks_uri: &str) -> Result<Arc<str>, InvalidKeys> {
    let https = jwks_uri.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    if https && jwks_uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(jwks_uri.into())
    } else {
        Err(InvalidKeys::new("`jwks_uri` is not an https URL"))
    }
}
