//! Whether the time of an answer tells why a client was refused: unknown, wrong secret or expired.
//!
//! ```text
//! cargo bench -p benches --features argon2 --bench timing
//! ```
//!
//! With the feature `mtls` the same is asked of clients that present a certificate.
//!
//! Twice: in memory, where the clock is read right before and after the layer, which only the
//! program itself can do; and over one connection of the loopback interface, which is the nearest
//! that a caller can get.
//!
//! As dudect does it: the cases are measured in random order within each round, so that what else
//! the machine does falls on all of them alike; the slowest samples are cut off at several points,
//! because they are the machine's; and Welch's t compares each pair. |t| < 4.5 means that the
//! samples give no reason to think that the cases differ. The largest |t| of all cuts is printed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on"
)]

#[cfg(feature = "mtls")]
#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
#[path = "support/certificates.rs"]
mod certificates;
#[cfg(feature = "mtls")]
#[path = "timing/mutual_tls.rs"]
mod mutual_tls;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Instant,
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, runtime};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, RegisteredClient, body::RequestBody, provider::MemoryProvider,
};

const SECRET: &str = "gX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1u";
const WRONG: &str = "hX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1v";
/// Rounds with the same clients at the same addresses.
const BATCH: usize = 200;
const SALT: &[u8; 16] = b"salt of the test";

#[derive(Clone, Copy)]
enum Case {
    Unknown,
    Wrong,
    Expired,
    /// As `Wrong`, for another client.
    WrongToo,
}

impl Case {
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Wrong => "wrong secret",
            Self::Expired => "expired",
            Self::WrongToo => "wrong secret of another",
        }
    }

    /// All secrets are of one length.
    const fn secret(self) -> &'static str {
        if matches!(self, Self::Expired) { SECRET } else { WRONG }
    }
}

/// The last pair is the control: what its cases differ by, the machine and the memory do.
const PAIRS: [[Case; 2]; 4] = [
    [Case::Unknown, Case::Wrong],
    [Case::Unknown, Case::Expired],
    [Case::Wrong, Case::Expired],
    [Case::Wrong, Case::WrongToo],
];

/// The id of each case, all of one length. They are permuted from batch to batch.
type Ids = [&'static str; 4];

const FORM: &str = "grant_type=client_credentials";

fn authorization(client_id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{client_id}:{secret}")))
}

fn request(client_id: &str, secret: &str) -> Request<Full<Bytes>> {
    Request::post("/token")
        .header("authorization", authorization(client_id, secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(FORM))
        .unwrap()
}

fn inner<B>(_: Request<RequestBody<B>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::default())))
}

/// `SECRET` with the default parameters of the crate, which are those that OWASP names.
fn argon2id() -> ClientSecret {
    let mut hash = [0; 32];
    argon2::Argon2::default().hash_password_into(SECRET.as_bytes(), SALT, &mut hash).unwrap();
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(SALT), BASE64_STANDARD_NO_PAD.encode(hash));
    ClientSecret::phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}")).unwrap()
}

/// The layer in front of three clients whose secret is stored in this way. Which secret an
/// unknown client is checked against it learns from them.
fn service<B>(
    stored: &ClientSecret,
    ids: Ids,
) -> impl Service<
    Request<B>,
    Response = Response<impl Body<Data = Bytes, Error = Infallible> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let clients = MemoryProvider::from_iter([
        RegisteredClient::secret_basic(ids[Case::Wrong as usize], [stored.clone()], ()),
        RegisteredClient::secret_basic(
            ids[Case::Expired as usize],
            [stored.clone().expires_at(1)],
            (),
        ),
        RegisteredClient::secret_basic(ids[Case::WrongToo as usize], [stored.clone()], ()),
    ]);
    ServiceBuilder::new().layer(ClientAuthLayer::new(clients)).service_fn(inner)
}

/// Asks for both cases in each round, in random order, and keeps the nanoseconds that `ask` returns.
/// Where a client lies in memory, and in a table with a random hash, is not what is asked: `renew`
/// is called between batches.
fn sample<T>(
    pair: [Case; 2],
    rounds: usize,
    renew: impl Fn(Ids) -> T,
    ask: impl Fn(&mut T, Case) -> u128,
) -> [Vec<f64>; 2] {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut samples = [const { Vec::new() }; 2];
    let mut ids = ["client-a", "client-b", "client-c", "client-d"];
    for batch in 0..rounds.div_ceil(BATCH) {
        for last in (1..ids.len()).rev() {
            ids.swap(last, random.below(last + 1));
        }
        let mut server = renew(ids);
        let warm_up = BATCH / 10;
        for round in 0..warm_up + BATCH.min(rounds - batch * BATCH) {
            let first = random.below(2);
            for index in [first, 1 - first] {
                let time = ask(&mut server, pair[index]);
                if round >= warm_up {
                    #[expect(clippy::cast_precision_loss, reason = "no request takes that long")]
                    samples[index].push(time as f64);
                }
            }
        }
    }
    samples
}

fn in_memory(stored: &ClientSecret, pair: [Case; 2], rounds: usize) -> [Vec<f64>; 2] {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    sample(
        pair,
        rounds,
        |ids| (service(stored, ids), ids),
        |(service, ids), case| {
            let request = request(ids[case as usize], case.secret());
            runtime.block_on(async {
                let start = Instant::now();
                let response = service.ready().await.unwrap().call(request).await.unwrap();
                let time = start.elapsed();
                assert_eq!(black_box(response).status(), 401);
                time.as_nanos()
            })
        },
    )
}

fn over_loopback(stored: &ClientSecret, pair: [Case; 2], rounds: usize) -> [Vec<f64>; 2] {
    let (next, to_come) = mpsc::channel();
    let address = serve(stored.clone(), to_come);
    sample(
        pair,
        rounds,
        |ids| {
            next.send(ids).unwrap();
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            (stream, pair.map(|case| (case as usize, wire(ids[case as usize], case.secret()))))
        },
        |(stream, wires), case| {
            let wire = wires.iter().find(|(number, _)| *number == case as usize);
            let (_, wire) = wire.unwrap();
            let mut answer = [0; 1024];
            let start = Instant::now();
            stream.write_all(wire).unwrap();
            // It is small, and arrives in one piece.
            let length = stream.read(&mut answer).unwrap();
            let time = start.elapsed();
            assert!(answer[..length].starts_with(b"HTTP/1.1 401 "));
            time.as_nanos()
        },
    )
}

fn wire(client_id: &str, secret: &str) -> Vec<u8> {
    let (authorization, length) = (authorization(client_id, secret), FORM.len());
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    );
    (head + FORM).into_bytes()
}

/// A server on a thread of its own, with a layer of its own for each connection.
fn serve(stored: ClientSecret, to_come: mpsc::Receiver<Ids>) -> SocketAddr {
    let (listening, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listening.send(listener.local_addr().unwrap()).unwrap();
            while let Ok(ids) = to_come.recv() {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(service(&stored, ids));
                let mut server = http1::Builder::new();
                server.header_read_timeout(None);
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            }
        });
    });
    address.recv().unwrap()
}

/// xorshift: good enough to shuffle, and the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).unwrap() % end
    }
}

/// Mean, variance and number.
fn moments(samples: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for sample in samples {
        count += 1.0;
        let delta = sample - mean;
        mean += delta / count;
        squares += delta * (sample - mean);
    }
    (mean, squares / (count - 1.0), count)
}

fn welch(a: &[f64], b: &[f64], cut: f64) -> f64 {
    let below = |samples: &[f64]| moments(samples.iter().copied().filter(|time| *time <= cut));
    let ((mean_a, var_a, n_a), (mean_b, var_b, n_b)) = (below(a), below(b));
    (mean_a - mean_b) / (var_a / n_a + var_b / n_b).sqrt()
}

/// The t that is farthest from 0, of all samples and of those below several percentiles.
fn worst(a: &[f64], b: &[f64]) -> f64 {
    let mut all = [a, b].concat();
    all.sort_unstable_by(f64::total_cmp);
    let cuts = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5];
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let cut = |part: f64| all[((all.len() - 1) as f64 * part) as usize];
    let values = cuts.into_iter().map(|part| welch(a, b, cut(part)));
    values.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap()
}

fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

type Measure = fn(&ClientSecret, [Case; 2], usize) -> [Vec<f64>; 2];

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench")
        && std::env::args().all(|argument| argument != "--test");
    let kinds = [
        ("plain", ClientSecret::plain(SECRET), 100_000),
        ("SHA-256", ClientSecret::sha256_of(SECRET), 100_000),
        ("argon2id", argon2id(), 200),
    ];
    println!("| stored | where | cases | samples | median (ns) | t |");
    println!("|---|---|---|---:|---:|---:|");
    for (name, stored, rounds) in kinds {
        let rounds = if full { rounds } else { 20 };
        for (place, measure) in
            [("in memory", in_memory as Measure), ("over loopback", over_loopback)]
        {
            for pair in PAIRS {
                let [a, b] = measure(&stored, pair, rounds);
                let [one, other] = pair.map(Case::name);
                let (t, fast, slow) = (worst(&a, &b), median(&a), median(&b));
                println!(
                    "| {name} | {place} | {one}, {other} | {rounds} | {fast:.0}, {slow:.0} | {t:+.2} |"
                );
            }
        }
    }
    #[cfg(feature = "mtls")]
    mutual_tls::print(full);
    println!("\n|t| < 4.5: the samples do not tell the two cases apart.");
    if !full {
        println!("This was a trial of a few samples; it says nothing.");
    }
}
