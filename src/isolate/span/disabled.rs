//! Without the feature `tracing` there are no spans.

use std::{future::Future, pin::Pin};

#[inline]
pub(crate) fn authenticate<'a, F>(future: F) -> Pin<Box<dyn Future<Output = F::Output> + Send + 'a>>
where
    F: Future + Send + 'a,
{
    Box::pin(future)
}

pub(crate) const fn fetch<F>(_host: &str, future: F) -> F {
    future
}

/// Used with the features that fetch.
const _: () = {
    let _used = fetch::<()>;
};
