//! `client_secret_post`: id and secret as form parameters (RFC 6749 §2.3.1).

use crate::{
    error::kind::ErrorKind,
    method::{self, Method, Settings, pair::Pair},
    wire::{form::Form, limits::Limits},
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
    method::accepted(Method::Post, settings)?;
    // RFC 6749 §2.3.1: `client_id` is REQUIRED beside `client_secret`.
    let client_id = form.client_id.ok_or(ErrorKind::MissingClientId)?;
    method::within_limit(client_id, limits)?;
    method::within_limit(secret, limits)?;
    Ok(Credentials { pair: Pair::from_form(client_id, secret)? })
}
