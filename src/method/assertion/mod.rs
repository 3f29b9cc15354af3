//! `private_key_jwt` and `client_secret_jwt`: an assertion as a form parameter (RFC 7521 §4.2, RFC
//! 7523 §2.2). Which of the two it is follows from its algorithm.

mod api;
mod claims;
pub(super) mod decoy;
pub(super) mod fault;
pub(crate) mod federated;
mod read;
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
        assertion::{federated::Federated, read::Assertion, settings::Assertions},
    },
    wire::{
        form::{self, Form},
        limits::Limits,
    },
};

/// Whether this build can check assertions.
pub(super) const AVAILABLE: bool = true;

/// Whether the method has all that it needs.
pub(super) fn is_set_up(settings: &Settings, method: Method) -> bool {
    method != Method::SpiffeJwt || settings.spiffe_jwt
}

pub(super) static MISSING: &str =
    "assertions are accepted where `ClientAuthLayer::assertions` is set";

pub(crate) type Settings = Arc<Assertions>;

const METHODS: [Method; 3] = [Method::PrivateKeyJwt, Method::SecretJwt, Method::SpiffeJwt];

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// As form encoders write it.
const ENCODED_TYPE: &[u8] = b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// JWT-SVIDs (draft-ietf-oauth-spiffe-client-auth).
const SPIFFE_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// What the `client_assertion_type` says that the assertion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Jwt,
    Spiffe,
}

impl Type {
    #[inline]
    fn read(value: &[u8], settings: &Assertions) -> Option<Self> {
        let is = |name| form::equals(value, name).unwrap_or_default();
        if value == ENCODED_TYPE || is(TYPE) {
            Some(Self::Jwt)
        } else {
            (settings.spiffe_jwt && is(SPIFFE_TYPE)).then_some(Self::Spiffe)
        }
    }
}

/// An assertion as it was presented, and what was read of it.
pub(crate) struct Credentials {
    /// The id, which is the `sub` unless the request names the client, and behind it the assertion in its compact form:
    /// one buffer for both.
    text: String,
    id_length: usize,
    assertion: Assertion,
    /// What it says, if the client did not issue it.
    federated: Option<Box<Federated>>,
}

impl Credentials {
    pub(super) fn method(&self) -> Method {
        match &self.federated {
            Some(federated) if !self.assertion.algorithm.is_symmetric() => federated.method(),
            _ => method_of(self.assertion.algorithm),
        }
    }

    /// Issuer and subject, where nothing else tells who the client is.
    pub(super) fn issued(&self) -> Option<(&str, &str)> {
        self.federated.as_ref()?.name()
    }

    /// Keeps the id of the client that was found by issuer and subject.
    pub(crate) fn set_found(&self, client_id: &str) {
        if let Some(federated) = self.federated.as_ref().filter(|one| one.name().is_some()) {
            federated.set_found(client_id);
        }
    }

    /// The id of the client that was found by issuer and subject, if it was refused.
    pub(crate) fn found(&self) -> Option<&str> {
        self.federated.as_ref()?.found()
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
    if !METHODS.iter().any(|method| settings.accepted.contains(*method)) {
        return Err(ErrorKind::MethodNotAccepted);
    }
    let (Some(assertion), Some(assertion_type)) =
        (form.client_assertion, form.client_assertion_type)
    else {
        return Err(InvalidAssertion::Incomplete.into());
    };
    limits.check_credential(assertion)?;
    let assertion_type =
        Type::read(assertion_type, assertions).ok_or(InvalidAssertion::UnknownType)?;
    let compact = form::decode(assertion).map_err(|_malformed| MALFORMED)?;
    let now = guard::hook("clock", || settings.clock.unix_seconds());
    let now = now.ok_or(ErrorKind::Panicked)?;
    let stated = (assertion_type, form.client_id);
    let (assertion, (text, id_length), federated) =
        Assertion::read(&compact, assertions, now, stated, |sub| join(sub, &compact))?;
    let mut credentials = Box::new(Credentials { text, id_length, assertion, federated });
    if let (Some(_), Some(client_id)) = (&credentials.federated, form.client_id) {
        // It is for the client to say who it is.
        let client_id = form::decode(client_id)?;
        let sub = ..credentials.id_length;
        credentials.text.replace_range(sub, &client_id);
        credentials.id_length = client_id.len();
    }
    settings.accept(credentials.method())?;
    // RFC 7521 §4.2: `client_id` is unnecessary beside an assertion, and must agree with it.
    match form.client_id {
        Some(client_id)
            if credentials.federated.is_none()
                && !form::equals(client_id, credentials.client_id())? =>
        {
            Err(ErrorKind::ClientIdMismatch)
        }
        _ => Ok(credentials),
    }
}

/// An id and an assertion, in one buffer.
fn join(id: &str, compact: &str) -> (String, usize) {
    let mut text = String::with_capacity(id.len() + compact.len());
    text.push_str(id);
    text.push_str(compact);
    (text, id.len())
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
    let assertion_type = form.client_assertion_type.and_then(|name| Type::read(name, assertions));
    let stated = (assertion_type.unwrap_or(Type::Jwt), form.client_id);
    let read = Assertion::read(&compact, assertions, 0, stated, |sub| sub.into());
    let (assertion, sub, federated) = read.ok()?;
    let client_id = form.client_id.filter(|_| federated.is_some());
    let client_id = client_id.and_then(|client_id| form::decode(client_id).ok());
    let client_id = client_id.map_or(sub, |client_id| (*client_id).into());
    let method = federated.map(|federated| federated.method());
    let method = method.filter(|_| !assertion.algorithm.is_symmetric());
    Some((method.unwrap_or(method_of(assertion.algorithm)), client_id))
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
