//! Secrets as the keys of `client_secret_jwt`, prepared once for many verifications.

use std::fmt;

use aws_lc_rs::hmac;

use crate::jose::alg::Algorithm;

/// A secret for each of the algorithms that it is long enough for: RFC 7518 §3.2, "A key of the
/// same size as the hash output […] or larger MUST be used".
pub(crate) struct MacKeys([Option<hmac::Key>; 3]);

impl MacKeys {
    /// The UTF-8 bytes of the secret are the key (OpenID Connect Core §10.1).
    pub(crate) fn new(secret: &[u8]) -> Self {
        let key =
            |algorithm, length| (secret.len() >= length).then(|| hmac::Key::new(algorithm, secret));
        Self([key(hmac::HMAC_SHA256, 32), key(hmac::HMAC_SHA384, 48), key(hmac::HMAC_SHA512, 64)])
    }

    fn get(&self, algorithm: Algorithm) -> Option<&hmac::Key> {
        let [hs256, hs384, hs512] = &self.0;
        match algorithm {
            Algorithm::Hs256 => hs256.as_ref(),
            Algorithm::Hs384 => hs384.as_ref(),
            Algorithm::Hs512 => hs512.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn can(&self, algorithm: Algorithm) -> bool {
        self.get(algorithm).is_some()
    }

    /// Compares in constant time.
    pub(crate) fn verify(&self, algorithm: Algorithm, signed: &[u8], mac: &[u8]) -> bool {
        let Some(key) = self.get(algorithm) else { return false };
        #[cfg(test)]
        crate::jose::counted::note();
        hmac::verify(key, signed, mac).is_ok()
    }
}

impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
