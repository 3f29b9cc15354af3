//! Why no client can authenticate with a registration.

use std::{borrow::Cow, fmt};

use crate::iana::AuthMethod;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The application said so.
    Declared,
    NoClientId,
    NoSecret(AuthMethod),
    PublicWithSecret,
    UnsupportedMethod(AuthMethod),
    /// What the method needs is missing or wrong. The text quotes nothing of it.
    Invalid(AuthMethod, Cow<'static, str>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => f.write_str("the registration is unusable"),
            Self::NoClientId => f.write_str("the client_id is empty"),
            Self::NoSecret(method) => write!(f, "`{method}` needs a secret and none is stored"),
            Self::PublicWithSecret => f.write_str("`none` contradicts a stored secret"),
            // Anything may have been stored as the name.
            Self::UnsupportedMethod(method) => {
                write!(f, "the method {:?} is not supported", method.as_str())
            }
            Self::Invalid(_, problem) => f.write_str(problem),
        }
    }
}
