//! Who has a place in the pool, and who waits without one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::isolate::pool::Attempt;

/// How many may wait without a place, for each place. What they hold is their request.
const WAITING_PER_PLACE: usize = 8;

/// Whoever would wait longer for a worker is better answered 503 at once.
const LONGEST_QUEUE: Duration = Duration::from_secs(5);

/// The places of a pool, and who has them.
#[derive(Debug)]
pub(super) struct Places {
    /// How many are computed at a time.
    workers: usize,
    pub(super) all: usize,
    /// How many unknown ids are computed or next to be: a quarter of the workers. They take no place
    /// from clients, and a client waits for no more of them than that.
    strangers: usize,
    /// For any one id: an eighth.
    one_id: usize,
    taken: Mutex<Taken>,
    hasher: RandomState,
    /// Wakes the one who has waited longest without a place.
    pub(super) leave: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    clients: usize,
    strangers: usize,
    waiting: usize,
    /// By the hash of the id: an id may be long. No entry is 0.
    by_id: HashMap<u64, usize>,
    /// What clients and strangers take together, in nanoseconds.
    load: u64,
}

/// A place, that of a stranger, or leave to wait without one, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    rank: Rank,
    load: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Known,
    Stranger,
    /// An unknown id, while others have all the workers that are for them.
    Waiting(Duration),
}

impl Places {
    pub(super) fn new(workers: usize, queue: usize) -> Self {
        let all = workers.saturating_add(queue);
        Self {
            workers,
            all,
            strangers: workers.div_ceil(4),
            one_id: all.div_ceil(8),
            taken: Mutex::default(),
            hasher: RandomState::new(),
            leave: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if a known client would get no place, either. What is asked for takes `load`
    /// nanoseconds.
    pub(super) fn enter(self: &Arc<Self>, attempt: Attempt<'_>, load: u64) -> Option<Place> {
        let id = self.hasher.hash_one(attempt.client_id);
        let mut taken = self.lock();
        let of_id = taken.by_id.get(&id).copied().unwrap_or_default();
        let queued = self.queued(&taken);
        if taken.clients >= self.all || of_id >= self.one_id || queued > LONGEST_QUEUE {
            return None;
        }
        taken.by_id.insert(id, of_id + 1);
        let rank = if attempt.known {
            taken.clients += 1;
            Rank::Known
        } else if taken.strangers < self.strangers {
            taken.strangers += 1;
            Rank::Stranger
        } else {
            if taken.waiting >= self.all.saturating_mul(WAITING_PER_PLACE) {
                self.leave.notify_one();
            }
            taken.waiting += 1;
            Rank::Waiting(queued.saturating_add(Duration::from_nanos(load)))
        };
        let place = Place { places: Arc::clone(self), id, rank, load };
        if place.wait().is_none() {
            taken.load = taken.load.saturating_add(load);
        }
        Some(place)
    }

    /// How long it takes until a worker is free.
    fn queued(&self, taken: &Taken) -> Duration {
        let ahead = taken.clients + taken.strangers;
        // What has to end before that, each as long as they are on average.
        let before = (ahead + 1).saturating_sub(self.workers) as u128;
        let shared = (ahead.max(1) as u128).saturating_mul(self.workers.max(1) as u128);
        let queued = u128::from(taken.load).saturating_mul(before) / shared;
        Duration::from_nanos(u64::try_from(queued).unwrap_or(u64::MAX))
    }

    /// How many clients have a place, how many strangers have a worker or are next, how many wait for
    /// neither, and how many ids are known of.
    #[cfg(test)]
    pub(super) fn taken(&self) -> [usize; 4] {
        let taken = self.lock();
        [taken.clients, taken.strangers, taken.waiting, taken.by_id.len()]
    }
}

impl Place {
    /// How long to wait instead of being computed.
    pub(super) const fn wait(&self) -> Option<Duration> {
        match self.rank {
            Rank::Known | Rank::Stranger => None,
            Rank::Waiting(wait) => Some(wait),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        match taken.by_id.get_mut(&self.id) {
            Some(of_id) if *of_id > 1 => *of_id -= 1,
            _ => drop(taken.by_id.remove(&self.id)),
        }
        let of_rank = match self.rank {
            Rank::Known => &mut taken.clients,
            Rank::Stranger => &mut taken.strangers,
            Rank::Waiting(_) => &mut taken.waiting,
        };
        *of_rank = of_rank.saturating_sub(1);
        if self.wait().is_none() {
            taken.load = taken.load.saturating_sub(self.load);
        }
    }
}
