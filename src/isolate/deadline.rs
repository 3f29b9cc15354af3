//! The time by which something must have happened. Without the feature `tokio` there is none.

#[cfg(feature = "tokio")]
use std::panic::catch_unwind;
use std::{
    task::{Context, Poll},
    time::Duration,
};

/// The timer is made when something is pending for the first time: for a body and a look-up that are
/// there it would be an allocation, and a count that all cores write to.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) enum Deadline {
    Never,
    At(tokio::time::Instant),
    Waiting(std::pin::Pin<Box<tokio::time::Sleep>>),
}

#[cfg(feature = "tokio")]
impl Deadline {
    /// The clock starts now, not with the first poll.
    pub(crate) fn new(after: Option<Duration>) -> Self {
        let at = after.and_then(|after| tokio::time::Instant::now().checked_add(after));
        at.map_or(Self::Never, Self::At)
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::At(at) = *self {
            // Tokio tells only by a panic that a runtime has no timer. A deadline that cannot be kept
            // has passed.
            let Ok(sleep) = catch_unwind(|| tokio::time::sleep_until(at)) else {
                return Poll::Ready(());
            };
            *self = Self::Waiting(Box::pin(sleep));
        }
        match self {
            Self::Waiting(sleep) => sleep.as_mut().poll(cx),
            Self::Never | Self::At(_) => Poll::Pending,
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
