//! Mutual TLS without the feature `mtls`: no certificate is seen.

use std::{convert::Infallible, time::Duration};

use http::{Extensions, HeaderName, request::Parts};

use crate::{
    error::{Error, cause::Cause, kind::ErrorKind, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    method::{self, Method, verification::Verification},
    wire::{form::Form, limits::Limits},
};

pub(super) const AVAILABLE: bool = false;

pub(crate) type Settings = Infallible;

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum Certificate {}

impl Certificate {
    pub(crate) const fn thumbprint(&self) -> &str {
        match *self {}
    }
}

/// There are none.
pub(crate) enum Credentials {}

impl Credentials {
    pub(super) const fn method(&self) -> Option<Method> {
        match *self {}
    }

    pub(super) const fn client_id(&self) -> &str {
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
        let problem = format!("the method {:?} needs the feature `mtls`", method.as_str());
        Err(Problem::Invalid(method.clone(), problem.into()))
    }

    pub(super) const fn method(&self) -> Method {
        match *self {}
    }

    pub(super) const fn omitted_keys(&self) -> Vec<String> {
        match *self {}
    }
}

pub(crate) fn headers(_settings: &method::Settings) -> impl Iterator<Item = &HeaderName> {
    std::iter::empty()
}

pub(super) const fn is_set_up(_settings: &Settings, _method: Method) -> bool {
    false
}

pub(crate) const fn cause_of(
    _kind: ErrorKind,
    _extensions: &Extensions,
    _settings: &method::Settings,
) -> Option<Cause> {
    None
}

pub(super) const fn missing(_settings: &method::Settings) -> ErrorKind {
    ErrorKind::MethodMismatch
}

pub(super) const fn refusal(_settings: &method::Settings) -> ErrorKind {
    ErrorKind::MethodNotAccepted
}

#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
pub(crate) const fn find(_head: &mut Parts, _settings: &method::Settings) -> Result<(), Error> {
    Ok(())
}

pub(crate) const fn found<'a>(
    _head: &'a Parts,
    _settings: &method::Settings,
) -> Option<&'a Certificate> {
    None
}

pub(super) const fn extract(
    certificate: &Certificate,
    _form: &Form<'_>,
    _settings: &method::Settings,
    _limits: &Limits,
) -> Result<method::Credentials, ErrorKind> {
    match *certificate {}
}

pub(super) const fn verify<'a>(
    presented: &'a Credentials,
    _known: Option<&'a method::Registration>,
    _settings: &'a method::Settings,
    _timeout: Option<Duration>,
) -> Verification<'a> {
    match *presented {}
}
