//! Names from the IANA "OAuth Parameters" registries.

pub(crate) mod metadata;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The registry "JSON Web Key Parameters": what is private there, of asymmetric keys and of symmetric
/// ones.
pub(crate) const PRIVATE_KEY_MEMBERS: [&str; 9] =
    ["d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k"];

/// A client authentication method, as registered in the IANA registry "OAuth Token Endpoint
/// Authentication Methods".
///
/// Every registered name has a variant, and so has one that is about to be, whether this crate can check the method or not; a client
/// that is registered for a method that cannot be checked never authenticates.
///
/// # Examples
///
/// ```
/// use tower_client_auth::AuthMethod;
///
/// assert_eq!(AuthMethod::from("client_secret_basic"), AuthMethod::ClientSecretBasic);
/// assert_eq!(AuthMethod::from("carrier_pigeon").as_str(), "carrier_pigeon");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// `none`: a public client, which names itself and proves nothing
    /// ([RFC 7591 §2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
    None,
    /// `client_secret_basic`: id and secret in the `Authorization` header
    /// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ClientSecretBasic,
    /// `client_secret_post`: id and secret in the form body
    /// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ClientSecretPost,
    /// `client_secret_jwt`: an assertion keyed with the secret
    /// ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
    ClientSecretJwt,
    /// `private_key_jwt`: an assertion signed with a private key
    /// ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
    PrivateKeyJwt,
    /// `spiffe_jwt`: a JWT-SVID of a workload
    /// ([draft-ietf-oauth-spiffe-client-auth](https://datatracker.ietf.org/doc/draft-ietf-oauth-spiffe-client-auth/);
    /// not registered yet).
    SpiffeJwt,
    /// `tls_client_auth`: a certificate from a trusted authority
    /// ([RFC 8705 §2.1](https://www.rfc-editor.org/rfc/rfc8705#section-2.1)).
    TlsClientAuth,
    /// `self_signed_tls_client_auth`: a registered certificate
    /// ([RFC 8705 §2.2](https://www.rfc-editor.org/rfc/rfc8705#section-2.2)).
    SelfSignedTlsClientAuth,
    /// `attest_jwt_client_auth`: an attestation of the client's instance, and a proof that it has the attested key
    /// (draft-ietf-oauth-attestation-based-client-auth; not in the registry yet).
    AttestJwtClientAuth,
    /// Any other name, kept as it was read. Never authenticates.
    Other(Box<str>),
}

impl AuthMethod {
    /// The name on the wire, as in RFC 7591 metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SpiffeJwt => "spiffe_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::AttestJwtClientAuth => "attest_jwt_client_auth",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for AuthMethod {
    fn from(name: &str) -> Self {
        match name {
            "none" => Self::None,
            "client_secret_basic" => Self::ClientSecretBasic,
            "client_secret_post" => Self::ClientSecretPost,
            "client_secret_jwt" => Self::ClientSecretJwt,
            "private_key_jwt" => Self::PrivateKeyJwt,
            "spiffe_jwt" => Self::SpiffeJwt,
            "tls_client_auth" => Self::TlsClientAuth,
            "self_signed_tls_client_auth" => Self::SelfSignedTlsClientAuth,
            "attest_jwt_client_auth" => Self::AttestJwtClientAuth,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AuthMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AuthMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A visitor would save the copy; registration documents are read once, not per request.
        String::deserialize(deserializer).map(|name| Self::from(name.as_str()))
    }
}
