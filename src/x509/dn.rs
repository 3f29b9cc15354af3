//! Distinguished names as text (RFC 4514).

use std::borrow::Cow;

use crate::x509::{
    element::Elements, invalid::InvalidSubject, name::Comparable, types, value::Value,
};

type Attribute = (Cow<'static, [u8]>, Value<'static>);

/// # Errors
///
/// If it is no RFC 4514 string, is empty, or has something that no certificate could match.
pub(super) fn parse(text: &str) -> Result<Comparable, InvalidSubject> {
    let mut parser = Parser { text, at: 0 };
    parser.skip_spaces();
    match parser.peek() {
        None => return parser.refuse("the name is empty"),
        Some(b'/') => {
            return parser.refuse(
                "the name begins with a slash; it must be as in RFC 4514, such as CN=client,O=Example,C=DE",
            );
        }
        Some(_) => {}
    }
    let mut rdns: Vec<Vec<Attribute>> = vec![vec![parser.attribute()?]];
    loop {
        match parser.next() {
            None => break,
            Some(b'+') => {
                let attribute = parser.attribute()?;
                rdns.last_mut().into_iter().for_each(|rdn| rdn.push(attribute.clone()));
            }
            Some(_comma) => rdns.push(vec![parser.attribute()?]),
        }
    }
    let mut name = Comparable::default();
    // RFC 4514 §2.1: the last one comes first.
    for rdn in rdns.into_iter().rev() {
        name.push(rdn.iter().map(|(oid, value)| (&**oid, value.clone())));
    }
    Ok(name)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn refuse<T>(&self, reason: &'static str) -> Result<T, InvalidSubject> {
        Err(InvalidSubject::new(reason, self.at))
    }

    /// No other character is a space: RFC 4514 §3 allows none, and programs write these.
    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Reads up to the separator or the end.
    fn attribute(&mut self) -> Result<Attribute, InvalidSubject> {
        let oid = self.attribute_type()?;
        self.skip_spaces();
        if self.peek() != Some(b'=') {
            return self.refuse("an equals sign is missing behind an attribute type");
        }
        self.at += 1;
        self.skip_spaces();
        let begin = self.at;
        let value = if self.peek() == Some(b'#') {
            self.hex()?
        } else {
            Value::Text(self.string()?.into())
        };
        if matches!(&value, Value::Text(text) if text.contains(char::is_control)) {
            let reason = "a value has a control character";
            return Err(InvalidSubject::new(reason, begin));
        }
        Ok((oid, value))
    }

    fn attribute_type(&mut self) -> Result<Cow<'static, [u8]>, InvalidSubject> {
        self.skip_spaces();
        let begin = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        {
            self.at += 1;
        }
        let name = self.text.get(begin..self.at).unwrap_or_default();
        let refuse = |reason| Err(InvalidSubject::new(reason, begin));
        let dotted = match name.split_at_checked(4) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("OID.") => rest,
            _ => name,
        };
        if name.is_empty() {
            return refuse("an attribute is missing");
        }
        if dotted.starts_with(|first: char| first.is_ascii_digit()) || dotted != name {
            let Some(oid) = types::from_dotted(dotted) else {
                return refuse("an attribute type is no OID");
            };
            return Ok(Cow::Owned(oid));
        }
        match types::oid_of(name) {
            Some(oid) => Ok(Cow::Borrowed(oid)),
            None if name == "subject" => {
                refuse("`subject=`, which OpenSSL prints before a name, is no part of it")
            }
            None => refuse("the name of an attribute type is not known; write its OID instead"),
        }
    }

    /// The DER of a value, such as `#0c0170`.
    fn hex(&mut self) -> Result<Value<'static>, InvalidSubject> {
        let begin = self.at;
        self.at += 1;
        let mut der = Vec::new();
        while let Some(high) = self.peek().and_then(hex_digit) {
            self.at += 1;
            let Some(low) = self.peek().and_then(hex_digit) else {
                return self.refuse("a hexadecimal digit is missing");
            };
            self.at += 1;
            der.push(high << 4 | low);
        }
        self.skip_spaces();
        if !matches!(self.peek(), None | Some(b',' | b'+')) {
            return self.refuse(
                "what follows a number sign is not hexadecimal; write \\# for the sign itself",
            );
        }
        let mut elements = Elements::new(&der);
        let value = elements.read().map(|element| match Value::of(&element) {
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Other(der) => Value::Other(Cow::Owned(der.into_owned())),
        });
        match value {
            Ok(value) if elements.is_empty() => Ok(value),
            _ => Err(InvalidSubject::new("what follows a number sign is no DER of a value", begin)),
        }
    }

    fn string(&mut self) -> Result<String, InvalidSubject> {
        let begin = self.at;
        let mut value = Vec::new();
        // Spaces before the separator are none of the value, unless they are escaped.
        let mut kept = 0;
        let mut slash = None;
        loop {
            match self.peek() {
                None | Some(b',' | b'+') => break,
                Some(b'\\') => value.push(self.escaped()?),
                Some(b'"') => {
                    return self
                        .refuse("quoted values are not RFC 4514; escape with a backslash instead");
                }
                Some(b';') => {
                    return self.refuse(
                        "a semicolon separates nothing in RFC 4514; write a comma, or escape it",
                    );
                }
                Some(b'<' | b'>') => {
                    return self.refuse("a less-than or greater-than sign must be escaped");
                }
                Some(b' ') => {
                    self.at += 1;
                    value.push(b' ');
                    continue;
                }
                Some(byte) if byte.is_ascii_control() => {
                    return self.refuse("a value has a control character");
                }
                Some(byte) => {
                    if byte == b'/' {
                        slash = Some(self.at);
                    } else if let Some(slash) = slash.take_if(|_| byte == b'=') {
                        self.refuse_slash(slash)?;
                    }
                    self.at += 1;
                    value.push(byte);
                }
            }
            kept = value.len();
        }
        value.truncate(kept);
        String::from_utf8(value).map_err(|_quotes_it| {
            InvalidSubject::new("the escapes of a value are not UTF-8", begin)
        })
    }

    /// `CN=client/emailAddress=a@b.example` is how OpenSSL wrote two RDNs.
    fn refuse_slash(&self, slash: usize) -> Result<(), InvalidSubject> {
        let name = self.text.get(slash + 1..self.at).unwrap_or_default();
        if types::oid_of(name.trim_matches(' ')).is_none() {
            return Ok(());
        }
        let reason =
            "a slash separates nothing in RFC 4514; write a comma, or escape the equals sign";
        Err(InvalidSubject::new(reason, slash))
    }

    fn escaped(&mut self) -> Result<u8, InvalidSubject> {
        let begin = self.at;
        self.at += 1;
        let first = self.next();
        if let Some(
            special @ (b'"' | b'+' | b',' | b';' | b'<' | b'>' | b' ' | b'#' | b'=' | b'\\'),
        ) = first
        {
            return Ok(special);
        }
        if let Some(high) = first.and_then(hex_digit) {
            if let Some(low) = self.next().and_then(hex_digit) {
                return Ok(high << 4 | low);
            }
        }
        let reason = "a backslash escapes two hexadecimal digits, a space, or one of \"+,;<>#=\\";
        Err(InvalidSubject::new(reason, begin))
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
