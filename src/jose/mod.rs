//! Signatures and keys (RFC 7515, RFC 7517, RFC 7518, RFC 8037), whatever is signed with them.

pub(crate) mod alg;
#[cfg(feature = "mtls")]
mod certificate;
pub(crate) mod compact;
#[cfg(test)]
pub(crate) mod counted;
pub(crate) mod header;
pub(crate) mod invalid;
pub(crate) mod json;
mod jwk;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod leaked;
pub(crate) mod mac;
mod pem;
pub(crate) mod set;
pub(crate) mod sign;
mod spki;
pub(crate) mod stated;
mod weak;
// In tests/private.
#[cfg(all(test, private_tests))]
mod vectors;
