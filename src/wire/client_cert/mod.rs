//! The certificate of the client, in a header that a proxy sets. What the bytes are is not judged here.

mod pem;
#[cfg(test)]
mod tests;
mod xfcc;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use http::{HeaderMap, HeaderName};

/// The header in which a proxy hands on the certificate of the client, and its encoding.
///
/// The proxy decides which one it is; no value is tried as another encoding. What does not decode is
/// refused with 400 whatever the client authenticates with, and so is a header that occurs twice. An
/// empty one is no certificate. Only the certificate of the client itself counts: the rest of a chain
/// is not used, nor is `Client-Cert-Chain`.
///
/// # Examples
///
/// ```
/// use http::HeaderName;
/// use tower_client_auth::mutual_tls::ProxyHeader;
///
/// // nginx: proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
/// let nginx = ProxyHeader::escaped_pem(HeaderName::from_static("x-ssl-client-cert"));
/// # drop(nginx);
/// ```
#[derive(Clone, Debug)]
pub struct ProxyHeader {
    name: HeaderName,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    ByteSequence,
    EscapedPem,
    Base64Der,
    Base64DerChain,
    SpacedPem,
    Xfcc { hops: usize },
}

/// Why a header has no certificate, although there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Repeated,
    TooLong,
    /// For the operator: what is wrong, or which encoding the value looks like.
    Malformed(&'static str),
}

impl ProxyHeader {
    /// `Client-Cert` of RFC 9440: a byte sequence, which is base64 between colons.
    ///
    /// HAProxy writes it with `:%[ssl_c_der,base64]:`, Envoy by its filter `client_cert`, and
    /// Cloudflare, CloudFront and Google Cloud by rules of their own. The name alone says nothing of the
    /// chain: RFC 9440 §2.4 leaves it to the proxy whether it verifies.
    #[must_use]
    pub const fn client_cert() -> Self {
        Self::new(HeaderName::from_static("client-cert"), Encoding::ByteSequence)
    }

    /// PEM (RFC 7468) with `%` escapes, in which a `+` is a `+`.
    ///
    /// It is `$ssl_client_escaped_cert` of nginx, `X-Amzn-Mtls-Clientcert-Leaf` and
    /// `X-Amzn-Mtls-Clientcert` of an AWS load balancer, and `CloudFront-Viewer-Cert-Pem`. Of several
    /// certificates the first is that of the client.
    #[must_use]
    pub const fn escaped_pem(name: HeaderName) -> Self {
        Self::new(name, Encoding::EscapedPem)
    }

    /// DER in base64 with padding, without anything around it.
    ///
    /// HAProxy writes it with `%[ssl_c_der,base64]`, Cloudflare in `Cf-Client-Cert-Der-Base64`, Azure App
    /// Service in `X-ARR-ClientCert`. There is one: a list may be one that a caller began.
    #[must_use]
    pub const fn base64_der(name: HeaderName) -> Self {
        Self::new(name, Encoding::Base64Der)
    }

    /// As [`base64_der`](Self::base64_der), with commas between the certificates of a chain, of which the first is
    /// that of the client.
    ///
    /// Traefik writes it in `X-Forwarded-Tls-Client-Cert`. Of no proxy that writes one certificate: what a caller
    /// sent in front of it would be the client's.
    #[must_use]
    pub const fn base64_der_chain(name: HeaderName) -> Self {
        Self::new(name, Encoding::Base64DerChain)
    }

    /// PEM (RFC 7468) with a space for the end of each line, as Apache writes `%{SSL_CLIENT_CERT}s`.
    ///
    /// `(null)`, which Apache writes where there is none, is no certificate.
    #[must_use]
    pub const fn spaced_pem(name: HeaderName) -> Self {
        Self::new(name, Encoding::SpacedPem)
    }

    /// `X-Forwarded-Client-Cert` of Envoy, with `cert: true` in its
    /// `set_current_client_cert_details`.
    ///
    /// `hops` is the number of trusted proxies between the one that the client connects to and this
    /// server, which append an element each: 0 where that one is the last, with `SANITIZE_SET`. The
    /// header has exactly `hops + 1` elements, or it is refused.
    #[must_use]
    pub const fn xfcc(hops: usize) -> Self {
        Self::new(HeaderName::from_static("x-forwarded-client-cert"), Encoding::Xfcc { hops })
    }

    const fn new(name: HeaderName, encoding: Encoding) -> Self {
        Self { name, encoding }
    }

    pub(crate) const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The bytes of the certificate. The value may have `limit` bytes.
    pub(crate) fn read(
        &self,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, HeaderFault> {
        let mut values = headers.get_all(&self.name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        // RFC 9440 §2.2: `Client-Cert` "MUST NOT have a list of values or occur multiple times". Of
        // the others, one of two would be the caller's.
        if values.next().is_some() {
            return Err(HeaderFault::Repeated);
        }
        if value.len() > limit {
            return Err(HeaderFault::TooLong);
        }
        // HTTP/1 servers cut the spaces off, and HTTP/2 servers do not.
        let value = value.as_bytes().trim_ascii();
        if value.is_empty() || self.encoding == Encoding::SpacedPem && value == b"(null)" {
            return Ok(None);
        }
        let found = self.encoding.decode(value);
        found.map(Some).map_err(|fault| HeaderFault::Malformed(self.encoding.hint(value, fault)))
    }
}

impl Encoding {
    fn decode(self, value: &[u8]) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::ByteSequence => byte_sequence(value).ok_or("it is not one item `:base64:`"),
            Self::EscapedPem => pem::escaped(value, pem::Number::Any)
                .ok_or("it is not PEM with `%` escapes and nothing around it"),
            Self::Base64Der => base64_der(value).ok_or("it is not DER in padded base64"),
            Self::Base64DerChain => base64_der_chain(value)
                .ok_or("it is not a list of DER in padded base64, with commas alone between them"),
            Self::SpacedPem => {
                pem::spaced(value).ok_or("it is not one certificate as PEM on one line")
            }
            Self::Xfcc { hops } => xfcc::certificate(value, hops),
        }
    }

    /// The usual mistake is the wrong constructor, which says more than where decoding ended.
    fn hint(self, value: &[u8], fault: &'static str) -> &'static str {
        const SIGNS: [(&[u8], Option<Encoding>, &str); 7] = [
            (b":", Some(Encoding::ByteSequence), "it looks like `ProxyHeader::client_cert`"),
            (
                b"-----BEGIN%20",
                Some(Encoding::EscapedPem),
                "it looks like percent-escaped PEM: `ProxyHeader::escaped_pem`",
            ),
            (
                b"-----BEGIN ",
                Some(Encoding::SpacedPem),
                "it looks like PEM on one line: `ProxyHeader::spaced_pem`",
            ),
            // A sequence of 256 bytes and more, as every certificate is.
            (
                b"MII",
                Some(Encoding::Base64Der),
                "it looks like DER in base64: `ProxyHeader::base64_der`",
            ),
            (b"LS0tLS1CRUdJTi", None, "it looks like PEM in base64, which is not supported"),
            (
                b"(null)",
                Some(Encoding::SpacedPem),
                "it looks like a variable of Apache that is not set: `ProxyHeader::spaced_pem`",
            ),
            (b"%3A", None, "it looks like a byte sequence with `%` escapes, which is not one"),
        ];
        const XFCC: [&[u8]; 3] = [b"By=", b"Hash=", b"Cert="];
        let starts =
            |sign: &[u8]| value.get(..sign.len()).is_some_and(|v| v.eq_ignore_ascii_case(sign));
        if !matches!(self, Self::Xfcc { .. }) && XFCC.into_iter().any(starts) {
            return "it looks like X-Forwarded-Client-Cert of Envoy: `ProxyHeader::xfcc`";
        }
        let sign = SIGNS.into_iter().find(|(sign, _, _)| starts(sign));
        let own = if self == Self::Base64DerChain { Self::Base64Der } else { self };
        match sign {
            Some((_, encoding, hint)) if encoding != Some(own) => hint,
            _ if self == Self::Base64Der && memchr::memchr(b',', value).is_some() => {
                "there is more than one: a chain needs `ProxyHeader::base64_der_chain`"
            }
            _ => fault,
        }
    }
}

/// An item that is a byte sequence (RFC 9651 §3.3.5), without parameters. §4.2.7 lets the padding be
/// absent, and the bits behind the last byte be anything.
fn byte_sequence(value: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let text = value.strip_prefix(b":")?.strip_suffix(b":")?;
    some(LENIENT.decode(text).ok()?)
}

fn base64_der(value: &[u8]) -> Option<Vec<u8>> {
    // A sequence, and not PEM in base64.
    BASE64_STANDARD.decode(value).ok().filter(|der| der.first() == Some(&0x30))
}

fn base64_der_chain(value: &[u8]) -> Option<Vec<u8>> {
    let mut certificates = value.split(|byte| *byte == b',');
    let first = base64_der(certificates.next()?)?;
    for certificate in certificates {
        some(BASE64_STANDARD.decode(certificate).ok()?)?;
    }
    Some(first)
}

fn some(der: Vec<u8>) -> Option<Vec<u8>> {
    if der.is_empty() { None } else { Some(der) }
}
