//! What a request costs, in comparisons: every failure as much as any other, whatever the store mixes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::Poll,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    AuthMethod, ClientAuthLayer, ClientSecret, Clock, Compat, Error, ErrorKind, RegisteredClient,
    provider::MemoryProvider,
    secret::{HashPool, spent},
};

type TestLayer = ClientAuthLayer<MemoryProvider<()>>;

const NOW: i64 = 1_800_000_000;
/// Of the secret "slow-s3cr3t", and what they cost.
const CHEAP: (&str, u64) = (
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QuLg$Kutp91nEG2KNHlwtdhHNGIihTk5tzA1hqKKTeUNahMs",
    51_200,
);
const DEAR: (&str, u64) =
    ("$argon2id$v=19$m=300,t=2,p=1$c2FsdCBvZiBhIHRlc3QuLg$AAAAAAAAAAAAAAAAAAAAAA", 360_000);
const SCRYPT: (&str, u64) = (
    "$scrypt$ln=4,r=8,p=1$c2FsdCBvZiBhIHRlc3QuLg$xlQY2C8pHXquYxxhvy+wt2hw4DJOLhUT9xAoPq2iMfA",
    38_400,
);
const PBKDF2: (&str, u64) = (
    "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$pcrUp7eIW1wzpef1ou8QB3TtBxqcmRaMMZkReqGErUA",
    100_000,
);
const PLAIN: u64 = 10;
const SHA256: u64 = 60;

fn hash((hash, _): (&str, u64)) -> ClientSecret {
    ClientSecret::phc(hash).unwrap()
}

fn plain() -> ClientSecret {
    ClientSecret::plain("plain-s3cr3t-of-thirty-two-bytes")
}

fn digest() -> ClientSecret {
    ClientSecret::sha256_of("digest-s3cr3t")
}

fn basic(id: &str, secrets: impl IntoIterator<Item = ClientSecret>) -> RegisteredClient<()> {
    RegisteredClient::secret_basic(id, secrets, ())
}

/// Clients of every kind that compare nothing with what is presented by Basic.
fn misfits() -> Vec<RegisteredClient<()>> {
    let stored = |id: &str, method: &str, secret: Option<ClientSecret>| {
        RegisteredClient::new(id, &AuthMethod::from(method), secret, ())
            .unwrap_or_else(crate::provider::InvalidRegistration::into_unusable)
    };
    vec![
        RegisteredClient::public("public", ()),
        RegisteredClient::secret_post("post", [digest()], ()),
        stored("hmac", "client_secret_jwt", Some(plain())),
        stored("pigeon", "carrier_pigeon", Some(plain())),
        stored("secretless", "client_secret_basic", None),
    ]
}

/// The answer to Basic.
fn ask(
    layer: &TestLayer,
    client_id: &str,
    secret: &str,
) -> Pin<Box<dyn Future<Output = StatusCode>>> {
    let credentials = BASE64_STANDARD.encode(format!("{client_id}:{secret}"));
    send(layer, Request::post("/token").header("authorization", format!("Basic {credentials}")), "")
}

/// The answer to a request with this form.
fn send(
    layer: &TestLayer,
    request: request::Builder,
    form: &str,
) -> Pin<Box<dyn Future<Output = StatusCode>>> {
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::<Bytes>::from(form.to_owned()))
        .unwrap();
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    let answer = layer.layer(inner).oneshot(request);
    Box::pin(async {
        let Ok(response) = answer.await;
        response.status()
    })
}

struct Server {
    layer: TestLayer,
    runtime: Runtime,
}

impl Server {
    /// A layer that has seen all the clients, and one thread for hashes.
    fn new(
        clients: Vec<RegisteredClient<()>>,
        change: impl FnOnce(TestLayer) -> TestLayer,
    ) -> Self {
        let ids: Vec<String> = clients.iter().map(|client| client.client_id().to_owned()).collect();
        let layer =
            ClientAuthLayer::new(MemoryProvider::from_iter(clients)).clock(Clock::fixed(NOW));
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let server = Self { layer: change(layer), runtime };
        for id in ids {
            server.ask(&id, "x");
        }
        server
    }

    /// The answer by Basic, and what all comparisons for it cost.
    fn ask(&self, client_id: &str, secret: &str) -> (StatusCode, u64) {
        self.cost(ask(&self.layer, client_id, secret))
    }

    fn cost(&self, answer: impl Future<Output = StatusCode>) -> (StatusCode, u64) {
        spent::take();
        self.runtime.block_on(async {
            tokio::task::spawn_blocking(spent::take).await.unwrap();
            let status = answer.await;
            let hashes = tokio::task::spawn_blocking(spent::take).await.unwrap();
            (status, hashes + spent::take())
        })
    }

    /// All of these fail, and cost so much, or less than a hundredth more or less.
    fn all_cost(&self, expected: u64, asks: &[(&str, &str)]) {
        for (client_id, secret) in asks {
            let (status, cost) = self.ask(client_id, secret);
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{client_id}");
            assert!(cost.abs_diff(expected) * 100 <= expected, "{client_id} {cost} {expected}");
        }
    }
}

const MISFITS: [(&str, &str); 6] = [
    ("nobody", "x"),
    ("public", "x"),
    ("post", "digest-s3cr3t"),
    ("hmac", "plain-s3cr3t-of-thirty-two-bytes"),
    ("pigeon", "x"),
    ("secretless", "x"),
];

#[test]
fn failures_cost_as_much_as_the_slowest_kind() {
    for (kind, cost) in [
        (plain(), PLAIN),
        (digest(), SHA256),
        (hash(CHEAP), CHEAP.1),
        (hash(SCRYPT), SCRYPT.1),
        (hash(PBKDF2), PBKDF2.1),
    ] {
        let clients = [basic("batch", [kind.clone()]), basic("other", [kind])];
        let clients = clients.into_iter().chain(misfits().into_iter().filter(|client| {
            // A digest of its own would be the slowest of a store of plain secrets.
            cost >= SHA256 || client.client_id() != "post"
        }));
        let server = Server::new(clients.collect(), |layer| layer);
        server.all_cost(cost, &[("batch", "x"), ("other", "x")]);
        server.all_cost(cost, &MISFITS);
    }
}

// An empty secret is none, but found out as any other: by whoever is known and by whoever is not.
#[test]
fn empty_secret_costs_as_much_as_a_wrong_one() {
    for (kind, cost) in [(plain(), PLAIN), (digest(), SHA256)]
        .into_iter()
        .chain([CHEAP, SCRYPT, PBKDF2].map(|kind| (hash(kind), kind.1)))
    {
        let server = Server::new(vec![basic("batch", [kind.clone()])], |layer| layer);
        server.all_cost(cost, &[("batch", ""), ("nobody", "")]);
        let clients =
            [basic("rotating", [kind.clone(), kind]), RegisteredClient::public("public", ())];
        let server = Server::new(clients.into(), |layer| layer);
        server.all_cost(2 * cost, &[("rotating", ""), ("nobody", ""), ("public", "")]);
    }
    // What is left to spend after a cheaper secret.
    let clients = vec![basic("slow", [hash(CHEAP)]), basic("slowest", [hash(DEAR)])];
    let server = Server::new(clients, |layer| layer);
    server.all_cost(DEAR.1, &[("slow", ""), ("slowest", ""), ("nobody", "")]);
}

#[test]
fn failures_cost_the_same_whatever_the_store_mixes() {
    let clients = || {
        let slow = || hash(CHEAP);
        let mut clients = misfits();
        clients.extend([
            basic("plain", [plain()]),
            basic("digest", [digest()]),
            basic("slow", [slow()]),
            basic("scrypt", [hash(SCRYPT)]),
            basic("pbkdf2", [hash(PBKDF2)]),
            basic("rotating", [slow(), slow()]),
            basic("migrating", [plain(), digest(), slow()]),
            basic("expired", [slow().expires_at(NOW)]),
            basic("early", [digest().not_before(NOW + 1)]),
        ]);
        clients
    };
    const ASKS: [(&str, &str); 9] = [
        ("plain", "x"),
        ("digest", "x"),
        ("slow", "x"),
        ("scrypt", "x"),
        ("pbkdf2", "x"),
        ("rotating", "x"),
        ("migrating", "x"),
        ("expired", "slow-s3cr3t"),
        ("early", "digest-s3cr3t"),
    ];
    // The slowest one by the algorithm with the finest steps, so that what is left can be measured out.
    let mut all = clients();
    all.push(basic("slowest", [hash(DEAR)]));
    let server = Server::new(all, |layer| layer);
    server.all_cost(DEAR.1, &[("slowest", "x")]);
    server.all_cost(DEAR.1, &ASKS);
    server.all_cost(DEAR.1, &MISFITS);

    // One that was set is not exceeded by anything but a client's own secret.
    let server = Server::new(clients(), |layer| layer.decoy(hash(CHEAP)));
    server.all_cost(CHEAP.1, &MISFITS);
    server.all_cost(CHEAP.1, &[("plain", "x"), ("digest", "x"), ("slow", "x"), ("early", "x")]);
    server.all_cost(2 * CHEAP.1, &[("rotating", "x")]);
    server.all_cost(PBKDF2.1, &[("pbkdf2", "x")]);
}

// As nearly as whole comparisons can.
#[test]
fn failure_costs_as_much_as_two_secrets_that_rotate() {
    let clients = vec![basic("plain", [plain()]), basic("rotating", [digest(), digest()])];
    let server = Server::new(clients, |layer| layer);
    let refused = |cost| (StatusCode::UNAUTHORIZED, cost);
    assert_eq!(server.ask("rotating", "x"), refused(2 * SHA256));
    assert_eq!(server.ask("nobody", "x"), refused(2 * SHA256));
    assert_eq!(server.ask("plain", "x"), refused(PLAIN + 2 * SHA256));
}

#[test]
fn unknown_client_of_the_mcp_preset_costs_a_comparison() {
    for (kind, cost) in [(plain(), PLAIN), (digest(), SHA256), (hash(CHEAP), CHEAP.1)] {
        let clients = [RegisteredClient::secret_post("batch", [kind.clone()], ())];
        let server = Server::new(Vec::new(), |_| {
            ClientAuthLayer::mcp_python_sdk(MemoryProvider::from_iter(clients)).decoy(kind)
        });
        for client_id in ["batch", "nobody"] {
            let form = format!("client_id={client_id}&client_secret=x");
            let answer = send(&server.layer, Request::post("/token"), &form);
            assert_eq!(server.cost(answer), (StatusCode::UNAUTHORIZED, cost), "{client_id}");
        }
    }
}

#[test]
fn right_secret_costs_its_own_comparison() {
    let clients = vec![
        basic("plain", [plain()]),
        basic("digest", [digest()]),
        basic("slow", [hash(CHEAP)]),
        basic("migrating", [digest(), hash(CHEAP)]),
        basic("slowest", [hash(DEAR)]),
    ];
    let server = Server::new(clients, |layer| layer);
    for (client_id, secret, cost) in [
        ("plain", "plain-s3cr3t-of-thirty-two-bytes", PLAIN),
        ("digest", "digest-s3cr3t", SHA256),
        ("slow", "slow-s3cr3t", CHEAP.1),
        ("migrating", "digest-s3cr3t", SHA256 + CHEAP.1),
    ] {
        assert_eq!(server.ask(client_id, secret), (StatusCode::OK, cost), "{client_id}");
    }
}

#[test]
fn raw_and_decoded_cost_twice_as_much_for_all() {
    let mut clients = misfits();
    clients.extend([basic("plain", [plain()]), basic("slow", [hash(DEAR)])]);
    let server = Server::new(clients, |layer| layer.compat(Compat::new().raw_basic()));
    let asks = ["plain", "slow", "nobody", "public", "post", "hmac", "pigeon", "secretless"];
    server.all_cost(2 * DEAR.1, &asks.map(|client_id| (client_id, "a+b")));
    server.all_cost(DEAR.1, &asks.map(|client_id| (client_id, "ab")));
}

#[test]
fn interchanged_methods_fit() {
    let mut clients = misfits();
    clients.push(basic("slow", [hash(DEAR)]));
    let server =
        Server::new(clients, |layer| layer.compat(Compat::new().interchange_basic_and_post()));
    assert_eq!(server.ask("post", "digest-s3cr3t"), (StatusCode::OK, SHA256));
    server.all_cost(DEAR.1, &[("post", "x"), ("slow", "x"), ("nobody", "x"), ("hmac", "x")]);
}

// Nobody can tell by how many attempts at a time an id gets whether it exists.
#[test]
fn share_of_an_id_follows_the_dearest_failure() {
    // A little more than a quarter of the longest queue.
    let dear = "$argon2id$v=19$m=1048576,t=2,p=1$c2FsdCBvZiBhIHRlc3QuLg$AAAAAAAAAAAAAAAAAAAAAA";
    let clients = [basic("slow", [hash(CHEAP)]), basic("plain", [plain()])];
    let layer = ClientAuthLayer::new(MemoryProvider::from_iter(clients))
        .decoy(ClientSecret::phc(dear).unwrap())
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 63));
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    // Nothing is computed.
    let (finish, held) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    runtime.block_on(poll_fn(|cx| {
        for client_id in ["slow", "plain", "nobody"] {
            let (mut first, mut second) =
                (ask(&layer, client_id, "x"), ask(&layer, client_id, "x"));
            assert!(first.as_mut().poll(cx).is_pending(), "{client_id}");
            let refused = Poll::Ready(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(second.as_mut().poll(cx), refused, "{client_id}");
        }
        Poll::Ready(())
    }));
    runtime.shutdown_background();
    drop(finish);
}

/// How many of these requests, one more each time, one id gets in before it is refused. None is
/// computed.
fn share(layer: &TestLayer, client_id: &str) -> usize {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (finish, held) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    let mut waiting = Vec::new();
    runtime.block_on(poll_fn(|cx| {
        loop {
            let mut next = ask(layer, client_id, "x");
            match next.as_mut().poll(cx) {
                Poll::Pending => waiting.push(next),
                refused => {
                    assert_eq!(refused, Poll::Ready(StatusCode::SERVICE_UNAVAILABLE));
                    return Poll::Ready(());
                }
            }
        }
    }));
    runtime.shutdown_background();
    drop(finish);
    waiting.len()
}

// Also where a third part of the longest time for one id lies between all that a failure costs and what
// is left of it after a comparison.
#[test]
fn share_of_an_id_is_the_same_however_much_of_its_failure_is_left() {
    let dear = "$pbkdf2-sha256$i=4166667,l=16$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
    let layer = ClientAuthLayer::new(MemoryProvider::from_iter([basic("digest", [digest()])]))
        .decoy(ClientSecret::phc(dear).unwrap())
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 63));
    for client_id in ["nobody", "digest"] {
        assert_eq!(share(&layer, client_id), 2, "{client_id}");
    }
}

// Nobody knows how long a verifier of the application takes, and it takes none of the pool's time.
#[test]
fn decoy_that_is_verified_elsewhere_takes_no_share_of_an_id() {
    let clients = || MemoryProvider::from_iter([basic("slow", [hash(CHEAP)])]);
    let pool = |layer: TestLayer| layer.hash_pool(&HashPool::new(NonZeroUsize::MIN, 63));
    let external = ClientSecret::verified_by(|_| std::future::ready(Ok(false)));
    let layer = pool(ClientAuthLayer::new(clients()).decoy(external));
    assert_eq!(share(&layer, "slow"), 8);
    assert_eq!(share(&pool(ClientAuthLayer::new(clients())), "slow"), 8);
}

// What the slowest client fails with was computed: nothing is left to wait in the queue for.
#[test]
fn slowest_client_is_refused_once_its_hash_is_computed() {
    let layer = ClientAuthLayer::new(MemoryProvider::from_iter([basic("slow", [hash(CHEAP)])]))
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 0));
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let mut answer = ask(&layer, "slow", "x");
    let (finish, held) = mpsc::channel::<()>();
    runtime.block_on(async {
        poll_fn(|cx| {
            assert!(answer.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // Behind the hash.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        tokio::task::spawn_blocking(move || held.recv());
        poll_fn(|cx| {
            assert_eq!(answer.as_mut().poll(cx), Poll::Ready(StatusCode::UNAUTHORIZED));
            Poll::Ready(())
        })
        .await;
    });
    drop(finish);
}

// A throttle that did not count it would let secrets be guessed that are quick to compare.
#[test]
fn guess_under_overload_is_reported_as_overloaded() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&reports);
    let clients = [basic("slow", [hash(CHEAP)]), basic("plain", [plain()])];
    let layer = ClientAuthLayer::new(MemoryProvider::from_iter(clients))
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 0))
        .on_outcome(move |outcome| {
            inside.lock().unwrap().push(outcome.error().map(Error::kind));
        });
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (finish, held) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    runtime.block_on(async {
        let mut first = ask(&layer, "slow", "x");
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        for (secret, status) in [
            ("x", StatusCode::SERVICE_UNAVAILABLE),
            ("plain-s3cr3t-of-thirty-two-bytes", StatusCode::OK),
        ] {
            assert_eq!(ask(&layer, "plain", secret).await, status);
        }
    });
    assert_eq!(
        *reports.lock().unwrap(),
        [Some(ErrorKind::Overloaded), None, Some(ErrorKind::Abandoned)]
    );
    runtime.shutdown_background();
    drop(finish);
}
