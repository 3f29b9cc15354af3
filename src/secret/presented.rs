//! Secrets on their way to the application.

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

/// A secret that was right, as [`on_secret_match`](crate::ClientAuthLayer::on_secret_match) sees
/// it.
#[derive(Debug)]
pub struct SecretMatch<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) label: Option<&'a str>,
    pub(crate) presented: PresentedSecret,
}

impl SecretMatch<'_> {
    /// The client that presented it.
    #[must_use]
    pub const fn client_id(&self) -> &str {
        self.client_id
    }

    /// The label of the stored secret, if it has one.
    #[must_use]
    pub const fn label(&self) -> Option<&str> {
        self.label
    }

    /// The secret, to be stored in another form.
    #[must_use]
    pub const fn presented(&self) -> &PresentedSecret {
        &self.presented
    }
}
