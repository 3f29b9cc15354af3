//! What is wrong with a request that was refused, for the operator. It is looked for once more when somebody asks,
//! so that no request pays for it.

use crate::{
    error::{
        cause::{Cause, Fault},
        kind::ErrorKind,
    },
    wire::{
        authorization::Presence,
        form::{self, Form, Malformed, Parameter},
    },
};

/// What the form and the header have that is refused for this reason. Names alone: no value is quoted.
#[cold]
pub(crate) fn of(
    kind: ErrorKind,
    authorization: Presence,
    bytes: &[u8],
    form: &Form<'_>,
) -> Option<Cause> {
    match kind {
        ErrorKind::RepeatedParameter => repeated(bytes),
        ErrorKind::MalformedParameter => malformed(bytes),
        ErrorKind::MultipleMethods => several(authorization, form),
        _ => None,
    }
}

/// Once for all that look for a fault.
#[inline(never)]
fn parameter(name: &[u8]) -> Option<Parameter> {
    Parameter::of(name)
}

fn repeated(bytes: &[u8]) -> Option<Cause> {
    let mut seen = 0_u16;
    form::parameters_of(bytes).find_map(|(name, _value)| {
        let parameter = parameter(name)?;
        let bit = 1 << parameter as u16;
        let is_repeated = seen & bit != 0;
        seen |= bit;
        is_repeated.then(|| Cause::Parameter(parameter.name(), Fault::Repeated))
    })
}

fn malformed(bytes: &[u8]) -> Option<Cause> {
    if form::begins_with_mark(bytes) {
        return Some(Cause::Advice(&"the form begins with a byte order mark"));
    }
    form::parameters_of(bytes).find_map(|(name, value)| {
        let parameter = parameter(name).filter(|it| it.is_of_client())?;
        let fault = match form::decode(value) {
            Ok(_text) => return None,
            Err(Malformed) => form::fault(value),
        };
        Some(Cause::Parameter(parameter.name(), fault))
    })
}

fn several(authorization: Presence, form: &Form<'_>) -> Option<Cause> {
    let is_assertion = form.client_assertion.or(form.client_assertion_type).is_some();
    let header = authorization != Presence::Absent;
    Some(Cause::Advice(match (header, form.client_secret.is_some(), is_assertion) {
        (true, true, true) => &"`Authorization`, `client_secret` and an assertion are all there",
        (true, true, false) => &"`Authorization` and `client_secret` are both there",
        (true, false, true) => &"`Authorization` and an assertion are both there",
        (false, true, true) => &"`client_secret` and an assertion are both there",
        // The scheme is a foreign one.
        (true, false, false) => &"`Authorization` and `client_id` are both there",
        (false, _, _) => return None,
    }))
}

impl Parameter {
    pub(super) const fn name(self) -> &'static &'static str {
        match self {
            Self::ClientId => &"client_id",
            Self::ClientSecret => &"client_secret",
            Self::ClientAssertion => &"client_assertion",
            Self::ClientAssertionType => &"client_assertion_type",
            Self::GrantType => &"grant_type",
            Self::Scope => &"scope",
            Self::Code => &"code",
            Self::RedirectUri => &"redirect_uri",
            Self::RefreshToken => &"refresh_token",
            Self::Username => &"username",
            Self::Password => &"password",
            Self::State => &"state",
            Self::ResponseType => &"response_type",
            Self::Assertion => &"assertion",
        }
    }

    pub(super) const fn is_of_client(self) -> bool {
        matches!(
            self,
            Self::ClientId | Self::ClientSecret | Self::ClientAssertion | Self::ClientAssertionType
        )
    }
}
