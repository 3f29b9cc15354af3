//! The values of a name.

use std::borrow::Cow;

use crate::x509::element::Element;

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Whatever its type was (RFC 5280 §7.1).
    Text(Cow<'a, str>),
    /// What is no string, or says that it is one and is not, with tag and length.
    Other(Cow<'a, [u8]>),
}

impl<'a> Value<'a> {
    pub(super) fn of(element: &Element<'a>) -> Self {
        text(element.tag, element.content)
            .map_or(Self::Other(Cow::Borrowed(element.whole)), Self::Text)
    }
}

fn text(tag: u8, content: &[u8]) -> Option<Cow<'_, str>> {
    match tag {
        UTF8_STRING => std::str::from_utf8(content).ok().map(Cow::Borrowed),
        // Many have characters that their type does not have, such as `@`. As text they are what they are.
        PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING | NUMERIC_STRING => content
            .is_ascii()
            .then(|| std::str::from_utf8(content).ok())
            .flatten()
            .map(Cow::Borrowed),
        // Nobody wrote T.61, and everybody ISO 8859-1.
        TELETEX_STRING => Some(content.iter().copied().map(char::from).collect()),
        BMP_STRING => {
            let units = arrays(content)?.map(u16::from_be_bytes);
            char::decode_utf16(units).collect::<Result<_, _>>().ok().map(Cow::Owned)
        }
        UNIVERSAL_STRING => {
            let units = arrays(content)?.map(u32::from_be_bytes);
            units.map(char::from_u32).collect::<Option<_>>().map(Cow::Owned)
        }
        _ => None,
    }
}

/// All of the content, or nothing.
fn arrays<const N: usize>(content: &[u8]) -> Option<impl Iterator<Item = [u8; N]>> {
    let chunks = content.chunks_exact(N);
    chunks.remainder().is_empty().then(|| chunks.map(|chunk| chunk.try_into().unwrap_or([0; N])))
}

/// Writes the text so that two come out equal only if RFC 4518 makes them equal: ASCII letters in lower
/// case, spaces once and not at the ends. It says that of more characters, and that a combining one
/// holds the space before it; so before what is no ASCII all spaces stay.
pub(super) fn fold(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut spaces = 0;
    for byte in text.bytes() {
        if byte == b' ' {
            spaces += 1;
            continue;
        }
        let kept =
            if byte.is_ascii() { usize::from(spaces > 0 && out.len() > start) } else { spaces };
        out.extend(std::iter::repeat_n(b' ', kept));
        out.push(byte.to_ascii_lowercase());
        spaces = 0;
    }
}
