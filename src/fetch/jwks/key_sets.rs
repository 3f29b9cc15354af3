//! Fetches a key set, and reads it.

use std::sync::Arc;

use crate::{
    error::BoxError,
    fetch::{
        jwks::{LONGEST_DOCUMENT, source::DynJwksSource},
        remembered::{
            Documents, Fetched, Leaks,
            meters::{self, Meters},
        },
    },
    isolate::guard,
    jose::{invalid::OmittedKey, set::KeySet},
};

#[derive(Clone)]
pub(super) struct KeySets {
    pub(super) source: Arc<dyn DynJwksSource>,
    pub(super) on_omitted_keys: Option<Arc<OnOmittedKeys>>,
}

pub(super) type OnOmittedKeys = dyn Fn(&str, &[OmittedKey]) + Send + Sync;

impl Documents for KeySets {
    type Document = KeySet;
    type Note = ();
    const METERS: &'static Meters = &meters::JWKS;

    /// Here alone is said what is an answer, and what is an outage.
    async fn fetch(
        &self,
        url: &str,
        proven: bool,
        leaks: &Leaks,
    ) -> Result<Fetched<Self>, BoxError> {
        let fetched = self.source.fetch_dyn(url, proven).await?;
        if fetched.document().len() > LONGEST_DOCUMENT {
            return Err("the key set is longer than 64 KiB".into());
        }
        let document = KeySet::published(fetched.document(), &leaks.get())?;
        leaks.add(document.leaked());
        if let (Some(observe), omitted @ [_, ..]) = (&self.on_omitted_keys, document.omitted()) {
            let _told = guard::hook("on_omitted_keys", || observe(url, omitted));
        }
        let (bytes, max_age) = (document.size(), fetched.max_age());
        Ok(Fetched { document, bytes, max_age, note: () })
    }
}
