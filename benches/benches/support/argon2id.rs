//! A secret behind a slow hash.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use tower_client_auth::ClientSecret;

use super::BoxError;

/// Hashed with the parameters that OWASP names, which are the default of the crate `argon2`.
pub(crate) fn argon2id(secret: &str) -> Result<ClientSecret, BoxError> {
    let (salt, mut hash) = (b"salt of the test", [0; 32]);
    argon2::Argon2::default()
        .hash_password_into(secret.as_bytes(), salt, &mut hash)
        .map_err(|error| error.to_string())?;
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(hash));
    Ok(ClientSecret::phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}"))?)
}
