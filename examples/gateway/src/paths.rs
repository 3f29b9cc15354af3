//! Which path is which to an upstream.

use std::{borrow::Cow, fmt::Write};

/// Whether it is this path, or one below it. A path that begins with the same letters is another one.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The spelling of a path by which its route is found: all but letters, digits, `-`, `.`, `_`, `~` and `/` is escaped
/// (RFC 3986 §6.2.2), for to many servers `/a%3ab` is `/a:b`.
///
/// There is none for a path that an upstream may take for another one, whatever its route: it may remove dot segments
/// and empty ones (§5.2.4), parameters of a segment, escapes that stand for themselves (§6.2.2.2), and escapes twice.
pub(crate) fn normal(path: &str) -> Option<Cow<'_, str>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    // Nearly all, so that they are read once.
    let mut before = b'/';
    let mut is_simple = |byte| {
        let is_empty_or_dot = before == b'/' && matches!(byte, b'/' | b'.');
        before = byte;
        is_plain(byte) && !is_empty_or_dot
    };
    if path.strip_prefix('/').is_some_and(|path| path.bytes().all(&mut is_simple)) {
        return Some(path.into());
    }
    let is_ambiguous = path.contains("//")
        || path.contains([';', '\\'])
        || path.split('/').any(|segment| matches!(segment, "." | ".."));
    if is_ambiguous {
        return None;
    }
    if path.bytes().all(is_plain) {
        return Some(path.into());
    }
    let mut normal = String::with_capacity(path.len() * 2);
    let mut rest = path.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let mut byte = first;
        if byte == b'%' {
            let (digits, behind) = rest.split_first_chunk::<2>()?;
            rest = behind;
            byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            if byte.is_ascii_control() || is_plain(byte) || b"\\;%".contains(&byte) {
                return None;
            }
        }
        if is_plain(byte) {
            normal.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _written = write!(normal, "%{byte:02X}");
        }
    }
    Some(normal.into())
}
