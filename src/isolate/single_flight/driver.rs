//! Does the work of a flight, and lands.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use crate::isolate::{
    guard::call,
    single_flight::{
        error::FlightError,
        flights::{Flight, Shared},
    },
};

/// Does the work up to its deadline, and lands.
pub(super) async fn drive<V, W, R, G>(landing: Landing<V>, work: W, has_runtime: bool)
where
    W: Future<Output = (V, Option<R>)>,
    R: FnOnce() -> G,
{
    let Landing { shared, flight } = &landing;
    let ends = flight.ends.filter(|_| has_runtime);
    let mut timer = pin!(ends.and_then(|ends| shared.timer(ends)));
    let mut work = pin!(Some(work));
    let outcome = poll_fn(|cx| {
        let Some(work) = work.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(FlightError::Abandoned));
        };
        match call(|| work.poll(cx)) {
            Some(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Some(Poll::Pending) => match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| Err(FlightError::TimedOut)),
                None => Poll::Pending,
            },
            None => Poll::Ready(Err(FlightError::Panicked)),
        }
    })
    .await;
    // What the work holds is let go before a waiter wakes; that may panic as well.
    let _dropped = call(|| work.set(None));
    match outcome {
        Ok((value, remember)) => shared.settle(flight, Ok(value), remember),
        Err(error) => shared.end(flight, error),
    }
}

/// Ends the flight when its work is dropped, for example with its runtime.
pub(super) struct Landing<V> {
    shared: Arc<Shared<V>>,
    flight: Arc<Flight<V>>,
}

impl<V> Landing<V> {
    pub(super) const fn new(shared: Arc<Shared<V>>, flight: Arc<Flight<V>>) -> Self {
        Self { shared, flight }
    }
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        if self.flight.outcome.get().is_none() {
            self.shared.end(&self.flight, FlightError::Abandoned);
        }
    }
}
