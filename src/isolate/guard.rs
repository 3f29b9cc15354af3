//! Runs what the application supplied: a panic in it must not take the connection down.

use std::{
    any::Any,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::isolate::deadline::Deadline;

/// Why there is no output.
pub(crate) enum Failure {
    Panic,
    Timeout,
}

impl Failure {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Panic => "it panicked",
            Self::Timeout => "it did not answer before the deadline",
        }
    }
}

/// Calls a hook of the application. A panic in it is logged; the caller decides what it means.
pub(crate) fn hook<T>(name: &'static str, hook: impl FnOnce() -> T) -> Option<T> {
    let returned = call(hook);
    if returned.is_none() {
        // A subscriber belongs to the application, too.
        let _logged = call(|| log(name));
    }
    returned
}

/// Nothing, if it panicked.
pub(crate) fn call<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).map_err(discard).ok()
}

/// What a panic brings along may panic when it is dropped.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
}

#[cfg(feature = "tracing")]
fn log(hook: &'static str) {
    tracing::error!(hook, "a hook panicked");
}

#[cfg(not(feature = "tracing"))]
const fn log(_hook: &'static str) {}

pin_project! {
    /// A future that ends without an output when it panics, and may panic when it is dropped.
    pub(crate) struct Caught<F> {
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Caught<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut future = this.project().future;
            if future.is_some() {
                let _dropped = call(|| future.set(None));
            }
        }
    }
}

impl<F> Caught<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self { future: Some(future) }
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let mut future = self.project().future;
        let polled = call(|| {
            let polled = future.as_mut().as_pin_mut()?.poll(cx);
            if polled.is_ready() {
                // Here, because this may panic as well.
                future.set(None);
            }
            Some(polled)
        });
        match polled.flatten() {
            Some(polled) => polled.map(Some),
            None => Poll::Ready(None),
        }
    }
}

pin_project! {
    /// A future of the application, which has this long. Not an `async fn`, which would hold its
    /// argument twice.
    pub(crate) struct Guard<F> {
        #[pin]
        future: Caught<F>,
        deadline: Deadline,
    }
}

/// Calls `start`, which may panic, too.
pub(crate) fn guard<F: Future>(start: impl FnOnce() -> F, deadline: Deadline) -> Guard<F> {
    Guard { future: Caught { future: call(start) }, deadline }
}

impl<F: Future> Future for Guard<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let guard = self.project();
        match guard.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(output.ok_or(Failure::Panic)),
            Poll::Pending => {
                ready!(guard.deadline.poll(cx));
                Poll::Ready(Err(Failure::Timeout))
            }
        }
    }
}
