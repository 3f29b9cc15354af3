//! Long-form documentation.
//!
//! For those who set the layer up:
//!
//! - [`bodies`]: which body types the layer changes, and what to do when a stack does not compile.
//! - [`forwarding`]: gateways that take credentials away and tell an upstream who is calling.
//! - [`gateways`]: credentials from the headers alone, and gRPC: `headers_only`, `.grpc()`, health
//!   checks, forms and gRPC in one router.
#![cfg_attr(
    all(feature = "metadata-documents", feature = "redis"),
    doc = "- [`mcp_servers`]: from an axum app to an MCP server that Claude connects to, and what goes wrong."
)]
#![cfg_attr(
    feature = "mtls",
    doc = "- [`behind_a_proxy`]: client certificates that nginx, HAProxy, Apache and others hand on."
)]
//! - [`tenants`]: many tenants or issuers in one server, by path or by host.
//! - [`testing`]: tests of handlers, routers and gRPC methods behind the layer.
//! - [`switching_over`]: from the MCP Python SDK, a middleware by hand, oxide-auth, Spring and
//!   node-oidc-provider; the leniencies for clients that cannot be changed.
#![cfg_attr(
    feature = "jwt",
    doc = "- [`assertion_clients`]: which clients sign assertions, and what they put into them.
- [`workload_identity`]: clients without a secret, in Kubernetes, GitHub Actions and SPIFFE."
)]
#![cfg_attr(
    feature = "mtls",
    doc = "- [`mutual_tls`]: clients that authenticate with a certificate, and tokens that are bound to one."
)]
#![cfg_attr(
    feature = "unstable-attestation",
    doc = "- [`wallets`]: wallets and mobile apps, for whose installations an attester vouches."
)]
//! - [`recipes`]: bcrypt and the hashes of Doorkeeper, Django, Spring and Keycloak; SQLx, rusqlite, Diesel, LDAP.
//! - [`clients`]: which OAuth clients work, with which ids and secrets.
//!
//! For those who run it:
//!
//! - [`troubleshooting`]: from what the caller sees to the reason, its cause, and what to do.
#![cfg_attr(
    all(feature = "argon2", feature = "cache", feature = "generate", feature = "tokio"),
    doc = "- [`operations`]: limits and deadlines, TLS, throttling, also behind a proxy, kinds of secrets, rotation, caching, outages and
  alerts."
)]
#![cfg_attr(
    all(feature = "jwks-fetch", feature = "redis"),
    doc = "- [`replay_and_keys`]: what assertions need: a memory of those that were used, and keys that
  clients publish."
)]
//! - [`performance`]: how fast it is, on one core and many and under load, and how to measure it.
//! - [`price_list`]: what each kind of request costs the server, to size and to limit by.
//!
//! For those who want to know the reasons:
//!
//! - [`why`]: why it is as it is, and which mistakes of others it avoids.
//! - [`threat_model`]: who may try what, what the layer promises against each, and which test checks it.

#[cfg(feature = "jwt")]
#[doc = include_str!("docs/assertion_clients.md")]
pub mod assertion_clients {}

#[cfg(feature = "mtls")]
#[doc = include_str!("docs/behind_a_proxy.md")]
pub mod behind_a_proxy {}

#[doc = include_str!("docs/bodies.md")]
pub mod bodies {}

#[doc = include_str!("docs/clients.md")]
pub mod clients {}

#[doc = include_str!("docs/forwarding.md")]
pub mod forwarding {}

// It shows axum and tonic, which only the package in tests/stacks compiles; it compiles the page, too.
#[cfg_attr(not(doctest), doc = include_str!("docs/gateways.md"))]
pub mod gateways {}

#[cfg(all(feature = "metadata-documents", feature = "redis"))]
#[doc = include_str!("docs/mcp_servers.md")]
#[doc = include_str!("docs/mcp_clients.md")]
pub mod mcp_servers {}

// It shows axum, axum-server and tonic, as `gateways` does.
#[cfg(feature = "mtls")]
#[cfg_attr(not(doctest), doc = include_str!("docs/mutual_tls.md"))]
pub mod mutual_tls {}

#[cfg(all(feature = "argon2", feature = "cache", feature = "generate", feature = "tokio"))]
#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/performance.md")]
pub mod performance {}

#[doc = include_str!("docs/price_list.md")]
// Without a blank line the picture belongs to the paragraph before it, which ends inside of it.
#[doc = ""]
#[doc = include_str!("docs/price_list.svg")]
pub mod price_list {}

// It shows bcrypt and databases, which only the package in tests/recipes compiles; it runs the page, too.
#[cfg_attr(not(doctest), doc = include_str!("docs/recipes.md"))]
pub mod recipes {}

#[cfg(all(feature = "jwks-fetch", feature = "redis"))]
#[doc = include_str!("docs/replay_and_keys.md")]
pub mod replay_and_keys {}

#[doc = include_str!("docs/switching_over.md")]
pub mod switching_over {}

#[doc = include_str!("docs/tenants.md")]
pub mod tenants {}

// It shows axum and tonic, as `gateways` does.
#[cfg_attr(not(doctest), doc = include_str!("docs/testing.md"))]
pub mod testing {}

#[doc = include_str!("docs/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("docs/troubleshooting.md")]
pub mod troubleshooting {}

#[cfg(feature = "unstable-attestation")]
#[cfg_attr(not(doctest), doc = include_str!("docs/wallets.md"))]
pub mod wallets {}

#[doc = include_str!("docs/why.md")]
pub mod why {}

#[cfg(feature = "jwt")]
#[doc = include_str!("docs/workload_identity.md")]
pub mod workload_identity {}
