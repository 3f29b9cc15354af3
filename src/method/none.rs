//! `none`: a public client names itself and proves nothing (RFC 6749 §2.1, §3.2.1).

use crate::{
    error::kind::ErrorKind,
    method::{Method, Settings},
    wire::{
        form::{self, Form},
        limits::Limits,
    },
};

/// A `client_id` alone.
pub(crate) struct Credentials {
    client_id: String,
}

impl Credentials {
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }
}

pub(super) fn extract(
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    let client_id = form.client_id.ok_or(ErrorKind::NoCredentials)?;
    settings.accept(Method::None)?;
    limits.check_credential(client_id)?;
    let mut text = Vec::with_capacity(client_id.len());
    form::decode_into(client_id, &mut text)?;
    let client_id = String::from_utf8(text).map_err(|_not_utf8| ErrorKind::MalformedParameter)?;
    Ok(Credentials { client_id })
}
