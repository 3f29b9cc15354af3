//! `client_secret_post`: id and secret as form parameters (RFC 6749 §2.3.1).

use crate::{
    error::ErrorKind,
    iana::Method,
    layer::policy::Policy,
    method::Credentials,
    secret::{self, ClientSecret, Verdict},
    wire::form::Form,
};

pub(super) fn extract(
    secret: &[u8],
    form: &Form<'_>,
    policy: &Policy,
) -> Result<Credentials, ErrorKind> {
    super::accepted(Method::Post, policy)?;
    // RFC 6749 §2.3.1: `client_id` is REQUIRED beside `client_secret`.
    let client_id = form.client_id.ok_or(ErrorKind::MissingClientId)?;
    super::from_form(Method::Post, client_id, Some(secret), policy)
}

pub(super) fn verify(presented: &Credentials, secrets: &[ClientSecret], now: i64) -> Verdict {
    secret::verify(secrets, presented.secret().as_bytes(), now)
}
