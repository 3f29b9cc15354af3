//! `private_key_jwt` and `client_secret_jwt`: an assertion as a form parameter (RFC 7521 §4.2, RFC
//! 7523 §2.2). Which of the two it is follows from its algorithm.

mod claims;
mod decoy;
pub(crate) mod read;
pub(crate) mod settings;
pub(crate) mod verify;

use std::str;

use crate::{
    client::Registration,
    error::{Error, ErrorKind},
    iana::Method,
    jose::alg::Algorithms,
    layer::policy::Policy,
    method::{
        Credentials,
        assertion::{read::Assertion, verify::Registered},
    },
    secret::Match,
    wire::form::{self, Form},
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// As form encoders write it.
const ENCODED_TYPE: &[u8] = b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

pub(super) fn extract(form: &Form<'_>, policy: &Policy) -> Result<Credentials, ErrorKind> {
    const MALFORMED: ErrorKind = ErrorKind::MalformedAssertion;

    let settings = policy.assertions.as_deref().ok_or(ErrorKind::MethodNotAccepted)?;
    if !policy.methods.iter().any(Method::is_jwt) {
        return Err(ErrorKind::MethodNotAccepted);
    }
    let (Some(assertion), Some(assertion_type)) =
        (form.client_assertion, form.client_assertion_type)
    else {
        return Err(ErrorKind::IncompleteAssertion);
    };
    super::within_limit(assertion, policy)?;
    if assertion_type != ENCODED_TYPE && !form::equals(assertion_type, TYPE).unwrap_or_default() {
        return Err(ErrorKind::UnknownAssertionType);
    }
    let mut decoded = Vec::new();
    let compact = if form::has_escapes(assertion).map_err(|_control| MALFORMED)? {
        form::decode_into(assertion, &mut decoded).map_err(|_malformed| MALFORMED)?;
        &decoded
    } else {
        assertion
    };
    let compact = str::from_utf8(compact).map_err(|_not_utf8| MALFORMED)?;
    let (assertion, (text, id_length)) = Assertion::read(compact, settings, policy.now(), |sub| {
        let mut text = String::with_capacity(sub.len() + 1 + compact.len());
        text.push_str(sub);
        text.push(':');
        text.push_str(compact);
        (text, sub.len())
    })?;
    let method = assertion.algorithm().method();
    super::accepted(method, policy)?;
    let assertion = Some(Box::new(assertion));
    let credentials = Credentials { method, text, id_length, raw_secret: None, assertion };
    // RFC 7521 §4.2: `client_id` is unnecessary beside an assertion, and must agree with it.
    match form.client_id {
        Some(client_id) if !form::equals(client_id, credentials.client_id())? => {
            Err(ErrorKind::ClientIdMismatch)
        }
        _ => Ok(credentials),
    }
}

/// Holds the assertion against what the client is registered with, and tells which secret it was
/// keyed with, if one was.
///
/// # Errors
///
/// Why it proves nothing, or what failed.
pub(crate) async fn verify(
    presented: &Credentials,
    client: Option<(&Registration, Algorithms)>,
    policy: &Policy,
) -> Result<Option<Match>, Error> {
    let (Some(settings), Some(assertion)) = (&policy.assertions, presented.assertion()) else {
        return Err(ErrorKind::MethodNotAccepted.into());
    };
    // RFC 8725 §3.1: the registration decides, and the header of the assertion has no say.
    let registered = match (client, presented.method) {
        (Some((Registration::PrivateKeyJwt(keys), algorithms)), Method::PrivateKeyJwt) => {
            Ok((Registered::Keys(keys), algorithms))
        }
        (Some((Registration::SecretJwt(secrets, macs), algorithms)), Method::SecretJwt) => {
            Ok((Registered::Secrets(secrets, macs), algorithms))
        }
        (Some((Registration::Unusable(_), _)), _) => Err(ErrorKind::UnusableRegistration),
        (Some(_), _) => Err(ErrorKind::MethodMismatch),
        (None, _) => Err(ErrorKind::UnknownClient),
    };
    let (compact, client_id) = (presented.secret(), presented.client_id());
    settings.verify(assertion, compact, client_id, registered, policy.provider_deadline).await
}
