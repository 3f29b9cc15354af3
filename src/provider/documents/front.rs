//! The documents that are in use, found without a lock that all cores take.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync::Cache};

use crate::{
    client::{ById, RegisteredClient},
    iana::metadata::ClientMetadata,
    provider::documents::Known,
};

/// How long a client is found here before it is looked for where its age is known, and its use is noted.
const SECOND: Duration = Duration::from_secs(1);

/// Those that were found a moment ago.
#[derive(Clone)]
pub(super) struct Front(Arc<Cache<ById<ClientMetadata>, Entry, Bytes>>);

#[derive(Clone)]
struct Entry {
    client: RegisteredClient<ClientMetadata>,
    bytes: usize,
    since: Instant,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<ById<ClientMetadata>, Entry> for Bytes {
    fn weight(&self, _id: &ById<ClientMetadata>, entry: &Entry) -> u64 {
        entry.bytes.max(1) as u64
    }
}

impl Front {
    pub(super) fn new(documents: usize, bytes: usize) -> Self {
        Self(Arc::new(Cache::with_weighter(documents, bytes as u64, Bytes)))
    }

    pub(super) fn get(
        &self,
        client_id: &str,
        now: Instant,
    ) -> Option<RegisteredClient<ClientMetadata>> {
        let entry = self.0.get(client_id)?;
        (now.saturating_duration_since(entry.since) < SECOND).then_some(entry.client)
    }

    pub(super) fn put(&self, known: &Known, since: Instant) {
        let client = known.client.clone();
        let entry = Entry { client: client.clone(), bytes: known.bytes, since };
        self.0.insert(ById(client), entry);
    }

    pub(super) fn remove(&self, client_id: &str) {
        self.0.remove(client_id);
    }
}
