//! How a form is collected.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    error::{BoxError, Error, kind::ErrorKind},
    isolate::deadline::Deadline,
    wire::{body::Buffered, limits::Limits},
};

pin_project! {
    /// A body that is being read.
    pub(crate) struct Collect<B> {
        #[pin]
        body: B,
        collector: Collector,
        // Why the body is refused unless it is empty.
        foreign: Option<ErrorKind>,
        deadline: Deadline,
    }
}

impl<B> Collect<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// Starts to read `body`, which must be empty if it is `foreign`.
    ///
    /// # Errors
    ///
    /// If its declared length is enough to refuse it: it is not polled then, and `Expect:
    /// 100-continue` not answered.
    pub(crate) fn new(
        body: B,
        foreign: Option<ErrorKind>,
        limits: &Limits,
    ) -> Result<Self, ErrorKind> {
        let declared = body.size_hint().lower();
        match foreign {
            Some(foreign) if declared > 0 => return Err(foreign),
            _ => {}
        }
        if usize::try_from(declared).map_or(true, |declared| declared > limits.body) {
            return Err(ErrorKind::BodyTooLarge);
        }
        let deadline = Deadline::new(limits.body_deadline);
        Ok(Self { body, collector: Collector::default(), foreign, deadline })
    }

    pub(crate) fn poll_collect(
        self: Pin<&mut Self>,
        limits: &Limits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Buffered, Error>> {
        let collect = self.project();
        match collect.collector.poll_collect(collect.body, limits.body, *collect.foreign, cx) {
            Poll::Ready(form) => Poll::Ready(form),
            Poll::Pending => {
                ready!(collect.deadline.poll(cx));
                Poll::Ready(Err(ErrorKind::BodyTimeout.into()))
            }
        }
    }
}

/// Frames below this size, which is that of a usual read buffer, are merged: each would otherwise hold on
/// to a whole read buffer of the connection.
const MERGE_BELOW: usize = 8 * 1024;

/// A body whose frames are always there must let others run, and the deadline pass.
const FRAMES_PER_POLL: usize = 64;

/// Gathers the frames of a body. A single frame is never copied; several small ones are merged as
/// they come, and large ones copied once, at the end, into a buffer of exactly the right size. Nothing is reserved for bytes that were declared
/// and have not arrived.
#[derive(Debug, Default)]
struct Collector {
    first: Bytes,
    /// Boxed, because nearly all forms come in one frame, and many may be waited for.
    rest: Option<Box<Rest>>,
    trailers: Option<Box<HeaderMap>>,
}

/// What came behind the first frame.
#[derive(Debug, Default)]
struct Rest {
    frames: Vec<Bytes>,
    /// Small frames behind all that is in `frames`.
    small: BytesMut,
    length: usize,
}

impl Collector {
    fn poll_collect<B>(
        &mut self,
        mut body: Pin<&mut B>,
        limit: usize,
        foreign: Option<ErrorKind>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Buffered, Error>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        for _ in 0..FRAMES_PER_POLL {
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
                return Poll::Ready(Ok(self.finish()));
            };
            let frame =
                frame.map_err(|error| Error::with_source(ErrorKind::BodyRead, error.into()))?;
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    // RFC 9110 §8.3: bytes without a form's media type are not to be taken for one.
                    if let Some(foreign) = foreign {
                        return Poll::Ready(Err(foreign.into()));
                    }
                    if data.len() > limit.saturating_sub(self.length()) {
                        return Poll::Ready(Err(ErrorKind::BodyTooLarge.into()));
                    }
                    self.push(data);
                    // Known for a body of a declared length: saves a poll.
                    if body.is_end_stream() {
                        return Poll::Ready(Ok(self.finish()));
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn length(&self) -> usize {
        self.first.len() + self.rest.as_ref().map_or(0, |rest| rest.length)
    }

    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() && self.rest.is_none() {
            self.first = data;
            return;
        }
        let rest = self.rest.get_or_insert_default();
        if self.first.len() < MERGE_BELOW {
            rest.push(mem::take(&mut self.first));
        }
        rest.push(data);
    }

    fn finish(&mut self) -> Buffered {
        let first = mem::take(&mut self.first);
        let bytes = match self.rest.take() {
            None => first,
            Some(rest) => rest.join(&first),
        };
        Buffered { bytes, trailers: self.trailers.take() }
    }
}

impl Rest {
    fn push(&mut self, data: Bytes) {
        self.length += data.len();
        if data.len() < MERGE_BELOW {
            self.small.extend_from_slice(&data);
            return;
        }
        if !self.small.is_empty() {
            self.frames.push(self.small.split().freeze());
        }
        self.frames.push(data);
    }

    /// All bytes, with `first` in front.
    fn join(self, first: &[u8]) -> Bytes {
        if first.is_empty() && self.frames.is_empty() {
            return self.small.freeze();
        }
        let mut all = Vec::with_capacity(first.len() + self.length);
        all.extend_from_slice(first);
        self.frames.iter().for_each(|frame| all.extend_from_slice(frame));
        all.extend_from_slice(&self.small);
        all.into()
    }
}
