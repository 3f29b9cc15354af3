//! Whether the time of an answer tells why a client was refused: unknown, wrong secret or expired.
//!
//! ```text
//! cargo bench --features argon2 --bench timing
//! ```
//!
//! As dudect does it: the cases are measured in random order within each round, so that what else
//! the machine does falls on all of them alike; the slowest samples are cut off at several places,
//! because they are the machine's; and Welch's t compares each pair. |t| < 4.5 means that the
//! samples give no reason to think that the cases differ. The largest |t| of all cuts is printed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on"
)]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    time::Instant,
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, MemoryProvider, RegisteredClient, RequestBody,
};

const SECRET: &str = "gX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1u";
const WRONG: &str = "hX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1v";
/// Rounds with the same clients in the same places.
const BATCH: usize = 200;
const SALT: &[u8; 16] = b"salt of the test";

/// Ids of one length, each presented with a secret of one length.
const CASES: [(&str, &str, &str); 3] = [
    ("unknown", "client-a", WRONG),
    ("wrong secret", "client-b", WRONG),
    ("expired", "client-c", SECRET),
];

fn request(client_id: &str, secret: &str) -> Request<Full<Bytes>> {
    let credentials = BASE64_STANDARD.encode(format!("{client_id}:{secret}"));
    Request::post("/token")
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from("grant_type=client_credentials"))
        .unwrap()
}

fn inner(_: Request<RequestBody<Full<Bytes>>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::default())))
}

/// `SECRET` with the default parameters of the crate, which are those that OWASP names.
fn argon2id() -> ClientSecret {
    let mut hash = [0; 32];
    argon2::Argon2::default().hash_password_into(SECRET.as_bytes(), SALT, &mut hash).unwrap();
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(SALT), BASE64_STANDARD_NO_PAD.encode(hash));
    ClientSecret::phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}")).unwrap()
}

/// The layer in front of two clients whose secret is stored in this way.
fn service(
    stored: &ClientSecret,
    decoy: Option<&ClientSecret>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<impl Sized>, Error = Infallible> {
    let clients = MemoryProvider::from_iter([
        RegisteredClient::secret_basic("client-b", [stored.clone()], ()),
        RegisteredClient::secret_basic("client-c", [stored.clone().expires_at(1)], ()),
    ]);
    let mut layer = ClientAuthLayer::new(clients);
    if let Some(decoy) = decoy {
        layer = layer.decoy(decoy.clone());
    }
    ServiceBuilder::new().layer(layer).service_fn(inner)
}

/// Nanoseconds of each case, round by round.
async fn sample(stored: ClientSecret, decoy: Option<ClientSecret>, rounds: usize) -> [Vec<f64>; 3] {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut samples = [const { Vec::new() }; 3];
    for batch in 0..rounds.div_ceil(BATCH) {
        // Where a client lies in memory, and in a table with a random hash, is not what is asked.
        let mut service = service(&stored, decoy.as_ref());
        let warm_up = BATCH / 10;
        for round in 0..warm_up + BATCH.min(rounds - batch * BATCH) {
            let mut order = [0, 1, 2];
            order.swap(0, random.below(3));
            order.swap(1, 1 + random.below(2));
            for case in order {
                let (_, client_id, secret) = CASES[case];
                let request = request(client_id, secret);
                let start = Instant::now();
                let response = service.ready().await.unwrap().call(request).await.unwrap();
                let time = start.elapsed();
                assert_eq!(black_box(response).status(), 401);
                if round >= warm_up {
                    #[expect(clippy::cast_precision_loss, reason = "no request takes that long")]
                    samples[case].push(time.as_nanos() as f64);
                }
            }
        }
    }
    samples
}

/// xorshift: good enough to shuffle, and the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 32) % end).unwrap()
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

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench")
        && std::env::args().all(|argument| argument != "--test");
    let digest = || ClientSecret::sha256_of(SECRET);
    let kinds = [
        ("plain", ClientSecret::plain(SECRET), None, 100_000),
        ("SHA-256", digest(), Some(digest()), 100_000),
        ("argon2id", argon2id(), Some(argon2id()), 500),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!("| stored | cases | samples | median (ns) | t |");
    println!("|---|---|---:|---:|---:|");
    for (kind, stored, decoy, rounds) in kinds {
        let rounds = if full { rounds } else { 20 };
        let samples = runtime.block_on(sample(stored, decoy, rounds));
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let t = worst(&samples[a], &samples[b]);
            let (one, other) = (CASES[a].0, CASES[b].0);
            let (fast, slow) = (median(&samples[a]), median(&samples[b]));
            println!("| {kind} | {one}, {other} | {rounds} | {fast:.0}, {slow:.0} | {t:+.2} |");
        }
    }
    println!("\n|t| < 4.5: the samples do not tell the two cases apart.");
    if !full {
        println!("This was a trial of a few samples; it says nothing.");
    }
}
