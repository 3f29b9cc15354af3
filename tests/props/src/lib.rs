//! Tests of properties. They send their requests with what the tests in `tests/it` send theirs with.
#![cfg(test)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod props;
#[cfg(feature = "jwt")]
mod replay;
#[cfg(feature = "jwt")]
#[path = "../../it/replay_store.rs"]
mod replay_store;
#[path = "../../it/script.rs"]
#[expect(clippy::allow_attributes, reason = "some parts are for other tests")]
#[allow(dead_code)]
mod script;
#[path = "../../it/support.rs"]
#[expect(clippy::allow_attributes, reason = "some parts are for other tests")]
#[allow(dead_code)]
mod support;
