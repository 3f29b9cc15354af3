//! Client secrets: as they are stored, presented and made.
//!
//! [`ClientSecret`](crate::ClientSecret) is what a provider hands to the layer.

#[cfg(feature = "argon2")]
mod api;
pub(crate) mod comparison;
pub(crate) mod dummy;
#[cfg(feature = "generate")]
pub(crate) mod generated;
#[cfg(feature = "argon2")]
mod hash_pool;
#[cfg(feature = "argon2")]
pub(crate) mod phc;
mod plain;
pub(crate) mod presented;
pub(crate) mod stored;
mod validity;

// After the others, as in the documentation of `ClientSecret`.
mod digest;

#[cfg(feature = "generate")]
#[cfg_attr(docsrs, doc(cfg(feature = "generate")))]
pub use self::generated::GeneratedSecret;
pub use self::{
    digest::InvalidDigest,
    presented::{PresentedSecret, SecretMatch},
    validity::UnixSeconds,
};
#[cfg(feature = "argon2")]
#[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
pub use self::{hash_pool::HashPool, phc::InvalidPhc};

/// What comparisons cost on each thread, for tests that compare it.
#[cfg(test)]
pub(crate) mod spent {
    use std::cell::Cell;

    thread_local!(static SPENT: Cell<u64> = const { Cell::new(0) });

    pub(super) fn add(cost: u64) {
        SPENT.set(SPENT.get() + cost);
    }

    #[cfg(feature = "argon2")]
    pub(crate) fn take() -> u64 {
        SPENT.take()
    }
}
