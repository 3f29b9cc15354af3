//! How many failures are too many, by the generic cell rate algorithm: each puts off the time at which all is
//! forgotten by one interval, and whoever is too far from it has to wait. That time is all there is to keep.

use std::time::Duration;

/// A wait is never longer than this many periods, however many attempts failed at once.
const LONGEST: u64 = 10;

/// In milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    failures: u32,
    pub(super) interval: u64,
    /// How far off the time may be for one more attempt.
    pub(super) tolerance: u64,
    furthest: u64,
}

/// Of whom a failure tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The caller.
    Caller,
    /// Perhaps of others, who filled the pool, or made the caller wait until it hung up.
    Unknown,
}

impl Limit {
    pub(super) fn new(failures: u32, per: Duration) -> Self {
        // A year, so that the longest wait is long before the last time that is counted.
        const MOST: u128 = 365 * 24 * 60 * 60 * 1_000;
        let per = u64::try_from(per.as_millis().min(MOST)).unwrap_or_default();
        let failures = failures.max(1);
        let interval = (per / u64::from(failures)).max(1);
        let tolerance = interval.saturating_mul(u64::from(failures) - 1);
        let furthest = interval.saturating_mul(u64::from(failures)).saturating_mul(LONGEST);
        Self { failures, interval, tolerance, furthest }
    }

    /// How long to wait at `now`, if all is forgotten at `until`.
    pub(super) const fn wait(&self, until: u64, now: u64) -> Option<u64> {
        match until.saturating_sub(now).saturating_sub(self.tolerance) {
            0 => None,
            wait => Some(wait),
        }
    }

    /// How far off the time may be after one more failure. Without blame it is as far as to the next attempt,
    /// however many there have been.
    pub(super) const fn furthest(&self, blame: Blame) -> u64 {
        match blame {
            Blame::Caller => self.furthest,
            Blame::Unknown => self.tolerance.saturating_add(self.interval),
        }
    }

    /// When all is forgotten, after one more failure. It is never sooner for that.
    pub(super) fn after(&self, until: u64, now: u64, blame: Blame) -> u64 {
        let until = until.max(now);
        let furthest = now.saturating_add(self.furthest(blame));
        until.saturating_add(self.interval).min(furthest).max(until)
    }
}
