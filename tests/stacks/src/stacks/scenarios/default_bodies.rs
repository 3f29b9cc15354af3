//! The layer as it is by default.

use tower_client_auth::body::RequestBody;

pub(super) use crate::stacks::support::client_auth;

/// The request body of an inner service, where the layer gets `B`.
pub(super) type Inner<B> = RequestBody<B>;

#[path = "both_modes.rs"]
mod both_modes;
