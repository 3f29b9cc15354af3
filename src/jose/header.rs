//! The header of a signed JWT (RFC 7515 §4).

use serde::de::MapAccess;

use crate::jose::json::{Members, Text, Value};

/// The members that matter. Which algorithms and types are accepted is for each kind of token to say.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) alg: Option<Text<'a>>,
    pub(crate) kid: Option<Text<'a>>,
    pub(crate) typ: Option<Text<'a>>,
    /// Whether it brings a key, or says where there is one.
    pub(crate) has_key: bool,
    /// Whether it asks for what is not understood.
    pub(crate) is_unsupported: bool,
}

impl<'de> Members<'de> for Header<'de> {
    const USUAL: &'static [&'static str] = &["alg", "kid", "typ"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "alg" => self.alg = Some(value.parse()?),
            "kid" => self.kid = Some(value.parse()?),
            "typ" => self.typ = Some(value.parse()?),
            // RFC 7515 §4.1.11: what is critical must be understood, and nothing is. RFC 7797: the
            // claims of a JWT are encoded.
            "crit" | "b64" | "enc" | "zip" => {
                self.is_unsupported = true;
                value.ignore()?;
            }
            // RFC 8725 §3.10: keys come from the registration alone. Some clients send one all the same
            // (RFC 7515 §4.1 has them optional), and what is not read does no harm.
            "jwk" | "jku" | "x5u" | "x5c" => {
                self.has_key = true;
                value.ignore()?;
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Header<'_> {
    /// Whether it says that the token is of this type. RFC 7515 §4.1.9: `application/` may be left out, and media types
    /// have no case.
    pub(crate) fn is_typ(&self, subtype: &str) -> bool {
        self.typ.as_ref().is_some_and(|typ| is_media_type(&typ.0, subtype))
    }
}

fn is_media_type(typ: &str, subtype: &str) -> bool {
    let (prefix, rest) = typ.split_at_checked(12).unwrap_or_default();
    let typ = if prefix.eq_ignore_ascii_case("application/") { rest } else { typ };
    typ.eq_ignore_ascii_case(subtype)
}
