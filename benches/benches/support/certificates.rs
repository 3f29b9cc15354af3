//! A certificate as authorities issue it: RSA of 2048 bits, three parts of a name, one alternative name.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, Request};
use tower_client_auth::mutual_tls::{
    CertificateSubject, ClientCertificate, ClientCertificates, MutualTls, ProxyHeader,
};

const PEM: &str = include_str!("client.pem");
const SUBJECT: &str = "CN=client.example,O=Acme,C=DE";

const VERIFIED: (&str, &str) = ("x-client-verify", "SUCCESS");

static CERTIFICATE: LazyLock<Option<ClientCertificate>> = LazyLock::new(|| read(der()));

pub(crate) fn der() -> Vec<u8> {
    let text: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(text).unwrap_or_default()
}

/// What a header costs beside its base64.
pub(crate) fn read(der: Vec<u8>) -> Option<ClientCertificate> {
    ClientCertificate::verified(der).ok()
}

pub(crate) fn subject() -> Option<CertificateSubject> {
    CertificateSubject::dn(SUBJECT).ok()
}

pub(crate) fn registered() -> ClientCertificates {
    ClientCertificates::from_certificates(CERTIFICATE.as_ref())
}

/// The header of a proxy that is trusted, with certificates that it verified.
pub(crate) fn from_header() -> MutualTls {
    let (verified, value) = VERIFIED;
    MutualTls::from_header(ProxyHeader::client_cert(), |_| true)
        .verified_if(HeaderName::from_static(verified), HeaderValue::from_static(value))
}

pub(crate) fn on_connection<B>(mut request: Request<B>) -> Request<B> {
    if let Some(certificate) = &*CERTIFICATE {
        request.extensions_mut().insert(certificate.clone());
    }
    request
}

pub(crate) fn in_header<B>(mut request: Request<B>) -> Request<B> {
    if let Ok(value) = format!(":{}:", BASE64_STANDARD.encode(der())).parse() {
        request.headers_mut().insert("client-cert", value);
        let (verified, value) = VERIFIED;
        request.headers_mut().insert(verified, HeaderValue::from_static(value));
    }
    request
}
