//! The compact form (RFC 7515 §7.1), read before the client is known.

use std::ops::Range;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::de::MapAccess;

use crate::{
    error::ErrorKind,
    jose::{
        alg::Algorithm,
        json::{Members, Object, Text, Value},
    },
    method::assertion::{
        claims::{Claims, Ticket},
        settings::Assertions,
    },
};

/// An assertion that is well-formed, and about which nothing else is known.
#[derive(Debug)]
pub(crate) struct Assertion {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    /// How much of the text is signed, from its beginning.
    signed: usize,
    /// The three parts, one behind the other, in one allocation.
    octets: Vec<u8>,
    /// Where in them the signature begins.
    signature: usize,
    /// What the claims amount to. It is told when the signature has been verified, and not before:
    /// until then anybody may have made them up.
    pub(super) ticket: Result<Ticket, ErrorKind>,
    /// The time at which it was read, in seconds since the Unix epoch.
    pub(super) now: i64,
}

impl Assertion {
    /// Reads `compact`, and hands its `sub` to `subject`: it tells which client to look up, and
    /// proves nothing.
    pub(crate) fn read<T>(
        compact: &str,
        settings: &Assertions,
        now: i64,
        subject: impl FnOnce(&str) -> T,
    ) -> Result<(Self, T), ErrorKind> {
        let parts = Parts::split(compact).ok_or(ErrorKind::MalformedAssertion)?;
        let mut octets = Vec::with_capacity(base64::decoded_len_estimate(compact.len()));
        let header = decode(parts.header, &mut octets)?;
        let claims = decode(parts.claims, &mut octets)?;
        let signature = decode(parts.signature, &mut octets)?.start;
        let header: Header<'_> = object(octets.get(header))?;
        let algorithm = header.judge(settings)?;
        let claims: Claims<'_> = object(octets.get(claims))?;
        let sub = claims.sub.as_ref().map(|sub| &*sub.0).filter(|sub| !sub.is_empty());
        let sub = sub.ok_or(ErrorKind::MissingClaim)?;
        // As in every other place where an id may stand.
        if sub.contains(|c: char| c.is_ascii_control()) {
            return Err(ErrorKind::MalformedAssertion);
        }
        let subject = subject(sub);
        let assertion = Self {
            algorithm,
            kid: header.kid.map(|kid| kid.0.into()),
            signed: parts.header.len() + 1 + parts.claims.len(),
            ticket: claims.judge(settings, now),
            now,
            signature,
            octets,
        };
        Ok((assertion, subject))
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.octets.get(self.signature..).unwrap_or_default()
    }

    /// The signing input within `compact`, from which the assertion was read (RFC 7515 §5.2).
    pub(super) fn signed<'a>(&self, compact: &'a str) -> &'a [u8] {
        compact.as_bytes().get(..self.signed).unwrap_or_default()
    }
}

struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Three parts: five would be a JWE (RFC 7516 §3.1).
    fn split(compact: &'a str) -> Option<Self> {
        // The last part must be free of dots, which base64url takes care of.
        let mut dots = memchr::memchr_iter(b'.', compact.as_bytes());
        let (first, second) = (dots.next()?, dots.next()?);
        Some(Self {
            header: compact.get(..first)?,
            claims: compact.get(first + 1..second)?,
            signature: compact.get(second + 1..)?,
        })
    }
}

/// Appends what `part` stands for. RFC 7515 §2: base64url without padding, and (RFC 4648 §3.5)
/// without stray bits, or one signature would have several forms.
fn decode(part: &str, octets: &mut Vec<u8>) -> Result<Range<usize>, ErrorKind> {
    let start = octets.len();
    BASE64_URL_SAFE_NO_PAD
        .decode_vec(part, octets)
        .map_err(|_not_base64url| ErrorKind::MalformedAssertion)?;
    Ok(start..octets.len())
}

fn object<'a, T: Members<'a>>(octets: Option<&'a [u8]>) -> Result<T, ErrorKind> {
    // Checked as a whole, because the parser does not look into strings that it skips.
    let json = std::str::from_utf8(octets.unwrap_or_default())
        .map_err(|_not_utf8| ErrorKind::MalformedAssertion)?;
    serde_json::from_str(json)
        .map(|Object(members)| members)
        .map_err(|_quotes_the_text| ErrorKind::MalformedAssertion)
}

#[derive(Debug, Default)]
struct Header<'a> {
    alg: Option<Text<'a>>,
    kid: Option<Text<'a>>,
    typ: Option<Text<'a>>,
    refused: bool,
}

impl<'de> Members<'de> for Header<'de> {
    const USUAL: &'static [&'static str] = &["alg", "kid", "typ"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "alg" => self.alg = Some(value.parse()?),
            "kid" => self.kid = Some(value.parse()?),
            "typ" => self.typ = Some(value.parse()?),
            // RFC 7515 §4.1.11: what is critical must be understood, and nothing is. RFC 7797: the
            // claims of a JWT are encoded. RFC 8725 §3.10: keys come from the registration alone.
            "crit" | "b64" | "enc" | "zip" | "jwk" | "jku" | "x5u" | "x5c" => {
                self.refused = true;
                value.ignore()?;
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Header<'_> {
    fn judge(&self, settings: &Assertions) -> Result<Algorithm, ErrorKind> {
        let alg = self.alg.as_ref().ok_or(ErrorKind::MalformedAssertion)?;
        let algorithm = Algorithm::from_name(&alg.0)
            .filter(|algorithm| settings.algorithms.contains(*algorithm))
            .ok_or(ErrorKind::UnsupportedAlgorithm)?;
        if self.refused {
            return Err(ErrorKind::UnsupportedAssertionHeader);
        }
        // RFC 8725 §3.11: a JWT that was made for another purpose is none for this one.
        let fits = match &self.typ {
            None => !settings.explicit_typ,
            Some(typ) => {
                is_media_type(&typ.0, "client-authentication+jwt")
                    || (!settings.explicit_typ && is_media_type(&typ.0, "jwt"))
            }
        };
        if fits { Ok(algorithm) } else { Err(ErrorKind::UnsupportedAssertionTyp) }
    }
}

/// RFC 7515 §4.1.9: `application/` may be left out, and media types have no case.
fn is_media_type(typ: &str, subtype: &str) -> bool {
    let (prefix, rest) = typ.split_at_checked(12).unwrap_or_default();
    let typ = if prefix.eq_ignore_ascii_case("application/") { rest } else { typ };
    typ.eq_ignore_ascii_case(subtype)
}
