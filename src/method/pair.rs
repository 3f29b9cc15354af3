//! An id and a secret, as two methods present them.

use crate::wire::form::{self, Malformed};

/// The id, and behind a colon the secret, as UTF-8. One buffer for both, because this is made for
/// every request. It is not wiped: the same bytes are in the header or body, which belong to
/// others.
pub(super) struct Pair {
    text: String,
    id_length: usize,
}

impl Pair {
    /// Takes `text` if it is UTF-8, as RFC 6749 Appendix B asks. The colon between the halves also
    /// keeps them apart as UTF-8: neither can complete a character of the other.
    pub(super) fn new(text: Vec<u8>, id_length: usize) -> Option<Self> {
        Some(Self { text: String::from_utf8(text).ok()?, id_length })
    }

    /// Decodes the two parameters of a form.
    pub(super) fn from_form(client_id: &[u8], secret: &[u8]) -> Result<Self, Malformed> {
        let mut text = Vec::with_capacity(client_id.len() + 1 + secret.len());
        form::decode_into(client_id, &mut text)?;
        let id_length = text.len();
        text.push(b':');
        form::decode_into(secret, &mut text)?;
        Self::new(text, id_length).ok_or(Malformed)
    }

    pub(super) fn client_id(&self) -> &str {
        self.text.get(..self.id_length).unwrap_or_default()
    }

    pub(super) fn secret(&self) -> &str {
        self.text.get(self.id_length + 1..).unwrap_or_default()
    }
}
