//! Strict JSON objects: duplicate members are refused.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Beside the usual ones. Far more than any header or claims set has.
const MOST_OTHERS: usize = 64;

/// What keeps the members of an object that matter.
pub(crate) trait Members<'de>: Default {
    /// The usual names, 32 at most: a bit remembers each of them, and a list any other.
    const USUAL: &'static [&'static str];

    /// Reads the value of `name`, if it matters.
    ///
    /// # Errors
    ///
    /// If it has the wrong type.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error>;
}

/// The value of a member, yet to be read.
pub(crate) struct Value<'a, A>(&'a mut A);

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    pub(crate) fn parse<T: Deserialize<'de>>(self) -> Result<T, A::Error> {
        self.0.next_value()
    }

    pub(crate) fn ignore(self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(|_ignored| ())
    }
}

/// An object in which every name is unique: RFC 7515 §4 and RFC 7519 §4 ask for that, and a parser
/// that takes the last of two disagrees with one that takes the first.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Members<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(T::default())).map(Self)
    }
}

struct ObjectVisitor<T>(T);

impl<'de, T: Members<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T, A::Error> {
        let mut usual = 0_u32;
        let mut others: Vec<Text<'de>> = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let bit = T::USUAL.iter().position(|usual| *usual == name.0).map_or(0, |n| 1 << n);
            let repeated = usual & bit != 0 || others.iter().any(|other| other.0 == name.0);
            if repeated || others.len() == MOST_OTHERS {
                return Err(A::Error::custom("repeated or too many members"));
            }
            self.0.read(&name.0, Value(&mut map))?;
            usual |= bit;
            if bit == 0 {
                others.push(name);
            }
        }
        Ok(self.0)
    }
}

/// A string, borrowed unless it has escapes.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// `aud`: a string, or an array of strings (RFC 7519 §4.1.3).
#[derive(Debug)]
pub(crate) enum Audience<'a> {
    One(Text<'a>),
    List(Vec<Text<'a>>),
}

impl<'de> Deserialize<'de> for Audience<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        TextVisitor.visit_borrowed_str(text).map(Audience::One)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        TextVisitor.visit_str(text).map(Audience::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Audience::List(list))
    }
}

/// Seconds since the Unix epoch, of which there may be fractions (RFC 7519 §2, `NumericDate`).
/// Whatever is beyond the numbers of a 64-bit float is no date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date(pub(crate) f64);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(DateVisitor)
    }
}

struct DateVisitor;

impl Visitor<'_> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Date, E> {
        Ok(Date(seconds))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Date, E> {
        Ok(Date(seconds as f64))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Date, E> {
        Ok(Date(seconds as f64))
    }
}
