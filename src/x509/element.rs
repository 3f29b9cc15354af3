//! Elements of DER, one after the other (X.690 §8.1, §10.1).

use std::ops::Range;

use der::{Decode, ErrorKind, Length, Reader, SliceReader};

use crate::x509::invalid::InvalidCertificate;

pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// A tag, a length and what it says.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
    /// Where its tag is.
    pub(super) at: usize,
}

impl<'a> Element<'a> {
    pub(super) const fn elements(&self) -> Elements<'a> {
        Elements { rest: self.content, at: self.range().start }
    }

    /// Where its content is.
    pub(super) const fn range(&self) -> Range<usize> {
        let end = self.at + self.whole.len();
        end - self.content.len()..end
    }
}

/// One element after the other.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    /// Where the rest begins.
    at: usize,
}

impl<'a> Elements<'a> {
    pub(super) const fn new(der: &'a [u8]) -> Self {
        Self { rest: der, at: 0 }
    }

    /// # Errors
    ///
    /// If there is none, or one that is no DER (X.690 §10).
    pub(super) fn read(&mut self) -> Result<Element<'a>, InvalidCertificate> {
        let at = self.at;
        let refuse = |reason| Err(InvalidCertificate::new(reason, at));
        let [tag, behind_tag @ ..] = self.rest else { return refuse(TOO_SHORT) };
        // Nothing of a certificate has a number that long.
        if tag & 0x1f == 0x1f {
            return refuse("there is a tag of several bytes");
        }
        let (length, behind_length) = match behind_tag {
            // Most are as short as this, which takes the library ten times as long.
            [length @ ..=0x7f, behind @ ..] => (usize::from(*length), behind),
            _ => match long_length(behind_tag) {
                Ok(read) => read,
                Err(error) => return refuse(reason(error.kind())),
            },
        };
        let Some((content, rest)) = behind_length.split_at_checked(length) else {
            return refuse(TOO_SHORT);
        };
        let whole = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default();
        (self.rest, self.at) = (rest, at + whole.len());
        Ok(Element { tag: *tag, content, whole, at })
    }

    /// # Errors
    ///
    /// If it is not there, which is the reason that is given.
    pub(super) fn required(
        &mut self,
        tag: u8,
        reason: &'static str,
    ) -> Result<Element<'a>, InvalidCertificate> {
        if self.rest.first() == Some(&tag) {
            return self.read();
        }
        Err(InvalidCertificate::new(reason, self.at))
    }

    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, InvalidCertificate> {
        (self.rest.first() == Some(&tag)).then(|| self.read()).transpose()
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// # Errors
    ///
    /// If there is more, which is the reason that is given.
    pub(super) const fn end(self, reason: &'static str) -> Result<(), InvalidCertificate> {
        if self.rest.is_empty() { Ok(()) } else { Err(InvalidCertificate::new(reason, self.at)) }
    }
}

/// The length, and what is behind it.
fn long_length(der: &[u8]) -> Result<(usize, &[u8]), der::Error> {
    let mut reader = SliceReader::new(der)?;
    let length = Length::decode(&mut reader)?;
    let behind = reader.read_slice(reader.remaining_len())?;
    Ok((usize::try_from(length)?, behind))
}

const TOO_SHORT: &str = "it ends too early, or a length is too large";

const fn reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::IndefiniteLength => "there is a length of indefinite form",
        ErrorKind::Overlength => "there is a length that is not in its shortest form",
        _ => TOO_SHORT,
    }
}
