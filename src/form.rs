//! Reads the parameters that concern client authentication from a form body: one linear pass that
//! copies nothing.
//!
//! `serde_urlencoded` is not used for this, because it replaces invalid UTF-8 by U+FFFD, so that
//! several octet strings would equal one secret. RFC 6749 Appendix B asks for UTF-8.

use crate::{error::ErrorKind, policy::Policy};

/// The values as they stand in the body, still encoded. A parameter without a value is `None`: it
/// is "treated as if it were omitted from the request" (RFC 6749 §3.2).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) client_id: Option<&'a [u8]>,
    pub(crate) client_secret: Option<&'a [u8]>,
    pub(crate) client_assertion: Option<&'a [u8]>,
    pub(crate) client_assertion_type: Option<&'a [u8]>,
}

/// Parameters that RFC 6749 and RFC 7521 define for a token request, each of which may occur once.
/// Extensions allow others to be repeated, such as `resource` (RFC 8707 §2) and `audience` (RFC
/// 8693 §2.1).
const ONCE: [&[u8]; 14] = [
    b"client_id",
    b"client_secret",
    b"client_assertion",
    b"client_assertion_type",
    b"grant_type",
    b"scope",
    b"code",
    b"redirect_uri",
    b"refresh_token",
    b"username",
    b"password",
    b"state",
    b"response_type",
    b"assertion",
];

/// Longer than every name in [`ONCE`].
const NAME_BUFFER: usize = 24;

/// Scans `body`.
pub(crate) fn scan<'a>(body: &'a [u8], policy: &Policy) -> Result<Form<'a>, ErrorKind> {
    let mut form = Form::default();
    let mut seen = 0_u16;
    if body.is_empty() {
        return Ok(form);
    }
    let mut parameters = 0;
    // Split on `&` only: `;` is data (WHATWG URL §5.1).
    for pair in (Split { rest: Some(body) }) {
        parameters += 1;
        if parameters > policy.parameter_limit {
            return Err(ErrorKind::TooManyParameters);
        }
        let (name, value) = split_name(pair);
        let Some(index) = known(name) else { continue };
        let bit = 1 << index;
        // RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once". An
        // empty one counts, because the service behind may read another of the two.
        if seen & bit != 0 && !policy.last_parameter_wins {
            return Err(ErrorKind::RepeatedParameter);
        }
        seen |= bit;
        let value = (!value.is_empty()).then_some(value);
        match index {
            0 => form.client_id = value,
            1 => form.client_secret = value,
            2 => form.client_assertion = value,
            3 => form.client_assertion_type = value,
            _ => {}
        }
    }
    Ok(form)
}

/// Whether a query has credentials in it, however often, and whatever else.
pub(crate) fn has_credentials(query: &[u8]) -> bool {
    Split { rest: Some(query) }.any(|pair| {
        let (name, value) = split_name(pair);
        !value.is_empty() && matches!(known(name), Some(1 | 2))
    })
}

struct Split<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (pair, after) =
            match memchr::memchr(b'&', rest).and_then(|at| rest.split_at_checked(at)) {
                Some((pair, after)) => (pair, after.get(1..)),
                None => (rest, None),
            };
        self.rest = after;
        Some(pair)
    }
}

fn split_name(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|&byte| byte == b'=').and_then(|at| pair.split_at_checked(at)) {
        Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
        None => (pair, &[]),
    }
}

/// The index in [`ONCE`] of an encoded name.
fn known(name: &[u8]) -> Option<usize> {
    if name.len() < NAME_BUFFER && !name.contains(&b'%') {
        return index_of(name);
    }
    // `client%5Fid` is the same parameter as `client_id`: a repetition must not hide behind the
    // encoding.
    let mut buffer = [0; NAME_BUFFER];
    let mut length = 0;
    for byte in (Decode { rest: name }) {
        *buffer.get_mut(length)? = byte.ok()?;
        length += 1;
    }
    index_of(buffer.get(..length)?)
}

fn index_of(name: &[u8]) -> Option<usize> {
    ONCE.iter().position(|known| *known == name)
}

/// Appends the decoded `value` to `text`: `+` is a space and `%XX` an octet. A malformed escape is
/// an error, as is a control character, and an escape that makes no UTF-8; octets that stand for
/// themselves are checked by the caller.
pub(crate) fn decode_into(value: &[u8], text: &mut Vec<u8>) -> Result<(), Malformed> {
    if !has_escapes(value) {
        text.extend_from_slice(value);
        return no_controls(value);
    }
    let start = text.len();
    for byte in (Decode { rest: value }) {
        text.push(byte?);
    }
    let decoded = text.get(start..).unwrap_or_default();
    std::str::from_utf8(decoded).map_err(|_not_utf8| Malformed)?;
    no_controls(decoded)
}

/// Whether `value` decodes to `text`.
pub(crate) fn equals(value: &[u8], text: &str) -> Result<bool, Malformed> {
    if !has_escapes(value) {
        return Ok(value == text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(value.len());
    decode_into(value, &mut decoded)?;
    Ok(decoded == text.as_bytes())
}

/// Form encoding that does not decode to text, or to text that no identifier or secret may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn has_escapes(value: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', value).is_some()
}

/// RFC 6749 Appendix A has no control characters in `client_id` and `client_secret`, RFC 7617 §2
/// none in a user-id and a password.
pub(crate) fn no_controls(text: &[u8]) -> Result<(), Malformed> {
    // Without an early exit the compiler makes vector instructions of it.
    let control = text.iter().fold(false, |found, byte| found | byte.is_ascii_control());
    if control { Err(Malformed) } else { Ok(()) }
}

struct Decode<'a> {
    rest: &'a [u8],
}

impl Iterator for Decode<'_> {
    type Item = Result<u8, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match byte {
            b'+' => Ok(b' '),
            b'%' => escape(rest).ok_or(Malformed).map(|(octet, rest)| {
                self.rest = rest;
                octet
            }),
            byte => Ok(byte),
        })
    }
}

/// The octet that the two digits behind a `%` stand for, and what follows them.
pub(crate) fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    Some((hex(digits.first())? << 4 | hex(digits.get(1))?, digits.get(2..)?))
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
