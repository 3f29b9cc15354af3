//! The settings of documents.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    error::{BoxError, config::ConfigError},
    fetch::{
        budget::PerHost,
        documents::{DocumentSource, DynDocumentSource},
        https::{HttpsDocuments, TIMEOUT},
        remembered::Capacity,
        store::DynDocumentStore,
    },
    iana::{AuthMethod, metadata::ClientMetadata},
    provider::documents::{
        MetadataDocuments,
        read::{Accepted, Rules},
    },
};

const LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);
const STALE_IF_ERROR: Duration = Duration::from_secs(24 * 60 * 60);
const CAPACITY: Capacity = Capacity { addresses: 1_000, bytes: 6 * 1024 * 1024 };
const MAX_FETCHES: usize = 16;
const PER_HOST: PerHost = PerHost { at_a_time: 4, per_minute: 30 };
/// The application has chosen it: a stranger must not use up what its clients need.
const PER_CHOSEN_HOST: PerHost = PerHost { at_a_time: 4, per_minute: 600 };
/// draft-ietf-oauth-client-id-metadata-document-02 §8.7.
const LONGEST: usize = 5 * 1024;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) hosts: Hosts,
    pub(super) allow: Option<Arc<Allow>>,
    pub(super) rules: Rules,
    pub(super) source: Arc<dyn DynDocumentSource>,
    pub(super) store: Option<Arc<dyn DynDocumentStore>>,
    pub(super) on_change: Option<Arc<OnChange>>,
    pub(super) longest: usize,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    pub(super) lifetime: RangeInclusive<Duration>,
    pub(super) stale_if_error: Duration,
    pub(super) capacity: Capacity,
    pub(super) max_fetches: usize,
    pub(super) per_host: PerHost,
    pub(super) trusted: Arc<[Arc<str>]>,
}

#[derive(Clone, Debug)]
pub(super) enum Hosts {
    These(BTreeSet<Box<str>>),
    Any,
}

type Allow = dyn Fn(&str) -> bool + Send + Sync;
type OnChange = dyn Fn(&ClientMetadata, Option<&ClientMetadata>) + Send + Sync;

impl MetadataDocuments {
    /// The documents of these hosts, with and without a port. Subdomains count as hosts of their own.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn from_hosts<T: Into<String>>(
        hosts: impl IntoIterator<Item = T>,
    ) -> Result<Self, BoxError> {
        let hosts = hosts.into_iter().map(|host| host.into().to_ascii_lowercase().into());
        Self::from(Hosts::These(hosts.collect()))
    }

    /// The documents of all hosts. Anybody can make this server fetch a document then, within the
    /// [bounds](Self), and be its client: show users the host of the client before they consent.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn from_any_host() -> Result<Self, BoxError> {
        Self::from(Hosts::Any)
    }

    fn from(hosts: Hosts) -> Result<Self, BoxError> {
        let per_host = match hosts {
            Hosts::These(_) => PER_CHOSEN_HOST,
            Hosts::Any => PER_HOST,
        };
        let settings = Settings {
            hosts,
            allow: None,
            rules: Rules {
                accepted: Accepted { none: true, private_key_jwt: true },
                jwks_hosts: BTreeSet::new(),
                mcp: false,
            },
            source: Arc::new(HttpsDocuments::new()?),
            store: None,
            on_change: None,
            longest: LONGEST,
            timeout: TIMEOUT,
            clock: Clock::system(),
            lifetime: LIFETIME,
            stale_if_error: STALE_IF_ERROR,
            capacity: CAPACITY,
            max_fetches: MAX_FETCHES,
            per_host,
            trusted: Arc::default(),
        };
        Ok(Self::with(settings))
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Arc::unwrap_or_clone(self.settings);
        change(&mut settings);
        Self { known_only: self.known_only, ..Self::with(settings) }
    }
}

/// # Clients
impl MetadataDocuments {
    /// Which methods are accepted, for all endpoints: `none`, `private_key_jwt` or both. Default: both.
    ///
    /// The layer must accept them, too, and for `private_key_jwt` it needs `assertions`; with a `jwks_source` for
    /// clients that publish their keys apart from their document. Where it does not, the source of the error in
    /// [`Outcome::error`](crate::Outcome::error) and in the log says what to set.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnsupportedMethod`] for any other method, [`ConfigError::NoMethods`] if there is none.
    pub fn auth_methods(
        self,
        methods: impl IntoIterator<Item = AuthMethod>,
    ) -> Result<Self, ConfigError> {
        let mut accepted = Accepted { none: false, private_key_jwt: false };
        for method in methods {
            match method {
                AuthMethod::None => accepted.none = true,
                AuthMethod::PrivateKeyJwt => accepted.private_key_jwt = true,
                other => return Err(ConfigError::UnsupportedMethod(other)),
            }
        }
        if !accepted.none && !accepted.private_key_jwt {
            return Err(ConfigError::NoMethods);
        }
        Ok(self.set(|settings| settings.rules.accepted = accepted))
    }

    /// Asks this of every use of a URL, also of a known one, before anything is fetched. One that panics counts
    /// as no. Default: the hosts decide.
    #[must_use]
    pub fn allow(self, allow: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.allow = Some(Arc::new(allow)))
    }

    /// Where a `jwks_uri` may lead beside the host of its client. Default: nowhere.
    #[must_use]
    pub fn jwks_hosts<T: Into<String>>(self, hosts: impl IntoIterator<Item = T>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.into().to_ascii_lowercase().into()).collect();
        self.set(|settings| settings.rules.jwks_hosts = hosts)
    }

    /// Asks for `client_name` and `redirect_uris`, as MCP does. Default: the name is optional, and so are
    /// redirects of clients whose grants need none.
    #[must_use]
    pub fn mcp(self) -> Self {
        self.set(|settings| settings.rules.mcp = true)
    }

    /// Calls this with the old and the new metadata of a client when its document has changed, and with the old
    /// alone when it was [withdrawn](Self#what-is-refused). It is called in the task of the fetch and must not
    /// block. A panic in it changes no answer, and is logged with the feature `tracing`.
    ///
    /// The program may ask users again, or end what was granted. One `client_id` is that of all installations of
    /// a client: not all that was granted to it is of one user. Each machine tells what it remembered itself or
    /// read from the [store](Self::store): one change may be told by several, and of what was forgotten none is.
    #[must_use]
    pub fn on_change(
        self,
        observe: impl Fn(&ClientMetadata, Option<&ClientMetadata>) + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_change = Some(Arc::new(observe)))
    }

    /// Counts these URLs as known from the start, so that strangers cannot take their places. Default: none.
    #[must_use]
    pub fn trusted<T: Into<Arc<str>>>(self, client_ids: impl IntoIterator<Item = T>) -> Self {
        self.set(|settings| settings.trusted = client_ids.into_iter().map(Into::into).collect())
    }
}

/// # Fetches
impl MetadataDocuments {
    /// How long a document is used at least and at most, whatever its origin says. One whose origin says nothing is
    /// used for the shorter time. Default: a minute to 24 hours.
    #[must_use]
    pub fn lifetime(self, lifetime: RangeInclusive<Duration>) -> Self {
        self.set(|settings| settings.lifetime = lifetime)
    }

    /// Goes on with the last document while it cannot be had, for this long after its
    /// [lifetime](Self::lifetime). Default: a day.
    #[must_use]
    pub fn stale_if_error(self, stale_if_error: Duration) -> Self {
        self.set(|settings| settings.stale_if_error = stale_if_error)
    }

    /// How many documents are remembered, and as many URLs that failed. Default: 1,000, in at most 6 MiB of memory,
    /// and as much again for those in use.
    #[must_use]
    pub fn capacity(self, documents: usize) -> Self {
        self.set(|settings| settings.capacity.addresses = documents)
    }

    /// How long a document may be, in bytes. Default: 5 KiB.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        self.set(|settings| settings.longest = bytes)
    }

    /// How long a fetch may take, from the resolution of the name to the last byte. Default: 5 seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// How many fetches may be in flight at a time, of clients that are not known; as many of known ones, and as
    /// many of [trusted](Self::trusted) ones. Default: 16.
    #[must_use]
    pub fn max_fetches(self, fetches: usize) -> Self {
        self.set(|settings| settings.max_fetches = fetches)
    }

    /// How many fetches from one host may be in flight at a time, and how many of clients that are not known may
    /// begin within a minute. Default: 4 and 30, with [`from_hosts`](Self::from_hosts) 4 and 600.
    #[must_use]
    pub fn max_per_host(self, at_a_time: usize, unknown_per_minute: u32) -> Self {
        let per_host = PerHost { at_a_time, per_minute: unknown_per_minute };
        self.set(|settings| settings.per_host = per_host)
    }

    /// How many fetches a minute may lead to one network (/24 of IPv4, /48 of IPv6) for clients that are not known; it
    /// holds for all clones, and not for another [`source`](Self::source). Default: 60.
    ///
    /// Many hosts may be in one network of a provider, and strangers can make up more of them.
    #[must_use]
    pub fn max_per_network(self, unknown_per_minute: u32) -> Self {
        self.settings.source.max_per_network(unknown_per_minute);
        self
    }

    /// Also connects to loopback addresses, and trusts these authorities (PEM) beside those of the system. No bound
    /// holds for networks then. Default: neither.
    ///
    /// For development and tests alone: anybody can make this server ask the programs that listen on its own
    /// machine. [`HttpsJwksSource`](crate::assertion::HttpsJwksSource::dangerously_allow_loopback) has the same
    /// setting, for keys.
    ///
    /// # Errors
    ///
    /// If there is no certificate in `authorities`, or TLS cannot be set up.
    pub fn dangerously_allow_loopback(self, authorities: &[u8]) -> Result<Self, BoxError> {
        let source = Arc::new(HttpsDocuments::with_loopback(authorities)?);
        Ok(self.set(|settings| settings.source = source))
    }

    /// Fetches the documents by this. Default: over HTTPS, from public addresses.
    #[must_use]
    pub fn source(self, source: impl DocumentSource) -> Self {
        self.set(|settings| settings.source = Arc::new(source))
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|settings| settings.clock = clock)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hosts", &self.hosts)
            .field("rules", &self.rules)
            .field("lifetime", &self.lifetime)
            .field("stale_if_error", &self.stale_if_error)
            .finish_non_exhaustive()
    }
}
