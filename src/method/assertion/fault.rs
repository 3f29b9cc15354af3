//! What is wrong with an assertion that cannot be read, or has no key, for the operator. It is looked for once more when
//! somebody asks, and quotes nothing but the `kid`.

use std::{fmt, sync::Arc};

use crate::{
    error::{assertion::InvalidAssertion, cause::Cause, kind::ErrorKind},
    jose::{
        compact::{self, Parts},
        header::Header,
    },
    method::assertion::{Credentials, claims::Claims},
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

/// Of a client that was found, and has no such key.
#[cold]
pub(in crate::method) fn without_key(kind: ErrorKind, presented: &Credentials) -> Option<Cause> {
    if kind != ErrorKind::Assertion(InvalidAssertion::UnknownKey) {
        return None;
    }
    Some(match presented.assertion.kid.as_deref() {
        None => Cause::Advice(&"the set has no key that can be used"),
        Some(kid) => Cause::Error(Arc::new(Box::new(NoKey { kid: cut(kid) }))),
    })
}

/// That no key has this `kid`, which is what anybody may have sent.
#[derive(Debug)]
struct NoKey {
    kid: Box<str>,
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no key that can be used has the `kid` {:?}", self.kid)
    }
}

impl std::error::Error for NoKey {}

/// As much of the text as tells what is wrong with it.
pub(super) fn cut(text: &str) -> Box<str> {
    const LONGEST: usize = 128;
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default().into()
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
