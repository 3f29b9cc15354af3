//! The parameters of a form as a type of the application.

use std::{borrow::Cow, fmt, slice, str::FromStr};

use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess,
        Visitor,
        value::{MapDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::wire::{
    answer::OAuthError,
    form::{self, Malformed, Repeated, decode_any, parameters_of},
    limits::Limits,
};

/// A name and its value, as they were meant.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Why parameters do not fit. It holds names that are known to the program, and nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfit {
    Malformed,
    Missing(&'static str),
    Repeated(Option<&'static str>),
    Invalid(Option<&'static str>),
}

impl Misfit {
    /// For the developer of the client.
    fn description(self) -> Cow<'static, str> {
        match self {
            Self::Malformed => "A parameter is malformed".into(),
            Self::Missing(name) => format!("{name} is missing").into(),
            Self::Repeated(Some(name)) => format!("{name} is repeated").into(),
            Self::Repeated(None) => "A parameter is repeated".into(),
            Self::Invalid(Some(name)) => format!("{name} is invalid").into(),
            Self::Invalid(None) => "A parameter is invalid".into(),
        }
    }

    /// The same of the parameter of this name.
    const fn of(self, name: Option<&'static str>) -> Self {
        match self {
            Self::Repeated(None) => Self::Repeated(name),
            Self::Invalid(None) => Self::Invalid(name),
            misfit => misfit,
        }
    }
}

impl From<Malformed> for Misfit {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    /// The text may quote the value.
    fn custom<T: fmt::Display>(_text: T) -> Self {
        Self::Invalid(None)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Repeated(Some(field))
    }
}

/// The parameters of a form that is in memory, as a `T`, by the rules that the layer has for its own.
///
/// One without a value counts as absent (RFC 6749 §3.2), but for being repeated; one that is there several
/// times fits a sequence alone.
pub(crate) fn read<T: DeserializeOwned>(form: &[u8], most: usize) -> Result<T, OAuthError> {
    let limits = Limits::new().parameters(most);
    let _ours = form::scan(form, &limits, Repeated::Refused).map_err(OAuthError::repeat)?;
    let pairs = parameters_of(form)
        .filter(|(name, value)| !(name.is_empty() && value.is_empty()))
        .map(|(name, value)| Ok((decode_any(name)?, decode_any(value)?)))
        .collect::<Result<Vec<_>, Malformed>>()
        .map_err(Misfit::from);
    pairs
        .and_then(|pairs| T::deserialize(Form { pairs }))
        .map_err(|misfit| OAuthError::INVALID_REQUEST.description(misfit.description()))
}

struct Form<'a> {
    pairs: Vec<Pair<'a>>,
}

impl Form<'_> {
    fn visit<'de, V: Visitor<'de>>(
        mut self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        // Values of one name stay in their order.
        self.pairs.sort_by(|one, other| one.0.cmp(&other.0));
        visitor.visit_map(Fields { rest: &self.pairs, current: &[], known })
    }
}

impl<'de> Deserializer<'de> for Form<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.visit(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.visit(known, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    /// All that have a value, one by one.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let pairs = self.pairs.iter().filter(|(_, value)| !value.is_empty());
        MapDeserializer::new(pairs.map(|(name, value)| (&**name, &**value)))
            .deserialize_seq(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        tuple tuple_struct map enum identifier ignored_any
    }
}

/// The parameters that have a value, name by name.
struct Fields<'p, 'a> {
    rest: &'p [Pair<'a>],
    /// All of the name that is being read.
    current: &'p [Pair<'a>],
    known: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        while let Some((name, _)) = self.rest.first() {
            let length = self.rest.iter().take_while(|pair| pair.0 == *name).count();
            let (group, rest) = self.rest.split_at_checked(length).unwrap_or_default();
            (self.current, self.rest) = (group, rest);
            if group.iter().any(|(_, value)| !value.is_empty()) {
                let name: StrDeserializer<'_, Misfit> = (**name).into_deserializer();
                return seed.deserialize(name).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let name = self.current.first().map(|(name, _)| &**name);
        let known = self.known.iter().copied().find(|known| Some(*known) == name);
        seed.deserialize(Values { pairs: self.current }).map_err(|misfit| misfit.of(known))
    }
}

/// The values of one parameter.
struct Values<'p, 'a> {
    pairs: &'p [Pair<'a>],
}

impl<'p> Values<'p, '_> {
    fn single(&self) -> Result<&'p str, Misfit> {
        match self.pairs {
            [(_, value)] => Ok(value),
            _ => Err(Misfit::Repeated(None)),
        }
    }

    fn parse<T: FromStr>(&self) -> Result<T, Misfit> {
        self.single()?.parse().map_err(|_unfit| Misfit::Invalid(None))
    }
}

macro_rules! parsed {
    ($($deserialize:ident $visit:ident)*) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
                visitor.$visit(self.parse()?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Values<'_, '_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(self.single()?)
    }

    parsed! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Sequence(self.pairs.iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        enumeration: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.single()?.into_deserializer();
        name.deserialize_enum(enumeration, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
    }
}

/// Those that are not empty.
struct Sequence<'p, 'a>(slice::Iter<'p, Pair<'a>>);

impl<'de> de::SeqAccess<'de> for Sequence<'_, '_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let pair = self.0.find(|(_, value)| !value.is_empty());
        pair.map(|pair| seed.deserialize(Values { pairs: slice::from_ref(pair) })).transpose()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        grant_type: String,
        scope: Option<String>,
        #[serde(default)]
        resource: Vec<String>,
        max_age: Option<u32>,
        prompt: Option<Prompt>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Prompt {
        Login,
        None,
    }

    fn request(form: &str) -> Result<Request, String> {
        read(form.as_bytes(), 8).map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_fit_a_type() {
        let expected = Request {
            grant_type: "a b\n\u{e9}".to_owned(),
            scope: None,
            resource: vec!["https://a".to_owned(), "b".to_owned()],
            max_age: Some(5),
            prompt: Some(Prompt::Login),
        };
        let form = "&resource=https://a&max_age=5&x=1&x=2&gr%61nt_type=a+b%0A%C3%A9&resource=b&prompt=login";
        assert_eq!(request(form), Ok(expected));
        let pairs: Vec<(String, String)> = read(b"b=1&a=&b=2&c", 8).unwrap();
        assert_eq!(pairs, [("b", "1"), ("b", "2")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        let map: BTreeMap<String, String> = read(b"b=1&a=&c=2", 8).unwrap();
        assert_eq!(map.into_iter().map(|(n, v)| n + &v).collect::<String>(), "b1c2");
        let () = read(b"a=1", 8).unwrap();
    }

    // RFC 6749 §3.2.
    #[test]
    fn parameter_without_a_value_is_absent() {
        assert_eq!(
            request("grant_type="),
            Err("invalid_request: grant_type is missing".to_owned())
        );
        let empty = request("grant_type=a&scope=&resource=&max_age&prompt=").unwrap();
        assert_eq!((empty.scope, empty.resource, empty.max_age), (None, vec![], None));
        let some = request("grant_type=a&resource=&resource=b&resource").unwrap();
        assert_eq!(some.resource, ["b"]);
        // Between two separators there is no parameter at all.
        let map: BTreeMap<String, String> = read(b"=1&&a=2&", 8).unwrap();
        assert_eq!(map.into_iter().map(|(n, v)| n + &v).collect::<String>(), "1a2");
    }

    // RFC 6749 §3.2, RFC 8707 §2.
    #[test]
    fn only_a_sequence_may_be_repeated() {
        for (form, error) in [
            ("grant_type=a&grant_type=b", "A parameter is repeated"),
            ("grant_type=a&max_age=1&max_age=1", "max_age is repeated"),
            ("grant_type=a&max_age=1&max_age=", "max_age is repeated"),
            ("grant_type=a&prompt=login&prompt=none", "prompt is repeated"),
        ] {
            assert_eq!(request(form), Err(format!("invalid_request: {error}")), "{form}");
        }
        let map = read::<BTreeMap<String, String>>(b"secret=1&secret=2", 8);
        let error = map.unwrap_err().to_string();
        assert_eq!(error, "invalid_request: A parameter is repeated");
    }

    #[test]
    fn no_error_holds_a_value() {
        for (form, error) in [
            ("grant_type=a&max_age=s3cr3t", "max_age is invalid"),
            ("grant_type=a&prompt=s3cr3t", "prompt is invalid"),
            ("s3cr3t=s3cr3t", "grant_type is missing"),
            ("grant_type=s3cr3t%f", "A parameter is malformed"),
            ("grant_type=s3cr3t%ff", "A parameter is malformed"),
            ("%=s3cr3t", "A parameter is malformed"),
            ("a&b&c&d&e&f&g&h&i", "There are too many parameters"),
            ("\u{feff}grant_type=a", "A client credential parameter is malformed"),
        ] {
            assert_eq!(request(form), Err(format!("invalid_request: {error}")), "{form}");
        }
        let map = read::<BTreeMap<String, u8>>(b"s3cr3t=s3cr3t", 8);
        assert_eq!(map.unwrap_err().to_string(), "invalid_request: A parameter is invalid");
        let unfit = read::<u8>(b"a=1", 8);
        assert_eq!(unfit.unwrap_err().to_string(), "invalid_request: A parameter is invalid");
    }
}
