//! A store of used assertions in memory, its clock, and what it answers.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tower_client_auth::{
    Clock,
    replay::{MemoryReplayStore, ReplayStore, ReplayStoreFull},
};

/// The memory store is always ready.
pub(crate) fn claim(
    store: &MemoryReplayStore,
    client_id: &str,
    jti: &str,
    until: i64,
) -> Result<bool, ReplayStoreFull> {
    match pin!(store.claim(client_id, jti, until)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(claimed) => claimed,
        Poll::Pending => panic!("the memory store waits for nothing"),
    }
}

/// A store and the hands of its clock.
pub(crate) fn store(capacity: usize) -> (MemoryReplayStore, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_000));
    let hands = Arc::clone(&now);
    (
        MemoryReplayStore::new(capacity)
            .clock(Clock::new(move || hands.load(Ordering::SeqCst), std::time::Instant::now)),
        now,
    )
}
