//! Runs what the application supplied: a panic in it must not take the connection down.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Poll, ready},
};

use crate::deadline::Deadline;

/// Why there is no output.
pub(crate) enum Failure {
    Panic,
    Timeout,
}

pub(crate) async fn guard<F: Future>(
    future: F,
    mut deadline: Deadline,
) -> Result<F::Output, Failure> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => {
            ready!(deadline.poll(cx));
            Poll::Ready(Err(Failure::Timeout))
        }
        Err(_panic) => Poll::Ready(Err(Failure::Panic)),
    })
    .await
}
