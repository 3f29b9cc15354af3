//! Why no client can authenticate with a registration.

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use crate::{error::throttled::find, iana::AuthMethod};

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The application said so.
    Declared,
    NoClientId,
    /// In this member. No request can have one there (RFC 6749 Appendix A, RFC 7617 §2).
    ControlCharacter(&'static str),
    NoSecret {
        method: AuthMethod,
        /// Whether the registration names no method, and this is the default of RFC 7591 §2.
        is_default: bool,
    },
    PublicWithSecret,
    UnsupportedMethod(AuthMethod),
    /// What the method needs is missing or wrong. The text names the member and quotes nothing of it.
    Invalid(AuthMethod, Cow<'static, str>),
}

/// The client whose registration it is. It is the source of an `InvalidRegistration` of whatever type, by which that
/// is found among the causes of an error.
#[derive(Debug)]
pub(crate) struct UnusableClient {
    pub(crate) client_id: Box<str>,
    pub(crate) problem: Arc<Problem>,
}

impl UnusableClient {
    /// Whether an error is, or was caused by, a registration of exactly this client. Who loads a whole table, and
    /// fails at one bad row, has failed for all others.
    pub(crate) fn caused(error: &(dyn Error + 'static), client_id: &str) -> bool {
        find::<Self>(error).is_some_and(|unusable| *unusable.client_id == *client_id)
    }
}

impl fmt::Display for UnusableClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl Error for UnusableClient {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => f.write_str("the registration is unusable"),
            Self::NoClientId => f.write_str("`client_id` is empty"),
            Self::ControlCharacter(member) => write!(f, "`{member}` has a control character"),
            Self::NoSecret { method, is_default } => {
                write!(f, "`{method}`")?;
                if *is_default {
                    // Who never wrote it does not know where it comes from.
                    f.write_str(", the default of `token_endpoint_auth_method`,")?;
                }
                f.write_str(" needs a secret and none is stored")
            }
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
