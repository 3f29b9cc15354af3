//! The spans of what a request may wait for. Without the feature `tracing` there are none.

use std::{future::Future, pin::Pin};

use tracing::{Instrument, debug_span, instrument::Instrumented};

/// An attempt, which its look-up is a part of. Boxed here, so that it takes no more memory where nobody is interested.
#[inline]
pub(crate) fn authenticate<'a, F>(future: F) -> Pin<Box<dyn Future<Output = F::Output> + Send + 'a>>
where
    F: Future + Send + 'a,
{
    let span = debug_span!(target: "tower_client_auth", "authenticate");
    if span.is_disabled() { Box::pin(future) } else { Box::pin(future.instrument(span)) }
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
