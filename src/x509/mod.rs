//! What is read of a client certificate (RFC 5280): its subject, its alternative names and its validity.
//! Nothing here knows of requests, or judges a signature: the handshake and its verifier did.

pub(crate) mod certificate;
#[cfg(feature = "rustls")]
mod chain;
#[cfg(test)]
mod counted;
mod dn;
mod element;
pub(crate) mod invalid;
#[cfg(any(feature = "rustls", feature = "unstable-attestation-x5c"))]
pub(crate) mod link;
mod name;
#[cfg(feature = "rustls")]
pub(crate) mod rustls;
pub(crate) mod subject;
pub(crate) mod types;
#[cfg(feature = "unstable-attestation-x5c")]
pub(crate) mod usage;
mod value;
mod walk;

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
