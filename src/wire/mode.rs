//! Which types of body the layer takes and returns.

use crate::wire::body::{RequestBody, ResponseBody};

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
