//! The header in which a proxy hands on a certificate, in each encoding. What is accepted is written
//! once more as the proxies write it, and must be that.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::base64;

/// The decoder itself: behind the layer there is but one kind of refusal.
#[path = "../../../src/wire/client_cert/mod.rs"]
mod client_cert;

use client_cert::{HeaderFault, ProxyHeader};

const NAME: HeaderName = HeaderName::from_static("x-client-cert");
const LIMIT: usize = 16 * 1024;

/// The first byte says how many hops there are, the rest is the value.
pub fn check(input: &[u8]) {
    let Some((hops, value)) = input.split_first() else { return };
    let hops = usize::from(hops % 3);
    let Ok(sent) = HeaderValue::from_bytes(value) else { return };
    let value = value.trim_ascii();
    if let Some(der) = read(&ProxyHeader::client_cert(), &sent) {
        let text = value.strip_prefix(b":").unwrap().strip_suffix(b":").unwrap();
        let written = base64(&der);
        // The last digit may have bits that do not count.
        let digits = written.trim_end_matches('=').len();
        assert_eq!(text[..digits - 1], written.as_bytes()[..digits - 1]);
        assert!(text[digits..].iter().all(|byte| *byte == b'='));
    }
    if let Some(der) = read(&ProxyHeader::escaped_pem(NAME), &sent) {
        assert!(unescaped(value).starts_with(&format!("{BEGIN}{}", base64(&der))));
    }
    if let Some(der) = read(&ProxyHeader::base64_der(NAME), &sent) {
        assert_eq!(value, base64(&der).as_bytes());
    }
    if let Some(der) = read(&ProxyHeader::base64_der_chain(NAME), &sent) {
        assert_eq!(value.split(|byte| *byte == b',').next().unwrap(), base64(&der).as_bytes());
    }
    if let Some(der) = read(&ProxyHeader::spaced_pem(NAME), &sent) {
        let text = String::from_utf8(value.to_vec()).unwrap();
        let lines = text.strip_prefix("-----BEGIN CERTIFICATE----- ").unwrap();
        let lines = lines.strip_suffix(" -----END CERTIFICATE-----").unwrap();
        assert_eq!(lines.replace(' ', ""), base64(&der));
    }
    if let Some(der) = read(&ProxyHeader::xfcc(hops), &sent) {
        let text = unescaped(value);
        assert!(text.contains(&format!("{BEGIN}{}-----END", base64(&der))));
        let bare = without_quoted(value);
        let elements: Vec<_> = bare.split(',').collect();
        assert_eq!(elements.len(), hops + 1);
        let keys = elements[0].split(';').map(|pair| pair.split('=').next().unwrap().trim());
        assert_eq!(keys.filter(|key| key.eq_ignore_ascii_case("cert")).count(), 1);
    }
    written(value, hops);
}

const BEGIN: &str = "-----BEGINCERTIFICATE-----";

/// Whatever the bytes are, they are read from what a proxy writes of them, and from nothing that is cut off.
fn written(value: &[u8], hops: usize) {
    let der = &[&[0x30][..], value].concat();
    if der.len() > 4096 {
        return;
    }
    let base64 = base64(der);
    let lines: Vec<_> =
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    let pem = |end: &str| {
        format!(
            "-----BEGIN CERTIFICATE-----{end}{}{end}-----END CERTIFICATE-----{end}",
            lines.join(end)
        )
    };
    let escaped = pem("\n").bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'\n' | b' ' | b'+' | b'/' | b'=' => write!(text, "%{byte:02X}").unwrap(),
            byte => text.push(char::from(byte)),
        }
        text
    });
    let xfcc = format!("Subject=\"\\\";,\";Cert=\"{escaped}\"{}", ",By=a".repeat(hops));
    for (header, value) in [
        (ProxyHeader::client_cert(), format!(":{base64}:")),
        (ProxyHeader::escaped_pem(NAME), escaped),
        (ProxyHeader::base64_der(NAME), base64.clone()),
        (ProxyHeader::base64_der_chain(NAME), base64.clone()),
        (ProxyHeader::spaced_pem(NAME), pem(" ")),
        (ProxyHeader::xfcc(hops), xfcc),
    ] {
        assert_eq!(read(&header, &HeaderValue::from_str(&value).unwrap()).as_ref(), Some(der));
        let half = HeaderValue::from_str(&value[..value.len() / 2]).unwrap();
        assert_ne!(read(&header, &half).as_ref(), Some(der));
    }
}

fn read(header: &ProxyHeader, value: &HeaderValue) -> Option<Vec<u8>> {
    let mut headers = HeaderMap::new();
    headers.insert(header.name(), value.clone());
    let answer = header.read(&headers, LIMIT);
    headers.append(header.name(), value.clone());
    assert_eq!(header.read(&headers, LIMIT), Err(HeaderFault::Repeated));
    if value.len() > LIMIT {
        assert_eq!(answer, Err(HeaderFault::TooLong));
    }
    if let Err(HeaderFault::Malformed(fault)) = answer {
        assert!(fault.starts_with(|first: char| first == '`' || first.is_ascii_lowercase()));
    }
    answer.ok().flatten()
}

/// What is between quotes is left out.
fn without_quoted(value: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'"' {
            text.push(char::from(*byte));
            continue;
        }
        while let Some(byte) = bytes.next().filter(|byte| **byte != b'"') {
            if *byte == b'\\' {
                bytes.next();
            }
        }
    }
    text
}

/// Without escapes and white space.
fn unescaped(value: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let byte = if *first == b'%' && after.len() >= 2 {
            let digits = str::from_utf8(&after[..2]).unwrap_or("00");
            rest = &after[2..];
            u8::from_str_radix(digits, 16).unwrap_or(0)
        } else {
            *first
        };
        if !byte.is_ascii_whitespace() {
            text.push(char::from(byte));
        }
    }
    text
}
