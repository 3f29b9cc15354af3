//! Settings that cannot work.

use std::fmt;

use crate::iana::AuthMethod;

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The realm is empty or holds a control character (RFC 7617 §2).
    Realm,
    /// The list of methods is empty, so that no client could authenticate.
    NoMethods,
    /// The method cannot be checked by this build of the crate.
    UnsupportedMethod(AuthMethod),
    /// The issuer is not an `https` URL without query and fragment (RFC 8414 §2).
    Issuer,
    /// The longest lifetime of an assertion is not between a second and an hour.
    AssertionLifetime,
    /// The greatest age of an attestation is not between a second and 31 days.
    AttestationAge,
    /// The window for proofs of possession is not between a second and an hour.
    ProofWindow,
    /// The secret for challenges has fewer than 32 bytes.
    ChallengeSecret,
    /// There is no signature algorithm, or one of them is not supported.
    SigningAlgorithm,
    /// [`grpc`](crate::ClientAuthLayer::grpc) and
    /// [`headers_only`](crate::ClientAuthLayer::headers_only) are two kinds of layer.
    GrpcAndHeadersOnly,
    /// The authentication scheme of [`foreign_schemes`](crate::ClientAuthLayer::foreign_schemes) is no token
    /// (RFC 9110 §5.6.2), or is `Basic`.
    ForeignScheme(String),
    /// A header that names the client to an upstream is none that a [`Forward`](crate::forward::Forward) may set: it is no
    /// name of a header, or has a meaning of its own.
    IdentityHeader(String),
    /// Two settings of a [`Forward`](crate::forward::Forward) name the same header, perhaps spelled differently.
    RepeatedIdentityHeader(String),
    /// The key for signed identities is no PKCS #8 of an Ed25519 or a P-256 key.
    IdentityKey,
    /// Signed identities are good for at least a second and at most a minute.
    IdentityLifetime,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Realm => f.write_str("the realm is empty or holds a control character"),
            Self::Issuer => {
                f.write_str("the issuer is not an https URL without query and fragment")
            }
            Self::AssertionLifetime => {
                f.write_str("the lifetime of assertions is not between a second and an hour")
            }
            Self::AttestationAge => {
                f.write_str("the age of attestations is not between a second and 31 days")
            }
            Self::ProofWindow => f.write_str(
                "the window for proofs of possession is not between a second and an hour",
            ),
            Self::ChallengeSecret => {
                f.write_str("the secret for challenges has fewer than 32 bytes")
            }
            Self::SigningAlgorithm => f.write_str("a signature algorithm is not supported"),
            Self::GrpcAndHeadersOnly => {
                f.write_str("a layer cannot be for gRPC and read headers only")
            }
            Self::ForeignScheme(scheme) if scheme.eq_ignore_ascii_case("basic") => {
                f.write_str("the authentication scheme Basic is not foreign: the layer reads it")
            }
            Self::ForeignScheme(scheme) => {
                write!(f, "the authentication scheme {scheme:?} is not a token")
            }
            Self::IdentityHeader(name) => {
                let why = match http::HeaderName::from_bytes(name.as_bytes()) {
                    Ok(_) => "has a meaning of its own, and cannot say who the client is",
                    Err(_) => "is no name of a header",
                };
                write!(f, "{name:?} {why}")
            }
            Self::RepeatedIdentityHeader(name) => {
                write!(f, "the header {name:?} is set by another setting already")
            }
            Self::IdentityKey => f.write_str(
                "the key for signed identities is no PKCS #8 of an Ed25519 or a P-256 key",
            ),
            Self::IdentityLifetime => f.write_str(
                "the lifetime of signed identities is not between a second and a minute",
            ),
            Self::NoMethods => f.write_str("the list of client authentication methods is empty"),
            Self::UnsupportedMethod(method) => {
                write!(f, "the client authentication method {:?} ", method.as_str())?;
                // With the feature it is supported.
                f.write_str(match method {
                    AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt => {
                        "needs the feature `jwt`"
                    }
                    AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => {
                        "needs the feature `mtls`"
                    }
                    AuthMethod::AttestJwtClientAuth => "needs the feature `unstable-attestation`",
                    _ => "is not supported",
                })
            }
        }
    }
}

impl std::error::Error for ConfigError {}
