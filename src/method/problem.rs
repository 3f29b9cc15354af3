//! What a registration asks for that the layer cannot do.

use std::sync::Arc;

#[cfg(feature = "metadata-documents")]
use crate::method::assertion;
use crate::{
    error::{cause::Cause, kind::ErrorKind, problem::Problem},
    method::{Method, Registration, Settings},
    secret::stored::ClientSecret,
};

/// A client of this method has none.
pub(super) fn without_secrets(method: Method) -> Problem {
    Problem::Invalid(method.iana().clone(), "clients of this method have no secrets".into())
}

/// What keeps the secret from being presented.
pub(super) fn of_presented(secret: &ClientSecret) -> Option<Problem> {
    let control = secret.plain_bytes()?.iter().any(u8::is_ascii_control);
    control.then_some(Problem::ControlCharacter("client_secret"))
}

impl From<Result<Self, Problem>> for Registration {
    fn from(read: Result<Self, Problem>) -> Self {
        read.unwrap_or_else(Self::unusable)
    }
}

impl Registration {
    /// What there is to say of it where a client was refused that has it, such as which setting to change. For
    /// the operator.
    pub(crate) fn cause_of(&self, kind: ErrorKind, settings: &Settings) -> Option<Cause> {
        let method = self.method();
        match (self, kind) {
            (Self::Unusable(problem), _) => Some(Cause::Registration(Arc::clone(problem))),
            (_, ErrorKind::MethodMismatch) if !settings.accepted.contains(method) => {
                Some(Cause::NotAccepted(method.iana()))
            }
            (_, ErrorKind::MethodMismatch) => Some(Cause::RegisteredFor(method.iana())),
            (Self::Assertion(registered), kind) => registered.cause_of(kind, settings),
            (Self::Attestation(registered), kind) => registered.cause_of(kind, settings),
            _ => None,
        }
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
            Self::Unusable(problem) => Self::Unusable(Arc::clone(problem)),
            Self::Basic(_)
            | Self::Post(_)
            | Self::Assertion(_)
            | Self::MutualTls(_)
            | Self::Attestation(_) => Self::unusable(Problem::Declared),
        }
    }
}
