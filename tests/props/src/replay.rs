//! The memory store of used assertions.

use std::{collections::HashMap, error::Error, sync::atomic::Ordering};

use proptest::prelude::*;

use crate::replay_store::{claim, store};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a map that forgets nothing, and counts only what a store must keep.
    #[test]
    fn store_equals_the_model(
        claims in prop::collection::vec((0_i64..40, "[a-e]", "[a-d]", 0_i64..120), 0..200),
    ) {
        const CAPACITY: usize = 6;
        let (store, now) = store(CAPACITY);
        let mut model: HashMap<(String, String), i64> = HashMap::new();
        for (passed, client_id, jti, lifetime) in claims {
            let at = now.fetch_add(passed, Ordering::SeqCst) + passed;
            let until = at + lifetime;
            let kept = |until: &i64| *until + 60 > at;
            let held = |client_id: Option<&str>| {
                let of = |id: &str| client_id.is_none_or(|client_id| client_id == id);
                model.iter().filter(|(pair, until)| of(&pair.0) && kept(until)).count()
            };
            let pair = (client_id, jti);
            let known = model.get(&pair).is_some_and(kept);
            match claim(&store, &pair.0, &pair.1, until) {
                Ok(granted) => {
                    prop_assert_eq!(granted, !known);
                    if granted {
                        prop_assert!(held(None) < CAPACITY / 2 || held(Some(&pair.0)) == 0);
                        model.insert(pair, until);
                    }
                }
                Err(refused) => {
                    prop_assert!(!known);
                    let share = refused.source().is_some();
                    prop_assert_eq!(share, held(Some(&pair.0)) > 0);
                    let least = if share { CAPACITY / 2 } else { CAPACITY };
                    prop_assert!(held(None) >= least);
                }
            }
        }
    }
}
