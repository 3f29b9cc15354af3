//! The value by which a client is found in its certificate.

use std::{fmt, hint::black_box, net::IpAddr, sync::LazyLock};

use crate::x509::{
    certificate::ClientCertificate,
    dn,
    invalid::InvalidSubject,
    name::Comparable,
    walk::{DNS, EMAIL, IP, URI},
};

/// What the certificate of a `tls_client_auth` client must have: its subject, or one of its alternative
/// names (RFC 8705 §2.1.2).
///
/// # Examples
///
/// ```
/// use tower_client_auth::mutual_tls::CertificateSubject;
///
/// let by_name = CertificateSubject::dn("CN=client,O=Example\\, Inc.,C=DE")?;
/// let by_host = CertificateSubject::dns("client.example")?;
///
/// let openssl = CertificateSubject::dn("/C=DE/O=Example/CN=client").unwrap_err();
/// assert!(openssl.to_string().contains("must be as in RFC 4514"));
/// # Ok::<(), tower_client_auth::mutual_tls::InvalidSubject>(())
/// ```
#[derive(Clone)]
pub struct CertificateSubject(Kind);

#[derive(Clone)]
enum Kind {
    /// Never the empty one.
    Dn(Comparable),
    Alternative(Alternative),
}

/// One of the alternative names.
#[derive(Clone)]
struct Alternative {
    tag: u8,
    /// Filled up with zeros to a power of two, of 256 bytes at least.
    name: Box<[u8]>,
    length: usize,
    /// Where letter case ceases to matter.
    folded_from: usize,
}

impl Alternative {
    fn new(tag: u8, name: impl Into<Box<[u8]>>) -> Self {
        let mut name = name.into().into_vec();
        let length = name.len();
        name.resize(length.next_power_of_two().max(256), 0);
        Self { tag, name: name.into(), length, folded_from: usize::MAX }
    }

    fn folded_from(self, folded_from: usize) -> Self {
        Self { folded_from, ..self }
    }

    /// Does the same for each byte of the entry, whatever its tag is and however long this name is: the time tells how
    /// long the certificate is, which the caller knows, and nothing of this name.
    fn is(&self, tag: u8, entry: &[u8]) -> bool {
        let mask = self.name.len().wrapping_sub(1);
        let differing = entry.iter().enumerate().fold(0, |differing, (at, byte)| {
            let other = self.name.get(at & mask).copied().unwrap_or_default();
            let folded = u8::from(at >= self.folded_from).wrapping_neg();
            let exactly = byte ^ other;
            let in_any_case = byte.to_ascii_lowercase() ^ other.to_ascii_lowercase();
            differing | (exactly & !folded) | (in_any_case & folded)
        });
        #[cfg(test)]
        crate::x509::counted::note(entry.len());
        black_box(differing) == 0 && entry.len() == self.length && tag == self.tag
    }
}

impl CertificateSubject {
    /// The whole subject, as an RFC 4514 string such as `CN=client,O=Example,C=DE`: the last RDN of the
    /// certificate comes first. [`ClientCertificate::subject`] and `openssl x509 -noout -subject -nameopt
    /// RFC2253` print it.
    ///
    /// Two names are the same if they have the same RDNs in the same order, whatever the types of their
    /// strings are (RFC 5280 §7.1). Letter case does not matter in ASCII, nor does it how many spaces there
    /// are; where the type of an attribute has no name here, nobody knows that, and both matter. The
    /// attributes of one RDN, which `+` separates, have no order.
    ///
    /// Attribute types may be names (`CN`, `organizationIdentifier`) or dotted OIDs, and values may be
    /// `#` and their DER in hexadecimal.
    ///
    /// # Errors
    ///
    /// If it is no such string, such as `/C=DE/CN=client`, has quotes, semicolons, control characters
    /// or names of attribute types that are not known, or is empty.
    pub fn dn(name: &str) -> Result<Self, InvalidSubject> {
        dn::parse(name).map(|name| Self(Kind::Dn(name)))
    }

    /// A host name of the alternative names. Letter case does not matter; nothing is a wildcard.
    ///
    /// # Errors
    ///
    /// If it is not made of letters, digits, hyphens, underscores and dots between them, or is longer
    /// than 253 bytes. International names must be A-labels (`xn--…`).
    pub fn dns(name: &str) -> Result<Self, InvalidSubject> {
        if let Some(at) = name.bytes().position(|byte| !is_host_byte(byte)) {
            return Err(InvalidSubject::new("a host name has no such character", at));
        }
        if name.len() > 253 {
            return Err(InvalidSubject::new("a host name is not that long", 253));
        }
        let mut at = 0;
        for label in name.split('.') {
            if label.is_empty() {
                return Err(InvalidSubject::new("a label of the host name is empty", at));
            }
            at += label.len() + 1;
        }
        Ok(Self(Kind::Alternative(Alternative::new(DNS, name.as_bytes()).folded_from(0))))
    }

    /// A URI of the alternative names, such as a SPIFFE ID. It must be the same byte for byte.
    ///
    /// # Errors
    ///
    /// If it has no scheme, or a character that no URI has.
    pub fn uri(uri: &str) -> Result<Self, InvalidSubject> {
        if let Some(at) = uri.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(InvalidSubject::new("a URI has no such character", at));
        }
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.bytes().all(in_scheme)
        {
            return Err(InvalidSubject::new("the URI has no scheme", 0));
        }
        Ok(Self(Kind::Alternative(Alternative::new(URI, uri.as_bytes()))))
    }

    /// An IP address of the alternative names. IPv4 addresses and those that are mapped into IPv6 differ.
    #[must_use]
    pub fn ip(address: IpAddr) -> Self {
        Self(Kind::Alternative(match address {
            IpAddr::V4(address) => Alternative::new(IP, address.octets()),
            IpAddr::V6(address) => Alternative::new(IP, address.octets()),
        }))
    }

    /// An e-mail address of the alternative names. Letter case matters before the `@` and not behind it
    /// (RFC 5280 §7.5).
    ///
    /// # Errors
    ///
    /// If it has nothing before or behind an `@`, or a character beyond ASCII.
    pub fn email(address: &str) -> Result<Self, InvalidSubject> {
        if let Some(at) = address.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(InvalidSubject::new("an e-mail address has no such character here", at));
        }
        match address.rfind('@') {
            Some(at) if at > 0 && at + 1 < address.len() => {
                let address = Alternative::new(EMAIL, address.as_bytes()).folded_from(at);
                Ok(Self(Kind::Alternative(address)))
            }
            at => {
                let reason = "the e-mail address needs a name and a host";
                Err(InvalidSubject::new(reason, at.unwrap_or(address.len())))
            }
        }
    }

    /// Whether the certificate has what is registered, if something is. The subject is compared and each
    /// alternative name in any case: how long it takes must not tell which of them is registered.
    pub(crate) fn is_of(registered: Option<&Self>, certificate: &ClientCertificate) -> bool {
        let (subject, alternative) = match registered {
            Some(dn @ Self(Kind::Dn(_))) => (dn, Self::alternative_decoy()),
            Some(alternative) => (Self::decoy(), alternative),
            None => (Self::decoy(), Self::alternative_decoy()),
        };
        let has_subject = black_box(subject.matches(certificate));
        let has_alternative = black_box(alternative.matches(certificate));
        match registered {
            Some(Self(Kind::Dn(_))) => has_subject,
            Some(_) => has_alternative,
            None => false,
        }
    }

    pub(super) fn matches(&self, certificate: &ClientCertificate) -> bool {
        match &self.0 {
            Kind::Dn(name) => {
                #[cfg(test)]
                crate::x509::counted::note(0);
                name == certificate.comparable_subject()
            }
            Kind::Alternative(name) => {
                certificate.has_alternative(|tag, entry| name.is(tag, entry))
            }
        }
    }

    /// As [`decoy`](Self::decoy), among the alternative names.
    fn alternative_decoy() -> &'static Self {
        static DECOY: LazyLock<CertificateSubject> = LazyLock::new(|| {
            CertificateSubject(Kind::Alternative(Alternative::new(DNS, *b"nobody")))
        });
        &DECOY
    }

    /// What is compared when there is nothing to compare.
    pub(super) fn decoy() -> &'static Self {
        static DECOY: LazyLock<CertificateSubject> = LazyLock::new(|| {
            CertificateSubject(Kind::Dn(dn::parse("CN=nobody,O=nobody,C=ZZ").unwrap_or_default()))
        });
        &DECOY
    }
}

impl fmt::Debug for CertificateSubject {
    /// Names are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Dn(_) => "subject",
            Kind::Alternative(_) => "alternative name",
        };
        f.debug_tuple("CertificateSubject").field(&kind).finish()
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
