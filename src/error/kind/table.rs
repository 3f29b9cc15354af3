//! The table of the reasons: one row for each, with all that there is to say.

use crate::error::{
    entry::{Entry, FAILED, FAULT, NOT_A_FORM, OUTAGE, entry},
    kind::ErrorKind,
};

impl ErrorKind {
    /// Static texts only: nothing of the request, the provider or a parser is ever echoed.
    pub(crate) const fn entry(self) -> &'static Entry {
        match self {
            Self::MethodNotAllowed => entry! {
                "method_not_allowed", "the request method is not POST",
                invalid_request(METHOD_NOT_ALLOWED, "The request method must be POST")
            },
            Self::UnsupportedMediaType => entry! {
                "unsupported_media_type", "the body is not a form",
                NOT_A_FORM
            },
            Self::UnsupportedCharset => entry! {
                "unsupported_charset", "the form is not in UTF-8",
                invalid_request(UNSUPPORTED_MEDIA_TYPE, "The charset of the body must be UTF-8")
            },
            Self::UnexpectedGrpc => entry! {
                "unexpected_grpc", "the request is gRPC, and the layer was made without `.grpc()`",
                NOT_A_FORM
            },
            Self::NotGrpc => entry! {
                "not_grpc", "the request is not gRPC",
                invalid_request(UNSUPPORTED_MEDIA_TYPE, "The request must be gRPC")
            },
            Self::UnsupportedContentEncoding => entry! {
                "unsupported_content_encoding", "the body has a content coding",
                invalid_request(UNSUPPORTED_MEDIA_TYPE, "The body must not have a content coding")
            },
            Self::UnsupportedTransferCoding => entry! {
                "unsupported_transfer_coding", "the body has a transfer coding other than chunked",
                invalid_request(NOT_IMPLEMENTED, "The transfer coding of the body must be chunked")
            },
            Self::InsecureTransport => entry! {
                "insecure_transport", "the request did not come over TLS",
                invalid_request(BAD_REQUEST, "The request must be made over TLS")
            },
            Self::BodyTooLarge => entry! {
                "body_too_large", "the body is larger than the limit",
                invalid_request(PAYLOAD_TOO_LARGE, "The body is too large")
            },
            Self::BodyRead => entry! {
                "body_read", "reading the body failed",
                invalid_request(BAD_REQUEST, "The body could not be read")
            },
            Self::BodyTimeout => entry! {
                "body_timeout", "the body did not arrive before the deadline",
                invalid_request(REQUEST_TIMEOUT, "The body did not arrive in time")
            },
            Self::TooManyParameters => entry! {
                "too_many_parameters", "the form has more parameters than the limit",
                invalid_request(BAD_REQUEST, "There are too many parameters")
            },
            Self::RepeatedParameter => entry! {
                "repeated_parameter", "a parameter is repeated",
                invalid_request(BAD_REQUEST, "A parameter is repeated")
            },
            Self::MalformedParameter => entry! {
                "malformed_parameter", "a credential parameter is malformed",
                invalid_request(BAD_REQUEST, "A client credential parameter is malformed")
            },
            Self::CredentialTooLong => entry! {
                "credential_too_long", "a credential is longer than the limit",
                invalid_request(BAD_REQUEST, "A client credential is too long")
            },
            Self::CredentialsInUri => entry! {
                "credentials_in_uri", "credentials are in the request URI",
                invalid_request(BAD_REQUEST, "Client credentials must not be sent in the URI")
            },
            Self::RepeatedAuthorization => entry! {
                "repeated_authorization", "there is more than one authorization",
                invalid_request(BAD_REQUEST, "There must be one Authorization header with one credential")
            },
            Self::MultipleMethods => entry! {
                "multiple_methods", "several client authentication methods are used at once",
                invalid_request(BAD_REQUEST, "Only one client authentication method may be used")
            },
            Self::ClientIdMismatch => entry! {
                "client_id_mismatch", "client_id and the credentials name different clients",
                invalid_request(BAD_REQUEST, "client_id and the client credentials disagree")
            },
            Self::MissingClientId => entry! {
                "missing_client_id", "a secret came without a client_id",
                invalid_request(BAD_REQUEST, "client_id is missing")
            },
            Self::NoCredentials => entry! {
                "no_credentials", "nothing in the request names a client",
                invalid_client(UNAUTHORIZED, "Client authentication is required")
            },
            Self::UnsupportedScheme => entry! {
                "unsupported_scheme", "the authorization scheme is not Basic",
                invalid_client(UNAUTHORIZED, "The Authorization scheme is not supported")
            },
            Self::MalformedAuthorization => entry! {
                "malformed_authorization", "the authorization is malformed",
                invalid_client(UNAUTHORIZED, "The Authorization header is malformed")
            },
            Self::MethodNotAccepted => entry! {
                "method_not_accepted", "the client authentication method is not accepted here",
                invalid_client(UNAUTHORIZED, "The client authentication method is not accepted here")
            },
            Self::UnknownClient => entry! {
                "unknown_client", "no such client",
                FAILED
            },
            Self::MethodMismatch => entry! {
                "method_mismatch", "the client is registered for another authentication method",
                FAILED
            },
            Self::WrongSecret => entry! {
                "wrong_secret", "the secret is wrong",
                FAILED
            },
            Self::SecretExpired => entry! {
                "secret_expired", "the secret has expired",
                FAILED
            },
            Self::SecretNotYetValid => entry! {
                "secret_not_yet_valid", "the secret is not valid yet",
                FAILED
            },
            #[cfg(feature = "jwt")]
            Self::Assertion(assertion) => assertion.entry(),
            #[cfg(feature = "mtls")]
            Self::Certificate(certificate) => certificate.entry(),
            #[cfg(feature = "unstable-attestation")]
            Self::Attestation(attestation) => attestation.entry(),
            Self::UnusableRegistration => entry! {
                "unusable_registration", "the registration of the client is unusable",
                FAILED, internal
            },
            Self::ProviderMismatch => entry! {
                "provider_mismatch", "the provider returned a client of another id",
                FAILED, internal
            },
            Self::Provider => entry! {
                "provider", "the provider failed",
                OUTAGE, internal
            },
            Self::ProviderTimeout => entry! {
                "provider_timeout", "the provider did not answer before the deadline",
                OUTAGE, internal
            },
            Self::Verifier => entry! {
                "verifier", "the verifier of the secret failed",
                OUTAGE, internal
            },
            Self::ReplayStore => entry! {
                "replay_store", "the replay store failed",
                OUTAGE, internal
            },
            Self::KeySource => entry! {
                "key_source", "the keys of the client could not be had",
                OUTAGE, internal
            },
            Self::MetadataDocument => entry! {
                "metadata_document", "the metadata document of the client is refused",
                FAILED
            },
            Self::MetadataUnreachable => entry! {
                "metadata_unreachable", "the metadata document of the client could not be had",
                OUTAGE
            },
            Self::Overloaded => entry! {
                "overloaded", "too many slow hashes or signatures are being verified",
                OUTAGE, internal
            },
            Self::Panicked => entry! {
                "panicked", "code of the application panicked",
                FAULT, internal
            },
            Self::Abandoned => entry! {
                "abandoned", "the caller hung up before the client was authenticated",
                invalid_request(REQUEST_TIMEOUT, "The request was abandoned")
            },
            Self::Throttled => entry! {
                "throttled", "the client is throttled",
                temporarily_unavailable(TOO_MANY_REQUESTS, "There have been too many attempts")
            },
        }
    }
}
