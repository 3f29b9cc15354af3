//! What the example programs share: reading flags, serving with deadlines, and a line for each refusal.
//!
//! Nothing in here authenticates. What an example is about is in its own `main.rs`.

mod body;
#[cfg(feature = "metadata-documents")]
mod documents;
mod flags;
mod manage;
#[cfg(feature = "proxy")]
pub mod proxy;
mod refusal;
mod serve;

#[cfg(feature = "metadata-documents")]
pub use crate::documents::DocumentFlags;
#[cfg(feature = "tls")]
pub use crate::serve::{PresentedCertificate, Tls};
pub use crate::{
    body::Guarded,
    flags::{Flags, needs_feature, variable},
    manage::{Registration, Rotation},
    refusal::{cut, print_refusal},
    serve::{Peer, Sending, Server, serve_connection},
};

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use tower_client_auth::BoxError;

/// How a program ends: with status 2 and one line if something was wrong.
#[must_use]
pub fn exit(program: &str, result: Result<(), BoxError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Seconds since the Unix epoch. A clock before it ends every lifetime.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}
