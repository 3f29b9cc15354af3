//! One event per decision. Without the feature `tracing` nothing is left of it.

use crate::layer::outcome::Outcome;

pub(crate) const ENABLED: bool = cfg!(feature = "tracing");

/// In characters: enough to recognise an id by, too little to flood a log with.
#[cfg(feature = "tracing")]
const LOGGED: usize = 64;

/// Whether there is a subscriber that anything is of interest to.
#[cfg(feature = "tracing")]
#[inline]
pub(crate) fn is_enabled() -> bool {
    tracing::level_filters::LevelFilter::current() != tracing::level_filters::LevelFilter::OFF
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn is_enabled() -> bool {
    false
}

/// Truncates what a caller sent, only when the event is formatted.
#[cfg(feature = "tracing")]
struct Shortened<'a>(&'a str);

#[cfg(feature = "tracing")]
impl std::fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.char_indices().nth(LOGGED).map_or(self.0.len(), |(end, _)| end);
        // `Debug` escapes quotes and control characters: an id must not be able to forge a log line.
        self.0.get(..end).unwrap_or_default().fmt(f)
    }
}

#[cfg(feature = "tracing")]
pub(crate) fn decision(outcome: &Outcome<'_>) {
    /// What people filter by: the name of the crate, and of none of its modules.
    const TARGET: &str = "tower_client_auth";

    let shortened = |text| tracing::field::debug(Shortened(text));
    let method = outcome.method().map(crate::iana::AuthMethod::as_str);
    let client_id = outcome.client_id().map(shortened);
    let path = shortened(outcome.request().uri.path());
    let duration = outcome.duration();
    let Some(error) = outcome.error() else {
        tracing::debug!(
            target: TARGET,
            method,
            client_id,
            outcome = "success",
            path,
            ?duration,
            "client authenticated"
        );
        return;
    };
    // The level of an event is fixed where it is written.
    macro_rules! refused {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET,
                method,
                client_id,
                other_client_id = outcome.other_client_id().map(shortened),
                registered_method =
                    outcome.registered_method().map(crate::iana::AuthMethod::as_str),
                outcome = "failure",
                reason = error.kind().as_str(),
                source = error.causes().map(tracing::field::display),
                path,
                ?duration,
                "client not authenticated"
            )
        };
    }
    if error.is_internal() { refused!(error) } else { refused!(info) }
}

#[cfg(not(feature = "tracing"))]
pub(crate) const fn decision(_outcome: &Outcome<'_>) {}
