//! What is not written of client metadata, because it is for no one but the client or the server.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::iana::PRIVATE_KEY_MEMBERS;

/// Without the tokens and secrets of the client.
pub(super) fn other<S: Serializer>(
    other: &Map<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let is_secret = |name: &str| matches!(name, "client_secret" | "registration_access_token");
    serializer.collect_map(other.iter().filter(|(name, _)| !is_secret(name)))
}

/// Without private and symmetric keys. They are not left out but covered, so that a set which must not
/// be used because it has one is not taken for a good one when it is read again.
pub(super) fn jwks<S: Serializer>(jwks: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut jwks = jwks.clone();
    match &mut jwks {
        Some(Value::Object(set)) => {
            cover_members(set);
            match set.get_mut("keys") {
                Some(Value::Array(keys)) => {
                    keys.iter_mut().filter(|key| !key.is_object()).for_each(cover);
                }
                Some(other) => cover(other),
                None => {}
            }
        }
        // Such as the text of a set, which may be anything.
        Some(other) => cover(other),
        None => {}
    }
    jwks.serialize(serializer)
}

/// However deep they are.
fn cover_members(key: &mut Map<String, Value>) {
    for (name, value) in key {
        if PRIVATE_KEY_MEMBERS.contains(&&**name) {
            cover(value);
        } else {
            cover_wrapped(value);
        }
    }
}

fn cover_wrapped(value: &mut Value) {
    match value {
        Value::Object(members) => cover_members(members),
        Value::Array(values) => values.iter_mut().for_each(cover_wrapped),
        _ => {}
    }
}

/// What is empty is absent, and must stay so.
fn cover(value: &mut Value) {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !is_empty {
        *value = "[redacted]".into();
    }
}
