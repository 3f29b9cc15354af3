//! Reads the parameters that concern client authentication from a form body: one linear pass that
//! copies nothing.
//!
//! `serde_urlencoded` is not used for this, because it replaces invalid UTF-8 by U+FFFD, so that
//! several byte strings would equal one secret. RFC 6749 Appendix B asks for UTF-8.

use std::borrow::Cow;

use crate::{
    error::{cause::Fault, kind::ErrorKind},
    wire::limits::Limits,
};

/// The values as they are in the body, still encoded. A parameter without a value is `None`: it
/// is "treated as if it were omitted from the request" (RFC 6749 §3.2).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) client_id: Option<&'a [u8]>,
    pub(crate) client_secret: Option<&'a [u8]>,
    pub(crate) client_assertion: Option<&'a [u8]>,
    pub(crate) client_assertion_type: Option<&'a [u8]>,
}

impl Form<'_> {
    /// Whether nothing that counts is of a client.
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { client_id, client_secret, client_assertion, client_assertion_type } = self;
        client_id.is_none()
            && client_secret.is_none()
            && client_assertion.is_none()
            && client_assertion_type.is_none()
    }
}

/// Parameters that RFC 6749 and RFC 7521 define for a token request, each of which may occur once.
/// Extensions allow others to be repeated, such as `resource` (RFC 8707 §2) and `audience` (RFC
/// 8693 §2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    ClientId,
    ClientSecret,
    ClientAssertion,
    ClientAssertionType,
    GrantType,
    Scope,
    Code,
    RedirectUri,
    RefreshToken,
    Username,
    Password,
    State,
    ResponseType,
    Assertion,
}

impl Parameter {
    /// The longest name, `client_assertion_type`, with every byte as an escape.
    const LONGEST_ENCODED: usize = 3 * 21;

    /// The parameter of this name, which may be form-encoded.
    #[inline(always)]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match Self::of_plain(name) {
            None if name.contains(&b'%') => Self::of_encoded(name),
            plain => plain,
        }
    }

    // Out of the way of all names without escapes.
    #[cold]
    fn of_encoded(name: &[u8]) -> Option<Self> {
        if name.len() > Self::LONGEST_ENCODED {
            return None;
        }
        let decoded: Result<Vec<u8>, Malformed> = Decode { rest: name }.collect();
        Self::of_plain(&decoded.ok()?)
    }

    // A call for each parameter costs more than all of its comparisons.
    #[inline(always)]
    const fn of_plain(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"client_id" => Self::ClientId,
            b"client_secret" => Self::ClientSecret,
            b"client_assertion" => Self::ClientAssertion,
            b"client_assertion_type" => Self::ClientAssertionType,
            b"grant_type" => Self::GrantType,
            b"scope" => Self::Scope,
            b"code" => Self::Code,
            b"redirect_uri" => Self::RedirectUri,
            b"refresh_token" => Self::RefreshToken,
            b"username" => Self::Username,
            b"password" => Self::Password,
            b"state" => Self::State,
            b"response_type" => Self::ResponseType,
            b"assertion" => Self::Assertion,
            _ => return None,
        })
    }
}

/// What is done about a parameter that occurs again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once".
    #[default]
    Refused,
    LastWins,
}

/// Scans `body`.
pub(crate) fn scan<'a>(
    body: &'a [u8],
    limits: &Limits,
    repeated: Repeated,
) -> Result<Form<'a>, ErrorKind> {
    if begins_with_mark(body) {
        return Err(ErrorKind::MalformedParameter);
    }
    let mut form = Form::default();
    let mut seen = 0_u16;
    let mut parameters = 0;
    for (name, value) in parameters_of(body) {
        parameters += 1;
        if parameters > limits.parameters {
            return Err(ErrorKind::TooManyParameters);
        }
        let Some(parameter) = Parameter::of(name) else { continue };
        let bit = 1 << parameter as u16;
        // An empty one counts, because the inner service may read the other of the two.
        if seen & bit != 0 && repeated == Repeated::Refused {
            return Err(ErrorKind::RepeatedParameter);
        }
        seen |= bit;
        let value = (!value.is_empty()).then_some(value);
        match parameter {
            Parameter::ClientId => form.client_id = value,
            Parameter::ClientSecret => form.client_secret = value,
            Parameter::ClientAssertion => form.client_assertion = value,
            Parameter::ClientAssertionType => form.client_assertion_type = value,
            _ => {}
        }
    }
    Ok(form)
}

/// A byte order mark, which some servers skip and others take for a part of the first name: they would
/// read two different clients. Unencoded, it is in no form.
pub(super) fn begins_with_mark(body: &[u8]) -> bool {
    matches!(body, [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..])
}

/// Whether a query has credentials in it, however often, and whatever else.
pub(crate) fn has_credentials(query: &[u8]) -> bool {
    has_any(query, |it| matches!(it, Parameter::ClientSecret | Parameter::ClientAssertion))
}

/// Whether a form has something of a client in it, be it a value that does not count because another follows.
pub(crate) fn has_client(form: &[u8]) -> bool {
    has_any(form, Parameter::is_of_client)
}

fn has_any(form: &[u8], is_one: impl Fn(Parameter) -> bool) -> bool {
    parameters_of(form)
        .any(|(name, value)| !value.is_empty() && Parameter::of(name).is_some_and(&is_one))
}

/// The names and values of a form. Only `&` separates: `;` is data (WHATWG URL §5.1).
pub(crate) const fn parameters_of(form: &[u8]) -> Parameters<'_> {
    Parameters { rest: if form.is_empty() { None } else { Some(form) } }
}

pub(crate) struct Parameters<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (pair, after) = match memchr::memchr(b'&', rest) {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)),
            None => (rest, None),
        };
        let (name, value) = pair.split_at_checked(name_length(pair))?;
        let value = value.get(1..).unwrap_or_default();
        self.rest = after;
        Some((name, value))
    }
}

/// How long the name is, which ends at `=` or with the pair. It goes by words of eight bytes: for a
/// vector search names are too short to be worth the call.
pub(super) fn name_length(pair: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const EQUALS: u64 = u64::from_ne_bytes([b'='; 8]);
    let mut rest = pair;
    while let Some((word, after)) = rest.split_first_chunk() {
        // A byte that is `=` becomes 0. Taking 1 from each sets the high bit of a 0, and no other
        // high bit that was clear, but behind the first 0, from which it borrows.
        let word = u64::from_le_bytes(*word) ^ EQUALS;
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return pair.len() - rest.len() + zeros.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    pair.len() - rest.len() + rest.iter().take_while(|byte| **byte != b'=').count()
}

/// The decoded `value`: `+` is a space and `%XX` a byte. A malformed escape is an error, as is a control
/// character, and what is no UTF-8.
#[inline]
pub(crate) fn decode(value: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    if has_escapes(value)? {
        return decode_escapes(value).map(Cow::Owned);
    }
    std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_not_utf8| Malformed)
}

/// The same of a parameter that is not for the layer, such as a document, which may have lines.
pub(crate) fn decode_any(value: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    if memchr::memchr2(b'%', b'+', value).is_none() {
        return std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_not_utf8| Malformed);
    }
    let decoded: Vec<u8> = Decode { rest: value }.collect::<Result<_, _>>()?;
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_not_utf8| Malformed)
}

#[cold]
fn decode_escapes(value: &[u8]) -> Result<String, Malformed> {
    let decoded: Vec<u8> = Decode { rest: value }.collect::<Result<_, _>>()?;
    has_escapes(&decoded)?;
    String::from_utf8(decoded).map_err(|_not_utf8| Malformed)
}

/// Whether `value` decodes to `text`.
pub(crate) fn equals(value: &[u8], text: &str) -> Result<bool, Malformed> {
    if !has_escapes(value)? {
        return Ok(value == text.as_bytes());
    }
    Ok(decode_escapes(value)? == text)
}

/// Form encoding that does not decode to text, or to text that no identifier or secret may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Why `value` does not decode.
#[cold]
pub(crate) fn fault(value: &[u8]) -> Fault {
    let decoded: Result<Vec<u8>, Malformed> = Decode { rest: value }.collect();
    match decoded {
        Err(Malformed) => Fault::NotEncoded,
        Ok(text) if text.iter().any(u8::is_ascii_control) => Fault::ControlCharacter,
        Ok(_no_text) => Fault::NotUtf8,
    }
}

impl From<Malformed> for ErrorKind {
    fn from(_: Malformed) -> Self {
        Self::MalformedParameter
    }
}

/// Whether decoding would change `value`. RFC 6749 Appendix A has no control characters in
/// `client_id` and `client_secret`, RFC 7617 §2 none in a user-id and a password.
pub(crate) fn has_escapes(value: &[u8]) -> Result<bool, Malformed> {
    // Nearly all are printable ASCII. Without an early exit the compiler makes vector instructions
    // of it.
    let plain = value.iter().fold(true, |plain, byte| {
        plain & matches!(byte, b' '..=b'~') & !matches!(byte, b'%' | b'+')
    });
    if plain {
        return Ok(false);
    }
    let control = value.iter().any(u8::is_ascii_control);
    if control { Err(Malformed) } else { Ok(memchr::memchr2(b'%', b'+', value).is_some()) }
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
            b'%' => escape(rest).ok_or(Malformed).map(|(byte, rest)| {
                self.rest = rest;
                byte
            }),
            byte => Ok(byte),
        })
    }
}

/// The byte that the two digits behind a `%` encode, and what follows them.
pub(crate) fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    Some((hex(digits.first())? << 4 | hex(digits.get(1))?, digits.get(2..)?))
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::name_length;

    #[test]
    fn name_ends_at_the_first_equals_sign() {
        // The interpreter Miri takes a second for each.
        let step = if cfg!(miri) { 50 } else { 1 };
        for byte in (0..=u8::MAX).step_by(step).filter(|byte| *byte != b'=') {
            for length in 0..=24 {
                let mut pair = vec![byte; length];
                assert_eq!(name_length(&pair), length, "{byte} {length}");
                for first in (0..length).rev() {
                    // The ones behind it stay.
                    pair.splice(first..=first, *b"=");
                    assert_eq!(name_length(&pair), first, "{byte} {length}");
                }
            }
        }
    }
}
