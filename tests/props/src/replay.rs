//! The memory store of used assertions.

use std::{collections::HashMap, sync::atomic::Ordering};

use proptest::prelude::*;

use crate::replay_store::{claim, store};

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
