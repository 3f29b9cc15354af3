//! How long a client waits while others keep the server busy: an open loop, in which requests are sent at
//! their time whether the ones before were answered or not, and waiting begins at that time.
//!
//! `cargo bench -p benches --features argon2,redis,tokio --bench load` prints ratios to the same server when it is
//! quiet, and with `-- --write` puts them into `src/docs/performance.md`; with `-- --test` it only shows that it
//! runs. The server has the whole machine, which callers and strangers share with it.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    fmt::Write as _,
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::{Command, ExitCode},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use support::{
    BoxError,
    process::Server,
    redis::{self, Redis},
    report, serve,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{Semaphore, mpsc::unbounded_channel},
};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, Limits, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    provider::MemoryProvider,
    replay::RedisReplayStore,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/performance.md");
/// The table stands between these.
const MARKS: [&str; 2] = ["<!-- by the bench `load` -->\n", "<!-- end -->\n"];

const ISSUER: &str = "https://as.example";
const SECRET: &str = "gX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1u";
const REDIS_TAKES: Duration = Duration::from_millis(50);
/// Connections of the client whose requests are timed, which take turns.
const CALLERS: u32 = 32;

/// What others do meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Pressure {
    /// They guess secrets that are stored as argon2id.
    Hashes,
    /// They send assertions of ES512 that are wrong.
    Signatures,
    /// They begin requests, and send no more.
    Bodies,
    /// They send assertions that are right, and Redis is slow.
    Redis,
}

struct Trial {
    pressure: Pressure,
    setting: &'static str,
    workers: fn(cores: usize) -> usize,
    algorithms: &'static [&'static str],
    deadline: Option<Duration>,
    /// How many requests the inner service lets in.
    places: usize,
    ready_after_auth: bool,
}

const DEFAULT: Trial = Trial {
    pressure: Pressure::Hashes,
    setting: "by default",
    workers: |cores| cores,
    algorithms: &["ES256", "ES512", "HS256"],
    deadline: None,
    places: Semaphore::MAX_PERMITS,
    ready_after_auth: false,
};

const TRIALS: [Trial; 11] = [
    Trial { setting: "64 `hash_workers`", workers: |_| 64, ..DEFAULT },
    DEFAULT,
    Trial {
        setting: "one `hash_workers` less than cores",
        workers: |cores| cores.saturating_sub(1).max(1),
        ..DEFAULT
    },
    Trial { pressure: Pressure::Signatures, ..DEFAULT },
    Trial {
        pressure: Pressure::Signatures,
        setting: "`signing_algs` without ES512",
        algorithms: &["ES256", "HS256"],
        ..DEFAULT
    },
    Trial { pressure: Pressure::Bodies, ..DEFAULT },
    Trial {
        pressure: Pressure::Bodies,
        setting: "`body_deadline` of a second, after which they begin anew",
        deadline: Some(Duration::from_secs(1)),
        ..DEFAULT
    },
    Trial { pressure: Pressure::Bodies, setting: "16 places inside", places: 16, ..DEFAULT },
    Trial {
        pressure: Pressure::Bodies,
        setting: "16 places inside, `ready_after_auth`",
        places: 16,
        ready_after_auth: true,
        ..DEFAULT
    },
    Trial { pressure: Pressure::Redis, setting: "16 places inside", places: 16, ..DEFAULT },
    Trial {
        pressure: Pressure::Redis,
        setting: "16 places inside, `ready_after_auth`",
        places: 16,
        ready_after_auth: true,
        ..DEFAULT
    },
];

impl Pressure {
    /// Those that ask again and again, each on a connection of its own.
    const fn strangers(self) -> usize {
        match self {
            Self::Hashes => 16,
            Self::Signatures => 32,
            Self::Bodies => 0,
            Self::Redis => 64,
        }
    }

    fn name(self, scale: &Scale) -> String {
        match self {
            Self::Hashes => "16 strangers guess secrets behind argon2id".to_owned(),
            Self::Signatures => "wrong assertions of ES512, up to 3,200 a second".to_owned(),
            Self::Bodies => {
                let (thousands, rest) = (scale.bodies / 1_000, scale.bodies % 1_000);
                format!("{thousands},{rest:03} bodies that do not go on")
            }
            Self::Redis => "64 clients with assertions, Redis takes 50 ms".to_owned(),
        }
    }
}

/// How much is done.
struct Scale {
    rounds: usize,
    phase: Duration,
    settle: Duration,
    /// Requests a second.
    rate: u32,
    bodies: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, trial, redis] = arguments.as_slice()
        && mode == "--serve"
    {
        let trial = trial.parse().ok().and_then(|trial: usize| TRIALS.get(trial));
        return report::exit(match trial {
            Some(trial) => server(trial, redis.parse().ok()).map_err(io::Error::other),
            None => Err(ErrorKind::InvalidInput.into()),
        });
    }
    let is_trial = report::asked_to("--test") || !report::asked_to("--bench");
    report::exit(with_all_files(is_trial).unwrap_or_else(|| compare(is_trial)))
}

/// Starts this program again with as many open files as may be; `None` in the copy.
fn with_all_files(is_trial: bool) -> Option<io::Result<()>> {
    const MARK: &str = "BENCH_FILES";
    if is_trial || std::env::var_os(MARK).is_some() {
        return None;
    }
    let run = || {
        let status = Command::new("sh")
            .args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#])
            .arg(std::env::current_exe()?)
            .args(std::env::args().skip(1))
            .env(MARK, "1")
            .status()?;
        status.success().then_some(()).ok_or_else(|| io::Error::other("the bench failed"))
    };
    Some(run())
}

fn open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(1_024)
}

fn argon2id() -> Result<ClientSecret, BoxError> {
    let (salt, mut hash) = (b"salt of the test", [0; 32]);
    argon2::Argon2::default()
        .hash_password_into(SECRET.as_bytes(), salt, &mut hash)
        .map_err(|error| error.to_string())?;
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(hash));
    Ok(ClientSecret::phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}"))?)
}

async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

/// Whom the strangers name: clients that exist, because ids are no secrets.
fn stranger(number: usize) -> String {
    format!("client-{number}")
}

#[tokio::main]
async fn server(trial: &Trial, redis: Option<SocketAddr>) -> Result<(), BoxError> {
    let clients = MemoryProvider::new();
    clients.insert(RegisteredClient::secret_basic("fast", [ClientSecret::sha256_of(SECRET)], ()));
    let slow = argon2id()?;
    for number in 0..trial.pressure.strangers() {
        let id = stranger(number);
        clients.insert(match trial.pressure {
            Pressure::Hashes => RegisteredClient::secret_basic(id, [slow.clone()], ()),
            Pressure::Redis => {
                RegisteredClient::client_secret_jwt(id, [ClientSecret::plain(SECRET)], ())
                    .map_err(|_unusable| "the secret is too short")?
            }
            _ => RegisteredClient::private_key_jwt(id, ClientKeys::from_jwks(P521)?, ()),
        });
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = (trial.workers)(cores);
    let mut limits = Limits::new();
    if let Some(deadline) = trial.deadline {
        limits = limits.body_deadline(deadline);
    }
    let mut layer = ClientAuthLayer::new(clients)
        .limits(limits)
        .hash_workers(NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN), 64 * workers);
    let assertions = match redis {
        Some(address) => {
            let client = ::redis::Client::open(redis::url(address))?;
            let connection = client.get_multiplexed_async_connection().await?;
            Assertions::new(ISSUER, RedisReplayStore::new(connection))?
        }
        None => Assertions::dangerously_without_replay_protection(ISSUER)?,
    };
    layer = layer.assertions(assertions.signing_algs(trial.algorithms.iter().copied())?);
    if trial.ready_after_auth {
        layer = layer.ready_after_auth();
    }
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(ConcurrencyLimitLayer::new(trial.places))
        .service_fn(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        // It fails while there are no more open files.
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        let mut server = http1::Builder::new();
        server.header_read_timeout(None);
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}

/// Of nobody: only what is wrong is sent.
const P521: &str = r#"{"keys":[{"kty":"EC","crv":"P-521","kid":"1","x":"ANAoLekCcbwKIpo5-xGp0_cnXsPWlErHxEwK7EHKtDTzhRo98PrG3_Xj_mdltAZb2D3Sc4c_X76seHo2jSBHoG-E","y":"APD7ckZTGSU5FMpRqTMLqdd5bE-3evB6IDFHvg8ZTp5GQDzJ0Jl17m5s87VjYviJoqnCQTmFfYvhU78NUWao4Hps"}]}"#;

/// Forwards to a server, and holds back what it answers, each piece for as long.
fn delayed(server: SocketAddr, delay: Duration) -> io::Result<SocketAddr> {
    async fn send(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let _closed = tokio::io::copy(&mut from, &mut to).await;
    }
    async fn hold(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
        let (sender, mut receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = BytesMut::with_capacity(4096);
            while from.read_buf(&mut buffer).await.is_ok_and(|length| length > 0) {
                let at = tokio::time::Instant::now() + delay;
                if sender.send((at, buffer.split())).is_err() {
                    break;
                }
            }
        });
        while let Some((at, piece)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    }
    let (listening, address) = mpsc::channel();
    let run = move || -> io::Result<()> {
        serve::runtime()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let _there = listening.send(listener.local_addr()?);
            loop {
                let (caller, _) = listener.accept().await?;
                let server = tokio::net::TcpStream::connect(server).await?;
                let ((asked, answer), (answered, ask)) = (caller.into_split(), server.into_split());
                tokio::spawn(send(asked, ask));
                tokio::spawn(hold(answered, answer, delay));
            }
        })
    };
    thread::spawn(move || {
        if let Err(error) = run() {
            eprintln!("in front of Redis: {error}");
        }
    });
    address.recv().map_err(io::Error::other)
}

fn basic(id: &str, secret: &str) -> Vec<u8> {
    let token = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    post(&format!("authorization: Basic {token}\r\n"), "grant_type=client_credentials")
}

fn post(headers: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: as.example.com\r\n{headers}content-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n"
    );
    (head + form).into_bytes()
}

/// A new one each time, which is right for HS256 and wrong for ES512.
fn assertion(alg: &str, id: &str) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let claims = json!({
        "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now,
        "jti": NUMBER.fetch_add(1, SeqCst).to_string(),
    });
    let header = json!({ "alg": alg, "kid": "1" });
    let input =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = if alg == "HS256" {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
    } else {
        // As numbers, they are in range.
        vec![1; 132]
    };
    let form = format!(
        "grant_type=client_credentials&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={input}.{}",
        BASE64.encode(signature)
    );
    post("", &form)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status of the answer, which is small and arrives in one piece.
fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<String> {
    let mut buffer = [0; 2048];
    stream.write_all(request)?;
    let length = stream.read(&mut buffer)?;
    let status = buffer.get(9..12).filter(|_| length > 12);
    status
        .map(|status| String::from_utf8_lossy(status).into_owned())
        .ok_or_else(|| io::Error::other("a connection was closed without an answer"))
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// Seconds from the time that each request was to be sent at; infinite without an answer.
fn call(address: SocketAddr, scale: &Scale) -> io::Result<Vec<f64>> {
    let request = basic("fast", SECRET);
    let streams = (0..CALLERS).map(|_| connect(address)).collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now() + Duration::from_millis(20);
    // What was not answered a second later is not waited for.
    let end = start + scale.phase + Duration::from_secs(1);
    let caller = |number: u32, mut stream: TcpStream| {
        let mut times = Vec::new();
        for turn in 0.. {
            let after = Duration::from_secs(1) * (number + turn * CALLERS) / scale.rate;
            if after >= scale.phase {
                return times;
            }
            let at = start + after;
            sleep_until(at);
            let left = end.saturating_duration_since(Instant::now());
            // One that waits for an answer cannot send, and from the first that got none, nothing goes on.
            let is_waiting = times.last().is_some_and(|time: &f64| time.is_infinite());
            let is_answered = !is_waiting
                && !left.is_zero()
                && stream.set_read_timeout(Some(left)).is_ok()
                && ask(&mut stream, &request).is_ok_and(|status| status == "200");
            times.push(if is_answered { at.elapsed().as_secs_f64() } else { f64::INFINITY });
        }
        times
    };
    thread::scope(|scope| {
        let caller = &caller;
        let callers: Vec<_> = (0..)
            .zip(streams)
            .map(|(number, stream)| scope.spawn(move || caller(number, stream)))
            .collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.join().map_err(|_panic| io::Error::other("a caller panicked"))?);
        }
        Ok(all)
    })
}

/// Asks until `end`, at most a hundred times a second where it could be more.
fn trouble(
    pressure: Pressure,
    number: usize,
    address: SocketAddr,
    end: &AtomicBool,
) -> io::Result<()> {
    let mut stream = connect(address)?;
    let id = stranger(number);
    while !end.load(SeqCst) {
        let next = Instant::now() + Duration::from_millis(10);
        let (request, expected) = match pressure {
            Pressure::Redis => (assertion("HS256", &id), "200"),
            Pressure::Signatures => (assertion("ES512", &id), "401"),
            _ => (basic(&id, "wrong"), "401"),
        };
        let status = ask(&mut stream, &request)?;
        if status != expected {
            return Err(io::Error::other(format!("{id} was answered {status}")));
        }
        sleep_until(next);
    }
    Ok(())
}

/// Begins requests, and those that were closed anew, until `end`.
fn begin_bodies(
    address: SocketAddr,
    count: usize,
    ready: &mpsc::Sender<()>,
    end: &AtomicBool,
) -> io::Result<()> {
    let mut part = post("", &"a".repeat(300));
    part.truncate(part.len() - 299);
    let begin = || -> io::Result<TcpStream> {
        let mut stream = connect(address)?;
        stream.write_all(&part)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut open = Vec::new();
    for number in 1..=count {
        open.push(begin()?);
        // More than a server accepts in that time would wait for a second to be tried again.
        if number % 32 == 0 {
            thread::sleep(Duration::from_millis(3));
        }
    }
    let _waits = ready.send(());
    let mut begun = 0;
    while !end.load(SeqCst) {
        for stream in &mut open {
            let is_open = stream
                .read(&mut [0; 512])
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            if !is_open {
                *stream = begin()?;
                begun += 1;
            }
            if begun == 32 {
                begun = 0;
                thread::sleep(Duration::from_millis(3));
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The times of the client while the others are there.
fn call_beside(pressure: Pressure, address: SocketAddr, scale: &Scale) -> io::Result<Vec<f64>> {
    let end = &AtomicBool::new(false);
    thread::scope(|scope| {
        let mut others = Vec::new();
        for number in 0..pressure.strangers() {
            others.push(scope.spawn(move || trouble(pressure, number, address, end)));
        }
        if pressure == Pressure::Bodies {
            let (ready, is_ready) = mpsc::channel();
            let count = scale.bodies;
            others.push(scope.spawn(move || begin_bodies(address, count, &ready, end)));
            let _failed = is_ready.recv();
        }
        thread::sleep(scale.settle);
        let times = call(address, scale);
        end.store(true, SeqCst);
        for other in others {
            other.join().map_err(|_panic| io::Error::other("a stranger panicked"))??;
        }
        times
    })
}

/// Half of the requests wait no longer than the first, 99 % than the second, 99.9 % than the third.
fn percentiles(mut times: Vec<f64>) -> [f64; 3] {
    times.sort_by(f64::total_cmp);
    [500, 990, 999].map(|part| times.get(times.len() * part / 1000).copied().unwrap_or(f64::NAN))
}

fn compare(is_trial: bool) -> io::Result<()> {
    let scale = if is_trial {
        Scale {
            rounds: 1,
            phase: Duration::from_millis(100),
            settle: Duration::ZERO,
            rate: 320,
            bodies: 100,
        }
    } else {
        Scale {
            rounds: 2,
            phase: Duration::from_secs(3),
            settle: Duration::from_millis(300),
            rate: 1_000,
            bodies: open_files().saturating_sub(500).min(10_000),
        }
    };
    let redis = Redis::start().inspect_err(|error| eprintln!("no Redis: {error}")).ok();
    let proxy = redis.as_ref().map(|redis| delayed(redis.address, REDIS_TAKES)).transpose()?;
    let (mut rows, mut all_quiet) = (String::new(), Vec::new());
    for (number, trial) in TRIALS.iter().enumerate() {
        let redis = match (trial.pressure, proxy) {
            (Pressure::Redis, None) => continue,
            (Pressure::Redis, Some(proxy)) => proxy.to_string(),
            _ => "none".to_owned(),
        };
        let server = Server::run(Command::new(std::env::current_exe()?).args([
            "--serve",
            &number.to_string(),
            &redis,
        ]))?;
        let (mut quiet, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            quiet.extend(call(server.address, &scale)?);
            busy.extend(call_beside(trial.pressure, server.address, &scale)?);
            thread::sleep(scale.settle);
        }
        let name = trial.pressure.name(&scale);
        let _infallible = write!(rows, "| {name} | {} |", trial.setting);
        let (before, after) = (percentiles(quiet.clone()), percentiles(busy));
        for (before, after) in before.into_iter().zip(after) {
            let ratio = after / before;
            let digits = usize::from(ratio < 10.0);
            let _infallible = match ratio.is_finite() {
                true => write!(rows, " {ratio:.digits$} |"),
                false => write!(rows, " no answer |"),
            };
        }
        rows.push('\n');
        all_quiet.extend(quiet);
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let quiet = percentiles(all_quiet).map(|time| format!("{:.0} µs", time * 1e6));
    let table = format!(
        "| meanwhile, on {cores} cores | setting | 50 % | 99 % | 99.9 % |\n|---|---|--:|--:|--:|\n\
         | nothing | by default | {} |\n{rows}",
        quiet.join(" | ")
    );
    println!("{table}");
    if redis.is_none() {
        println!("SKIPPED: there is no redis-server, and REDIS_SERVER names none");
    }
    if report::asked_to("--write") { write(&table) } else { Ok(()) }
}

fn write(table: &str) -> io::Result<()> {
    let page = fs::read_to_string(PAGE)?;
    let [start, end] = MARKS;
    let parts = page
        .split_once(start)
        .and_then(|(before, rest)| rest.split_once(end).map(|(_, after)| (before, after)));
    let (before, after) =
        parts.ok_or_else(|| io::Error::other(format!("{PAGE} has no place for the table")))?;
    fs::write(PAGE, format!("{before}{start}{table}{end}{after}"))
}
