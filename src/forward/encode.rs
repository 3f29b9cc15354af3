//! Ids as values of headers.

use std::{borrow::Cow, fmt::Write};

/// An id as it is in a header: every byte of its UTF-8 but ASCII letters, digits and `-`, `.`, `_`, `~` is `%` and two
/// digits (RFC 3986 §2.1, §2.3).
///
/// An id may be any text (RFC 6749 §2.2); a header may not, nor do its readers agree on more than ASCII. What decodes
/// percent-encoding gives it back, and it is the same in each language: `encodeURIComponent`, `urllib.parse.quote` with
/// `safe=""` and `url.QueryEscape` differ from it in a few characters at most, and what they decode is equal.
///
/// # Examples
///
/// ```
/// use tower_client_auth::forward::percent_encode;
///
/// assert_eq!(percent_encode("batch-7"), "batch-7");
/// assert_eq!(percent_encode("grüße 1%"), "gr%C3%BC%C3%9Fe%201%25");
/// assert_eq!(percent_encode("https://c.example/x"), "https%3A%2F%2Fc.example%2Fx");
/// ```
#[must_use]
pub fn percent_encode(client_id: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if client_id.bytes().all(is_plain) {
        return client_id.into();
    }
    let mut encoded = String::with_capacity(client_id.len() * 2);
    for byte in client_id.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}
