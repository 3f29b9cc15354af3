//! What is in flight, and how a flight ends.

use std::{
    collections::HashMap,
    panic::catch_unwind,
    ptr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    task::AbortHandle,
    time::{Instant, Sleep, sleep_until},
};

use crate::isolate::single_flight::{error::FlightError, parked::Parked};

pub(super) struct Shared<V> {
    flights: Mutex<Flights<V>>,
    /// The last runtime that was met without a timer.
    no_timer: Mutex<Option<Id>>,
}

impl<V> Default for Shared<V> {
    fn default() -> Self {
        Self { flights: Mutex::default(), no_timer: Mutex::new(None) }
    }
}

impl<V> Shared<V> {
    /// `None` without a runtime, or if its timer is off. Tokio tells that only by a panic, so a
    /// runtime is asked once.
    pub(super) fn timer(&self, ends: Instant) -> Option<Sleep> {
        let runtime = Handle::try_current().ok()?.id();
        let mut no_timer = self.no_timer.lock().unwrap_or_else(PoisonError::into_inner);
        if *no_timer == Some(runtime) {
            return None;
        }
        let timer = catch_unwind(|| sleep_until(ends)).ok();
        if timer.is_none() {
            *no_timer = Some(runtime);
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

    /// Ends the flight and its task, unless it has ended.
    pub(super) fn cut_off(&self, flight: &Flight<V>, error: FlightError) {
        if flight.outcome.get().is_some() {
            return;
        }
        self.end(flight, error);
        if let Some(task) = flight.task.get() {
            task.abort();
        }
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

    /// The oldest flight that no request waits for any more: the first to end when there is no room.
    /// Callers that hang up must not keep the others out.
    pub(super) fn abandoned(&self) -> Option<Arc<Flight<V>>> {
        let abandoned = self.current.values().filter(|entry| entry.waiters == 0);
        abandoned.min_by_key(|entry| entry.flight.ends).map(|entry| Arc::clone(&entry.flight))
    }
}

pub(super) struct Entry<V> {
    pub(super) flight: Arc<Flight<V>>,
    /// If the waiters drive it.
    pub(super) parked: Option<Arc<Parked>>,
    pub(super) waiters: usize,
}

pub(crate) struct Flight<V> {
    pub(crate) key: Arc<str>,
    pub(super) ends: Option<Instant>,
    pub(super) outcome: OnceLock<Result<V, FlightError>>,
    landed: Notify,
    pub(super) task: OnceLock<AbortHandle>,
}

impl<V> Flight<V> {
    pub(crate) fn new(key: Arc<str>, ends: Option<Instant>) -> Self {
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
