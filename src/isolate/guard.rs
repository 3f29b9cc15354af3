//! Runs what the application supplied: a panic in it must not take the connection down.

use std::{
    future::Future,
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

pin_project! {
    /// A future of the application, which has this long. Not an `async fn`, which would hold its
    /// argument twice.
    pub(crate) struct Guard<F> {
        #[pin]
        future: Option<F>,
        deadline: Deadline,
    }
}

/// Calls `start`, which may panic, too.
pub(crate) fn guard<F: Future>(start: impl FnOnce() -> F, deadline: Deadline) -> Guard<F> {
    Guard { future: catch_unwind(AssertUnwindSafe(start)).ok(), deadline }
}

impl<F: Future> Future for Guard<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let guard = self.project();
        let Some(future) = guard.future.as_pin_mut() else {
            return Poll::Ready(Err(Failure::Panic));
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => {
                ready!(guard.deadline.poll(cx));
                Poll::Ready(Err(Failure::Timeout))
            }
            Err(_panic) => Poll::Ready(Err(Failure::Panic)),
        }
    }
}
