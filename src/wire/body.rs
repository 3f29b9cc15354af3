//! The bodies that this layer hands on.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use crate::wire::{answer::OAuthError, names::Names, parameters};

pin_project! {
    /// The request body that the inner service gets: the form that was read, byte for byte, or the untouched stream of a request
    /// that is authenticated by its headers alone.
    ///
    /// Where a service takes another body, the compiler says for example `` `FromFn<…>:
    /// Service<Request<RequestBody<Body>>>` is not satisfied``:
    /// [`ClientAuthLayer::new`](crate::ClientAuthLayer::new#body-types) says what helps.
    ///
    /// # Examples
    ///
    /// A handler behind the layer reads the form without buffering it again:
    ///
    /// ```
    /// use http::Request;
    /// use serde::Deserialize;
    /// use tower_client_auth::{OAuthError, body::RequestBody};
    ///
    /// #[derive(Deserialize)]
    /// struct TokenRequest { grant_type: String, scope: Option<String> }
    ///
    /// fn token<B>(request: Request<RequestBody<B>>) -> Result<String, OAuthError> {
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
        // Boxed, so that the bodies of all others stay small.
        Filtered { body: Pin<Box<Filtered<B>>> },
    }
}

pin_project! {
    /// A stream without these trailers.
    pub(crate) struct Filtered<B> {
        #[pin]
        body: B,
        names: Names,
    }
}

impl<B: Body<Data = Bytes>> Filtered<B> {
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let filtered = self.project();
        filtered.body.poll_frame(cx).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                filtered.names.remove_from(trailers);
            }
            frame
        })
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

    /// The bytes of the form that have not been polled yet; `None` for an untouched stream.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            RequestKind::Buffered { form } => Some(&form.bytes),
            RequestKind::Stream { .. } | RequestKind::Filtered { .. } => None,
        }
    }

    /// The same with this form instead.
    pub(crate) fn set_bytes(&mut self, bytes: Bytes) {
        if let RequestKind::Buffered { form } = &mut self.kind {
            form.bytes = bytes;
        }
    }

    /// The same without the trailers of these names.
    pub(crate) fn without_trailers(self, names: &Names) -> Self {
        let kind = match self.kind {
            RequestKind::Buffered { mut form } => {
                if let Some(trailers) = form.trailers.as_deref_mut() {
                    names.remove_from(trailers);
                }
                form.trailers = form.trailers.filter(|trailers| !trailers.is_empty());
                RequestKind::Buffered { form }
            }
            RequestKind::Stream { body } => {
                RequestKind::Filtered { body: Box::pin(Filtered { body, names: names.clone() }) }
            }
            filtered @ RequestKind::Filtered { .. } => filtered,
        };
        Self { kind }
    }

    /// The form as a type of your own, by the rules of RFC 6749 §3.2: a parameter without a value counts as
    /// absent, and only one whose type is a sequence may be repeated, or one of an extension that is not in
    /// the type. An untouched stream counts as an empty form.
    ///
    /// # Errors
    ///
    /// [`OAuthError::INVALID_REQUEST`], which names the parameter that is missing, repeated or invalid by its
    /// name in the type, and holds no value.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, OAuthError> {
        parameters::read(self.bytes().map(Bytes::as_ref).unwrap_or_default(), usize::MAX)
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
            RequestKindProj::Filtered { body } => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            RequestKind::Buffered { form } => form.bytes.is_empty() && form.trailers.is_none(),
            RequestKind::Stream { body } => body.is_end_stream(),
            RequestKind::Filtered { body } => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            RequestKind::Buffered { form } => exact(&form.bytes),
            RequestKind::Stream { body } => body.size_hint(),
            RequestKind::Filtered { body } => body.body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes hold the secret.
        let (kind, length) = match &self.kind {
            RequestKind::Buffered { form } => ("buffered", Some(form.bytes.len())),
            RequestKind::Stream { .. } | RequestKind::Filtered { .. } => ("stream", None),
        };
        f.debug_struct("RequestBody").field("kind", &kind).field("length", &length).finish()
    }
}

pin_project! {
    /// The response body that the layer returns: that of the inner service, or the JSON document of a refusal.
    ///
    /// Where another body is wanted, the compiler says for example ``expected `Response<Body>`, found
    /// `Response<ResponseBody<Body>>` ``: [`ClientAuthLayer::new`](crate::ClientAuthLayer::new#body-types) says what helps.
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
