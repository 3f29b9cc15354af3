//! The registry "OAuth Dynamic Client Registration Metadata".

mod read;
mod redirect;
mod write;

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
/// `other`, so that nothing is lost. `null` is absent, and of what decides so is an empty string or
/// key set, because many programs write every member.
///
/// A time is a number, which may have a fraction: it is rounded down, but only 0 itself is never, so
/// that a secret which expires at 0.4 has expired. An expiry that is anything else is an error: a string,
/// also an empty one or one with a number in it, and a number beyond 64 bits, such as 1e30. That it is
/// absent would mean that the secret never expires.
///
/// # What disables a client
///
/// A client that [`RegisteredClient`](crate::RegisteredClient) is made of never authenticates if
///
/// - its `client_id` is empty or has a control character;
/// - its method is unknown, or another spelling of a known one (case counts), or cannot be checked here:
///   without the feature `mtls` those of RFC 8705, and without `jwt` those of RFC 7523;
/// - its method is `none` and it has a secret (RFC 6749 §3.2.1);
/// - its method needs a secret and it has none, or one with a control character, which no request can
///   present; `client_secret_jwt` needs 32 bytes or more, and as many as the hash of the algorithm if
///   there is one;
/// - `token_endpoint_auth_signing_alg` does not fit the method or the keys;
/// - its method is `private_key_jwt` and it has neither `jwks` nor `jwks_uri`, or both (RFC 7591 §2), or
///   a `jwks_uri` that is no `https` URL, or a `jwks` with a private or symmetric key, or without any key
///   that can be used;
/// - its method is `private_key_jwt` and it has `federated_identities` beside keys of its own, or ones that no token can
///   match: none or more than 20, without `issuer`, `subject` and one of `jwks` and `jwks_uri`, or with an `audience`,
///   `longest_lifetime` (in seconds, at most a day) or `reusable` of another type;
/// - its method is `spiffe_jwt` and it has no `spiffe_id`, which may have `/*` at its end, or no `spiffe_bundle` with a
///   key for JWT-SVIDs;
/// - its method is `tls_client_auth` and it has not exactly one of the members of RFC 8705 §2.1.2, or one
///   that no certificate can match;
/// - its method is `self_signed_tls_client_auth` and it has neither a `jwks` with a certificate in `x5c` nor
///   a `jwks_uri`, or both.
///
/// `federated_identities`, `spiffe_id` and `spiffe_bundle` are members of this crate, in [`other`](Self::other): they say whose
/// tokens the client presents.
///
/// A secret that has expired is refused, too, but not reported when the client is made. What the method
/// does not need (a secret beside keys, keys beside a secret) is ignored.
///
/// # What is not written
///
/// `client_secret` and `registration_access_token` (RFC 7592) are read and never written, and private
/// and symmetric keys in `jwks` are written as `[redacted]`. `RegisteredClient` takes the secret out, and
/// `Debug` shows none of them. So a handler that returns its client gives none of these away; what else
/// is secret in `other`, only the application knows.
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
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write::jwks")]
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
    #[serde(flatten, serialize_with = "write::other")]
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
