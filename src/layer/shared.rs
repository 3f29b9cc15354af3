//! What all services of a layer have in common.

use std::sync::Arc;

use crate::{layer::policy::Policy, method::State};

/// Making another service is free: axum does it for each request while a router is not finished.
///
/// It begins on lines of memory of its own: the count of its handles, which all cores write to, lies in
/// front of it, and what they read must not be on the same line.
#[repr(align(128))]
pub(crate) struct Shared<P> {
    pub(crate) provider: Arc<P>,
    pub(crate) policy: Policy,
    pub(crate) state: State,
}

// Derived, `Clone` would ask the same of `P`.
impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            policy: self.policy.clone(),
            state: self.state.clone(),
        }
    }
}
