//! What is compared for who has no stored secret.

use std::{
    slice,
    sync::{Arc, OnceLock},
};

use crate::ClientSecret;

/// A secret of the kind that the store keeps, so that the time of an answer does not tell whether a
/// client exists (RFC 6819 §5.1.4.2): the one that was set, or else one like the first that the
/// provider returned. Until then it is a plain one.
#[derive(Clone)]
pub(crate) struct Decoy {
    plain: ClientSecret,
    chosen: Arc<OnceLock<ClientSecret>>,
}

impl Decoy {
    pub(crate) fn set(secret: ClientSecret) -> Self {
        Self { chosen: Arc::new(secret.into()), ..Self::default() }
    }

    /// The stored secrets, which are learned from, or the decoy.
    pub(crate) fn or<'a>(&'a self, stored: Option<&'a [ClientSecret]>) -> &'a [ClientSecret] {
        let chosen = self.chosen.get();
        let Some(stored) = stored else {
            return slice::from_ref(chosen.unwrap_or(&self.plain));
        };
        if chosen.is_none() {
            if let Some(like) = stored.first().and_then(ClientSecret::stand_in) {
                let _chosen = self.chosen.set(like);
            }
        }
        stored
    }
}

impl Default for Decoy {
    fn default() -> Self {
        Self { plain: ClientSecret::plain(ClientSecret::DECOY), chosen: Arc::default() }
    }
}
