//! Redis, if this program was built with it.

use tower_client_auth::BoxError;

/// Finds what is wrong with its URL.
pub(crate) fn check(_url: &str) -> Result<(), BoxError> {
    Err(example_support::needs_feature("[redis]", "redis"))
}
