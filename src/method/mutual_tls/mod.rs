//! `tls_client_auth` and `self_signed_tls_client_auth`: the certificate of the TLS connection (RFC
//! 8705 §2). Which of the two it is, the registration says, as it does of a `client_id` alone.

mod api;
pub(crate) mod certificates;
mod find;
mod registration;
pub(crate) mod settings;

pub(crate) use self::{
    find::{find, found, headers},
    registration::Registration,
};

use std::{hint::black_box, sync::Arc, time::Duration};

use constant_time_eq::constant_time_eq_32;
use http::Extensions;

use crate::{
    error::{Error, cause::Cause, certificate::CertificateError, kind::ErrorKind},
    fetch::jwks::JwksCache,
    isolate::{deadline::Deadline, guard::guard},
    jose::set::KeySet,
    method::{
        self, Method,
        mutual_tls::{certificates::Kept, settings::MutualTls},
        verification::{Proof, Verification},
    },
    wire::{
        form::{self, Form},
        limits::Limits,
        text::Text,
    },
    x509::{certificate::ClientCertificate, subject::CertificateSubject},
};

/// Whether this build can check certificates.
pub(super) const AVAILABLE: bool = true;

const MISSING: ErrorKind = ErrorKind::Certificate(CertificateError::Missing);

pub(crate) type Settings = Arc<MutualTls>;
pub(crate) type Certificate = ClientCertificate;

const METHODS: [Method; 2] = [Method::Tls, Method::SelfSignedTls];
/// Of no certificate that anybody could find.
const DECOY: [[u8; 32]; 1] = [[0; 32]];

/// A `client_id` and a certificate.
pub(crate) struct Credentials {
    client_id: Text<60>,
    certificate: ClientCertificate,
}

impl Credentials {
    /// Only the registration tells.
    pub(super) const fn method(&self) -> Option<Method> {
        None
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }
}

pub(super) fn is_set_up(settings: &Settings, method: Method) -> bool {
    matches!(method, Method::SelfSignedTls) || settings.can_be_verified()
}

/// Of a client that should have presented a certificate, where one is looked for.
#[cold]
pub(super) const fn missing(settings: &method::Settings) -> ErrorKind {
    if settings.mutual_tls.is_some() { MISSING } else { ErrorKind::MethodMismatch }
}

/// What there is to say where a certificate is missing, such as that there was one that does not count.
pub(crate) fn cause_of(
    kind: ErrorKind,
    extensions: &Extensions,
    settings: &method::Settings,
) -> Option<Cause> {
    let mutual_tls = settings.mutual_tls.as_deref()?;
    if kind == MISSING { mutual_tls.absence(extensions) } else { None }
}

/// Why a `client_id` alone is refused where no public client is accepted.
#[cold]
pub(super) fn refusal(settings: &method::Settings) -> ErrorKind {
    let expected = METHODS.iter().any(|method| settings.accepted.contains(*method));
    if expected { MISSING } else { ErrorKind::MethodNotAccepted }
}

// Not inline: a `client_id` alone is then read as fast as if there were no certificates.
#[inline(never)]
pub(super) fn extract(
    certificate: &ClientCertificate,
    form: &Form<'_>,
    settings: &method::Settings,
    limits: &Limits,
) -> Result<method::Credentials, ErrorKind> {
    // RFC 8705 §2: `client_id` is REQUIRED, because the certificate does not name the client.
    let client_id = form.client_id.ok_or(ErrorKind::NoCredentials)?;
    // It may yet be that of a public client, whose certificate is there for its tokens.
    let possible = METHODS.into_iter().chain([Method::None]);
    if possible.map(|method| settings.accept(method)).all(|accepted| accepted.is_err()) {
        return Err(ErrorKind::MethodNotAccepted);
    }
    limits.check_credential(client_id)?;
    let client_id = Text::from(&*form::decode(client_id)?);
    let credentials = Credentials { client_id, certificate: certificate.clone() };
    Ok(method::Credentials::MutualTls(credentials))
}

/// Checks the certificate against what the client is registered with, if it is known. Whatever that is,
/// the subject is compared, each alternative name, and one certificate at least: what the caller put into
/// its certificate must not tell by the time that it takes whether the client exists.
pub(super) fn verify<'a>(
    presented: &'a Credentials,
    known: Option<&'a method::Registration>,
    settings: &'a method::Settings,
    timeout: Option<Duration>,
) -> Verification<'a> {
    let Some(mutual_tls) = settings.mutual_tls.as_deref() else {
        return Verification::done(Err(ErrorKind::MethodNotAccepted.into()));
    };
    let certificate = &presented.certificate;
    let registered = match known {
        Some(method::Registration::MutualTls(registered)) => Some(registered),
        _ => None,
    };
    let subject = match registered {
        Some(Registration::Pki(subject)) => Some(subject),
        _ => None,
    };
    let (digests, published) = match registered {
        Some(Registration::SelfSigned(certificates)) => match &certificates.0 {
            Kept::Digests(digests, _) => (&**digests, None),
            Kept::Published(uri) => (&DECOY[..], Some(uri)),
        },
        _ => (&DECOY[..], None),
    };
    let has_subject = CertificateSubject::is_of(subject, certificate);
    let is_registered = black_box(is_one_of(digests, certificate));
    // What is accepted is part of what is registered, to the caller: it gets one answer.
    let accept =
        |method| settings.accept(method).map_err(|_alike| Error::from(ErrorKind::MethodMismatch));
    let judged = match (known, registered) {
        (None, _) => Err(ErrorKind::UnknownClient.into()),
        (_, Some(Registration::Pki(_))) => accept(Method::Tls)
            .and_then(|()| judge(has_subject))
            .and_then(|()| verified(certificate, settings, mutual_tls))
            .and_then(|()| valid(certificate, settings, true))
            .map(|()| Method::Tls),
        (_, Some(Registration::SelfSigned(_))) => {
            if let (Some(uri), Ok(())) = (published, accept(Method::SelfSignedTls)) {
                let verified = verify_published(certificate, uri, mutual_tls, settings, timeout);
                return Verification::Pending(Box::pin(verified));
            }
            accept(Method::SelfSignedTls)
                .and_then(|()| judge(is_registered))
                .and_then(|()| valid(certificate, settings, mutual_tls.self_signed_validity))
                .map(|()| Method::SelfSignedTls)
        }
        (Some(method::Registration::None), None) => accept(Method::None).map(|()| Method::None),
        (Some(method::Registration::Unusable(_)), None) => {
            Err(ErrorKind::UnusableRegistration.into())
        }
        (Some(_), None) => Err(ErrorKind::MethodMismatch.into()),
    };
    Verification::done(judged.map(proof))
}

const fn proof(method: Method) -> Proof {
    Proof { method, secret: None }
}

fn judge(matches: bool) -> Result<(), Error> {
    if matches { Ok(()) } else { Err(ErrorKind::Certificate(CertificateError::Mismatch).into()) }
}

fn verified(
    certificate: &ClientCertificate,
    settings: &method::Settings,
    mutual_tls: &MutualTls,
) -> Result<(), Error> {
    if certificate.is_verified() {
        return Ok(());
    }
    let cause = match certificate.refusal() {
        Some(verifier) => Cause::Error(Arc::clone(verifier)),
        None if !certificate.is_valid_at(settings.clock.unix_seconds()) => {
            Cause::Advice(&"its chain was not verified, and it is outside its validity")
        }
        None => mutual_tls.unverified(),
    };
    Err(because(ErrorKind::Certificate(CertificateError::Unverified), cause))
}

fn because(kind: ErrorKind, cause: Cause) -> Error {
    Error::from(kind).because(|_kind| Some(cause))
}

/// TLS judged the time when the connection was opened, or nobody did.
fn valid(
    certificate: &ClientCertificate,
    settings: &method::Settings,
    asked: bool,
) -> Result<(), Error> {
    if asked && !certificate.is_valid_at(settings.clock.unix_seconds()) {
        return Err(ErrorKind::Certificate(CertificateError::Expired).into());
    }
    Ok(())
}

fn is_one_of(digests: &[[u8; 32]], certificate: &ClientCertificate) -> bool {
    digests
        .iter()
        .fold(false, |found, digest| found | constant_time_eq_32(digest, certificate.digest()))
}

async fn verify_published(
    certificate: &ClientCertificate,
    uri: &str,
    mutual_tls: &MutualTls,
    settings: &method::Settings,
    timeout: Option<Duration>,
) -> Result<Proof, Error> {
    let Some(remote) = &mutual_tls.remote else {
        return Err(because(
            ErrorKind::UnusableRegistration,
            Cause::Advice(
                &"the certificates of the client are at its `jwks_uri`: set `MutualTls::jwks_source`",
            ),
        ));
    };
    let is_there = fetch(remote, uri, certificate, timeout).await?;
    judge(is_there)?;
    remote.proved(uri);
    valid(certificate, settings, mutual_tls.self_signed_validity)?;
    Ok(proof(Method::SelfSignedTls))
}

async fn fetch(
    remote: &JwksCache,
    uri: &str,
    certificate: &ClientCertificate,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    let has = |keys: &KeySet| is_one_of(keys.certificates(), certificate);
    match guard(|| remote.keys(uri, has), Deadline::new(timeout)).await {
        Ok(keys) => Ok(has(&*keys?)),
        Err(failure) => Err(Error::with_source(ErrorKind::KeySource, failure.as_str().into())),
    }
}
