//! Who a request that is refused before any look-up says that it is, for the operator.

use http::request::Parts;

use crate::{
    method::{Method, Settings, assertion, attestation, basic, mutual_tls},
    wire::{
        authorization::{Authorization, Presence, is_basic},
        form::{self, Form},
        limits::Limits,
    },
};

/// Copies, because they are made for the operator alone and the body is gone soon.
#[derive(Default)]
pub(crate) struct Named {
    /// The one that the request uses, where it tells.
    pub(crate) method: Option<Method>,
    /// The one in the credentials, or else in the form.
    pub(crate) client_id: Option<Box<str>>,
    /// The one in the form, where it is another.
    pub(crate) other_client_id: Option<Box<str>>,
}

/// Reads what can be read. Of what is longer than the limit nothing is.
#[cold]
pub(crate) fn named(
    head: &Parts,
    authorization: Presence,
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Named {
    let stated = form.client_id.and_then(|client_id| text(client_id, limits));
    let authorization = Authorization::read(&head.headers, authorization);
    let assertion = form.client_assertion.or(form.client_assertion_type);
    let is_attested = attestation::is_presented(head, settings);
    let (method, client_id) = match (authorization, form.client_secret, assertion) {
        (Authorization::Absent, None, None) if is_attested => {
            (Some(Method::AttestJwt), attestation::named(&head.headers, settings, limits))
        }
        (Authorization::Single(value), None, None) => {
            let id = limits.check_credential(value).ok().and_then(|()| basic::client_id(value));
            (is_basic(value).then_some(Method::Basic), id)
        }
        (Authorization::Absent, Some(_), None) => (Some(Method::Post), None),
        (Authorization::Absent, None, Some(_)) => assertion::named(form, settings, limits)
            .map_or((None, None), |(method, client_id)| (Some(method), Some(client_id))),
        // Beside a certificate only the registration tells.
        (Authorization::Absent, None, None)
            if stated.is_some() && mutual_tls::found(head, settings).is_none() =>
        {
            (Some(Method::None), None)
        }
        _ => (None, None),
    };
    match (client_id, stated) {
        (Some(client_id), stated) => {
            let other_client_id = stated.filter(|stated| *stated != client_id);
            Named { method, client_id: Some(client_id), other_client_id }
        }
        (None, client_id) => Named { method, client_id, other_client_id: None },
    }
}

fn text(value: &[u8], limits: &Limits) -> Option<Box<str>> {
    limits.check_credential(value).ok()?;
    Some(Box::from(&*form::decode(value).ok()?))
}
