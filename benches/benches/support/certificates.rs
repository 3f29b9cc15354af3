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

pub(crate) fn on_connection<B>(request: Request<B>) -> Request<B> {
    with(request, CERTIFICATE.as_ref())
}

fn with<B>(mut request: Request<B>, certificate: Option<&ClientCertificate>) -> Request<B> {
    if let Some(certificate) = certificate {
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

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    match length {
        [0, short @ ..0x80] => [&[tag, short][..], content].concat(),
        [0, length] => [&[tag, 0x81, length][..], content].concat(),
        [high, low] => [&[tag, 0x82, high, low][..], content].concat(),
    }
}

/// A certificate with this common name and so many host names, which nobody verified: 32 KiB of them at most.
pub(crate) fn unverified(name: &str, hosts: usize) -> Option<ClientCertificate> {
    let sequence = |parts: &[Vec<u8>]| element(0x30, &parts.concat());
    let oid = |bytes: &[u8]| element(0x06, bytes);
    let value = sequence(&[oid(&[0x55, 4, 3]), element(0x0c, name.as_bytes())]);
    let subject = sequence(&[element(0x31, &value)]);
    let time = || element(0x17, b"300101000000Z");
    let algorithm = || sequence(&[oid(&[0x2a, 0x03])]);
    let names = element(0x82, b"client.examplf").repeat(hosts);
    let names = element(0x04, &element(0x30, &names));
    let to_be_signed = sequence(&[
        element(0xa0, &element(0x02, &[2])),
        element(0x02, &[1]),
        algorithm(),
        subject.clone(),
        sequence(&[time(), time()]),
        subject,
        sequence(&[algorithm(), element(0x03, &[0, 1])]),
        element(0xa3, &sequence(&[sequence(&[oid(&[0x55, 0x1d, 0x11]), names])])),
    ]);
    let der = sequence(&[to_be_signed, algorithm(), element(0x03, &[0, 1])]);
    ClientCertificate::unverified(der).ok()
}

static MANY_NAMES: LazyLock<Option<ClientCertificate>> = LazyLock::new(|| unverified("x", 1_000));

pub(crate) fn with_many_names<B>(request: Request<B>) -> Request<B> {
    with(request, MANY_NAMES.as_ref())
}

pub(crate) fn host() -> Option<CertificateSubject> {
    CertificateSubject::dns("client.example").ok()
}
