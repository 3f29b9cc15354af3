//! `attest_jwt_client_auth`: an attestation and a proof of possession as two header fields
//! (draft-ietf-oauth-attestation-based-client-auth-11).

mod answer;
mod api;
pub(crate) mod challenge;
mod fault;
mod keys;
mod read;
mod registration;
pub(crate) mod settings;
mod verify;
#[cfg_attr(not(feature = "unstable-attestation-x5c"), path = "x5c/disabled.rs")]
pub(crate) mod x5c;

pub(crate) use self::{
    answer::{NextChallenge, answer, endpoint},
    registration::Registration,
};

use std::{
    mem, str,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, HeaderName, request::Parts};

use crate::{
    error::{Error, attestation::InvalidAttestation, cause::Cause, kind::ErrorKind},
    method::{
        self, Method, State,
        attestation::{
            read::{Attested, Proved, Token},
            settings::Attesters,
        },
        verification::Verification,
    },
    wire::{
        attested,
        authorization::Presence,
        form::{self, Form},
        limits::Limits,
    },
};

/// Whether this build can check attestations.
pub(super) const AVAILABLE: bool = true;

/// Of so many attesters a signal may be. Its client has authenticated by its other method, so that only it can cause the
/// work.
const MOST_ATTESTERS: usize = 4;

pub(crate) type Settings = Arc<Attesters>;
/// That of the key of an instance. One pointer, because every client that is handed on has room for it.
pub(crate) type Thumbprint = Arc<Box<str>>;

/// Both tokens as they were presented, and what was read of them.
pub(crate) struct Credentials {
    /// The attestation in its compact form, and behind it the proof: one buffer for both.
    text: Box<str>,
    attestation_length: usize,
    attestation: Token,
    attested: Attested,
    proof: Token,
    proved: Proved,
    /// That of the instance, once it has proved to have the key.
    thumbprint: OnceLock<Thumbprint>,
    /// Those of another method, to which the attestation is but a signal.
    beside: Option<method::Credentials>,
}

impl Credentials {
    pub(super) fn method(&self) -> Option<Method> {
        match &self.beside {
            None => Some(Method::AttestJwt),
            Some(other) => other.method(),
        }
    }

    pub(super) fn client_id(&self) -> &str {
        &self.attested.client_id
    }

    pub(super) const fn beside(&self) -> Option<&method::Credentials> {
        self.beside.as_ref()
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        Arc::clone(self.made_thumbprint())
    }

    /// Which of those of the client it is.
    pub(crate) fn instance(&self) -> &str {
        self.made_thumbprint()
    }

    fn made_thumbprint(&self) -> &Thumbprint {
        self.thumbprint.get_or_init(|| Arc::new(self.attested.key.thumbprint().into()))
    }

    fn attestation_text(&self) -> &str {
        self.text.get(..self.attestation_length).unwrap_or_default()
    }

    fn proof_text(&self) -> &str {
        self.text.get(self.attestation_length..).unwrap_or_default()
    }
}

pub(super) fn is_set_up(settings: &Settings) -> bool {
    !settings.trusted.is_empty() || !settings.issued.is_empty()
}

/// Whether the request presents one of both.
#[inline]
pub(super) fn is_presented(head: &Parts, settings: &method::Settings) -> bool {
    settings.attestation.is_some() && attested::are_there(&head.headers)
}

/// The headers that nobody behind this layer is concerned with.
pub(crate) fn headers(settings: &method::Settings) -> impl Iterator<Item = &HeaderName> {
    settings.attestation.iter().flat_map(|_set| &attested::FIELDS)
}

/// Of a client that should have presented an attestation, where one is looked for.
#[cold]
pub(super) const fn missing(settings: &method::Settings) -> ErrorKind {
    match settings.attestation {
        Some(_) => ErrorKind::Attestation(InvalidAttestation::Missing),
        None => ErrorKind::MethodMismatch,
    }
}

/// Reads both tokens, which are there beside nothing else unless they are a signal, and tells whether they
/// are.
#[cold]
pub(super) fn extract(
    head: &Parts,
    authorization: Presence,
    form: &Form<'_>,
    settings: &method::Settings,
    limits: &Limits,
) -> Result<(Box<Credentials>, bool), ErrorKind> {
    let attesters = settings.attestation.as_deref().ok_or(ErrorKind::MethodNotAccepted)?;
    let assertion = form.client_assertion.or(form.client_assertion_type);
    let is_alone =
        authorization == Presence::Absent && form.client_secret.is_none() && assertion.is_none();
    if !is_alone && !attesters.is_signal {
        return Err(ErrorKind::MultipleMethods);
    }
    if is_alone {
        settings.accept(Method::AttestJwt)?;
    }
    let credentials = read(&head.headers, attesters, limits)?;
    // -11 §7.5: it must agree wherever it is.
    match form.client_id {
        Some(stated) if !form::equals(stated, credentials.client_id())? => {
            Err(ErrorKind::ClientIdMismatch)
        }
        _ => Ok((Box::new(credentials), is_alone)),
    }
}

/// Makes of the credentials of another method those that a signal is beside.
#[cold]
pub(super) fn put_beside(
    mut attested: Box<Credentials>,
    found: &mut Result<method::Credentials, ErrorKind>,
) {
    let other = mem::replace(found, Err(ErrorKind::ClientIdMismatch));
    *found = other.and_then(|other| {
        if other.client_id() != attested.client_id() {
            return Err(ErrorKind::ClientIdMismatch);
        }
        attested.beside = Some(other);
        Ok(method::Credentials::Attestation(attested))
    });
}

fn read(
    headers: &HeaderMap,
    attesters: &Attesters,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    let [attestation, proof] = &attested::FIELDS;
    let attestation = field(headers, attestation)?;
    let proof = field(headers, proof)?;
    let attestation = attestation.ok_or(InvalidAttestation::Missing)?;
    let proof = proof.ok_or(InvalidAttestation::ProofMissing)?;
    limits.check_credential(attestation)?;
    limits.check_credential(proof)?;
    // Everything in a compact form is ASCII.
    let text = |value| str::from_utf8(value).map_err(|_foreign| InvalidAttestation::Malformed);
    let (attestation_text, proof_text) = (text(attestation)?, text(proof)?);
    let (attestation, attested) = Attested::read(attestation_text, attesters)?;
    let (proof, proved) = Proved::read(proof_text, attesters)?;
    attested.check_algorithm(&proof)?;
    Ok(Credentials {
        text: [attestation_text, proof_text].concat().into(),
        attestation_length: attestation_text.len(),
        thumbprint: OnceLock::new(),
        attestation,
        attested,
        proof,
        proved,
        beside: None,
    })
}

/// The one value of a field. RFC 9110 §5.3: several may arrive joined by commas, which no token has.
fn field<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, InvalidAttestation> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if memchr::memchr(b',', value.as_bytes()).is_none() => {
            Ok(Some(value.as_bytes()))
        }
        _ => Err(InvalidAttestation::Repeated),
    }
}

/// The `sub` of an attestation that nothing is believed of, for the operator.
pub(super) fn named(
    headers: &HeaderMap,
    settings: &method::Settings,
    limits: &Limits,
) -> Option<Box<str>> {
    let [attestation, _] = &attested::FIELDS;
    let value = field(headers, attestation).ok()??;
    limits.check_credential(value).ok()?;
    let text = str::from_utf8(value).ok()?;
    let attesters = settings.attestation.as_deref()?;
    Attested::read(text, attesters).ok().map(|(_token, attested)| attested.client_id)
}

/// Why a request with an attestation was refused before any look-up, for the operator.
#[cold]
pub(super) fn cause_of(
    kind: ErrorKind,
    head: &Parts,
    settings: &method::Settings,
) -> Option<Cause> {
    match kind {
        ErrorKind::Attestation(invalid) => {
            fault::of(invalid, &head.headers, settings.attestation.as_deref()?)
        }
        ErrorKind::MultipleMethods if is_presented(head, settings) => Some(Cause::Advice(
            &"an attestation and another method are both there: see `Attesters::as_signal`",
        )),
        _ => None,
    }
}

pub(super) fn verify<'a>(
    presented: &'a Credentials,
    registration: Option<&'a method::Registration>,
    settings: &'a method::Settings,
    state: &'a State,
    timeout: Option<Duration>,
) -> Verification<'a> {
    let verified = verify::verify(presented, registration, settings, state, timeout);
    Verification::Pending(Box::pin(verified))
}

impl From<InvalidAttestation> for ErrorKind {
    fn from(invalid: InvalidAttestation) -> Self {
        Self::Attestation(invalid)
    }
}

impl From<InvalidAttestation> for Error {
    fn from(invalid: InvalidAttestation) -> Self {
        ErrorKind::from(invalid).into()
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
