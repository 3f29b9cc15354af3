//! Secrets that are verified elsewhere.

use std::{fmt, future::Future, pin::Pin};

use zeroize::Zeroizing;

use crate::error::BoxError;

/// A secret that a caller presented, on its way to a verifier of the application. It is wiped when
/// it is dropped, and `Debug` shows no part of it.
#[derive(Clone)]
pub struct PresentedSecret(Zeroizing<String>);

impl PresentedSecret {
    pub(crate) fn new(secret: &str) -> Self {
        Self(Zeroizing::new(secret.to_owned()))
    }

    /// The secret. Do not log it: a wrong one is often the right one of another client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedSecret([redacted])")
    }
}

/// What [`ClientSecret::verified_by`](crate::ClientSecret::verified_by) keeps.
pub(crate) type Verifier = dyn Fn(PresentedSecret) -> Verification + Send + Sync;

pub(crate) type Verification = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send>>;
