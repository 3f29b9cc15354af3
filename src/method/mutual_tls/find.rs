//! The certificate of a request, where the settings say that it is.

use http::{HeaderName, request::Parts};

use crate::{
    error::{BoxError, Error, certificate::CertificateError, kind::ErrorKind},
    isolate::guard,
    method::{
        self,
        mutual_tls::settings::{Distrusted, MutualTls, Source, Verified},
    },
    wire::{client_cert::HeaderFault, names::OF_PROXIES},
    x509::certificate::ClientCertificate,
};

static CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Finds the certificate that came with the request, whatever else it presents. A header that did not come
/// from the proxy is removed, so that nothing behind the layer takes it for one that did.
///
/// # Errors
///
/// If there is one that cannot be read: taken for none, it would leave the client without the binding
/// that it asked for.
#[inline]
pub(crate) fn find(head: &mut Parts, settings: &method::Settings) -> Result<(), Error> {
    match &settings.mutual_tls {
        // It is there already, and what a layer outside of this one has found is not looked at.
        Some(settings) if matches!(settings.source, Source::Connection) => Ok(()),
        Some(settings) => put(head, settings),
        None => Ok(()),
    }
}

/// Where the source is no extension of this type, and nobody else looks.
#[derive(Clone)]
struct Found(ClientCertificate);

#[inline(never)]
fn put(head: &mut Parts, settings: &MutualTls) -> Result<(), Error> {
    match read(head, settings)? {
        Some(certificate) => drop(head.extensions.insert(Found(certificate))),
        // That of a layer outside of this one.
        None => drop(head.extensions.remove::<Found>()),
    }
    Ok(())
}

/// What [`find`] has found. It stays in the head, so that requests of a layer without certificates carry
/// nothing for them.
#[inline]
pub(crate) fn found<'a>(
    head: &'a Parts,
    settings: &method::Settings,
) -> Option<&'a ClientCertificate> {
    match &settings.mutual_tls {
        Some(settings) => kept(head, settings),
        None => None,
    }
}

// Not inline, as `put`: a request of a layer without certificates passes by.
#[inline(never)]
fn kept<'a>(head: &'a Parts, settings: &MutualTls) -> Option<&'a ClientCertificate> {
    match settings.source {
        Source::Connection => head.extensions.get(),
        Source::Extension { .. } | Source::Header { .. } => {
            head.extensions.get().map(|Found(certificate)| certificate)
        }
    }
}

/// The headers that only the proxy and this layer are concerned with.
pub(crate) fn headers(settings: &method::Settings) -> impl Iterator<Item = &HeaderName> {
    let settings = settings.mutual_tls.as_deref();
    let header = settings.and_then(|settings| match &settings.source {
        Source::Header { header, .. } => Some(header.name()),
        Source::Connection | Source::Extension { .. } => None,
    });
    let verified = settings.and_then(|settings| match &settings.verified {
        Verified::If(name, _) => Some(name),
        Verified::Never | Verified::Always => None,
    });
    settings.map(|_| &OF_PROXIES).into_iter().flatten().chain(header).chain(verified)
}

fn read(head: &mut Parts, settings: &MutualTls) -> Result<Option<ClientCertificate>, Error> {
    match &settings.source {
        Source::Connection => Ok(None),
        Source::Extension { certificate, .. } => {
            let read = guard::hook("mutual_tls", || certificate(&head.extensions));
            match read.ok_or(ErrorKind::Panicked)? {
                Some(read) => read.map(Some).map_err(malformed),
                None => Ok(None),
            }
        }
        Source::Header { header, trusted } => {
            let names = [Some(header.name()), Some(&CHAIN), settings.verified_header()];
            if !names.iter().flatten().any(|name| head.headers.contains_key(*name)) {
                return Ok(None);
            }
            if !guard::hook("mutual_tls", || trusted(head)).ok_or(ErrorKind::Panicked)? {
                let [certificate, chain, _] =
                    names.map(|name| name.and_then(|name| head.headers.remove(name)));
                if certificate.or(chain).is_some() {
                    head.extensions.insert(Distrusted);
                }
                return Ok(None);
            }
            let read = header.read(&head.headers, settings.certificate_limit);
            let Some(der) = read.map_err(|fault| match fault {
                HeaderFault::Repeated => ErrorKind::Certificate(CertificateError::Repeated).into(),
                HeaderFault::TooLong => ErrorKind::CredentialTooLong.into(),
                HeaderFault::Malformed(reason) => malformed(reason),
            })?
            else {
                return Ok(None);
            };
            let certificate = if settings.says_verified(&head.headers) {
                ClientCertificate::verified(der)
            } else {
                ClientCertificate::unverified(der)
            };
            certificate.map(Some).map_err(malformed)
        }
    }
}

/// What is wrong with it is for the operator.
fn malformed(reason: impl Into<BoxError>) -> Error {
    Error::with_source(ErrorKind::Certificate(CertificateError::Malformed), reason.into())
}
