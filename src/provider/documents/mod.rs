//! Clients whose id is the URL of their metadata.

pub(crate) mod api;
mod fault;
mod fetch;
mod front;
mod kept;
mod read;
mod settings;
mod url;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    client::RegisteredClient,
    error::document::DocumentError,
    fetch::{
        remembered::{self, Leaks, Remembered},
        store::StoredDocument,
    },
    iana::metadata::ClientMetadata,
    isolate::{
        guard,
        single_flight::{DEADLINE, SharedError, SingleFlight},
    },
    method::Registration,
    provider::documents::{
        fetch::Fetched,
        front::Front,
        settings::{Hosts, Settings},
    },
};

/// Clients whose id is the `https` URL of their metadata
/// (draft-ietf-oauth-client-id-metadata-document, read in its version 02), as MCP clients have it.
///
/// One handle serves the layers, by [`ClientAuthLayer::metadata_documents`](crate::ClientAuthLayer::metadata_documents),
/// and the authorization endpoint, by [`resolve`](Self::resolve). Clones share what is known; a setting makes
/// another one, which knows nothing yet, so all settings come first.
///
/// # Which clients
///
/// Anybody can publish a document, and this server fetches it. [`from_hosts`](Self::from_hosts) takes those of
/// some hosts, and is what to begin with; [`from_any_host`](Self::from_any_host) takes all.
///
/// An id that is registered wins, also if it is a URL, and no document is fetched for it.
///
/// # Which method
///
/// A document cannot hold a secret, so its client uses `none` or `private_key_jwt`. Which of them are accepted
/// is told [here](Self::auth_methods), once, and not by the layers: each client has one method, and what it is
/// must not depend on the endpoint. A layer that accepts less refuses.
///
/// - `token_endpoint_auth_method` decides if it is accepted. An absent one means `none`.
/// - If it is not accepted or absent, and there is a list (`token_endpoint_auth_methods_supported` of OpenID
///   Connect RP Metadata Choices), it is the strongest of the list that is accepted. That is a choice: a client
///   that publishes keys and finds its method announced is expected to use them. Where `private_key_jwt` is not
///   accepted, such a client is a public one.
/// - What was chosen is asked of every request, and is the `token_endpoint_auth_method` that handlers see. With no
///   method in common the client never authenticates.
///
/// Its keys are in its `jwks`, or at a `jwks_uri` on the host of the client or on one of the
/// [`jwks_hosts`](Self::jwks_hosts). The layer fetches those by its `Assertions::jwks_source`.
///
/// # What is refused
///
/// | what the server of the document answers | of a client that is not known | of a known one |
/// |---|---|---|
/// | 200, with a document | the client is known | the document is replaced |
/// | 200, with something else; 404; 410 | 401 | the document is withdrawn: 401 |
/// | 429, 500 and above | 503 | the last document, for [a day](Self::stale_if_error) |
/// | any other status, such as 301 or 403 | 401 | the last document, for a day |
/// | nothing, or not from a public address | 503 | the last document, for a day |
///
/// Something else is a media type other than `application/json` and `application/…+json`, more than 5 KiB, JSON with
/// a name twice, a `client_id` other than the URL, secrets and their methods, private and symmetric keys, and a
/// document without `redirect_uris` unless its grants need none. A key whose private one was in the document is refused
/// also when that has been taken out: who has read it is the client, which needs another key. No redirect is followed.
/// The 401 are of [`ErrorKind::MetadataDocument`](crate::ErrorKind::MetadataDocument), the 503 of
/// [`ErrorKind::MetadataUnreachable`](crate::ErrorKind::MetadataUnreachable).
///
/// # Bounds
///
/// | what | how much | beyond |
/// |---|---|---|
/// | fetches at a time, of clients that are not known | 16 | 503 |
/// | fetches at a time, of known ones | 16 of their own | the last document, as in an outage |
/// | fetches at a time, of [trusted](Self::trusted) ones | 16 of their own | the last document, as in an outage |
/// | of [one host](Self::max_per_host), not known | 4 at a time, 30 a minute, with `from_hosts` 600 | 429 |
/// | of [one network](Self::max_per_network) (/24, /48), not known | 60 a minute | 429 |
/// | pause after a failure, for each URL | 5 seconds, doubled up to a minute | the same answer |
/// | known documents | 1,000; with `from_any_host` 16 of a host | the one unused longest |
/// | URLs that failed | 1,000, in a space of their own | the one unused longest |
///
/// The last document stays in use for [a day](Self::stale_if_error) after its lifetime also if it cannot be fetched
/// again for want of room here, which strangers can cause; but one that has the keys of its client (`jwks`) does not,
/// because one of them may have been withdrawn: its requests are answered 503 then, unless it is trusted.
///
/// Who has a domain has as many hosts as they like. So what bounds a domain is its networks: fetches of the first
/// 10,000 hosts and of the first 10,000 networks in a minute are counted; for hosts beyond, the bounds of networks and of
/// fetches at a time are left, and networks beyond are answered 429. Documents that are pushed out are fetched
/// again, or come from the [store](Self::store).
///
/// A document is fetched again in the second half of its lifetime, and no request waits for that. Requests for one
/// URL wait for one fetch together, which goes on when they are gone.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, metadata_documents::MetadataDocuments,
///     provider::MemoryProvider,
/// };
///
/// # fn main() -> Result<(), tower_client_auth::BoxError> {
/// let documents = MetadataDocuments::from_hosts(["claude.ai", "chatgpt.com", "vscode.dev"])?;
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
///     .metadata_documents(documents.clone());
/// assert!(layer.client_id_metadata_document_supported());
/// // At the authorization endpoint: documents.resolve(client_id).await
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MetadataDocuments {
    settings: Arc<Settings>,
    front: Front,
    remembered: Remembered<Fetched>,
    /// Looks into the store.
    recalls: SingleFlight<Recalled>,
    known_only: bool,
}

/// Whether the store had a document.
type Recalled = Result<bool, SharedError>;

/// How many look-ups in the store may be in flight.
const RECALLS: usize = 64;
/// Anybody can have a host with as many documents as they like.
const MOST_OF_A_HOST: usize = 16;

/// A client that a document identifies.
pub(super) struct Known {
    client: RegisteredClient<ClientMetadata>,
    /// As it is kept, if it is to be.
    stored: StoredDocument,
    bytes: usize,
}

impl MetadataDocuments {
    fn with(settings: Settings) -> Self {
        let Settings { capacity, per_host, stale_if_error, .. } = settings;
        let remembered = remembered::Settings {
            lifetime: settings.lifetime.clone(),
            interval: Duration::ZERO,
            stale_if_error,
            capacity,
            most_of_a_host: match settings.hosts {
                Hosts::These(_) => usize::MAX,
                Hosts::Any => MOST_OF_A_HOST,
            },
            per_host,
            clock: settings.clock.clone(),
        };
        let settings = Arc::new(settings);
        let fetched = Fetched(Arc::clone(&settings));
        let mut remembered = Remembered::new(fetched, remembered, settings.max_fetches);
        remembered.trusted = Arc::new(settings.trusted.iter().cloned().collect());
        let front = Front::new(capacity.addresses, capacity.bytes);
        let recalls = SingleFlight::new(RECALLS, DEADLINE);
        Self { settings, front, remembered, recalls, known_only: false }
    }

    /// The client whose id this URL is, for the authorization endpoint. Ask the store of registered clients
    /// first.
    ///
    /// Check the redirect with [`ClientMetadata::allows_redirect`].
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if there is none, it cannot authenticate here, or it could not be looked up.
    pub async fn resolve(
        &self,
        client_id: &str,
    ) -> Result<RegisteredClient<ClientMetadata>, DocumentError> {
        let client = self.find(client_id).await?;
        match client.registration() {
            Registration::Unusable(problem) => Err(DocumentError::refused(problem.to_string())),
            _ => Ok(client),
        }
    }

    pub(super) async fn find(
        &self,
        client_id: &str,
    ) -> Result<RegisteredClient<ClientMetadata>, DocumentError> {
        if !url::may_be_one(client_id) {
            return Err(DocumentError::NotAnId);
        }
        let now = self.settings.clock.instant();
        match self.front.get(client_id, now) {
            Some(client) if self.allows(client_id) => Ok(client),
            Some(_) => Err(DocumentError::NotAllowed),
            // Boxed, so that the future of a hit stays small.
            None => Box::pin(self.look_for(client_id)).await,
        }
    }

    /// A predicate that panics has allowed nothing.
    fn allows(&self, client_id: &str) -> bool {
        let allow = self.settings.allow.as_ref();
        allow.is_none_or(|allow| guard::hook("allow", || allow(client_id)).unwrap_or_default())
    }

    async fn look_for(
        &self,
        client_id: &str,
    ) -> Result<RegisteredClient<ClientMetadata>, DocumentError> {
        let now = self.settings.clock.instant();
        let known = self.known(client_id).await;
        match &known {
            Ok(known) => self.front.put(known, now),
            Err(_) => self.front.remove(client_id),
        }
        Ok(known?.client.clone())
    }

    async fn known(&self, client_id: &str) -> Result<Arc<Known>, DocumentError> {
        let host = url::host_of(client_id).ok_or(DocumentError::NotAnId)?;
        let may = match &self.settings.hosts {
            Hosts::These(hosts) => hosts.contains(host),
            Hosts::Any => true,
        };
        if !may || !self.allows(client_id) {
            return Err(DocumentError::NotAllowed);
        }
        if self.settings.store.is_some() && self.remembered.lacks(client_id) {
            let recalled = self.recall(client_id).await;
            if self.known_only && !self.remembered.trusted.contains(client_id) {
                match recalled {
                    Ok(true) => {}
                    Ok(false) => return Err(DocumentError::NotAllowed),
                    Err(error) => return Err(error_of_store(&error)),
                }
            }
        }
        self.remembered.get(client_id, |_| true).await.map_err(|error| error_of(&error))
    }
}

impl MetadataDocuments {
    /// Looks for a document in the store.
    ///
    /// # Errors
    ///
    /// If the store could not be asked.
    async fn recall(&self, client_id: &str) -> Recalled {
        let recalled = self.recalls.run(client_id, |flight| {
            let (remembered, url) = (self.remembered.clone(), Arc::clone(&flight.key));
            async move {
                let Some(store) = &remembered.documents.0.store else { return (Ok(false), None) };
                let stored = match store.get_dyn(&url).await {
                    Ok(stored) => stored,
                    Err(error) => return (Err(SharedError::new(error)), None::<fn()>),
                };
                let now = remembered.settings.clock.unix_seconds();
                // What is no document is as if it were not there, and so is one that was withdrawn.
                let found = stored.filter(|stored| !stored.is_withdrawn()).and_then(|stored| {
                    let age = u64::try_from(now.saturating_sub(stored.fetched_at())).unwrap_or(0);
                    let (leaked, leaks) = (stored.leaked(), Leaks::default());
                    leaks.add(&leaked);
                    let read = remembered.documents.read(&url, stored, &leaks, true).ok()?;
                    remembered.recall(&url, read, &leaked, Duration::from_secs(age));
                    Some(())
                });
                (Ok(found.is_some()), None)
            }
        });
        recalled.await.unwrap_or_else(|error| Err(SharedError::new(error)))
    }
}

fn error_of(error: &SharedError) -> DocumentError {
    DocumentError::of(error.get_ref(), || error.clone().into())
}

fn error_of_store(error: &SharedError) -> DocumentError {
    DocumentError::of_store(error.get_ref(), || error.clone().into())
}

impl fmt::Debug for MetadataDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataDocuments")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
