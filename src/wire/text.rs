//! Text that is short nearly always.

use std::ops::Deref;

use arrayvec::ArrayString;

/// In place if it has at most so many bytes: it costs no allocation, and is on the line of memory of
/// what it belongs to.
pub(crate) enum Text<const SHORT: usize> {
    Short(ArrayString<SHORT>),
    Long(Box<str>),
}

impl<const SHORT: usize> Text<SHORT> {
    /// The parts, one behind the other.
    #[inline]
    pub(crate) fn concat<const N: usize>(parts: [&str; N]) -> Self {
        let mut short = ArrayString::new();
        if parts.iter().all(|part| short.try_push_str(part).is_ok()) {
            Self::Short(short)
        } else {
            Self::Long(parts.concat().into())
        }
    }
}

impl<const SHORT: usize> From<&str> for Text<SHORT> {
    #[inline]
    fn from(text: &str) -> Self {
        ArrayString::from(text).map_or_else(|_too_long| Self::Long(text.into()), Self::Short)
    }
}

impl<const SHORT: usize> From<String> for Text<SHORT> {
    fn from(text: String) -> Self {
        match ArrayString::from(&text) {
            Ok(short) => Self::Short(short),
            Err(_too_long) => Self::Long(text.into()),
        }
    }
}

impl<const SHORT: usize> Deref for Text<SHORT> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Short(short) => short,
            Self::Long(long) => long,
        }
    }
}
