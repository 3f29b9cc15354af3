//! Key sets from the web, without becoming a way into the network behind the server.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap,
    header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE},
};
use reqwest::{
    Client, ClientBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};

use crate::{
    error::BoxError,
    fetch::{
        address::is_public,
        jwks::{FetchedJwks, JwksSource, LONGEST_DOCUMENT},
    },
};

const TIMEOUT: Duration = Duration::from_secs(5);
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/jwk-set+json"];

/// Fetches key sets over HTTPS, by reqwest and rustls, with the root certificates of the system.
///
/// Any client that may register can choose a `jwks_uri`, and the server fetches it from within its
/// own network (RFC 7523 §3, RFC 8725 §3.10). So:
///
/// - `https` only, on port 443 or one of 1024 and above; no user name or password in the URI.
/// - No redirects, no proxy from the environment, no cookies, no second try.
/// - Only public addresses. They are checked after the name was resolved, and connections go to the
///   checked addresses alone: a name that resolves differently the second time gains nothing. An
///   address in the URI itself is checked likewise. What the registries of IANA list for a
///   special purpose is refused: private, shared, loopback, link-local, multicast, documentation and
///   reserved addresses, and those that have an IPv4 address inside (mapped, NAT64, 6to4, Teredo).
/// - An answer of 2xx with the media type `application/json` or `application/jwk-set+json`, at most
///   64 KiB, within 5 seconds in all.
///
/// The lifetime is `max-age` of `Cache-Control` less `Age` (RFC 9111 §4.2); `no-store` and
/// `no-cache` make it 0. [`JwksCache`](crate::assertion::JwksCache) brings it within bounds.
///
/// It needs a runtime of tokio.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{assertion::{Assertions, HttpsJwksSource}, replay::MemoryReplayStore};
///
/// # let _runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// let settings = Assertions::new("https://as.example", MemoryReplayStore::default())?
///     .jwks_source(HttpsJwksSource::new()?);
/// # drop(settings);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct HttpsJwksSource {
    client: Client,
    timeout: Duration,
    policy: AddressPolicy,
}

/// Whether an address may be connected to. Only the tests of this crate have another one than
/// [`is_public`].
type AddressPolicy = fn(IpAddr) -> bool;

impl HttpsJwksSource {
    /// A source with the defaults. It keeps connections open for a while; make one and clone it.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn new() -> Result<Self, BoxError> {
        Self::with(Client::builder(), is_public)
    }

    fn with(client: ClientBuilder, policy: AddressPolicy) -> Result<Self, BoxError> {
        let client = client
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(FilteringResolver { policy }))
            .build()?;
        Ok(Self { client, timeout: TIMEOUT, policy })
    }

    /// How long a fetch may take, from the resolution of the name to the last byte. Default: 5
    /// seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn check(&self, jwks_uri: &str) -> Result<Url, Refused> {
        let url = Url::parse(jwks_uri).map_err(|_malformed| Refused::Url)?;
        if url.scheme() != "https" {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if !matches!(url.port_or_known_default(), Some(443 | 1024..)) {
            return Err(Refused::Port);
        }
        // An address is never resolved, so the resolver does not see it.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) if !(self.policy)(address) => Err(Refused::Address),
            _ => Ok(url),
        }
    }

    async fn get(&self, url: Url) -> Result<FetchedJwks, BoxError> {
        let request = self.client.get(url).header(ACCEPT, MEDIA_TYPES.join(", "));
        let mut response =
            request.timeout(self.timeout).send().await.map_err(reqwest::Error::without_url)?;
        if !response.status().is_success() {
            return Err(Refused::Status(response.status().as_u16()).into());
        }
        if !is_json(response.headers()) {
            return Err(Refused::MediaType.into());
        }
        let max_age = max_age(response.headers());
        let mut document = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            if chunk.len() > LONGEST_DOCUMENT - document.len() {
                return Err(Refused::Length.into());
            }
            document.extend_from_slice(&chunk);
        }
        Ok(FetchedJwks::new(Bytes::from(document), max_age))
    }
}

impl JwksSource for HttpsJwksSource {
    type Error = BoxError;

    async fn fetch(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        let url = self.check(jwks_uri)?;
        self.get(url).await
    }
}

impl fmt::Debug for HttpsJwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsJwksSource").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Resolves a name to those of its addresses that may be connected to.
struct FilteringResolver {
    policy: AddressPolicy,
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| policy(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Refused::Address.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
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
    Length,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "the jwks_uri is no URL",
            Self::Scheme => "the jwks_uri is not https",
            Self::Credentials => "the jwks_uri holds credentials",
            Self::Port => "the jwks_uri names a port below 1024 other than 443",
            Self::Address => "the jwks_uri leads to an address that is not public",
            Self::Status(status) => return write!(f, "the jwks_uri answered {status}"),
            Self::MediaType => "the jwks_uri answered something else than JSON",
            Self::Length => "the jwks_uri answered more than 64 KiB",
        })
    }
}

impl std::error::Error for Refused {}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    MEDIA_TYPES.iter().any(|json| essence.eq_ignore_ascii_case(json))
}

/// RFC 9111 §5.2.2, §4.2.3.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
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
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u32>().ok());
    max_age.map(|seconds| Duration::from_secs(seconds.saturating_sub(age.unwrap_or(0)).into()))
}

// In tests/private.
#[cfg(all(test, private_tests))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
