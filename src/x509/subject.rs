//! The value by which a client is found in its certificate.

use std::{net::IpAddr, sync::LazyLock};

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
#[derive(Clone, Debug)]
pub struct CertificateSubject(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Never the empty one.
    Dn(Comparable),
    Dns(Box<str>),
    Uri(Box<str>),
    Email {
        address: Box<str>,
        at: usize,
    },
    Ip(Box<[u8]>),
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
        Ok(Self(Kind::Dns(name.into())))
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
        Ok(Self(Kind::Uri(uri.into())))
    }

    /// An IP address of the alternative names. IPv4 addresses and those that are mapped into IPv6 differ.
    #[must_use]
    pub fn ip(address: IpAddr) -> Self {
        Self(Kind::Ip(match address {
            IpAddr::V4(address) => address.octets().into(),
            IpAddr::V6(address) => address.octets().into(),
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
                Ok(Self(Kind::Email { address: address.into(), at }))
            }
            at => {
                let reason = "the e-mail address needs a name and a host";
                Err(InvalidSubject::new(reason, at.unwrap_or(address.len())))
            }
        }
    }

    /// Whether the certificate has it.
    pub(crate) fn matches(&self, certificate: &ClientCertificate) -> bool {
        match &self.0 {
            Kind::Dn(name) => name == certificate.comparable_subject(),
            Kind::Dns(name) => certificate
                .has_alternative(DNS, |entry| entry.eq_ignore_ascii_case(name.as_bytes())),
            Kind::Uri(uri) => certificate.has_alternative(URI, |entry| entry == uri.as_bytes()),
            Kind::Ip(address) => certificate.has_alternative(IP, |entry| entry == &**address),
            Kind::Email { address, at } => certificate.has_alternative(EMAIL, |entry| {
                let (local, host) = address.as_bytes().split_at(*at);
                entry.split_at_checked(*at).is_some_and(|(entry_local, entry_host)| {
                    entry_local == local && entry_host.eq_ignore_ascii_case(host)
                })
            }),
        }
    }

    /// As [`decoy`](Self::decoy), among the alternative names.
    pub(crate) fn alternative_decoy() -> &'static Self {
        static DECOY: LazyLock<CertificateSubject> =
            LazyLock::new(|| CertificateSubject(Kind::Dns("nobody.invalid".into())));
        &DECOY
    }

    /// What is compared when there is nothing to compare.
    pub(crate) fn decoy() -> &'static Self {
        static DECOY: LazyLock<CertificateSubject> = LazyLock::new(|| {
            CertificateSubject(Kind::Dn(dn::parse("CN=nobody,O=nobody,C=ZZ").unwrap_or_default()))
        });
        &DECOY
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
