//! The bodies that this layer hands on, and how it collects a form.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, ErrorKind};

pin_project! {
    /// The request body that the inner service gets: the form that was read, octet for octet, or the untouched stream of a request
    /// that is authenticated by its headers alone.
    ///
    /// # Examples
    ///
    /// A handler behind the layer reads the form without buffering it again:
    ///
    /// ```
    /// use http::Request;
    /// use serde::Deserialize;
    /// use tower_client_auth::RequestBody;
    ///
    /// #[derive(Deserialize)]
    /// struct TokenRequest { grant_type: String, scope: Option<String> }
    ///
    /// fn token<B>(request: Request<RequestBody<B>>) -> Result<String, serde_urlencoded::de::Error> {
    ///     let form: TokenRequest = request.body().form()?;
    ///     Ok(form.grant_type)
    /// }
    /// # assert!(token(Request::new(RequestBody::<()>::default())).is_err());
    /// ```
    pub struct RequestBody<B> {
        #[pin]
        pub(crate) kind: RequestKind<B>,
    }
}

pin_project! {
    #[project = RequestKindProj]
    pub(crate) enum RequestKind<B> {
        Buffered { form: Buffered },
        Stream { #[pin] body: B },
    }
}

/// A body that has been read.
#[derive(Debug, Default)]
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

impl<B> RequestBody<B> {
    pub(crate) const fn buffered(form: Buffered) -> Self {
        Self { kind: RequestKind::Buffered { form } }
    }

    pub(crate) const fn stream(body: B) -> Self {
        Self { kind: RequestKind::Stream { body } }
    }

    /// The octets of the form that have not been polled yet; `None` for an untouched stream.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            RequestKind::Buffered { form } => Some(&form.bytes),
            RequestKind::Stream { .. } => None,
        }
    }

    /// The form as a type of your own. An untouched stream counts as an empty form.
    ///
    /// # Errors
    ///
    /// If the parameters do not fit `T`.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, serde_urlencoded::de::Error> {
        serde_urlencoded::from_bytes(self.bytes().map(Bytes::as_ref).unwrap_or_default())
    }
}

impl<B> Default for RequestBody<B> {
    fn default() -> Self {
        Self::buffered(Buffered::default())
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            RequestKindProj::Buffered { form } => {
                let frame = if form.bytes.is_empty() {
                    form.trailers.take().map(|trailers| Frame::trailers(*trailers))
                } else {
                    Some(Frame::data(mem::take(&mut form.bytes)))
                };
                Poll::Ready(frame.map(Ok))
            }
            RequestKindProj::Stream { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            RequestKind::Buffered { form } => form.bytes.is_empty() && form.trailers.is_none(),
            RequestKind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            RequestKind::Buffered { form } => exact(&form.bytes),
            RequestKind::Stream { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The octets hold the secret.
        let (kind, length) = match &self.kind {
            RequestKind::Buffered { form } => ("buffered", Some(form.bytes.len())),
            RequestKind::Stream { .. } => ("stream", None),
        };
        f.debug_struct("RequestBody").field("kind", &kind).field("length", &length).finish()
    }
}

pin_project! {
    /// The response body that the layer returns: that of the inner service, or the JSON document of a refusal.
    pub struct ResponseBody<R> {
        #[pin]
        pub(crate) kind: ResponseKind<R>,
    }
}

pin_project! {
    #[project = ResponseKindProj]
    pub(crate) enum ResponseKind<R> {
        Inner { #[pin] body: R },
        Refusal { bytes: Bytes },
    }
}

impl<R> ResponseBody<R> {
    pub(crate) const fn inner(body: R) -> Self {
        Self { kind: ResponseKind::Inner { body } }
    }

    pub(crate) const fn refusal(bytes: Bytes) -> Self {
        Self { kind: ResponseKind::Refusal { bytes } }
    }
}

// Layers such as tower-http's `Timeout` and `Cors` build an empty response of the same type.
impl<R: Default> Default for ResponseBody<R> {
    fn default() -> Self {
        Self::inner(R::default())
    }
}

impl<R: Body<Data = Bytes>> Body for ResponseBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            ResponseKindProj::Inner { body } => body.poll_frame(cx),
            ResponseKindProj::Refusal { bytes } => {
                let bytes = mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            ResponseKind::Inner { body } => body.is_end_stream(),
            ResponseKind::Refusal { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            ResponseKind::Inner { body } => body.size_hint(),
            ResponseKind::Refusal { bytes } => exact(bytes),
        }
    }
}

impl<R> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            ResponseKind::Inner { .. } => "inner",
            ResponseKind::Refusal { .. } => "refusal",
        };
        f.debug_struct("ResponseBody").field("kind", &kind).finish()
    }
}

fn exact(bytes: &Bytes) -> SizeHint {
    SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

/// Frames below this size are merged: each would otherwise hold on to a whole read buffer of the
/// connection.
const MERGE_BELOW: usize = 1024;

/// A body whose frames are always there must let others run, and the deadline pass.
const FRAMES_PER_POLL: usize = 64;

/// Gathers the frames of a body. A single frame is never copied; several are copied once, at the
/// end, into a buffer of exactly the right size. Nothing is reserved for octets that were declared
/// and have not arrived.
#[derive(Debug, Default)]
pub(crate) struct Collector {
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
    pub(crate) fn poll_collect<B>(
        &mut self,
        mut body: Pin<&mut B>,
        limit: usize,
        typed: bool,
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
                // RFC 9110 §8.3: octets without a form's media type are not to be taken for a form.
                Ok(_) if !typed => return Poll::Ready(Err(ErrorKind::UnsupportedMediaType.into())),
                Ok(data) if data.len() > limit.saturating_sub(self.length()) => {
                    return Poll::Ready(Err(ErrorKind::BodyTooLarge.into()));
                }
                Ok(data) => {
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

    /// All octets, with `first` in front.
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

/// Which types of body the layer hands on and returns: [`WrappedBodies`], or `AxumBodies` with the
/// feature `axum`. Only this crate implements it.
pub trait BodyMode<B>: sealed::Sealed {
    /// The request body of the inner service, where the layer gets `B`.
    type Request;
    /// The response body of the layer, where the inner service returns `B`.
    type Response;

    #[doc(hidden)]
    fn request(body: RequestBody<B>) -> Self::Request;
    #[doc(hidden)]
    fn response(body: ResponseBody<B>) -> Self::Response;
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "so that only this crate can implement it")]
    pub trait Sealed {}
}

/// The bodies are [`RequestBody`] and [`ResponseBody`], whatever they wrap: the default.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WrappedBodies;

impl sealed::Sealed for WrappedBodies {}

impl<B> BodyMode<B> for WrappedBodies {
    type Request = RequestBody<B>;
    type Response = ResponseBody<B>;

    fn request(body: RequestBody<B>) -> RequestBody<B> {
        body
    }

    fn response(body: ResponseBody<B>) -> ResponseBody<B> {
        body
    }
}
