//! Key sets from the web, without becoming a way into the network behind the server.

mod resolver;

use std::{fmt, net::IpAddr, num::IntErrorKind, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE},
};
use reqwest::{Client, ClientBuilder, Url, redirect, retry};

use crate::{
    error::BoxError,
    fetch::{
        address::is_public,
        https::resolver::{Networks, Resolver},
        jwks::{FetchedJwks, JwksSource, LONGEST_DOCUMENT},
    },
};

const TIMEOUT: Duration = Duration::from_secs(5);
const PER_NETWORK: u32 = 60;
/// Some servers refuse requests that have none.
const USER_AGENT: &str = concat!("tower-client-auth/", env!("CARGO_PKG_VERSION"));
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
///   reserved addresses, and those that have an IPv4 address inside (mapped, NAT64, 6to4, Teredo,
///   ISATAP), but not NAT64 with a prefix of the operator's own, which looks like any other.
/// - An answer of 200 with the media type `application/json` or `application/jwk-set+json`, at most
///   64 KiB, within 5 seconds in all; or one of 404 or 410, which says that there are no keys. All
///   else is an outage.
/// - For addresses whose keys have verified nothing yet, at most [60 fetches a
///   minute](Self::max_unproven_per_network) from one network, judged by the resolved addresses.
/// - At most 16 names are being resolved at a time for these, and 16 for the others. The system
///   resolves them on the blocking threads of tokio and cannot be told to stop. A fetch that gets none
///   of them within a second is throttled, which is no outage of its host.
///
/// Each fetch has a connection of its own, and no content coding is asked for.
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
    /// For addresses on probation.
    unproven: Client,
    networks: Arc<Networks>,
    timeout: Duration,
    policy: AddressPolicy,
}

/// Whether an address may be connected to. Only the tests of this crate have another one than
/// [`is_public`].
type AddressPolicy = fn(IpAddr) -> bool;

impl HttpsJwksSource {
    /// A source with the defaults. Make one and clone it: clones share their bounds.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn new() -> Result<Self, BoxError> {
        Self::with(Client::builder, is_public)
    }

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
        Ok(Self { client: client(None)?, unproven, networks, timeout: TIMEOUT, policy })
    }

    /// How many fetches a minute may lead to one network (/24 of IPv4, /48 of IPv6) for addresses
    /// whose keys have verified nothing yet; one more is answered 429 with `Retry-After`, unless keys
    /// are known. It holds for all clones. Default: 60.
    ///
    /// After a start that is so for all addresses that are not
    /// [trusted](crate::assertion::JwksCache::trusted). A server with many clients whose keys are at one
    /// host needs more, and so it does of
    /// [`max_per_host`](crate::assertion::JwksCache::max_per_host).
    #[must_use]
    pub fn max_unproven_per_network(self, per_minute: u32) -> Self {
        self.networks.allow(per_minute);
        self
    }

    /// How long a fetch may take, from the resolution of the name to the last byte. Default: 5
    /// seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn check(&self, jwks_uri: &str, networks: Option<&Networks>) -> Result<Url, BoxError> {
        let url = Url::parse(jwks_uri).map_err(|_malformed| Refused::Url)?;
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

    async fn get(&self, client: &Client, url: Url) -> Result<FetchedJwks, BoxError> {
        let request = client.get(url).header(ACCEPT, MEDIA_TYPES.join(", "));
        let mut response =
            request.timeout(self.timeout).send().await.map_err(reqwest::Error::without_url)?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(FetchedJwks::gone(max_age)),
            other => return Err(Refused::Status(other.as_u16()).into()),
        }
        if !is_json(response.headers()) {
            return Err(Refused::MediaType.into());
        }
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
        self.get(&self.client, self.check(jwks_uri, None)?).await
    }

    async fn fetch_unproven(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        self.get(&self.unproven, self.check(jwks_uri, Some(&self.networks))?).await
    }
}

impl fmt::Debug for HttpsJwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsJwksSource").field("timeout", &self.timeout).finish_non_exhaustive()
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
