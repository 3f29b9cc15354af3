//! The reasons for which a certificate is refused.

use crate::error::entry::{Entry, FAILED, entry};

/// Why the certificate of a request does not authenticate the client
/// ([`ErrorKind::Certificate`](crate::ErrorKind::Certificate)).
///
/// Each begins with its label, [`ErrorKind::as_str`](crate::ErrorKind::as_str), and ends with the status and
/// `error` code that it is answered with. Those that depend on the registration are answered as a wrong
/// secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateError {
    /// `certificate_missing`: the client needs a certificate, or the layer accepts no `client_id` without one, and the
    /// request came without one that counts (RFC 8705 §2). → 401 `invalid_client`
    Missing,
    /// `certificate_mismatch`: the certificate is not the one that the client is registered with (RFC 8705 §2.1, §2.2).
    /// → 401 `invalid_client`
    Mismatch,
    /// `certificate_unverified`: the certificate has the right name, and nobody verified its chain, or whoever did found it
    /// wrong, also because it had expired by then (RFC 8705 §2.1). → 401 `invalid_client`
    Unverified,
    /// `certificate_expired`: the certificate is the right one, and has expired or is not valid yet. → 401
    /// `invalid_client`
    Expired,
    /// `certificate_malformed`: there is a certificate, or a header for one, that cannot be read. → 400
    /// `invalid_request`
    Malformed,
    /// `certificate_repeated`: the header of the certificate is there more than once (RFC 9440 §2.2). → 400
    /// `invalid_request`
    Repeated,
}

impl CertificateError {
    pub(crate) const fn entry(self) -> &'static Entry {
        match self {
            Self::Missing => entry! {
                "certificate_missing", "the request came without a certificate",
                FAILED
            },
            Self::Mismatch => entry! {
                "certificate_mismatch", "the certificate is not the one of the client",
                FAILED
            },
            Self::Unverified => entry! {
                "certificate_unverified", "the chain of the certificate was not verified",
                FAILED
            },
            Self::Expired => entry! {
                "certificate_expired", "the certificate is not valid at this time",
                FAILED
            },
            Self::Malformed => entry! {
                "certificate_malformed", "the certificate cannot be read",
                invalid_request(BAD_REQUEST, "The client certificate cannot be read")
            },
            Self::Repeated => entry! {
                "certificate_repeated", "there is more than one certificate",
                invalid_request(BAD_REQUEST, "There must be one client certificate")
            },
        }
    }
}
