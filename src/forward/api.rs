//! The setting of the layer.

use std::sync::Arc;

use crate::{forward::Forward, layer::ClientAuthLayer};

/// # Forwarding
impl<P, M> ClientAuthLayer<P, M> {
    /// Hands requests on as an upstream should get them: without the credentials of the client, and with headers
    /// that say who it is. Default: they are handed on as they came.
    ///
    /// It is for reverse proxies and gateways, and for handlers that pass requests on. A layer that shall name its clients to
    /// another upstream is a clone of this one with another [`Forward`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientMetadata, forward::Forward, provider::MemoryProvider,
    /// };
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
    ///     .forward(Forward::new().identity("x-client-id")?.auth_method("x-client-auth-method")?);
    /// # drop(layer);
    /// # Ok::<(), tower_client_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn forward(self, forward: Forward) -> Self {
        self.set(|policy| policy.forward = Some(Arc::new(forward)))
    }
}
