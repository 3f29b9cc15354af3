//! Tests of the layer in the stacks that users build: axum, hyper, tonic, tower, tower-http and a reverse proxy.
//!
//! They are apart from the other tests because these stacks take long to compile.

#[cfg(test)]
mod stacks;

/// The README must compile.
#[cfg(all(doctest, feature = "axum", feature = "jwt", feature = "tokio"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The first page of the documentation shows the layer in axum, which the crate does not depend on.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../src/docs/crate.md")]
struct FirstPage;

/// So does the page about gateways and gRPC, in tonic.
#[cfg(doctest)]
#[doc = include_str!("../../../src/docs/gateways.md")]
struct Gateways;

/// And the page about tests.
#[cfg(all(doctest, feature = "axum", feature = "test-util"))]
#[doc = include_str!("../../../src/docs/testing.md")]
struct Testing;

/// And the page about wallets, with their challenge endpoint.
#[cfg(all(doctest, feature = "axum", feature = "unstable-attestation"))]
#[doc = include_str!("../../../src/docs/wallets.md")]
struct Wallets;

/// And the page about client certificates, with listeners for them.
#[cfg(all(doctest, feature = "rustls"))]
#[doc = include_str!("../../../src/docs/mutual_tls.md")]
struct MutualTls;
