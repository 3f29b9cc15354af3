//! Certificates, and the names that they are registered by.

use aws_lc_rs::digest::{SHA256, digest};
use tower_client_auth::{
    ClientAuthLayer, Clock, Error, ErrorKind, RegisteredClient,
    mutual_tls::{CertificateError, CertificateSubject, ClientCertificate, MutualTls},
    provider::MemoryProvider,
};

use crate::{
    NOW, base64url,
    certificate::{Attribute, Certificate, SubjectAltName},
    form, send,
};

/// The input as a certificate, and as two parts of one.
pub fn check(input: &[u8]) {
    check_certificate(input);
    check_certificate(&Certificate::new().subject(input).der());
    check_certificate(&Certificate::new().extension("2.5.29.17", input).der());
}

fn check_certificate(der: &[u8]) {
    let certificate = match ClientCertificate::verified(der) {
        Ok(certificate) => certificate,
        Err(error) => return assert!(error.to_string().len() < 100, "{error}"),
    };
    assert_eq!(certificate.der(), der);
    assert_eq!(certificate.thumbprint(), base64url(digest(&SHA256, der).as_ref()));
    let printed = certificate.subject();
    match CertificateSubject::dn(&printed) {
        Ok(subject) => assert!(matches(subject, &certificate), "{printed}"),
        Err(error) => {
            let error = error.to_string();
            let control = error.starts_with("a value has a control character");
            assert!(control || printed.is_empty(), "{printed}: {error}");
        }
    }
    let names = alternatives(der);
    for (tag, name) in names.iter().take(8) {
        let text = std::str::from_utf8(name).unwrap_or("");
        let subject = match tag {
            0x81 => CertificateSubject::email(text).ok(),
            0x82 => CertificateSubject::dns(text).ok(),
            0x86 => CertificateSubject::uri(text).ok(),
            0x87 => address(name),
            _ => None,
        };
        if let Some(subject) = subject {
            assert!(matches(subject, &certificate), "{tag} {name:?}");
        }
    }
    let dns = "client.example";
    let has =
        |(tag, name): &(u8, Vec<u8>)| *tag == 0x82 && name.eq_ignore_ascii_case(dns.as_bytes());
    let found = matches(CertificateSubject::dns(dns).unwrap(), &certificate);
    assert_eq!(found, names.iter().any(has));
}

fn address(bytes: &[u8]) -> Option<CertificateSubject> {
    let four = <[u8; 4]>::try_from(bytes).map(Into::into).ok();
    let address = four.or_else(|| <[u8; 16]>::try_from(bytes).map(Into::into).ok())?;
    Some(CertificateSubject::ip(address))
}

/// The alternative names of a certificate that was accepted.
fn alternatives(der: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let parts = |content: &[u8]| -> Vec<(u8, Vec<u8>)> {
        let mut rest = content;
        std::iter::from_fn(|| element(&mut rest)).collect()
    };
    let signed = parts(&parts(der)[0].1)[0].1.clone();
    let Some((0xa3, tagged)) = parts(&signed).last().cloned() else { return Vec::new() };
    let extensions = parts(&parts(&tagged)[0].1);
    let values = extensions.iter().map(|(_, extension)| parts(extension));
    let mut named = values.filter(|parts| parts[0].1 == [0x55, 0x1d, 0x11]);
    let Some(extension) = named.next() else { return Vec::new() };
    assert!(named.next().is_none(), "there are two");
    parts(&parts(&extension.last().unwrap().1)[0].1)
}

fn element(rest: &mut &[u8]) -> Option<(u8, Vec<u8>)> {
    let (&tag, mut tail) = rest.split_first()?;
    let (&first, after) = tail.split_first()?;
    tail = after;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, after) = tail.split_at_checked(usize::from(first & 0x7f))?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        tail = after;
    }
    let (content, after) = tail.split_at_checked(length)?;
    *rest = after;
    Some((tag, content.to_vec()))
}

/// Whether a client that is registered with the subject authenticates, as soon as the certificate is valid.
fn matches(subject: CertificateSubject, certificate: &ClientCertificate) -> bool {
    let clients = MemoryProvider::from_iter([RegisteredClient::tls_client_auth("a", subject, ())]);
    let layer = ClientAuthLayer::new(clients)
        .clock(Clock::fixed(NOW))
        .mutual_tls(MutualTls::from_connection());
    let mut request = form("client_id=a");
    request.extensions_mut().insert(certificate.clone());
    let response = send(layer, request);
    match response.extensions().get::<Error>().map(Error::kind) {
        None | Some(ErrorKind::Certificate(CertificateError::Expired)) => true,
        Some(ErrorKind::Certificate(CertificateError::Mismatch)) => false,
        Some(other) => panic!("{other:?}"),
    }
}

/// One name or two, on lines.
pub fn check_names(text: &str) {
    let (one, other) = text.split_once('\n').unwrap_or((text, "CN=client,O=Acme"));
    let (Some(one), Some(other)) = (check_name(one), check_name(other)) else { return };
    for (one, other) in [(&one, &other), (&other, &one)] {
        let same = matches(CertificateSubject::dn(&one.printed).unwrap(), &other.certificate);
        assert!(same || one.rdns != other.rdns, "{} {}", one.printed, other.printed);
        if let (Some(blurred_one), Some(blurred_other)) = (blurred(&one.rdns), blurred(&other.rdns))
        {
            assert!(!same || blurred_one == blurred_other, "{} {}", one.printed, other.printed);
        }
    }
    for text in [one.text, other.text] {
        let _ = CertificateSubject::dns(text);
        let _ = CertificateSubject::uri(text);
        let _ = CertificateSubject::email(text);
    }
}

struct Name<'a> {
    text: &'a str,
    rdns: Rdns,
    certificate: ClientCertificate,
    printed: String,
}

/// The last one first, as in the text.
type Rdns = Vec<Vec<(String, Value)>>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    Der(Vec<u8>),
}

/// What is accepted, a simple program reads, too; and the certificate that it makes of it has that name.
fn check_name(text: &str) -> Option<Name<'_>> {
    let subject = match CertificateSubject::dn(text) {
        Ok(subject) => subject,
        Err(error) => {
            assert!(error.to_string().len() < 120, "{error}");
            return None;
        }
    };
    let mut rdns = simple(text);
    let certificate = rdns.iter().rev().fold(Certificate::new(), |certificate, rdn| {
        certificate.rdn(rdn.iter().map(|(oid, value)| match value {
            Value::Text(text) => Attribute::utf8(oid, text),
            Value::Der(der) => Attribute::raw(oid, der),
        }))
    });
    let certificate = certificate.alternative(SubjectAltName::dns("client.example")).der();
    let certificate = ClientCertificate::verified(certificate).unwrap();
    assert!(matches(subject, &certificate), "{text}");
    let printed = certificate.subject();
    assert!(matches(CertificateSubject::dn(&printed).unwrap(), &certificate), "{printed}");
    rdns.iter_mut().for_each(|rdn| rdn.sort());
    Some(Name { text, rdns, certificate, printed })
}

fn simple(text: &str) -> Rdns {
    let mut rdns = vec![Vec::new()];
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=').unwrap();
        let mut escaped = false;
        let end = after.find(|character| {
            let ends = !escaped && matches!(character, ',' | '+');
            escaped = !escaped && character == '\\';
            ends
        });
        let (value, after) = after.split_at(end.unwrap_or(after.len()));
        rdns.last_mut().unwrap().push((dotted(name.trim_matches(' ')), simple_value(value)));
        match after.split_at_checked(1) {
            Some((",", after)) => {
                rdns.push(Vec::new());
                rest = after;
            }
            Some((_, after)) => rest = after,
            None => return rdns,
        }
    }
}

fn simple_value(value: &str) -> Value {
    let value = value.trim_start_matches(' ');
    if let Some(hex) = value.strip_prefix('#') {
        let digits = hex.trim_end_matches(' ').as_bytes().chunks(2);
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        return Value::Der(digits.map(byte).collect());
    }
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    let mut kept = 0;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            kept = if first == b' ' { kept } else { bytes.len() };
            continue;
        }
        let hex = rest.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| rest[0] != b'+') {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            None => {
                bytes.push(rest[0]);
                rest = &rest[1..];
            }
        }
        kept = bytes.len();
    }
    bytes.truncate(kept);
    Value::Text(String::from_utf8(bytes).unwrap())
}

fn dotted(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let dotted = match &*lower {
        "cn" | "commonname" => "2.5.4.3",
        "sn" | "surname" => "2.5.4.4",
        "serialnumber" => "2.5.4.5",
        "c" | "countryname" => "2.5.4.6",
        "l" | "localityname" => "2.5.4.7",
        "st" | "s" | "stateorprovincename" => "2.5.4.8",
        "street" | "streetaddress" => "2.5.4.9",
        "o" | "organizationname" => "2.5.4.10",
        "ou" | "organizationalunitname" => "2.5.4.11",
        "title" | "t" => "2.5.4.12",
        "businesscategory" => "2.5.4.15",
        "postalcode" => "2.5.4.17",
        "name" => "2.5.4.41",
        "gn" | "givenname" => "2.5.4.42",
        "initials" => "2.5.4.43",
        "generationqualifier" => "2.5.4.44",
        "x500uniqueidentifier" => "2.5.4.45",
        "dnqualifier" => "2.5.4.46",
        "pseudonym" => "2.5.4.65",
        "organizationidentifier" => "2.5.4.97",
        "uid" | "userid" => "0.9.2342.19200300.100.1.1",
        "dc" | "domaincomponent" => "0.9.2342.19200300.100.1.25",
        "emailaddress" | "e" | "email" => "1.2.840.113549.1.9.1",
        "jurisdictionl" | "jurisdictionlocalityname" => "1.3.6.1.4.1.311.60.2.1.1",
        "jurisdictionst" | "jurisdictionstateorprovincename" => "1.3.6.1.4.1.311.60.2.1.2",
        "jurisdictionc" | "jurisdictioncountryname" => "1.3.6.1.4.1.311.60.2.1.3",
        other => other.strip_prefix("oid.").unwrap_or(other),
    };
    dotted.to_owned()
}

/// Without what may not matter, and some more; or `None` if a string is of a type that is not read here.
fn blurred(rdns: &Rdns) -> Option<Rdns> {
    let blur = |(oid, value): &(String, Value)| {
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::Der(der) => match element(&mut &der[..]) {
                Some((0x0c | 0x12 | 0x13 | 0x16 | 0x1a, content)) => {
                    String::from_utf8(content).unwrap_or_default()
                }
                Some((0x14 | 0x1c | 0x1e, _)) => return None,
                _ => return Some((oid.clone(), value.clone())),
            },
        };
        Some((oid.clone(), Value::Text(text.to_ascii_lowercase().replace(' ', ""))))
    };
    let mut all: Rdns =
        rdns.iter().map(|rdn| rdn.iter().map(blur).collect()).collect::<Option<_>>()?;
    all.iter_mut().for_each(|rdn| rdn.sort());
    Some(all)
}
