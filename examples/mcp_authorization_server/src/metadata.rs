//! What a client must know before it can begin.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::App;

pub(crate) const SCOPE: &str = "mcp";

/// RFC 8414 §2.
pub(crate) async fn authorization_server(State(app): State<App>) -> Json<Value> {
    let App { issuer, methods, .. } = &app;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "registration_endpoint": format!("{issuer}/register"),
        "scopes_supported": [SCOPE],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// RFC 9728 §2.
pub(crate) async fn protected_resource(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "resource": app.resource(),
        "authorization_servers": [app.issuer],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
    }))
}
