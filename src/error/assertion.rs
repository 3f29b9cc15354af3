//! The reasons for which a client assertion is refused.

use crate::error::entry::{Entry, FAILED, entry};

/// Why a client assertion does not authenticate the client
/// ([`ErrorKind::Assertion`](crate::ErrorKind::Assertion)).
///
/// Each begins with its label, [`ErrorKind::as_str`](crate::ErrorKind::as_str), and is answered 401
/// `invalid_client`, as a wrong secret is (RFC 7521 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidAssertion {
    /// `incomplete_assertion`: one of `client_assertion` and `client_assertion_type` is present without the other (RFC 7521 §4.2).
    Incomplete,
    /// `unknown_assertion_type`: the `client_assertion_type` is not that of RFC 7523 §2.2.
    UnknownType,
    /// `malformed_assertion`: the assertion is not a signed JWT in compact form (RFC 7515 §7.1, RFC 7519 §7.2), repeats a member, or has one of the wrong type.
    Malformed,
    /// `unsupported_assertion_header`: the header of the assertion has `crit`, `b64`, `enc` or `zip` (RFC 7515 §4.1, RFC 7516 §4.1, RFC 7797 §3).
    UnsupportedHeader,
    /// `unsupported_assertion_typ`: the `typ` of the assertion is that of another kind of JWT (RFC 8725 §3.11).
    UnsupportedTyp,
    /// `unsupported_algorithm`: the `alg` of the assertion is `none`, unknown or not accepted here (RFC 8725 §3.1).
    UnsupportedAlgorithm,
    /// `algorithm_mismatch`: the `alg` of the assertion is not the one that the client is registered for, or none of its keys is for it (RFC 8725 §3.1).
    AlgorithmMismatch,
    /// `unknown_key`: the client has no key with the `kid` of the assertion.
    UnknownKey,
    /// `ambiguous_key`: more than two keys of the client may have made the assertion, and it names none by `kid`; or two
    /// have the `kid` that it names.
    AmbiguousKey,
    /// `wrong_signature`: the signature of the assertion is not one of the client's key.
    WrongSignature,
    /// `missing_claim`: `iss`, `sub`, `aud`, `exp` or `jti` is missing or empty (RFC 7523 §3, OpenID Connect Core §9).
    MissingClaim,
    /// `issuer_mismatch`: the `iss` of the assertion is not its `sub` (RFC 7523 §3), nor an issuer that the client trusts
    /// ([`Trust`](crate::assertion::Trust)).
    IssuerMismatch,
    /// `subject_mismatch`: the client trusts the issuer of the assertion, and not for its `sub`.
    SubjectMismatch,
    /// `wrong_audience`: the `aud` of the assertion is not this server, or not alone (RFC 7523 §3).
    WrongAudience,
    /// `assertion_expired`: the assertion has expired (RFC 7523 §3).
    Expired,
    /// `assertion_not_yet_valid`: the `nbf` or `iat` of the assertion is more than 60 seconds ahead.
    NotYetValid,
    /// `assertion_lifetime`: the `exp` of the assertion is further ahead than the limit.
    Lifetime,
    /// `assertion_id_too_long`: the `jti` of the assertion is longer than 256 bytes.
    IdTooLong,
    /// `replayed`: the assertion has been used before (OpenID Connect Core §9).
    Replayed,
}

impl InvalidAssertion {
    pub(crate) const fn entry(self) -> &'static Entry {
        match self {
            Self::Incomplete => entry! {
                "incomplete_assertion", "client_assertion and client_assertion_type do not come together",
                FAILED
            },
            Self::UnknownType => entry! {
                "unknown_assertion_type", "the client_assertion_type is not the one of JSON Web Tokens",
                FAILED
            },
            Self::Malformed => entry! {
                "malformed_assertion", "the assertion is no well-formed signed JWT",
                FAILED
            },
            Self::UnsupportedHeader => entry! {
                "unsupported_assertion_header", "the header of the assertion has a member that is not supported",
                FAILED
            },
            Self::UnsupportedTyp => entry! {
                "unsupported_assertion_typ", "the assertion is another kind of JWT",
                FAILED
            },
            Self::UnsupportedAlgorithm => entry! {
                "unsupported_algorithm", "the algorithm of the assertion is not accepted",
                FAILED
            },
            Self::AlgorithmMismatch => entry! {
                "algorithm_mismatch", "the algorithm of the assertion is not the one of the client",
                FAILED
            },
            Self::UnknownKey => entry! {
                "unknown_key", "the client has no such key",
                FAILED
            },
            Self::AmbiguousKey => entry! {
                "ambiguous_key", "the assertion does not say which key of the client it is made with",
                FAILED
            },
            Self::WrongSignature => entry! {
                "wrong_signature", "the signature of the assertion is wrong",
                FAILED
            },
            Self::MissingClaim => entry! {
                "missing_claim", "a claim of the assertion is missing",
                FAILED
            },
            Self::IssuerMismatch => entry! {
                "issuer_mismatch", "the assertion was issued neither by the client nor by whom it trusts",
                FAILED
            },
            Self::SubjectMismatch => entry! {
                "subject_mismatch", "the assertion is about somebody else than the client",
                FAILED
            },
            Self::WrongAudience => entry! {
                "wrong_audience", "the assertion is meant for another server",
                FAILED
            },
            Self::Expired => entry! {
                "assertion_expired", "the assertion has expired",
                FAILED
            },
            Self::NotYetValid => entry! {
                "assertion_not_yet_valid", "the assertion is not valid yet",
                FAILED
            },
            Self::Lifetime => entry! {
                "assertion_lifetime", "the assertion lives too long",
                FAILED
            },
            Self::IdTooLong => entry! {
                "assertion_id_too_long", "the id of the assertion is too long",
                FAILED
            },
            Self::Replayed => entry! {
                "replayed", "the assertion has been used before",
                FAILED
            },
        }
    }
}
