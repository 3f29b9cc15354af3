//! How much of everything a request may have.

use std::time::Duration;

use crate::error::kind::ErrorKind;

/// The bounds of a request, for [`ClientAuthLayer::limits`](crate::ClientAuthLayer::limits).
///
/// The two deadlines have no default, because they take a timer, which is the feature `tokio`. Without a
/// body deadline, or a timeout further out, callers that send slowly take all that the server can hold
/// (CWE-400); without a deadline for the provider, a store that hangs keeps every request.
///
/// # Examples
///
/// ```
/// use tower_client_auth::Limits;
///
/// // For request objects (RFC 9101) that are larger than usual.
/// let limits = Limits::new().body(256 * 1024).credential(16 * 1024);
/// # drop(limits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) body: usize,
    pub(crate) parameters: usize,
    pub(crate) credential: usize,
    pub(crate) body_deadline: Option<Duration>,
    pub(crate) provider_deadline: Option<Duration>,
}

impl Limits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            // RFC 6749 forms are a few hundred bytes; assertions (RFC 7523) and request objects (RFC
            // 9126) fit, too.
            body: 64 * 1024,
            parameters: 1024,
            credential: 8 * 1024,
            body_deadline: None,
            provider_deadline: None,
        }
    }

    /// The largest body in bytes; a larger one is answered 413. Default: 64 KiB.
    #[must_use]
    pub const fn body(self, bytes: usize) -> Self {
        Self { body: bytes, ..self }
    }

    /// The largest number of form parameters; more are answered 400. Default: 1024.
    #[must_use]
    pub const fn parameters(self, parameters: usize) -> Self {
        Self { parameters, ..self }
    }

    /// The greatest length in bytes of each of the `Authorization` value, `client_id`,
    /// `client_secret` and `client_assertion`, as they are sent; a longer one is answered 400.
    /// Default: 8 KiB.
    #[must_use]
    pub const fn credential(self, bytes: usize) -> Self {
        Self { credential: bytes, ..self }
    }

    /// Whether a credential is short enough, as it was sent.
    pub(crate) const fn check_credential(&self, value: &[u8]) -> Result<(), ErrorKind> {
        if value.len() > self.credential { Err(ErrorKind::CredentialTooLong) } else { Ok(()) }
    }

    /// The time that a body may take to arrive, from the call on; a slower one is answered 408.
    /// Default: no limit, for stacks that have one further out.
    ///
    /// It needs a tokio runtime with its timer enabled: without one, a body that is not there at once
    /// is too slow.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub const fn body_deadline(self, deadline: Duration) -> Self {
        Self { body_deadline: Some(deadline), ..self }
    }

    /// The time that each question to the application may take: a look-up, a secret that is
    /// [verified elsewhere](crate::ClientSecret::verified_by), the replay store, the source of
    /// keys. A slower answer is 503. Default: no limit, for providers that have one.
    ///
    /// It does not bound the computing of a slow hash or of a signature, nor the wait for a place in the
    /// pool where these are computed: a timeout further out does.
    ///
    /// It needs a tokio runtime with its timer enabled: without one, an answer that is not there at
    /// once is too slow.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub const fn provider_deadline(self, deadline: Duration) -> Self {
        Self { provider_deadline: Some(deadline), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
