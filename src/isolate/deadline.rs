//! The time by which something must have happened. Without the feature `tokio` there is none.

use std::{
    task::{Context, Poll},
    time::Duration,
};

#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct Deadline(Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

#[cfg(feature = "tokio")]
impl Deadline {
    /// The clock starts now, not with the first poll.
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self(after.map(|after| Box::pin(tokio::time::sleep(after))))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(not(feature = "tokio"))]
#[derive(Debug)]
pub(crate) struct Deadline;

#[cfg(not(feature = "tokio"))]
impl Deadline {
    pub(crate) const fn new(_after: Option<Duration>) -> Self {
        Self
    }

    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as with the feature")]
    pub(crate) const fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
