//! Assertions without the feature `jwt`: they are seen, counted as a method and refused.

use std::{convert::Infallible, future::Future, iter, pin::Pin, time::Duration};

use crate::{
    error::{Error, cause::Cause, kind::ErrorKind, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    isolate::pool::Pool,
    method::{self, Method, issued::Issued, verification::Proof},
    secret::{comparison::Secrets, stored::ClientSecret},
    wire::{form::Form, limits::Limits},
};

pub(super) const AVAILABLE: bool = false;

pub(super) static MISSING: &str = "assertions need the feature `jwt`, which this build is without";

pub(crate) type Settings = Infallible;

/// There are none.
pub(crate) enum Credentials {}

impl Credentials {
    pub(super) const fn method(&self) -> Method {
        match *self {}
    }

    pub(super) const fn client_id(&self) -> &str {
        match *self {}
    }

    pub(super) const fn has_key_in_header(&self) -> bool {
        match *self {}
    }

    pub(super) const fn issued(&self) -> Option<(&str, &str)> {
        match *self {}
    }

    pub(crate) const fn set_found(&self, _client_id: &str) {
        match *self {}
    }

    pub(crate) const fn found(&self) -> Option<&str> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Registration {}

pub(super) const fn is_set_up(settings: &Settings, _method: Method) -> bool {
    match *settings {}
}

impl Registration {
    pub(super) fn from_secrets<S>(
        method: &AuthMethod,
        _secrets: Option<S>,
    ) -> Result<Self, Problem> {
        Err(needs_feature(method))
    }

    pub(super) fn from_metadata(
        metadata: &ClientMetadata,
        _secret: Option<ClientSecret>,
    ) -> Result<Self, Problem> {
        Err(needs_feature(&metadata.auth_method()))
    }

    pub(crate) const fn method(&self) -> Method {
        match *self {}
    }

    pub(super) const fn cause_of(
        &self,
        _kind: ErrorKind,
        _settings: &method::Settings,
    ) -> Option<Cause> {
        match *self {}
    }

    pub(crate) const fn omitted_keys(&self) -> Vec<String> {
        match *self {}
    }

    pub(super) fn with_secrets(&self, _secrets: Option<Secrets>) -> Result<Self, Problem> {
        match *self {}
    }

    pub(crate) const fn names(&self) -> iter::Empty<Issued<'_>> {
        match *self {}
    }

    pub(super) const fn secrets(&self) -> Option<&[ClientSecret]> {
        match *self {}
    }
}

pub(super) const fn extract(
    _form: &Form<'_>,
    _settings: &method::Settings,
    _limits: &Limits,
) -> Result<Box<Credentials>, ErrorKind> {
    Err(ErrorKind::MethodNotAccepted)
}

pub(super) mod fault {
    use crate::{
        error::{cause::Cause, kind::ErrorKind},
        method::assertion::Credentials,
        wire::form::Form,
    };

    pub(in crate::method) const fn of(_kind: ErrorKind, _form: &Form<'_>) -> Option<Cause> {
        None
    }

    pub(in crate::method) const fn without_key(
        _kind: ErrorKind,
        presented: &Credentials,
    ) -> Option<Cause> {
        match *presented {}
    }
}

pub(super) const fn named(
    _form: &Form<'_>,
    _settings: &method::Settings,
    _limits: &Limits,
) -> Option<(Method, Box<str>)> {
    None
}

pub(super) fn verify(
    presented: &Credentials,
    _registered: Result<&Registration, ErrorKind>,
    _settings: &method::Settings,
    _pool: &Pool,
    _timeout: Option<Duration>,
) -> Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send>> {
    match *presented {}
}

fn needs_feature(method: &AuthMethod) -> Problem {
    match method {
        AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt | AuthMethod::SpiffeJwt => {
            Problem::Invalid(
                method.clone(),
                format!("the method {:?} needs the feature `jwt`", method.as_str()).into(),
            )
        }
        _ => Problem::UnsupportedMethod(method.clone()),
    }
}
