//! Whether slow hashes delay the requests of clients that have none: the latency of
//! `client_secret_post` with a SHA-256 digest over loopback, without other calls and while as
//! many argon2id hashes are computed as may be at a time, with more in the queue.
//!
//! `cargo bench -p benches --features argon2 --bench hashing`; with `-- --test` it only shows that it runs.
//! The server has the whole machine, with a runtime as `#[tokio::main]` makes it, and the caller
//! takes its part of that.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use support::{
    argon2id::argon2id,
    process::Server,
    report::{self, Goal},
    wall,
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, RegisteredClient, provider::MemoryProvider, secret::HashPool,
};

const SECRET: &str = "gX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1u";
/// Clients that wait for a hash at the same time: more than the pool computes.
const SLOW: usize = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, workers] = arguments.as_slice()
        && serve == "--serve"
    {
        return report::exit(server(workers.parse().ok()));
    }
    report::exit(compare())
}

/// One client alone has but an eighth of the pool.
fn slow_id(id: usize) -> String {
    format!("slow{id}")
}

async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

/// `workers` is how many hashes are computed at a time; without, it is the default.
#[tokio::main]
async fn server(workers: Option<NonZeroUsize>) -> io::Result<()> {
    let fast = RegisteredClient::secret_post("fast", [ClientSecret::sha256_of(SECRET)], ());
    let slow = argon2id(SECRET).map_err(io::Error::other)?;
    let slow = |id| RegisteredClient::secret_post(slow_id(id), [slow.clone()], ());
    let clients = MemoryProvider::from_iter((0..SLOW).map(slow).chain([fast]));
    let mut layer = ClientAuthLayer::new(clients);
    if let Some(workers) = workers {
        layer = layer.hash_pool(&HashPool::new(workers, 2 * SLOW));
    }
    let service = ServiceBuilder::new().layer(layer).service_fn(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// One client on one connection.
struct Caller(TcpStream, Vec<u8>);

impl Caller {
    fn new(address: SocketAddr, client_id: &str) -> io::Result<Self> {
        let form =
            format!("grant_type=client_credentials&client_id={client_id}&client_secret={SECRET}");
        let request = format!(
            "POST /token HTTP/1.1\r\nhost: as.example.com\r\ncontent-length: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        );
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(stream, request.into_bytes()))
    }

    fn call(&mut self) -> io::Result<Duration> {
        let Self(stream, request) = self;
        let mut buffer = [0; 1024];
        let start = Instant::now();
        stream.write_all(request)?;
        // The answer is small and arrives in one piece.
        let length = stream.read(&mut buffer)?;
        let time = start.elapsed();
        if buffer.get(..length).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
            Ok(time)
        } else {
            Err(io::Error::other("a client was not authenticated"))
        }
    }
}

/// Medians, and what one request in a hundred exceeds.
struct Latency {
    idle: [f64; 2],
    busy: [f64; 2],
    /// Hashes per second, meanwhile.
    hashes: f64,
}

fn measure(workers: &str, rounds: usize, calls: usize) -> io::Result<Latency> {
    let server = Server::run(Command::new(std::env::current_exe()?).args(["--serve", workers]))?;
    let (busy, end) = (AtomicBool::new(false), AtomicBool::new(false));
    let (waiting, computed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let slow = |mut caller: Caller| -> io::Result<()> {
        while !end.load(SeqCst) {
            if busy.load(SeqCst) {
                waiting.fetch_add(1, SeqCst);
                caller.call()?;
                waiting.fetch_sub(1, SeqCst);
                computed.fetch_add(1, SeqCst);
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let mut callers = Vec::new();
        for id in 0..SLOW {
            let caller = Caller::new(server.address, &slow_id(id))?;
            callers.push(scope.spawn(|| slow(caller)));
        }
        let mut caller = Caller::new(server.address, "fast")?;
        let mut fast = |times: &mut Vec<f64>| -> io::Result<()> {
            for _ in 0..calls {
                // As others call: now and then.
                thread::sleep(Duration::from_millis(1));
                times.push(caller.call()?.as_secs_f64());
            }
            Ok(())
        };
        let (mut idle, mut saturated, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = || -> io::Result<()> {
            for _ in 0..rounds {
                fast(&mut idle)?;
                busy.store(true, SeqCst);
                until(|| waiting.load(SeqCst) == SLOW)?;
                let (start, before) = (Instant::now(), computed.load(SeqCst));
                fast(&mut saturated)?;
                let hashes = computed.load(SeqCst) - before;
                rates.push(hashes as f64 / start.elapsed().as_secs_f64());
                busy.store(false, SeqCst);
                until(|| waiting.load(SeqCst) == 0)?;
            }
            Ok(())
        };
        let done = run();
        end.store(true, SeqCst);
        for caller in callers {
            caller.join().map_err(|_panic| io::Error::other("a caller panicked"))??;
        }
        done?;
        Ok(Latency {
            idle: percentiles(idle),
            busy: percentiles(saturated),
            hashes: wall::median(rates),
        })
    })
}

fn percentiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [50, 99].map(|part| times.get(times.len() * part / 100).copied().unwrap_or(f64::NAN))
}

/// Waits, but not for ever.
fn until(condition: impl Fn() -> bool) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        if Instant::now() > end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn compare() -> io::Result<()> {
    let (rounds, calls) = if report::asked_to("--test") { (1, 10) } else { (15, 500) };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    println!(
        "Latency of client_secret_post with a SHA-256 digest, {cores} cores, {SLOW} clients with"
    );
    println!(
        "argon2id at the same time, median (99 %) of {rounds} interleaved rounds of {calls}\n"
    );
    println!("{:<26} {:>20} {:>20} {:>10} {:>10}", "", "idle", "busy", "busy/idle", "hashes/s");
    let mut goals = Vec::new();
    for workers in ["default", "1", &cores.to_string()] {
        let Latency { idle, busy, hashes } = measure(workers, rounds, calls)?;
        let shown =
            |[median, most]: [f64; 2]| format!("{:.0} ({:.0}) µs", median * 1e6, most * 1e6);
        let ([idle_median, _], [busy_median, _]) = (idle, busy);
        let ratio = busy_median / idle_median;
        println!(
            "workers {workers:<18} {:>20} {:>20} {ratio:>10.2} {hashes:>10.1}",
            shown(idle),
            shown(busy),
        );
        if workers == "default" {
            let what = "latency while the pool is saturated / idle".to_owned();
            goals.push(Goal {
                name: "beside slow hashes",
                what,
                value: ratio,
                must: 2.0,
                target: 2.0,
            });
        }
    }
    report::goals(&goals);
    Ok(())
}
