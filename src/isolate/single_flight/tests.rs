//! One flight per key, whatever its waiters do. Nothing here looks at a clock on the wall.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    thread,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::{JoinSet, yield_now},
};

use super::*;

type Flights = SingleFlight<usize>;
type Outcome = Result<usize, FlightError>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

fn flights() -> Flights {
    Flights::new(16, DEADLINE)
}

/// Counted work that ends when it gets a permit. Its answer is its number.
#[derive(Clone)]
struct Store {
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    remembered: Arc<Mutex<Vec<usize>>>,
}

impl Store {
    fn new() -> Self {
        Self {
            begun: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            remembered: Arc::default(),
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(SeqCst)
    }

    fn remembered(&self) -> Vec<usize> {
        self.remembered.lock().unwrap().clone()
    }

    fn wait<'a>(&self, flights: &'a Flights, key: &'a str) -> Waiting<'a> {
        let store = self.clone();
        Box::pin(flights.run(key, move |_key| async move {
            let answer = store.begun.fetch_add(1, SeqCst) + 1;
            store.gate.acquire().await.unwrap().forget();
            (answer, Some(move || store.remembered.lock().unwrap().push(answer)))
        }))
    }

    /// Waits, and has been polled once.
    fn ask<'a>(&self, flights: &'a Flights, key: &'a str) -> Waiting<'a> {
        let mut waiting = self.wait(flights, key);
        assert!(poll(&mut waiting).is_pending());
        waiting
    }
}

fn poll(waiting: &mut Waiting<'_>) -> Poll<Outcome> {
    waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn panics<'a>(flights: &'a Flights, gate: &Arc<Semaphore>) -> Waiting<'a> {
    let gate = Arc::clone(gate);
    Box::pin(flights.run("key", move |_key| async move {
        let _permit = gate.acquire().await.unwrap();
        assert!(gate.is_closed(), "the work panics");
        (0, None::<fn()>)
    }))
}

/// Lets every task of this thread go on until none can.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test]
async fn waiters_share_one_flight() {
    let (flights, store) = (flights(), Store::new());
    let mut waiting: Vec<_> = (0..100).map(|_| store.ask(&flights, "key")).collect();
    let other = store.ask(&flights, "other");
    settle().await;
    assert_eq!((store.begun(), flights.in_flight()), (2, 2));
    store.gate.add_permits(2);
    assert_eq!(other.await, Ok(2));
    for one in &mut waiting {
        assert_eq!(one.await, Ok(1));
    }
    assert_eq!(store.remembered(), [1, 2]);
    assert_eq!(flights.in_flight(), 0);
}

#[tokio::test]
async fn late_arrival_begins_another_flight() {
    let (flights, store) = (flights(), Store::new());
    store.gate.add_permits(2);
    assert_eq!(store.wait(&flights, "key").await, Ok(1));
    assert_eq!(store.wait(&flights, "key").await, Ok(2));
}

#[tokio::test]
async fn dropped_request_loses_nothing() {
    let (flights, store) = (flights(), Store::new());
    drop(store.ask(&flights, "key"));
    settle().await;
    assert_eq!(flights.in_flight(), 1);
    for _ in 0..500 {
        drop(store.ask(&flights, "key"));
    }
    store.gate.add_permits(1);
    settle().await;
    assert_eq!((store.begun(), flights.in_flight()), (1, 0));
    assert_eq!(store.remembered(), [1]);
}

#[test]
fn works_without_a_runtime() {
    let (flights, store) = (flights(), Store::new());
    let [mut leader, mut waiter] = [store.ask(&flights, "key"), store.ask(&flights, "key")];
    store.gate.add_permits(1);
    assert!(poll(&mut waiter).is_pending(), "the leader drives the work");
    assert_eq!(poll(&mut leader), Poll::Ready(Ok(1)));
    assert_eq!(poll(&mut waiter), Poll::Ready(Ok(1)));
    assert_eq!(store.remembered(), [1]);
    assert_eq!(flights.in_flight(), 0);
}

#[test]
fn dropped_leader_without_a_runtime_is_replaced() {
    let (flights, store) = (flights(), Store::new());
    let (leader, idle) = (store.ask(&flights, "key"), store.ask(&flights, "key"));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut next = store.wait(&flights, "key");
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // The first in line is told, and hands it on when it is dropped itself.
    drop(leader);
    drop(idle);
    assert_eq!(woken.0.load(SeqCst), 1);
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    store.gate.add_permits(1);
    assert_eq!(woken.0.load(SeqCst), 2, "it drives the work now");
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    assert_eq!(store.begun(), 1, "from where it was");
    assert_eq!(flights.in_flight(), 0);
}

#[test]
fn last_waiter_without_a_runtime_ends_the_flight() {
    let (flights, store) = (flights(), Store::new());
    for invalidated in [false, true] {
        let waiting = [store.ask(&flights, "key"), store.ask(&flights, "key")];
        if invalidated {
            flights.invalidate("key", || ());
        }
        for one in waiting {
            assert_eq!(flights.in_flight(), 1);
            drop(one);
        }
        assert_eq!(flights.in_flight(), 0);
    }
    store.gate.add_permits(1);
    assert_eq!(poll(&mut store.wait(&flights, "key")), Poll::Ready(Ok(3)));
    assert_eq!(store.remembered(), [3]);
}

#[tokio::test]
async fn panic_reaches_every_waiter() {
    let (flights, gate) = (flights(), Arc::new(Semaphore::new(0)));
    let mut waiting: Vec<_> = (0..3).map(|_| panics(&flights, &gate)).collect();
    assert!(waiting.iter_mut().all(|one| poll(one).is_pending()));
    gate.add_permits(1);
    for one in waiting {
        assert_eq!(one.await, Err(FlightError::Panicked));
    }
    assert_eq!(flights.in_flight(), 0);
    let store = Store::new();
    store.gate.add_permits(1);
    assert_eq!(store.wait(&flights, "key").await, Ok(1));
}

#[test]
fn panic_without_a_runtime_reaches_every_waiter() {
    let (flights, gate) = (flights(), Arc::new(Semaphore::new(0)));
    let mut waiting: Vec<_> = (0..3).map(|_| panics(&flights, &gate)).collect();
    assert!(waiting.iter_mut().all(|one| poll(one).is_pending()));
    gate.add_permits(1);
    for one in waiting {
        assert_eq!(block_on(one), Err(FlightError::Panicked));
    }
    assert_eq!(flights.in_flight(), 0);
}

#[test]
fn panic_on_dropping_the_work_is_contained() {
    struct Work;
    impl Future for Work {
        type Output = (usize, Option<fn()>);

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready((7, None))
        }
    }
    impl Drop for Work {
        fn drop(&mut self) {
            assert!(thread::panicking(), "the drop panics");
        }
    }
    let flights = flights();
    let mut waiting: Waiting<'_> = Box::pin(flights.run("key", |_key| Work));
    assert_eq!(poll(&mut waiting), Poll::Ready(Ok(7)));
    assert_eq!(flights.in_flight(), 0);
}

#[tokio::test]
async fn flights_are_bounded() {
    let (flights, store) = (Flights::new(2, DEADLINE), Store::new());
    let waiting = [store.ask(&flights, "a"), store.ask(&flights, "b"), store.ask(&flights, "b")];
    assert_eq!(store.wait(&flights, "c").await, Err(FlightError::Full));
    // It goes on, and so takes room.
    flights.invalidate("a", || ());
    for key in ["a", "c"] {
        assert_eq!(store.wait(&flights, key).await, Err(FlightError::Full));
    }
    store.gate.add_permits(3);
    for one in waiting {
        assert!(one.await.is_ok());
    }
    assert_eq!(store.wait(&flights, "c").await, Ok(3));
    assert_eq!(store.begun(), 3, "what is refused does not begin");
}

// Callers that hang up must not keep the others out.
#[tokio::test]
async fn abandoned_flights_make_room() {
    let (flights, store) = (Flights::new(2, DEADLINE), Store::new());
    let waiting = store.ask(&flights, "a");
    drop(store.ask(&flights, "b"));
    settle().await;
    assert_eq!((store.begun(), flights.in_flight()), (2, 2), "what was abandoned goes on");
    let honest = store.ask(&flights, "c");
    settle().await;
    assert_eq!((store.begun(), flights.in_flight()), (3, 2));
    assert_eq!(store.wait(&flights, "d").await, Err(FlightError::Full), "two are waited for");
    store.gate.add_permits(2);
    assert_eq!((waiting.await, honest.await), (Ok(1), Ok(3)));
    assert_eq!((store.remembered(), flights.in_flight()), (vec![1, 3], 0));
}

// They would end each other, and none would land.
#[tokio::test]
async fn flights_that_nobody_waits_for_make_no_room() {
    let (flights, store) = (Flights::new(1, DEADLINE), Store::new());
    for (key, refused) in [("a", None), ("a", None), ("b", Some(FlightError::Full))] {
        let store = store.clone();
        let work = move |_key| async move {
            let answer = store.begun.fetch_add(1, SeqCst) + 1;
            store.gate.acquire().await.unwrap().forget();
            (answer, Some(move || store.remembered.lock().unwrap().push(answer)))
        };
        assert_eq!(flights.join(key, work, false).map(drop).err(), refused);
        settle().await;
    }
    assert_eq!((store.begun(), flights.in_flight()), (1, 1));
    store.gate.add_permits(1);
    settle().await;
    assert_eq!((store.remembered(), flights.in_flight()), (vec![1], 0));
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Begins a flight on a runtime, hangs up, and leaves the runtime alive but not driven.
fn begun_on(runtime: &Runtime, flights: &Flights, store: &Store, key: &str) {
    runtime.block_on(async {
        let mut waiting = store.wait(flights, key);
        let is_pending = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending);
    });
}

#[test]
fn waiter_outlives_a_runtime_that_is_not_driven() {
    let (flights, store) = (flights(), Store::new());
    let idle = paused();
    begun_on(&idle, &flights, &store, "key");
    let outcome = paused().block_on(store.wait(&flights, "key"));
    assert_eq!(outcome, Err(FlightError::TimedOut));
    assert_eq!(flights.in_flight(), 0);
    store.gate.add_permits(1);
    assert!(paused().block_on(store.wait(&flights, "key")).is_ok());
}

#[test]
fn a_runtime_without_a_timer_takes_none_from_others() {
    let (flights, store) = (flights(), Store::new());
    let no_timer = Builder::new_current_thread().build().unwrap();
    begun_on(&no_timer, &flights, &store, "a");
    let outcome = paused().block_on(store.wait(&flights, "b"));
    assert_eq!(outcome, Err(FlightError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn flight_ends_at_its_deadline() {
    let (flights, store) = (flights(), Store::new());
    let begun = Instant::now();
    let waiting: Vec<_> = (0..3).map(|_| store.ask(&flights, "key")).collect();
    tokio::time::advance(DEADLINE - Duration::from_millis(1)).await;
    settle().await;
    let late = store.ask(&flights, "key");
    assert_eq!(store.begun(), 1);
    for one in waiting.into_iter().chain([late]) {
        assert_eq!(one.await, Err(FlightError::TimedOut));
    }
    assert_eq!(begun.elapsed(), DEADLINE);
    assert_eq!(flights.in_flight(), 0);
    assert_eq!(Arc::strong_count(&store.gate), 1, "the work is dropped");
    store.gate.add_permits(1);
    assert_eq!(store.wait(&flights, "key").await, Ok(2));
    assert_eq!(store.remembered(), [2]);
}

#[test]
fn overdue_flight_without_a_timer_ends() {
    let store = Store::new();
    let flights = Flights::new(1, Duration::ZERO);
    let mut first = store.ask(&flights, "key");
    let mut second = store.ask(&flights, "key");
    assert_eq!(poll(&mut first), Poll::Ready(Err(FlightError::TimedOut)));
    // Another key needs the room, also of what was invalidated.
    flights.invalidate("key", || ());
    let mut third = store.ask(&flights, "other");
    assert_eq!(poll(&mut second), Poll::Ready(Err(FlightError::TimedOut)));
    store.gate.add_permits(1);
    assert_eq!(poll(&mut third), Poll::Ready(Ok(3)));
    assert_eq!(flights.in_flight(), 0);
}

#[test]
fn runtime_without_a_timer_answers() {
    let (flights, store) = (Flights::new(16, Duration::ZERO), Store::new());
    Builder::new_current_thread().build().unwrap().block_on(async {
        let first = store.ask(&flights, "key");
        settle().await;
        let second = store.ask(&flights, "key");
        assert_eq!(first.await, Err(FlightError::TimedOut));
        settle().await;
        store.gate.add_permits(1);
        assert_eq!(second.await, Ok(2));
    });
    assert_eq!(Arc::strong_count(&store.gate), 1, "the work of the first was ended");
}

#[test]
fn runtime_shutdown_strands_no_waiter() {
    let (flights, store) = (flights(), Store::new());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let (mut leader, mut waiter) = runtime.block_on(async {
        let waiting = (store.ask(&flights, "key"), store.ask(&flights, "key"));
        settle().await;
        waiting
    });
    drop(runtime);
    for one in [&mut leader, &mut waiter] {
        assert_eq!(poll(one), Poll::Ready(Err(FlightError::Abandoned)));
    }
    assert_eq!(flights.in_flight(), 0);
}

#[tokio::test]
async fn late_arrival_after_invalidate_asks_again() {
    for all in [false, true] {
        let (flights, store) = (flights(), Store::new());
        let early = [store.ask(&flights, "key"), store.ask(&flights, "key")];
        settle().await;
        if all {
            flights.invalidate_all(|| ());
        } else {
            flights.invalidate("other", || ());
            flights.invalidate("key", || ());
        }
        let late = store.ask(&flights, "key");
        settle().await;
        assert_eq!(store.begun(), 2, "it does not wait for the older flight");
        store.gate.add_permits(1);
        for one in early {
            assert_eq!(one.await, Ok(1));
        }
        assert_eq!(store.remembered(), [0; 0]);
        store.gate.add_permits(1);
        assert_eq!(late.await, Ok(2));
        assert_eq!(store.remembered(), [2]);
        assert_eq!(flights.in_flight(), 0);
    }
}

// Or an older answer could be remembered between the two.
#[tokio::test]
async fn flight_and_cache_change_atomically() {
    let flights = flights();
    assert!(!flights.shared.is_locked());
    flights.invalidate("key", || assert!(flights.shared.is_locked()));
    flights.invalidate_all(|| assert!(flights.shared.is_locked()));
    let shared = Arc::clone(&flights.shared);
    let work = async move { (1, Some(move || assert!(shared.is_locked()))) };
    assert_eq!(flights.run("key", |_key| work).await, Ok(1));
    assert!(!flights.shared.is_locked());
}

// The value of a waiter may be the application's, and so may its drop.
#[tokio::test]
async fn nothing_is_dropped_under_the_lock() {
    struct Asks(Arc<SingleFlight<Arc<Self>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.invalidate("key", || ());
        }
    }
    let flights = Arc::new(SingleFlight::<Arc<Asks>>::new(16, DEADLINE));
    let value = || Arc::new(Asks(Arc::clone(&flights)));
    let run = || {
        let (value, replaced) = (value(), value());
        flights.run("key", |_key| async move { (value, Some(move || replaced)) })
    };
    assert!(run().await.is_ok());
    drop(Box::pin(run()));
    flights.invalidate("key", value);
    flights.invalidate_all(value);
    assert_eq!(flights.in_flight(), 0);
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Polls a future to its end without a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

const KEYS: [&str; 3] = ["a", "b", "c"];

/// A cache over a store whose rows have versions.
struct World {
    flights: SingleFlight<u64>,
    rows: [Row; KEYS.len()],
}

#[derive(Default)]
struct Row {
    version: AtomicU64,
    cached: Mutex<Option<u64>>,
    /// How often it was invalidated, counted under the lock of the flights.
    generation: AtomicU64,
    /// The flight that began last, by generation.
    active: Mutex<HashMap<u64, u64>>,
    /// The version that every invalidation so far has seen.
    oldest: AtomicU64,
}

static FLIGHTS: AtomicU64 = AtomicU64::new(0);

struct Active {
    world: Arc<World>,
    key: usize,
    generation: u64,
    number: u64,
}

impl Active {
    fn row(&self) -> &Row {
        &self.world.rows[self.key]
    }

    /// While this one is driven, no other of the generation may have begun.
    fn check(&self) {
        let active = self.row().active.lock().unwrap().get(&self.generation).copied();
        assert_eq!(active, Some(self.number), "two flights without an invalidation between");
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut active = self.row().active.lock().unwrap();
        if active.get(&self.generation) == Some(&self.number) {
            active.remove(&self.generation);
        }
    }
}

impl World {
    fn invalidate(&self, key: usize) {
        let row = &self.rows[key];
        let version = row.version.fetch_add(1, SeqCst) + 1;
        self.flights.invalidate(KEYS[key], || row.forget());
        row.oldest.fetch_max(version, SeqCst);
    }

    fn invalidate_all(&self) {
        let versions = self.rows.each_ref().map(|row| row.version.fetch_add(1, SeqCst) + 1);
        self.flights.invalidate_all(|| self.rows.each_ref().map(Row::forget));
        for (row, version) in self.rows.iter().zip(versions) {
            row.oldest.fetch_max(version, SeqCst);
        }
    }

    async fn find(self: Arc<Self>, key: usize, yields: u64) {
        let row = &self.rows[key];
        let oldest = row.oldest.load(SeqCst);
        let cached = *row.cached.lock().unwrap();
        let version = match cached {
            Some(version) => version,
            None => self.flights.run(KEYS[key], |_key| self.look_up(key, yields)).await.unwrap(),
        };
        assert!(version >= oldest, "an answer from before an invalidation: {version} < {oldest}");
    }

    fn look_up(
        self: &Arc<Self>,
        key: usize,
        yields: u64,
    ) -> impl Future<Output = (u64, Option<impl FnOnce() + use<>>)> + use<> {
        let generation = self.rows[key].generation.load(SeqCst);
        let number = FLIGHTS.fetch_add(1, SeqCst);
        self.rows[key].active.lock().unwrap().insert(generation, number);
        let active = Active { world: Arc::clone(self), key, generation, number };
        async move {
            let version = active.row().version.load(SeqCst);
            for _ in 0..yields {
                active.check();
                give_way().await;
            }
            active.check();
            let world = Arc::clone(&active.world);
            (version, Some(move || *world.rows[key].cached.lock().unwrap() = Some(version)))
        }
    }

    async fn act(self: Arc<Self>, seed: u64) {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for _ in 0..2_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let key = usize::try_from(random >> 8).unwrap() % KEYS.len();
            let yields = (random >> 32) % 4;
            match random % 16 {
                0..4 => self.invalidate(key),
                4 => self.invalidate_all(),
                5..10 => {
                    let mut dropped = Box::pin(Arc::clone(&self).find(key, yields));
                    for _ in 0..yields {
                        let polled = poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx))).await;
                        if polled.is_ready() {
                            break;
                        }
                        give_way().await;
                    }
                }
                _ => Arc::clone(&self).find(key, yields).await,
            }
        }
    }

    fn check_at_the_end(&self) {
        assert_eq!(self.flights.in_flight(), 0);
        assert!(self.rows.iter().all(|row| row.active.lock().unwrap().is_empty()));
    }
}

impl Row {
    fn forget(&self) {
        self.generation.fetch_add(1, SeqCst);
        *self.cached.lock().unwrap() = None;
    }
}

async fn give_way() {
    let mut waited = false;
    poll_fn(|cx| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn world() -> Arc<World> {
    Arc::new(World {
        flights: SingleFlight::new(1_000, Duration::MAX),
        rows: std::array::from_fn(|_| Row::default()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn stress_with_a_runtime() {
    let world = world();
    let mut tasks = JoinSet::new();
    for seed in 1..=16 {
        tasks.spawn(Arc::clone(&world).act(seed));
    }
    tasks.join_all().await;
    // Of those that were dropped some are still under way.
    while world.flights.in_flight() > 0 {
        yield_now().await;
    }
    world.check_at_the_end();
}

#[test]
fn stress_without_a_runtime() {
    let world = world();
    thread::scope(|scope| {
        for seed in 1..=16 {
            let world = Arc::clone(&world);
            scope.spawn(move || block_on(world.act(seed)));
        }
    });
    world.check_at_the_end();
}
