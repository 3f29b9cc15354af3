//! Without the feature `tracing` there are no spans.

pub(crate) const fn find_client<F>(future: F) -> F {
    future
}

pub(crate) const fn fetch<F>(_host: &str, future: F) -> F {
    future
}

/// Used with the features that fetch.
const _: () = {
    let _used = fetch::<()>;
};
