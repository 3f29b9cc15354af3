//! Why a request was refused: in detail for the operator, coarsely for the caller.

#[cfg(feature = "jwt")]
pub(crate) mod assertion;
#[cfg(feature = "mtls")]
pub(crate) mod certificate;
pub(crate) mod config;
#[cfg(feature = "metadata-documents")]
pub(crate) mod document;
pub(crate) mod entry;
pub(crate) mod kind;
pub(crate) mod throttled;

use std::{fmt, sync::Arc};

use http::StatusCode;

use crate::error::{kind::ErrorKind, throttled::Throttled};

/// Any error, boxed, as the provider and the bodies hand it to this crate.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was refused.
///
/// It is put into the extensions of the refusing response, and handed to the hooks of
/// [`ClientAuthLayer`](crate::ClientAuthLayer), for logs and metrics. None of it reaches the
/// caller, who cannot tell an unknown client from a wrong secret (RFC 6819 §5.1.4.2). It holds
/// nothing that the caller sent.
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
    source: Option<Arc<BoxError>>,
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

    pub(crate) fn with_source(kind: ErrorKind, source: BoxError) -> Self {
        Self { kind, source: Some(Arc::new(source)) }
    }

    /// What keeps every request from authenticating the client here, if that is why this one is refused.
    pub(crate) fn because(self, obstacle: impl FnOnce() -> Option<String>) -> Self {
        let may_be =
            matches!(self.kind, ErrorKind::MethodMismatch | ErrorKind::UnusableRegistration);
        match self.source {
            None if may_be => {
                obstacle().map_or(self.kind.into(), |why| Self::with_source(self.kind, why.into()))
            }
            source => Self { source, ..self },
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
        Throttled::find(&***self.source.as_ref()?)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind);
        if let Some(source) = &self.source {
            debug.field("source", source);
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
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = &***source;
            source
        })
    }
}
