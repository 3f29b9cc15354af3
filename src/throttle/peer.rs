//! Whose address counts.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{Extensions, HeaderMap, HeaderName, header::FORWARDED, request::Parts};

type Connection = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;
type Trusted = dyn Fn(IpAddr) -> bool + Send + Sync;

/// Where the address of a caller comes from: the connection, and what the proxies that are trusted say of it.
///
/// What a header says is believed of those proxies alone that were named. Each adds the address that it was
/// called from to the end of the header, so it is read from there: what a caller wrote in front of that never counts.
///
/// # Examples
///
/// ```
/// use std::net::{IpAddr, SocketAddr};
/// use tower_client_auth::throttle::PeerAddress;
///
/// // In axum it is `|peer: &ConnectInfo<SocketAddr>| peer.0.ip()`, with
/// // `into_make_service_with_connect_info`. In tonic `|peer: &TcpConnectInfo| peer.remote_addr().map(|peer| peer.ip())`.
/// let connection = PeerAddress::from_extension(|peer: &SocketAddr| peer.ip());
///
/// let proxies: [IpAddr; 2] = [[10, 0, 0, 7].into(), [10, 0, 0, 8].into()];
/// let behind_proxies = connection.x_forwarded_for(move |hop| proxies.contains(&hop));
///
/// let (mut head, ()) = http::Request::post("/token")
///     .header("x-forwarded-for", "203.0.113.1, 192.0.2.60, 10.0.0.8")
///     .extension(SocketAddr::from(([10, 0, 0, 7], 50_000)))
///     .body(())
///     .unwrap()
///     .into_parts();
/// assert_eq!(behind_proxies.of(&head), Some([192, 0, 2, 60].into()));
///
/// // Not from a proxy.
/// head.extensions.insert(SocketAddr::from(([192, 0, 2, 61], 50_000)));
/// assert_eq!(behind_proxies.of(&head), Some([192, 0, 2, 61].into()));
/// ```
#[derive(Clone)]
pub struct PeerAddress {
    connection: Arc<Connection>,
    proxies: Option<(Header, Arc<Trusted>)>,
}

#[derive(Clone, Copy, Debug)]
enum Header {
    Forwarded,
    XForwardedFor,
}

impl PeerAddress {
    /// The address of the connection, in an extension of each request that the server or its acceptor puts
    /// there. It is not known of a request without that extension, and where `address` returns `None`.
    #[must_use]
    pub fn from_extension<T, A>(address: impl Fn(&T) -> A + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
        A: Into<Option<IpAddr>>,
    {
        let connection = move |extensions: &Extensions| {
            extensions.get::<T>().and_then(|peer| address(peer).into())
        };
        Self { connection: Arc::new(connection), proxies: None }
    }

    /// Where the connection comes from a `trusted` address, the address is the last one in `Forwarded` (RFC
    /// 7239), and where that is trusted, the one before it. Default: no header is read.
    ///
    /// The proxies that are trusted must each append to the header, or replace it, in every request. An element
    /// without a `for`, or with one that is no address, such as `unknown` or `_hidden`, is an address that is not
    /// known.
    #[must_use]
    pub fn forwarded(self, trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { proxies: Some((Header::Forwarded, Arc::new(trusted))), ..self }
    }

    /// The same by `X-Forwarded-For`, which most proxies write. Default: no header is read.
    #[must_use]
    pub fn x_forwarded_for(self, trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { proxies: Some((Header::XForwardedFor, Arc::new(trusted))), ..self }
    }

    /// The address of the caller, if it is known. One of IPv4 that is mapped into IPv6 is one of IPv4.
    #[must_use]
    pub fn of(&self, head: &Parts) -> Option<IpAddr> {
        let mut address = (self.connection)(&head.extensions)?.to_canonical();
        let Some((header, trusted)) = &self.proxies else { return Some(address) };
        let mut before = header.addresses(&head.headers);
        while trusted(address) {
            // Without one, the proxy itself is the caller.
            let Some(hop) = before.next() else { break };
            address = hop?.to_canonical();
        }
        Some(address)
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.proxies.as_ref().map(|(header, _)| header);
        f.debug_struct("PeerAddress").field("header", &header).finish_non_exhaustive()
    }
}

impl Header {
    const fn name(self) -> HeaderName {
        match self {
            Self::Forwarded => FORWARDED,
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
        }
    }

    /// From the last on. What is no address is `None`.
    fn addresses(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let values = headers.get_all(self.name()).iter().rev();
        let elements = values.flat_map(move |value| Elements {
            rest: Some(value.as_bytes()),
            separator: b',',
            quotes: matches!(self, Self::Forwarded),
        });
        let elements = elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
        elements.map(move |element| match self {
            Self::Forwarded => node(element).and_then(address),
            Self::XForwardedFor => address(element),
        })
    }
}

/// The parts of a list from the last on, as the proxy wrote it that appended last. Strings in quotes are found from
/// the end, too: one that a caller did not close cannot take in what a proxy appended, and what a proxy
/// quotes, such as the `Host` that a caller chose, is no element.
struct Elements<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
    quotes: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            let (before, after) = rest.split_at_checked(at)?;
            if *byte == b'"' && self.quotes {
                let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
                // Within a string, one behind an odd number of them is a part of it.
                quoted ^= !quoted || backslashes % 2 == 0;
            } else if *byte == self.separator && !quoted {
                self.rest = Some(before);
                return after.get(1..);
            }
        }
        self.rest.take()
    }
}

/// The value of the one `for` (RFC 7239 §4).
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let pairs = Elements { rest: Some(element), separator: b';', quotes: true };
    for pair in pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for")
            && found.replace(value.get(1..)?).is_some()
        {
            return None;
        }
    }
    found
}

/// An address, also in quotes, in brackets, and with a port (RFC 7239 §6).
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    let text = std::str::from_utf8(text).ok()?;
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(address) = in_brackets {
        return address.parse().ok().map(IpAddr::V6);
    }
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

/// What counts as one caller: whoever has an address of IPv6 has at least all of its /64. The well-known prefix of
/// translators (RFC 6052 §2.1) is all of IPv4.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Network {
    V4(u32),
    V6(u64),
    /// All whose address is not known.
    Unknown,
}

impl Network {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address {
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => match address.octets() {
                [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, embedded @ ..] => {
                    Self::V4(u32::from_be_bytes(embedded))
                }
                _ => Self::V6((address.to_bits() >> 64) as u64),
            },
            None => Self::Unknown,
        }
    }
}

#[cfg(feature = "redis")]
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => std::net::Ipv4Addr::from_bits(*address).fmt(f),
            Self::V6(network) => {
                write!(f, "{}/64", std::net::Ipv6Addr::from_bits(u128::from(*network) << 64))
            }
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
