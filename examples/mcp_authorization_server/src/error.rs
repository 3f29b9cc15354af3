//! The errors behind client authentication, in the form of RFC 6749 §5.2 and RFC 7591 §3.2.2.

use std::fmt::Display;

use axum::{
    Json,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use serde_json::json;

#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

impl OAuthError {
    pub(crate) fn new(code: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description }
    }
}

/// Whatever breaks inside is for the operator alone.
impl<E: Display> From<E> for OAuthError {
    fn from(error: E) -> Self {
        eprintln!("mcp_authorization_server: {error}");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "server_error",
            description: "The server is out of order",
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        (self.status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
