//! Fetches a document, and reads it.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    client::RegisteredClient,
    error::{BoxError, document::DocumentError},
    fetch::{
        documents::Bounds,
        remembered::{
            self, Change, Documents,
            meters::{self, Meters},
        },
        store::StoredDocument,
    },
    iana::{AuthMethod, metadata::ClientMetadata},
    isolate::guard,
    method::{Registration, assertion},
    provider::documents::{Known, read::read, settings::Settings},
};

/// What a client takes in memory beside its document.
const RECORD: usize = 1_024;
/// What the allocator and a list that is not full add to each piece.
const ALLOCATION: usize = 32;

#[derive(Clone)]
pub(super) struct Fetched(pub(super) Arc<Settings>);

impl Fetched {
    /// Judges a document, whether it comes from its origin or from a store.
    pub(super) fn read(
        &self,
        url: &str,
        document: StoredDocument,
    ) -> Result<remembered::Fetched<Self>, DocumentError> {
        let text = document.text();
        if text.len() > self.0.longest {
            return Err(DocumentError::refused("it is too long"));
        }
        let client = read(url, text, &self.0.rules)?;
        let bytes = size_of_client(&client);
        Ok(remembered::Fetched {
            document: Known { client, bytes },
            bytes,
            max_age: document.max_age(),
            note: document,
        })
    }
}

impl Documents for Fetched {
    type Document = Known;
    type Note = StoredDocument;

    const METERS: &'static Meters = &meters::METADATA_DOCUMENTS;
    const PROVEN_BY_ANSWER: bool = true;

    async fn fetch(
        &self,
        url: &str,
        proven: bool,
        _last: Option<&Known>,
    ) -> Result<remembered::Fetched<Self>, BoxError> {
        let settings = &*self.0;
        let Settings { longest, timeout, .. } = *settings;
        let asked = settings.clock.unix_seconds();
        let fetched = settings.source.fetch_dyn(url, proven, Bounds { longest, timeout }).await?;
        let note = StoredDocument::new(fetched.text().clone(), asked, fetched.max_age());
        Ok(self.read(url, note)?)
    }

    /// Not one that has keys: somebody may have them, and that may be why it was withdrawn.
    fn may_wait_for_room(known: &Known) -> bool {
        let metadata = known.client.client();
        metadata.jwks.is_none() || metadata.token_endpoint_auth_method == Some(AuthMethod::None)
    }

    async fn noted(&self, url: &str, change: Change<'_, Self>) {
        let Change { before, now, asked_at } = change;
        let (now, note) = now.unzip();
        if let (Some(observe), Some(before)) = (&self.0.on_change, before) {
            let [old, new] = [Some(before), now].map(|known| known.map(|it| it.client.client()));
            let json = |metadata| serde_json::to_value(metadata).ok();
            if json(old) != json(new) {
                let _told = guard::hook("on_change", || observe(before.client.client(), new));
            }
        }
        if let Some(store) = &self.0.store {
            let note = note.unwrap_or_else(|| StoredDocument::withdrawn(asked_at));
            if let Some(put) = guard::call(|| store.put_dyn(url, note)) {
                // What is not kept is fetched again.
                let _failed = put.await;
            }
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
