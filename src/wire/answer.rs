//! The errors of OAuth endpoints, as handlers behind the layer answer them.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::{
    error::kind::ErrorKind,
    wire::{
        document::{document, permitted},
        response::{self, DEFAULT_CHALLENGE, Reply},
    },
};

/// An error of an OAuth endpoint, answered as the layer answers (RFC 6749 §5.2): as JSON, with
/// `Cache-Control: no-store`, and with what its status asks for.
///
/// There is a constant for each code that the endpoints behind the layer have: those of the token endpoint
/// (RFC 6749, 8628 and 8707), of revocation (RFC 7009), introspection (RFC 7662), device authorization (RFC
/// 8628) and pushed authorization requests (RFC 9126 §2.3, which takes over the codes of RFC 6749
/// §4.1.2.1). [`new`](Self::new) makes one of another registered code.
///
/// With the feature `axum` handlers return it, and extractors reject with it; elsewhere
/// [`into_response`](Self::into_response) makes the answer.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::StatusCode;
/// use http_body_util::Full;
/// use tower_client_auth::OAuthError;
///
/// let error = OAuthError::INVALID_GRANT
///     .description("The code has expired")
///     .uri("https://as.example/errors#code");
/// assert_eq!(error.to_string(), "invalid_grant: The code has expired");
///
/// let response: http::Response<Full<Bytes>> = error.into_response();
/// assert_eq!(response.status(), StatusCode::BAD_REQUEST);
/// assert_eq!(response.headers()["cache-control"], "no-store");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    code: &'static str,
    status: StatusCode,
    description: Cow<'static, str>,
    uri: Cow<'static, str>,
    retry_after: Option<Duration>,
    /// The reason of the layer that this repeats.
    kind: Option<ErrorKind>,
}

/// # Token requests
impl OAuthError {
    /// `invalid_request`: a parameter is missing, repeated or malformed (RFC 6749 §5.2). → 400
    pub const INVALID_REQUEST: Self = Self::new("invalid_request");
    /// `invalid_client`: the client is not authenticated (RFC 6749 §5.2). → 401, with a challenge for Basic
    ///
    /// For handlers behind a layer that is [`optional`](crate::ClientAuthLayer::optional), with the text of the layer for
    /// a request without credentials, "Client authentication is required". Every other layer answers before any handler is
    /// called, and knows the right challenge. A client that is authenticated and may not do what it asks for is
    /// [`UNAUTHORIZED_CLIENT`](Self::UNAUTHORIZED_CLIENT).
    pub const INVALID_CLIENT: Self = Self::described(
        "invalid_client",
        StatusCode::UNAUTHORIZED,
        "Client authentication is required",
    );
    /// `invalid_grant`: the code, the refresh token, or whatever else is the grant, is unknown, expired,
    /// used, or another client's (RFC 6749 §5.2). → 400
    pub const INVALID_GRANT: Self = Self::new("invalid_grant");
    /// `unauthorized_client`: the client may not use this grant type (RFC 6749 §5.2). → 400
    pub const UNAUTHORIZED_CLIENT: Self = Self::new("unauthorized_client");
    /// `unsupported_grant_type`: the server has no such grant type (RFC 6749 §5.2). → 400
    pub const UNSUPPORTED_GRANT_TYPE: Self = Self::new("unsupported_grant_type");
    /// `invalid_scope`: the scope is unknown, malformed, or more than was granted (RFC 6749 §5.2). → 400
    pub const INVALID_SCOPE: Self = Self::new("invalid_scope");
    /// `invalid_target`: the resource is unknown, malformed, or not for this client (RFC 8707 §2). → 400
    pub const INVALID_TARGET: Self = Self::new("invalid_target");
}

/// # Device authorization
impl OAuthError {
    /// `authorization_pending`: the user has not decided yet (RFC 8628 §3.5). → 400
    pub const AUTHORIZATION_PENDING: Self = Self::new("authorization_pending");
    /// `slow_down`: the user has not decided yet, and the client has to wait five seconds longer between
    /// two requests (RFC 8628 §3.5). → 400
    pub const SLOW_DOWN: Self = Self::new("slow_down");
    /// `access_denied`: the user said no (RFC 8628 §3.5); or the server does, to a pushed request (RFC 9126
    /// §2.3). → 400
    pub const ACCESS_DENIED: Self = Self::new("access_denied");
    /// `expired_token`: the device code has expired (RFC 8628 §3.5). → 400
    pub const EXPIRED_TOKEN: Self = Self::new("expired_token");
}

/// # Revocation and introspection
impl OAuthError {
    /// `unsupported_token_type`: tokens of this type cannot be revoked (RFC 7009 §2.2.1). → 400
    pub const UNSUPPORTED_TOKEN_TYPE: Self = Self::new("unsupported_token_type");
    /// `invalid_token`: the bearer token of the caller, which authorizes it to ask, is unknown or expired
    /// (RFC 7662 §2.3, RFC 6750 §3.1). → 401, with a challenge for Bearer
    pub const INVALID_TOKEN: Self = Self::of("invalid_token", StatusCode::UNAUTHORIZED);
    /// `insufficient_scope`: the bearer token of the caller does not authorize it to ask (RFC 7662 §2.3, RFC
    /// 6750 §3.1). → 403, with a challenge for Bearer
    pub const INSUFFICIENT_SCOPE: Self = Self::of("insufficient_scope", StatusCode::FORBIDDEN);
}

/// # Pushed authorization requests
impl OAuthError {
    /// `unsupported_response_type`: the server has no such response type (RFC 6749 §4.1.2.1). → 400
    pub const UNSUPPORTED_RESPONSE_TYPE: Self = Self::new("unsupported_response_type");
    /// `invalid_request_object`: the request object is malformed, or its signature wrong (RFC 9101 §7).
    /// → 400
    pub const INVALID_REQUEST_OBJECT: Self = Self::new("invalid_request_object");
}

/// # The server's own fault
impl OAuthError {
    /// `server_error`: something is out of order (RFC 6749 §4.1.2.1). → 500
    pub const SERVER_ERROR: Self = Self::of("server_error", StatusCode::INTERNAL_SERVER_ERROR);
    /// `temporarily_unavailable`: something is out of order that will be in order again, such as a database
    /// (RFC 6749 §4.1.2.1, RFC 7009 §2.2.1). → 503, with `Retry-After`, one second unless set
    pub const TEMPORARILY_UNAVAILABLE: Self =
        Self::of("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE);
    /// `temporarily_unavailable`: the client has made too many requests (RFC 9126 §2.3, RFC 6585 §4). → 429,
    /// with `Retry-After`, one second unless set
    pub const TOO_MANY_REQUESTS: Self =
        Self::of("temporarily_unavailable", StatusCode::TOO_MANY_REQUESTS);
}

impl OAuthError {
    /// One with another code of the IANA registry "OAuth Extensions Error Registry", such as
    /// `invalid_dpop_proof` or `invalid_client_metadata`. → 400 (RFC 6749 §5.2)
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self::of(code, StatusCode::BAD_REQUEST)
    }

    const fn of(code: &'static str, status: StatusCode) -> Self {
        Self::described(code, status, "")
    }

    const fn described(code: &'static str, status: StatusCode, description: &'static str) -> Self {
        Self {
            code,
            status,
            description: Cow::Borrowed(description),
            uri: Cow::Borrowed(""),
            retry_after: None,
            kind: None,
        }
    }

    /// What the layer answers for the same reason.
    pub(crate) fn repeat(kind: ErrorKind) -> Self {
        let answer = &kind.entry().answer;
        let error = Self::of(answer.code, answer.status).description(answer.description);
        Self { kind: Some(kind), ..error }
    }

    /// Says for the developer of the client what is wrong: the member `error_description`. Default: it is
    /// left out, but of [`INVALID_CLIENT`](Self::INVALID_CLIENT).
    ///
    /// RFC 6749 §5.2 allows printable ASCII without `"` and `\`. What is else is replaced: `"` by `'`, `\` by
    /// `/`, and other characters by `?`.
    #[must_use]
    pub fn description(self, description: impl Into<Cow<'static, str>>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// Where the developer of the client can read more: the member `error_uri`. Default: it is left out.
    ///
    /// What no URI may hold is percent-encoded (RFC 6749 §5.2).
    #[must_use]
    pub fn uri(self, uri: impl Into<Cow<'static, str>>) -> Self {
        Self { uri: uri.into(), ..self }
    }

    /// When the client may try again: the header `Retry-After`, in whole seconds, rounded up. Default: one
    /// second for 429 and 503, none for others.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The member `error`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let reply = Reply {
            status: self.status,
            json: document(self.code, &self.description, &self.uri).into(),
            kind: self.kind,
            retry_after: self.retry_after,
        };
        let mut response = Response::new(Bytes::new());
        response::write(reply, || self.challenge(), &mut response);
        response.map(B::from)
    }

    /// RFC 6750 §3, and RFC 9110 §15.5.2 for what is no bearer token.
    fn challenge(&self) -> HeaderValue {
        let bearer = match self.code {
            "invalid_token" | "insufficient_scope" => format!("Bearer error=\"{}\"", self.code),
            _ => return DEFAULT_CHALLENGE,
        };
        HeaderValue::try_from(bearer).unwrap_or(DEFAULT_CHALLENGE)
    }
}

/// Writes the code and the description, as they are sent.
impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)?;
        if self.description.is_empty() {
            return Ok(());
        }
        // As it is sent: what a handler quotes may be the caller's.
        f.write_str(": ")?;
        permitted(&self.description).try_for_each(|character| f.write_char(character))
    }
}

impl std::error::Error for OAuthError {}
