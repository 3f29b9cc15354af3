//! Why there is no answer, for all its waiters.

use std::{fmt, sync::Arc};

use crate::error::BoxError;

/// Why a flight has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlightError {
    /// It was not begun, because as many as may be are in flight.
    Full,
    Panicked,
    TimedOut,
    /// No request waited for it when another one needed the room.
    MadeRoom,
    /// Its runtime was shut down.
    Abandoned,
}

impl fmt::Display for FlightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many are in flight",
            Self::Panicked => "it panicked",
            Self::TimedOut => "it did not answer before the deadline",
            Self::MadeRoom => "it made room for another",
            Self::Abandoned => "it was given up before it answered",
        })
    }
}

impl std::error::Error for FlightError {}

/// The failure of one piece of work, for all its waiters.
#[derive(Clone, Debug)]
pub(crate) struct SharedError(Arc<BoxError>);

impl SharedError {
    pub(crate) fn new(error: impl Into<BoxError>) -> Self {
        Self(Arc::new(error.into()))
    }

    pub(crate) fn get_ref(&self) -> &(dyn std::error::Error + 'static) {
        &**self.0
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
