//! `CachedProvider`: what it remembers, for how long, and what it must never do.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::sync::Semaphore;
use tower_client_auth::{
    AuthMethod, BoxError, ClientProvider, Clock, ErrorKind as K, RegisteredClient,
    provider::{CachedProvider, Throttled},
};

use crate::support::{
    App, Clients, Harness, Log, TestRequest, basic_client, failed, plain, public_client, run,
};

type Found = Result<Option<RegisteredClient<App>>, BoxError>;

const SECOND: Duration = Duration::from_secs(1);
const ISSUER: &str = "https://issuer.example";

/// What the store does when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Answers,
    Fails,
    Throttles,
    ThrottlesWithin,
    Panics,
}

/// A store that counts, and that can be told to wait or to fail.
#[derive(Clone, Default)]
struct Store(Arc<Inside>);

#[derive(Default)]
struct Inside {
    clients: Clients,
    asked: Log<String>,
    mood: Mutex<Mood>,
    /// If there is one, each answer takes a permit; what it says was read before.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Store {
    fn of(clients: impl IntoIterator<Item = RegisteredClient<App>>) -> Self {
        let store = Self::default();
        for client in clients {
            store.0.clients.insert(client);
        }
        store
    }

    fn be(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// Holds every answer back, until permits are added.
    fn pause(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// Reads, waits and answers.
    async fn answer(&self, asked: String, client_id: &str) -> Found {
        self.0.asked.push(asked);
        let found = self.0.clients.get(client_id);
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Answers => Ok(found),
            Mood::Fails => Err(io::Error::other("the store is down").into()),
            Mood::Throttles => Err(Throttled::new(SECOND).into()),
            Mood::ThrottlesWithin => Err(io::Error::other(Throttled::new(SECOND)).into()),
            Mood::Panics => panic!("the store panics"),
        }
    }

    /// How often it was asked since the last call.
    fn asked(&self) -> usize {
        self.0.asked.take().len()
    }
}

impl ClientProvider for Store {
    type Client = App;
    type Error = BoxError;

    async fn find_client(&self, client_id: &str) -> Found {
        self.answer(client_id.to_owned(), client_id).await
    }

    /// Each client is the subject of its own id, with one issuer.
    async fn find_federated(&self, issuer: &str, subject: &str) -> Found {
        let client_id = if issuer == ISSUER { subject } else { "unknown" };
        self.answer(format!("{issuer} {subject}"), client_id).await
    }
}

type Cached = CachedProvider<Store>;

fn cached(store: &Store) -> (Cached, Clock) {
    let clock = Clock::fixed(0);
    let provider = CachedProvider::new(store.clone())
        .time_to_live(30 * SECOND)
        .unknown_time_to_live(5 * SECOND)
        .clock(clock.clone());
    (provider, clock)
}

/// What the provider answers, without waiting for anything.
fn find(provider: &Cached, client_id: &str) -> Found {
    run(provider.find_client(client_id))
}

fn known(provider: &Cached, client_id: &str) -> bool {
    find(provider, client_id).unwrap().is_some()
}

fn error(found: Found) -> String {
    found.map(drop).unwrap_err().to_string()
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Found> + Send + 'a>>;

/// Asks, and polls once: the answer has to be waited for.
fn ask<'a>(provider: &'a Cached, client_id: &'a str) -> Waiting<'a> {
    wait(Box::pin(provider.find_client(client_id)))
}

fn ask_issued<'a>(provider: &'a Cached, subject: &'a str) -> Waiting<'a> {
    wait(Box::pin(provider.find_federated(ISSUER, subject)))
}

fn wait(mut waiting: Waiting<'_>) -> Waiting<'_> {
    assert!(poll(&mut waiting).is_pending());
    waiting
}

/// Whether the subject stands for a client.
fn issued(provider: &Cached, issuer: &str, subject: &str) -> bool {
    run(provider.find_federated(issuer, subject)).unwrap().is_some()
}

fn poll(waiting: &mut Waiting<'_>) -> Poll<Found> {
    waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn client_is_refetched_after_its_lifetime() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    for _ in 0..3 {
        assert!(known(&provider, "batch"));
    }
    clock.advance(30 * SECOND - Duration::from_millis(1));
    assert!(known(&provider, "batch"));
    assert_eq!(store.asked(), 1);
    clock.advance(Duration::from_millis(1));
    assert!(known(&provider, "batch"));
    assert!(known(&provider, "batch"));
    assert_eq!(store.asked(), 1);
}

#[test]
fn unknown_id_is_refetched_after_its_lifetime() {
    let store = Store::default();
    let (provider, clock) = cached(&store);
    assert!(!known(&provider, "late"));
    store.0.clients.insert(public_client("late"));
    clock.advance(5 * SECOND - Duration::from_millis(1));
    assert!(!known(&provider, "late"));
    assert_eq!(store.asked(), 1);
    clock.advance(Duration::from_millis(1));
    assert!(known(&provider, "late"));
    assert_eq!(store.asked(), 1);
    // From here on it is a client like any other.
    clock.advance(29 * SECOND);
    assert!(known(&provider, "late"));
    assert_eq!(store.asked(), 0);
    store.0.clients.remove("late");
    clock.advance(SECOND);
    assert!(!known(&provider, "late"));
    clock.advance(4 * SECOND);
    assert!(!known(&provider, "late"));
    assert_eq!(store.asked(), 1);
}

// R107: what changes while a slow look-up is under way counts within the time to live, too.
#[test]
fn r107_answer_is_as_old_as_its_question() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let gate = store.pause();
    let waiting = ask(&provider, "batch");
    store.0.clients.remove("batch");
    clock.advance(20 * SECOND);
    gate.add_permits(2);
    assert!(run(waiting).unwrap().is_some());
    clock.advance(9 * SECOND);
    assert!(known(&provider, "batch"));
    clock.advance(SECOND);
    assert!(!known(&provider, "batch"));
}

// R107: within the time to live at the latest, and meanwhile the old state as a whole.
#[test]
fn r107_changed_secret_counts_after_the_lifetime() {
    let store = Store::of([basic_client("batch", [plain("old-s3cr3t")])]);
    let (provider, clock) = cached(&store);
    let harness = Harness::of(provider);
    let old = TestRequest::form("").basic("batch:old-s3cr3t");
    let new = TestRequest::form("").basic("batch:new-s3cr3t");
    let accepted = |ask: &TestRequest| ask.accepted("batch", AuthMethod::ClientSecretBasic);
    assert_eq!(harness.ask(&old), accepted(&old));
    store.0.clients.insert(basic_client("batch", [plain("new-s3cr3t")]));
    clock.advance(30 * SECOND - Duration::from_millis(1));
    assert_eq!(harness.ask(&old), accepted(&old));
    assert_eq!(harness.ask(&new), failed(K::WrongSecret, "batch"));
    clock.advance(Duration::from_millis(1));
    assert_eq!(harness.ask(&old), failed(K::WrongSecret, "batch"));
    assert_eq!(harness.ask(&new), accepted(&new));
}

#[test]
fn r107_invalidated_secret_changes_at_once() {
    let store = Store::of([basic_client("batch", [plain("old-s3cr3t")])]);
    let provider = Arc::new(cached(&store).0);
    let harness = Harness::of(Arc::clone(&provider));
    let old = TestRequest::form("").basic("batch:old-s3cr3t");
    assert_eq!(harness.ask(&old), old.accepted("batch", AuthMethod::ClientSecretBasic));
    store.0.clients.insert(basic_client("batch", [plain("new-s3cr3t")]));
    provider.invalidate("batch");
    assert_eq!(harness.ask(&old), failed(K::WrongSecret, "batch"));
}

#[test]
fn invalidate_one_or_all() {
    let store = Store::of([public_client("a"), public_client("b")]);
    let (provider, _) = cached(&store);
    let ask_all = || {
        for id in ["a", "b", "unknown"] {
            find(&provider, id).unwrap();
        }
        store.asked()
    };
    assert_eq!(ask_all(), 3);
    assert_eq!(ask_all(), 0);
    provider.invalidate("a");
    assert_eq!(ask_all(), 1);
    provider.invalidate("unknown");
    assert_eq!(ask_all(), 1);
    provider.invalidate("never heard of");
    assert_eq!(ask_all(), 0);
    provider.invalidate_all();
    assert_eq!(ask_all(), 3);
}

#[test]
fn capacity_bounds_the_clients() {
    let store = Store::of((0..1000).map(|n| public_client(&format!("client {n}"))));
    let provider = cached(&store).0.capacity(100);
    let ask_all = || {
        for n in 0..1000 {
            assert!(known(&provider, &format!("client {n}")));
        }
        store.asked()
    };
    assert_eq!(ask_all(), 1000);
    assert!((900..=1000).contains(&ask_all()));
    // No room at all is allowed, too.
    let provider = cached(&store).0.capacity(0).unknown_capacity(0);
    for id in ["client 1", "client 1", "unknown", "unknown"] {
        find(&provider, id).unwrap();
    }
    assert_eq!(store.asked(), 4);
}

#[test]
fn unknown_ids_evict_no_clients() {
    let ids: Vec<_> = (0..100).map(|n| format!("client {n}")).collect();
    let store = Store::of(ids.iter().map(|id| public_client(id)));
    let provider = cached(&store).0.capacity(1000).unknown_capacity(10);
    for id in &ids {
        assert!(known(&provider, id));
    }
    for n in 0..10_000 {
        assert!(!known(&provider, &format!("guess {n}")));
    }
    assert_eq!(store.asked(), 10_100);
    for id in &ids {
        assert!(known(&provider, id));
    }
    assert_eq!(store.asked(), 0);
}

struct Folding(Store);
impl ClientProvider for Folding {
    type Client = App;
    type Error = BoxError;

    async fn find_client(&self, client_id: &str) -> Found {
        self.0.find_client(&client_id.to_lowercase()).await
    }
}

// A store that folds case answers to `batch`, `Batch` and `BATCH`: one row must not fill the space.
#[test]
fn answer_for_another_id_is_not_remembered() {
    let store = Store::of([public_client("batch")]);
    let harness = Harness::of(CachedProvider::new(Folding(store.clone())));
    let ask = TestRequest::form("client_id=Batch");
    for _ in 0..2 {
        assert_eq!(harness.ask(&ask), failed(K::ProviderMismatch, "Batch"));
        assert_eq!(store.asked(), 1);
    }
    let ask = TestRequest::form("client_id=batch");
    for _ in 0..2 {
        assert_eq!(harness.ask(&ask), ask.accepted("batch", AuthMethod::None));
    }
    assert_eq!(store.asked(), 1);
}

#[test]
fn concurrent_requests_share_a_look_up() {
    for (id, is_known) in [("batch", true), ("unknown", false)] {
        let store = Store::of([public_client("batch")]);
        let (provider, _) = cached(&store);
        let gate = store.pause();
        let waiting: Vec<_> = (0..100).map(|_| ask(&provider, id)).collect();
        // Another client does not wait for it.
        let other = ask(&provider, "other");
        assert_eq!(store.asked(), 2);
        gate.add_permits(2);
        assert!(run(other).unwrap().is_none());
        for one in waiting {
            assert_eq!(run(one).unwrap().is_some(), is_known);
        }
        assert_eq!(store.asked(), 0);
    }
}

// The same with a runtime of several threads: what waits is woken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_tasks_share_a_look_up() {
    let store = Store::of([public_client("batch")]);
    let provider = Arc::new(cached(&store).0);
    let gate = store.pause();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.find_client("batch").await.unwrap().is_some() })
        })
        .collect();
    gate.add_permits(1);
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(store.asked(), 1);
}

#[test]
fn waiters_share_a_failure() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let gate = store.pause();
    store.be(Mood::Fails);
    let waiting: Vec<_> = (0..100).map(|_| ask(&provider, "batch")).collect();
    clock.advance(SECOND);
    gate.add_permits(1);
    for one in waiting {
        assert_eq!(error(run(one)), "the store is down");
    }
    assert_eq!(store.asked(), 1);
    store.be(Mood::Answers);
    gate.add_permits(1);
    assert!(known(&provider, "batch"));
    assert_eq!(store.asked(), 1);
}

#[test]
fn late_arrival_retries_after_failure() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let gate = store.pause();
    store.be(Mood::Fails);
    let first = ask(&provider, "batch");
    // It waits on, and so keeps the failure of the first alive.
    let mut second = ask(&provider, "batch");
    gate.add_permits(1);
    assert_eq!(error(run(first)), "the store is down");
    clock.advance(SECOND);
    store.be(Mood::Answers);
    let third = ask(&provider, "batch");
    assert_eq!(error(run(&mut second)), "the store is down");
    drop(second);
    gate.add_permits(1);
    assert!(run(third).unwrap().is_some());
    assert_eq!(store.asked(), 2);
}

// R110.
#[test]
fn dropped_leader_without_a_runtime_is_replaced() {
    let store = Store::of([public_client("batch")]);
    let (provider, _) = cached(&store);
    let gate = store.pause();
    let leader = ask(&provider, "batch");
    let queued = ask(&provider, "batch");
    let mut rest = [ask(&provider, "batch"), ask(&provider, "batch")];
    drop(queued);
    drop(leader);
    for one in &mut rest {
        assert!(poll(one).is_pending());
    }
    gate.add_permits(1);
    for one in rest {
        assert!(run(one).unwrap().is_some());
    }
    assert_eq!(store.asked(), 1, "the look-up goes on from where it was");
}

// R110.
#[tokio::test]
async fn dropped_request_still_fills_the_cache() {
    for (id, is_known) in [("batch", true), ("unknown", false)] {
        let store = Store::of([public_client("batch")]);
        let (provider, _) = cached(&store);
        let gate = store.pause();
        for _ in 0..500 {
            drop(ask(&provider, id));
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(known(&provider, id), is_known);
        assert_eq!(store.asked(), 1);
    }
}

// Also where it cannot be found in the cache.
#[tokio::test]
async fn waiters_share_an_answer_without_capacity() {
    let slower_than_its_time: fn(&Cached, &Clock) = |_, clock| clock.advance(60 * SECOND);
    let invalidated: fn(&Cached, &Clock) = |provider, _| provider.invalidate("batch");
    let nothing: fn(&Cached, &Clock) = |_, _| {};
    let same: fn(Cached) -> Cached = |provider| provider;
    let no_room: fn(Cached) -> Cached = |provider| provider.capacity(0).unknown_capacity(0);
    for (store, id, settings, meanwhile) in [
        (Store::of([public_client("batch")]), "batch", same, slower_than_its_time),
        (Store::of([public_client("batch")]), "batch", same, invalidated),
        (Store::of([public_client("batch")]), "batch", no_room, nothing),
        (Store::of([]), "batch", no_room, nothing),
        (Store::of([]), "batch", same, slower_than_its_time),
    ] {
        let is_known = store.0.clients.get(id).is_some();
        let (provider, clock) = cached(&store);
        let provider = settings(provider);
        let gate = store.pause();
        let waiting: Vec<_> = (0..100).map(|_| ask(&provider, id)).collect();
        tokio::task::yield_now().await;
        meanwhile(&provider, &clock);
        gate.add_permits(100);
        for one in waiting {
            assert_eq!(one.await.unwrap().is_some(), is_known);
        }
        assert_eq!(store.asked(), 1);
        assert!(provider.find_client(id).await.is_ok());
        assert_eq!(store.asked(), 1, "it was not stored");
    }
}

#[tokio::test]
async fn waiters_share_an_answer_for_another_id() {
    let store = Store::of([public_client("batch")]);
    let provider = CachedProvider::new(Folding(store.clone()));
    let gate = store.pause();
    let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(provider.find_client("Batch"))).collect();
    for one in &mut waiting {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(one.as_mut().poll(&mut cx).is_pending());
    }
    gate.add_permits(100);
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap().client_id(), "batch");
    }
    assert_eq!(store.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn look_up_ends_at_its_deadline() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(60 * SECOND);
    assert!(provider.find_client("batch").await.unwrap().is_some());
    store.pause();
    let begun = tokio::time::Instant::now();
    clock.advance(30 * SECOND);
    let waiting = [ask(&provider, "batch"), ask(&provider, "batch")];
    let unknown = ask(&provider, "unknown");
    for one in waiting {
        assert!(one.await.unwrap().is_some(), "an outage like any other");
    }
    assert_eq!(error(unknown.await), "it did not answer before the deadline");
    assert_eq!(begun.elapsed(), 10 * SECOND);
}

#[tokio::test]
async fn look_ups_are_bounded() {
    let store = Store::of([public_client("a"), public_client("b"), public_client("c")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(60 * SECOND).max_lookups(2);
    assert!(provider.find_client("c").await.unwrap().is_some());
    clock.advance(30 * SECOND);
    let gate = store.pause();
    let waiting = [ask(&provider, "a"), ask(&provider, "b"), ask(&provider, "b")];
    assert_eq!(error(provider.find_client("unknown").await), "too many are in flight");
    // No outage of the store: callers who make up ids must not keep a removed client accepted.
    assert_eq!(error(provider.find_client("c").await), "too many are in flight");
    gate.add_permits(3);
    for one in waiting {
        assert!(one.await.unwrap().is_some());
    }
    assert!(provider.find_client("unknown").await.unwrap().is_none());
}

// R73.
#[test]
fn r73_panicking_provider_is_503_for_all_waiters() {
    let store = Store::of([public_client("batch")]);
    let provider = Arc::new(cached(&store).0);
    let harness = Harness::of(Arc::clone(&provider));
    let ask_batch = TestRequest::form("client_id=batch");
    store.be(Mood::Panics);
    assert_eq!(harness.ask(&ask_batch), failed(K::Provider, "batch"));
    assert_eq!(harness.ask(&ask_batch), failed(K::Provider, "batch"));
    store.be(Mood::Answers);
    assert_eq!(harness.ask(&ask_batch), ask_batch.accepted("batch", AuthMethod::None));

    let store = Store::of([public_client("batch")]);
    let (provider, _) = cached(&store);
    let gate = store.pause();
    store.be(Mood::Panics);
    let leader = ask(&provider, "batch");
    let waiting = ask(&provider, "batch");
    gate.add_permits(1);
    for one in [leader, waiting] {
        assert_eq!(error(run(one)), "it panicked");
    }
    assert_eq!(store.asked(), 1);
    store.be(Mood::Answers);
    gate.add_permits(1);
    assert!(known(&provider, "batch"));
}

#[test]
fn answer_invalidated_in_flight_is_not_remembered() {
    let store = Store::of([public_client("removed"), public_client("other")]);
    for all in [false, true] {
        store.0.clients.insert(public_client("removed"));
        let (provider, _) = cached(&store);
        let gate = store.pause();
        // Both have read the row already.
        let early = ask(&provider, "removed");
        let other = ask(&provider, "other");
        store.0.clients.remove("removed");
        if all {
            provider.invalidate_all();
        } else {
            provider.invalidate("removed");
        }
        // A request that arrives now must not be answered with what was read before the change.
        let late = ask(&provider, "removed");
        gate.add_permits(4);
        assert!(run(early).unwrap().is_some());
        assert!(run(late).unwrap().is_none());
        assert!(run(other).unwrap().is_some());
        assert_eq!(store.asked(), 3);
        // The other look-up was not disturbed, and the second one of the first is remembered.
        assert!(!known(&provider, "removed"));
        assert_eq!(store.asked(), 0);
        assert!(known(&provider, "other"));
        assert_eq!(store.asked(), usize::from(all));
    }
}

// Whoever may choose an id must not decide what a look-up by issuer and subject finds.
#[test]
fn look_up_by_id_answers_for_no_issuer() {
    let store = Store::of([public_client("batch")]);
    let (provider, _) = cached(&store);
    let gate = store.pause();
    let names = [
        format!("{ISSUER}\nbatch"),
        format!("{ISSUER} batch"),
        format!("{} {ISSUER}batch", ISSUER.len()),
    ];
    let guesses = names.each_ref().map(|name| ask(&provider, name));
    let waiting = ask_issued(&provider, "batch");
    gate.add_permits(4);
    for guess in guesses {
        assert!(run(guess).unwrap().is_none());
    }
    assert!(run(waiting).unwrap().is_some());
}

#[test]
fn issuers_and_subjects_are_told_apart() {
    let store = Store::of([public_client("batch")]);
    let (provider, _) = cached(&store);
    assert!(issued(&provider, ISSUER, "batch"));
    for (issuer, subject) in [
        ("https://issuer.exampl", "ebatch"),
        ("https://issuer.exampleb", "atch"),
        ("", "https://issuer.examplebatch"),
        ("https://issuer.examplebatch", ""),
        ("22 https://issuer.example", "batch"),
    ] {
        assert!(!issued(&provider, issuer, subject), "{issuer} {subject}");
    }
    assert_eq!(store.asked(), 6);
}

#[test]
fn unknown_subjects_evict_no_known_ones() {
    let ids: Vec<_> = (0..100).map(|n| format!("client {n}")).collect();
    let store = Store::of(ids.iter().map(|id| public_client(id)));
    let provider = cached(&store).0.capacity(1000).unknown_capacity(10);
    for _ in 0..2 {
        for id in &ids {
            assert!(issued(&provider, ISSUER, id));
        }
    }
    for n in 0..10_000 {
        assert!(!issued(&provider, ISSUER, &format!("guess {n}")));
    }
    assert_eq!(store.asked(), 10_200, "by the subject, by the id, and each guess");
    for id in &ids {
        assert!(issued(&provider, ISSUER, id));
    }
    assert_eq!(store.asked(), 0);
}

#[test]
fn subject_invalidated_in_flight_is_not_remembered() {
    let store = Store::of([public_client("removed")]);
    for all in [false, true] {
        store.0.clients.insert(public_client("removed"));
        let (provider, _) = cached(&store);
        let gate = store.pause();
        let early = ask_issued(&provider, "removed");
        store.0.clients.remove("removed");
        if all {
            provider.invalidate_all();
        } else {
            provider.invalidate("removed");
        }
        let late = ask_issued(&provider, "removed");
        gate.add_permits(2);
        assert!(run(early).unwrap().is_some());
        assert!(run(late).unwrap().is_none());
        assert_eq!(store.asked(), 2);
        assert!(!issued(&provider, ISSUER, "removed"));
        assert_eq!(store.asked(), 0);
    }
}

// Whose subject it is from now on only the store knows.
#[test]
fn invalidated_client_is_looked_up_by_its_subject_again() {
    let store = Store::of([]);
    let (provider, _) = cached(&store);
    assert!(!issued(&provider, ISSUER, "batch"));
    store.0.clients.insert(public_client("batch"));
    assert!(!issued(&provider, ISSUER, "batch"));
    provider.invalidate("batch");
    assert!(issued(&provider, ISSUER, "batch"));
    assert_eq!(store.asked(), 2);
}

// RFC 5861 §4.
#[test]
fn stale_if_error_holds_for_subjects() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(600 * SECOND);
    for _ in 0..2 {
        assert!(issued(&provider, ISSUER, "batch"));
    }
    assert!(!issued(&provider, ISSUER, "unknown"));
    let find = |subject| run(provider.find_federated(ISSUER, subject));
    clock.advance(630 * SECOND - Duration::from_millis(1));
    for (mood, message) in [
        (Mood::Throttles, "too many attempts, retry after 1s"),
        (Mood::ThrottlesWithin, "too many attempts, retry after 1s"),
    ] {
        store.be(mood);
        assert_eq!(error(find("batch")), message);
    }
    store.be(Mood::Fails);
    store.asked();
    assert!(issued(&provider, ISSUER, "batch"));
    assert_eq!(store.asked(), 1, "the store is asked first");
    assert_eq!(error(find("unknown")), "the store is down");
    clock.advance(Duration::from_millis(1));
    assert_eq!(error(find("batch")), "the store is down");
    store.be(Mood::Answers);
    for _ in 0..2 {
        assert!(issued(&provider, ISSUER, "batch"));
    }
    store.0.clients.remove("batch");
    clock.advance(30 * SECOND);
    assert!(!issued(&provider, ISSUER, "batch"));
    store.be(Mood::Fails);
    clock.advance(6 * SECOND);
    assert_eq!(error(find("batch")), "the store is down", "a removed client is not revived");
}

#[test]
fn outage_shows_after_the_lifetime() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    assert!(known(&provider, "batch"));
    store.be(Mood::Fails);
    clock.advance(29 * SECOND);
    assert!(known(&provider, "batch"), "what is fresh needs no store");
    clock.advance(SECOND);
    assert_eq!(error(find(&provider, "batch")), "the store is down");
    let harness = Harness::of(provider);
    assert_eq!(harness.ask(&TestRequest::form("client_id=batch")), failed(K::Provider, "batch"));
}

// RFC 5861 §4.
#[test]
fn stale_if_error_starts_after_freshness() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(600 * SECOND);
    assert!(known(&provider, "batch"));
    assert!(!known(&provider, "unknown"));
    store.be(Mood::Fails);
    clock.advance(630 * SECOND - Duration::from_millis(1));
    store.asked();
    assert!(known(&provider, "batch"));
    assert_eq!(store.asked(), 1, "the store is asked first");
    // Nothing is made up for an unknown client.
    for id in ["unknown", "never seen"] {
        assert_eq!(error(find(&provider, id)), "the store is down");
    }
    clock.advance(Duration::from_millis(1));
    assert_eq!(error(find(&provider, "batch")), "the store is down");
    store.be(Mood::Answers);
    assert!(known(&provider, "batch"));
}

#[test]
fn stale_if_error_revives_no_removed_client() {
    let store = Store::of([public_client("removed"), public_client("invalidated")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(600 * SECOND);
    assert!(known(&provider, "removed"));
    assert!(known(&provider, "invalidated"));
    store.0.clients.remove("removed");
    clock.advance(30 * SECOND);
    assert!(!known(&provider, "removed"));
    provider.invalidate("invalidated");
    store.be(Mood::Fails);
    clock.advance(6 * SECOND);
    for id in ["removed", "invalidated"] {
        assert_eq!(error(find(&provider, id)), "the store is down");
    }
}

// A throttle inside the cache: the caller is told to wait, whether it asked itself or waited.
#[test]
fn r79_throttled_is_not_remembered() {
    let store = Store::of([public_client("batch")]);
    let provider = Arc::new(cached(&store).0);
    let harness = Harness::of(Arc::clone(&provider));
    let ask_batch = TestRequest::form("client_id=batch");
    store.be(Mood::Throttles);
    let throttled = failed(K::Throttled, "batch").with("retry-after", "1");
    assert_eq!(harness.ask(&ask_batch), throttled);
    let gate = store.pause();
    let waiting = [ask(&provider, "batch"), ask(&provider, "batch")];
    gate.add_permits(1);
    for one in waiting {
        let error = run(one).map(drop).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Throttled::new(SECOND)));
    }
    assert_eq!(store.asked(), 2);
    store.be(Mood::Answers);
    gate.add_permits(1);
    assert_eq!(harness.ask(&ask_batch), ask_batch.accepted("batch", AuthMethod::None));
}

// Being throttled is no outage: attempts must not go on with what is remembered.
#[test]
fn r79_stale_if_error_respects_a_throttle() {
    let store = Store::of([public_client("batch")]);
    let (provider, clock) = cached(&store);
    let provider = provider.stale_if_error(600 * SECOND);
    assert!(known(&provider, "batch"));
    clock.advance(30 * SECOND);
    for mood in [Mood::Throttles, Mood::ThrottlesWithin] {
        store.be(mood);
        let error = find(&provider, "batch").map(drop).unwrap_err();
        assert!(error.is::<Throttled>(), "{mood:?}: {error}");
    }
}

// What is remembered of a client is not good for a registration that has become unusable.
#[test]
fn invalid_registration_passes_a_cache() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switched = Arc::clone(&broken);
    let clock = Clock::fixed(0);
    let provider = tower_client_auth::provider::provider_fn(move |client_id: &str| {
        let found = if switched.load(std::sync::atomic::Ordering::SeqCst) {
            let method = AuthMethod::ClientSecretBasic;
            RegisteredClient::new(client_id, &method, [], App(String::new())).map(Some)
        } else {
            Ok(Some(public_client(client_id)))
        };
        std::future::ready(found)
    });
    let provider = CachedProvider::new(provider).clock(clock.clone()).stale_if_error(600 * SECOND);
    let harness = Harness::of(provider);
    let ask = TestRequest::form("client_id=batch");
    let accepted = ask.accepted("batch", AuthMethod::None);
    assert_eq!(harness.ask(&ask), accepted);
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    clock.advance(30 * SECOND);
    let kind = K::UnusableRegistration;
    assert_eq!(harness.ask(&ask), failed(kind, "batch"));
}

// The cause is for the operator's logs.
#[test]
fn shared_failure_keeps_its_cause() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the pool is empty")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let provider = CachedProvider::new(tower_client_auth::provider::provider_fn(|_: &str| {
        std::future::ready(Err::<Option<RegisteredClient<App>>, _>(Outer(
            io::ErrorKind::ConnectionRefused.into(),
        )))
    }));
    let error = run(provider.find_client("batch")).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the pool is empty");
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
}

#[test]
fn debug_shows_no_client() {
    let provider = CachedProvider::new(Clients::from_iter([public_client("batch")]))
        .stale_if_error(60 * SECOND);
    assert!(run(provider.find_client("batch")).is_ok_and(|found| found.is_some()));
    assert_eq!(
        format!("{provider:?}"),
        "CachedProvider { provider: MemoryProvider { .. }, time_to_live: 30s, \
         unknown_time_to_live: 5s, stale_if_error: Some(60s), .. }",
    );
    assert!(provider.get_ref().get("batch").is_some());
}
