//! Where the metadata of a client states its keys (RFC 7591 §2).

use std::fmt::Display;

use serde_json::Value;

use crate::iana::metadata::ClientMetadata;

/// Reads the one of `jwks` and `jwks_uri` that is there.
///
/// # Errors
///
/// What is wrong with it, or that there is none, or both.
pub(crate) fn keys<T, E: Display>(
    metadata: &ClientMetadata,
    jwks: impl FnOnce(&str) -> Result<T, E>,
    jwks_uri: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let set = metadata.jwks.as_ref().filter(|set| !is_empty(set));
    let uri = metadata.jwks_uri.as_deref().filter(|uri| !uri.is_empty());
    // RFC 7591 §2: "The jwks_uri and jwks parameters MUST NOT both be present".
    match (set, uri) {
        (Some(set), None) => jwks(&set.to_string()).map_err(|keys| format!("`jwks`: {keys}")),
        (None, Some(uri)) => jwks_uri(uri).map_err(|keys| keys.to_string()),
        (None, None) => Err(format!("`{}` needs `jwks` or `jwks_uri`", metadata.auth_method())),
        (Some(_), Some(_)) => Err("`jwks` and `jwks_uri` must not both be present".to_owned()),
    }
}

/// As programs write a key set that write every member: RFC 7517 §5 has `{"keys": []}`.
fn is_empty(jwks: &Value) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(keys) => keys.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    is_empty(jwks) || jwks.get("keys").is_some_and(is_empty)
}
