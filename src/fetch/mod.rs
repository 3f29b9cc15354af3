//! Documents that clients publish.

#[cfg(feature = "jwks-fetch")]
mod address;
mod budget;
#[cfg(feature = "jwks-fetch")]
pub(crate) mod https;
pub(crate) mod jwks;
mod remembered;
