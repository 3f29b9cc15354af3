//! Stores of used assertions (R85, RFC 7523 §3, OpenID Connect Core §9).

use std::sync::atomic::{AtomicUsize, Ordering};

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
fn claim_holds_until_the_assertion_expires() {
    let (store, now) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(true));
    now.store(1_299, Ordering::SeqCst);
    assert_eq!(claim(&store, "batch", "1", 1_300), Ok(false));
    now.store(1_300, Ordering::SeqCst);
    assert_eq!(claim(&store, "batch", "1", 1_600), Ok(true));
    assert_eq!(claim(&store, "batch", "1", 1_600), Ok(false));
}

#[test]
fn expired_claim_is_never_granted() {
    let (store, _) = store(10);
    assert_eq!(claim(&store, "batch", "1", 1_000), Ok(false));
    assert_eq!(claim(&store, "batch", "1", i64::MIN), Ok(false));
}

#[test]
fn full_store_fails_and_forgets_nothing() {
    let (store, now) = store(3);
    for (jti, until) in [("1", 1_100), ("2", 1_200), ("3", 1_300)] {
        assert_eq!(claim(&store, "batch", jti, until), Ok(true));
    }
    let full = claim(&store, "batch", "4", 1_400).unwrap_err();
    assert_eq!(full.to_string(), "the replay store is full: 3 assertions have not expired");
    for jti in ["1", "2", "3"] {
        assert_eq!(claim(&store, "batch", jti, 1_400), Ok(false), "a replay is still told");
    }
    now.store(1_100, Ordering::SeqCst);
    assert_eq!(claim(&store, "batch", "4", 1_400), Ok(true));
    assert_eq!(claim(&store, "batch", "5", 1_400), Err(full));
}

#[test]
fn expired_assertions_make_room() {
    let (store, now) = store(1_000);
    for round in 1..4 {
        let until = 1_000 + 300 * round;
        for n in 0..1_000 {
            assert_eq!(
                claim(&store, "batch", &format!("{round}/{n}"), until),
                Ok(true),
                "{round}/{n}"
            );
        }
        now.store(until, Ordering::SeqCst);
    }
}

#[test]
fn one_of_many_concurrent_claims_is_granted() {
    let (store, _) = store(1_000);
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
