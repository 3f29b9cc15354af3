//! Stores of used assertions (R85, RFC 7523 §3, OpenID Connect Core §9).

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tower_client_auth::provider::Throttled;

use crate::replay_store::{claim, store};

#[test]
fn rfc7523_3_assertion_is_claimed_once() {
    let (store, _) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(true));
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(false));
    assert_eq!(claim(&store, "batch", "1", 9_999), Ok(false), "a later expiry makes it no other");
}

#[test]
fn client_and_jti_are_kept_apart() {
    let (store, _) = store(100);
    let pairs = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc", ""),
        ("", "abc"),
        ("b", "bc"),
        ("a\0b", "c"),
        ("a", "b\0c"),
    ];
    for (client_id, jti) in pairs {
        assert_eq!(claim(&store, client_id, jti, 1_300), Ok(true), "{client_id:?} {jti:?}");
    }
    for (client_id, jti) in pairs {
        assert_eq!(claim(&store, client_id, jti, 1_300), Ok(false), "{client_id:?} {jti:?}");
    }
}

#[test]
fn claim_holds_until_a_minute_after_the_assertion_expires() {
    let (store, now) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(true));
    now.store(1_359, Ordering::SeqCst);
    assert_eq!(claim(&store, "batch", "1", 1_600), Ok(false));
    now.store(1_360, Ordering::SeqCst);
    assert_eq!(claim(&store, "batch", "1", 1_600), Ok(true));
    assert_eq!(claim(&store, "batch", "1", 1_600), Ok(false));
}

#[test]
fn used_assertion_stays_used_when_the_clock_is_set_back() {
    let (store, now) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(true));
    for (at, jti) in [(1_300, "2"), (1_359, "3")] {
        now.store(at, Ordering::SeqCst);
        // Others are claimed, so that what is too old is forgotten.
        assert_eq!(claim(&store, "batch", jti, 1_600), Ok(true));
        now.store(1_299, Ordering::SeqCst);
        assert_eq!(claim(&store, "batch", "1", 1_300), Ok(false), "{at}");
    }
}

#[test]
fn claim_that_could_not_be_kept_is_never_granted() {
    let (store, _) = store(10);
    assert_eq!(claim(&store, "batch", "1", 940), Ok(false));
    assert_eq!(claim(&store, "batch", "1", i64::MIN), Ok(false));
    assert_eq!(claim(&store, "batch", "1", 941), Ok(true));
    assert_eq!(claim(&store, "batch", "1", i64::MAX), Ok(false));
    assert_eq!(claim(&store, "batch", "2", i64::MAX), Ok(true));
}

#[test]
fn full_store_fails_and_forgets_nothing() {
    let (store, now) = store(3);
    for (client_id, until) in [("a", 1_100), ("b", 1_200), ("c", 1_300)] {
        assert_eq!(claim(&store, client_id, "1", until), Ok(true));
    }
    let full = claim(&store, "d", "1", 1_400).unwrap_err();
    assert_eq!(full.to_string(), "the replay store is full: 3 assertions may still be used");
    assert!(full.source().is_none());
    for client_id in ["a", "b", "c"] {
        assert_eq!(claim(&store, client_id, "1", 1_400), Ok(false), "a replay is still told");
    }
    now.store(1_159, Ordering::SeqCst);
    assert_eq!(claim(&store, "d", "1", 1_400), Err(full));
    now.store(1_160, Ordering::SeqCst);
    assert_eq!(claim(&store, "d", "1", 1_400), Ok(true));
    assert_eq!(claim(&store, "e", "1", 1_400), Err(full));
}

#[test]
fn no_client_holds_more_than_a_sixteenth_of_a_store_that_is_half_full() {
    let (store, now) = store(160);
    let claims = |client_id: &str, from: i64, until| {
        (from..).take_while(|n| claim(&store, client_id, &n.to_string(), until) == Ok(true)).count()
    };
    assert_eq!(claims("greedy", 0, 1_300), 80, "alone it may have half");
    for other in ["a", "b", "c", "d", "e", "f", "g"] {
        assert_eq!(claims(other, 0, 1_300), 10, "{other}");
        let refused = claim(&store, "greedy", "more", 1_300).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the client has its share of the replay store: a sixteenth of 160 entries"
        );
        let throttled = refused.source().and_then(|source| source.downcast_ref::<Throttled>());
        assert_eq!(throttled.map(Throttled::retry_after), Some(Duration::from_secs(60)));
    }
    assert_eq!(claim(&store, "greedy", "0", 1_300), Ok(false), "a replay is still told");
    // What is forgotten is held by nobody, however much of it there is.
    now.store(1_360, Ordering::SeqCst);
    assert_eq!(claims("greedy", 80, 1_600), 80);
}

#[test]
fn what_a_client_held_is_not_held_against_it() {
    let (store, now) = store(64);
    let claims = |client_id: &str, count: i64, until| {
        for n in 0..count {
            let jti = format!("{until}/{n}");
            assert_eq!(claim(&store, client_id, &jti, until), Ok(true), "{client_id} {jti}");
        }
    };
    // Others' expire first, so that they are the first to be forgotten.
    for other in 0..10 {
        claims(&other.to_string(), 2, 1_100);
    }
    claims("busy", 10, 1_200);
    for other in 0..10 {
        claims(&other.to_string(), 2, 1_600);
    }
    assert!(claim(&store, "busy", "more", 1_300).is_err());
    now.store(1_260, Ordering::SeqCst);
    claims("busy", 12, 1_700);
    assert!(claim(&store, "busy", "more", 1_700).is_err());
}

#[test]
fn expired_assertions_make_room() {
    let (store, now) = store(1_000);
    for round in 1..4 {
        let until = 1_000 + 400 * round;
        for n in 0..1_000 {
            let client_id = format!("client-{}", n / 50);
            assert_eq!(
                claim(&store, &client_id, &format!("{round}/{n}"), until),
                Ok(true),
                "{round}/{n}"
            );
        }
        now.store(until + 60, Ordering::SeqCst);
    }
}

#[test]
fn one_of_many_concurrent_claims_is_granted() {
    let (store, _) = store(2_000);
    let granted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for jti in 0..1_000 {
                    if claim(&store, "batch", &jti.to_string(), 1_300) == Ok(true) {
                        granted.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(granted.into_inner(), 1_000);
}

#[test]
fn debug_shows_no_claims() {
    let (store, _) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(true));
    assert_eq!(format!("{store:?}"), "MemoryReplayStore { capacity: 10, .. }");
}
