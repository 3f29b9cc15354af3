//! New secrets.

use std::{fmt, io};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::stored::ClientSecret;

/// A new client secret: 256 bits from the operating system, in base64url (RFC 6749 §10.10 asks for
/// 128 at least).
///
/// Show the text to the client once, and store the digest. `Debug` shows no part of it, and the
/// memory is wiped when it is dropped.
///
/// # Examples
///
/// ```
/// use tower_client_auth::secret::GeneratedSecret;
///
/// let secret = GeneratedSecret::new()?;
/// let response = serde_json::json!({ "client_id": "batch", "client_secret": secret.expose() });
/// let digest: [u8; 32] = secret.sha256(); // INSERT INTO secrets …
/// # assert_eq!(secret.expose().len(), 43);
/// # drop((response, digest));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct GeneratedSecret(Zeroizing<String>);

impl GeneratedSecret {
    /// Makes a secret.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the operating system has no random numbers.
    pub fn new() -> Result<Self, io::Error> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random)?;
        Ok(Self(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*random))))
    }

    /// The text, for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The digest, for the store.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What a provider returns for it.
    #[must_use]
    pub fn to_stored(&self) -> ClientSecret {
        ClientSecret::sha256(self.sha256())
    }
}

impl fmt::Debug for GeneratedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedSecret([redacted])")
    }
}
