//! What is wrong with an assertion that cannot be read, for the operator. It is looked for once more when somebody
//! asks, and quotes nothing.

use crate::{
    error::{assertion::InvalidAssertion, cause::Cause, kind::ErrorKind},
    jose::{
        compact::{self, Parts},
        header::Header,
    },
    method::assertion::claims::Claims,
    wire::form::{self, Form},
};

/// Before anything is looked up.
#[cold]
pub(in crate::method) fn of(kind: ErrorKind, form: &Form<'_>) -> Option<Cause> {
    let ErrorKind::Assertion(invalid) = kind else { return None };
    let text = form::decode(form.client_assertion?).ok();
    match invalid {
        InvalidAssertion::Malformed => Some(Cause::Advice(malformed(text.as_deref()))),
        InvalidAssertion::MissingClaim => Some(Cause::Advice(&"`sub` is missing or empty")),
        _ => None,
    }
}

fn malformed(text: Option<&str>) -> &'static &'static str {
    let Some(text) = text else { return &"it is not form-encoded text" };
    let Some(parts) = Parts::split(text).filter(|parts| !parts.signature.contains('.')) else {
        return &"it has not the three parts of a signed JWT, with dots between them";
    };
    let decode = |part| {
        let mut bytes = Vec::new();
        compact::decode(part, &mut bytes).map(|_range| bytes)
    };
    let decoded = (decode(parts.header), decode(parts.claims), decode(parts.signature));
    let (Some(header), Some(claims), Some(_signature)) = decoded else {
        return &"one of its parts is not base64url without padding";
    };
    match compact::object::<Header<'_>>(Some(&header)) {
        None => {
            return &"its header is not an object in JSON, with each member once, and `alg`, `kid` and `typ` as text";
        }
        Some(header) if header.alg.is_none() => return &"its header has no `alg`",
        Some(_) => {}
    }
    match compact::object::<Claims<'_>>(Some(&claims)) {
        None => {
            &"its claims are not an object in JSON, with each member once, `iss`, `sub` and `jti` as text, and `exp`, \
              `nbf` and `iat` as numbers of seconds"
        }
        Some(_) => &"`sub` or `jti` has a control character",
    }
}

/// After the signature was verified.
#[cold]
pub(super) fn after(invalid: InvalidAssertion, compact: &str) -> Option<Cause> {
    let claims = || {
        let mut bytes = Vec::new();
        compact::decode(Parts::split(compact)?.claims, &mut bytes)?;
        compact::object::<Claims<'_>>(Some(&bytes))?.missing()
    };
    match invalid {
        InvalidAssertion::MissingClaim => claims().map(Cause::Advice),
        InvalidAssertion::Malformed => Some(Cause::Advice(malformed(Some(compact)))),
        _ => None,
    }
}
