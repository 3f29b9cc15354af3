//! What each request costs the server: by method, algorithm and outcome, kind of secret and replay store.
//!
//! `cargo bench -p benches --features argon2,cache,redis --bench price -- --write` writes the page
//! `src/docs/price_list.md` and its picture, with instructions, which valgrind counts, and times, as ratios to
//! a refused Basic. `-- --assert` counts alone, and compares with the page; `-- --test` only shows that it
//! runs, and that the page has a line for everything that the crate can check.

#![expect(clippy::indexing_slicing, reason = "JSON: what is not there is `null`")]

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    fmt::Write as _,
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, ExitCode},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use serde_json::{Value, json};
use support::{
    BoxError,
    chart::{self, Line},
    clients::Client,
    redis::{self, Redis},
    report, wall,
    work::{Frames, Shape},
};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientProvider, ClientSecret, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    body::RequestBody,
    provider::{CachedProvider, MemoryProvider},
    replay::{MemoryReplayStore, RedisReplayStore, ReplayStore},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/price_list.md");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/price_list.svg");
/// By how much a count may differ from the page, which is there to size by. Where a map puts its clients is random.
const TOLERANCE: f64 = 0.1;
const ROUNDS: usize = 101;

const CLIENTS: u64 = 100;
const SECRET: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Long enough for HS512.
const MAC_SECRET: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkdBjftJeZ4CVP-mB92K27u";
const NOW: i64 = 1_900_000_000;
const ISSUER: &str = "https://as.example";
const CLAIMS: &str = r#"{"iss":"batch","sub":"batch","aud":"https://as.example","exp":1900000060,"iat":1900000000,"jti":"hV3k8mJ2bQ9xT7nL"}"#;
/// Public keys, each with its signatures of `CLAIMS` under `{"alg":…,"kid":"1"}`. The private ones are
/// gone: what is signed anew costs some instructions more or less each time.
const SIGNED: &str = include_str!("support/signed.json");

/// How secrets are stored, and clients found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Store {
    Memory,
    Cached,
    Sha256,
    Argon2id,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Replay {
    Without,
    Memory,
    Redis,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Right,
    Wrong,
    Unknown,
    /// Without a `kid`, so that each key that fits could be the one.
    WrongNameless,
    UnknownNameless,
}

/// A line of the page.
#[derive(Clone, Debug, PartialEq)]
enum Row {
    Secret(&'static str, Store),
    /// An algorithm, and the key unless that is the secret.
    Assertion(&'static str, Option<Value>),
    Replay(Replay),
}

type Job = (Row, Outcome);
/// Asks so many times, and says how long that took.
type Run = Box<dyn FnMut(usize) -> Duration>;
type Ask = Box<dyn FnMut(Request<Frames>) -> StatusCode>;

impl Store {
    const ALL: [Self; 4] = [Self::Memory, Self::Cached, Self::Sha256, Self::Argon2id];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "plain",
            Self::Cached => "plain, in a `CachedProvider`",
            Self::Sha256 => "SHA-256",
            Self::Argon2id => "argon2id, 19 MiB, t = 2",
        }
    }

    fn secret(self) -> ClientSecret {
        static ARGON2ID: LazyLock<Option<ClientSecret>> = LazyLock::new(|| {
            let (salt, mut hash) = (b"salt of the test", [0; 32]);
            argon2::Argon2::default()
                .hash_password_into(SECRET.as_bytes(), salt, &mut hash)
                .ok()?;
            let encoded = BASE64_STANDARD_NO_PAD.encode(hash);
            let salt = BASE64_STANDARD_NO_PAD.encode(salt);
            ClientSecret::phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${encoded}")).ok()
        });
        match self {
            Self::Memory | Self::Cached => ClientSecret::plain(SECRET),
            Self::Sha256 => ClientSecret::sha256_of(SECRET),
            Self::Argon2id => ARGON2ID.clone().unwrap_or_else(|| ClientSecret::plain("")),
        }
    }
}

impl Replay {
    const ALL: [Self; 3] = [Self::Without, Self::Memory, Self::Redis];

    const fn name(self) -> &'static str {
        match self {
            Self::Without => "none, which accepts an assertion again and again",
            Self::Memory => "`MemoryReplayStore`",
            Self::Redis => "`RedisReplayStore`, 32 requests at a time",
        }
    }
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Right, Self::Wrong, Self::Unknown, Self::WrongNameless, Self::UnknownNameless];

    const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown client",
            Self::WrongNameless => "wrong, no `kid`",
            Self::UnknownNameless => "unknown, no `kid`",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Right => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    const fn is_nameless(self) -> bool {
        matches!(self, Self::WrongNameless | Self::UnknownNameless)
    }

    const fn is_of_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::UnknownNameless)
    }
}

impl Row {
    fn name(&self) -> String {
        match self {
            Self::Secret(method, store) => format!("`{method}` | {}", store.name()),
            Self::Assertion(alg, None) => format!("{alg} | the secret"),
            Self::Assertion(alg, Some(key)) => format!("{alg} | {}", key_name(key)),
            Self::Replay(replay) => replay.name().to_owned(),
        }
    }

    fn outcomes(&self) -> &'static [Outcome] {
        match self {
            Self::Secret(..) => &[Outcome::Right, Outcome::Wrong, Outcome::Unknown],
            Self::Assertion(..) => &Outcome::ALL,
            Self::Replay(_) => &[Outcome::Right],
        }
    }
}

/// As it is called on the page: its size, which tells what it costs.
fn key_name(key: &Value) -> String {
    match key.get("n").and_then(Value::as_str) {
        Some(n) => format!("{} bits", n.len() * 6 / 64 * 64),
        None => key.get("crv").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// What the crate can check, all of it.
fn rows() -> Result<Vec<Row>, BoxError> {
    let everything = ClientAuthLayer::new(MemoryProvider::<()>::new())
        .assertions(Assertions::dangerously_without_replay_protection(ISSUER)?);
    let methods: Vec<_> = everything.auth_methods_supported().collect();
    let mut rows = Vec::new();
    for method in methods {
        match method {
            "client_secret_basic" | "client_secret_post" | "none" => {
                rows.extend(Store::ALL.map(|store| Row::Secret(method, store)));
            }
            "client_secret_jwt" | "private_key_jwt" => {}
            other => return Err(format!("the price list has no line for {other}").into()),
        }
    }
    let signed: Vec<Value> = serde_json::from_str(SIGNED)?;
    for alg in everything.auth_signing_algs_supported() {
        let before = rows.len();
        if alg.starts_with("HS") {
            rows.push(Row::Assertion(alg, None));
        }
        let keys = signed.iter().filter(|signed| signed["signatures"].get(alg).is_some());
        rows.extend(keys.map(|signed| Row::Assertion(alg, Some(signed["key"].clone()))));
        if rows.len() == before {
            return Err(format!("the price list has no line for {alg}").into());
        }
    }
    rows.extend(Replay::ALL.map(Row::Replay));
    Ok(rows)
}

fn jobs(rows: &[Row]) -> Vec<Job> {
    let of = |row: &Row| row.outcomes().iter().map(|outcome| (row.clone(), *outcome)).collect();
    rows.iter().flat_map(|row| -> Vec<Job> { of(row) }).collect()
}

/// One assertion, again and again: for the store it is another each time.
struct Fresh<S>(S, AtomicU64);

impl<S: ReplayStore> ReplayStore for Fresh<S> {
    type Error = S::Error;

    async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, S::Error> {
        let jti = format!("{jti}{}", self.1.fetch_add(1, Relaxed));
        self.0.claim(client_id, &jti, until).await
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "nothing can be measured without")]
    Builder::new_current_thread().enable_all().build().expect("a runtime")
});

/// What is there is not waited for; what is computed on another thread, is.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => RUNTIME.block_on(future),
    }
}

/// From here to the end valgrind counts.
#[inline(never)]
fn counted(ask: &mut Ask, request: Request<Frames>) -> StatusCode {
    std::hint::black_box(ask)(std::hint::black_box(request))
}

async fn inner(_: Request<RequestBody<Frames>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

fn one_by_one<P>(
    layer: ClientAuthLayer<P>,
    request: impl Fn() -> Request<Frames> + 'static,
    expected: StatusCode,
) -> Run
where
    P: ClientProvider + 'static,
{
    let mut service = layer.layer(service_fn(inner));
    let mut ask: Ask = Box::new(move |request| {
        let Ok(()) = wait(std::future::poll_fn(|cx| {
            Service::<Request<Frames>>::poll_ready(&mut service, cx)
        }));
        let Ok(response) = wait(service.call(request));
        let status = response.status();
        let mut body = pin!(response.into_body());
        while let Some(Ok(frame)) = wait(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))) {
            std::hint::black_box(frame.data_ref());
        }
        status
    });
    Box::new(move |calls| {
        let batch: Vec<_> = (0..calls).map(|_| request()).collect();
        let start = Instant::now();
        for request in batch {
            assert_eq!(counted(&mut ask, request), expected);
        }
        start.elapsed()
    })
}

/// All at the same time, as a server that waits for Redis has them: what is measured is what they cost, not how
/// long one of them waits.
fn at_once<P>(layer: ClientAuthLayer<P>, request: impl Fn() -> Request<Frames> + 'static) -> Run
where
    P: ClientProvider + 'static,
{
    let service = layer.layer(service_fn(inner));
    Box::new(move |calls| {
        let batch: Vec<_> = (0..calls).map(|_| request()).collect();
        let start = Instant::now();
        RUNTIME.block_on(async {
            let mut asked = tokio::task::JoinSet::new();
            for request in batch {
                asked.spawn(service.clone().oneshot(request));
            }
            while let Some(answer) = asked.join_next().await {
                assert!(matches!(answer, Ok(Ok(response)) if response.status() == StatusCode::OK));
            }
        });
        start.elapsed()
    })
}

/// Ready to ask. `None` if that needs a Redis, and there is none.
fn prepare((row, outcome): &Job, redis: Option<&Redis>) -> Result<Option<Run>, BoxError> {
    let outcome = *outcome;
    Ok(Some(match row {
        Row::Secret(method, store) => {
            let (method, store) = (*method, *store);
            let clients = (0..CLIENTS).map(|n| with_secret(n, store));
            let clients = MemoryProvider::from_iter(clients);
            let request = move || secret_request(method, outcome);
            if store == Store::Cached {
                let clients = CachedProvider::new(clients).clock(Clock::fixed(NOW));
                one_by_one(with_decoy(clients, store), request, outcome.status())
            } else {
                one_by_one(with_decoy(clients, store), request, outcome.status())
            }
        }
        Row::Assertion(alg, key) => {
            let store = MemoryReplayStore::new(1_000_000).clock(Clock::fixed(NOW));
            let assertions = Assertions::new(ISSUER, Fresh(store, AtomicU64::new(0)))?;
            let layer = with_assertions(key.as_ref(), outcome, assertions)?;
            one_by_one(layer, assertion_request(alg, key.as_ref(), outcome), outcome.status())
        }
        Row::Replay(replay) => {
            let fresh = AtomicU64::new(0);
            let assertions = match replay {
                Replay::Without => Assertions::dangerously_without_replay_protection(ISSUER)?,
                Replay::Memory => {
                    let store = MemoryReplayStore::new(1_000_000).clock(Clock::fixed(NOW));
                    Assertions::new(ISSUER, Fresh(store, fresh))?
                }
                Replay::Redis => {
                    let Some(redis) = redis else { return Ok(None) };
                    let client = ::redis::Client::open(redis::url(redis.address))?;
                    let connection = RUNTIME.block_on(client.get_multiplexed_async_connection())?;
                    Assertions::new(ISSUER, Fresh(RedisReplayStore::new(connection), fresh))?
                }
            };
            let layer = with_assertions(None, outcome, assertions)?;
            let request = assertion_request("HS256", None, outcome);
            if *replay == Replay::Redis {
                at_once(layer, request)
            } else {
                one_by_one(layer, request, outcome.status())
            }
        }
    }))
}

/// As if a client with such a secret had been seen.
fn with_decoy<P: ClientProvider>(clients: P, store: Store) -> ClientAuthLayer<P> {
    ClientAuthLayer::new(clients).decoy(store.secret())
}

/// Every fourth client has the same method.
fn with_secret(n: u64, store: Store) -> RegisteredClient<()> {
    let (id, secret) = (Client::new(n).id, [store.secret()]);
    match n % 4 {
        1 => RegisteredClient::secret_post(id, secret, ()),
        2 => RegisteredClient::public(id, ()),
        _ => RegisteredClient::secret_basic(id, secret, ()),
    }
}

/// A code grant of 300 bytes, as curl sends it.
fn secret_request(method: &str, outcome: Outcome) -> Request<Frames> {
    // A public client has no secret that could be wrong: one that has a secret comes without.
    let number = match (method, outcome) {
        ("client_secret_post", _) => 1,
        ("none", Outcome::Right | Outcome::Unknown) => 2,
        _ => 0,
    };
    let (mut id, mut secret) = (Client::new(number).id, SECRET.to_owned());
    match outcome {
        Outcome::Wrong => secret.replace_range(..1, "-"),
        Outcome::Unknown => id.replace_range(..1, "x"),
        _ => {}
    }
    let (token, in_form) = match method {
        "client_secret_basic" => (Some(format!("{id}:{secret}")), String::new()),
        "client_secret_post" => (None, format!("&client_id={id}&client_secret={secret}")),
        _ => (None, format!("&client_id={id}")),
    };
    let token = token.map(|token| format!("Basic {}", BASE64_STANDARD.encode(token)));
    request(token.as_deref(), Shape::Usual.form(&in_form))
}

fn request(authorization: Option<&str>, form: Bytes) -> Request<Frames> {
    let mut request = Request::post("/token").header(header::HOST, "as.example.com");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request
        .header(header::USER_AGENT, "curl/8.5.0")
        .header(header::ACCEPT, "*/*")
        .header(header::CONTENT_LENGTH, form.len())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Frames::split(form, usize::MAX))
        .unwrap_or_default()
}

fn with_assertions(
    key: Option<&Value>,
    outcome: Outcome,
    assertions: Assertions,
) -> Result<ClientAuthLayer<MemoryProvider<()>>, BoxError> {
    let clients = MemoryProvider::from_iter((0..CLIENTS).map(|n| with_secret(n, Store::Memory)));
    if outcome.is_of_known() {
        clients.insert(match key {
            None => {
                RegisteredClient::client_secret_jwt("batch", [ClientSecret::plain(MAC_SECRET)], ())
                    .map_err(|_unusable| "the secret is too short")?
            }
            Some(key) => {
                let mut key = key.clone();
                key["kid"] = "1".into();
                let keys = ClientKeys::from_jwks(&json!({ "keys": [key] }).to_string())?;
                RegisteredClient::private_key_jwt("batch", keys, ())
            }
        });
    }
    Ok(ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).assertions(assertions))
}

fn assertion_request(
    alg: &str,
    key: Option<&Value>,
    outcome: Outcome,
) -> impl Fn() -> Request<Frames> + use<> {
    let input = |kid| {
        let header = format!(r#"{{"alg":"{alg}"{kid}}}"#);
        format!("{}.{}", BASE64.encode(header), BASE64.encode(CLAIMS))
    };
    let named = input(r#","kid":"1""#);
    let mut signature = signature(alg, key, named.as_bytes());
    // In the last byte, which leaves the numbers of every algorithm within their range.
    if let Some(last) = signature.last_mut()
        && outcome != Outcome::Right
    {
        *last ^= 1;
    }
    let input = if outcome.is_nameless() { input("") } else { named };
    let form = Bytes::from(format!(
        "grant_type=client_credentials&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={input}.{}",
        BASE64.encode(signature)
    ));
    move || request(None, form.clone())
}

fn signature(alg: &str, key: Option<&Value>, input: &[u8]) -> Vec<u8> {
    let Some(key) = key else {
        let algorithm = match alg {
            "HS512" => hmac::HMAC_SHA512,
            "HS384" => hmac::HMAC_SHA384,
            _ => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, MAC_SECRET.as_bytes());
        return hmac::sign(&key, input).as_ref().to_vec();
    };
    let signed: Vec<Value> = serde_json::from_str(SIGNED).unwrap_or_default();
    let signed = signed.iter().find(|signed| signed["key"] == *key);
    let signature = signed.and_then(|signed| signed["signatures"][alg].as_str());
    BASE64.decode(signature.unwrap_or_default()).unwrap_or_default()
}

fn main() -> ExitCode {
    // Where there is a runtime, what is dear is computed on another thread.
    let _entered = RUNTIME.enter();
    let result = match () {
        () if report::asked_to("--count") => ask_twice(),
        () if report::asked_to("--assert") => compare(),
        () if report::asked_to("--test") || !report::asked_to("--bench") => trial(),
        () => publish(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The first time pays for what is done once.
fn ask_twice() -> Result<(), BoxError> {
    for job in jobs(&rows()?) {
        if let Some(mut run) = prepare(&job, None)? {
            run(1);
            run(1);
        }
    }
    Ok(())
}

/// Instructions of each job, but for those that need a Redis.
fn count(jobs: &[Job]) -> Result<Vec<Option<f64>>, BoxError> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(3).unwrap_or(Path::new("target")).join("price");
    let _none_yet = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let out = folder.join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=no"])
        .args(["--zero-before=price::counted", "--dump-after=price::counted"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .arg("--count")
        .env("LD_BIND_NOW", "1")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut asked = 0;
    let counts = jobs.iter().map(|(row, _)| {
        if *row == Row::Replay(Replay::Redis) {
            return Ok(None);
        }
        asked += 2;
        let path = PathBuf::from(format!("{}.{asked}", out.display()));
        let profile =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        Ok(Some(total.ok_or_else(|| format!("{} has no total", path.display()))?))
    });
    let counts = counts.collect();
    fs::remove_dir_all(&folder)?;
    counts
}

/// Seconds per request of each job, and the medians of their ratios to the first refusal.
fn time(jobs: &[Job], rounds: usize) -> Result<Vec<Option<(f64, f64)>>, BoxError> {
    let redis = Redis::start().inspect_err(|error| eprintln!("no Redis: {error}")).ok();
    let mut runs = Vec::new();
    for job in jobs {
        let Some(mut run) = prepare(job, redis.as_ref())? else {
            runs.push(None);
            continue;
        };
        run(1);
        let calls = if job.0 == Row::Replay(Replay::Redis) {
            32
        } else {
            let once = run(1).as_secs_f64().max(1e-7);
            (1e-4 / once).clamp(1.0, 100.0) as usize
        };
        runs.push(Some((run, calls)));
    }
    let mut contenders: Vec<_> = runs
        .iter_mut()
        .flatten()
        .map(|(run, calls)| -> Box<dyn FnMut(usize) -> Duration + '_> {
            Box::new(|_| run(*calls).div_f64(*calls as f64))
        })
        .collect();
    let times = wall::rounds(rounds, &mut contenders);
    drop(contenders);
    let bare = jobs.iter().position(|(_, outcome)| *outcome == Outcome::Wrong);
    let bare = bare.and_then(|bare| times.get(bare)).cloned().unwrap_or_default();
    let mut times = times.into_iter();
    Ok(runs
        .iter()
        .map(|run| {
            let times = run.as_ref().and_then(|_| times.next())?;
            let ratio = wall::ratio(&times, &bare);
            Some((wall::median(times), ratio))
        })
        .collect())
}

/// What was measured, job by job.
struct Measured {
    jobs: Vec<Job>,
    counts: Vec<Option<f64>>,
    times: Vec<Option<(f64, f64)>>,
}

impl Measured {
    fn of<T: Copy>(&self, values: &[Option<T>], row: &Row, outcome: Outcome) -> Option<T> {
        let found = |job: &Job| job.0 == *row && job.1 == outcome;
        values.get(self.jobs.iter().position(found)?).copied().flatten()
    }

    fn count(&self, row: &Row, outcome: Outcome) -> Option<f64> {
        self.of(&self.counts, row, outcome)
    }

    /// Instructions, and times that of a refused Basic.
    fn cell(&self, row: &Row, outcome: Outcome) -> String {
        let count = self.count(row, outcome).map_or("–".to_owned(), thousands);
        let ratio = self.of(&self.times, row, outcome);
        let ratio = ratio.map_or("–".to_owned(), |(_, ratio)| significant(ratio));
        format!("{count} · {ratio}")
    }

    /// How many of the dearest refusals of a row keep a core busy for a second.
    fn a_second(&self, row: &Row) -> String {
        let refused = row.outcomes().iter().filter(|outcome| !outcome.status().is_success());
        let times = refused.filter_map(|outcome| self.of(&self.times, row, *outcome));
        let dearest = times.map(|(time, _)| time).fold(0.0, f64::max);
        if dearest > 0.0 { significant(1.0 / dearest) } else { "–".to_owned() }
    }

    fn refused_basic(&self) -> f64 {
        let first = self.jobs.iter().zip(&self.times).find(|(job, _)| job.1 == Outcome::Wrong);
        first.and_then(|(_, time)| *time).map_or(f64::NAN, |(time, _)| time)
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two digits that count, and all that stand before the point.
fn significant(number: f64) -> String {
    match number {
        number if number < 10.0 => format!("{number:.1}"),
        number if number < 100.0 => format!("{number:.0}"),
        number => {
            let unit = 10_f64.powf(number.log10().floor() - 1.0);
            thousands((number / unit).round() * unit)
        }
    }
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default()).trim().to_owned()
}

fn publish() -> Result<(), BoxError> {
    let rows = rows()?;
    let jobs = jobs(&rows);
    let counts = count(&jobs)?;
    let times = time(&jobs, ROUNDS)?;
    let measured = Measured { jobs, counts, times };
    let page = page(&rows, &measured);
    if report::asked_to("--write") {
        fs::write(PAGE, page)?;
        fs::write(PICTURE, picture(&rows, &measured))?;
    } else {
        print!("{page}");
    }
    Ok(())
}

/// Everything once, and whether the page has a line for it.
fn trial() -> Result<(), BoxError> {
    let rows = rows()?;
    let jobs = jobs(&rows);
    let times = time(&jobs, 1)?;
    let counts = jobs.iter().map(|_| Some(1.0)).collect();
    let measured = Measured { jobs, counts, times };
    println!("{}{}", page(&rows, &measured), picture(&rows, &measured));
    same_rows(&rows, &published())
}

fn compare() -> Result<(), BoxError> {
    let (rows, published) = (rows()?, published());
    same_rows(&rows, &published)?;
    let compiler = compiler();
    if !fs::read_to_string(PAGE)?.contains(&compiler) {
        println!("COUNTS NOT COMPARED: the price list was not made with {compiler}");
        return Ok(());
    }
    let jobs = jobs(&rows);
    let counts = count(&jobs)?;
    let (mut problems, mut compared) = (String::new(), 0);
    for ((row, outcome), count) in jobs.iter().zip(counts) {
        let place = row.outcomes().iter().position(|other| other == outcome);
        let cells = published.iter().find(|(name, _)| *name == row.name());
        let cell = place.and_then(|place| cells?.1.get(place).copied().flatten());
        compared += 1;
        let apart = match (cell, count) {
            (None, None) => continue,
            (Some(cell), Some(count)) => (count / cell - 1.0).abs(),
            _ => f64::INFINITY,
        };
        if apart > TOLERANCE {
            let _infallible = writeln!(
                problems,
                "PRICE CHANGED: {}, {}: {count:?}, on the page {cell:?}",
                row.name(),
                outcome.name(),
            );
        }
    }
    if problems.is_empty() {
        println!("{compared} prices are as on the page");
        return Ok(());
    }
    Err(format!("{problems}`-- --write` writes it anew, see benches/README.md").into())
}

/// The lines of the page, each with its counts.
fn published() -> Vec<(String, Vec<Option<f64>>)> {
    let page = fs::read_to_string(PAGE).unwrap_or_default();
    let cells = |line: &str| -> Option<(String, Vec<Option<f64>>)> {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let first = cells.iter().position(|cell| cell.contains(" · "))?;
        let (name, prices) = cells.split_at(first);
        let prices = prices.iter().filter_map(|cell| cell.split_once(" · "));
        let prices = prices.map(|(count, _)| count.replace(',', "").parse().ok());
        Some((name.join(" | "), prices.collect()))
    };
    page.lines().filter_map(cells).collect()
}

fn same_rows(rows: &[Row], published: &[(String, Vec<Option<f64>>)]) -> Result<(), BoxError> {
    let made: Vec<_> = rows.iter().map(Row::name).collect();
    let found: Vec<_> = published.iter().map(|(name, _)| name.clone()).collect();
    if made == found {
        return Ok(());
    }
    let missing: Vec<_> = made.iter().filter(|name| !found.contains(name)).collect();
    let foreign: Vec<_> = found.iter().filter(|name| !made.contains(name)).collect();
    Err(format!(
        "the price list has other lines than the crate: missing {missing:?}, foreign {foreign:?}"
    )
    .into())
}

fn page(rows: &[Row], measured: &Measured) -> String {
    let mut page = format!(
        "What each request costs the server, and how many of the dearest ones keep a core busy.\n\n\
         Written by `cargo bench -p benches --features argon2,cache,redis --bench price -- --write`, with\n\
         {}. The picture is of the same figures.\n\n\
         Each cell has the instructions that valgrind counts in the layer, with a form of 300 bytes and 100\n\
         clients; and behind the dot the time, over that of a wrong secret with Basic, stored in plain text, which\n\
         took {:.2} µs here (median of {ROUNDS} interleaved rounds, one request at a time, in memory). Valgrind does\n\
         not know the processor's instructions for SHA-256, so that the time is right and the count is not.\n\n\
         *To size*: a core makes one second ÷ (what HTTP and the handler take + ratio × {:.2} µs) requests a second.\n\
         HTTP/1.1 with hyper takes some 10 µs. Only what costs hundreds of times a wrong Basic counts beside it.\n\n\
         *To limit*: `a second` is how many of the dearest refusals of a line keep one core busy, without HTTP.\n\
         Whoever can send a request can cause a refusal, for any id, of every method and algorithm that is\n\
         accepted. The share of a core that one address may take, times that number, is the limit by address; the\n\
         smallest number that applies counts. What no client uses is better turned off:\n\
         `ClientAuthLayer::auth_methods`, `Assertions::signing_algs`.\n\n\
         # Secrets\n\n\
         The line is that of the slowest kind that any client has, or that the decoy is. For `none`, *wrong* is a\n\
         client that has a secret and does not send it.\n\n",
        compiler(),
        measured.refused_basic() * 1e6,
        measured.refused_basic() * 1e6,
    );
    let is_secret = |row: &&Row| matches!(row, Row::Secret(..));
    let is_assertion = |row: &&Row| matches!(row, Row::Assertion(..));
    table(&mut page, "method | secrets", &mut rows.iter().filter(is_secret), measured);
    page.push_str(
        "\n# Assertions\n\n\
         With a `MemoryReplayStore`. An assertion is as dear for any id as for that of a client. One that names\n\
         its key by `kid` is verified once; one that names none, twice where it fails, because a client may have\n\
         two keys.\n\n",
    );
    table(&mut page, "algorithm | key", &mut rows.iter().filter(is_assertion), measured);
    page.push_str(
        "\n# Replay stores\n\n\
         An assertion of HS256 that is right, which is the only one that is remembered.\n\n\
         | replay store | right |\n|---|--:|\n",
    );
    for row in rows.iter().filter(|row| matches!(row, Row::Replay(_))) {
        let _infallible =
            writeln!(page, "| {} | {} |", row.name(), measured.cell(row, Outcome::Right));
    }
    let redis = Row::Replay(Replay::Redis);
    page.push_str(if measured.of(&measured.times, &redis, Outcome::Right).is_some() {
        "\nWith Redis it is the time of the server, not that of the caller, who waits for the answer, too.\n"
    } else {
        "\nRedis was not measured: there was no `redis-server`, and `REDIS_SERVER` named none.\n"
    });
    page
}

fn table(
    page: &mut String,
    first: &str,
    rows: &mut dyn Iterator<Item = &Row>,
    measured: &Measured,
) {
    for (number, row) in rows.enumerate() {
        if number == 0 {
            let names: Vec<_> = row.outcomes().iter().map(|outcome| outcome.name()).collect();
            let _infallible = writeln!(page, "| {first} | {} | a second |", names.join(" | "));
            let _infallible = writeln!(page, "|---|---|{}", "--:|".repeat(names.len() + 1));
        }
        let cells = row.outcomes().iter().map(|outcome| measured.cell(row, *outcome));
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let _infallible =
            writeln!(page, "| {} | {cells} | {} |", row.name(), measured.a_second(row));
    }
}

fn picture(rows: &[Row], measured: &Measured) -> String {
    let dearest = |row: &Row, outcomes: &[Outcome]| {
        let counts = outcomes.iter().filter_map(|outcome| measured.count(row, *outcome));
        counts.reduce(f64::max)
    };
    let lines: Vec<_> = rows
        .iter()
        .filter(|row| !matches!(row, Row::Replay(_)))
        .map(|row| Line {
            label: row.name().replace('`', "").replace(" | ", ", "),
            values: vec![
                measured.count(row, Outcome::Right),
                dearest(row, &[Outcome::Wrong, Outcome::Unknown]),
                dearest(row, &[Outcome::WrongNameless, Outcome::UnknownNameless]),
            ],
        })
        .collect();
    chart::dots(
        "What a request costs",
        "instructions",
        &["right", "refused", "refused, no kid"],
        &lines,
    )
}
