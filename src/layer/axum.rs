//! The authenticated client as an extractor, and bodies of axum's type.

use std::{error::Error, fmt, marker::PhantomData};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, request::Parts};

use crate::{
    client::authenticated::AuthenticatedClient,
    error::BoxError,
    layer::ClientAuthLayer,
    wire::{
        body::{RequestBody, RequestKind, ResponseBody, ResponseKind},
        mode::{BodyMode, sealed},
    },
};

/// # Bodies of axum
impl<P, M> ClientAuthLayer<P, M> {
    /// Takes and returns bodies of axum's type, whatever the types around.
    ///
    /// For places in axum where the body type is fixed: above `axum::middleware::from_fn` in one
    /// `ServiceBuilder`, around a whole `Router` given to `axum::serve`, and in `option_layer`.
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    #[must_use]
    pub fn axum_bodies(self) -> ClientAuthLayer<P, AxumBodies> {
        ClientAuthLayer { shared: self.shared, mode: PhantomData }
    }
}

/// The bodies are axum's `Body`, see
/// [`ClientAuthLayer::axum_bodies`](crate::ClientAuthLayer::axum_bodies).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AxumBodies;

impl sealed::Sealed for AxumBodies {}

impl<B> BodyMode<B> for AxumBodies
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Request = Body;
    type Response = Body;

    // Axum's own body is made of bytes, or of the inner body, without a wrapper where there can be
    // none.
    fn request(body: RequestBody<B>) -> Body {
        match body.kind {
            RequestKind::Buffered { form } if form.trailers.is_none() => Body::from(form.bytes),
            RequestKind::Buffered { form } => Body::new(RequestBody::<B>::buffered(form)),
            RequestKind::Stream { body } => Body::new(body),
            filtered @ RequestKind::Filtered { .. } => Body::new(RequestBody { kind: filtered }),
        }
    }

    fn response(body: ResponseBody<B>) -> Body {
        match body.kind {
            ResponseKind::Inner { body } => Body::new(body),
            ResponseKind::Refusal { bytes } => Body::from(bytes),
        }
    }
}

impl<C, S> FromRequestParts<S> for AuthenticatedClient<C>
where
    C: Send + Sync + 'static,
    S: Sync,
{
    type Rejection = MissingClientAuth;

    async fn from_request_parts(head: &mut Parts, _state: &S) -> Result<Self, MissingClientAuth> {
        head.extensions.get().cloned().ok_or(MissingClientAuth)
    }
}

impl<C, S> OptionalFromRequestParts<S> for AuthenticatedClient<C>
where
    C: Send + Sync + 'static,
    S: Sync,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        head: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(head.extensions.get().cloned())
    }
}

/// The rejection of the extractor [`AuthenticatedClient`] on a route that the layer does not cover,
/// or covers with another client type: a mistake in the program, answered 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingClientAuth;

impl fmt::Display for MissingClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no authenticated client of this type: is `ClientAuthLayer` on the route, with this client type?",
        )
    }
}

impl Error for MissingClientAuth {}

impl IntoResponse for MissingClientAuth {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
