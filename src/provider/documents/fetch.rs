//! Fetches a document, and reads it.

use std::sync::Arc;

use crate::{
    error::{BoxError, document::DocumentError},
    fetch::{
        documents::Bounds,
        remembered::{self, Documents},
        store::StoredDocument,
    },
    isolate::guard,
    provider::documents::{Known, read::read, settings::Settings},
};

/// What a client takes in memory beside its document.
const RECORD: usize = 1_024;
/// How much more a document takes when it is read.
const GROWTH: usize = 8;

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
        let bytes = RECORD.saturating_add(text.len().saturating_mul(GROWTH));
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

    const PROVEN_BY_ANSWER: bool = true;

    async fn fetch(
        &self,
        url: &str,
        proven: bool,
        last: Option<&Known>,
    ) -> Result<remembered::Fetched<Self>, BoxError> {
        let settings = &*self.0;
        let Settings { longest, timeout, .. } = *settings;
        let asked = settings.clock.unix_seconds();
        let fetched = settings.source.fetch_dyn(url, proven, Bounds { longest, timeout }).await?;
        let note = StoredDocument::new(fetched.text().clone(), asked, fetched.max_age());
        let read = self.read(url, note)?;
        if let (Some(observe), Some(last)) = (&settings.on_change, last) {
            let [old, new] = [&last.client, &read.document.client].map(|client| client.client());
            if serde_json::to_value(old).ok() != serde_json::to_value(new).ok() {
                let _told = guard::hook("on_change", || observe(old, new));
            }
        }
        Ok(read)
    }

    async fn keep(&self, url: &str, note: StoredDocument) {
        if let Some(store) = &self.0.store {
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
