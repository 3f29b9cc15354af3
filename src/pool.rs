//! Where slow hashes are computed: off the async workers, and never more at a time than the machine
//! has cores. Without the feature `argon2` there are none.

#[cfg(feature = "argon2")]
use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism};

#[cfg(feature = "argon2")]
use tokio::{runtime::Handle, sync::Semaphore};

#[cfg(feature = "argon2")]
use crate::error::{Error, ErrorKind};

/// Waiting requests per worker. At some ten milliseconds a hash, the last one waits for a second.
#[cfg(feature = "argon2")]
const QUEUE_PER_WORKER: usize = 64;

/// A bounded pool with a bounded queue. What waits in the queue and is dropped leaves it; what is
/// being computed is computed to its end, and keeps its place until then.
#[cfg(feature = "argon2")]
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// One permit for each that waits or is computed.
    places: Arc<Semaphore>,
    /// One permit for each that is computed.
    workers: Arc<Semaphore>,
}

#[cfg(feature = "argon2")]
impl Pool {
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { places: permits(workers.saturating_add(queue)), workers: permits(workers) }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| Error::from(ErrorKind::Overloaded))?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::verifier)?;
        let runtime = Handle::try_current().map_err(Error::verifier)?;
        let job = runtime.spawn_blocking(move || {
            let result = job();
            drop((worker, place));
            result
        });
        job.await.map_err(Error::verifier)
    }
}

#[cfg(feature = "argon2")]
impl Default for Pool {
    fn default() -> Self {
        let workers = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(workers, workers * QUEUE_PER_WORKER)
    }
}

#[cfg(not(feature = "argon2"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(());
