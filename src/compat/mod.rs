//! Behaviour that the specifications do not ask for, for servers that switch over.

pub(crate) mod api;
pub(crate) mod dialect;
mod mcp_python_sdk;

/// Leniencies for clients that cannot be changed, for
/// [`ClientAuthLayer::compat`](crate::ClientAuthLayer::compat). By default there are none.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientAuthLayer, ClientMetadata, Compat, provider::MemoryProvider};
///
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
///     .compat(Compat::new().raw_basic().interchange_basic_and_post());
/// # drop(layer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    pub(crate) interchange_basic_and_post: bool,
    pub(crate) raw_basic: bool,
    pub(crate) ignore_public_credentials: bool,
    pub(crate) last_parameter_wins: bool,
}

impl Compat {
    /// No leniencies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a client that is registered for one of `client_secret_basic` and `client_secret_post`
    /// use the other, which RFC 7591 §2 does not allow.
    ///
    /// For servers whose clients were registered before the method was enforced.
    #[must_use]
    pub const fn interchange_basic_and_post(self) -> Self {
        Self { interchange_basic_and_post: true, ..self }
    }

    /// Compares the password of a Basic header also as it was sent, when it does not equal a secret
    /// after the form-decoding of RFC 6749 §2.3.1. The id is always decoded.
    ///
    /// For clients that do not form-encode, such as `curl -u` and reqwest's `basic_auth`, and whose
    /// secrets hold `%` or `+`.
    #[must_use]
    pub const fn raw_basic(self) -> Self {
        Self { raw_basic: true, ..self }
    }

    /// Lets a public client present a secret, which is then ignored. RFC 6749 §2.3 does not allow
    /// it.
    ///
    /// For libraries that send an `Authorization` header with an empty password for public clients.
    #[must_use]
    pub const fn ignore_public_credentials(self) -> Self {
        Self { ignore_public_credentials: true, ..self }
    }

    /// Accepts a repeated parameter, and uses its last value. RFC 6749 §3.2 does not allow it.
    ///
    /// For clients that build their forms by appending. The inner service must read the last value,
    /// too, or it acts for another client than the one that was authenticated.
    #[must_use]
    pub const fn last_parameter_wins(self) -> Self {
        Self { last_parameter_wins: true, ..self }
    }
}
