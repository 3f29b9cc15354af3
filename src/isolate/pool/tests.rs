#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use http::StatusCode;
use tokio::{
    runtime::{Builder, Runtime},
    time::{advance, pause},
};

use super::*;

const GUESS: Duration = Duration::from_millis(20);

fn work() -> Work {
    Work::new(GUESS, true)
}

const fn known(client_id: &str) -> Attempt<'_> {
    Attempt { client_id, known: true, cost: 0 }
}

const fn unknown(client_id: &str) -> Attempt<'_> {
    Attempt { client_id, known: false, cost: 0 }
}

/// A runtime with one thread for hashes, whose time stands still unless it is put forward.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap()
}

/// How many may come in, and how many of them are computed at a time.
fn room(pool: &Pool) -> (usize, usize) {
    let [taken, ..] = pool.places.taken();
    (pool.places.all - taken, pool.workers.available_permits())
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn starts<F: Future>(future: Pin<&mut F>) -> bool {
    poll(future).is_pending()
}

/// A job that ends with the sender, and what was put in its way.
fn held() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (finish, wait) = mpsc::channel::<()>();
    (finish, move || wait.recv().unwrap_or_default())
}

/// The same for many: each job ends with the sender.
fn all_held() -> (mpsc::Sender<()>, impl Fn() -> Box<dyn FnOnce() -> bool + Send>) {
    let (finish, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let job = move || -> Box<dyn FnOnce() -> bool + Send> {
        let wait = Arc::clone(&wait);
        Box::new(move || wait.lock().unwrap().recv().is_err())
    };
    (finish, job)
}

/// What a request beyond the bounds gets at once.
fn refused<T>(answer: Poll<Result<Option<T>, Error>>) -> ErrorKind {
    match answer {
        Poll::Ready(Err(error)) => error.kind(),
        Poll::Ready(Ok(_)) => panic!("it was computed"),
        Poll::Pending => panic!("it has a place"),
    }
}

// R54, R73. No hash is known to panic, so a job stands in for one that does.
#[test]
fn panic_is_503_and_frees_the_pool() {
    let pool = Pool::new(2, 1);
    runtime().block_on(async {
        // More often than there are permits.
        for _ in 0..5 {
            let job = || -> () { panic!("a bug") };
            let error = pool.run(known("batch"), &work(), job).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Verifier);
            assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(room(&pool), (3, 2));
        }
        let done = pool.run(known("batch"), &work(), || "done").await.unwrap();
        assert_eq!(done, Some("done"));
    });
}

// R54, R110. No request waits for it any longer, but it still takes a core and memory.
#[test]
fn dropped_job_keeps_its_place_until_done() {
    let (pool, work) = (Pool::new(1, 1), work());
    let runtime = runtime();
    runtime.block_on(async {
        let (finish, job) = held();
        {
            let mut computed = pin!(pool.run(known("a"), &work, job));
            let mut queued = pin!(pool.run(known("b"), &work, || ()));
            assert!(starts(computed.as_mut()) && starts(queued.as_mut()));
            assert_eq!(room(&pool), (0, 0));
        }
        assert_eq!(room(&pool), (1, 0));
        let mut next = pin!(pool.run(known("b"), &work, || "next"));
        assert!(starts(next.as_mut()));
        drop(finish);
        assert_eq!(next.await.unwrap(), Some("next"));
    });
    assert_eq!(room(&pool), (2, 1));
    assert_eq!(pool.places.taken(), [0; 4]);
}

#[test]
fn ids_of_no_client_have_a_quarter_of_the_workers_and_no_place() {
    let (pool, work) = (Pool::new(8, 8), work());
    let ids: Vec<String> = (0..17).map(|n| format!("id{n}")).collect();
    Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        pause();
        let (finish, job) = all_held();
        let mut strangers: Vec<_> =
            ids.iter().map(|id| Box::pin(pool.run(unknown(id), &work, job()))).collect();
        assert!(strangers.iter_mut().all(|stranger| starts(stranger.as_mut())));
        assert_eq!((pool.places.taken(), room(&pool)), ([0, 2, 15, 17], (16, 6)));
        let clients: Vec<String> = (0..17).map(|n| format!("client{n}")).collect();
        let mut clients: Vec<_> =
            clients.iter().map(|id| Box::pin(pool.run(known(id), &work, job()))).collect();
        let (late, clients) = clients.split_last_mut().unwrap();
        assert!(clients.iter_mut().all(|client| starts(client.as_mut())));
        // Full for all, and then nothing tells who exists.
        assert_eq!(refused(poll(late.as_mut())), ErrorKind::Overloaded);
        let mut late = pin!(pool.run(unknown("late"), &work, || "hash"));
        assert_eq!(refused(poll(late.as_mut())), ErrorKind::Overloaded);
        drop(finish);
        for client in clients {
            assert_eq!(client.await.unwrap(), Some(true));
        }
        for (n, stranger) in strangers.into_iter().enumerate() {
            assert_eq!(stranger.await.unwrap(), (n < 2).then_some(true));
        }
    });
    assert_eq!(pool.places.taken(), [0; 4]);
}

#[test]
fn client_waits_for_one_of_the_ids_of_no_client() {
    let (pool, work) = (Pool::new(1, 15), work());
    let ids: Vec<String> = (0..16).map(|n| format!("id{n}")).collect();
    let (computed, order) = mpsc::channel();
    let job = |name: &'static str| {
        let computed = computed.clone();
        move || computed.send(name).unwrap()
    };
    runtime().block_on(async {
        pause();
        let (finish, held) = held();
        let mut first = pin!(pool.run(unknown("first"), &work, held));
        assert!(starts(first.as_mut()));
        let mut strangers: Vec<_> =
            ids.iter().map(|id| Box::pin(pool.run(unknown(id), &work, job("stranger")))).collect();
        assert!(strangers.iter_mut().all(|stranger| starts(stranger.as_mut())));
        let mut client = pin!(pool.run(known("batch"), &work, job("client")));
        assert!(starts(client.as_mut()));
        drop(finish);
        first.await.unwrap();
        poll_fn(|cx| {
            strangers.retain_mut(|stranger| stranger.as_mut().poll(cx).is_pending());
            client.as_mut().poll(cx)
        })
        .await
        .unwrap();
    });
    assert_eq!(order.recv(), Ok("client"));
}

#[test]
fn who_would_wait_too_long_is_refused_known_or_not() {
    let (pool, long) = (Pool::new(1, 63), Work::new(Duration::from_secs(2), true));
    runtime().block_on(async {
        let (finish, job) = held();
        let mut computed = pin!(pool.run(known("first"), &long, job));
        assert!(starts(computed.as_mut()));
        let mut queued = ["a", "b"].map(|id| Box::pin(pool.run(known(id), &long, || "computed")));
        assert!(queued.iter_mut().all(|queued| starts(queued.as_mut())));
        for attempt in [known("late"), unknown("late")] {
            let mut late = pin!(pool.run(attempt, &long, || ()));
            assert_eq!(refused(poll(late.as_mut())), ErrorKind::Overloaded);
        }
        drop(finish);
        for queued in queued {
            assert_eq!(queued.await.unwrap(), Some("computed"));
        }
        // However long it takes itself.
        let longer = Work::new(Duration::from_secs(60), true);
        assert_eq!(pool.run(known("late"), &longer, || "done").await.unwrap(), Some("done"));
    });
}

#[test]
fn one_id_has_an_eighth_of_the_places_known_or_not() {
    let (pool, work) = (Pool::new(1, 15), work());
    runtime().block_on(async {
        pause();
        for attempt in [known("batch"), unknown("nobody")] {
            let (finish, job) = held();
            let mut first = pin!(pool.run(attempt, &work, job));
            let mut second = pin!(pool.run(attempt, &work, || ()));
            assert!(starts(first.as_mut()) && starts(second.as_mut()));
            let mut third = pin!(pool.run(attempt, &work, || ()));
            assert_eq!(refused(poll(third.as_mut())), ErrorKind::Overloaded);
            let mut other = pin!(pool.run(known("other"), &work, || "other"));
            assert!(starts(other.as_mut()));
            drop(finish);
            first.await.unwrap();
            second.await.unwrap();
            assert_eq!(other.await.unwrap(), Some("other"));
        }
        // Who waits without a place counts as well.
        let (finish, job) = held();
        let mut computed = pin!(pool.run(unknown("held"), &work, job));
        assert!(starts(computed.as_mut()));
        let mut waiting = [0; 2].map(|_| Box::pin(pool.run(unknown("nobody"), &work, || ())));
        assert!(waiting.iter_mut().all(|waiting| starts(waiting.as_mut())));
        let mut third = pin!(pool.run(unknown("nobody"), &work, || ()));
        assert_eq!(refused(poll(third.as_mut())), ErrorKind::Overloaded);
        drop(finish);
    });
}

#[test]
fn ids_of_no_client_keep_no_client_out_of_the_smallest_pool() {
    let (pool, work) = (Pool::new(1, 0), work());
    runtime().block_on(async {
        pause();
        let (finish, job) = held();
        let mut stranger = pin!(pool.run(unknown("a"), &work, job));
        let mut waiting = pin!(pool.run(unknown("b"), &work, || ()));
        assert!(starts(stranger.as_mut()) && starts(waiting.as_mut()));
        let mut client = pin!(pool.run(known("batch"), &work, || "right"));
        assert!(starts(client.as_mut()));
        // Full for all.
        for attempt in [known("other"), unknown("other")] {
            let mut late = pin!(pool.run(attempt, &work, || ()));
            assert_eq!(refused(poll(late.as_mut())), ErrorKind::Overloaded);
        }
        drop(finish);
        stranger.await.unwrap();
        assert_eq!(client.await.unwrap(), Some("right"));
    });
}

#[test]
fn id_of_no_client_waits_as_long_as_a_hash_takes() {
    let (pool, work) = (Pool::new(2, 6), work());
    runtime().block_on(async {
        pause();
        let (finish, job) = held();
        let mut running = pin!(pool.run(unknown("a"), &work, job));
        let mut second = pin!(pool.run(known("b"), &work, || ()));
        let mut third = pin!(pool.run(known("c"), &work, || ()));
        assert!(starts(running.as_mut()) && starts(second.as_mut()) && starts(third.as_mut()));
        let mut waiting = pin!(pool.run(unknown("d"), &work, || ()));
        assert!(starts(waiting.as_mut()));
        // Two of three have to end, at a time: one after the other half a hash apart. Then its own.
        advance(2 * GUESS - Duration::from_millis(1)).await;
        assert!(starts(waiting.as_mut()));
        advance(Duration::from_millis(2)).await;
        assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Ok(None))));
        drop(finish);
        running.await.unwrap();
    });
}

#[test]
fn wait_follows_what_the_hashes_of_unknown_ids_take() {
    let (pool, work) = (Pool::new(1, 7), work());
    let runtime = runtime();
    runtime.block_on(async {
        pause();
        for _ in 0..40 {
            let (finish, job) = held();
            let (started, start) = mpsc::channel();
            let mut slow = pin!(pool.run(unknown("a"), &work, move || {
                started.send(()).unwrap();
                job();
            }));
            assert!(starts(slow.as_mut()));
            start.recv().unwrap();
            advance(5 * GUESS).await;
            drop(finish);
            slow.await.unwrap();
            // Clients with a cheaper secret change nothing.
            pool.run(known("b"), &work, || ()).await.unwrap();
        }
    });
    let takes = Duration::from_nanos(work.takes());
    assert!(takes > 4 * GUESS && takes < 6 * GUESS, "{takes:?}");
}

#[test]
fn work_that_was_not_done_shortens_no_wait() {
    let (pool, work) = (Pool::new(1, 15), work());
    runtime().block_on(async {
        pause();
        // Time stands still: nothing was computed.
        for _ in 0..40 {
            pool.run(unknown("nobody"), &work, || ()).await.unwrap();
        }
        let ids = ["a", "b", "c", "d", "e"];
        let (finish, job) = held();
        let mut computed = pin!(pool.run(known("batch"), &work, job));
        assert!(starts(computed.as_mut()));
        let mut strangers = ids.map(|id| Box::pin(pool.run(unknown(id), &work, || ())));
        assert!(strangers.iter_mut().all(|stranger| starts(stranger.as_mut())));
        advance(GUESS - Duration::from_millis(1)).await;
        assert!(strangers.iter_mut().all(|stranger| starts(stranger.as_mut())));
        drop(finish);
    });
}

#[test]
fn those_who_wait_are_bounded() {
    let (pool, work) = (Pool::new(1, 3), work());
    let bound = 4 * 8;
    let ids: Vec<String> = (0..=bound).map(|n| format!("id{n}")).collect();
    runtime().block_on(async {
        pause();
        let (finish, job) = held();
        let mut computed = pin!(pool.run(unknown("held"), &work, job));
        assert!(starts(computed.as_mut()));
        let mut waiting: Vec<_> =
            ids.iter().map(|id| Box::pin(pool.run(unknown(id), &work, || ()))).collect();
        assert!(waiting.iter_mut().all(|waiting| starts(waiting.as_mut())));
        // One too many: the one who has waited longest is let go.
        let (first, others) = waiting.split_first_mut().unwrap();
        assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(None))));
        assert!(others.iter_mut().all(|waiting| starts(waiting.as_mut())));
        assert_eq!(pool.places.taken(), [0, 1, bound, bound + 1]);
        drop(waiting);
        assert_eq!(pool.places.taken(), [0, 1, 0, 1]);
        drop(finish);
    });
}

#[test]
fn runtime_without_a_timer_does_not_panic() {
    let (pool, work) = (Pool::new(1, 3), work());
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (finish, job) = held();
        let mut computed = pin!(pool.run(unknown("a"), &work, job));
        assert!(starts(computed.as_mut()));
        for _ in 0..2 {
            assert_eq!(pool.run(unknown("b"), &work, || ()).await.unwrap(), None);
        }
        drop(finish);
        computed.await.unwrap();
    });
}

#[test]
fn runtime_without_a_timer_takes_none_from_others() {
    let (pool, work) = (Pool::new(1, 3), work());
    for has_timer in [false, true] {
        let mut runtime = Builder::new_current_thread();
        if has_timer {
            runtime.enable_time();
        }
        runtime.max_blocking_threads(1).build().unwrap().block_on(async {
            let (finish, job) = held();
            let mut computed = pin!(pool.run(unknown("a"), &work, job));
            assert!(starts(computed.as_mut()));
            let mut waiting = pin!(pool.run(unknown("b"), &work, || ()));
            assert_eq!(starts(waiting.as_mut()), has_timer);
            drop(finish);
            computed.await.unwrap();
        });
    }
}

#[test]
fn only_short_work_is_done_without_a_runtime() {
    let (pool, short) = (Pool::new(1, 0), Work::new(Duration::from_micros(400), false));
    let mut short = pin!(pool.run(unknown("nobody"), &short, || "done"));
    assert!(matches!(poll(short.as_mut()), Poll::Ready(Ok(Some("done")))));
    let long = work();
    let mut long = pin!(pool.run(known("batch"), &long, || "done"));
    assert_eq!(refused(poll(long.as_mut())), ErrorKind::Verifier);
}

// Otherwise one id whose hashes take long would keep all clients out.
#[test]
fn one_id_has_a_quarter_of_the_longest_queue_known_or_not() {
    let pool = Pool::new(2, 126);
    let seconds = Duration::from_secs_f64;
    // Ten seconds for two workers, and the sixteen places of one id.
    for (takes, share) in [(0.1, 16), (0.3, 8), (1.2, 2), (1.3, 1), (9.0, 1)] {
        let (dear, takes) = (Work::new(seconds(takes), true), nanoseconds(seconds(takes)));
        let attempts = [known("busy"), unknown("nobody")];
        for attempt in attempts.map(|attempt| Attempt { cost: takes, ..attempt }) {
            runtime().block_on(async {
                pause();
                let (finish, job) = all_held();
                let mut all: Vec<_> =
                    (0..=share).map(|_| Box::pin(pool.run(attempt, &dear, job()))).collect();
                let (late, held) = all.split_last_mut().unwrap();
                assert!(held.iter_mut().all(|held| starts(held.as_mut())), "{share}");
                assert_eq!(refused(poll(late.as_mut())), ErrorKind::Overloaded, "{share}");
                let work = work();
                let mut other = pin!(pool.run(known("other"), &work, || "other"));
                assert!(starts(other.as_mut()), "{share}");
                drop(finish);
                for held in held {
                    held.await.unwrap();
                }
                assert_eq!(other.await.unwrap(), Some("other"));
            });
        }
    }
}

#[test]
fn no_hash_of_a_made_up_id_keeps_clients_out_however_long_it_takes() {
    let (pool, long) = (Pool::new(1, 63), Work::new(Duration::from_secs(60), true));
    runtime().block_on(async {
        pause();
        let (finish, job) = held();
        let mut stranger = pin!(pool.run(unknown("nobody"), &long, job));
        assert!(starts(stranger.as_mut()));
        let work = work();
        let mut clients = ["a", "b"].map(|id| Box::pin(pool.run(known(id), &work, || "right")));
        assert!(clients.iter_mut().all(|client| starts(client.as_mut())));
        drop(finish);
        stranger.await.unwrap();
        for client in clients {
            assert_eq!(client.await.unwrap(), Some("right"));
        }
    });
}
