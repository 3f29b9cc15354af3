//! Without the feature `postgres` there is no database.

use std::time::Duration;

use tower_client_auth::{BoxError, ClientMetadata, RegisteredClient};

pub(crate) enum Database {}

pub(crate) fn check(_url: &str) -> Result<(), BoxError> {
    Err(example_support::needs_feature("`postgres`", "postgres"))
}

impl Database {
    pub(crate) fn open(url: &str, _cache: Duration) -> Result<Self, BoxError> {
        check(url).and(Err("there is no database".into()))
    }

    pub(crate) const fn follow(&self) {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "with the feature it waits")]
    pub(crate) async fn find(
        &self,
        _client_id: &str,
    ) -> Result<Option<RegisteredClient<ClientMetadata>>, BoxError> {
        match *self {}
    }
}
