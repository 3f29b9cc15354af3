//! The program, as its callers, its upstreams and its operators see it.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

// Callers have several addresses there.
#[cfg(target_os = "linux")]
mod admitted;
mod asked;
mod bounded;
mod certificates;
mod checked;
mod forwarding;
mod http2;
mod operated;
mod pki;
#[cfg(feature = "jwks-fetch")]
mod published;
mod readme;
mod remembered;
mod signed;
mod stores;
mod support;
