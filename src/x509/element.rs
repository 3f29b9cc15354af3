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
        let mut reader = SliceReader::new(self.rest).map_err(|error| fault(error.kind(), at))?;
        let (tag, content) = element(&mut reader).map_err(|error| fault(error.kind(), at))?;
        // Nothing of a certificate has a number that long.
        if tag & 0x1f == 0x1f {
            return Err(InvalidCertificate::new("there is a tag of several bytes", at));
        }
        let length = usize::try_from(reader.position()).unwrap_or(usize::MAX);
        let Some((whole, rest)) = self.rest.split_at_checked(length) else {
            return Err(InvalidCertificate::new(TOO_SHORT, at));
        };
        (self.rest, self.at) = (rest, at + length);
        Ok(Element { tag, content, whole, at })
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

fn element<'a>(reader: &mut SliceReader<'a>) -> Result<(u8, &'a [u8]), der::Error> {
    let tag = reader.read_byte()?;
    let length = Length::decode(reader)?;
    Ok((tag, reader.read_slice(length)?))
}

const TOO_SHORT: &str = "it ends too early, or a length is too large";

fn fault(kind: ErrorKind, at: usize) -> InvalidCertificate {
    let reason = match kind {
        ErrorKind::IndefiniteLength => "there is a length of indefinite form",
        ErrorKind::Overlength => "there is a length that is not in its shortest form",
        _ => TOO_SHORT,
    };
    InvalidCertificate::new(reason, at)
}
