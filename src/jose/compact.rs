//! The compact form of a signed JWT (RFC 7515 §7.1).

use std::ops::Range;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::jose::json::{Members, Object};

/// The three parts, each in base64url.
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) claims: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Three parts: five would be a JWE (RFC 7516 §3.1).
    pub(crate) fn split(compact: &'a str) -> Option<Self> {
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

/// Appends the decoded `part`. RFC 7515 §2: base64url without padding, and (RFC 4648 §3.5)
/// without stray bits, or one signature would have several forms.
pub(crate) fn decode(part: &str, bytes: &mut Vec<u8>) -> Option<Range<usize>> {
    let start = bytes.len();
    BASE64_URL_SAFE_NO_PAD.decode_vec(part, bytes).ok()?;
    Some(start..bytes.len())
}

/// Reads a decoded part.
pub(crate) fn object<'a, T: Members<'a>>(bytes: Option<&'a [u8]>) -> Option<T> {
    // Checked as a whole, because the parser does not look into strings that it skips.
    let json = std::str::from_utf8(bytes?).ok()?;
    serde_json::from_str(json).ok().map(|Object(members)| members)
}
