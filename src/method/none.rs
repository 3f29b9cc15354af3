//! `none`: a public client names itself and proves nothing (RFC 6749 §2.1, §3.2.1).

use crate::{
    error::ErrorKind, iana::Method, layer::policy::Policy, method::Credentials, secret::Verdict,
    wire::form::Form,
};

pub(super) fn extract(form: &Form<'_>, policy: &Policy) -> Result<Credentials, ErrorKind> {
    let client_id = form.client_id.ok_or(ErrorKind::NoCredentials)?;
    super::accepted(Method::None, policy)?;
    super::from_form(Method::None, client_id, None, policy)
}

/// There is nothing to compare, and so nothing that could match.
pub(super) const fn verify() -> Verdict {
    Err(ErrorKind::WrongSecret)
}
