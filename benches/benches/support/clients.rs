//! Made-up clients, and one store for each of the programs.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    convert::Infallible,
    future::{Future, Ready, ready},
    hash::BuildHasherDefault,
    sync::Arc,
};

#[cfg(feature = "cache")]
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[cfg(feature = "mtls")]
use super::certificates;
#[cfg(feature = "mtls")]
use tower_client_auth::mutual_tls::CertificateSubject;
#[cfg(feature = "cache")]
use tower_client_auth::provider::CachedProvider;
#[cfg(feature = "documents")]
use tower_client_auth::{
    ClientMetadata,
    metadata_documents::{DocumentSource, FetchedDocument, MetadataDocuments},
};
use tower_client_auth::{ClientProvider, ClientSecret, RegisteredClient, provider::MemoryProvider};

/// Keys that do not change from run to run, so that the same client is found with the same work.
pub(crate) type FixedHasher = BuildHasherDefault<DefaultHasher>;

pub(crate) type Store<C> = HashMap<Box<str>, C, FixedHasher>;

/// How a client is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Basic,
    Post,
    None,
}

/// The client number `n`: an id like a UUID of 36 bytes and a secret of 43, as 32 random bytes in
/// base64url have.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) method: Method,
    /// In seconds since the Unix epoch; 0 is never.
    pub(crate) expires_at: i64,
}

impl Client {
    /// Every fourth client has the same method. Client 3 is the one whose secret has expired.
    pub(crate) fn new(n: u64) -> Self {
        let method = match n % 4 {
            1 => Method::Post,
            2 => Method::None,
            _ => Method::Basic,
        };
        let (a, b) = (mix(2 * n), mix(2 * n + 1));
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a & 0xffff,
            a >> 16 & 0xfff,
            b & 0xfff,
            b >> 16
        );
        let mut bits = n;
        let mut secret = String::with_capacity(43);
        while secret.len() < 43 {
            bits = mix(bits);
            let symbol = u8::try_from(bits % 62).unwrap_or_default();
            secret.push(char::from(match symbol {
                0..=9 => b'0' + symbol,
                10..=35 => b'a' + symbol - 10,
                _ => b'A' + symbol - 36,
            }));
        }
        let expires_at = if n == 3 { 1 } else { 0 };
        Self { id, secret, method, expires_at }
    }
}

/// SplitMix64.
pub(crate) const fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As many clients, of all methods.
pub(crate) fn mixed(count: u64) -> impl Iterator<Item = Client> {
    (0..count).map(Client::new)
}

/// As many clients that use Basic: those that [`Case::Basic`](super::work::Case) has requests of, for
/// a store of four times as many.
pub(crate) fn basic(count: u64) -> impl Iterator<Item = Client> {
    (0..count).map(|n| Client::new(4 * n))
}

/// Thousands of chunks freed inside a measured call would be counted there: a store lives
/// to the end.
fn leak<C>(
    clients: impl Iterator<Item = Client>,
    client: impl Fn(Client) -> C,
) -> &'static Store<C> {
    let store = clients.map(|made| (made.id.clone().into_boxed_str(), client(made)));
    Box::leak(Box::new(store.collect()))
}

/// The store of the floor: a client is a handle.
pub(crate) fn handles(clients: impl Iterator<Item = Client>) -> &'static Store<Arc<Client>> {
    leak(clients, Arc::new)
}

/// The store of the hand-written middleware.
pub(crate) fn records(count: u64) -> &'static Store<Client> {
    leak(mixed(count), |client| client)
}

fn registered(client: Client, at_rest: fn(String) -> ClientSecret) -> RegisteredClient<()> {
    let secret = [at_rest(client.secret).expires_at(client.expires_at)];
    match client.method {
        Method::Basic => RegisteredClient::secret_basic(client.id, secret, ()),
        Method::Post => RegisteredClient::secret_post(client.id, secret, ()),
        Method::None => RegisteredClient::public(client.id, ()),
    }
}

/// The store of the crate, in which clients can be replaced while requests are served.
pub(crate) fn memory(clients: impl Iterator<Item = Client>) -> MemoryProvider<()> {
    let memory = MemoryProvider::new();
    clients.for_each(|client| drop(memory.insert(registered(client, ClientSecret::plain))));
    memory
}

/// As many clients as [`CachedProvider`] has room for, all of which it has looked up.
#[cfg(feature = "cache")]
pub(crate) fn cached(
    count: u64,
    clients: impl Iterator<Item = Client>,
) -> CachedProvider<Arc<Handover>> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let handover = Arc::new(Handover(Mutex::default()));
    // Some of its parts get more than others.
    let room = usize::try_from(count + count / 4 + 1_000).unwrap_or(usize::MAX);
    let cached = CachedProvider::new(Arc::clone(&handover))
        .capacity(room)
        .time_to_live(DAY)
        .unknown_time_to_live(DAY);
    for client in clients {
        let id = client.id.clone();
        handover.put(Some(registered(client, ClientSecret::plain)));
        let found = super::drive::now(cached.find_client(&id));
        assert!(matches!(found, Ok(Some(_))), "{id} was not looked up");
    }
    cached
}

/// A store that has one client at a time, and no longer once it was looked up: what is remembered is
/// the only record, as it is with a database.
#[cfg(feature = "cache")]
pub(crate) struct Handover(Mutex<Option<RegisteredClient<()>>>);

#[cfg(feature = "cache")]
impl Handover {
    fn put(&self, client: Option<RegisteredClient<()>>) -> Option<RegisteredClient<()>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), client)
    }
}

#[cfg(feature = "cache")]
impl ClientProvider for Handover {
    type Client = ();
    type Error = Infallible;

    async fn find_client(&self, _: &str) -> Result<Option<RegisteredClient<()>>, Infallible> {
        Ok(self.put(None))
    }
}

/// The provider of the layer, over the same kind of map.
#[derive(Clone, Copy)]
pub(crate) struct Provider(&'static Store<RegisteredClient<()>>);

impl Provider {
    pub(crate) fn new(count: u64, at_rest: fn(String) -> ClientSecret) -> Self {
        Self(leak(mixed(count), |client| registered(client, at_rest)))
    }
}

#[cfg(feature = "mtls")]
impl Provider {
    pub(crate) fn with_subject(count: u64, subject: Option<CertificateSubject>) -> Self {
        Self(leak(mixed(count), |client| match &subject {
            Some(subject) => RegisteredClient::tls_client_auth(client.id, subject.clone(), ()),
            None => RegisteredClient::unusable(client.id, ()),
        }))
    }

    pub(crate) fn self_signed(count: u64) -> Self {
        let certificates = certificates::registered();
        Self(leak(mixed(count), |client| {
            RegisteredClient::self_signed_tls_client_auth(client.id, certificates.clone(), ())
        }))
    }
}

impl ClientProvider for Provider {
    type Client = ();
    type Error = Infallible;

    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<()>>, Infallible>> + Send {
        let found: Ready<_> = ready(Ok(self.0.get(client_id).cloned()));
        found
    }
}

/// The public client whose id is this URL.
#[cfg(feature = "documents")]
pub(crate) fn at(url: &str) -> Option<RegisteredClient<ClientMetadata>> {
    let is_url = url.starts_with("https://");
    is_url.then(|| RegisteredClient::public(url, ClientMetadata::new(url)))
}

/// A document at every URL of a host.
#[cfg(feature = "documents")]
pub(crate) fn documents() -> MetadataDocuments {
    match MetadataDocuments::from_hosts(["client.example"]) {
        Ok(documents) => documents.source(Published),
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(1)
        }
    }
}

#[cfg(feature = "documents")]
struct Published;

#[cfg(feature = "documents")]
impl DocumentSource for Published {
    type Error = Infallible;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, Infallible> {
        let text = format!(r#"{{"client_id": "{url}", "redirect_uris": ["{url}"]}}"#);
        Ok(FetchedDocument::new(text.into(), None))
    }
}
