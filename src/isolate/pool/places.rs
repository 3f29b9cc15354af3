//! Who has a place in the pool, and who waits without one.

#[cfg(feature = "argon2")]
use std::sync::atomic::AtomicU64;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::isolate::{
    meter::{Gauge, meter},
    pool::Attempt,
};

static CLIENTS: Gauge = meter!("client_auth_pool_requests", "client" => "known");
static STRANGERS: Gauge = meter!("client_auth_pool_requests", "client" => "unknown");
static WAITING: Gauge = meter!("client_auth_pool_requests", "client" => "waiting");

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
    /// For any one id: an eighth, and no more than takes a quarter of the longest queue, which is in
    /// nanoseconds. One place at least.
    one_id: usize,
    time_of_one_id: u64,
    taken: Mutex<Taken>,
    hasher: RandomState,
    /// How many owners of ids there are, the first included.
    #[cfg(feature = "argon2")]
    pub(super) owners: AtomicU64,
    /// Wakes the one who has waited longest without a place.
    pub(super) leave: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    clients: Line,
    strangers: Line,
    waiting: Line,
    /// By the hash of the id and its owner: an id may be long. No entry is 0.
    by_id: HashMap<u64, usize>,
}

/// How many there are, and what they take, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    count: usize,
    load: u64,
}

impl Line {
    const fn add(self, Self { count, load }: Self) -> Self {
        Self { count: self.count + count, load: self.load.saturating_add(load) }
    }
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
        let longest = LONGEST_QUEUE.as_nanos().saturating_mul(workers as u128);
        Self {
            workers,
            all,
            strangers: workers.div_ceil(4),
            one_id: all.div_ceil(8),
            time_of_one_id: u64::try_from(longest / 4).unwrap_or(u64::MAX),
            taken: Mutex::default(),
            hasher: RandomState::new(),
            #[cfg(feature = "argon2")]
            owners: AtomicU64::new(1),
            leave: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if a known client would get no place, either. What is asked for takes `load`
    /// nanoseconds.
    pub(super) fn enter(
        self: &Arc<Self>,
        owner: u64,
        attempt: Attempt<'_>,
        load: u64,
    ) -> Option<Place> {
        let id = self.hasher.hash_one((owner, attempt.client_id));
        let in_time = usize::try_from(self.time_of_one_id / attempt.cost.max(1));
        let one_id = self.one_id.min(in_time.unwrap_or(usize::MAX)).max(1);
        let mut taken = self.lock();
        let of_id = taken.by_id.get(&id).copied().unwrap_or_default();
        // Of strangers a client waits for one hash, however long that takes.
        let clients = self.queued(taken.clients);
        if taken.clients.count >= self.all || of_id >= one_id || clients > LONGEST_QUEUE {
            return None;
        }
        taken.by_id.insert(id, of_id + 1);
        let rank = if attempt.known {
            Rank::Known
        } else if taken.strangers.count < self.strangers {
            Rank::Stranger
        } else {
            if taken.waiting.count >= self.all.saturating_mul(WAITING_PER_PLACE) {
                self.leave.notify_one();
            }
            let queued = self.queued(taken.clients.add(taken.strangers));
            Rank::Waiting(queued.saturating_add(Duration::from_nanos(load)))
        };
        let line = taken.line(rank);
        *line = line.add(Line { count: 1, load });
        drop(taken);
        rank.meter().increment();
        Some(Place { places: Arc::clone(self), id, rank, load })
    }

    /// How long it takes until a worker is free of all that is `ahead`.
    fn queued(&self, ahead: Line) -> Duration {
        // What has to end before that, each as long as they are on average.
        let before = (ahead.count + 1).saturating_sub(self.workers) as u128;
        let shared = (ahead.count.max(1) as u128).saturating_mul(self.workers.max(1) as u128);
        let queued = u128::from(ahead.load).saturating_mul(before) / shared;
        Duration::from_nanos(u64::try_from(queued).unwrap_or(u64::MAX))
    }

    /// How many clients have a place, how many strangers have a worker or are next, how many wait for
    /// neither, and how many ids are known of.
    #[cfg(test)]
    pub(super) fn taken(&self) -> [usize; 4] {
        let taken = self.lock();
        let Taken { clients, strangers, waiting, by_id } = &*taken;
        [clients.count, strangers.count, waiting.count, by_id.len()]
    }
}

impl Rank {
    const fn meter(self) -> &'static Gauge {
        match self {
            Self::Known => &CLIENTS,
            Self::Stranger => &STRANGERS,
            Self::Waiting(_) => &WAITING,
        }
    }
}

impl Taken {
    const fn line(&mut self, rank: Rank) -> &mut Line {
        match rank {
            Rank::Known => &mut self.clients,
            Rank::Stranger => &mut self.strangers,
            Rank::Waiting(_) => &mut self.waiting,
        }
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
        let line = taken.line(self.rank);
        line.count = line.count.saturating_sub(1);
        line.load = line.load.saturating_sub(self.load);
        drop(taken);
        self.rank.meter().decrement();
    }
}
