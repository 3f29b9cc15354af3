//! Why no client can authenticate with a registration.

use std::{borrow::Cow, fmt};

#[cfg(feature = "metadata-documents")]
use crate::method::assertion;
use crate::{
    iana::AuthMethod,
    method::{Method, Registration, Settings},
    secret::stored::ClientSecret,
};

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The application said so.
    Declared,
    NoClientId,
    /// In this member. No request can have one there (RFC 6749 Appendix A, RFC 7617 §2).
    ControlCharacter(&'static str),
    NoSecret(AuthMethod),
    PublicWithSecret,
    UnsupportedMethod(AuthMethod),
    /// What the method needs is missing or wrong. The text names the member and quotes nothing of it.
    Invalid(AuthMethod, Cow<'static, str>),
}

impl Problem {
    /// A client of this method has none.
    pub(super) fn without_secrets(method: Method) -> Self {
        Self::Invalid(method.iana().clone(), "clients of this method have no secrets".into())
    }

    /// What keeps the secret from being presented.
    pub(super) fn of_presented(secret: &ClientSecret) -> Option<Self> {
        let control = secret.plain_bytes()?.iter().any(u8::is_ascii_control);
        control.then_some(Self::ControlCharacter("client_secret"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => f.write_str("the registration is unusable"),
            Self::NoClientId => f.write_str("`client_id` is empty"),
            Self::ControlCharacter(member) => write!(f, "`{member}` has a control character"),
            Self::NoSecret(method) => write!(f, "`{method}` needs a secret and none is stored"),
            Self::PublicWithSecret => f.write_str("`none` contradicts a stored secret"),
            // Anything may have been stored as the name, also what belongs to another member.
            Self::UnsupportedMethod(AuthMethod::Other(_)) => {
                f.write_str("`token_endpoint_auth_method` names no known method")
            }
            Self::UnsupportedMethod(method) => write!(f, "the method `{method}` is not supported"),
            Self::Invalid(_, problem) => f.write_str(problem),
        }
    }
}

// Derived, it would show the name of the method.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Result<Self, Problem>> for Registration {
    fn from(read: Result<Self, Problem>) -> Self {
        read.unwrap_or_else(Self::Unusable)
    }
}

impl Registration {
    /// Why nobody can authenticate with it under these settings, and which of them to change. For the operator.
    pub(crate) fn obstacle(&self, settings: &Settings) -> Option<String> {
        let method = match self {
            Self::Unusable(problem) => return Some(problem.to_string()),
            _ => self.method(),
        };
        if settings.accepted.contains(method) {
            let published = match self {
                Self::Assertion(keys) => keys.obstacle(settings),
                _ => None,
            };
            return published.map(str::to_owned);
        }
        let advice = match method {
            Method::PrivateKeyJwt | Method::SecretJwt => {
                ": set `ClientAuthLayer::assertions`; clients with a metadata document may use `none` instead if \
                 `MetadataDocuments::auth_methods` accepts nothing else"
            }
            _ => "",
        };
        let method = method.iana().as_str();
        Some(format!("the client must use `{method}`, which this layer does not accept{advice}"))
    }
}

#[cfg(feature = "metadata-documents")]
impl Registration {
    /// The same, if it has no secrets.
    pub(crate) fn of_document(&self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Assertion(assertion::Registration::PrivateKey(keys)) => {
                Self::Assertion(assertion::Registration::PrivateKey(keys.clone()))
            }
            Self::Unusable(problem) => Self::Unusable(problem.clone()),
            Self::Basic(_) | Self::Post(_) | Self::Assertion(_) | Self::MutualTls(_) => {
                Self::Unusable(Problem::Declared)
            }
        }
    }
}
