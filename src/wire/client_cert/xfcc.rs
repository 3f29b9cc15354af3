//! `X-Forwarded-Client-Cert` of Envoy: elements with commas between them, each of which is pairs with
//! semicolons between them.

use super::pem;

const SYNTAX: &str = "it is not a list of `key=value;key=\"value\"`";
const NUMBER: &str = "the number of its elements is not that of the trusted hops and one";
const TWICE: &str = "`Cert` is there twice";
const NO_CERT: &str =
    "there is no `Cert`: Envoy needs `cert: true` in `set_current_client_cert_details`";
const LATE: &str =
    "`Cert` follows an unquoted `URI` or `DNS`, in which a client could have written it";
const PEM: &str = "`Cert` is not one certificate as percent-escaped PEM";

/// The certificate of the client: the element that `hops` trusted ones follow. There is none before it,
/// because a proxy that appends to what a caller sent leaves the caller's elements in front.
pub(super) fn certificate(value: &[u8], hops: usize) -> Result<Vec<u8>, &'static str> {
    let mut elements = outside_quotes(value, b',').map(<[u8]>::trim_ascii);
    let of_client = elements.next().ok_or(SYNTAX)?;
    let certificate = read(of_client)?;
    let mut others = 0_usize;
    for element in elements {
        read(element)?;
        others = others.saturating_add(1);
    }
    if others != hops {
        return Err(NUMBER);
    }
    let Some(certificate) = certificate else { return Err(NO_CERT) };
    pem::escaped(certificate, pem::Number::One).ok_or(PEM)
}

/// Reads an element, and finds its `Cert`.
fn read(element: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let mut certificate = None;
    let mut by_client = false;
    for pair in outside_quotes(element, b';') {
        let end = memchr::memchr(b'=', pair).ok_or(SYNTAX)?;
        let (key, value) = pair.split_at_checked(end).ok_or(SYNTAX)?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return Err(SYNTAX);
        }
        let (value, quoted) = unquote(value.get(1..).unwrap_or_default()).ok_or(SYNTAX)?;
        if key.eq_ignore_ascii_case(b"cert") {
            if certificate.is_some() {
                return Err(TWICE);
            }
            if by_client {
                return Err(LATE);
            }
            certificate = Some(value);
        }
        // Envoy writes these from the certificate as they are. It writes `Cert` before them.
        by_client |= !quoted && [&b"uri"[..], b"dns"].iter().any(|k| key.eq_ignore_ascii_case(k));
    }
    Ok(certificate)
}

/// What is between the quotes, and that there were some. A value has them around it or nowhere.
fn unquote(value: &[u8]) -> Option<(&[u8], bool)> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        return if value.contains(&b'"') { None } else { Some((value, false)) };
    };
    let mut escaped = false;
    let end = rest.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    })?;
    // Nothing follows the closing quote.
    if end + 1 == rest.len() { Some((rest.get(..end)?, true)) } else { None }
}

/// Cuts a text at the separators outside of quotes. Within them a backslash takes the meaning from the
/// next byte, so that the subject of a certificate cannot end them.
fn outside_quotes(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte => return !quoted && *byte == separator,
        }
        false
    })
}
