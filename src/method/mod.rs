//! The client authentication methods, one room each, named as in the IANA registry. This file has the
//! lists of them, and nothing else knows how many there are: what a request may present, what a
//! client may be registered with, and which of the two belong together.

pub(crate) mod advice;
mod api;
#[cfg_attr(not(feature = "jwt"), path = "assertion/disabled.rs")]
pub(crate) mod assertion;
#[cfg_attr(not(feature = "unstable-attestation"), path = "attestation/disabled.rs")]
pub(crate) mod attestation;
mod basic;
pub(crate) mod decoy;
pub(crate) mod issued;
#[cfg_attr(not(feature = "mtls"), path = "mutual_tls/disabled.rs")]
pub(crate) mod mutual_tls;
pub(crate) mod named;
mod none;
mod pair;
mod post;
pub(crate) mod problem;
mod registration;
pub(crate) mod set;
mod shared_secret;
pub(crate) mod verification;

pub(crate) use self::registration::Registration;

use std::time::Duration;

use http::request::Parts;

use crate::{
    clock::Clock,
    error::kind::ErrorKind,
    iana::AuthMethod,
    isolate::pool::Pool,
    method::{
        decoy::Decoy,
        set::Accepted,
        shared_secret::Matching,
        verification::{Proof, Verification},
    },
    wire::{
        authorization::{Authorization, Presence},
        form::Form,
        limits::Limits,
    },
};

/// A method that this crate checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    None,
    Basic,
    Post,
    SecretJwt,
    PrivateKeyJwt,
    SpiffeJwt,
    Tls,
    SelfSignedTls,
    AttestJwt,
}

impl Method {
    /// The preferred first.
    pub(crate) const ALL: [Self; 9] = [
        Self::Basic,
        Self::Post,
        Self::PrivateKeyJwt,
        Self::SpiffeJwt,
        Self::SecretJwt,
        Self::Tls,
        Self::SelfSignedTls,
        Self::AttestJwt,
        Self::None,
    ];

    pub(crate) const fn iana(self) -> &'static AuthMethod {
        match self {
            Self::None => &AuthMethod::None,
            Self::Basic => &AuthMethod::ClientSecretBasic,
            Self::Post => &AuthMethod::ClientSecretPost,
            Self::SecretJwt => &AuthMethod::ClientSecretJwt,
            Self::PrivateKeyJwt => &AuthMethod::PrivateKeyJwt,
            Self::SpiffeJwt => &AuthMethod::SpiffeJwt,
            Self::Tls => &AuthMethod::TlsClientAuth,
            Self::SelfSignedTls => &AuthMethod::SelfSignedTlsClientAuth,
            Self::AttestJwt => &AuthMethod::AttestJwtClientAuth,
        }
    }

    /// Whether this build can check it.
    const fn is_available(self) -> bool {
        match self {
            Self::None | Self::Basic | Self::Post => true,
            Self::SecretJwt | Self::PrivateKeyJwt | Self::SpiffeJwt => assertion::AVAILABLE,
            Self::Tls | Self::SelfSignedTls => mutual_tls::AVAILABLE,
            Self::AttestJwt => attestation::AVAILABLE,
        }
    }
}

/// Which methods are accepted, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) accepted: Accepted,
    pub(crate) raw_basic: bool,
    pub(crate) interchange_basic_and_post: bool,
    pub(crate) ignore_public_credentials: bool,
    pub(crate) assertions: Option<assertion::Settings>,
    pub(crate) mutual_tls: Option<mutual_tls::Settings>,
    pub(crate) attestation: Option<attestation::Settings>,
    pub(crate) clock: Clock,
}

impl Settings {
    /// Whether the method has all that it needs.
    fn is_set_up(&self, method: Method) -> bool {
        match method {
            Method::None | Method::Basic | Method::Post => true,
            Method::SecretJwt | Method::PrivateKeyJwt | Method::SpiffeJwt => {
                self.assertions.as_ref().is_some_and(|set| assertion::is_set_up(set, method))
            }
            Method::Tls | Method::SelfSignedTls => {
                self.mutual_tls.as_ref().is_some_and(|set| mutual_tls::is_set_up(set, method))
            }
            Method::AttestJwt => self.attestation.as_ref().is_some_and(attestation::is_set_up),
        }
    }
}

/// What verifications keep between requests.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) decoy: Decoy,
    pub(crate) pool: Pool,
}

/// What exactly one method presented.
pub(crate) enum Credentials {
    None(none::Credentials),
    Basic(basic::Credentials),
    Post(post::Credentials),
    Assertion(Box<assertion::Credentials>),
    #[cfg_attr(not(feature = "mtls"), expect(dead_code, reason = "no certificate is seen"))]
    MutualTls(mutual_tls::Credentials),
    Attestation(Box<attestation::Credentials>),
}

impl Credentials {
    /// The method, where the request alone tells it.
    pub(crate) fn method(&self) -> Option<Method> {
        match self {
            Self::None(_) => Some(Method::None),
            Self::Basic(_) => Some(Method::Basic),
            Self::Post(_) => Some(Method::Post),
            Self::Assertion(assertion) => Some(assertion.method()),
            Self::MutualTls(mutual_tls) => mutual_tls.method(),
            Self::Attestation(attestation) => attestation.method(),
        }
    }

    #[inline]
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::None(none) => none.client_id(),
            Self::Basic(basic) => basic.pair().client_id(),
            Self::Post(post) => post.pair().client_id(),
            Self::Assertion(assertion) => assertion.client_id(),
            Self::MutualTls(mutual_tls) => mutual_tls.client_id(),
            Self::Attestation(attestation) => attestation.client_id(),
        }
    }

    /// Issuer and subject of what somebody else issued, where nothing else tells who the client is.
    #[inline]
    pub(crate) fn issued(&self) -> Option<(&str, &str)> {
        match self {
            Self::Assertion(assertion) => assertion.issued(),
            _ => None,
        }
    }

    /// Whether it is an assertion whose header brings a key, or says where there is one.
    pub(crate) fn has_key_in_header(&self) -> bool {
        match self {
            Self::Assertion(assertion) => assertion.has_key_in_header(),
            Self::Attestation(attestation) => {
                attestation.beside().is_some_and(Self::has_key_in_header)
            }
            _ => false,
        }
    }

    /// The secret that authenticated the client, in the form that did.
    pub(crate) fn secret(&self, proof: Proof) -> Option<&str> {
        let matched = proof.secret?;
        match self {
            Self::Basic(basic) if matched.raw => basic.raw_secret(),
            Self::Basic(basic) => Some(basic.pair().secret()),
            Self::Post(post) => Some(post.pair().secret()),
            Self::Attestation(attestation) => attestation.beside()?.secret(proof),
            Self::None(_) | Self::Assertion(_) | Self::MutualTls(_) => None,
        }
    }
}

/// Finds the one method that the request uses. All places are looked at before anything is read
/// from one of them: RFC 6749 §2.3, "The client MUST NOT use more than one authentication method in
/// each request".
pub(crate) fn extract(
    head: &Parts,
    authorization: Presence,
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    // Beside another method it is a signal, if it may be there at all.
    let attested = match attestation::is_presented(head, settings) {
        true => match attestation::extract(head, authorization, form, settings, limits)? {
            (attested, true) => return Ok(Credentials::Attestation(attested)),
            (attested, false) => Some(attested),
        },
        false => None,
    };
    let authorization = Authorization::read(&head.headers, authorization);
    // RFC 7521 §4.2: either parameter alone is an attempt, too.
    let assertion = form.client_assertion.or(form.client_assertion_type);
    let mut found = match (authorization, form.client_secret, assertion) {
        // RFC 9110 §11.6.2: one field with one credential.
        (Authorization::Repeated, ..) => Err(ErrorKind::RepeatedAuthorization),
        (Authorization::Absent, None, None) => match mutual_tls::found(head, settings) {
            Some(certificate) => mutual_tls::extract(certificate, form, settings, limits),
            None => none::extract(form, settings, limits).map(Credentials::None),
        },
        // A malformed header ends the request: falling back to another method would be a downgrade.
        (Authorization::Single(value), None, None) => {
            basic::extract(value, form, settings, limits).map(Credentials::Basic)
        }
        (Authorization::Absent, Some(secret), None) => {
            post::extract(secret, form, settings, limits).map(Credentials::Post)
        }
        (Authorization::Absent, None, Some(_)) => {
            assertion::extract(form, settings, limits).map(Credentials::Assertion)
        }
        _ => Err(ErrorKind::MultipleMethods),
    };
    // In place, because each move costs.
    if let Some(attested) = attested {
        attestation::put_beside(attested, &mut found);
    }
    found
}

/// Checks what was presented against what the client is registered with. Time must not tell whether
/// it exists (RFC 6819 §5.1.4.2): for an unknown one the same work is done.
pub(crate) fn verify<'a>(
    credentials: &'a Credentials,
    registration: Option<&'a Registration>,
    settings: &'a Settings,
    state: &'a State,
    timeout: Option<Duration>,
) -> Verification<'a> {
    if let Credentials::Assertion(presented) = credentials {
        // RFC 8725 §3.1: the registration decides, and the header of the assertion has no say.
        let registered = match registration {
            Some(Registration::Assertion(registered)) => Ok(registered),
            Some(Registration::Unusable(_)) => Err(ErrorKind::UnusableRegistration),
            Some(_) => Err(ErrorKind::MethodMismatch),
            None => Err(ErrorKind::UnknownClient),
        };
        let verified = assertion::verify(presented, registered, settings, &state.pool, timeout);
        return Verification::Pending(verified);
    }
    if let Credentials::MutualTls(presented) = credentials {
        return mutual_tls::verify(presented, registration, settings, timeout);
    }
    if let Credentials::Attestation(presented) = credentials {
        return attestation::verify(presented, registration, settings, state, timeout);
    }
    shared_secret::verify(credentials, registration, settings, state, timeout)
}

/// RFC 7591 §2: `token_endpoint_auth_method` is the one that the client uses. What is not listed is
/// refused.
fn matching<'a>(
    credentials: &Credentials,
    registration: &'a Registration,
    settings: &Settings,
) -> Result<Matching<'a>, ErrorKind> {
    match (credentials, registration) {
        (Credentials::None(_), Registration::None) => Ok(Matching::Public),
        // What was presented proves nothing, so the method is the one that needs no proof.
        (Credentials::Basic(_) | Credentials::Post(_), Registration::None)
            if settings.ignore_public_credentials && settings.accepted.contains(Method::None) =>
        {
            Ok(Matching::Public)
        }
        (_, Registration::Unusable(_)) => Err(ErrorKind::UnusableRegistration),
        // RFC 8705 §2: the binding must be enforced.
        (Credentials::None(_), Registration::MutualTls(_)) => Err(mutual_tls::missing(settings)),
        (Credentials::None(_), Registration::Attestation(_)) => Err(attestation::missing(settings)),
        (Credentials::Basic(_), Registration::Basic(secrets))
        | (Credentials::Post(_), Registration::Post(secrets)) => Ok(Matching::Secret(secrets)),
        (Credentials::Basic(_), Registration::Post(secrets))
        | (Credentials::Post(_), Registration::Basic(secrets))
            if settings.interchange_basic_and_post =>
        {
            Ok(Matching::Secret(secrets))
        }
        _ => Err(ErrorKind::MethodMismatch),
    }
}
