//! What the benches have in common: the work, the programs that the layer is compared with, and the
//! goals.

#[cfg(feature = "argon2")]
pub(crate) mod argon2id;
#[cfg(feature = "jwt")]
pub(crate) mod assertions;
#[cfg(feature = "unstable-attestation")]
pub(crate) mod attestations;
pub(crate) mod budget;
#[cfg(feature = "mtls")]
pub(crate) mod certificates;
pub(crate) mod chart;
pub(crate) mod clients;
pub(crate) mod crowd;
pub(crate) mod drive;
#[cfg(feature = "jwt")]
pub(crate) mod federated;
pub(crate) mod floor;
pub(crate) mod hand;
pub(crate) mod header_only;
pub(crate) mod process;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod stack;
pub(crate) mod wall;
pub(crate) mod work;

/// As tower has it.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
