//! The request and the response as HTTP has them: what the head decides, the form, the bodies and the
//! refusal.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod form;
pub(crate) mod response;
