//! An id and a secret, as two methods present them.

use crate::wire::text::Text;

/// The id, a colon, and the secret. One text for both, because this is made for every request. It is not
/// wiped: the same bytes are in the header or body, which belong to others.
///
/// An id like a UUID and 32 random bytes in base64url are 80 bytes.
pub(super) struct Pair {
    text: Text<80>,
    id_length: usize,
}

impl Pair {
    pub(super) fn new(client_id: &str, secret: &str) -> Self {
        Self { text: Text::concat([client_id, ":", secret]), id_length: client_id.len() }
    }

    /// Takes both as one text, if it is UTF-8, as RFC 6749 Appendix B asks. The colon between them also
    /// keeps them apart as UTF-8: neither can complete a character of the other.
    pub(super) fn joined(text: &[u8], id_length: usize) -> Option<Self> {
        Some(Self { text: std::str::from_utf8(text).ok()?.into(), id_length })
    }

    #[inline]
    pub(super) fn client_id(&self) -> &str {
        self.text.get(..self.id_length).unwrap_or_default()
    }

    pub(super) fn secret(&self) -> &str {
        self.text.get(self.id_length + 1..).unwrap_or_default()
    }
}
