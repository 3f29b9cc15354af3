//! What a request has to say of its refusal, for the operator.

use http::request::Parts;

use crate::{
    error::{cause::Cause, kind::ErrorKind},
    method::{Credentials, Settings, assertion, attestation, basic},
    wire::{
        authorization::{Authorization, Presence},
        form::Form,
    },
};

/// Before any look-up: which setting a refused request asks for, or what is wrong with its assertion.
#[cold]
pub(crate) fn missing(kind: ErrorKind, form: &Form<'_>, settings: &Settings) -> Option<Cause> {
    let is_assertion = form.client_assertion.or(form.client_assertion_type).is_some();
    let is_missing = kind == ErrorKind::MethodNotAccepted && settings.assertions.is_none();
    match is_assertion && is_missing {
        true => Some(Cause::Advice(&assertion::MISSING)),
        false => assertion::fault::of(kind, form),
    }
}

/// What is wrong with the header of a refused request.
#[cold]
pub(crate) fn fault(
    kind: ErrorKind,
    head: &Parts,
    presence: Presence,
    settings: &Settings,
) -> Option<Cause> {
    match Authorization::read(&head.headers, presence) {
        Authorization::Single(value) if kind == ErrorKind::MalformedAuthorization => {
            basic::fault(value).map(Cause::Advice)
        }
        _ => attestation::cause_of(kind, head, settings),
    }
}

/// What is wrong with what a client presented that was looked up.
#[cold]
pub(crate) fn presented(kind: ErrorKind, presented: &Credentials) -> Option<Cause> {
    match presented {
        Credentials::Assertion(assertion) => assertion::fault::without_key(kind, assertion),
        Credentials::Attestation(attestation) => self::presented(kind, attestation.beside()?),
        _ => None,
    }
}
