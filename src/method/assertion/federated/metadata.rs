//! Members of a registration that say whose tokens the client presents. No specification has them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    error::problem::Problem,
    iana::{AuthMethod, metadata::ClientMetadata},
    jose::keys::ClientKeys,
    method::assertion::federated::trust::Trust,
};

const IDENTITIES: &str = "federated_identities";
const SPIFFE_ID: &str = "spiffe_id";
const SPIFFE_BUNDLE: &str = "spiffe_bundle";

/// Whose tokens the client presents, unless it has other credentials.
pub(in crate::method::assertion) fn trusts(
    metadata: &ClientMetadata,
) -> Option<Result<Vec<Trust>, Problem>> {
    let method = metadata.auth_method();
    let member = |name| metadata.other.get(name).filter(|value| !value.is_null());
    let read = match method {
        AuthMethod::PrivateKeyJwt => identities(member(IDENTITIES)?, metadata),
        AuthMethod::SpiffeJwt => {
            spiffe(member(SPIFFE_ID), member(SPIFFE_BUNDLE)).map(|trust| vec![trust])
        }
        _ => return None,
    };
    Some(read.map_err(|problem| Problem::Invalid(method, problem.into())))
}

fn identities(value: &Value, metadata: &ClientMetadata) -> Result<Vec<Trust>, String> {
    // Which of the two decides would be anybody's guess.
    if metadata.jwks.is_some() || metadata.jwks_uri.as_deref().is_some_and(|uri| !uri.is_empty()) {
        return Err(format!("`{IDENTITIES}` beside keys of the client"));
    }
    let list = value.as_array().ok_or_else(|| format!("`{IDENTITIES}` is not an array"))?;
    list.iter().map(identity).collect()
}

fn identity(value: &Value) -> Result<Trust, String> {
    let wrong = |what: &str| format!("`{IDENTITIES}`: {what}");
    let members = value.as_object().ok_or_else(|| wrong("an element is not an object"))?;
    let text = |name: &str| match present(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(&format!("`{name}` is not a string"))),
    };
    let required = |name: &str| text(name)?.ok_or_else(|| wrong(&format!("`{name}` is missing")));
    let (issuer, subject) = (required("issuer")?, required("subject")?);
    let keys = match (present(members, "jwks"), text("jwks_uri")?) {
        (Some(jwks), None) => ClientKeys::from_jwks(&jwks.to_string())
            .map_err(|keys| wrong(&format!("`jwks`: {keys}")))?,
        (None, Some(uri)) => ClientKeys::jwks_uri(uri).map_err(|keys| wrong(&keys.to_string()))?,
        (None, None) => return Err(wrong("an element needs `jwks` or `jwks_uri`")),
        (Some(_), Some(_)) => return Err(wrong("`jwks` and `jwks_uri` must not both be present")),
    };
    let mut trust = Trust::jwt(issuer, subject, keys);
    if let Some(audience) = text("audience")? {
        trust = trust.audience(audience);
    }
    if let Some(seconds) = present(members, "longest_lifetime") {
        let seconds =
            seconds.as_u64().ok_or_else(|| wrong("`longest_lifetime` is not in seconds"))?;
        trust = trust.longest_lifetime(Duration::from_secs(seconds));
    }
    match present(members, "reusable") {
        None | Some(Value::Bool(false)) => Ok(trust),
        Some(Value::Bool(true)) => Ok(trust.reusable()),
        Some(_) => Err(wrong("`reusable` is neither true nor false")),
    }
}

fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn spiffe(id: Option<&Value>, bundle: Option<&Value>) -> Result<Trust, String> {
    let id = id.ok_or_else(|| format!("`{SPIFFE_ID}` is missing"))?;
    let id = id.as_str().ok_or_else(|| format!("`{SPIFFE_ID}` is not a string"))?;
    let bundle = bundle.ok_or_else(|| format!("`{SPIFFE_BUNDLE}` is missing"))?;
    let bundle = ClientKeys::from_spiffe_bundle(&bundle.to_string())
        .map_err(|keys| format!("`{SPIFFE_BUNDLE}`: {keys}"))?;
    // What is no SPIFFE ID is told of when the client is made.
    let domain = id.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
    Ok(Trust::spiffe(domain.filter(|domain| !domain.is_empty()).unwrap_or("-"), id, bundle))
}
