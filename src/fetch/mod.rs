//! Documents that clients publish.

#[cfg(feature = "jwks-fetch")]
mod address;
pub(crate) mod budget;
#[cfg(feature = "metadata-documents")]
pub(crate) mod documents;
#[cfg(feature = "jwks-fetch")]
pub(crate) mod https;
pub(crate) mod jwks;
pub(crate) mod remembered;
#[cfg(feature = "metadata-documents")]
pub(crate) mod store;
