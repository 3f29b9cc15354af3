//! One piece of work per key at a time, whose outcome is shared by all its waiters.
//!
//! Where there is a tokio runtime the work is a task of its own, so that a request that is dropped
//! neither stops it nor loses what it brings. Elsewhere the waiters drive it, one at a time: when
//! the leader is dropped another waiter goes on from where it was, and with the last one it ends.
//!
//! No lock is held across an `await`, a drop of a value or code of the application.

mod driver;
mod error;
mod flights;
mod parked;
#[cfg(feature = "jwt")]
mod turn;

#[cfg(any(feature = "cache", test))]
use std::mem;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use crate::isolate::single_flight::{
    driver::{Landing, drive},
    flights::{Entry, Shared},
    parked::Parked,
};
pub(crate) use crate::isolate::single_flight::{
    error::{FlightError, SharedError},
    flights::Flight,
};

/// How long the work may take, unless a cache says otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// How long after the deadline a waiter ends a flight that did not end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// At most one flight per key, and no more than `limit` of them at a time.
///
/// A flight ends at its deadline. Its timer is that of the runtime; where there is none, it ends
/// when the next request for its key arrives after the deadline, or when room is needed.
pub(crate) struct SingleFlight<V> {
    shared: Arc<Shared<V>>,
    limit: usize,
    deadline: Duration,
}

impl<V> Clone for SingleFlight<V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ..*self }
    }
}

impl<V> SingleFlight<V> {
    /// With room for one flight at least.
    pub(crate) fn new(limit: usize, deadline: Duration) -> Self {
        Self { shared: Arc::default(), limit: limit.max(1), deadline }
    }

    /// The same flights with another limit.
    pub(crate) fn limit(self, limit: usize) -> Self {
        Self { limit: limit.max(1), ..self }
    }

    /// The same flights; those that begin from now on end at another deadline.
    pub(crate) fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The waiters of a flight of this key still get its answer, but it is not remembered, and a
    /// request that arrives after this begins another one.
    ///
    /// `forget` runs under the lock, so that no answer is remembered between the two: it must only
    /// move, and hands back what is to be dropped.
    #[cfg(any(feature = "cache", test))]
    pub(crate) fn invalidate<G>(&self, key: &str, forget: impl FnOnce() -> G) {
        let mut flights = self.shared.lock();
        let entry = flights.current.remove(key);
        flights.invalidated.extend(entry.iter().map(|entry| Arc::clone(&entry.flight)));
        let forgotten = forget();
        drop(flights);
        drop((entry, forgotten));
    }

    /// [`invalidate`](Self::invalidate) for every key.
    #[cfg(any(feature = "cache", test))]
    pub(crate) fn invalidate_all<G>(&self, forget: impl FnOnce() -> G) {
        let mut flights = self.shared.lock();
        let entries = mem::take(&mut flights.current);
        flights.invalidated.extend(entries.values().map(|entry| Arc::clone(&entry.flight)));
        let forgotten = forget();
        drop(flights);
        drop((entries, forgotten));
    }

    /// How many are in flight, invalidated ones included.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.lock().len()
    }
}

impl<V: Clone + Send + Sync + 'static> SingleFlight<V> {
    /// Waits for the flight of this key, or begins one.
    ///
    /// `start` makes the work, for the leader only and under the lock: it must only move what the
    /// work owns. The work answers with a value for all waiters and, perhaps, how to remember it.
    /// That runs under the lock, unless the flight was invalidated: it, too, must only move, and
    /// hands back what is to be dropped.
    ///
    /// A request that missed the cache may begin a flight just after another one filled it, so the
    /// work should look there first.
    ///
    /// # Errors
    ///
    /// If the flight has no answer, or cannot begin.
    pub(crate) async fn run<W, R, G: 'static>(
        &self,
        key: &str,
        start: impl FnOnce(Arc<Flight<V>>) -> W,
    ) -> Result<V, FlightError>
    where
        W: Future<Output = (V, Option<R>)> + Send + 'static,
        R: FnOnce() -> G + 'static,
    {
        self.join(key, start, true)?.outcome().await
    }

    /// [`run`](Self::run) up to the wait. Who drops the waiter leaves the flight to go on by itself,
    /// where there is a runtime, and must not let it make room: such flights would end each other.
    pub(crate) fn join<W, R, G: 'static>(
        &self,
        key: &str,
        start: impl FnOnce(Arc<Flight<V>>) -> W,
        makes_room: bool,
    ) -> Result<Waiter<V>, FlightError>
    where
        W: Future<Output = (V, Option<R>)> + Send + 'static,
        R: FnOnce() -> G + 'static,
    {
        let now = Instant::now();
        let mut flights = self.shared.lock();
        let overdue = flights.overdue(key, self.limit, now);
        if !overdue.is_empty() {
            drop(flights);
            for flight in overdue {
                self.shared.cut_off(&flight, FlightError::TimedOut);
            }
            flights = self.shared.lock();
        }
        if let Some(entry) = flights.current.get_mut(key) {
            entry.waiters = entry.waiters.saturating_add(1);
            return Ok(self.waiter(entry));
        }
        if flights.len() >= self.limit {
            let abandoned = flights.abandoned().filter(|_| makes_room).ok_or(FlightError::Full)?;
            drop(flights);
            self.shared.cut_off(&abandoned, FlightError::MadeRoom);
            flights = self.shared.lock();
            // Another request may have taken the room, or the key.
            if let Some(entry) = flights.current.get_mut(key) {
                entry.waiters = entry.waiters.saturating_add(1);
                return Ok(self.waiter(entry));
            }
            if flights.len() >= self.limit {
                return Err(FlightError::Full);
            }
        }
        let key: Arc<str> = key.into();
        let flight = Arc::new(Flight::new(Arc::clone(&key), now.checked_add(self.deadline)));
        let work = start(Arc::clone(&flight));
        let landing = Landing::new(Arc::clone(&self.shared), Arc::clone(&flight));
        let runtime = Handle::try_current().ok();
        let driver = drive(landing, work, runtime.is_some());
        let (task, parked) = match runtime {
            Some(runtime) => (Some((runtime, driver)), None),
            None => (None, Some(Arc::new(Parked::new(driver)))),
        };
        let entry = Entry { flight, parked, waiters: 1 };
        let waiter = self.waiter(&entry);
        flights.current.insert(key, entry);
        // A runtime that is shutting down drops what it is given.
        drop(flights);
        if let Some((runtime, driver)) = task {
            let task = runtime.spawn(driver);
            waiter.flight.task.get_or_init(|| task.abort_handle());
        }
        Ok(waiter)
    }

    fn waiter(&self, entry: &Entry<V>) -> Waiter<V> {
        Waiter {
            shared: Arc::clone(&self.shared),
            flight: Arc::clone(&entry.flight),
            parked: entry.parked.clone(),
        }
    }
}

/// A request that waits for a flight.
pub(crate) struct Waiter<V> {
    shared: Arc<Shared<V>>,
    flight: Arc<Flight<V>>,
    parked: Option<Arc<Parked>>,
}

impl<V: Clone> Waiter<V> {
    async fn outcome(self) -> Result<V, FlightError> {
        match &self.parked {
            None => {
                // The runtime of the task may be alive and not driven: this one has a timer, too.
                let (mut landed, mut timer) = (pin!(self.flight.landed()), pin!(None));
                let mut is_set = false;
                poll_fn(|cx| {
                    if landed.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    if !is_set {
                        is_set = true;
                        let ends = self.flight.ends.and_then(|ends| ends.checked_add(GRACE));
                        timer.set(ends.and_then(|ends| self.shared.timer(ends)));
                    }
                    timer.as_mut().as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
                })
                .await;
                self.shared.cut_off(&self.flight, FlightError::TimedOut);
            }
            Some(parked) => {
                let (mut landed, mut driven) = (pin!(self.flight.landed()), pin!(parked.drive()));
                poll_fn(|cx| match landed.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => driven.as_mut().poll(cx),
                })
                .await;
            }
        }
        self.flight.outcome.get().cloned().unwrap_or(Err(FlightError::Abandoned))
    }
}

impl<V> Drop for Waiter<V> {
    /// Without a runtime nothing drives the work once the last waiter is dropped: the flight ends.
    fn drop(&mut self) {
        let mut flights = self.shared.lock();
        let mut last = false;
        if let Some(entry) = flights.current.get_mut(&self.flight.key) {
            if Arc::ptr_eq(&entry.flight, &self.flight) {
                entry.waiters = entry.waiters.saturating_sub(1);
                last = entry.waiters == 0 && self.parked.is_some();
            }
        }
        let entry = if last { flights.current.remove(&self.flight.key) } else { None };
        drop(flights);
        drop(entry);
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
mod tests;
