//! PEM (RFC 7468) as headers can hold it.

use base64::{Engine, prelude::BASE64_STANDARD};
use memchr::{memchr, memmem};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// How many certificates there may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    One,
    Any,
}

/// The first certificate of a text in which what headers cannot hold is escaped.
pub(super) fn escaped(value: &[u8], number: Number) -> Option<Vec<u8>> {
    let text = unescape(value)?;
    let text = text.as_slice();
    let (first, mut rest) = certificate(text, b'\n')?;
    while !rest.is_empty() {
        if number == Number::One {
            return None;
        }
        (_, rest) = certificate(rest, b'\n')?;
    }
    Some(first)
}

/// The one certificate of a text in which each line ends with a space.
pub(super) fn spaced(value: &[u8]) -> Option<Vec<u8>> {
    let (only, rest) = certificate(value, b' ')?;
    if rest.is_empty() { Some(only) } else { None }
}

/// Undoes `%XX`, and only that: in this header a `+` is a digit of base64, not a space. A space would be
/// escaped.
fn unescape(value: &[u8]) -> Option<Vec<u8>> {
    if memchr(b' ', value).is_some() {
        return None;
    }
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, escape)) = memchr(b'%', rest).and_then(|at| rest.split_at_checked(at)) {
        let [b'%', high, low, after @ ..] = escape else { return None };
        let byte = digit(*high)? << 4 | digit(*low)?;
        text.extend_from_slice(plain);
        text.push(byte);
        rest = after;
    }
    text.extend_from_slice(rest);
    Some(text)
}

/// The value of a hexadecimal digit.
fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The certificate that the text begins with, and what follows it. Nothing may be before it, nor between
/// two of them; the last line need not end.
fn certificate(text: &[u8], end_of_line: u8) -> Option<(Vec<u8>, &[u8])> {
    let lines = strip_end_of_line(text.strip_prefix(BEGIN)?, end_of_line)?;
    let (lines, rest) = lines.split_at_checked(memmem::find(lines, END)?)?;
    let mut base64 = Vec::with_capacity(lines.len());
    for line in lines.strip_suffix(&[end_of_line])?.split(|byte| *byte == end_of_line) {
        let line =
            if end_of_line == b'\n' { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if line.is_empty() {
            return None;
        }
        base64.extend_from_slice(line);
    }
    let certificate = BASE64_STANDARD.decode(base64).ok()?;
    let rest = rest.strip_prefix(END)?;
    if rest.is_empty() {
        return Some((certificate, rest));
    }
    Some((certificate, strip_end_of_line(rest, end_of_line)?))
}

fn strip_end_of_line(text: &[u8], end_of_line: u8) -> Option<&[u8]> {
    match text {
        [first, rest @ ..] if *first == end_of_line => Some(rest),
        [b'\r', b'\n', rest @ ..] if end_of_line == b'\n' => Some(rest),
        _ => None,
    }
}
