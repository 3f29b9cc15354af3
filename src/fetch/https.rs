//! Documents from the web, without becoming a way into the network behind the server.

#[cfg(feature = "metadata-documents")]
mod documents;
mod keys;
mod resolver;

use std::{fmt, net::IpAddr, num::IntErrorKind, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE},
};
use reqwest::{Certificate, Client, ClientBuilder, Url, redirect, retry};

#[cfg(feature = "metadata-documents")]
pub(crate) use self::documents::HttpsDocuments;
pub use self::keys::HttpsJwksSource;
use crate::{
    error::BoxError,
    fetch::{
        address::is_public,
        https::resolver::{Networks, Resolver},
    },
};

/// How long a fetch may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const PER_NETWORK: u32 = 60;
/// Some servers refuse requests that have none.
const USER_AGENT: &str = concat!("tower-client-auth/", env!("CARGO_PKG_VERSION"));

/// Gets documents: each from a connection of its own, from addresses that were judged.
#[derive(Clone)]
pub(crate) struct Https {
    client: Client,
    /// For addresses on probation.
    unproven: Client,
    networks: Arc<Networks>,
    policy: AddressPolicy,
}

/// Whether an address may be connected to.
type AddressPolicy = fn(IpAddr) -> bool;

/// What a document must be.
struct Wanted {
    accept: &'static str,
    /// Judges the media type without its parameters.
    is_json: fn(&str) -> bool,
    /// In bytes.
    longest: usize,
    /// From the resolution of the name to the last byte.
    timeout: Duration,
}

enum Got {
    /// The answer was 200.
    Document {
        text: Bytes,
        max_age: Option<Duration>,
    },
    Status {
        status: u16,
        max_age: Option<Duration>,
    },
}

impl Https {
    fn with(client: impl Fn() -> ClientBuilder, policy: AddressPolicy) -> Result<Self, BoxError> {
        let networks = Arc::new(Networks::new(PER_NETWORK));
        let client = |networks| {
            client()
                .https_only(true)
                .user_agent(USER_AGENT)
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .no_proxy()
                // Other crates may turn on features of reqwest.
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .tls_backend_rustls()
                .pool_max_idle_per_host(0)
                .dns_resolver(Arc::new(Resolver::new(policy, networks)))
                .build()
        };
        let unproven = client(Some(Arc::clone(&networks)))?;
        Ok(Self { client: client(None)?, unproven, networks, policy })
    }

    fn with_loopback(authorities: &[u8]) -> Result<Self, BoxError> {
        let authorities = Certificate::from_pem_bundle(authorities)?;
        if authorities.is_empty() {
            return Err("there is no certificate".into());
        }
        let client = || Client::builder().tls_certs_merge(authorities.iter().cloned());
        let https = Self::with(client, loopback_too)?;
        https.networks.allow(u32::MAX);
        Ok(https)
    }

    fn check(&self, url: &str, networks: Option<&Networks>) -> Result<Url, BoxError> {
        let url = Url::parse(url).map_err(|_malformed| Refused::Url)?;
        if url.scheme() != "https" {
            return Err(Refused::Scheme.into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials.into());
        }
        if !matches!(url.port_or_known_default(), Some(443 | 1024..)) {
            return Err(Refused::Port.into());
        }
        // An address is never resolved, so the resolver does not see it.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if let Ok(address) = host.parse::<IpAddr>() {
            if !(self.policy)(address) {
                return Err(Refused::Address.into());
            }
            if let Some(networks) = networks {
                networks.take(address)?;
            }
        }
        Ok(url)
    }

    async fn get(&self, url: &str, proven: bool, wanted: Wanted) -> Result<Got, BoxError> {
        let (client, networks) = match proven {
            true => (&self.client, None),
            false => (&self.unproven, Some(&*self.networks)),
        };
        let request = client.get(self.check(url, networks)?).header(ACCEPT, wanted.accept);
        let mut response =
            request.timeout(wanted.timeout).send().await.map_err(reqwest::Error::without_url)?;
        let max_age = max_age(response.headers());
        let status = response.status();
        if status != StatusCode::OK {
            return Ok(Got::Status { status: status.as_u16(), max_age });
        }
        if !(wanted.is_json)(essence(response.headers())) {
            return Err(Refused::MediaType.into());
        }
        let mut text = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            if chunk.len() > wanted.longest.saturating_sub(text.len()) {
                return Err(Refused::Length(wanted.longest).into());
            }
            text.extend_from_slice(&chunk);
        }
        Ok(Got::Document { text: text.freeze(), max_age })
    }
}

fn loopback_too(address: IpAddr) -> bool {
    address.is_loopback() || is_public(address)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Url,
    Scheme,
    Credentials,
    Port,
    Address,
    Status(u16),
    MediaType,
    /// More than this many bytes.
    Length(usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "the address is no URL",
            Self::Scheme => "the address is not https",
            Self::Credentials => "the address holds credentials",
            Self::Port => "the address names a port below 1024 other than 443",
            Self::Address => "the host has no address that is public",
            Self::Status(status) => return write!(f, "the server answered {status}"),
            Self::MediaType => "the server answered something else than JSON",
            Self::Length(longest) => {
                return write!(f, "the server answered more than {longest} bytes");
            }
        })
    }
}

impl std::error::Error for Refused {}

/// The media type without its parameters.
fn essence(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// RFC 9111 §5.2.2, §4.2.3.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in String::from_utf8_lossy(value.as_bytes()).split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Some(Duration::ZERO);
            }
            if name.eq_ignore_ascii_case("max-age") {
                // What cannot be read is stale (§4.2.1), and so is what is given twice.
                let seconds = argument.trim().trim_matches('"').parse::<u32>().unwrap_or(0);
                max_age = Some(max_age.map_or(seconds, |other: u32| other.min(seconds)));
            }
        }
    }
    let age = headers.get(AGE).map_or(0, age);
    max_age.map(|seconds| Duration::from_secs(seconds.saturating_sub(age).into()))
}

/// RFC 9111 §5.1: of a list the first element, and nothing of what is no number. One that is too large is
/// as old as can be (§1.2.2).
fn age(value: &HeaderValue) -> u32 {
    let first = value.to_str().unwrap_or_default().split(',').next().unwrap_or_default();
    match first.trim().parse() {
        Ok(age) => age,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => u32::MAX,
        Err(_) => 0,
    }
}

// In tests/private.
#[cfg(all(test, private_tests))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
