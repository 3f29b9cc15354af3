//! What the caller learns of each reason.

use http::StatusCode;

use crate::{error::ErrorKind, iana::ErrorCode};

/// What the caller learns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: ErrorCode,
    /// The whole JSON document. RFC 6749 §5.2 allows no character in `error_description` that JSON
    /// would have to escape.
    pub(crate) json: &'static str,
}

impl Answer {
    const fn invalid_request(status: StatusCode, json: &'static str) -> Self {
        Self { status, code: ErrorCode::InvalidRequest, json }
    }

    const fn invalid_client(json: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: ErrorCode::InvalidClient, json }
    }

    const fn unavailable(status: StatusCode, json: &'static str) -> Self {
        Self { status, code: ErrorCode::TemporarilyUnavailable, json }
    }
}

impl ErrorKind {
    /// Static texts only: nothing of the request, the provider or a parser is ever echoed.
    pub(crate) const fn answer(self) -> Answer {
        match self {
            Self::MethodNotAllowed => Answer::invalid_request(
                StatusCode::METHOD_NOT_ALLOWED,
                r#"{"error":"invalid_request","error_description":"The request method must be POST"}"#,
            ),
            Self::UnsupportedMediaType => Answer::invalid_request(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                r#"{"error":"invalid_request","error_description":"The body must be application/x-www-form-urlencoded"}"#,
            ),
            Self::UnsupportedContentEncoding => Answer::invalid_request(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                r#"{"error":"invalid_request","error_description":"The body must not have a content coding"}"#,
            ),
            Self::InsecureTransport => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"The request must be made over TLS"}"#,
            ),
            Self::BodyTooLarge => Answer::invalid_request(
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"error":"invalid_request","error_description":"The body is too large"}"#,
            ),
            Self::BodyRead => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"The body could not be read"}"#,
            ),
            Self::BodyTimeout => Answer::invalid_request(
                StatusCode::REQUEST_TIMEOUT,
                r#"{"error":"invalid_request","error_description":"The body did not arrive in time"}"#,
            ),
            Self::TooManyParameters => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"There are too many parameters"}"#,
            ),
            Self::RepeatedParameter => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"A parameter is repeated"}"#,
            ),
            Self::MalformedParameter => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"A client credential parameter is malformed"}"#,
            ),
            Self::CredentialTooLong => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"A client credential is too long"}"#,
            ),
            Self::CredentialsInUri => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"Client credentials must not be sent in the URI"}"#,
            ),
            Self::RepeatedAuthorization => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"There must be one Authorization header with one credential"}"#,
            ),
            Self::MultipleMethods => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"Only one client authentication method may be used"}"#,
            ),
            Self::ClientIdMismatch => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"client_id and the client credentials disagree"}"#,
            ),
            Self::MissingClientId => Answer::invalid_request(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","error_description":"client_id is missing"}"#,
            ),
            Self::NoCredentials => Answer::invalid_client(
                r#"{"error":"invalid_client","error_description":"Client authentication is required"}"#,
            ),
            Self::UnsupportedScheme => Answer::invalid_client(
                r#"{"error":"invalid_client","error_description":"The Authorization scheme is not supported"}"#,
            ),
            Self::MalformedAuthorization => Answer::invalid_client(
                r#"{"error":"invalid_client","error_description":"The Authorization header is malformed"}"#,
            ),
            Self::MethodNotAccepted => Answer::invalid_client(
                r#"{"error":"invalid_client","error_description":"The client authentication method is not accepted here"}"#,
            ),
            // One answer for all that depends on the registration: RFC 6819 §5.1.4.2.
            Self::UnknownClient
            | Self::MethodMismatch
            | Self::WrongSecret
            | Self::SecretExpired
            | Self::SecretNotYetValid
            | Self::IncompleteAssertion
            | Self::UnknownAssertionType
            | Self::MalformedAssertion
            | Self::UnsupportedAssertionHeader
            | Self::UnsupportedAssertionTyp
            | Self::UnsupportedAlgorithm
            | Self::AlgorithmMismatch
            | Self::UnknownKey
            | Self::AmbiguousKey
            | Self::WrongSignature
            | Self::MissingClaim
            | Self::IssuerMismatch
            | Self::WrongAudience
            | Self::AssertionExpired
            | Self::AssertionNotYetValid
            | Self::AssertionLifetime
            | Self::AssertionIdTooLong
            | Self::Replayed
            | Self::UnusableRegistration
            | Self::ProviderMismatch => Answer::invalid_client(
                r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#,
            ),
            Self::Provider
            | Self::ProviderTimeout
            | Self::Verifier
            | Self::ReplayStore
            | Self::KeySource
            | Self::Overloaded => Answer::unavailable(
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"error":"temporarily_unavailable","error_description":"Clients cannot be authenticated at the moment"}"#,
            ),
            Self::Throttled => Answer::unavailable(
                StatusCode::TOO_MANY_REQUESTS,
                r#"{"error":"temporarily_unavailable","error_description":"There have been too many attempts"}"#,
            ),
        }
    }
}
