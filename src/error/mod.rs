//! Why a request was refused: in detail for the operator, coarsely for the caller.

#[cfg(feature = "jwt")]
pub(crate) mod assertion;
#[cfg(feature = "unstable-attestation")]
pub(crate) mod attestation;
pub(crate) mod cause;
mod causes;
#[cfg(feature = "mtls")]
pub(crate) mod certificate;
pub(crate) mod config;
#[cfg(feature = "metadata-documents")]
pub(crate) mod document;
pub(crate) mod entry;
pub(crate) mod kind;
pub(crate) mod problem;
pub(crate) mod throttled;

use std::{fmt, sync::Arc};

use http::StatusCode;

use crate::{
    error::{cause::Cause, causes::Causes, kind::ErrorKind, throttled::Throttled},
    iana::AuthMethod,
};

/// Any error, boxed, as the provider and the bodies hand it to this crate.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was refused.
///
/// It is put into the extensions of the refusing response, and handed to the hooks of
/// [`ClientAuthLayer`](crate::ClientAuthLayer), for logs and metrics. None of it reaches the
/// caller, who cannot tell an unknown client from a wrong secret (RFC 6819 §5.1.4.2). Of what the caller sent it
/// holds at most the `iss` and `sub` of a token that somebody else issued and, for hooks, the `kid` of an assertion, each cut
/// after 128 characters.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use tower_client_auth::{Error, ErrorKind};
///
/// fn count<B>(response: &Response<B>) {
///     if let Some(error) = response.extensions().get::<Error>() {
///         if error.kind() == ErrorKind::UnknownClient { /* counter += 1 */ }
///     }
/// }
/// # count(&Response::new(()));
/// ```
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    /// That of the client, if it was found.
    registered_method: Option<&'static AuthMethod>,
    cause: Option<Cause>,
}

impl Error {
    /// Why, exactly.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.entry().answer.status
    }

    /// The `error` member of the answer (RFC 6749 §5.2).
    #[must_use]
    pub const fn error_code(&self) -> &'static str {
        self.kind.entry().answer.code
    }

    /// Whether the fault is on this side, so that the operator should look: the provider is out of
    /// order, or a registration is unusable.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.kind.entry().internal
    }

    /// Why, in as much detail as there is, on one line for a log: the [`source`](std::error::Error::source), and what
    /// caused that in turn, with `: ` between them. It is the field `source` of the event of the feature `tracing`.
    ///
    /// A cause whose text the one before ends with is written once. Control characters are escaped, because a
    /// cause may quote what somebody sent, and what is longer than 1 KiB, or has more than 16 causes, is cut.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let layer =
    ///     ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).on_outcome(|outcome| {
    ///         let Some(error) = outcome.error() else { return };
    ///         match error.causes() {
    ///             // provider: the store is away: Connection refused (os error 111)
    ///             Some(causes) => eprintln!("{}: {causes}", error.kind()),
    ///             None => eprintln!("{}", error.kind()),
    ///         }
    ///     });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn causes(&self) -> Option<impl fmt::Display> {
        self.cause.as_ref().map(|cause| Causes(cause.as_error()))
    }

    pub(crate) fn with_source(kind: ErrorKind, source: BoxError) -> Self {
        Self { cause: Some(Cause::Error(Arc::new(source))), ..kind.into() }
    }

    /// The same for a client that is registered for this method.
    pub(crate) const fn of_client(
        mut self,
        registered_method: Option<&'static AuthMethod>,
    ) -> Self {
        self.registered_method = registered_method;
        self
    }

    pub(crate) const fn registered_method(&self) -> Option<&'static AuthMethod> {
        self.registered_method
    }

    /// The same for this cause, unless it has one.
    pub(crate) fn because(self, cause: impl FnOnce(ErrorKind) -> Option<Cause>) -> Self {
        match self.cause {
            None => Self { cause: cause(self.kind), ..self },
            cause => Self { cause, ..self },
        }
    }

    /// A look-up that failed. RFC 6749 §5.2 has no code for it; answering `invalid_client` would
    /// make clients throw away good credentials.
    pub(crate) fn provider(source: BoxError) -> Self {
        #[cfg(feature = "metadata-documents")]
        if let Some(document) = document::DocumentError::find(&*source) {
            return Self::with_source(document.kind(), source);
        }
        Self::unless_throttled(ErrorKind::Provider, source)
    }

    /// A failure of what the application brings, or its throttle. That is looked for among the causes,
    /// because applications have errors of their own.
    pub(crate) fn unless_throttled(failure: ErrorKind, source: BoxError) -> Self {
        let kind = match Throttled::find(&*source) {
            Some(_) => ErrorKind::Throttled,
            None => failure,
        };
        Self::with_source(kind, source)
    }

    pub(crate) fn verifier(source: impl Into<BoxError>) -> Self {
        Self::with_source(ErrorKind::Verifier, source.into())
    }

    pub(crate) fn throttled(&self) -> Option<&Throttled> {
        Throttled::find(self.cause.as_ref()?.as_error())
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, registered_method: None, cause: None }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind);
        if let Some(cause) = &self.cause {
            debug.field("source", cause);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.entry().reason)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(Cause::as_error)
    }
}
