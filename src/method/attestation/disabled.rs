//! Attestations without the feature `unstable-attestation`: their headers say nothing.

use std::{convert::Infallible, time::Duration};

use http::{HeaderMap, HeaderName, Response, request::Parts};

use crate::{
    error::{cause::Cause, kind::ErrorKind, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    method::{self, Method, State, verification::Verification},
    wire::{authorization::Presence, form::Form, limits::Limits},
};

pub(super) const AVAILABLE: bool = false;

pub(crate) type Settings = Infallible;

/// There is none.
#[derive(Clone)]
pub(crate) enum Thumbprint {}

/// There are none.
pub(crate) enum Credentials {}

impl Credentials {
    pub(super) const fn method(&self) -> Option<Method> {
        match *self {}
    }

    pub(super) const fn client_id(&self) -> &str {
        match *self {}
    }

    pub(super) const fn beside(&self) -> Option<&method::Credentials> {
        match *self {}
    }

    pub(crate) const fn thumbprint(&self) -> Thumbprint {
        match *self {}
    }

    pub(crate) const fn instance(&self) -> &str {
        match *self {}
    }
}

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum Registration {}

impl Registration {
    pub(super) fn from_metadata(metadata: &ClientMetadata) -> Result<Self, Problem> {
        Self::from_method(&metadata.auth_method())
    }

    pub(super) fn from_method(method: &AuthMethod) -> Result<Self, Problem> {
        let problem =
            format!("the method {:?} needs the feature `unstable-attestation`", method.as_str());
        Err(Problem::Invalid(method.clone(), problem.into()))
    }

    pub(super) const fn cause_of(
        &self,
        _kind: ErrorKind,
        _settings: &method::Settings,
    ) -> Option<Cause> {
        match *self {}
    }
}

pub(super) const fn is_set_up(settings: &Settings) -> bool {
    match *settings {}
}

pub(super) const fn is_presented(_head: &Parts, _settings: &method::Settings) -> bool {
    false
}

pub(crate) fn headers(_settings: &method::Settings) -> impl Iterator<Item = &HeaderName> {
    std::iter::empty()
}

pub(super) const fn missing(_settings: &method::Settings) -> ErrorKind {
    ErrorKind::MethodMismatch
}

pub(super) const fn extract(
    _head: &Parts,
    _authorization: Presence,
    _form: &Form<'_>,
    _settings: &method::Settings,
    _limits: &Limits,
) -> Result<(Box<Credentials>, bool), ErrorKind> {
    Err(ErrorKind::MethodNotAccepted)
}

#[expect(clippy::boxed_local, reason = "as with the feature")]
pub(super) fn put_beside(
    attested: Box<Credentials>,
    _found: &mut Result<method::Credentials, ErrorKind>,
) {
    match *attested {}
}

pub(super) const fn named(
    _headers: &HeaderMap,
    _settings: &method::Settings,
    _limits: &Limits,
) -> Option<Box<str>> {
    None
}

pub(super) const fn cause_of(
    _kind: ErrorKind,
    _head: &Parts,
    _settings: &method::Settings,
) -> Option<Cause> {
    None
}

pub(super) const fn verify<'a>(
    presented: &'a Credentials,
    _registration: Option<&'a method::Registration>,
    _settings: &'a method::Settings,
    _state: &'a State,
    _timeout: Option<Duration>,
) -> Verification<'a> {
    match *presented {}
}

/// There is none.
pub(crate) enum NextChallenge {}

impl NextChallenge {
    pub(crate) const fn send(_settings: &method::Settings, _head: &mut Parts) {}

    pub(crate) const fn receive(_head: &mut Parts) -> Option<Self> {
        None
    }

    pub(crate) const fn put<B>(&self, _response: Response<B>) -> Response<B> {
        match *self {}
    }
}

pub(crate) const fn answer(
    _kind: ErrorKind,
    _settings: &method::Settings,
    _headers: &mut HeaderMap,
) {
}
