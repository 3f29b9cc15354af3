//! One event per decision. Without the feature `tracing` nothing is left of it.

use crate::policy::Outcome;

pub(crate) const ENABLED: bool = cfg!(feature = "tracing");

/// Enough to recognise an id by, too little to flood a log with.
#[cfg(feature = "tracing")]
const LOGGED_ID: usize = 64;

#[cfg(feature = "tracing")]
pub(crate) fn decision(outcome: &Outcome<'_>) {
    let method = outcome.method().map(crate::AuthMethod::as_str);
    let client_id = outcome.client_id().map(|id| id.chars().take(LOGGED_ID).collect::<String>());
    // `Debug` escapes quotes and control characters: an id must not be able to forge a log line.
    let client_id = client_id.as_ref().map(tracing::field::debug);
    match outcome.error() {
        None => tracing::debug!(method, client_id, outcome = "success", "client authenticated"),
        Some(error) if error.is_internal() => {
            let source = std::error::Error::source(error).map(tracing::field::display);
            tracing::error!(
                method,
                client_id,
                outcome = "failure",
                reason = error.kind().as_str(),
                source,
                "client not authenticated"
            );
        }
        Some(error) => tracing::info!(
            method,
            client_id,
            outcome = "failure",
            reason = error.kind().as_str(),
            "client not authenticated"
        ),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn decision(_outcome: &Outcome<'_>) {}
