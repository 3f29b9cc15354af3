//! One event per decision. Without the feature `tracing` nothing is left of it.

use crate::layer::outcome::Outcome;

pub(crate) const ENABLED: bool = cfg!(feature = "tracing");

/// In characters: enough to recognise an id by, too little to flood a log with.
#[cfg(feature = "tracing")]
const LOGGED_ID: usize = 64;

/// Truncates the id lazily, only when the event is formatted.
#[cfg(feature = "tracing")]
struct Shortened<'a>(&'a str);

#[cfg(feature = "tracing")]
impl std::fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.char_indices().nth(LOGGED_ID).map_or(self.0.len(), |(end, _)| end);
        // `Debug` escapes quotes and control characters: an id must not be able to forge a log line.
        self.0.get(..end).unwrap_or_default().fmt(f)
    }
}

#[cfg(feature = "tracing")]
pub(crate) fn decision(outcome: &Outcome<'_>) {
    let method = outcome.method().map(crate::iana::AuthMethod::as_str);
    let client_id = outcome.client_id().map(|id| tracing::field::debug(Shortened(id)));
    match outcome.error() {
        None => tracing::debug!(method, client_id, outcome = "success", "client authenticated"),
        Some(error) if error.is_internal() => {
            let source = source_of(error);
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
            source = source_of(error),
            "client not authenticated"
        ),
    }
}

/// What to change, where that is known.
#[cfg(feature = "tracing")]
fn source_of(
    error: &crate::error::Error,
) -> Option<tracing::field::DisplayValue<&(dyn std::error::Error + 'static)>> {
    std::error::Error::source(error).map(tracing::field::display)
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn decision(_outcome: &Outcome<'_>) {}
