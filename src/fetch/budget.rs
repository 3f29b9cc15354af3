//! How often something may be fetched for strangers.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::throttled::Throttled;

const MINUTE: Duration = Duration::from_secs(60);
/// Keys come from strangers: beyond this many, the minute that began first is forgotten.
const MOST_KEYS: usize = 1_000;

/// How many fetches may begin within a minute, for each key.
pub(super) struct PerMinute<K>(Mutex<Minutes<K>>);

struct Minutes<K> {
    begun: HashMap<K, Minute>,
    oldest: VecDeque<K>,
}

struct Minute {
    since: Instant,
    fetches: u32,
}

impl<K> Default for PerMinute<K> {
    fn default() -> Self {
        Self(Mutex::new(Minutes { begun: HashMap::new(), oldest: VecDeque::new() }))
    }
}

impl<K: Clone + Eq + Hash> PerMinute<K> {
    /// One fetch more, if there are not `most` of them in this minute.
    pub(super) fn take(&self, key: &K, most: u32, now: Instant) -> Result<(), Throttled> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minute) = minutes.begun.get_mut(key) {
            return minute.take(most, now);
        }
        while minutes.begun.len() >= MOST_KEYS {
            let Some(oldest) = minutes.oldest.pop_front() else { break };
            minutes.begun.remove(&oldest);
        }
        let mut minute = Minute { since: now, fetches: 0 };
        minute.take(most, now)?;
        minutes.begun.insert(key.clone(), minute);
        minutes.oldest.push_back(key.clone());
        Ok(())
    }
}

impl Minute {
    fn take(&mut self, most: u32, now: Instant) -> Result<(), Throttled> {
        let passed = now.saturating_duration_since(self.since);
        if passed >= MINUTE {
            *self = Self { since: now, fetches: 0 };
        }
        if self.fetches >= most {
            return Err(Throttled::new(MINUTE.saturating_sub(passed)));
        }
        self.fetches += 1;
        Ok(())
    }
}

/// What each host may be asked for strangers.
#[derive(Default)]
pub(super) struct Hosts {
    per_minute: PerMinute<Arc<str>>,
    in_flight: Mutex<HashMap<Arc<str>, usize>>,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerHost {
    pub(super) at_a_time: usize,
    pub(super) per_minute: u32,
}

/// A fetch from a host, until it is dropped.
pub(super) struct Place {
    hosts: Arc<Hosts>,
    host: Arc<str>,
}

impl Hosts {
    pub(super) fn enter(
        self: &Arc<Self>,
        host: &str,
        most: PerHost,
        now: Instant,
    ) -> Result<Place, Throttled> {
        let host: Arc<str> = host.into();
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let fetches = in_flight.get(&host).copied().unwrap_or_default();
        if fetches >= most.at_a_time {
            return Err(Throttled::new(Duration::from_secs(1)));
        }
        self.per_minute.take(&host, most.per_minute, now)?;
        in_flight.insert(Arc::clone(&host), fetches.saturating_add(1));
        drop(in_flight);
        Ok(Place { hosts: Arc::clone(self), host })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_flight = self.hosts.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetches) = in_flight.get_mut(&self.host) {
            *fetches = fetches.saturating_sub(1);
            if *fetches == 0 {
                in_flight.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn keys_are_bounded() {
        let budget = PerMinute::default();
        let now = Instant::now();
        for key in 0..10 * MOST_KEYS {
            assert_eq!(budget.take(&key, 1, now), Ok(()));
        }
        let minutes = budget.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((minutes.begun.len(), minutes.oldest.len()), (MOST_KEYS, MOST_KEYS));
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
        assert!(hosts.in_flight.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }
}
