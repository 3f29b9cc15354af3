//! What may be fetched: how often for strangers, and how much of one host at a time.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::throttled::Throttled;

const MINUTE: Duration = Duration::from_secs(60);
/// Keys come from strangers: with this many in a minute there is room for no other.
const MOST_KEYS: usize = 10_000;

/// How many fetches may begin within a minute, for each key.
pub(super) struct PerMinute<K>(Mutex<Minutes<K>>);

/// None that is over: a count that made room for another could be got rid of.
struct Minutes<K> {
    begun: HashMap<K, Minute>,
    order: VecDeque<(Instant, K)>,
}

struct Minute {
    since: Instant,
    fetches: u32,
}

impl<K> Default for PerMinute<K> {
    fn default() -> Self {
        Self(Mutex::new(Minutes { begun: HashMap::new(), order: VecDeque::new() }))
    }
}

/// Why a fetch is not counted.
enum Uncounted {
    /// There have been as many as there may be.
    Over(Throttled),
    /// There is no room for another key.
    #[cfg_attr(
        not(any(feature = "jwks-fetch", test)),
        expect(dead_code, reason = "only networks have nobody else to ask")
    )]
    Full(Throttled),
}

impl<K: Clone + Eq + Hash> PerMinute<K> {
    /// One fetch more, if there are not `most` of them in this minute, and there is room to count it.
    #[cfg(any(feature = "jwks-fetch", test))]
    pub(super) fn take(&self, key: &K, most: u32, now: Instant) -> Result<(), Throttled> {
        self.count(key, most, now).map_err(|uncounted| match uncounted {
            Uncounted::Over(throttled) | Uncounted::Full(throttled) => throttled,
        })
    }

    fn count(&self, key: &K, most: u32, now: Instant) -> Result<(), Uncounted> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = |since| MINUTE.saturating_sub(now.saturating_duration_since(since));
        while minutes.order.front().is_some_and(|(since, _)| rest(*since).is_zero()) {
            if let Some((_, over)) = minutes.order.pop_front() {
                minutes.begun.remove(&over);
            }
        }
        if let Some(minute) = minutes.begun.get_mut(key) {
            if minute.fetches >= most {
                return Err(Uncounted::Over(Throttled::new(rest(minute.since))));
            }
            minute.fetches += 1;
            return Ok(());
        }
        if most == 0 {
            return Err(Uncounted::Over(Throttled::new(MINUTE)));
        }
        if let Some((oldest, _)) = minutes.order.front() {
            if minutes.begun.len() >= MOST_KEYS {
                return Err(Uncounted::Full(Throttled::new(rest(*oldest))));
            }
        }
        minutes.begun.insert(key.clone(), Minute { since: now, fetches: 1 });
        minutes.order.push_back((now, key.clone()));
        Ok(())
    }
}

/// What each host is asked for.
#[derive(Default)]
pub(super) struct Hosts {
    per_minute: PerMinute<Arc<str>>,
    /// Of the hosts that are asked just now.
    places: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerHost {
    pub(crate) at_a_time: usize,
    /// For addresses on probation.
    pub(crate) per_minute: u32,
}

/// A fetch from a host, until it is dropped.
pub(super) struct Place {
    // Before the host, which looks whether it was the last.
    _permit: Option<OwnedSemaphorePermit>,
    _host: Host,
}

struct Host {
    hosts: Arc<Hosts>,
    name: Arc<str>,
    places: Arc<Semaphore>,
}

impl Hosts {
    /// A place for a stranger, at once or not at all.
    pub(super) fn enter(
        self: &Arc<Self>,
        name: &str,
        most: PerHost,
        now: Instant,
    ) -> Result<Place, Throttled> {
        let host = self.host(name, most.at_a_time);
        let permit = Arc::clone(&host.places)
            .try_acquire_owned()
            .map_err(|_full| Throttled::new(Duration::from_secs(1)))?;
        match self.per_minute.count(&host.name, most.per_minute, now) {
            // Names cost nothing: who makes so many up must not keep all others out. What is left for those
            // that are not counted is the bound of their network, which is not so easily had.
            Ok(()) | Err(Uncounted::Full(_)) => Ok(Place { _permit: Some(permit), _host: host }),
            Err(Uncounted::Over(throttled)) => Err(throttled),
        }
    }

    /// A place, in the order of those who wait for one.
    pub(super) async fn wait(self: &Arc<Self>, name: &str, most: PerHost) -> Place {
        let host = self.host(name, most.at_a_time.max(1));
        let permit = Arc::clone(&host.places).acquire_owned().await.ok();
        Place { _permit: permit, _host: host }
    }

    fn host(self: &Arc<Self>, name: &str, places: usize) -> Host {
        let name: Arc<str> = name.into();
        let new = || Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let places = Arc::clone(self.places().entry(Arc::clone(&name)).or_insert_with(new));
        Host { hosts: Arc::clone(self), name, places }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Semaphore>>> {
        // Nothing panics while it is held: what is poisoned is whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut places = self.hosts.places();
        // That of the map, and this one.
        if Arc::strong_count(&self.places) <= 2 {
            places.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        task::{Context, Waker},
    };

    use super::*;

    const AFTER: fn(u64) -> Throttled = |seconds| Throttled::new(Duration::from_secs(seconds));

    #[test]
    fn each_key_has_so_many_a_minute() {
        let budget = PerMinute::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for _ in 0..2 {
            assert_eq!(budget.take(&"a", 2, at(0)), Ok(()));
        }
        assert_eq!(budget.take(&"a", 2, at(0)), Err(AFTER(60)));
        assert_eq!(budget.take(&"b", 2, at(0)), Ok(()));
        assert_eq!(budget.take(&"a", 2, at(59)), Err(AFTER(1)));
        for _ in 0..2 {
            assert_eq!(budget.take(&"a", 2, at(60)), Ok(()));
        }
        assert_eq!(budget.take(&"a", 2, at(60)), Err(AFTER(60)));
        assert_eq!(budget.take(&"c", 0, at(60)), Err(AFTER(60)));
    }

    #[test]
    fn keys_are_bounded_and_no_count_is_washed_out() {
        let budget = PerMinute::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(budget.take(&0, 1, at(0)), Ok(()));
        for key in 1..MOST_KEYS {
            assert_eq!(budget.take(&key, 1, at(1)), Ok(()));
        }
        for key in MOST_KEYS..3 * MOST_KEYS {
            assert_eq!(budget.take(&key, 1, at(59)), Err(AFTER(1)));
        }
        assert_eq!(budget.take(&0, 1, at(59)), Err(AFTER(1)), "still counted");
        let held = || {
            let minutes = budget.0.lock().unwrap_or_else(PoisonError::into_inner);
            (minutes.begun.len(), minutes.order.len())
        };
        assert_eq!(held(), (MOST_KEYS, MOST_KEYS));
        assert_eq!(budget.take(&MOST_KEYS, 1, at(60)), Ok(()), "in the place of one that is over");
        assert_eq!(budget.take(&0, 1, at(60)), Err(AFTER(1)));
        assert_eq!(held(), (MOST_KEYS, MOST_KEYS));
        assert_eq!(budget.take(&0, 1, at(61)), Ok(()));
        assert_eq!(held(), (2, 2));
    }

    #[test]
    fn each_host_has_so_many_at_a_time() {
        let hosts = Arc::new(Hosts::default());
        let most = PerHost { at_a_time: 1, per_minute: 2 };
        let now = Instant::now();
        let enter = |host| hosts.enter(host, most, now);
        let first = enter("a");
        assert!(first.is_ok());
        assert_eq!(enter("a").err(), Some(AFTER(1)));
        assert!(enter("b").is_ok());
        drop(first);
        assert!(enter("a").is_ok());
        assert_eq!(enter("a").err(), Some(AFTER(60)));
        assert!(hosts.places().is_empty());
    }

    #[test]
    fn made_up_names_keep_no_other_host_out() {
        let hosts = Arc::new(Hosts::default());
        let most = PerHost { at_a_time: 1, per_minute: 1 };
        let now = Instant::now();
        let enter = |host: &str| hosts.enter(host, most, now);
        for name in 0..2 * MOST_KEYS {
            assert!(enter(&name.to_string()).is_ok());
        }
        assert_eq!(enter("0").err(), Some(AFTER(60)), "still counted");
        let first = enter("honest.example");
        assert!(first.is_ok());
        assert_eq!(enter("honest.example").err(), Some(AFTER(1)), "one at a time");
        drop(first);
        assert!(enter("honest.example").is_ok(), "and not counted");
    }

    #[tokio::test]
    async fn who_waits_for_a_host_is_served_in_turn() {
        let hosts = Arc::new(Hosts::default());
        let most = PerHost { at_a_time: 0, per_minute: 0 };
        let first = hosts.wait("a", most).await;
        drop(hosts.wait("b", most).await);
        let mut cx = Context::from_waker(Waker::noop());
        let [mut gone, mut second, mut third] = [(); 3].map(|()| Box::pin(hosts.wait("a", most)));
        for waiting in [&mut gone, &mut second, &mut third] {
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
        }
        drop((gone, first));
        assert!(third.as_mut().poll(&mut cx).is_pending());
        drop(second.await);
        drop(third.await);
        assert!(hosts.places().is_empty());
    }
}
