//! The setting of the layer.

use std::sync::Arc;

use crate::{
    layer::ClientAuthLayer,
    throttle::{Guarded, Throttle},
};

/// # Throttling
impl<P, M> ClientAuthLayer<P, M> {
    /// Asks `throttle` before each look-up whether the attempt may go on, and tells it afterwards what became of it, also
    /// if the caller hung up (RFC 6749 §2.3.1). Default: attempts are not counted.
    ///
    /// Whoever has to wait is answered 429 with `Retry-After`, whether there is such a client or not. Layers that share
    /// clients should share the throttle: give each a clone of an `Arc`. A
    /// [`FailureThrottle`](crate::throttle::FailureThrottle) is one in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientMetadata,
    ///     provider::MemoryProvider,
    ///     throttle::{FailureThrottle, PeerAddress},
    /// };
    ///
    /// // In axum: `|peer: &ConnectInfo<SocketAddr>| peer.0.ip()`.
    /// let peer = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
    ///     .throttle(FailureThrottle::new(peer));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn throttle(self, throttle: impl Throttle) -> Self {
        self.set_throttle(Guarded::new(Arc::new(throttle)))
    }
}
