//! The memory store of used assertions.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;
use tower_client_auth::{
    Clock,
    replay::{MemoryReplayStore, ReplayStore, ReplayStoreFull},
};

/// The memory store is always ready.
fn claim(
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
fn store(capacity: usize) -> (MemoryReplayStore, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_000));
    let hands = Arc::clone(&now);
    (
        MemoryReplayStore::new(capacity)
            .clock(Clock::new(move || hands.load(Ordering::SeqCst), std::time::Instant::now)),
        now,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a map that forgets nothing.
    #[test]
    fn store_equals_the_model(
        claims in prop::collection::vec((0_i64..4, "[a-c]", "[a-d]", 0_i64..12), 0..200),
    ) {
        let (store, now) = store(6);
        let mut model: HashMap<(String, String), i64> = HashMap::new();
        for (passed, client_id, jti, lifetime) in claims {
            let at = now.fetch_add(passed, Ordering::SeqCst) + passed;
            let until = at + lifetime;
            let pair = (client_id, jti);
            let live = model.values().filter(|until| **until > at).count();
            let known = model.get(&pair).is_some_and(|until| *until > at);
            match claim(&store, &pair.0, &pair.1, until) {
                Ok(granted) => {
                    prop_assert_eq!(granted, !known && until > at);
                    if granted {
                        model.insert(pair, until);
                    }
                }
                Err(_full) => prop_assert!(!known && live == 6),
            }
        }
    }
}
