//! Certificates in DER with whatever names a test wants, right and wrong. Nobody signed them, unless the test does.
//!
//! ```
//! use store_harness::certificate::{Attribute, Certificate, SubjectAltName};
//!
//! let der = Certificate::new()
//!     .rdn([Attribute::printable("2.5.4.6", "DE")])
//!     .rdn([Attribute::utf8("2.5.4.11", "sales"), Attribute::utf8("2.5.4.3", "client")])
//!     .alternative(SubjectAltName::dns("client.example"))
//!     .der();
//! assert_eq!(der[0], 0x30);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

/// An element: a tag, the length in its shortest form, the content.
#[must_use]
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = &length[zeros..];
    let mut out = vec![tag];
    match length {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        _ => {
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend(content);
    out
}

/// A sequence.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A dotted OID.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn oid(dotted: &str) -> Vec<u8> {
    let numbers: Vec<u128> = dotted.split('.').map(|number| number.parse().unwrap()).collect();
    let mut content = Vec::new();
    for number in [&[40 * numbers[0] + numbers[1]], &numbers[2..]].concat() {
        let mut groups = vec![number as u8 & 0x7f];
        let mut rest = number >> 7;
        while rest > 0 {
            groups.push(rest as u8 & 0x7f | 0x80);
            rest >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    element(0x06, &content)
}

/// An attribute of a distinguished name, by its dotted OID.
#[derive(Clone, Debug)]
pub struct Attribute(Vec<u8>);

impl Attribute {
    /// With any element as its value.
    #[must_use]
    pub fn raw(dotted: &str, value: &[u8]) -> Self {
        Self(sequence(&[&oid(dotted), value]))
    }

    /// With a UTF8String.
    #[must_use]
    pub fn utf8(dotted: &str, value: &str) -> Self {
        Self::raw(dotted, &element(0x0c, value.as_bytes()))
    }

    /// With a PrintableString, whatever is in it.
    #[must_use]
    pub fn printable(dotted: &str, value: &str) -> Self {
        Self::raw(dotted, &element(0x13, value.as_bytes()))
    }

    /// With an IA5String, whatever is in it.
    #[must_use]
    pub fn ia5(dotted: &str, value: &str) -> Self {
        Self::raw(dotted, &element(0x16, value.as_bytes()))
    }

    /// With a TeletexString.
    #[must_use]
    pub fn teletex(dotted: &str, value: &[u8]) -> Self {
        Self::raw(dotted, &element(0x14, value))
    }

    /// With a BMPString.
    #[must_use]
    pub fn bmp(dotted: &str, value: &str) -> Self {
        let content: Vec<u8> = value.encode_utf16().flat_map(u16::to_be_bytes).collect();
        Self::raw(dotted, &element(0x1e, &content))
    }

    /// With a UniversalString.
    #[must_use]
    pub fn universal(dotted: &str, value: &str) -> Self {
        let content: Vec<u8> =
            value.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect();
        Self::raw(dotted, &element(0x1c, &content))
    }
}

/// An alternative name.
#[derive(Clone, Debug)]
pub struct SubjectAltName(Vec<u8>);

impl SubjectAltName {
    /// Any element.
    #[must_use]
    pub fn raw(tag: u8, content: &[u8]) -> Self {
        Self(element(tag, content))
    }

    /// `rfc822Name`.
    #[must_use]
    pub fn email(address: &str) -> Self {
        Self::raw(0x81, address.as_bytes())
    }

    /// `dNSName`.
    #[must_use]
    pub fn dns(name: &str) -> Self {
        Self::raw(0x82, name.as_bytes())
    }

    /// `uniformResourceIdentifier`.
    #[must_use]
    pub fn uri(uri: &str) -> Self {
        Self::raw(0x86, uri.as_bytes())
    }

    /// `iPAddress`, with as many bytes as are given.
    #[must_use]
    pub fn ip(address: &[u8]) -> Self {
        Self::raw(0x87, address)
    }
}

/// A certificate to be. As it is, it has no names, and is valid from 2020 to 2049.
#[derive(Clone, Debug)]
pub struct Certificate {
    version: Vec<u8>,
    serial: u8,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
    alternatives: Vec<u8>,
    extensions: Vec<u8>,
}

impl Default for Certificate {
    fn default() -> Self {
        Self {
            version: element(0xa0, &element(0x02, &[2])),
            serial: 1,
            issuer: Vec::new(),
            validity: Vec::new(),
            subject: Vec::new(),
            key: sequence(&[
                &sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]),
                &element(0x03, &[0, 4]),
            ]),
            alternatives: Vec::new(),
            extensions: Vec::new(),
        }
        .valid(&element(0x17, b"200101000000Z"), &element(0x17, b"491231235959Z"))
    }
}

impl Certificate {
    /// Without names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next RDN of its subject, in the order of the certificate.
    #[must_use]
    pub fn rdn(mut self, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        let members: Vec<u8> = attributes.into_iter().flat_map(|attribute| attribute.0).collect();
        self.subject.extend(element(0x31, &members));
        self
    }

    /// The content of its subject.
    #[must_use]
    pub fn subject(mut self, rdns: &[u8]) -> Self {
        self.subject = rdns.to_vec();
        self
    }

    /// The next alternative name.
    #[must_use]
    pub fn alternative(mut self, name: SubjectAltName) -> Self {
        self.alternatives.extend(name.0);
        self
    }

    /// The next extension, before that of the alternative names.
    #[must_use]
    pub fn extension(mut self, dotted: &str, value: &[u8]) -> Self {
        self.extensions.extend(sequence(&[&oid(dotted), &element(0x04, value)]));
        self
    }

    /// The next extension, which has to be understood.
    #[must_use]
    pub fn critical(mut self, dotted: &str, value: &[u8]) -> Self {
        let truth = element(0x01, &[0xff]);
        self.extensions.extend(sequence(&[&oid(dotted), &truth, &element(0x04, value)]));
        self
    }

    /// The content of the name of who issued it.
    #[must_use]
    pub fn issuer(mut self, rdns: &[u8]) -> Self {
        self.issuer = rdns.to_vec();
        self
    }

    /// Its key, as a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn key(mut self, info: &[u8]) -> Self {
        self.key = info.to_vec();
        self
    }

    /// Both of its times, as elements.
    #[must_use]
    pub fn valid(mut self, not_before: &[u8], not_after: &[u8]) -> Self {
        self.validity = sequence(&[not_before, not_after]);
        self
    }

    /// Its serial number, which tells it from others that are the same otherwise.
    #[must_use]
    pub fn serial(mut self, serial: u8) -> Self {
        self.serial = serial;
        self
    }

    /// What is where the version is.
    #[must_use]
    pub fn version(mut self, version: &[u8]) -> Self {
        self.version = version.to_vec();
        self
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.signed(&sequence(&[&oid("1.2.840.10045.4.3.2")]), |_signed| vec![1])
    }

    /// The whole certificate, with this algorithm, an element, and this signature.
    #[must_use]
    pub fn signed(&self, algorithm: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if !self.alternatives.is_empty() {
            let names = element(0x04, &element(0x30, &self.alternatives));
            extensions.extend(sequence(&[&oid("2.5.29.17"), &names]));
        }
        if !extensions.is_empty() {
            extensions = element(0xa3, &element(0x30, &extensions));
        }
        let signed = sequence(&[
            &self.version,
            &element(0x02, &[self.serial]),
            algorithm,
            &element(0x30, &self.issuer),
            &self.validity,
            &element(0x30, &self.subject),
            &self.key,
            &extensions,
        ]);
        let signature = sign(&signed);
        sequence(&[&signed, algorithm, &element(0x03, &[&[0], &*signature].concat())])
    }
}
