//! Whatever breaks inside.

use std::fmt::Display;

use tower_client_auth::OAuthError;

/// It is for the operator alone.
pub(crate) fn broken(error: impl Display) -> OAuthError {
    eprintln!("mcp_authorization_server: {error}");
    OAuthError::SERVER_ERROR.description("The server is out of order")
}
