//! Assertions (RFC 7521, RFC 7523).

pub(crate) mod replay;
