//! The challenges that answers hand out.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};

use crate::{
    clock::Clock,
    error::{attestation::InvalidAttestation, entry::answer, kind::ErrorKind},
    isolate::guard,
    method,
    wire::response::{self, DEFAULT_CHALLENGE, Reply},
};

const CHALLENGE: HeaderName = HeaderName::from_static("oauth-client-attestation-challenge");

/// The challenge for the next proof, which an answer hands out (-11 §6.2). From the attempt to the answer it is on its way
/// in the extensions of the request, where it costs others nothing.
#[derive(Clone)]
pub(crate) struct NextChallenge(Box<HeaderValue>);

impl NextChallenge {
    /// A fresh one, if challenges are asked for.
    #[cold]
    pub(crate) fn send(settings: &method::Settings, head: &mut Parts) {
        if let Some(value) = value(settings) {
            head.extensions.insert(Self(Box::new(value)));
        }
    }

    /// The one that is on its way.
    #[cold]
    pub(crate) fn receive(head: &mut Parts) -> Option<Self> {
        head.extensions.remove()
    }

    #[inline]
    pub(crate) fn put<B>(&self, mut response: Response<B>) -> Response<B> {
        put((*self.0).clone(), response.headers_mut());
        response
    }
}

/// Adds to the answer what its reason asks for (-11 §7.4).
#[inline]
pub(crate) fn answer(kind: ErrorKind, settings: &method::Settings, headers: &mut HeaderMap) {
    if kind == ErrorKind::Attestation(InvalidAttestation::Challenge) {
        if let Some(value) = value(settings) {
            put(value, headers);
        }
    }
}

fn put(value: HeaderValue, headers: &mut HeaderMap) {
    // A map without room has none for anything.
    let _inserted = headers.try_insert(CHALLENGE, value);
}

fn value(settings: &method::Settings) -> Option<HeaderValue> {
    HeaderValue::try_from(challenge(settings)?).ok()
}

/// A fresh one, where challenges are asked for.
fn challenge(settings: &method::Settings) -> Option<String> {
    let attesters = settings.attestation.as_deref()?;
    attesters.challenges.as_ref()?.issue(&attesters.issuer, now(&settings.clock)?)
}

/// The answer of the challenge endpoint (-11 §6.3).
pub(crate) fn endpoint(settings: &method::Settings) -> Response<Bytes> {
    let (status, json) = match challenge(settings) {
        // Nothing in it has to be escaped.
        Some(challenge) => {
            (StatusCode::OK, format!(r#"{{"attestation_challenge":"{challenge}"}}"#).into())
        }
        None => {
            let answer = answer!(invalid_request, NOT_FOUND, "There are no challenges");
            (answer.status, Bytes::from_static(answer.json.as_bytes()))
        }
    };
    let mut response = Response::new(Bytes::new());
    let reply = Reply { status, json, kind: None, retry_after: None };
    response::write(reply, || DEFAULT_CHALLENGE, &mut response);
    response
}

/// The clock may be the application's, and panic.
fn now(clock: &Clock) -> Option<i64> {
    guard::hook("clock", || clock.unix_seconds())
}
