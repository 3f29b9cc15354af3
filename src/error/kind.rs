//! The reasons for a refusal.

mod table;

use std::fmt;

/// The reasons for a refusal.
///
/// Each begins with its label, [`as_str`](Self::as_str), and ends with the status and `error` code that
/// it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `method_not_allowed`: the request method is not POST (RFC 6749 §3.2). → 405 `invalid_request`
    MethodNotAllowed,
    /// `unsupported_media_type`: the body is not `application/x-www-form-urlencoded` (RFC 6749 Appendix B). → 415
    /// `invalid_request`
    UnsupportedMediaType,
    /// `unsupported_charset`: the form has a `charset` other than UTF-8 (RFC 6749 Appendix B). → 415 `invalid_request`
    UnsupportedCharset,
    /// `unexpected_grpc`: the request is gRPC, and the layer was made without
    /// [`grpc`](crate::ClientAuthLayer::grpc). → 415 `invalid_request`
    UnexpectedGrpc,
    /// `not_grpc`: the request is not gRPC, and the layer was made with
    /// [`grpc`](crate::ClientAuthLayer::grpc). → 415 `invalid_request`
    NotGrpc,
    /// `unsupported_content_encoding`: the body has a content coding; an unauthenticated body is never inflated. → 415
    /// `invalid_request`
    UnsupportedContentEncoding,
    /// `unsupported_transfer_coding`: the body has a transfer coding other than `chunked`, once (RFC 9112 §6.1). → 501
    /// `invalid_request`
    UnsupportedTransferCoding,
    /// `insecure_transport`: the predicate of [`require_https`](crate::ClientAuthLayer::require_https) said no
    /// (RFC 6749 §3.2). → 400 `invalid_request`
    InsecureTransport,
    /// `body_too_large`: the body is larger than the limit. → 413 `invalid_request`
    BodyTooLarge,
    /// `body_read`: reading the body failed. → 400 `invalid_request`
    BodyRead,
    /// `body_timeout`: the body did not arrive before the deadline. → 408 `invalid_request`
    BodyTimeout,
    /// `too_many_parameters`: the form has more parameters than the limit. → 400 `invalid_request`
    TooManyParameters,
    /// `repeated_parameter`: a parameter that may occur once occurs again (RFC 6749 §3.2). → 400 `invalid_request`
    RepeatedParameter,
    /// `malformed_parameter`: a credential parameter is not valid form encoding of UTF-8 text, or holds a control
    /// character (RFC 6749 Appendix A and B), or the form begins with a byte order mark. → 400
    /// `invalid_request`
    MalformedParameter,
    /// `credential_too_long`: a credential is longer than the limit. → 400 `invalid_request`
    CredentialTooLong,
    /// `credentials_in_uri`: a secret or an assertion is in the request URI (RFC 6749 §2.3.1). → 400
    /// `invalid_request`
    CredentialsInUri,
    /// `repeated_authorization`: there are several `Authorization` fields, or a list in one (RFC 9110 §11.6.2). → 400
    /// `invalid_request`
    RepeatedAuthorization,
    /// `multiple_methods`: more than one client authentication method is used at once (RFC 6749 §2.3). → 400
    /// `invalid_request`
    MultipleMethods,
    /// `client_id_mismatch`: `client_id` and the credentials name different clients. → 400 `invalid_request`
    ClientIdMismatch,
    /// `missing_client_id`: there is a secret without a `client_id`. → 400 `invalid_request`
    MissingClientId,
    /// `no_credentials`: nothing in the request names a client. → 401 `invalid_client`
    NoCredentials,
    /// `unsupported_scheme`: the `Authorization` scheme is not `Basic`. → 401 `invalid_client`
    UnsupportedScheme,
    /// `malformed_authorization`: the `Authorization` value is malformed (RFC 7617 §2). → 401 `invalid_client`
    MalformedAuthorization,
    /// `method_not_accepted`: the method that the caller used is not accepted at this endpoint. → 401 `invalid_client`
    MethodNotAccepted,
    /// `unknown_client`: the provider knows no such client. → 401 `invalid_client`
    UnknownClient,
    /// `method_mismatch`: the client is not registered for the method that it used (RFC 7591 §2). → 401
    /// `invalid_client`
    MethodMismatch,
    /// `wrong_secret`: no stored secret equals the presented one. → 401 `invalid_client`
    WrongSecret,
    /// `secret_expired`: the secret is right and has expired (RFC 7591 §3.2.1). → 401 `invalid_client`
    SecretExpired,
    /// `secret_not_yet_valid`: the secret is right and not valid yet. → 401 `invalid_client`
    SecretNotYetValid,
    /// The client assertion does not authenticate the client (RFC 7523 §3). → 401 `invalid_client`
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    Assertion(crate::error::assertion::InvalidAssertion),
    /// The certificate does not authenticate the client (RFC 8705 §2), or cannot be read. → 401 `invalid_client`, or 400
    #[cfg(feature = "mtls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
    Certificate(crate::error::certificate::CertificateError),
    /// The attestation does not authenticate the client (draft-ietf-oauth-attestation-based-client-auth). → 401
    /// `invalid_client`, or another answer that the draft asks for
    #[cfg(feature = "unstable-attestation")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    Attestation(crate::error::attestation::InvalidAttestation),
    /// `unusable_registration`: the registration of the client is contradictory, or for a method that cannot be checked
    /// here: it cannot authenticate until it is fixed. → 401 `invalid_client`
    UnusableRegistration,
    /// `provider_mismatch`: the provider answered with a client of another id. → 401 `invalid_client`
    ProviderMismatch,
    /// `provider`: the provider, the throttle or the store of metadata documents failed or panicked. → 503 `temporarily_unavailable`
    Provider,
    /// `provider_timeout`: the provider or the throttle did not answer before the deadline. → 503 `temporarily_unavailable`
    ProviderTimeout,
    /// `verifier`: a verifier of the application failed, panicked or took too long. → 503
    /// `temporarily_unavailable`
    Verifier,
    /// `replay_store`: the replay store failed, panicked or took too long. → 503 `temporarily_unavailable`
    ReplayStore,
    /// `key_source`: the keys at the `jwks_uri` of the client could not be fetched. → 503
    /// `temporarily_unavailable`
    KeySource,
    /// `metadata_document`: the metadata document of the client is none that a client may have. → 401 `invalid_client`
    MetadataDocument,
    /// `metadata_unreachable`: the metadata document of the client could not be had. → 503 `temporarily_unavailable`
    MetadataUnreachable,
    /// `overloaded`: too many slow hashes or signatures are being verified. → 503 `temporarily_unavailable`
    Overloaded,
    /// `panicked`: code of the application panicked that decides: the predicate of
    /// [`require_https`](crate::ClientAuthLayer::require_https), the change of
    /// [`map_error_response`](crate::ClientAuthLayer::map_error_response), a
    /// [`Clock`](crate::Clock), or an error or a client of the provider. → 500 `server_error`
    Panicked,
    /// `abandoned`: the caller hung up before the client was authenticated; only hooks see it. → never answered,
    /// counted as 408 `invalid_request`
    Abandoned,
    /// `throttled`: the [throttle](crate::ClientAuthLayer::throttle) refused it, or the provider, the replay store or the
    /// source of published keys returned [`Throttled`](crate::provider::Throttled), or too many addresses of one host were to be fetched
    /// for clients that have not proved themselves yet. → 429 `temporarily_unavailable`
    Throttled,
}

impl ErrorKind {
    /// A short, stable label for metrics and logs, such as `wrong_secret`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.entry().label
    }
}

/// Writes [`as_str`](ErrorKind::as_str).
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
