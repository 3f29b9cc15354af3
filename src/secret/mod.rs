//! Client secrets: as they are stored, presented and made.
//!
//! [`ClientSecret`](crate::ClientSecret) is what a provider hands to the layer.

pub(crate) mod comparison;
#[cfg(feature = "generate")]
pub(crate) mod generated;
#[cfg(feature = "argon2")]
pub(crate) mod phc;
pub(crate) mod presented;
pub(crate) mod stored;

#[cfg(feature = "generate")]
#[cfg_attr(docsrs, doc(cfg(feature = "generate")))]
pub use self::generated::GeneratedSecret;
#[cfg(feature = "argon2")]
#[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
pub use self::phc::InvalidPhc;
pub use self::presented::{PresentedSecret, SecretMatch};
