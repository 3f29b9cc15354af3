//! `none`: a public client names itself and proves nothing (RFC 6749 §2.1, §3.2.1).

use crate::{
    error::kind::ErrorKind,
    method::{Method, Settings, mutual_tls},
    wire::{
        form::{self, Form},
        limits::Limits,
        text::Text,
    },
};

/// A `client_id` alone.
pub(crate) struct Credentials {
    /// One like a UUID has 36 bytes.
    client_id: Text<60>,
}

impl Credentials {
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }
}

#[inline]
pub(super) fn extract(
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    let client_id = form.client_id.ok_or(ErrorKind::NoCredentials)?;
    settings.accept(Method::None).map_err(|_refused| mutual_tls::refusal(settings))?;
    limits.check_credential(client_id)?;
    Ok(Credentials { client_id: Text::from(&*form::decode(client_id)?) })
}
