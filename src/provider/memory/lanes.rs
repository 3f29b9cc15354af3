//! A set of clients that many threads read without writing to a line of memory that others read.

use std::{
    mem,
    num::NonZeroUsize,
    sync::{
        Arc, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use crate::{client::RegisteredClient, provider::memory::clients::Clients};

/// Beyond this a writer has more to do than readers gain.
const MOST_LANES: usize = 64;

/// A lock counts its readers, and a count that all cores write to goes from one to the other. So there
/// are as many locks as cores, and a thread reads under its own; a writer takes them all.
pub(super) struct Lanes<C>(Box<[Lane<C>]>);

/// On two lines of its own, because processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Lane<C> {
    clients: RwLock<Arc<Clients<C>>>,
    /// Cloned on a miss, so that a hit and a miss cost the same.
    miss: Arc<Miss>,
}

#[repr(align(128))]
struct Miss;

impl<C> Lanes<C> {
    pub(super) fn new(clients: Clients<C>) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with(cores.clamp(1, MOST_LANES).next_power_of_two(), clients)
    }

    fn with(count: usize, clients: Clients<C>) -> Self {
        let clients = Arc::new(clients);
        let lane = |_| Lane { clients: RwLock::new(Arc::clone(&clients)), miss: Arc::new(Miss) };
        Self((0..count).map(lane).collect())
    }

    /// The lane of this thread. There is one.
    pub(super) fn mine(&self) -> Option<&Lane<C>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));

        // A power of two: the bits beyond it do not count.
        let thread = THREAD.try_with(|thread| *thread).unwrap_or_default();
        self.0.get(thread & self.0.len().saturating_sub(1))
    }

    /// Changes the set for all lanes at once. `change` must not panic, or the set is lost.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Clients<C>) -> T) -> T {
        // Always in the same order: two writers do not wait for each other.
        let mut lanes: Vec<_> = self.0.iter().map(Lane::write).collect();
        let mut clients = Arc::default();
        for lane in &mut lanes {
            clients = mem::take(&mut **lane);
        }
        // No reader keeps a handle, so this is the last one, and nothing is copied.
        let changed = change(Arc::make_mut(&mut clients));
        for lane in &mut lanes {
            **lane = Arc::clone(&clients);
        }
        changed
    }
}

impl<C> Lane<C> {
    pub(super) fn get(&self, client_id: &str) -> Option<RegisteredClient<C>> {
        // A writer cannot panic half-way: a poisoned set is a whole one.
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        clients.get(client_id).cloned()
    }

    pub(super) fn issued(&self, issuer: &str, subject: &str) -> Option<RegisteredClient<C>> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        clients.issued(issuer, subject).cloned()
    }

    pub(super) fn shares_subject(&self, client: &RegisteredClient<C>) -> bool {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).shares_subject(client)
    }

    /// As [`get`](Self::get), at the same cost whether there is such a client or not.
    pub(super) fn get_evenly(&self, client_id: &str) -> Option<RegisteredClient<C>> {
        let client = self.get(client_id);
        if client.is_none() {
            // A hit clones a handle. It is little, and yet enough to be measured.
            drop(Arc::clone(&self.miss));
        }
        client
    }

    fn write(&self) -> RwLockWriteGuard<'_, Arc<Clients<C>>> {
        self.clients.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(lanes: &Lanes<u8>, id: &str, tag: u8) -> Option<u8> {
        let client = RegisteredClient::public(id, tag);
        lanes.change(|clients| clients.replace(client)).map(|replaced| *replaced.client())
    }

    fn seen(lanes: &Lanes<u8>, id: &str) -> Vec<Option<u8>> {
        lanes.0.iter().map(|lane| lane.get_evenly(id).map(|client| *client.client())).collect()
    }

    #[test]
    fn change_is_seen_in_every_lane() {
        let lanes = Lanes::with(4, Clients::new());
        assert_eq!(insert(&lanes, "batch", 1), None);
        assert_eq!(seen(&lanes, "batch"), [Some(1); 4]);
        assert_eq!(insert(&lanes, "batch", 2), Some(1));
        assert_eq!(seen(&lanes, "batch"), [Some(2); 4]);
        assert!(lanes.change(|clients| clients.take("batch")).is_some());
        assert_eq!(seen(&lanes, "batch"), [None; 4]);
    }

    #[test]
    fn set_is_changed_and_not_copied() {
        let lanes = Lanes::with(4, Clients::new());
        lanes.change(|clients| clients.reserve(2));
        insert(&lanes, "batch", 1);
        let place = || {
            let lane = lanes.0.first()?;
            let clients = lane.clients.read().unwrap_or_else(PoisonError::into_inner);
            clients.get("batch").map(std::ptr::from_ref)
        };
        let before = place();
        insert(&lanes, "cli", 1);
        assert_eq!(place(), before);
    }
}
