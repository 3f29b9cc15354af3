//! Requests that present nothing of a client.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    error::{config::ConfigError, kind::ErrorKind},
    wire::{
        attested,
        authorization::{Authorization, Presence, is_basic},
        form::{self, Form},
        limits::Limits,
    },
};

/// Whether such requests are passed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Optional {
    pub(crate) is_set: bool,
    /// Whether a method reads attestations. They are of a client in any case.
    pub(crate) attested: bool,
    /// The authentication schemes that are no business of the layer.
    schemes: Arc<[Box<str>]>,
}

impl Optional {
    pub(super) fn set_schemes<'a>(
        &mut self,
        schemes: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ConfigError> {
        let checked = schemes.into_iter().map(|scheme| {
            if is_token(scheme) && !is_basic(scheme.as_bytes()) {
                Ok(scheme.into())
            } else {
                Err(ConfigError::ForeignScheme(scheme.into()))
            }
        });
        self.schemes = checked.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Whether the request is passed on without a client.
    ///
    /// # Errors
    ///
    /// If it presents a credential of a foreign scheme that is malformed, or one beside something of a client.
    #[inline]
    pub(crate) fn passes(
        &self,
        headers: &HeaderMap,
        authorization: Presence,
        (form, bytes): (&Form<'_>, &[u8]),
        limits: &Limits,
    ) -> Result<bool, ErrorKind> {
        if !self.is_set {
            return Ok(false);
        }
        let is_empty = || form.is_empty() && !form::has_client(bytes);
        self.is_nothing(headers, authorization, is_empty, limits)
    }

    #[cold]
    fn is_nothing(
        &self,
        headers: &HeaderMap,
        authorization: Presence,
        is_empty: impl FnOnce() -> bool,
        limits: &Limits,
    ) -> Result<bool, ErrorKind> {
        let is_attested = attested::are_there(headers);
        match Authorization::read(headers, authorization) {
            Authorization::Absent => match is_empty() {
                true if is_attested && self.attested => Ok(false),
                true if is_attested => Err(ErrorKind::MethodNotAccepted),
                is_empty => Ok(is_empty),
            },
            Authorization::Single(value) => {
                let Some(token) = self.foreign_token(value) else { return Ok(false) };
                // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each
                // request". Whoever reads it behind the layer would see another caller than the layer.
                if is_attested || !is_empty() {
                    return Err(ErrorKind::MultipleMethods);
                }
                limits.check_credential(value)?;
                if is_token68(token) {
                    Ok(true)
                } else if token.contains(&b',') {
                    // RFC 9110 §5.3: several fields may arrive joined by commas.
                    Err(ErrorKind::RepeatedAuthorization)
                } else {
                    Err(ErrorKind::MalformedAuthorization)
                }
            }
            Authorization::Repeated => Ok(false),
        }
    }

    /// What follows the scheme and at least one space, if the scheme is a foreign one (RFC 9110 §11.1,
    /// §11.4).
    fn foreign_token<'a>(&self, authorization: &'a [u8]) -> Option<&'a [u8]> {
        let end = memchr::memchr(b' ', authorization).unwrap_or(authorization.len());
        let (name, token) = authorization.split_at_checked(end)?;
        let is_foreign =
            self.schemes.iter().any(|scheme| name.eq_ignore_ascii_case(scheme.as_bytes()));
        let spaces = token.iter().take_while(|byte| **byte == b' ').count();
        if is_foreign { token.get(spaces..) } else { None }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

/// RFC 9110 §11.2.
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let (token, _) = token.split_at_checked(token.len() - padding).unwrap_or_default();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !token.is_empty() && token.iter().all(is_part)
}
