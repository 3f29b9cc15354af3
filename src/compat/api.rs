//! The settings for switching over.

use crate::{
    compat::{Compat, dialect::Dialect, mcp_python_sdk::Endpoint},
    layer::ClientAuthLayer,
};

/// # Switching over
impl<P, M> ClientAuthLayer<P, M> {
    /// The leniencies. Default: none.
    #[must_use]
    pub fn compat(self, compat: Compat) -> Self {
        self.set_repeated(compat.last_parameter_wins).set_methods(|methods| {
            methods.raw_basic = compat.raw_basic;
            methods.interchange_basic_and_post = compat.interchange_basic_and_post;
            methods.ignore_public_credentials = compat.ignore_public_credentials;
        })
    }
}

/// # Switching over from the MCP Python SDK
///
/// These presets answer as `ClientAuthenticator` of the MCP Python SDK does behind the SDK's own
/// token and revocation handlers, for servers that must not change anything on the wire yet.
///
/// | what the SDK does | alone, as a setting |
/// |---|---|
/// | `client_id` must be in the form, also with Basic | – |
/// | `+` in Basic credentials is no space, and a malformed `%` is taken literally | [`raw_basic`](Compat::raw_basic), for secrets |
/// | only what the registered method uses is read, header or form; credentials elsewhere are ignored | – |
/// | of a repeated parameter the last counts | [`last_parameter_wins`](Compat::last_parameter_wins) |
/// | a client without a registered method cannot authenticate | [`RegisteredClient::unusable`](crate::RegisteredClient::unusable) |
/// | a public client may present anything | [`ignore_public_credentials`](Compat::ignore_public_credentials) |
/// | a secret expires a second later | [`clock`](Self::clock) |
/// | no `WWW-Authenticate`; the description tells the reason; always 401; a wrong media type is a missing `client_id`; revocation answers `unauthorized_client` | [`map_error_response`](Self::map_error_response) |
///
/// What would accept wrong credentials, or is wrong on the wire without a client that depends on
/// it, is **never** imitated: base64 with characters outside the alphabet or stray bits,
/// invalid UTF-8 that becomes U+FFFD, control characters, the first of several `Authorization`
/// headers, `multipart/form-data`, descriptions outside the character set of RFC 6749 §5.2. The
/// limits, their answers, and the answers to a failing provider are those of [`new`](Self::new),
/// and a lower-case scheme is accepted.
impl<P> ClientAuthLayer<P> {
    /// The MCP Python SDK's behaviour at the token endpoint.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let token = ClientAuthLayer::mcp_python_sdk(MemoryProvider::<ClientMetadata>::new());
    /// # drop(token);
    /// ```
    #[must_use]
    pub fn mcp_python_sdk(provider: P) -> Self {
        Self::imitating(provider, Endpoint::Token)
    }

    /// The MCP Python SDK's behaviour at the revocation endpoint: a failure is
    /// `unauthorized_client`.
    #[must_use]
    pub fn mcp_python_sdk_revocation(provider: P) -> Self {
        Self::imitating(provider, Endpoint::Revocation)
    }

    fn imitating(provider: P, endpoint: Endpoint) -> Self {
        Self::new(provider).set_dialect(Dialect::McpPythonSdk(endpoint))
    }
}
