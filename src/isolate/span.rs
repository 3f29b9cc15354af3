//! The spans of what a request may wait for. Without the feature `tracing` there are none.

use tracing::{Instrument, debug_span, instrument::Instrumented};

/// The look-up of a client.
pub(crate) fn find_client<F>(future: F) -> Instrumented<F> {
    future.instrument(debug_span!(target: "tower_client_auth", "find_client"))
}

/// The fetch of a document, which is of no single request.
pub(crate) fn fetch<F>(host: &str, future: F) -> Instrumented<F> {
    // `Debug` escapes what a client may have registered.
    future.instrument(debug_span!(target: "tower_client_auth", parent: None, "fetch", ?host))
}

/// Used with the features that fetch.
const _: () = {
    let _used = fetch::<()>;
};
