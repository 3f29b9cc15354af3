//! What bounds a request that is with an upstream: how many there are, and how long an upload may take.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use example_support::Guarded;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_client_auth::BoxError;

/// A request that counts for as long as it is there.
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    /// `None` if there are as many as there may be.
    pub(super) fn new(requests: &Arc<AtomicUsize>, max: usize) -> Option<Arc<Self>> {
        let count = Arc::new(Self(Arc::clone(requests)));
        (requests.fetch_add(1, Ordering::Relaxed) < max).then_some(count)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body of a request that counts, or of its answer.
pub(crate) type Counted<B> = Guarded<B, Arc<Count>>;

/// A body that must have come in time. It counts from when it is asked for first.
pub(super) struct InTime<B> {
    body: B,
    limit: Duration,
    /// Not for what is there already.
    end: Option<Instant>,
    /// While it is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B> InTime<B> {
    pub(super) const fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, end: None, deadline: None }
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for InTime<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(context);
        let is_last = matches!(frame, Poll::Ready(None)) || this.body.is_end_stream();
        if frame.is_ready() && is_last {
            return frame.map_err(Into::into);
        }
        let now = Instant::now();
        let end = *this.end.get_or_insert(now + this.limit);
        if frame.is_ready() && now < end {
            return frame.map_err(Into::into);
        }
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the upload took too long");
        deadline.as_mut().poll(context).map(|()| Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
