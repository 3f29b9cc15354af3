//! The request and the response as HTTP has them: what the head decides, the form, the bodies and the
//! refusal.

pub(crate) mod admission;
pub(crate) mod answer;
mod api;
pub(crate) mod attested;
pub(crate) mod authorization;
pub(crate) mod body;
#[cfg(feature = "mtls")]
pub(crate) mod client_cert;
pub(crate) mod collect;
pub(crate) mod document;
pub(crate) mod fault;
pub(crate) mod form;
pub(crate) mod limits;
pub(crate) mod mode;
pub(crate) mod names;
#[cfg(feature = "axum")]
pub(crate) mod oauth_form;
pub(crate) mod optional;
mod parameters;
pub(crate) mod response;
pub(crate) mod strip;
pub(crate) mod text;
