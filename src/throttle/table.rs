//! A table of fixed size, without locks: whoever only reads it writes nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::throttle::limit::{Blame, Limit};

/// As many as there is room for on a line of memory.
const WAYS: usize = 8;
const TIME_BITS: u32 = 40;
/// In milliseconds since the start: 34 years. Then it stands still, and nobody has to wait.
pub(super) const LAST: u64 = (1 << TIME_BITS) - 1;
/// Attempts to be faster than another thread on the same line.
const TRIES: usize = 32;

/// Keys by their hash, of which a part selects the line, and another is kept. With a hash that nobody can
/// predict, one key is taken for a given other one at a chance of eight in 2^24 on a full line.
pub(super) struct Table {
    lines: Box<[Line]>,
}

/// An entry is the time at which it is forgotten, behind the part of the hash. One of the past is free.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

const fn tag(hash: u64) -> u64 {
    hash << TIME_BITS
}

const fn until(entry: u64) -> u64 {
    entry & LAST
}

impl Table {
    /// It has room for at least `entries`.
    pub(super) fn new(entries: usize) -> Self {
        const MOST: usize = 1 << 26;
        let lines = entries.clamp(1, MOST).div_ceil(WAYS).next_power_of_two();
        Self { lines: (0..lines).map(|_| Line::default()).collect() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.lines.len() * WAYS
    }

    fn line(&self, hash: u64) -> &[AtomicU64] {
        // It is a power of two, so that this is its remainder.
        let place = (hash >> (u64::BITS - TIME_BITS)) as usize & (self.lines.len() - 1);
        self.lines.get(place).map_or(&[], |line| &line.0)
    }

    /// When the key is forgotten. Zero if it is not there.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> u64 {
        let tag = tag(hash);
        let mut found = 0;
        for entry in self.line(hash) {
            let entry = entry.load(Relaxed);
            if entry & !LAST == tag {
                found = found.max(until(entry));
            }
        }
        found
    }

    /// Adds a failure. A new key on a full line takes the place of the one that is forgotten first, that is,
    /// of the one with the fewest failures.
    pub(super) fn add(&self, hash: u64, now: u64, limit: &Limit, blame: Blame) {
        let (line, tag) = (self.line(hash), tag(hash));
        for _ in 0..TRIES {
            let mut least: Option<(&AtomicU64, u64)> = None;
            for place in line {
                let entry = place.load(Relaxed);
                if entry & !LAST == tag && until(entry) > now {
                    least = Some((place, entry));
                    break;
                }
                if least.is_none_or(|(_, least)| until(entry) < until(least)) {
                    least = Some((place, entry));
                }
            }
            let Some((place, entry)) = least else { return };
            let known = if entry & !LAST == tag { until(entry) } else { 0 };
            let new = tag | limit.after(known, now, blame).min(LAST);
            if place.compare_exchange(entry, new, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }
}
