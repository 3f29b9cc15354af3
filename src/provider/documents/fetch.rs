//! Fetches a document, and reads it.

use std::sync::Arc;

use crate::{
    error::{BoxError, document::DocumentError},
    fetch::{
        documents::Bounds,
        remembered::{self, Documents},
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

impl Documents for Fetched {
    type Document = Known;

    const PROVEN_BY_ANSWER: bool = true;

    async fn fetch(
        &self,
        url: &str,
        proven: bool,
        last: Option<&Known>,
    ) -> Result<remembered::Fetched<Known>, BoxError> {
        let settings = &*self.0;
        let Settings { longest, timeout, .. } = *settings;
        let fetched = settings.source.fetch_dyn(url, proven, Bounds { longest, timeout }).await?;
        let text = fetched.text();
        if text.len() > longest {
            return Err(DocumentError::refused("it is too long").into());
        }
        let client = read(url, text, &settings.rules)?;
        let bytes = RECORD.saturating_add(text.len().saturating_mul(GROWTH));
        if let (Some(observe), Some(last)) = (&settings.on_change, last) {
            let [old, new] = [&last.client, &client].map(|client| client.client());
            if serde_json::to_value(old).ok() != serde_json::to_value(new).ok() {
                let _told = guard::hook("on_change", || observe(old, new));
            }
        }
        let document = Known { client, bytes };
        Ok(remembered::Fetched { document, bytes, max_age: fetched.max_age() })
    }

    fn is_withdrawal(error: &BoxError) -> bool {
        matches!(DocumentError::find(&**error), Some(DocumentError::Refused(_)))
    }
}
