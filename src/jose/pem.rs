//! Keys in PEM (RFC 7468).

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::jose::{
    invalid::{Fault, InvalidKeys},
    spki,
};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// What may hold a public key (RFC 7468 §5.1, §13).
const LABELS: [&str; 3] = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];

/// Whether the text is PEM rather than something else.
pub(super) fn is_pem(text: &[u8]) -> bool {
    text.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The DER of each block, in their order, or why it is left out. What is outside of the blocks does not matter
/// (RFC 7468 §2).
///
/// # Errors
///
/// If one of the blocks is a private key, does not end, or is no base64; or there is none.
pub(super) fn read(pem: &str) -> Result<Vec<Result<Vec<u8>, Fault>>, InvalidKeys> {
    // First of all, and however broken the rest is.
    if pem.contains("PRIVATE KEY-----") || pem.split(DASHES).any(is_label_of_private) {
        return Err(InvalidKeys::PRIVATE);
    }
    let mut blocks = Vec::new();
    let mut lines = pem.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN) else { continue };
        if label.contains("\\n") {
            return Err(InvalidKeys::new(
                "the line breaks of the PEM are written as a backslash and an `n`",
            ));
        }
        let label = label.strip_suffix(DASHES).ok_or(UNFINISHED)?;
        let mut base64 = String::new();
        loop {
            let line = lines.next().ok_or(UNFINISHED)?;
            if let Some(end) = line.strip_prefix(END) {
                if end.strip_suffix(DASHES) == Some(label) {
                    break;
                }
                return Err(UNFINISHED);
            }
            base64 += line;
        }
        let der = BASE64_STANDARD.decode(base64);
        blocks.push(if LABELS.contains(&label) {
            Ok(der.map_err(|_quotes_it| {
                InvalidKeys::new("between the lines `BEGIN` and `END` of the PEM is no base64")
            })?)
        } else if der.is_ok_and(|der| spki::is_private(&der)) {
            return Err(InvalidKeys::PRIVATE);
        } else {
            Err(Fault::whole("is PEM of something else than a public key or a certificate"))
        });
    }
    if blocks.is_empty() {
        return Err(InvalidKeys::new("this is no PEM: no line begins with `-----BEGIN `"));
    }
    Ok(blocks)
}

/// Whether what stands between dashes says that a private key follows, however it is written.
fn is_label_of_private(label: &str) -> bool {
    let line = label.lines().next().unwrap_or_default().as_bytes();
    let has = |word: &[u8]| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let begins = |word: &[u8]| line.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word));
    (begins(b"BEGIN ") || begins(b"END ")) && has(b"PRIVATE")
}

const UNFINISHED: InvalidKeys =
    InvalidKeys::new("a line `-----BEGIN …-----` of the PEM has no `-----END …-----` that fits");

/// The DER of the first private key in PKCS #8 (RFC 7468 §10), if the text is PEM with one.
pub(super) fn private(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (base64, _) = rest.split_once(END)?;
    let mut joined = Zeroizing::new(String::with_capacity(base64.len()));
    joined.extend(base64.split_ascii_whitespace());
    BASE64_STANDARD.decode(&*joined).ok().map(Zeroizing::new)
}
