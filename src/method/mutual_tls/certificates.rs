//! The certificates that a client is registered with.

use std::sync::Arc;

use crate::{
    jose::{
        invalid::{InvalidKeys, OmittedKey},
        keys,
        set::KeySet,
    },
    x509::certificate::ClientCertificate,
};

/// The certificates of a `self_signed_tls_client_auth` client: the registered ones, or where they are
/// published (RFC 8705 §2.2.2).
///
/// It is a handle: cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct ClientCertificates(pub(super) Kept);

#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// The SHA-256 of each, and the keys without one.
    Digests(Arc<[[u8; 32]]>, Arc<[OmittedKey]>),
    Published(Arc<str>),
}

impl ClientCertificates {
    /// These certificates, of which `is_verified` does not matter here. Without any the client never
    /// authenticates.
    #[must_use]
    pub fn from_certificates<'a>(
        certificates: impl IntoIterator<Item = &'a ClientCertificate>,
    ) -> Self {
        let digests = certificates.into_iter().map(|one| *one.digest()).collect();
        Self(Kept::Digests(digests, Arc::default()))
    }

    /// The certificates of a JSON Web Key Set: of each key the first member of `x5c` (RFC 7517 §4.7).
    ///
    /// A key is left out without `x5c`, with one that does not begin with a certificate in base64, with `"use":
    /// "enc"`, and without its public members (`kty` with `x` or `n`), by which it is recognized when its
    /// private key is published. They are not compared with the certificate. The other members of `x5c` and
    /// the thumbprints `x5t` and `x5t#S256` do not matter. [`omitted_keys`](Self::omitted_keys) says why a key is left
    /// out.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if the text is no key set, one of the keys is private or symmetric, or no certificate is
    /// left; then it says why of the first keys.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeys> {
        let (set, omitted) = KeySet::certificates_of(json.as_bytes())?;
        Ok(Self(Kept::Digests(set.certificates().into(), omitted.into())))
    }

    /// Certificates in the key set that the client publishes at this address. They are fetched by the source of the
    /// [settings](crate::mutual_tls::MutualTls::jwks_source) when they are needed; without one the client
    /// never authenticates.
    ///
    /// A certificate that is not in the set is refused, and the set is fetched again for the next request,
    /// as it is for an unknown key.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] if it is not an `https` URL.
    pub fn jwks_uri(jwks_uri: &str) -> Result<Self, InvalidKeys> {
        keys::https(jwks_uri).map(|uri| Self(Kept::Published(uri)))
    }

    /// The registered keys whose certificate is not used, or that have none, and why (64 at most).
    #[must_use]
    pub fn omitted_keys(&self) -> &[OmittedKey] {
        match &self.0 {
            Kept::Digests(_, omitted) => omitted,
            Kept::Published(_) => &[],
        }
    }
}
