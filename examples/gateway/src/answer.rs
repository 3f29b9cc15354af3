//! What the gateway answers itself: in the form of all refusals, JSON with `error`, and not to be stored.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower_client_auth::{OAuthError, body::ResponseBody};

use crate::upstream::Counted;

/// What is behind the layer answers: an upstream, or the gateway.
pub(crate) type Reply = Response<ReplyBody>;
type ReplyBody = Either<Counted<Incoming>, Full<Bytes>>;
/// What callers get.
pub(crate) type Answer = Response<Either<ResponseBody<ReplyBody>, Full<Bytes>>>;

/// A refusal of the gateway. Nothing of the request is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// For logs and metrics.
    pub(crate) reason: &'static str,
    error: OwnError,
    description: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum OwnError {
    InvalidRequest,
    Unavailable,
}

impl Refusal {
    const fn request(status: StatusCode, reason: &'static str, description: &'static str) -> Self {
        Self { status, reason, error: OwnError::InvalidRequest, description }
    }

    const fn upstream(status: StatusCode, reason: &'static str, description: &'static str) -> Self {
        Self { status, reason, error: OwnError::Unavailable, description }
    }

    pub(crate) const NO_ROUTE: Self =
        Self::request(StatusCode::NOT_FOUND, "no_route", "There is no such route");
    pub(crate) const PATH: Self = Self::request(
        StatusCode::BAD_REQUEST,
        "ambiguous_path",
        "The path can be taken for another one",
    );
    pub(crate) const HOST: Self =
        Self::request(StatusCode::BAD_REQUEST, "invalid_host", "The request is not for one host");
    pub(crate) const METHOD: Self = Self::request(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The method is not allowed here",
    );
    pub(crate) const CODING: Self = Self::request(
        StatusCode::NOT_IMPLEMENTED,
        "unknown_coding",
        "The body has neither one length nor the coding chunked alone",
    );
    pub(crate) const TOO_LARGE: Self =
        Self::request(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large");
    pub(crate) const ABORTED: Self =
        Self::request(StatusCode::BAD_REQUEST, "body_incomplete", "The body is not complete");
    pub(crate) const UNCLEAR: Self = Self::request(
        StatusCode::BAD_REQUEST,
        "unclear_question",
        "The headers of the proxy do not say which request is asked about",
    );
    pub(crate) const FORM: Self = Self::request(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "form_not_seen",
        "A form may hold credentials, and this check does not see it",
    );
    pub(crate) const DOWN: Self = Self::upstream(
        StatusCode::BAD_GATEWAY,
        "upstream_down",
        "The upstream server cannot be reached",
    );
    pub(crate) const NO_ANSWER: Self = Self::upstream(
        StatusCode::BAD_GATEWAY,
        "upstream_invalid",
        "The upstream server did not answer as HTTP requires",
    );
    pub(crate) const BUSY: Self = Self::upstream(
        StatusCode::SERVICE_UNAVAILABLE,
        "upstream_busy",
        "The upstream server has as many requests as it may have",
    );
    pub(crate) const LATE: Self = Self::upstream(
        StatusCode::GATEWAY_TIMEOUT,
        "upstream_late",
        "The upstream server did not answer in time",
    );

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn answer(&self) -> Response<Full<Bytes>> {
        let error = match self.error {
            OwnError::InvalidRequest => OAuthError::INVALID_REQUEST,
            OwnError::Unavailable => OAuthError::TEMPORARILY_UNAVAILABLE,
        };
        let mut answer = error.description(self.description).into_response();
        *answer.status_mut() = self.status;
        answer
    }
}

/// A document of the gateway's own.
pub(crate) fn document(
    media_type: &'static str,
    document: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(document.into()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
