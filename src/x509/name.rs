//! Distinguished names (RFC 5280 §4.1.2.4), as they are compared and printed.

use std::fmt::{self, Write as _};

use crate::x509::{
    element::{Element, Elements, OBJECT_IDENTIFIER, SEQUENCE},
    invalid::InvalidCertificate,
    types,
    value::{self, Value},
};

const SET: u8 = 0x31;

/// The OID and the value of an attribute.
fn attribute<'a>(rdn: &mut Elements<'a>) -> Result<(Element<'a>, Element<'a>), InvalidCertificate> {
    let mut inside = rdn.required(SEQUENCE, "an RDN has no attribute")?.elements();
    let oid = inside.required(OBJECT_IDENTIFIER, "the attribute has no OID")?;
    let value = inside.read()?;
    inside.end("there is something behind the value of an attribute")?;
    Ok((oid, value))
}

/// The RDNs of a name that was [checked](check), each with its attributes.
fn rdns<'a>(
    mut name: Elements<'a>,
) -> impl Iterator<Item = impl Iterator<Item = (Element<'a>, Element<'a>)>> {
    std::iter::from_fn(move || {
        let mut rdn = name.read().ok()?.elements();
        Some(std::iter::from_fn(move || attribute(&mut rdn).ok()))
    })
}

/// # Errors
///
/// If it is no sequence of RDNs, each with an attribute or more.
pub(super) fn check(mut name: Elements<'_>) -> Result<(), InvalidCertificate> {
    while !name.is_empty() {
        let mut rdn = name.required(SET, "the subject is no sequence of RDNs")?.elements();
        loop {
            let (oid, _) = attribute(&mut rdn)?;
            if !types::is_oid(oid.content) {
                return Err(InvalidCertificate::new("the OID of an attribute is invalid", oid.at));
            }
            if rdn.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

/// A name, written so that two are the same bytes exactly if they match. It is empty for the empty one.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Comparable(Vec<u8>);

impl fmt::Debug for Comparable {
    /// Nobody reads the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Comparable {
    /// Of a name that was [checked](check).
    pub(super) fn of(name: Elements<'_>) -> Self {
        // Enough for what is usual.
        let mut comparable = Self(Vec::with_capacity(2 * name.len()));
        for rdn in rdns(name) {
            comparable.push(rdn.map(|(oid, value)| (oid.content, Value::of(&value))));
        }
        comparable
    }

    /// Adds an RDN, in the order of a certificate. Its members have none (RFC 5280 §7.1).
    pub(super) fn push<'a>(&mut self, mut rdn: impl Iterator<Item = (&'a [u8], Value<'a>)>) {
        let Some(first) = rdn.next() else { return };
        let Some(second) = rdn.next() else {
            self.0.extend(1_usize.to_be_bytes());
            return write(&first, &mut self.0);
        };
        let mut members: Vec<_> = [first, second]
            .into_iter()
            .chain(rdn)
            .map(|attribute| {
                let mut member = Vec::new();
                write(&attribute, &mut member);
                member
            })
            .collect();
        members.sort_unstable();
        self.0.extend(members.len().to_be_bytes());
        self.0.extend(members.into_iter().flatten());
    }
}

/// Nothing that is written is the beginning of what another attribute writes.
fn write((oid, value): &(&[u8], Value<'_>), out: &mut Vec<u8>) {
    write_bytes(oid, out);
    match value {
        Value::Text(text) => {
            out.push(0);
            if types::is_folded(oid) {
                value::fold(text, out);
            } else {
                out.extend(text.bytes());
            }
            // It is in no UTF-8.
            out.push(0xff);
        }
        Value::Other(der) => {
            out.push(1);
            write_bytes(der, out);
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.len().to_be_bytes());
    out.extend(bytes);
}

/// A name that was [checked](check), as RFC 4514 §2 writes it: its last RDN first.
pub(super) fn print(name: Elements<'_>) -> String {
    let mut printed: Vec<_> = rdns(name)
        .map(|rdn| {
            let members: Vec<_> = rdn.map(|(oid, value)| print_attribute(&oid, &value)).collect();
            members.join("+")
        })
        .collect();
    printed.reverse();
    printed.join(",")
}

fn print_attribute(oid: &Element<'_>, value: &Element<'_>) -> String {
    let name = types::name(oid.content);
    let mut out = match name {
        Some(name) => name.to_owned(),
        None => types::to_dotted(oid.content),
    };
    out.push('=');
    match Value::of(value) {
        Value::Text(text) if name.is_some() => print_text(&text, &mut out),
        _ => {
            out.push('#');
            for byte in value.whole {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
    out
}

fn print_text(text: &str, out: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (n, character) in text.chars().enumerate() {
        match character {
            ' ' if n == 0 || n == last => out.push_str("\\ "),
            '#' if n == 0 => out.push_str("\\#"),
            '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            _ if character.is_control() => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02X}");
                }
            }
            _ => out.push(character),
        }
    }
}
