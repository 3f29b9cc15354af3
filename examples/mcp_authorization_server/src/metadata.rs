//! What a client must know before it can begin.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{
    App, scope,
    token::{CODE, CREDENTIALS, REFRESH},
};

/// RFC 8414 §2; draft-ietf-oauth-client-id-metadata-document-02 §6.
pub(crate) async fn authorization_server(State(app): State<App>) -> Json<Value> {
    let App { issuer, methods, signing_algs, .. } = &app;
    let alone = app.allow_client_credentials || app.initial_access_token_sha256.is_some();
    let grants = GRANT_TYPES.into_iter().filter(|grant| alone || *grant != CREDENTIALS);
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": app.token_endpoint(),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": signing_algs,
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": signing_algs,
        "registration_endpoint": format!("{issuer}/register"),
        "client_id_metadata_document_supported": app.knows_documents,
        "scopes_supported": scopes(),
        "response_types_supported": ["code"],
        "grant_types_supported": grants.collect::<Vec<_>>(),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

pub(crate) const GRANT_TYPES: [&str; 3] = [CODE, REFRESH, CREDENTIALS];

/// RFC 9728 §2.
pub(crate) async fn protected_resource(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "resource": app.resource(),
        "authorization_servers": [app.issuer],
        "scopes_supported": scopes(),
        "bearer_methods_supported": ["header"],
    }))
}

fn scopes() -> [&'static str; 2] {
    scope::ALL.map(|(scope, _)| scope)
}
