//! What an assertion says, and whether it may say so (RFC 7523 §3).

use serde::de::MapAccess;

use crate::{
    error::assertion::InvalidAssertion,
    jose::json::{Audience, Date, Members, Text, Value},
    method::assertion::settings::Assertions,
};

/// FAPI 2.0 Security Profile §5.3.2.1: a clock that is 10 seconds ahead must do no harm, one that is
/// more than 60 seconds ahead must.
const CLOCK_SKEW: f64 = 60.0;

/// Long enough for two UUIDs and a URL, short enough for every store.
const LONGEST_ID: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    pub(super) iss: Option<Text<'a>>,
    pub(super) sub: Option<Text<'a>>,
    aud: Option<Audience<'a>>,
    exp: Option<Date>,
    nbf: Option<Date>,
    iat: Option<Date>,
    pub(super) jti: Option<Text<'a>>,
}

impl<'de> Members<'de> for Claims<'de> {
    const USUAL: &'static [&'static str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "iss" => self.iss = Some(value.parse()?),
            "sub" => self.sub = Some(value.parse()?),
            "aud" => self.aud = Some(value.parse()?),
            "exp" => self.exp = Some(value.parse()?),
            "nbf" => self.nbf = Some(value.parse()?),
            "iat" => self.iat = Some(value.parse()?),
            "jti" => self.jti = Some(value.parse()?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// What is left to do for an assertion that says the right things.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplayClaim {
    pub(super) jti: Box<str>,
    /// When it ceases to be accepted, in whole seconds.
    pub(super) until: i64,
}

/// Whether every store can keep the id.
#[inline]
pub(super) fn check_id(jti: &str) -> Result<(), InvalidAssertion> {
    if jti.len() > LONGEST_ID {
        return Err(InvalidAssertion::IdTooLong);
    }
    // Stores that keep text choke on some of them, and that must not be at the client's will.
    if jti.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(InvalidAssertion::Malformed);
    }
    Ok(())
}

impl Claims<'_> {
    pub(super) fn validate(
        &self,
        settings: &Assertions,
        now: i64,
    ) -> Result<ReplayClaim, InvalidAssertion> {
        let iss = present(self.iss.as_ref())?;
        // RFC 7523 §3: for client authentication both are the client_id.
        if Some(iss) != self.sub.as_ref().map(|sub| &*sub.0) {
            return Err(InvalidAssertion::IssuerMismatch);
        }
        self.validate_audience(settings)?;
        let until = self.times().validate(settings.longest_lifetime, now as f64)?;
        let jti = present(self.jti.as_ref())?;
        check_id(jti)?;
        Ok(ReplayClaim { jti: jti.into(), until })
    }

    pub(super) const fn times(&self) -> Times {
        Times { exp: self.exp, nbf: self.nbf, iat: self.iat }
    }

    /// The audience, if there is one, and no other.
    pub(super) fn audience(&self) -> Result<&str, InvalidAssertion> {
        match self.aud.as_ref().ok_or(InvalidAssertion::MissingClaim)? {
            Audience::One(value) => Ok(&value.0),
            Audience::List(values) => match values.as_slice() {
                [] => Err(InvalidAssertion::MissingClaim),
                [value] => Ok(&value.0),
                _ => Err(InvalidAssertion::WrongAudience),
            },
        }
    }

    /// The first claim that is not there, and must be.
    pub(super) fn missing(&self) -> Option<&'static &'static str> {
        let is_empty = |text: &Option<Text<'_>>| present(text.as_ref()).is_err();
        let no_audience = match &self.aud {
            None => true,
            Some(Audience::One(_)) => false,
            Some(Audience::List(values)) => values.is_empty(),
        };
        if is_empty(&self.iss) {
            Some(&"`iss` is missing or empty")
        } else if no_audience {
            Some(&"`aud` is missing or empty")
        } else if self.exp.is_none() {
            Some(&"`exp` is missing")
        } else if is_empty(&self.jti) {
            Some(&"`jti` is missing or empty")
        } else {
            None
        }
    }

    /// RFC 10070 §4: the issuer identifier as the sole value, compared byte
    /// for byte. A token endpoint, or another value beside it, may have been put into the client's
    /// hands by another server (CVE-2025-27370, CVE-2025-27371).
    fn validate_audience(&self, settings: &Assertions) -> Result<(), InvalidAssertion> {
        let legacy = |value: &Text<'_>| {
            *value.0 == *settings.issuer
                || settings.legacy_audiences.iter().any(|accepted| **accepted == *value.0)
        };
        let right = match self.aud.as_ref().ok_or(InvalidAssertion::MissingClaim)? {
            Audience::One(value) => legacy(value),
            Audience::List(_) if settings.string_audience => false,
            Audience::List(values) => match values.as_slice() {
                [] => return Err(InvalidAssertion::MissingClaim),
                [value] => legacy(value),
                values => !settings.legacy_audiences.is_empty() && values.iter().all(legacy),
            },
        };
        if right { Ok(()) } else { Err(InvalidAssertion::WrongAudience) }
    }
}

/// From when to when an assertion is valid, as it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    exp: Option<Date>,
    nbf: Option<Date>,
    iat: Option<Date>,
}

impl Times {
    /// When it expires, which is at most so many seconds from now.
    #[inline]
    pub(super) fn validate(self, longest: i64, now: f64) -> Result<i64, InvalidAssertion> {
        let Date(exp) = self.exp.ok_or(InvalidAssertion::MissingClaim)?;
        if exp <= now {
            return Err(InvalidAssertion::Expired);
        }
        if exp > now + longest as f64 + CLOCK_SKEW {
            return Err(InvalidAssertion::Lifetime);
        }
        for Date(begin) in [self.nbf, self.iat].into_iter().flatten() {
            if begin > now + CLOCK_SKEW {
                return Err(InvalidAssertion::NotYetValid);
            }
        }
        // Between `now` and little more than a day later, so nothing is cut off.
        Ok(exp.ceil() as i64)
    }
}

pub(super) fn present<'a>(claim: Option<&'a Text<'_>>) -> Result<&'a str, InvalidAssertion> {
    claim.map(|text| &*text.0).filter(|text| !text.is_empty()).ok_or(InvalidAssertion::MissingClaim)
}
