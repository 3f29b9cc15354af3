//! The registry "OAuth Dynamic Client Registration Metadata".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::iana::AuthMethod;

/// A client information response (RFC 7591 §3.2.1), as far as client authentication is concerned;
/// every other member is kept in [`other`](Self::other).
///
/// `client_secret` is read and never written:
/// [`RegisteredClient`](crate::RegisteredClient) takes it out, `Debug` hides it
/// and serialization leaves it out, so that a handler which logs or returns its client gives
/// nothing away.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{AuthMethod, ClientMetadata, RegisteredClient};
///
/// let metadata: ClientMetadata = serde_json::from_str(
///     r#"{
///     "client_id": "batch",
///     "client_secret": "gX9kWZ2c6qyVbDmC5rN1uA",
///     "client_secret_expires_at": 0,
///     "client_name": "Nightly batch",
///     "logo_uri": "https://client.example/logo.png"
/// }"#,
/// )?;
/// assert_eq!(metadata.auth_method(), AuthMethod::ClientSecretBasic);
///
/// let client = RegisteredClient::try_from(metadata)?;
/// assert_eq!(client.client().other["logo_uri"], "https://client.example/logo.png");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// `client_id`
    pub client_id: String,
    /// `client_secret`, until [`RegisteredClient`](crate::RegisteredClient) takes it.
    #[serde(default, skip_serializing, deserialize_with = "secret")]
    pub client_secret: Option<String>,
    /// `client_secret_expires_at`, in seconds since the Unix epoch; 0 means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<i64>,
    /// `client_id_issued_at`, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_issued_at: Option<i64>,
    /// `token_endpoint_auth_method`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// `token_endpoint_auth_signing_alg`, the only algorithm that the client signs assertions with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<String>,
    /// `jwks`, the public keys of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// `jwks_uri`, where the client publishes them instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `client_name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// `redirect_uris`
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// `grant_types`
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// `scope`, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Every other member, as it was read.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ClientMetadata {
    /// Metadata with this `client_id` and nothing else.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), ..Self::default() }
    }

    /// The registered method: `client_secret_basic` if the member is absent (RFC 7591 §2).
    #[must_use]
    pub fn auth_method(&self) -> AuthMethod {
        self.token_endpoint_auth_method.clone().unwrap_or(AuthMethod::ClientSecretBasic)
    }
}

/// An empty secret is none (RFC 6749 §3.2): it must not become one that an empty password equals.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let secret = Option::<String>::deserialize(deserializer)?;
    Ok(secret.filter(|secret| !secret.is_empty()))
}

/// Some programs write an absent list as `null`.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl fmt::Debug for ClientMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMetadata")
            .field("client_id", &self.client_id)
            .field(
                "client_secret",
                &self.client_secret.as_ref().map(|_| format_args!("[redacted]")),
            )
            .field("client_secret_expires_at", &self.client_secret_expires_at)
            .field("token_endpoint_auth_method", &self.token_endpoint_auth_method)
            .field("client_name", &self.client_name)
            .finish_non_exhaustive()
    }
}
