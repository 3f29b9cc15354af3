//! Where slow hashes are computed: off the async workers, and never more at a time than the machine
//! has cores. Without the feature `argon2` there are none.

#[cfg(feature = "argon2")]
use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism};

#[cfg(feature = "argon2")]
use tokio::{runtime::Handle, sync::Semaphore};

#[cfg(feature = "argon2")]
use crate::error::{Error, kind::ErrorKind};

/// Waiting requests per worker. At some ten milliseconds a hash, the last one waits for a second.
#[cfg(feature = "argon2")]
const QUEUE_PER_WORKER: usize = 64;

/// A bounded pool with a bounded queue. What waits in the queue and is dropped leaves it; what is
/// being computed is computed to its end, and keeps its permit until then.
#[cfg(feature = "argon2")]
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// One permit for each waiting or running hash.
    admitted: Arc<Semaphore>,
    /// One permit for each running hash.
    workers: Arc<Semaphore>,
}

#[cfg(feature = "argon2")]
impl Pool {
    pub(crate) fn new(workers: usize, queue: usize) -> Self {
        let permits = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { admitted: permits(workers.saturating_add(queue)), workers: permits(workers) }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let admission = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_full| Error::from(ErrorKind::Overloaded))?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::verifier)?;
        let runtime = Handle::try_current().map_err(Error::verifier)?;
        let job = runtime.spawn_blocking(move || {
            let result = job();
            drop((worker, admission));
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

#[cfg(all(test, feature = "argon2"))]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        sync::mpsc,
        task::{Context, Poll, Waker},
    };

    use http::StatusCode;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// A runtime with one thread for hashes.
    fn runtime() -> Runtime {
        Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
    }

    /// How many may come in, and how many of them are computed at a time.
    fn room(pool: &Pool) -> (usize, usize) {
        (pool.admitted.available_permits(), pool.workers.available_permits())
    }

    fn starts<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    // R54, R73. No hash is known to panic, so a job stands in for one that does.
    #[test]
    fn panic_is_503_and_frees_the_pool() {
        let pool = Pool::new(2, 1);
        runtime().block_on(async {
            // More often than there are permits.
            for _ in 0..5 {
                let error = pool.run(|| -> () { panic!("a bug") }).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Verifier);
                assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(room(&pool), (3, 2));
            }
            assert_eq!(pool.run(|| "done").await.unwrap(), "done");
        });
    }

    // R54, R110. No request waits for it any longer, but it still takes a core and memory.
    #[test]
    fn dropped_job_keeps_its_permit_until_done() {
        let pool = Pool::new(1, 1);
        let (finish, wait) = mpsc::channel::<()>();
        let runtime = runtime();
        runtime.block_on(async {
            {
                let mut computed = pin!(pool.run(move || wait.recv().unwrap_err()));
                let mut queued = pin!(pool.run(|| ()));
                assert!(starts(computed.as_mut()) && starts(queued.as_mut()));
                assert_eq!(room(&pool), (0, 0));
            }
            assert_eq!(room(&pool), (1, 0));
            let mut next = pin!(pool.run(|| "next"));
            assert!(starts(next.as_mut()));
            drop(finish);
            assert_eq!(next.await.unwrap(), "next");
        });
        assert_eq!(room(&pool), (2, 1));
    }
}
