//! The header fields of draft-ietf-oauth-attestation-based-client-auth.

use http::{HeaderMap, HeaderName};

/// The attestation, and the proof of possession of the key in it.
pub(crate) static FIELDS: [HeaderName; 2] = [
    HeaderName::from_static("oauth-client-attestation"),
    HeaderName::from_static("oauth-client-attestation-pop"),
];

/// Whether this build knows what they are for.
pub(crate) const AVAILABLE: bool = cfg!(feature = "unstable-attestation");

/// Keeps them out of what inner services print of their request.
#[cold]
pub(crate) fn mark(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if FIELDS.contains(name) {
            value.set_sensitive(true);
        }
    }
}

/// Whether one of them is there.
pub(crate) fn are_there(headers: &HeaderMap) -> bool {
    FIELDS.iter().any(|name| headers.contains_key(name))
}
