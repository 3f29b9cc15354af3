//! The layer in the stacks that users build, over real sockets and with real clients.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod axum;
mod hyper;
#[cfg(feature = "rustls")]
mod mutual_tls;
#[cfg(feature = "axum")]
mod oauth_form;
mod proxy;
mod scenarios;
mod support;
mod tonic;
mod tower;
