//! Two spaces, so that strangers push out strangers only.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::fetch::remembered::{host::host_of, slot::Slot};

/// An address of which nothing was verified yet is on probation, whether it answered or failed.
pub(super) struct Spaces<T> {
    probation: Space<T>,
    proven: Space<T>,
    /// Counts uses.
    now: u64,
}

/// What one space may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) addresses: usize,
    pub(crate) bytes: usize,
}

/// What was pushed out, to be dropped once nothing is locked.
pub(super) type PushedOut<T> = Vec<Entry<T>>;

struct Space<T> {
    entries: HashMap<Arc<str>, Entry<T>>,
    /// By their last use.
    order: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    /// How many of each host there are.
    hosts: HashMap<Box<str>, usize>,
}

pub(super) struct Entry<T> {
    slot: Arc<Slot<T>>,
    used: u64,
    bytes: usize,
}

impl<T> Default for Spaces<T> {
    fn default() -> Self {
        Self { probation: Space::new(), proven: Space::new(), now: 0 }
    }
}

impl<T> Spaces<T> {
    /// How many addresses there are.
    pub(super) fn len(&self) -> usize {
        self.probation.entries.len() + self.proven.entries.len()
    }

    /// The slot, which is used now, and whether it is proven.
    pub(super) fn find(&mut self, url: &str) -> Option<(Arc<Slot<T>>, bool)> {
        self.now = self.now.wrapping_add(1);
        let proven = self.proven.touch(url, self.now).map(|slot| (slot, true));
        proven.or_else(|| self.probation.touch(url, self.now).map(|slot| (slot, false)))
    }

    /// A slot for an address that had none. If it has got one since, it is that.
    pub(super) fn add(
        &mut self,
        url: &Arc<str>,
        proven: bool,
        capacity: Capacity,
    ) -> (Arc<Slot<T>>, PushedOut<T>) {
        if let Some((slot, _)) = self.find(url) {
            return (slot, Vec::new());
        }
        self.now = self.now.wrapping_add(1);
        let slot = Arc::new(Slot::new());
        let entry = Entry { slot: Arc::clone(&slot), used: self.now, bytes: url.len() };
        let space = if proven { &mut self.proven } else { &mut self.probation };
        space.insert(Arc::clone(url), entry);
        (slot, space.shrink(capacity))
    }

    /// Notes how large the document is, if the slot is still there.
    pub(super) fn weigh(
        &mut self,
        url: &str,
        slot: &Arc<Slot<T>>,
        document: usize,
        capacity: Capacity,
    ) -> PushedOut<T> {
        for space in [&mut self.proven, &mut self.probation] {
            if let Some(entry) = space.entries.get_mut(url) {
                if Arc::ptr_eq(&entry.slot, slot) {
                    let bytes = url.len().saturating_add(document);
                    space.bytes = space.bytes.saturating_sub(entry.bytes).saturating_add(bytes);
                    entry.bytes = bytes;
                    return space.shrink(capacity);
                }
            }
        }
        Vec::new()
    }

    pub(super) fn prove(
        &mut self,
        url: &str,
        capacity: Capacity,
        most_of_a_host: usize,
    ) -> PushedOut<T> {
        let Some((url, entry)) = self.probation.remove(url) else { return Vec::new() };
        let host = host_of(&url).to_owned();
        self.proven.insert(url, entry);
        let mut pushed_out = self.proven.shrink_host(&host, most_of_a_host);
        pushed_out.extend(self.proven.shrink(capacity));
        pushed_out
    }

    /// What was proven has no document any more.
    pub(super) fn demote(&mut self, url: &str, capacity: Capacity) -> PushedOut<T> {
        let Some((url, entry)) = self.proven.remove(url) else { return Vec::new() };
        self.probation.insert(url, entry);
        self.probation.shrink(capacity)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> [(usize, usize); 2] {
        [&self.probation, &self.proven].map(|space| {
            assert_eq!(space.entries.len(), space.order.len());
            assert_eq!(space.entries.len(), space.hosts.values().sum::<usize>());
            assert_eq!(space.entries.values().map(|entry| entry.bytes).sum::<usize>(), space.bytes);
            (space.entries.len(), space.bytes)
        })
    }
}

impl<T> Space<T> {
    fn new() -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), bytes: 0, hosts: HashMap::new() }
    }

    fn touch(&mut self, url: &str, now: u64) -> Option<Arc<Slot<T>>> {
        let entry = self.entries.get_mut(url)?;
        if let Some(url) = self.order.remove(&entry.used) {
            self.order.insert(now, url);
        }
        entry.used = now;
        Some(Arc::clone(&entry.slot))
    }

    fn insert(&mut self, url: Arc<str>, entry: Entry<T>) {
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.order.insert(entry.used, Arc::clone(&url));
        *self.hosts.entry(host_of(&url).into()).or_default() += 1;
        self.entries.insert(url, entry);
    }

    fn remove(&mut self, url: &str) -> Option<(Arc<str>, Entry<T>)> {
        let (url, entry) = self.entries.remove_entry(url)?;
        self.order.remove(&entry.used);
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        if let Some(of_host) = self.hosts.get_mut(host_of(&url)) {
            *of_host -= 1;
            if *of_host == 0 {
                self.hosts.remove(host_of(&url));
            }
        }
        Some((url, entry))
    }

    /// Pushes out what of this host was unused longest.
    fn shrink_host(&mut self, host: &str, most: usize) -> PushedOut<T> {
        if self.hosts.get(host).is_none_or(|of_host| *of_host <= most) {
            return Vec::new();
        }
        let of_host = self.order.values().rev().filter(|url| host_of(url) == host);
        let too_many: Vec<_> = of_host.skip(most.max(1)).cloned().collect();
        let removed = too_many.iter().filter_map(|url| self.remove(url));
        removed.map(|(_, entry)| entry).collect()
    }

    /// Pushes out what was unused longest, and never the last one.
    fn shrink(&mut self, capacity: Capacity) -> PushedOut<T> {
        let mut pushed_out = Vec::new();
        while self.entries.len() > 1
            && (self.entries.len() > capacity.addresses || self.bytes > capacity.bytes)
        {
            let Some((_, url)) = self.order.pop_first() else { break };
            pushed_out.extend(self.remove(&url).map(|(_, entry)| entry));
        }
        pushed_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_just_fits_is_kept() {
        let mut spaces = Spaces::<()>::default();
        let capacity = Capacity { addresses: 2, bytes: 20 };
        let [a, b] = ["a", "b"].map(|url| spaces.add(&url.into(), false, capacity).0);
        spaces.weigh("a", &a, 9, capacity);
        spaces.weigh("b", &b, 9, capacity);
        assert_eq!(spaces.held(), [(2, 20), (0, 0)]);
        spaces.weigh("b", &b, 10, capacity);
        assert_eq!(spaces.held(), [(1, 11), (0, 0)]);
    }

    // Its fetch may end when the address has another one.
    #[test]
    fn slot_that_was_pushed_out_has_no_weight() {
        let mut spaces = Spaces::<()>::default();
        let capacity = Capacity { addresses: 1, bytes: 1_000 };
        let [old, _, _] = ["a", "b", "a"].map(|url| spaces.add(&url.into(), false, capacity).0);
        spaces.weigh("a", &old, 100, capacity);
        assert_eq!(spaces.held(), [(1, 1), (0, 0)]);
    }
}
