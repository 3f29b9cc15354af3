//! What work asks that waits for its turn, or was ended for another.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use tokio::time::Instant;

use crate::isolate::single_flight::{FlightError, SingleFlight, flights::Flight};

impl<V> SingleFlight<V> {
    /// What the work needs before it can begin, if that takes no longer than half of the deadline: the
    /// rest is for the work. Unless it `waits`, and without a timer, it is there at once, or not at all.
    pub(crate) async fn in_half_the_time<T>(
        &self,
        waits: bool,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut timer = pin!(None);
        let mut is_set = false;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if !is_set {
                is_set = true;
                let ends = Instant::now().checked_add(self.deadline / 2).filter(|_| waits);
                timer.set(ends.and_then(|ends| self.shared.timer(ends)));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Ready(None),
            }
        })
        .await
    }
}

impl<V> Flight<V> {
    /// Whether it was ended for the sake of another, and so for nothing that its work has done.
    pub(crate) fn has_made_room(&self) -> bool {
        matches!(self.outcome.get(), Some(Err(FlightError::MadeRoom)))
    }
}
