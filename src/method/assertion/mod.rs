//! `private_key_jwt` and `client_secret_jwt`: an assertion as a form parameter (RFC 7521 §4.2, RFC
//! 7523 §2.2). Which of the two it is follows from its algorithm.

mod api;
mod claims;
pub(super) mod decoy;
pub(super) mod fault;
pub(super) mod read;
pub(crate) mod registration;
pub(crate) mod settings;
pub(super) mod signature;
pub(super) mod verify;

pub(crate) use self::registration::Registration;
pub(super) use self::verify::verify;

use std::{str, sync::Arc};

use crate::{
    error::{Error, assertion::InvalidAssertion, kind::ErrorKind},
    isolate::guard,
    jose::alg::Algorithm,
    method::{
        self, Method,
        assertion::{read::Assertion, settings::Assertions},
    },
    wire::{
        form::{self, Form},
        limits::Limits,
    },
};

/// Whether this build can check assertions.
pub(super) const AVAILABLE: bool = true;

pub(super) static MISSING: &str =
    "assertions are accepted where `ClientAuthLayer::assertions` is set";

pub(crate) type Settings = Arc<Assertions>;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// As form encoders write it.
const ENCODED_TYPE: &[u8] = b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// An assertion as it was presented, and what was read of it.
pub(crate) struct Credentials {
    /// The `sub`, and behind it the assertion in its compact form: one buffer for both.
    text: String,
    id_length: usize,
    assertion: Assertion,
}

impl Credentials {
    pub(super) const fn method(&self) -> Method {
        method_of(self.assertion.algorithm)
    }

    pub(super) fn client_id(&self) -> &str {
        self.text.get(..self.id_length).unwrap_or_default()
    }

    pub(super) const fn has_key_in_header(&self) -> bool {
        self.assertion.has_key_in_header
    }

    fn compact(&self) -> &str {
        self.text.get(self.id_length..).unwrap_or_default()
    }
}

/// The method that an algorithm belongs to: a public key must never serve as a secret (RFC 8725
/// §2.1).
const fn method_of(algorithm: Algorithm) -> Method {
    if algorithm.is_symmetric() { Method::SecretJwt } else { Method::PrivateKeyJwt }
}

pub(super) fn extract(
    form: &Form<'_>,
    settings: &method::Settings,
    limits: &Limits,
) -> Result<Box<Credentials>, ErrorKind> {
    const MALFORMED: InvalidAssertion = InvalidAssertion::Malformed;

    let assertions = settings.assertions.as_deref().ok_or(ErrorKind::MethodNotAccepted)?;
    if ![Method::PrivateKeyJwt, Method::SecretJwt].iter().any(|m| settings.accepted.contains(*m)) {
        return Err(ErrorKind::MethodNotAccepted);
    }
    let (Some(assertion), Some(assertion_type)) =
        (form.client_assertion, form.client_assertion_type)
    else {
        return Err(InvalidAssertion::Incomplete.into());
    };
    limits.check_credential(assertion)?;
    if assertion_type != ENCODED_TYPE && !form::equals(assertion_type, TYPE).unwrap_or_default() {
        return Err(InvalidAssertion::UnknownType.into());
    }
    let compact = form::decode(assertion).map_err(|_malformed| MALFORMED)?;
    let now = guard::hook("clock", || settings.clock.unix_seconds());
    let now = now.ok_or(ErrorKind::Panicked)?;
    let (assertion, (text, id_length)) = Assertion::read(&compact, assertions, now, |sub| {
        let mut text = String::with_capacity(sub.len() + compact.len());
        text.push_str(sub);
        text.push_str(&compact);
        (text, sub.len())
    })?;
    settings.accept(method_of(assertion.algorithm))?;
    let credentials = Box::new(Credentials { text, id_length, assertion });
    // RFC 7521 §4.2: `client_id` is unnecessary beside an assertion, and must agree with it.
    match form.client_id {
        Some(client_id) if !form::equals(client_id, credentials.client_id())? => {
            Err(ErrorKind::ClientIdMismatch)
        }
        _ => Ok(credentials),
    }
}

/// The method and the `sub` of an assertion that nothing is believed of, for the operator.
pub(super) fn named(
    form: &Form<'_>,
    settings: &method::Settings,
    limits: &Limits,
) -> Option<(Method, Box<str>)> {
    let (assertions, assertion) = (settings.assertions.as_deref()?, form.client_assertion?);
    limits.check_credential(assertion).ok()?;
    let compact = form::decode(assertion).ok()?;
    let (assertion, client_id) = Assertion::read(&compact, assertions, 0, |sub| sub.into()).ok()?;
    Some((method_of(assertion.algorithm), client_id))
}

impl From<InvalidAssertion> for ErrorKind {
    fn from(invalid: InvalidAssertion) -> Self {
        Self::Assertion(invalid)
    }
}

impl From<InvalidAssertion> for Error {
    fn from(invalid: InvalidAssertion) -> Self {
        ErrorKind::from(invalid).into()
    }
}

#[cfg(test)]
mod tests;
