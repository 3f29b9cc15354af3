//! By what a client is found that does not name itself.

/// An issuer, and the subject of the tokens that it gives to the client.
pub(crate) struct Issued<'a> {
    pub(crate) issuer: String,
    pub(crate) subject: &'a str,
    /// Whether the subject may be a prefix, with `*` behind it.
    pub(super) is_pattern: bool,
}

impl<'a> Issued<'a> {
    /// The prefix, if it is one.
    pub(crate) fn prefix(&self) -> Option<&'a str> {
        self.subject.strip_suffix('*').filter(|_| self.is_pattern)
    }
}
