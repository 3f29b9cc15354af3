//! A body that tests write.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body that does what its script says, and says nothing of its length unless told to.
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    hint: SizeHint,
    pub(crate) polls: Arc<AtomicUsize>,
}

pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Not ready, this once.
    Wait,
    Fail,
    /// Never ready.
    Hang,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            hint: SizeHint::default(),
            polls: Arc::default(),
        }
    }

    pub(crate) fn broken_after(text: &str) -> Self {
        Self::new([Step::Data(Bytes::copy_from_slice(text.as_bytes())), Step::Fail])
    }

    pub(crate) fn hanging_after(text: &str) -> Self {
        Self::new([Step::Data(Bytes::copy_from_slice(text.as_bytes())), Step::Hang])
    }

    /// The bytes in pieces of these sizes, over and over, and a pause after each.
    pub(crate) fn pieces(bytes: &[u8], sizes: &[usize]) -> Self {
        let mut rest = Bytes::copy_from_slice(bytes);
        let mut steps = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            steps.push(Step::Data(rest.split_to(rest.len().min(*size))));
            steps.push(Step::Wait);
        }
        Self::new(steps)
    }

    pub(crate) fn promising(mut self, at_least: u64) -> Self {
        self.hint.set_lower(at_least);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let Some(step) = self.steps.pop_front() else { return Poll::Ready(None) };
        Poll::Ready(Some(match step {
            Step::Data(data) => Ok(Frame::data(data)),
            Step::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Step::Fail => Err(io::Error::other("reset of s3cr3t connection")),
            Step::Wait => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Step::Hang => {
                self.steps.push_front(Step::Hang);
                return Poll::Pending;
            }
        }))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
