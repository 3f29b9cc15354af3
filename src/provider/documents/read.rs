//! What a document must be to identify a client.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    client::{InvalidRegistration, RegisteredClient},
    error::{document::DocumentError, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    provider::documents::url,
};

/// The strongest first.
const METHODS: [AuthMethod; 2] = [AuthMethod::PrivateKeyJwt, AuthMethod::None];
/// The grants with a redirect (RFC 7591 §2.1).
const REDIRECTING: [&str; 2] = ["authorization_code", "implicit"];
/// With which no document may be published: what everybody knows, and what would bring keys from anywhere.
const FORBIDDEN: [&str; 3] = ["client_secret", "client_secret_expires_at", "federated_identities"];
const LIST: &str = "token_endpoint_auth_methods_supported";

/// What is asked of a document beside what the draft asks.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Whether `none` and `private_key_jwt` are accepted.
    pub(super) accepted: Accepted,
    /// Beside the host of the client.
    pub(super) jwks_hosts: BTreeSet<Box<str>>,
    pub(super) mcp: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) none: bool,
    pub(super) private_key_jwt: bool,
}

impl Accepted {
    fn has(self, method: &AuthMethod) -> bool {
        match method {
            AuthMethod::None => self.none,
            AuthMethod::PrivateKeyJwt => self.private_key_jwt,
            _ => false,
        }
    }
}

/// The client that the document at `client_id`, whose host is this, identifies.
///
/// # Errors
///
/// If it identifies none. One that cannot authenticate here is no error. Private keys are found elsewhere.
pub(super) fn read(
    client_id: &str,
    text: &[u8],
    rules: &Rules,
) -> Result<RegisteredClient<ClientMetadata>, DocumentError> {
    let refused = |reason: &'static str| DocumentError::refused(reason);
    let mut metadata =
        ClientMetadata::from_document(text, &FORBIDDEN).map_err(DocumentError::refused)?;
    if metadata.client_id != client_id {
        return Err(refused("`client_id` is another than its address"));
    }
    let jwks = metadata.jwks.as_ref();
    let has_uri = metadata.jwks_uri.as_ref().is_some_and(|jwks_uri| !jwks_uri.is_empty());
    if jwks.is_some_and(|jwks| !keys(jwks).is_empty()) && has_uri {
        return Err(refused("`jwks` and `jwks_uri` must not both be present"));
    }
    let redirects = metadata.grant_types.is_empty()
        || metadata.grant_types.iter().any(|grant| REDIRECTING.contains(&&**grant));
    if (redirects || rules.mcp) && metadata.redirect_uris.is_empty() {
        return Err(refused("`redirect_uris` is missing"));
    }
    if rules.mcp && metadata.client_name.as_ref().is_none_or(String::is_empty) {
        return Err(refused("`client_name` is missing"));
    }
    let Some(method) = method(&metadata, rules.accepted)? else {
        let problem = Problem::Invalid(
            metadata.auth_method(),
            "its document has no method that `MetadataDocuments::auth_methods` accepts".into(),
        );
        let client =
            RegisteredClient::try_from_registration(client_id.to_owned(), Err(problem), metadata);
        return Ok(client.unwrap_or_else(InvalidRegistration::into_unusable));
    };
    if method == AuthMethod::PrivateKeyJwt {
        let own = url::host_of(client_id);
        let is_allowed = |host: &str| own == Some(host) || rules.jwks_hosts.contains(host);
        let jwks_uri = metadata.jwks_uri.as_deref().filter(|jwks_uri| !jwks_uri.is_empty());
        if jwks_uri.is_some_and(|jwks_uri| !url::host_of(jwks_uri).is_some_and(is_allowed)) {
            return Err(refused("`jwks_uri` is on another host, or written oddly"));
        }
    }
    metadata.token_endpoint_auth_method = Some(method);
    Ok(RegisteredClient::try_from(metadata).unwrap_or_else(InvalidRegistration::into_unusable))
}

/// The one method of the client: what it states, or else the strongest of its list that is accepted. Nothing,
/// if none of them is.
fn method(
    metadata: &ClientMetadata,
    accepted: Accepted,
) -> Result<Option<AuthMethod>, DocumentError> {
    let refused = |reason: &'static str| DocumentError::refused(reason);
    let list: Option<Vec<AuthMethod>> = match metadata.other.get(LIST) {
        None | Some(Value::Null) => None,
        Some(Value::Array(names)) if names.is_empty() => None,
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().map(AuthMethod::from));
            let names: Option<_> = names.collect();
            Some(names.ok_or_else(|| {
                refused("`token_endpoint_auth_methods_supported` has what is no name")
            })?)
        }
        Some(_) => return Err(refused("`token_endpoint_auth_methods_supported` is no list")),
    };
    let stated = metadata.stated_method();
    if matches!(
        stated,
        Some(
            AuthMethod::ClientSecretBasic
                | AuthMethod::ClientSecretPost
                | AuthMethod::ClientSecretJwt
        )
    ) {
        return Err(refused(
            "`token_endpoint_auth_method` needs a secret, which no document can have",
        ));
    }
    if let (Some(stated), Some(list)) = (stated, &list) {
        if !list.contains(stated) {
            return Err(refused(
                "`token_endpoint_auth_method` is not among the methods of the client",
            ));
        }
    }
    // RFC 7591 §2 has another default, which the draft forbids.
    let stated = stated.or(list.is_none().then_some(&AuthMethod::None));
    if let Some(stated) = stated.filter(|stated| accepted.has(stated)) {
        return Ok(Some(stated.clone()));
    }
    let list = list.unwrap_or_default();
    Ok(METHODS.into_iter().find(|method| accepted.has(method) && list.contains(method)))
}

/// The keys in a document, whatever else is in it.
pub(super) fn jwks(text: &[u8]) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        jwks: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Document<'_>>(text).ok()?.jwks
}

fn keys(jwks: &Value) -> &[Value] {
    jwks.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
