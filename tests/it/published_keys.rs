//! Keys that clients publish (RFC 7591 §2, `jwks_uri`): withdrawn, out of reach, and asked for by
//! strangers. The clock stands still, and there is no runtime but where it says so.

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower_client_auth::{
    Clock, ErrorKind, RegisteredClient,
    assertion::{Assertions, ClientKeys, FetchedJwks, InvalidAssertion, JwksCache, JwksSource},
    replay::MemoryReplayStore,
};

use crate::{
    jose::{ISSUER, Key, base64url, claims, compact, ed, form, jwks, with},
    support::{Answer, Clients, Harness, NOW, TestRequest, app, failed},
};

const UNKNOWN_KEY: ErrorKind = ErrorKind::Assertion(InvalidAssertion::UnknownKey);
const WRONG_SIGNATURE: ErrorKind = ErrorKind::Assertion(InvalidAssertion::WrongSignature);
/// The shortest by default, and the source says nothing.
const LIFETIME: u64 = 5 * 60;

/// Answers every address alike, and counts.
#[derive(Clone)]
struct Web {
    answer: Arc<Mutex<Option<FetchedJwks>>>,
    /// But not those at hosts of this domain.
    hanging: Arc<Mutex<Option<&'static str>>>,
    fetches: Arc<AtomicUsize>,
}

impl Web {
    fn publish(&self, json: &str) {
        *self.answer.lock().unwrap() = Some(FetchedJwks::new(json.to_owned().into(), None));
    }

    fn go_down(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl JwksSource for Web {
    type Error = io::Error;

    async fn fetch(&self, jwks_uri: &str) -> io::Result<FetchedJwks> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let hangs = self.hanging.lock().unwrap().is_some_and(|domain| jwks_uri.contains(domain));
        if hangs {
            pending::<()>().await;
        }
        self.answer.lock().unwrap().clone().ok_or_else(|| io::ErrorKind::HostUnreachable.into())
    }
}

struct Server {
    harness: Harness,
    web: Web,
    clock: Clock,
    assertions: AtomicUsize,
}

impl Server {
    /// The clients with the addresses of their keys, and `ed()` published under the `kid` "1" at all.
    fn new(clients: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::with(clients, |cache| cache)
    }

    fn with(
        clients: impl IntoIterator<Item = (String, String)>,
        set: impl FnOnce(JwksCache) -> JwksCache,
    ) -> Self {
        let clock = Clock::fixed(NOW);
        let web = Web { answer: Arc::default(), hanging: Arc::default(), fetches: Arc::default() };
        web.publish(&jwks([with(ed().jwk(), json!({"kid": "1"}))]));
        let clients: Clients = clients
            .into_iter()
            .map(|(id, uri)| {
                let keys = ClientKeys::jwks_uri(&uri).unwrap();
                RegisteredClient::private_key_jwt(id.as_str(), keys, app(&id))
            })
            .collect();
        let keys = set(JwksCache::new(web.clone()).clock(clock.clone()));
        let replay = MemoryReplayStore::default().clock(clock.clone());
        let assertions = Assertions::new(ISSUER, replay).unwrap().jwks_source(keys);
        let harness =
            Harness::of(clients).set(|layer| layer.assertions(assertions).clock(clock.clone()));
        Self { harness, web, clock, assertions: AtomicUsize::new(0) }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn request(&self, client_id: &str, key: &Key, kid: &str) -> TestRequest {
        let jti = self.assertions.fetch_add(1, Ordering::SeqCst).to_string();
        let times = json!({"exp": self.clock.unix_seconds() + 60, "jti": jti});
        let claims = with(claims(client_id), times).to_string();
        let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
        TestRequest::form(form(&compact(key, "EdDSA", &header, &claims)))
    }

    fn ask(&self, client_id: &str, key: &Key, kid: &str) -> Answer {
        self.harness.ask(&self.request(client_id, key, kid))
    }

    async fn send(&self, client_id: &str) -> Answer {
        self.harness.answer(self.request(client_id, ed(), "1").request()).await
    }

    /// Requests of so many strangers, which have gone as far as they can.
    async fn hold(self: &Arc<Self>, strangers: usize) -> Vec<JoinHandle<Answer>> {
        let sent = (0..strangers).map(|number| {
            let server = Arc::clone(self);
            tokio::spawn(async move { server.send(&format!("stranger{number}")).await })
        });
        let held = sent.collect();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        held
    }

    #[track_caller]
    fn accepts(&self, client_id: &str) {
        let answer = self.ask(client_id, ed(), "1");
        assert_eq!((answer.status, answer.kind), (200, None));
    }
}

fn batch() -> [(String, String); 1] {
    ["batch".to_owned()].map(|id| (id, "https://batch.example/jwks.json".to_owned()))
}

/// The private key that belongs to nothing else in these tests.
fn leaked() -> Value {
    with(ed().jwk(), json!({"kid": "1", "d": base64url([7; 32])}))
}

#[test]
fn withdrawn_key_is_refused_at_once() {
    let other_use = with(ed().jwk(), json!({"kid": "1", "use": "enc"}));
    let symmetric = json!({"kty": "oct", "kid": "1", "k": base64url([7; 32])});
    let answers = [
        FetchedJwks::gone(None),
        FetchedJwks::new(jwks([]).into(), None),
        FetchedJwks::new(jwks([other_use]).into(), None),
        FetchedJwks::new(jwks([leaked()]).into(), None),
        FetchedJwks::new(jwks([with(ed().jwk(), json!({"kid": "1"})), leaked()]).into(), None),
        FetchedJwks::new(jwks([with(ed().jwk(), json!({"kid": "1"})), symmetric]).into(), None),
    ];
    for answer in answers {
        let server = Server::new(batch());
        server.accepts("batch");
        *server.web.answer.lock().unwrap() = Some(answer.clone());
        server.pass(LIFETIME);
        assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"), "{answer:?}");
        server.web.go_down();
        server.pass(LIFETIME);
        assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"), "{answer:?}");
    }
}

// Who has clients at hosts of its own can let them take all the time there is.
#[tokio::test(start_paused = true)]
async fn slow_hosts_of_others_keep_no_withdrawn_key() {
    let one_host = |number| format!("https://slow.example/{number}");
    let four_hosts = |number| format!("https://{}.slow.example/{number}", number / 4);
    for (uri, refused) in
        [(one_host as fn(usize) -> String, UNKNOWN_KEY), (four_hosts, ErrorKind::KeySource)]
    {
        let server = Arc::new(Server::new(strangers(16, uri).chain(batch())));
        for number in 0..16 {
            assert_eq!(server.send(&format!("stranger{number}")).await.status, 200);
        }
        assert_eq!(server.send("batch").await.status, 200);
        *server.web.hanging.lock().unwrap() = Some("slow.example");
        server.web.publish(&jwks([]));
        server.pass(LIFETIME);
        let held = server.hold(16).await;
        let mut answer = server.send("batch").await;
        answer.lookups.retain(|id| id == "batch");
        assert_eq!(answer, failed(refused, "batch"), "{}", uri(0));
        assert!(held.iter().all(|held| !held.is_finished()));
        held.into_iter().for_each(|held| held.abort());
    }
}

// Just started, the server has verified nothing yet.
#[tokio::test(start_paused = true)]
async fn strangers_hold_up_no_trusted_client_after_a_start() {
    for (trusted, refused) in [(true, None), (false, Some(ErrorKind::KeySource))] {
        let slow = strangers(16, |number| format!("https://{number}.slow.example/"));
        let [(id, uri)] = batch();
        let server =
            Server::with(
                slow.chain(batch()),
                |cache| {
                    if trusted { cache.trusted([&*uri]) } else { cache }
                },
            );
        let server = Arc::new(server);
        *server.web.hanging.lock().unwrap() = Some("slow.example");
        let held = server.hold(16).await;
        let mut answer = server.send(&id).await;
        answer.lookups.retain(|of| *of == id);
        match refused {
            Some(refused) => assert_eq!(answer, failed(refused, &id)),
            None => assert_eq!((answer.status, answer.kind), (200, None)),
        }
        held.into_iter().for_each(|held| held.abort());
    }
}

#[test]
fn strangers_throttle_no_trusted_client_at_their_host() {
    let clients = strangers(31, |number| format!("https://batch.example/{number}"));
    let [(id, uri)] = batch();
    let server = Server::with(clients.chain(batch()), |cache| cache.trusted([uri]));
    for number in 0..30 {
        server.ask(&format!("stranger{number}"), &Key::ed(), "1");
    }
    assert_eq!(server.ask("stranger30", &Key::ed(), "1").kind, Some(ErrorKind::Throttled));
    server.accepts(&id);
}

#[test]
fn other_keys_of_a_set_stay_good_beside_a_leaked_one() {
    let server = Server::new(batch());
    server.accepts("batch");
    let other = Key::ed();
    server.web.publish(&jwks([with(other.jwk(), json!({"kid": "2"})), leaked()]));
    server.pass(LIFETIME);
    assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"));
    assert_eq!(server.ask("batch", &other, "2").status, 200);
}

#[test]
fn leaked_key_stays_out_when_its_private_part_is_taken_out_again() {
    let server = Server::new(batch());
    let other = Key::ed();
    let published =
        || jwks([with(ed().jwk(), json!({"kid": "1"})), with(other.jwk(), json!({"kid": "2"}))]);
    server.web.publish(&published());
    server.accepts("batch");
    server.web.publish(&jwks([leaked()]));
    server.pass(LIFETIME);
    assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"));
    for answer in [Some(published()), None, Some(jwks([])), Some(published())] {
        match answer {
            Some(set) => server.web.publish(&set),
            None => server.web.go_down(),
        }
        server.pass(LIFETIME);
        assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"));
    }
    assert_eq!(server.ask("batch", &other, "2").status, 200);
}

#[test]
fn outage_withdraws_no_key() {
    for document in [None, Some("<html>"), Some(r#"{"keys": {}}"#), Some(r#"{"error": "busy"}"#)] {
        let server = Server::new(batch());
        server.accepts("batch");
        match document {
            Some(document) => server.web.publish(document),
            None => server.web.go_down(),
        }
        server.pass(LIFETIME);
        server.accepts("batch");
        server.pass(60 * 60);
        assert_eq!(server.ask("batch", ed(), "1").kind, Some(ErrorKind::KeySource));
    }
}

/// Registered by anybody, each with an address of its own.
fn strangers(number: usize, uri: fn(usize) -> String) -> impl Iterator<Item = (String, String)> {
    (0..number).map(move |number| (format!("stranger{number}"), uri(number)))
}

#[test]
fn strangers_cause_few_fetches_from_one_host() {
    let clients = strangers(3_000, |number| format!("https://victim.example/{number}"));
    let server = Server::new(clients.chain(batch()));
    let mut throttled = 0;
    for number in 0..3_000 {
        let id = format!("stranger{number}");
        let answer = server.ask(&id, &Key::ed(), "1");
        if answer.kind == Some(ErrorKind::Throttled) {
            let expected = failed(ErrorKind::Throttled, &id).with("retry-after", "60");
            assert_eq!(answer, expected);
            throttled += 1;
        } else {
            assert_eq!(answer, failed(WRONG_SIGNATURE, &id));
        }
    }
    assert_eq!((server.web.fetches(), throttled), (30, 2_970));
    server.accepts("batch");
}

#[test]
fn strangers_push_out_no_client_that_has_proved_itself() {
    let clients = strangers(1_500, |number| format!("https://{number}.example/"));
    let server = Server::new(clients.chain(batch()));
    server.accepts("batch");
    for number in 0..1_500 {
        let id = format!("stranger{number}");
        assert_eq!(server.ask(&id, &Key::ed(), "1"), failed(WRONG_SIGNATURE, &id));
    }
    server.web.go_down();
    server.pass(LIFETIME);
    server.accepts("batch");
}

#[test]
fn proven_client_that_is_used_stays_and_others_make_room() {
    let ids = ["a", "b", "c", "d"];
    let clients = ids.map(|id| (id.to_owned(), format!("https://{id}.example/")));
    let server = Server::with(clients, |cache| cache.capacity(2));
    for (id, fetches) in
        [("a", 1), ("b", 2), ("a", 2), ("b", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 4)]
    {
        server.accepts(id);
        assert_eq!(server.web.fetches(), fetches, "{id}");
    }
}

// Everybody knows the ids of clients. Who sends junk must not learn more from the time, and not take
// the client's next key from it for longer than the interval.
#[tokio::test]
async fn unknown_kid_is_refused_at_once_and_fetched_for_the_next_request() {
    let server = Server::new(batch());
    let send = async |key: &Key, kid: &str| {
        server.harness.answer(server.request("batch", key, kid).request()).await
    };
    let land = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(send(ed(), "1").await.status, 200);
    let next = Key::ed();
    server.pass(30);
    assert_eq!(send(&next, "junk").await, failed(UNKNOWN_KEY, "batch"));
    land().await;
    assert_eq!(server.web.fetches(), 2);
    server.web.publish(&jwks([with(next.jwk(), json!({"kid": "2"}))]));
    assert_eq!(send(&next, "2").await, failed(UNKNOWN_KEY, "batch"));
    server.pass(30);
    assert_eq!(send(&next, "2").await, failed(UNKNOWN_KEY, "batch"), "known to the next request");
    land().await;
    assert_eq!(send(&next, "2").await.status, 200);
    server.web.go_down();
    server.pass(30);
    assert_eq!(send(&next, "3").await, failed(UNKNOWN_KEY, "batch"));
    land().await;
    assert_eq!(send(&next, "3").await, failed(UNKNOWN_KEY, "batch"), "also while it is down");
}

#[test]
fn operator_is_told_of_keys_that_are_not_used() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let server = Server::with(batch(), |cache| {
        cache.on_omitted_keys(move |jwks_uri, keys| {
            let shown = keys.iter().map(|key| (key.index(), key.is_private(), key.to_string()));
            log.lock().unwrap().push((jwks_uri.to_owned(), shown.collect::<Vec<_>>()));
            panic!("a bug in the observer");
        })
    });
    server.accepts("batch");
    assert_eq!(*told.lock().unwrap(), []);
    server.web.publish(&jwks([with(Key::ed().jwk(), json!({"use": "enc"})), leaked()]));
    server.pass(LIFETIME);
    for _ in 0..2 {
        assert_eq!(server.ask("batch", ed(), "1"), failed(UNKNOWN_KEY, "batch"));
    }
    let mut told = told.lock().unwrap();
    let (uri, keys) = told.pop().unwrap();
    assert_eq!((uri.as_str(), told.len()), ("https://batch.example/jwks.json", 0));
    let keys: Vec<_> =
        keys.iter().map(|(index, private, why)| (*index, *private, &**why)).collect();
    assert_eq!(
        keys,
        [
            (1, true, "`keys[1].d` belongs to a private key"),
            (0, false, "`keys[0].use` is not `sig`")
        ]
    );
}
