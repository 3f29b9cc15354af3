//! Fetches a document, and reads it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    client::RegisteredClient,
    error::{BoxError, document::DocumentError},
    fetch::{
        documents::Bounds,
        remembered::{
            self, Change, Documents, Leaks,
            meters::{self, Meters},
        },
        store::StoredDocument,
    },
    iana::{AuthMethod, metadata::ClientMetadata},
    isolate::guard,
    jose::set::KeySet,
    method::{Registration, assertion},
    provider::documents::{
        Known,
        read::{jwks, read},
        settings::Settings,
    },
};

/// What a client takes in memory beside its document.
const RECORD: usize = 1_024;
/// What the allocator and a list that is not full add to each piece.
const ALLOCATION: usize = 32;

#[derive(Clone)]
pub(super) struct Fetched(pub(super) Arc<Settings>);

impl Fetched {
    /// Judges a document, whether it comes from its origin or from a store, and notes what it leaks.
    pub(super) fn read(
        &self,
        url: &str,
        stored: StoredDocument,
        leaks: &Leaks,
        is_kept: bool,
    ) -> Result<remembered::Fetched<Self>, DocumentError> {
        let text = stored.text();
        if text.len() > self.0.longest {
            return Err(DocumentError::refused("it is too long"));
        }
        let before = leaks.get();
        let (leaked, fault) = match jwks(text) {
            Some(jwks) => KeySet::leaks(jwks.get().as_bytes(), &before),
            None => (before, None),
        };
        leaks.add(&leaked);
        let client = read(url, text, &self.0.rules)?;
        if let Some(fault) = fault {
            return Err(DocumentError::refused(fault));
        }
        let bytes = [text.len(), leaked.size()]
            .iter()
            .fold(size_of_client(&client), |all, more| all.saturating_add(*more));
        let (max_age, stored) = (stored.max_age(), stored.with_leaked(&leaked));
        let document = Known { client, stored, bytes };
        Ok(remembered::Fetched { document, bytes, max_age, note: is_kept })
    }

    /// What is kept. Nothing, if that cannot be told.
    async fn kept(&self, url: &str) -> Option<StoredDocument> {
        let store = self.0.store.as_ref()?;
        guard::call(|| store.get_dyn(url))?.await.ok().flatten()
    }
}

impl Documents for Fetched {
    type Document = Known;
    /// Whether it is kept.
    type Note = bool;

    const METERS: &'static Meters = &meters::METADATA_DOCUMENTS;
    const PROVEN_BY_ANSWER: bool = true;

    async fn fetch(
        &self,
        url: &str,
        proven: bool,
        leaks: &Leaks,
    ) -> Result<remembered::Fetched<Self>, BoxError> {
        let settings = &*self.0;
        let Settings { longest, timeout, .. } = *settings;
        let asked = settings.clock.unix_seconds();
        let fetched = settings.source.fetch_dyn(url, proven, Bounds { longest, timeout }).await?;
        // Another machine may have seen a private key there.
        let kept = self.kept(url).await;
        if let Some(kept) = &kept {
            leaks.add(&kept.leaked());
        }
        // As long as it is counted.
        let text = Bytes::copy_from_slice(fetched.text());
        let stored = StoredDocument::new(text, asked, fetched.max_age(), Bytes::new());
        Ok(self.read(url, stored, leaks, kept.is_some())?)
    }

    /// Not one that has keys: somebody may have them, and that may be why it was withdrawn.
    fn may_wait_for_room(known: &Known) -> bool {
        let metadata = known.client.client();
        metadata.jwks.is_none() || metadata.token_endpoint_auth_method == Some(AuthMethod::None)
    }

    async fn noted(&self, url: &str, change: Change<'_, Self>) {
        let Change { before, now, leaks, asked_at } = change;
        let (now, is_kept) = now.unzip();
        if let (Some(observe), Some(before)) = (&self.0.on_change, before) {
            let [old, new] = [Some(before), now].map(|known| known.map(|it| it.client.client()));
            let json = |metadata| serde_json::to_value(metadata).ok();
            if json(old) != json(new) {
                let _told = guard::hook("on_change", || observe(before.client.client(), new));
            }
        }
        let Some(store) = &self.0.store else { return };
        let stored = match (now, is_kept) {
            (Some(now), Some(true)) => now.stored.clone(),
            // Nobody has said that it is to be kept.
            (Some(_), _) => return,
            (None, _) => {
                let Some(kept) = self.kept(url).await else { return };
                leaks.add(&kept.leaked());
                StoredDocument::withdrawn(asked_at).with_leaked(&leaks.get())
            }
        };
        if let Some(put) = guard::call(|| store.put_dyn(url, stored)) {
            // What is not kept is fetched again.
            let _failed = put.await;
        }
    }

    fn is_withdrawal(error: &BoxError) -> bool {
        matches!(DocumentError::find(&**error), Some(DocumentError::Refused(_)))
    }
}

/// How many bytes of memory the client takes.
fn size_of_client(client: &RegisteredClient<ClientMetadata>) -> usize {
    let keys = match client.registration() {
        Registration::Assertion(assertion::Registration::PrivateKey(keys)) => keys.size(),
        _ => 0,
    };
    // A member that is a field has much the same size there.
    let metadata = serde_json::to_value(client.client()).unwrap_or_default();
    RECORD.saturating_add(keys).saturating_add(size_of_heap(&metadata))
}

fn size_of_heap(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len().saturating_add(ALLOCATION),
        Value::Array(values) => {
            let size = |value| size_of::<Value>().saturating_add(size_of_heap(value));
            values.iter().map(size).fold(ALLOCATION, usize::saturating_add)
        }
        Value::Object(members) => {
            // Nodes of the tree are two thirds full.
            let entry = size_of::<(String, Value)>() * 3 / 2 + ALLOCATION;
            let size = |(name, value): (&String, &Value)| {
                entry.saturating_add(name.len()).saturating_add(size_of_heap(value))
            };
            members.iter().map(size).fold(ALLOCATION, usize::saturating_add)
        }
    }
}
