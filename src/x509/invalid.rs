//! What is said about certificates and subjects that cannot be used. It quotes nothing of them.

use std::fmt;

/// A certificate that cannot be read. It quotes nothing of the certificate.
///
/// Its `Display` is such as "there is something behind the certificate, at byte 712".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCertificate {
    reason: &'static str,
    at: usize,
}

impl InvalidCertificate {
    pub(crate) const fn new(reason: &'static str, at: usize) -> Self {
        Self { reason, at }
    }
}

impl fmt::Display for InvalidCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for InvalidCertificate {}

/// A value that no certificate could match. It quotes nothing of the value.
///
/// Its `Display` is such as "the name of an attribute type is not known; write its OID instead, at
/// byte 5".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSubject {
    reason: &'static str,
    at: usize,
}

impl InvalidSubject {
    pub(crate) const fn new(reason: &'static str, at: usize) -> Self {
        Self { reason, at }
    }
}

impl fmt::Display for InvalidSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for InvalidSubject {}
