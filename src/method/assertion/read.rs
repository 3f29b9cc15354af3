//! An assertion, read before the client is known.

use crate::{
    error::assertion::InvalidAssertion,
    jose::{
        alg::Algorithm,
        compact::{self, Parts},
        header::Header,
    },
    method::assertion::{
        Type,
        claims::{Claims, ReplayClaim},
        federated::Federated,
        settings::Assertions,
    },
};

/// RFC 10070 §4.
const EXPLICIT: &str = "client-authentication+jwt";

/// An assertion that is well-formed, and about which nothing else is known.
#[derive(Debug)]
pub(crate) struct Assertion {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    /// Whether the header brings a key, or says where there is one.
    pub(super) has_key_in_header: bool,
    /// How much of the text is signed, from its beginning.
    signed: u32,
    /// The three parts, one behind the other, in one allocation.
    bytes: Vec<u8>,
    /// Where in them the signature begins.
    signature: u32,
    /// The outcome of claim validation. It is told when the signature has been verified, and not before:
    /// until then any caller may have made them up.
    pub(super) claim: Result<ReplayClaim, InvalidAssertion>,
    /// The time at which it was read, in seconds since the Unix epoch.
    pub(super) now: i64,
}

impl Assertion {
    /// Reads `text`, and hands its `sub` to `subject`: it tells which client to look up unless somebody else than the client
    /// issued the assertion, and proves nothing.
    pub(super) fn read<T>(
        text: &str,
        settings: &Assertions,
        now: i64,
        (assertion_type, client_id): (Type, Option<&[u8]>),
        subject: impl FnOnce(&str) -> T,
    ) -> Result<(Self, T, Option<Box<Federated>>), InvalidAssertion> {
        let parts = Parts::split(text).ok_or(InvalidAssertion::Malformed)?;
        let mut bytes = Vec::with_capacity(base64::decoded_len_estimate(text.len()));
        let header =
            compact::decode(parts.header, &mut bytes).ok_or(InvalidAssertion::Malformed)?;
        let claims =
            compact::decode(parts.claims, &mut bytes).ok_or(InvalidAssertion::Malformed)?;
        let signature =
            compact::decode(parts.signature, &mut bytes).ok_or(InvalidAssertion::Malformed)?.start;
        let header: Header<'_> =
            compact::object(bytes.get(header)).ok_or(InvalidAssertion::Malformed)?;
        let algorithm = validate(&header, settings, assertion_type)?;
        let claims: Claims<'_> =
            compact::object(bytes.get(claims)).ok_or(InvalidAssertion::Malformed)?;
        let sub = claims.sub.as_ref().map(|sub| &*sub.0).filter(|sub| !sub.is_empty());
        let sub = sub.ok_or(InvalidAssertion::MissingClaim)?;
        // As for every other client id.
        if sub.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(InvalidAssertion::Malformed);
        }
        let federated = Federated::read(&claims, sub, assertion_type, client_id)?;
        // Only clients know the type: what platforms issue has another one, or none.
        if settings.explicit_typ && federated.is_none() && !header.is_typ(EXPLICIT) {
            return Err(InvalidAssertion::UnsupportedTyp);
        }
        let subject = subject(sub);
        let assertion = Self {
            algorithm,
            kid: header.kid.map(|kid| kid.0.into()),
            has_key_in_header: header.has_key,
            signed: u32::try_from(parts.header.len() + 1 + parts.claims.len())
                .map_err(|_too_long| InvalidAssertion::Malformed)?,
            claim: claims.validate(settings, now),
            now,
            signature: u32::try_from(signature).map_err(|_too_long| InvalidAssertion::Malformed)?,
            bytes,
        };
        Ok((assertion, subject, federated))
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.bytes.get(self.signature as usize..).unwrap_or_default()
    }

    /// The signing input within `compact`, from which the assertion was read (RFC 7515 §5.2).
    pub(super) fn signed<'a>(&self, compact: &'a str) -> &'a [u8] {
        compact.as_bytes().get(..self.signed as usize).unwrap_or_default()
    }
}

/// The algorithm, if the header may be that of an assertion.
fn validate(
    header: &Header<'_>,
    settings: &Assertions,
    assertion_type: Type,
) -> Result<Algorithm, InvalidAssertion> {
    let alg = header.alg.as_ref().ok_or(InvalidAssertion::Malformed)?;
    let algorithm = Algorithm::from_name(&alg.0)
        .filter(|algorithm| settings.algorithms.contains(*algorithm))
        .ok_or(InvalidAssertion::UnsupportedAlgorithm)?;
    if header.is_unsupported {
        return Err(InvalidAssertion::UnsupportedHeader);
    }
    // RFC 8725 §3.11: a JWT that was made for another purpose is none for this one.
    let fits = header.typ.is_none()
        || header.is_typ("jwt")
        || header.is_typ(EXPLICIT)
        // JWT-SVID §2.3.
        || (assertion_type == Type::Spiffe && header.is_typ("jose"));
    if fits { Ok(algorithm) } else { Err(InvalidAssertion::UnsupportedTyp) }
}
