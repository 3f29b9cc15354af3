//! What is in flight, and how a flight ends.

use std::{
    collections::HashMap,
    panic::catch_unwind,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, Sleep, sleep_until},
};

use crate::isolate::single_flight::{error::FlightError, parked::Parked};

pub(super) struct Shared<V> {
    flights: Mutex<Flights<V>>,
    /// Whether a runtime was met whose timer is off.
    no_timer: AtomicBool,
}

impl<V> Default for Shared<V> {
    fn default() -> Self {
        Self { flights: Mutex::default(), no_timer: AtomicBool::new(false) }
    }
}

impl<V> Shared<V> {
    /// `None` if the timer of the runtime is off. Tokio tells only by a panic, so it is asked once.
    pub(super) fn timer(&self, ends: Instant) -> Option<Sleep> {
        if self.no_timer.load(Ordering::Relaxed) {
            return None;
        }
        let timer = catch_unwind(|| sleep_until(ends)).ok();
        if timer.is_none() {
            self.no_timer.store(true, Ordering::Relaxed);
        }
        timer
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Flights<V>> {
        // Whatever panicked under the lock, the map is whole: `Landing` ends the flight.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.flights.try_lock().is_err()
    }

    pub(super) fn end(&self, flight: &Flight<V>, error: FlightError) {
        self.settle(flight, Err(error), None::<fn()>);
    }

    /// Ends the flight, unless it has ended. What it brings is remembered and the flight removed in
    /// one step: a request that arrives finds one or the other.
    pub(super) fn settle<R, G>(
        &self,
        flight: &Flight<V>,
        outcome: Result<V, FlightError>,
        remember: Option<R>,
    ) where
        R: FnOnce() -> G,
    {
        let mut flights = self.lock();
        let mut entry = None;
        let mut replaced = None;
        if flights.is_current(flight) {
            replaced = remember.map(|remember| remember());
            entry = flights.current.remove(&flight.key);
        } else {
            flights.invalidated.retain(|other| !ptr::eq(&**other, flight));
        }
        let late = flight.outcome.set(outcome);
        drop(flights);
        flight.landed.notify_waiters();
        drop((entry, replaced, late));
    }
}

pub(super) struct Flights<V> {
    pub(super) current: HashMap<Arc<str>, Entry<V>>,
    /// They go on for their waiters.
    pub(super) invalidated: Vec<Arc<Flight<V>>>,
}

impl<V> Default for Flights<V> {
    fn default() -> Self {
        Self { current: HashMap::new(), invalidated: Vec::new() }
    }
}

impl<V> Flights<V> {
    pub(super) fn len(&self) -> usize {
        self.current.len() + self.invalidated.len()
    }

    pub(super) fn is_current(&self, flight: &Flight<V>) -> bool {
        let entry = self.current.get(&flight.key);
        entry.is_some_and(|entry| ptr::eq(&*entry.flight, flight))
    }

    /// The flights past their deadline: that of the key, and all when there is no room for another.
    pub(super) fn overdue(&self, key: &str, limit: usize, now: Instant) -> Vec<Arc<Flight<V>>> {
        let is_overdue = |flight: &&Arc<Flight<V>>| flight.ends.is_some_and(|ends| ends <= now);
        if self.len() < limit {
            let flight = self.current.get(key).map(|entry| &entry.flight);
            return flight.filter(is_overdue).cloned().into_iter().collect();
        }
        let current = self.current.values().map(|entry| &entry.flight);
        current.chain(&self.invalidated).filter(is_overdue).cloned().collect()
    }
}

pub(super) struct Entry<V> {
    pub(super) flight: Arc<Flight<V>>,
    /// If the waiters drive it.
    pub(super) parked: Option<Arc<Parked>>,
    pub(super) waiters: usize,
}

pub(super) struct Flight<V> {
    pub(super) key: Arc<str>,
    pub(super) ends: Option<Instant>,
    pub(super) outcome: OnceLock<Result<V, FlightError>>,
    landed: Notify,
    pub(super) task: OnceLock<AbortHandle>,
}

impl<V> Flight<V> {
    pub(super) fn new(key: Arc<str>, ends: Option<Instant>) -> Self {
        Self { key, ends, outcome: OnceLock::new(), landed: Notify::new(), task: OnceLock::new() }
    }

    pub(super) async fn landed(&self) {
        // Before looking, or the wake-up in between would be lost.
        let landed = self.landed.notified();
        if self.outcome.get().is_none() {
            landed.await;
        }
    }
}
