//! What a cache remembers of clients and of unknown ids, and for how long.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{Equivalent, sync::Cache};

use crate::{
    client::{ById, RegisteredClient},
    clock::Clock,
    isolate::meter::{Gauge, meter},
};

static CLIENTS: Gauge = meter!("client_auth_cache_entries", "cache" => "clients");
static UNKNOWN: Gauge = meter!("client_auth_cache_entries", "cache" => "unknown_clients");

pub(super) type Known<C> = Cache<ById<C>, Entry<RegisteredClient<C>>>;
/// By issuer and subject, the ids of clients.
pub(super) type Issued = Cache<Box<str>, Entry<Arc<str>>>;
pub(super) type Unknown = Cache<Box<str>, Entry<()>>;

/// What was pushed out of the known, to be dropped outside of all locks.
pub(super) type Replaced<C> = [Option<(ById<C>, Entry<RegisteredClient<C>>)>; 2];

/// What is remembered, and for how long. A clone shares it.
pub(super) struct Memory<C> {
    pub(super) known: Arc<Known<C>>,
    pub(super) unknown: Arc<Unknown>,
    pub(super) issued: Arc<Issued>,
    pub(super) unknown_issued: Arc<Unknown>,
    pub(super) time_to_live: Duration,
    pub(super) unknown_time_to_live: Duration,
    pub(super) stale_if_error: Option<Duration>,
    pub(super) clock: Clock,
}

impl<C> Clone for Memory<C> {
    fn clone(&self) -> Self {
        Self {
            known: Arc::clone(&self.known),
            unknown: Arc::clone(&self.unknown),
            issued: Arc::clone(&self.issued),
            unknown_issued: Arc::clone(&self.unknown_issued),
            clock: self.clock.clone(),
            ..*self
        }
    }
}

pub(super) struct Entry<T> {
    value: T,
    since: Instant,
}

impl<T: Clone> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), since: self.since }
    }
}

impl<C> Memory<C> {
    pub(super) fn now(&self) -> Instant {
        self.clock.instant()
    }

    pub(super) fn remembered(&self, client_id: &str) -> Option<Option<RegisteredClient<C>>> {
        let now = self.now();
        let fresh = |since: Instant, limit| now.saturating_duration_since(since) < limit;
        if let Some(entry) = self.known.get(client_id) {
            if fresh(entry.since, self.time_to_live) {
                return Some(Some(entry.value));
            }
        }
        let unknown = self.unknown.get(client_id)?;
        fresh(unknown.since, self.unknown_time_to_live).then_some(None)
    }

    /// The id of the client that an issuer and a subject stand for.
    pub(super) fn issued(&self, name: &str) -> Option<Option<Arc<str>>> {
        let now = self.now();
        let fresh = |since: Instant, limit| now.saturating_duration_since(since) < limit;
        if let Some(entry) = self.issued.get(name) {
            if fresh(entry.since, self.time_to_live) {
                return Some(Some(entry.value));
            }
        }
        let unknown = self.unknown_issued.get(name)?;
        fresh(unknown.since, self.unknown_time_to_live).then_some(None)
    }

    /// Runs under the lock of the flights; what it drops are ids, which run no code of the application.
    pub(super) fn remember_issued(
        &self,
        name: &str,
        found: Option<&RegisteredClient<C>>,
        since: Instant,
    ) {
        match found {
            Some(client) => {
                self.issued.insert(name.into(), Entry { value: client.client_id().into(), since });
            }
            None => {
                self.issued.remove(name);
                self.unknown_issued.insert(name.into(), Entry { value: (), since });
            }
        }
    }

    /// Runs under the lock of the flights, so it hands back what must not be dropped there.
    pub(super) fn remember(
        &self,
        client_id: &str,
        found: Option<&RegisteredClient<C>>,
        since: Instant,
    ) -> Replaced<C> {
        let mut replaced = [None, None];
        match found {
            Some(client) if client.client_id() == client_id => {
                let entry = Entry { value: client.clone(), since };
                self.known.insert_with_lifecycle(ById(client.clone()), entry, &mut replaced);
            }
            // A store that folds case would let one client fill the space under many ids.
            Some(_) => {}
            None => {
                replaced[0] = self.known.remove(client_id);
                self.unknown.insert(client_id.into(), Entry { value: (), since });
            }
        }
        replaced
    }

    /// Not under the lock of the flights: a recorder may do anything.
    pub(super) fn count(&self) {
        CLIENTS.set(|| self.known.len());
        UNKNOWN.set(|| self.unknown.len());
    }

    /// The client remembered before the provider failed, if that is allowed and not too
    /// long ago.
    pub(super) fn stale(&self, client_id: &str) -> Option<RegisteredClient<C>> {
        self.last(&self.known, client_id)
    }

    /// The id of the client that an issuer and a subject stood for before the provider failed.
    pub(super) fn stale_issued(&self, name: &str) -> Option<Arc<str>> {
        self.last(&self.issued, name)
    }

    fn last<K, V>(&self, cache: &Cache<K, Entry<V>>, key: &str) -> Option<V>
    where
        K: Hash + Eq,
        V: Clone,
        str: Equivalent<K>,
    {
        let oldest = self.time_to_live.saturating_add(self.stale_if_error?);
        let entry = cache.get(key)?;
        (self.now().saturating_duration_since(entry.since) < oldest).then_some(entry.value)
    }
}
