//! What the clients are registered with that present certificates.

use std::net::IpAddr;

use serde_json::Value;

use crate::{
    error::problem::Problem,
    iana::{AuthMethod, metadata::ClientMetadata},
    jose::stated,
    method::{Method, mutual_tls::certificates::ClientCertificates},
    x509::subject::CertificateSubject,
};

/// What the certificate of a client must have, or be.
#[derive(Clone, Debug)]
pub(crate) enum Registration {
    Pki(CertificateSubject),
    SelfSigned(ClientCertificates),
}

const SUBJECTS: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

impl Registration {
    /// Reads `jwks` and `jwks_uri`, or the subject (RFC 8705 §2.1.2, §2.2.2).
    ///
    /// # Errors
    ///
    /// If one of them does not fit the method.
    pub(in crate::method) fn from_metadata(metadata: &ClientMetadata) -> Result<Self, Problem> {
        let method = metadata.auth_method();
        let read = if method == AuthMethod::TlsClientAuth {
            subject(metadata).map(Self::Pki)
        } else {
            stated::keys(metadata, ClientCertificates::from_jwks, ClientCertificates::jwks_uri)
                .map(Self::SelfSigned)
        };
        read.map_err(|problem| Problem::Invalid(method, problem.into()))
    }

    /// # Errors
    ///
    /// Always: the methods need more than their name.
    pub(in crate::method) fn from_method(method: &AuthMethod) -> Result<Self, Problem> {
        let needs = match method {
            AuthMethod::TlsClientAuth => "`tls_client_auth` needs a subject",
            _ => "`self_signed_tls_client_auth` needs certificates",
        };
        Err(Problem::Invalid(method.clone(), needs.into()))
    }

    /// What is wrong with the keys whose certificates are not used.
    pub(in crate::method) fn omitted_keys(&self) -> Vec<String> {
        match self {
            Self::Pki(_) => Vec::new(),
            Self::SelfSigned(certificates) => {
                certificates.omitted_keys().iter().map(ToString::to_string).collect()
            }
        }
    }

    pub(in crate::method) const fn method(&self) -> Method {
        match self {
            Self::Pki(_) => Method::Tls,
            Self::SelfSigned(_) => Method::SelfSignedTls,
        }
    }
}

fn subject(metadata: &ClientMetadata) -> Result<CertificateSubject, String> {
    let absent = |value: &&Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    let mut stated = SUBJECTS.into_iter().filter_map(|name| {
        metadata.other.get(name).filter(|value| !absent(value)).map(|value| (name, value))
    });
    let (name, value) = match (stated.next(), stated.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(format!("`tls_client_auth` needs one of {}", SUBJECTS.join(", "))),
        (Some((first, _)), Some((second, _))) => {
            return Err(format!("`{first}` and `{second}` must not both be present"));
        }
    };
    let Value::String(text) = value else { return Err(format!("`{name}` is not a string")) };
    let subject = match name {
        "tls_client_auth_subject_dn" => CertificateSubject::dn(text),
        "tls_client_auth_san_dns" => CertificateSubject::dns(text),
        "tls_client_auth_san_uri" => CertificateSubject::uri(text),
        "tls_client_auth_san_email" => CertificateSubject::email(text),
        _ => {
            return text
                .parse::<IpAddr>()
                .map(CertificateSubject::ip)
                .map_err(|_quotes_nothing| format!("`{name}` is not an IP address"));
        }
    };
    subject.map_err(|problem| format!("`{name}`: {problem}"))
}
