//! Why a client ID metadata document identifies no client.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::error::{
    BoxError,
    causes::Causes,
    kind::ErrorKind,
    throttled::{self, Throttled},
};

/// Why there is no client for a URL (draft-ietf-oauth-client-id-metadata-document).
///
/// What it says is for the operator. Tell the caller of an authorization endpoint no more than that the
/// client is unknown, or that it cannot be looked up at the moment: which names exist in the network of the
/// server, and which ports are open, could otherwise be read off.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not a URL that a client may have as its id. → 401
    NotAnId,
    /// The settings do not allow it, or [`known_only`](crate::metadata_documents::MetadataDocuments::known_only)
    /// holds and it is not known. → 401
    NotAllowed,
    /// The document is there, and is none that a client may have; or there is none. → 401
    Refused(Cow<'static, str>),
    /// The document could not be had, and none is known. → 503
    Unreachable(Arc<BoxError>),
    /// The [store](crate::metadata_documents::DocumentStore) could not be asked, and nothing else may be. → 503
    Store(Arc<BoxError>),
    /// As many documents were fetched as strangers may cause. → 429
    Throttled(Throttled),
}

impl DocumentError {
    /// What the layer answers with.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotAnId | Self::NotAllowed => ErrorKind::UnknownClient,
            Self::Refused(_) => ErrorKind::MetadataDocument,
            Self::Unreachable(_) => ErrorKind::MetadataUnreachable,
            Self::Store(_) => ErrorKind::Provider,
            Self::Throttled(_) => ErrorKind::Throttled,
        }
    }

    /// This and what caused it, on one line for a log, as [`Error::causes`](crate::Error::causes) has it for a layer.
    #[must_use]
    pub fn causes(&self) -> impl fmt::Display {
        Causes(self)
    }

    pub(crate) fn refused(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(reason.into())
    }

    /// What a source, or what it was called by, has to say.
    pub(crate) fn of(
        error: &(dyn std::error::Error + 'static),
        cause: impl FnOnce() -> BoxError,
    ) -> Self {
        if let Some(error) = Self::find(error) {
            return error.clone();
        }
        match Throttled::find(error) {
            Some(throttled) => Self::Throttled(*throttled),
            None => Self::Unreachable(Arc::new(cause())),
        }
    }

    /// What the store, or what it was called by, has to say.
    pub(crate) fn of_store(
        error: &(dyn std::error::Error + 'static),
        cause: impl FnOnce() -> BoxError,
    ) -> Self {
        match Throttled::find(error) {
            Some(throttled) => Self::Throttled(*throttled),
            None => Self::Store(Arc::new(cause())),
        }
    }

    /// The error that `error` is, or that caused it.
    pub(crate) fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        throttled::find(error)
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnId => f.write_str("it is no URL that a client may have as its id"),
            Self::NotAllowed => f.write_str("the settings do not allow this client"),
            Self::Refused(reason) => write!(f, "the metadata document is refused: {reason}"),
            Self::Unreachable(_) => f.write_str("the metadata document could not be had"),
            Self::Store(_) => f.write_str("the store of metadata documents failed"),
            Self::Throttled(throttled) => throttled.fmt(f),
        }
    }
}

impl std::error::Error for DocumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(source) | Self::Store(source) => Some(&***source),
            Self::Throttled(throttled) => Some(throttled),
            _ => None,
        }
    }
}
