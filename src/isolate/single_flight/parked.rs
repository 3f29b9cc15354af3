//! The work of a flight without a runtime, which its waiters drive.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use tokio::sync::Notify;

/// The work of a flight that its waiters drive, while none of them does.
pub(super) struct Parked {
    driver: Mutex<Option<Driver>>,
    /// Told when a waiter that drove it was dropped.
    free: Notify,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Parked {
    pub(super) fn new(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { driver: Mutex::new(Some(Box::pin(driver))), free: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Driver>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the work to its end, or waits while another waiter drives it.
    pub(super) async fn drive(&self) {
        loop {
            let free = self.free.notified();
            let driver = self.lock().take();
            match driver {
                Some(driver) => return Seat { parked: self, driver: Some(driver) }.drive().await,
                None => free.await,
            }
        }
    }
}

/// Parks the work again when the waiter that drives it is dropped.
struct Seat<'a> {
    parked: &'a Parked,
    driver: Option<Driver>,
}

impl Seat<'_> {
    async fn drive(mut self) {
        poll_fn(|cx| {
            // Not put back if it panics.
            let Some(mut driver) = self.driver.take() else { return Poll::Ready(()) };
            let polled = driver.as_mut().poll(cx);
            if polled.is_pending() {
                self.driver = Some(driver);
            }
            polled
        })
        .await;
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            *self.parked.lock() = Some(driver);
            self.parked.free.notify_one();
        }
    }
}
