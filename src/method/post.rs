//! `client_secret_post`: id and secret as form parameters (RFC 6749 §2.3.1).

use crate::{
    error::kind::ErrorKind,
    method::{Method, Settings, pair::Pair},
    wire::{
        form::{self, Form},
        limits::Limits,
    },
};

/// A `client_id` and a `client_secret`.
pub(crate) struct Credentials {
    pair: Pair,
}

impl Credentials {
    pub(super) const fn pair(&self) -> &Pair {
        &self.pair
    }
}

pub(super) fn extract(
    secret: &[u8],
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    settings.accept(Method::Post)?;
    // RFC 6749 §2.3.1: `client_id` is REQUIRED beside `client_secret`.
    let client_id = form.client_id.ok_or(ErrorKind::MissingClientId)?;
    limits.check_credential(client_id)?;
    limits.check_credential(secret)?;
    Ok(Credentials { pair: Pair::new(&form::decode(client_id)?, &form::decode(secret)?) })
}
