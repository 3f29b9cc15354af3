//! The request and the response as HTTP has them: what the head decides, the form, the bodies and the
//! refusal.

pub(crate) mod admission;
mod api;
pub(crate) mod authorization;
pub(crate) mod body;
#[cfg(feature = "mtls")]
pub(crate) mod client_cert;
pub(crate) mod collect;
pub(crate) mod form;
pub(crate) mod limits;
pub(crate) mod mode;
pub(crate) mod optional;
pub(crate) mod response;
pub(crate) mod text;
