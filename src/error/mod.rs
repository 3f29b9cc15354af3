//! Why a request was refused: in detail for the operator, coarsely for the caller.

mod answer;

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;

/// Any error, boxed, as the provider and the bodies hand it to this crate.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was refused.
///
/// It is put into the extensions of the refusing response, and handed to the hooks of
/// [`ClientAuthLayer`](crate::ClientAuthLayer), for logs and metrics. None of it reaches the
/// caller, who cannot tell an unknown client from a wrong secret (RFC 6819 §5.1.4.2). It holds
/// nothing that the caller sent.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use tower_client_auth::{Error, ErrorKind};
///
/// fn count<B>(response: &Response<B>) {
///     if let Some(error) = response.extensions().get::<Error>() {
///         if error.kind() == ErrorKind::UnknownClient { /* counter += 1 */ }
///     }
/// }
/// # count(&Response::new(()));
/// ```
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    source: Option<Arc<BoxError>>,
}

/// The reasons for a refusal.
///
/// Each is answered with the status and `error` code behind the arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request method is not POST (RFC 6749 §3.2). → 405 `invalid_request`
    MethodNotAllowed,
    /// The body is not `application/x-www-form-urlencoded` (RFC 6749 Appendix B). → 415
    /// `invalid_request`
    UnsupportedMediaType,
    /// The body has a content coding; an unauthenticated body is never inflated. → 415
    /// `invalid_request`
    UnsupportedContentEncoding,
    /// The predicate of [`require_https`](crate::ClientAuthLayer::require_https) said no
    /// (RFC 6749 §3.2). → 400 `invalid_request`
    InsecureTransport,
    /// The body is larger than the limit. → 413 `invalid_request`
    BodyTooLarge,
    /// Reading the body failed. → 400 `invalid_request`
    BodyRead,
    /// The body did not arrive before the deadline. → 408 `invalid_request`
    BodyTimeout,
    /// The form has more parameters than the limit. → 400 `invalid_request`
    TooManyParameters,
    /// A parameter that may occur once occurs again (RFC 6749 §3.2). → 400 `invalid_request`
    RepeatedParameter,
    /// A credential parameter is not valid form encoding of UTF-8 text, or holds a control
    /// character (RFC 6749 Appendix A and B). → 400 `invalid_request`
    MalformedParameter,
    /// A credential is longer than the limit. → 400 `invalid_request`
    CredentialTooLong,
    /// A secret or an assertion stands in the request URI (RFC 6749 §2.3.1). → 400
    /// `invalid_request`
    CredentialsInUri,
    /// There are several `Authorization` fields, or a list in one (RFC 9110 §11.6.2). → 400
    /// `invalid_request`
    RepeatedAuthorization,
    /// More than one client authentication method is used at once (RFC 6749 §2.3). → 400
    /// `invalid_request`
    MultipleMethods,
    /// `client_id` and the credentials name different clients. → 400 `invalid_request`
    ClientIdMismatch,
    /// There is a secret without a `client_id`. → 400 `invalid_request`
    MissingClientId,
    /// Nothing in the request names a client. → 401 `invalid_client`
    NoCredentials,
    /// The `Authorization` scheme is not `Basic`. → 401 `invalid_client`
    UnsupportedScheme,
    /// The `Authorization: Basic` value is malformed (RFC 7617 §2). → 401 `invalid_client`
    MalformedAuthorization,
    /// The method that the caller used is not accepted at this endpoint. → 401 `invalid_client`
    MethodNotAccepted,
    /// The provider knows no such client. → 401 `invalid_client`
    UnknownClient,
    /// The client is not registered for the method that it used (RFC 7591 §2). → 401
    /// `invalid_client`
    MethodMismatch,
    /// No stored secret equals the presented one. → 401 `invalid_client`
    WrongSecret,
    /// The secret is right and has expired (RFC 7591 §3.2.1). → 401 `invalid_client`
    SecretExpired,
    /// The secret is right and not valid yet. → 401 `invalid_client`
    SecretNotYetValid,
    /// One of `client_assertion` and `client_assertion_type` stands without the other (RFC 7521
    /// §4.2). → 401 `invalid_client`
    IncompleteAssertion,
    /// The `client_assertion_type` is not that of RFC 7523 §2.2. → 401 `invalid_client`
    UnknownAssertionType,
    /// The assertion is not a signed JWT in compact form (RFC 7515 §7.1, RFC 7519 §7.2), repeats a
    /// member, or has one of the wrong type. → 401 `invalid_client`
    MalformedAssertion,
    /// The header of the assertion has `crit`, `b64`, `enc` or `zip`, or brings a key of its own (RFC
    /// 7515 §4.1). → 401 `invalid_client`
    UnsupportedAssertionHeader,
    /// The `typ` of the assertion is that of another kind of JWT (RFC 8725 §3.11). → 401
    /// `invalid_client`
    UnsupportedAssertionTyp,
    /// The `alg` of the assertion is `none`, unknown or not accepted here (RFC 8725 §3.1). → 401
    /// `invalid_client`
    UnsupportedAlgorithm,
    /// The `alg` of the assertion is not the one that the client is registered for, or none of its
    /// keys is for it (RFC 8725 §3.1). → 401 `invalid_client`
    AlgorithmMismatch,
    /// The client has no key with the `kid` of the assertion. → 401 `invalid_client`
    UnknownKey,
    /// Several keys of the client may have made the assertion, and it names none. → 401
    /// `invalid_client`
    AmbiguousKey,
    /// The signature of the assertion is not one of the client's key. → 401 `invalid_client`
    WrongSignature,
    /// `iss`, `sub`, `aud`, `exp` or `jti` is missing or empty (RFC 7523 §3, OpenID Connect Core §9).
    /// → 401 `invalid_client`
    MissingClaim,
    /// The `iss` of the assertion is not its `sub` (RFC 7523 §3). → 401 `invalid_client`
    IssuerMismatch,
    /// The `aud` of the assertion is not this server, or not alone (RFC 7523 §3). → 401
    /// `invalid_client`
    WrongAudience,
    /// The assertion has expired (RFC 7523 §3). → 401 `invalid_client`
    AssertionExpired,
    /// The `nbf` or `iat` of the assertion is more than 60 seconds ahead. → 401 `invalid_client`
    AssertionNotYetValid,
    /// The `exp` of the assertion is further ahead than the limit. → 401 `invalid_client`
    AssertionLifetime,
    /// The `jti` of the assertion is longer than 256 octets. → 401 `invalid_client`
    AssertionIdTooLong,
    /// The assertion has been used before (OpenID Connect Core §9). → 401 `invalid_client`
    Replayed,
    /// The registration of the client is contradictory, or for a method that cannot be checked
    /// here: it cannot authenticate until the operator mends it. → 401 `invalid_client`
    UnusableRegistration,
    /// The provider answered with a client of another id than the one asked for. → 401
    /// `invalid_client`
    ProviderMismatch,
    /// The provider failed or panicked. → 503 `temporarily_unavailable`
    Provider,
    /// The provider did not answer before the deadline. → 503 `temporarily_unavailable`
    ProviderTimeout,
    /// A verifier of the application failed, panicked or took too long. → 503
    /// `temporarily_unavailable`
    Verifier,
    /// The replay store failed, panicked or took too long. → 503 `temporarily_unavailable`
    ReplayStore,
    /// The keys at the `jwks_uri` of the client could not be had. → 503 `temporarily_unavailable`
    KeySource,
    /// Too many slow hashes are being verified. → 503 `temporarily_unavailable`
    Overloaded,
    /// The provider returned [`Throttled`]. → 429 `temporarily_unavailable`
    Throttled,
}

/// The error that a [`ClientProvider`](crate::ClientProvider) returns to refuse an attempt before
/// anything expensive is done, because there have been too many. The caller gets 429 with
/// `Retry-After` (RFC 6749 §2.3.1, RFC 6585 §4).
///
/// Ids are public: throttle attempts, but never lock a client out for good because of them, or
/// anybody could lock out anybody.
///
/// # Examples
///
/// A decorator that throttles by client id:
///
/// ```
/// use std::{
///     sync::atomic::{AtomicU32, Ordering},
///     time::Duration,
/// };
/// use tower_client_auth::{BoxError, ClientProvider, RegisteredClient, Throttled};
///
/// struct Throttle<P> {
///     inner: P,
///     left: AtomicU32,
/// }
///
/// impl<P: ClientProvider> ClientProvider for Throttle<P> {
///     type Client = P::Client;
///     type Error = BoxError;
///
///     async fn find_client(
///         &self,
///         client_id: &str,
///     ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
///         if self.left.load(Ordering::Relaxed) == 0 {
///             return Err(Throttled::new(Duration::from_secs(30)).into());
///         }
///         self.inner.find_client(client_id).await.map_err(Into::into)
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    retry_after: Duration,
}

impl Throttled {
    /// Asks the caller to wait this long; sent in whole seconds, rounded up.
    #[must_use]
    pub const fn new(retry_after: Duration) -> Self {
        Self { retry_after }
    }

    /// How long the caller should wait.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many attempts, retry after {:?}", self.retry_after)
    }
}

impl std::error::Error for Throttled {}

impl Error {
    /// Why, exactly.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.answer().status
    }

    /// The `error` member of the answer (RFC 6749 §5.2).
    #[must_use]
    pub const fn error_code(&self) -> &'static str {
        self.kind.answer().code.as_str()
    }

    /// Whether the fault is on this side, so that the operator should look: the provider is out of
    /// order, or a registration is unusable.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Provider
                | ErrorKind::ProviderTimeout
                | ErrorKind::ProviderMismatch
                | ErrorKind::Verifier
                | ErrorKind::ReplayStore
                | ErrorKind::KeySource
                | ErrorKind::Overloaded
                | ErrorKind::UnusableRegistration
        )
    }

    pub(crate) fn with_source(kind: ErrorKind, source: BoxError) -> Self {
        Self { kind, source: Some(Arc::new(source)) }
    }

    /// A look-up that failed. RFC 6749 §5.2 has no code for it; answering `invalid_client` would
    /// make clients throw away good credentials.
    pub(crate) fn provider(source: BoxError) -> Self {
        let kind =
            if source.is::<Throttled>() { ErrorKind::Throttled } else { ErrorKind::Provider };
        Self::with_source(kind, source)
    }

    pub(crate) fn verifier(source: impl Into<BoxError>) -> Self {
        Self::with_source(ErrorKind::Verifier, source.into())
    }

    pub(crate) fn throttled(&self) -> Option<&Throttled> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind);
        if let Some(source) = &self.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.reason())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = &***source;
            source
        })
    }
}

impl ErrorKind {
    /// A short, stable label for metrics and logs, such as `wrong_secret`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UnsupportedContentEncoding => "unsupported_content_encoding",
            Self::InsecureTransport => "insecure_transport",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyRead => "body_read",
            Self::BodyTimeout => "body_timeout",
            Self::TooManyParameters => "too_many_parameters",
            Self::RepeatedParameter => "repeated_parameter",
            Self::MalformedParameter => "malformed_parameter",
            Self::CredentialTooLong => "credential_too_long",
            Self::CredentialsInUri => "credentials_in_uri",
            Self::RepeatedAuthorization => "repeated_authorization",
            Self::MultipleMethods => "multiple_methods",
            Self::ClientIdMismatch => "client_id_mismatch",
            Self::MissingClientId => "missing_client_id",
            Self::NoCredentials => "no_credentials",
            Self::UnsupportedScheme => "unsupported_scheme",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::MethodNotAccepted => "method_not_accepted",
            Self::UnknownClient => "unknown_client",
            Self::MethodMismatch => "method_mismatch",
            Self::WrongSecret => "wrong_secret",
            Self::SecretExpired => "secret_expired",
            Self::SecretNotYetValid => "secret_not_yet_valid",
            Self::IncompleteAssertion => "incomplete_assertion",
            Self::UnknownAssertionType => "unknown_assertion_type",
            Self::MalformedAssertion => "malformed_assertion",
            Self::UnsupportedAssertionHeader => "unsupported_assertion_header",
            Self::UnsupportedAssertionTyp => "unsupported_assertion_typ",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::WrongSignature => "wrong_signature",
            Self::MissingClaim => "missing_claim",
            Self::IssuerMismatch => "issuer_mismatch",
            Self::WrongAudience => "wrong_audience",
            Self::AssertionExpired => "assertion_expired",
            Self::AssertionNotYetValid => "assertion_not_yet_valid",
            Self::AssertionLifetime => "assertion_lifetime",
            Self::AssertionIdTooLong => "assertion_id_too_long",
            Self::Replayed => "replayed",
            Self::UnusableRegistration => "unusable_registration",
            Self::ProviderMismatch => "provider_mismatch",
            Self::Provider => "provider",
            Self::ProviderTimeout => "provider_timeout",
            Self::Verifier => "verifier",
            Self::ReplayStore => "replay_store",
            Self::KeySource => "key_source",
            Self::Overloaded => "overloaded",
            Self::Throttled => "throttled",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "the request method is not POST",
            Self::UnsupportedMediaType => "the body is not a form",
            Self::UnsupportedContentEncoding => "the body has a content coding",
            Self::InsecureTransport => "the request did not come over TLS",
            Self::BodyTooLarge => "the body is larger than the limit",
            Self::BodyRead => "reading the body failed",
            Self::BodyTimeout => "the body did not arrive before the deadline",
            Self::TooManyParameters => "the form has more parameters than the limit",
            Self::RepeatedParameter => "a parameter is repeated",
            Self::MalformedParameter => "a credential parameter is malformed",
            Self::CredentialTooLong => "a credential is longer than the limit",
            Self::CredentialsInUri => "credentials stand in the request URI",
            Self::RepeatedAuthorization => "there is more than one authorization",
            Self::MultipleMethods => "several client authentication methods are used at once",
            Self::ClientIdMismatch => "client_id and the credentials name different clients",
            Self::MissingClientId => "a secret came without a client_id",
            Self::NoCredentials => "nothing in the request names a client",
            Self::UnsupportedScheme => "the authorization scheme is not Basic",
            Self::MalformedAuthorization => "the Basic authorization is malformed",
            Self::MethodNotAccepted => "the client authentication method is not accepted here",
            Self::UnknownClient => "no such client",
            Self::MethodMismatch => "the client is registered for another authentication method",
            Self::WrongSecret => "the secret is wrong",
            Self::SecretExpired => "the secret has expired",
            Self::SecretNotYetValid => "the secret is not valid yet",
            Self::IncompleteAssertion => {
                "client_assertion and client_assertion_type do not come together"
            }
            Self::UnknownAssertionType => {
                "the client_assertion_type is not the one of JSON Web Tokens"
            }
            Self::MalformedAssertion => "the assertion is no well-formed signed JWT",
            Self::UnsupportedAssertionHeader => {
                "the header of the assertion has a member that is not supported"
            }
            Self::UnsupportedAssertionTyp => "the assertion is another kind of JWT",
            Self::UnsupportedAlgorithm => "the algorithm of the assertion is not accepted",
            Self::AlgorithmMismatch => {
                "the algorithm of the assertion is not the one of the client"
            }
            Self::UnknownKey => "the client has no such key",
            Self::AmbiguousKey => {
                "the assertion does not say which key of the client it is made with"
            }
            Self::WrongSignature => "the signature of the assertion is wrong",
            Self::MissingClaim => "a claim of the assertion is missing",
            Self::IssuerMismatch => "the assertion was not issued by the client",
            Self::WrongAudience => "the assertion is meant for another server",
            Self::AssertionExpired => "the assertion has expired",
            Self::AssertionNotYetValid => "the assertion is not valid yet",
            Self::AssertionLifetime => "the assertion lives too long",
            Self::AssertionIdTooLong => "the id of the assertion is too long",
            Self::Replayed => "the assertion has been used before",
            Self::UnusableRegistration => "the registration of the client is unusable",
            Self::ProviderMismatch => "the provider returned a client of another id",
            Self::Provider => "the provider failed",
            Self::ProviderTimeout => "the provider did not answer before the deadline",
            Self::Verifier => "the verifier of the secret failed",
            Self::ReplayStore => "the replay store failed",
            Self::KeySource => "the keys of the client could not be had",
            Self::Overloaded => "too many slow hashes are being verified",
            Self::Throttled => "the provider throttles the client",
        }
    }
}
