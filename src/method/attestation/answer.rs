//! The challenges that answers hand out.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::{
    clock::Clock,
    error::{attestation::InvalidAttestation, entry::answer, kind::ErrorKind},
    isolate::guard,
    method,
    wire::response::{self, DEFAULT_CHALLENGE, Reply},
};

const CHALLENGE: HeaderName = HeaderName::from_static("oauth-client-attestation-challenge");

/// The challenge for the next proof, which an answer hands out (-11 §6.2). Whoever answers has it from the
/// beginning, and it is filled in once the client has authenticated: it does not go through the attempt, because each
/// move costs.
#[derive(Clone, Default)]
pub(crate) struct NextChallenge(Option<Arc<OnceLock<HeaderValue>>>);

impl NextChallenge {
    /// One that may be filled in.
    pub(super) fn expected() -> Self {
        Self(Some(Arc::default()))
    }

    /// Fills it in, if challenges are asked for.
    #[cold]
    pub(crate) fn offer(&self, settings: &method::Settings) {
        if let (Some(place), Some(value)) = (&self.0, value(settings)) {
            let _once = place.set(value);
        }
    }

    #[inline]
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.0.as_ref().and_then(|place| place.get()) {
            put(value.clone(), headers);
        }
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
