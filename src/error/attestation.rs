//! The reasons for which an attestation is refused.

use crate::error::entry::{Entry, FAILED, entry};

/// Why an attestation and its proof of possession do not authenticate the client
/// ([`ErrorKind::Attestation`](crate::ErrorKind::Attestation); draft-ietf-oauth-attestation-based-client-auth).
///
/// Each begins with its label, [`ErrorKind::as_str`](crate::ErrorKind::as_str), and ends with the status and
/// `error` code that it is answered with. Those that depend on the registration are answered as a wrong
/// secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidAttestation {
    /// `attestation_repeated`: a header is there more than once, or has a list (-11 §7.1, §7.2). → 400 `invalid_request`
    Repeated,
    /// `attestation_missing`: the client needs an attestation, or there is a proof without one (-11 §7.1). → 401
    /// `invalid_client`
    Missing,
    /// `attestation_proof_missing`: there is an attestation without `OAuth-Client-Attestation-PoP`; a DPoP proof in its
    /// place is not supported (-11 §7.2, §7.3). → 401 `invalid_client`
    ProofMissing,
    /// `attestation_malformed`: one of both is not a signed JWT in compact form, repeats a member, or has one of the wrong
    /// type (-11 §4, §5.1). → 401 `invalid_client`
    Malformed,
    /// `attestation_header`: a header parameter of one of both is not supported: `crit`, `b64`, `enc` or `zip`. → 401
    /// `invalid_client`
    UnsupportedHeader,
    /// `attestation_typ`: the `typ` of one of both is another one (-11 §4, §5.1). → 401 `invalid_client`
    UnsupportedTyp,
    /// `attestation_algorithm`: the `alg` of one of both is `none`, symmetric, unknown or not accepted here (-11 §7.1,
    /// §7.2). → 401 `invalid_client`
    UnsupportedAlgorithm,
    /// `attestation_claim_missing`: `sub`, `exp` or `cnf` of the attestation, or `aud`, `jti` or `iat` of the proof is
    /// missing or empty (-11 §4, §5.1). → 401 `invalid_client`
    MissingClaim,
    /// `attestation_instance_key`: the key in `cnf` is private, symmetric, weak, no `jwk`, or not for the `alg` of the proof
    /// (-11 §7.1). → 401 `invalid_client`
    InstanceKey,
    /// `attestation_attester_key`: the attester of the client has no such key, or several of which none is named
    /// (-11 §10.8). → 401 `invalid_client`
    AttesterKey,
    /// `attestation_chain`: the certificates in `x5c` are more than 4, or lead to none of the trust anchors of the attester
    /// ([`trust_anchors`](crate::attestation::Attesters)); the [source](std::error::Error::source) of the error says
    /// what is wrong (-11 §10.8). → 401 `invalid_client`
    Chain,
    /// `attestation_signature`: the signature of the attestation is not one of the attester's key (-11 §7.1). → 401
    /// `invalid_client`
    WrongSignature,
    /// `attestation_proof_signature`: the signature of the proof is not one of the key in `cnf` (-11 §7.2). → 401
    /// `invalid_client`
    WrongProof,
    /// `attestation_stale`: both signatures are right, and the attestation has expired or is too old (-11 §7.4). → 401
    /// `use_fresh_attestation`
    Stale,
    /// `attestation_not_yet_valid`: the `iat` or `nbf` of the attestation is more than 60 seconds ahead. → 401
    /// `invalid_client`
    NotYetValid,
    /// `attestation_lifetime`: the attestation has no `iat`, and its `exp` is further ahead than the limit. → 401
    /// `invalid_client`
    Lifetime,
    /// `attestation_audience`: the `aud` of the proof is not this server, or not alone (-11 §5.1). → 401
    /// `invalid_client`
    WrongAudience,
    /// `attestation_proof_time`: the `iat` of the proof is too far back, or more than 60 seconds ahead (-11 §7.2). → 401
    /// `invalid_client`
    ProofTime,
    /// `attestation_proof_id`: the `jti` of the proof is longer than 256 bytes. → 401 `invalid_client`
    IdTooLong,
    /// `attestation_replayed`: the proof has been used before (-11 §12.1). → 401 `invalid_client`
    Replayed,
    /// `attestation_challenge`: both signatures are right, and the proof has no challenge of this server, or an old one
    /// (-11 §6.1). → 400 `use_attestation_challenge`
    Challenge,
}

impl InvalidAttestation {
    pub(crate) const fn entry(self) -> &'static Entry {
        match self {
            Self::Repeated => entry! {
                "attestation_repeated", "there is more than one attestation, or more than one proof",
                invalid_request(BAD_REQUEST, "There must be one client attestation with one proof of possession")
            },
            Self::Missing => entry! {
                "attestation_missing", "the request came without an attestation",
                FAILED
            },
            Self::ProofMissing => entry! {
                "attestation_proof_missing", "the attestation came without its proof of possession",
                FAILED
            },
            Self::Malformed => entry! {
                "attestation_malformed", "the attestation or its proof is no well-formed signed JWT",
                FAILED
            },
            Self::UnsupportedHeader => entry! {
                "attestation_header", "the header of the attestation or its proof has a member that is not supported",
                FAILED
            },
            Self::UnsupportedTyp => entry! {
                "attestation_typ", "the attestation or its proof is another kind of JWT",
                FAILED
            },
            Self::UnsupportedAlgorithm => entry! {
                "attestation_algorithm", "the algorithm of the attestation or its proof is not accepted",
                FAILED
            },
            Self::MissingClaim => entry! {
                "attestation_claim_missing", "a claim of the attestation or its proof is missing",
                FAILED
            },
            Self::InstanceKey => entry! {
                "attestation_instance_key", "the key in the attestation cannot verify its proof",
                FAILED
            },
            Self::AttesterKey => entry! {
                "attestation_attester_key", "the attester has no such key, or several and the attestation names none",
                FAILED
            },
            Self::Chain => entry! {
                "attestation_chain", "the certificates of the attester are not trusted",
                FAILED
            },
            Self::WrongSignature => entry! {
                "attestation_signature", "the signature of the attestation is wrong",
                FAILED
            },
            Self::WrongProof => entry! {
                "attestation_proof_signature", "the signature of the proof of possession is wrong",
                FAILED
            },
            Self::Stale => entry! {
                "attestation_stale", "the attestation has expired or is too old",
                use_fresh_attestation(UNAUTHORIZED, "The client attestation is not fresh enough")
            },
            Self::NotYetValid => entry! {
                "attestation_not_yet_valid", "the attestation is not valid yet",
                FAILED
            },
            Self::Lifetime => entry! {
                "attestation_lifetime", "the attestation lives too long",
                FAILED
            },
            Self::WrongAudience => entry! {
                "attestation_audience", "the proof of possession is meant for another server",
                FAILED
            },
            Self::ProofTime => entry! {
                "attestation_proof_time", "the proof of possession is too old, or made in the future",
                FAILED
            },
            Self::IdTooLong => entry! {
                "attestation_proof_id", "the id of the proof of possession is too long",
                FAILED
            },
            Self::Replayed => entry! {
                "attestation_replayed", "the proof of possession has been used before",
                FAILED
            },
            Self::Challenge => entry! {
                "attestation_challenge", "the proof of possession has no challenge of this server, or an old one",
                use_attestation_challenge(BAD_REQUEST, "The proof of possession needs the challenge that comes with this answer")
            },
        }
    }
}
