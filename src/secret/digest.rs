//! Digests as text.

use std::fmt;

use crate::secret::stored::ClientSecret;

impl ClientSecret {
    /// As [`sha256`](Self::sha256), with the digest as 64 hexadecimal digits, upper or lower case, as
    /// `sha256sum` and most databases have it.
    ///
    /// # Errors
    ///
    /// [`InvalidDigest`] if it is something else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::ClientSecret;
    ///
    /// // printf %s gX9kWZ2c6qyVbDmC5rN1uA | sha256sum
    /// let secret = ClientSecret::sha256_hex(
    ///     "00af03a13bfd020999b603d45b0c7b3acb32d184472e4fe2b995650ac0fb4fca",
    /// )?;
    /// # drop(secret);
    /// # Ok::<(), tower_client_auth::secret::InvalidDigest>(())
    /// ```
    pub fn sha256_hex(digest: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        let pairs = digest.as_bytes().chunks(2);
        if pairs.len() != bytes.len() {
            return Err(InvalidDigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair else { return Err(InvalidDigest) };
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Ok(Self::sha256(bytes))
    }
}

fn value(digit: u8) -> Result<u8, InvalidDigest> {
    let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    value.ok_or(InvalidDigest)
}

/// Why a text cannot be a [`ClientSecret::sha256_hex`]: it is not 64 hexadecimal digits. It does not show the
/// text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidDigest;

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 digest has 64 hexadecimal digits, and nothing else")
    }
}

impl std::error::Error for InvalidDigest {}
