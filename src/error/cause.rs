//! What there is to say of a refusal beyond its kind. A fact is kept as a fact, and its text is written when
//! somebody asks for it: most refusals are of strangers, who must not be able to make one dearer than
//! another.

use std::{error, fmt, sync::Arc};

use crate::{
    error::{BoxError, problem::Problem},
    iana::AuthMethod,
};

/// It is no larger than two pointers, because errors are moved often.
#[derive(Clone)]
pub(crate) enum Cause {
    /// Another error, or a text that was written beforehand.
    Error(Arc<BoxError>),
    Registration(Arc<Problem>),
    /// The client is registered for it, and used another.
    RegisteredFor(&'static AuthMethod),
    /// The client is registered for it, and nobody can use it here.
    NotAccepted(&'static AuthMethod),
    /// A parameter of the form, by its name, and what is wrong with it.
    Parameter(&'static &'static str, Fault),
    /// How many seconds ahead an assertion may expire.
    Lifetime(i64),
    /// What to do, such as which setting to change.
    Advice(&'static &'static str),
}

/// Used with the feature `jwt`.
const _: () = {
    let _used = Cause::Lifetime;
};

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Repeated,
    NotEncoded,
    NotUtf8,
    ControlCharacter,
}

impl Cause {
    pub(super) fn as_error(&self) -> &(dyn error::Error + 'static) {
        match self {
            Self::Error(error) => &***error,
            fact => fact,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Registration(problem) => problem.fmt(f),
            Self::RegisteredFor(method) => write!(f, "the client is registered for `{method}`"),
            Self::NotAccepted(method) => {
                write!(f, "the client must use `{method}`, which this layer does not accept")?;
                f.write_str(match method {
                    AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt => {
                        ": set `ClientAuthLayer::assertions`; clients with a metadata document may use `none` \
                         instead if `MetadataDocuments::auth_methods` accepts nothing else"
                    }
                    AuthMethod::TlsClientAuth => {
                        ": set `ClientAuthLayer::mutual_tls`, and `MutualTls::verified_if` or `verified_by_proxy` for \
                         certificates from a proxy"
                    }
                    AuthMethod::SelfSignedTlsClientAuth => ": set `ClientAuthLayer::mutual_tls`",
                    _ => "",
                })
            }
            Self::Parameter(name, fault) => {
                write!(f, "`{name}` ")?;
                f.write_str(match fault {
                    Fault::Repeated => "occurs more than once",
                    Fault::NotEncoded => "has a `%` that two hexadecimal digits do not follow",
                    Fault::NotUtf8 => "is not UTF-8",
                    Fault::ControlCharacter => {
                        "has a control character, such as a line break at its end"
                    }
                })
            }
            Self::Lifetime(seconds) => {
                write!(f, "`exp` may be {seconds} seconds ahead, see `longest_lifetime`")
            }
            Self::Advice(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            fact => fact.to_string().fmt(f),
        }
    }
}

impl error::Error for Cause {}
