//! The `Authorization` field of a request (RFC 9110 §11.6.2).

use http::{HeaderMap, header::AUTHORIZATION};

use crate::error::kind::ErrorKind;

/// How often a field occurs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    #[default]
    Absent,
    Single,
    Repeated,
}

/// The `Authorization` fields of a request.
#[derive(Clone, Copy)]
pub(crate) enum Authorization<'a> {
    Absent,
    Single(&'a [u8]),
    Repeated,
}

impl<'a> Authorization<'a> {
    /// Finds the field, which is present as often as that.
    pub(crate) fn read(headers: &'a HeaderMap, presence: Presence) -> Self {
        match presence {
            Presence::Absent => Self::Absent,
            Presence::Single => {
                // There are few: going through them is quicker than hashing the name.
                let found = headers.iter().find(|(name, _)| *name == AUTHORIZATION);
                found.map_or(Self::Absent, |(_, value)| Self::Single(value.as_bytes()))
            }
            Presence::Repeated => Self::Repeated,
        }
    }
}

/// Whether the scheme is Basic, whose name is case-insensitive (RFC 9110 §11.1).
pub(crate) fn is_basic(authorization: &[u8]) -> bool {
    let (scheme, rest) = authorization.split_at_checked(5).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"basic") && rest.first().is_none_or(|byte| *byte == b' ')
}

/// What follows the scheme Basic and at least one space (RFC 9110 §11.4).
pub(crate) fn basic_token(authorization: &[u8]) -> Result<&[u8], ErrorKind> {
    if !is_basic(authorization) {
        return Err(ErrorKind::UnsupportedScheme);
    }
    let rest = authorization.get(5..).unwrap_or_default();
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Ok(rest.get(spaces..).unwrap_or_default())
}
