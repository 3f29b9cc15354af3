//! The registry "OAuth Dynamic Client Registration Metadata".

mod read;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::iana::AuthMethod;

/// A client information response (RFC 7591 §3.2.1), as far as client authentication is concerned;
/// every other member is kept in [`other`](Self::other).
///
/// A member that decides who authenticates (the id, secret, expiry, method, algorithm and keys) must
/// have the right type and be there once, or nothing is read, with an error that names the member and
/// quotes nothing. No other member is an obstacle: one of another type than its field is kept in
/// `other`, so that nothing is lost. Times may have fractions, which are rounded down; only 0 itself
/// is never, so that a secret which expires at 0.4 has expired. `null` is absent.
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
#[derive(Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// `client_id`
    pub client_id: String,
    /// `client_secret`, until [`RegisteredClient`](crate::RegisteredClient) takes it.
    #[serde(skip_serializing)]
    pub client_secret: Option<String>,
    /// `client_secret_expires_at`, in seconds since the Unix epoch; 0 means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<i64>,
    /// `client_id_issued_at`, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id_issued_at: Option<i64>,
    /// `token_endpoint_auth_method`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// `token_endpoint_auth_signing_alg`, the only algorithm that the client signs assertions with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<String>,
    /// `jwks`, the public keys of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// `jwks_uri`, where the client publishes them instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `client_name`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// `redirect_uris`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// `grant_types`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// `scope`, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Every other member, as it was read. One of the names above is here if its value did not fit
    /// the field; take it out before the field is set, or both are written.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ClientMetadata {
    /// Metadata with this `client_id` and nothing else.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), ..Self::default() }
    }

    /// The registered method: `client_secret_basic` if the member is absent (RFC 7591 §2) or empty,
    /// as programs write it that write every member.
    #[must_use]
    pub fn auth_method(&self) -> AuthMethod {
        self.stated_method().cloned().unwrap_or(AuthMethod::ClientSecretBasic)
    }

    pub(crate) fn stated_method(&self) -> Option<&AuthMethod> {
        self.token_endpoint_auth_method.as_ref().filter(|method| !method.as_str().is_empty())
    }
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
