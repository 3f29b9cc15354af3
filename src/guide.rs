//! Pages to read. There is no code in here.

#[cfg(feature = "jwt")]
#[doc = include_str!("docs/assertion_clients.md")]
pub mod assertion_clients {}

#[doc = include_str!("docs/bodies.md")]
pub mod bodies {}

#[doc = include_str!("docs/clients.md")]
pub mod clients {}

#[cfg(all(feature = "argon2", feature = "cache", feature = "generate", feature = "tokio"))]
#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/performance.md")]
pub mod performance {}

#[cfg(all(feature = "jwks-fetch", feature = "redis"))]
#[doc = include_str!("docs/replay_and_keys.md")]
pub mod replay_and_keys {}

#[doc = include_str!("docs/switching_over.md")]
pub mod switching_over {}

#[doc = include_str!("docs/why.md")]
pub mod why {}
