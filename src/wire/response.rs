//! Puts a refusal into HTTP or gRPC.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA,
        RETRY_AFTER, WWW_AUTHENTICATE,
    },
    request::Parts,
};

use crate::{
    compat::mcp_python_sdk,
    error::{Error, ErrorKind},
    iana::ErrorCode,
    layer::policy::Policy,
    method,
    wire::admission::Protocol,
};

/// The answer to a refused request, with the error in its extensions.
pub(crate) fn refuse(
    error: Error,
    protocol: Protocol,
    head: &Parts,
    policy: &Policy,
) -> Response<Bytes> {
    let mut response = match protocol {
        Protocol::Http => policy
            .seed
            .and_then(|endpoint| mcp_python_sdk::answer(&error, endpoint))
            .unwrap_or_else(|| json(&error, head.headers.get(AUTHORIZATION), policy)),
        Protocol::Grpc => trailers_only(&error, HeaderValue::from_static("application/grpc")),
        Protocol::GrpcWeb => {
            trailers_only(&error, HeaderValue::from_static("application/grpc-web+proto"))
        }
    };
    if let Some(hook) = &policy.error_hook {
        response = hook(&error, response);
    }
    // RFC 9110 §9.3.2: an answer to HEAD has no content, and an HTTP/2 peer takes it for an error.
    if head.method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response.extensions_mut().insert(error);
    response
}

/// RFC 6749 §5.2.
fn json(error: &Error, authorization: Option<&HeaderValue>, policy: &Policy) -> Response<Bytes> {
    let answer = error.kind().answer();
    let mut response = Response::new(Bytes::from_static(answer.json.as_bytes()));
    // RFC 6749 §5.2 asks for 401 only after an `Authorization` header.
    let status = match answer.status {
        StatusCode::UNAUTHORIZED
            if policy.bad_request_for_body_credentials && authorization.is_none() =>
        {
            StatusCode::BAD_REQUEST
        }
        status => status,
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    match status {
        // RFC 9110 §15.5.2: a 401 MUST carry a challenge.
        StatusCode::UNAUTHORIZED => {
            // RFC 6749 §5.2: the scheme that the client used, if it used one.
            let used_basic = authorization.is_some_and(|value| method::is_basic(value.as_bytes()));
            let challenge = if used_basic { &policy.basic_challenge } else { &policy.challenge };
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        // RFC 9110 §15.5.6: a 405 MUST say what is allowed.
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        // RFC 9110 §15.5.16.
        StatusCode::UNSUPPORTED_MEDIA_TYPE
            if error.kind() == ErrorKind::UnsupportedContentEncoding =>
        {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            headers.insert(ACCEPT, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        // RFC 9110 §15.6.4. Nobody knows how long an outage lasts, but who is told nothing asks again
        // at once.
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(throttled) = error.throttled() {
        let wait = throttled.retry_after();
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// gRPC over HTTP/2, "Responses": a status without a message is sent as headers alone, with HTTP
/// status 200.
fn trailers_only(error: &Error, media_type: HeaderValue) -> Response<Bytes> {
    let (status, message) = match (error.kind(), error.kind().answer().code) {
        (ErrorKind::Throttled, _) => ("8", "too many attempts"),
        (_, ErrorCode::InvalidClient) => ("16", "client authentication failed"),
        (_, ErrorCode::InvalidRequest) => ("3", "malformed client authentication"),
        (_, ErrorCode::TemporarilyUnavailable) => {
            ("14", "clients cannot be authenticated at the moment")
        }
    };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}
