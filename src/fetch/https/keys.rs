//! Key sets from the web.

use std::{fmt, time::Duration};

use reqwest::{Client, ClientBuilder};

use crate::{
    error::BoxError,
    fetch::{
        address::is_public,
        https::{AddressPolicy, Got, Https, Refused, TIMEOUT, Wanted},
        jwks::{FetchedJwks, JwksSource, LONGEST_DOCUMENT},
    },
};

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
    pub(super) https: Https,
    timeout: Duration,
}

impl HttpsJwksSource {
    /// A source with the defaults. Make one and clone it: clones share their bounds.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn new() -> Result<Self, BoxError> {
        Self::with(Client::builder, is_public)
    }

    pub(super) fn with(
        client: impl Fn() -> ClientBuilder,
        policy: AddressPolicy,
    ) -> Result<Self, BoxError> {
        Ok(Self { https: Https::with(client, policy)?, timeout: TIMEOUT })
    }

    /// Also connects to loopback addresses, and trusts these authorities (PEM) beside those of the
    /// system. No bound holds for networks then. Default: neither.
    ///
    /// For development and tests alone: whoever may register a client can make this server ask the programs
    /// that listen on its own machine.
    ///
    /// # Errors
    ///
    /// If there is no certificate in `authorities`, or TLS cannot be set up.
    pub fn dangerously_allow_loopback(self, authorities: &[u8]) -> Result<Self, BoxError> {
        Ok(Self { https: Https::with_loopback(authorities)?, ..self })
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
        self.https.networks.allow(per_minute);
        self
    }

    /// How long a fetch may take, from the resolution of the name to the last byte. Default: 5
    /// seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn get(&self, jwks_uri: &str, proven: bool) -> Result<FetchedJwks, BoxError> {
        let wanted = Wanted {
            accept: "application/json, application/jwk-set+json",
            is_json,
            longest: LONGEST_DOCUMENT,
            timeout: self.timeout,
        };
        match self.https.get(jwks_uri, proven, wanted).await? {
            Got::Document { text, max_age } => Ok(FetchedJwks::new(text, max_age)),
            Got::Status { status: 404 | 410, max_age } => Ok(FetchedJwks::gone(max_age)),
            Got::Status { status, .. } => Err(Refused::Status(status).into()),
        }
    }
}

impl JwksSource for HttpsJwksSource {
    type Error = BoxError;

    async fn fetch(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        self.get(jwks_uri, true).await
    }

    async fn fetch_unproven(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        self.get(jwks_uri, false).await
    }
}

impl fmt::Debug for HttpsJwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsJwksSource").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn is_json(essence: &str) -> bool {
    let types = ["application/json", "application/jwk-set+json"];
    types.iter().any(|json| essence.eq_ignore_ascii_case(json))
}
