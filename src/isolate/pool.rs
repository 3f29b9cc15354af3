//! Where what is dear to verify is computed: off the async workers, never more at a time than the
//! machine has cores, and with places that callers who only make up ids cannot take from clients.

mod places;

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    panic::catch_unwind,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    thread::available_parallelism,
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Semaphore,
    time::{Instant, Sleep, sleep},
};

use crate::{
    error::{Error, kind::ErrorKind},
    isolate::{
        meter::{Counter, meter},
        pool::places::Places,
    },
};

/// Waiting requests per worker. At some ten milliseconds a hash, the last one waits for a second.
const QUEUE_PER_WORKER: usize = 64;

static OVERLOADED: Counter = meter!("client_auth_pool_refusals_total");

/// Whose credentials are verified.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) client_id: &'a str,
    /// Whether it is a client's, and the verification could succeed.
    pub(crate) known: bool,
    /// What counts on the share of the id, in nanoseconds: what it takes to fail, whichever part of
    /// that is computed, so that the share of a client is that of an id that nobody has.
    pub(crate) cost: u64,
}

/// A kind of verification, which takes about as long each time. Clones share what was measured.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    nanoseconds: Arc<AtomicU64>,
    /// What took less was refused before the work: a share of the guess.
    least: u64,
    is_long: bool,
}

impl Work {
    /// `guess` holds until one was measured. What is long is never computed on an async worker.
    pub(crate) fn new(guess: Duration, is_long: bool) -> Self {
        let guess = nanoseconds(guess);
        Self { nanoseconds: Arc::new(AtomicU64::new(guess)), least: guess / 4, is_long }
    }

    /// A part of it. What that takes is not measured.
    #[cfg(feature = "argon2")]
    pub(crate) fn part(&self, part: u64, whole: u64) -> Self {
        if part == whole {
            return self.clone();
        }
        let takes = u128::from(self.takes()) * u128::from(part) / u128::from(whole.max(1));
        let takes = u64::try_from(takes).unwrap_or(u64::MAX);
        Self::new(Duration::from_nanos(takes), self.is_long)
    }

    /// How long it takes just now.
    fn takes(&self) -> u64 {
        self.nanoseconds.load(Ordering::Relaxed)
    }

    /// A mean in which the last ones count most.
    fn took(&self, time: Duration) {
        let (mean, time) = (self.takes(), nanoseconds(time));
        if time >= self.least {
            self.nanoseconds.store(mean - mean / 4 + time / 4, Ordering::Relaxed);
        }
    }
}

/// A quarter of the greatest date at most, so that sums do not overflow.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

/// A bounded pool with a bounded queue. Any one id has an eighth of the places, workers included, or as
/// many as take a quarter of the longest queue, and the ids of no client have no place, but a quarter of
/// the workers together: what a client waits for is what other clients asked for, and that quarter.
///
/// What waits in the queue and is dropped leaves it; what is being computed is computed to its end,
/// and keeps its place until then.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    places: Arc<Places>,
    /// Whose ids: those of one layer and its clones.
    owner: u64,
    /// One permit for each that is computed.
    workers: Arc<Semaphore>,
    /// The last runtime that was met without a timer.
    no_timer: Arc<Mutex<Option<Id>>>,
}

impl Pool {
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        Self {
            places: Arc::new(Places::new(workers, queue)),
            owner: 0,
            workers: Arc::new(Semaphore::new(workers.min(Semaphore::MAX_PERMITS))),
            no_timer: Arc::default(),
        }
    }

    /// The same pool for other clients, which may have the same ids.
    #[cfg(feature = "argon2")]
    pub(crate) fn for_others(&self) -> Self {
        Self { owner: self.places.owners.fetch_add(1, Ordering::Relaxed), ..self.clone() }
    }

    /// What `job` returns; or `None` if it was not computed, because other unknown ids have all the
    /// workers that are for them. It then takes as long as if it had been.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overloaded`] if a known client would get no place either, or would wait for too long,
    /// [`ErrorKind::Verifier`] if `job` panics, or is long and there is no runtime.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        attempt: Attempt<'_>,
        work: &Work,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let runtime = match Handle::try_current() {
            Ok(runtime) => runtime,
            Err(_no_runtime) if !work.is_long => return Ok(Some(job())),
            Err(no_runtime) => return Err(Error::verifier(no_runtime)),
        };
        let Some(place) = self.places.enter(self.owner, attempt, work.takes()) else {
            OVERLOADED.increment();
            return Err(ErrorKind::Overloaded.into());
        };
        if let Some(wait) = place.wait() {
            self.pass(wait).await;
            return Ok(None);
        }
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::verifier)?;
        // That of a client may be cheaper than what is computed for an unknown id.
        let measured = (!attempt.known).then(|| work.clone());
        let job = runtime.spawn_blocking(move || {
            let start = Instant::now();
            let result = job();
            if let Some(work) = measured {
                work.took(start.elapsed());
            }
            drop((worker, place));
            result
        });
        job.await.map(Some).map_err(Error::verifier)
    }

    /// Waits, until so many do that this one has waited longest.
    async fn pass(&self, wait: Duration) {
        let mut leave = pin!(self.places.leave.notified());
        let mut timer = pin!(self.timer(wait));
        poll_fn(|cx| {
            if leave.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // Without a timer there is no waiting.
            timer.as_mut().as_pin_mut().map_or(Poll::Ready(()), |timer| timer.poll(cx))
        })
        .await;
    }

    /// Tokio tells only by a panic that a runtime has no timer, so each is asked once.
    fn timer(&self, wait: Duration) -> Option<Sleep> {
        let runtime = Handle::try_current().ok()?.id();
        let mut no_timer = self.no_timer.lock().unwrap_or_else(PoisonError::into_inner);
        if *no_timer == Some(runtime) {
            return None;
        }
        let timer = catch_unwind(|| sleep(wait)).ok();
        if timer.is_none() {
            *no_timer = Some(runtime);
        }
        timer
    }
}

impl Default for Pool {
    fn default() -> Self {
        let workers = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(workers, workers.saturating_mul(QUEUE_PER_WORKER))
    }
}

#[cfg(test)]
mod tests;
