//! Every kind of request for a while, and for each answer the question whether it was right at its moment.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use example_support::serve_connection;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use store_harness::Redis;
use tokio::{net::TcpListener, time::sleep};
use tower_client_auth::BoxError;

use crate::{
    requests::{Kind, clients},
    servers::{Folder, Program, SEND},
};

const WORKERS: usize = 12;
const RELOAD: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(3);
/// Between two outages, and until requests that began in one are answered.
const CALM: Duration = Duration::from_secs(12);
const AFTER: Duration = Duration::from_secs(3);

type Caller = Client<HttpConnector, Full<Bytes>>;

#[derive(Default)]
struct Seen {
    answers: BTreeMap<(Kind, u16), u64>,
    wrong: Vec<String>,
    lost: u64,
    /// In microseconds.
    took: Vec<u32>,
}

struct Run {
    address: String,
    began: Instant,
    time: Duration,
    seen: Mutex<Seen>,
    /// When Redis was away, from its kill on.
    outages: Mutex<Vec<(Instant, Option<Instant>)>>,
    /// How many assertions there were.
    signed: AtomicUsize,
    stop: AtomicBool,
}

impl Run {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outages(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Option<Instant>)>> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met_outage(&self, from: Instant, to: Instant) -> bool {
        let outages = self.outages();
        outages
            .iter()
            .any(|(began, ended)| *began <= to && ended.is_none_or(|ended| from <= ended + AFTER))
    }

    /// One request, and what is to be said of its answer.
    async fn ask(
        &self,
        caller: &Caller,
        kind: Kind,
        body: &str,
        expected: &str,
    ) -> Result<u16, BoxError> {
        let url = format!("http://{}{}", self.address, kind.path());
        // In every spelling that an upstream may take for the name.
        let mut request = Request::post(url)
            .header("x-client-id", "forged")
            .header("x_client_id", "forged")
            .header("x.client-auth_method", "forged");
        if let Some(value) = kind.authorization() {
            request = request.header("authorization", value);
        }
        if let Some(value) = kind.media_type() {
            request = request.header("content-type", value);
        }
        let from = Instant::now();
        let answer = caller.request(request.body(Full::from(body.to_owned()))?).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.seen().lost += 1;
                self.wrong(kind, &format!("no answer: {error:?}"));
                return Ok(0);
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let status = head.status.as_u16();
        let took = u32::try_from(from.elapsed().as_micros()).unwrap_or(u32::MAX);
        if !kind.may_be(status, self.met_outage(from, Instant::now())) {
            self.wrong(kind, &format!("{status}: {body:?}"));
        } else if status == 200 {
            let told = if kind == Kind::Check {
                let value = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
                let told = [value("x-client-id"), value("x-client-auth-method")];
                told.map(Option::unwrap_or_default).join(" ")
            } else {
                String::from_utf8_lossy(&body).into_owned()
            };
            if told != expected {
                self.wrong(kind, &format!("it was told {told:?}"));
            }
        }
        let mut seen = self.seen();
        *seen.answers.entry((kind, status)).or_default() += 1;
        seen.took.push(took);
        Ok(status)
    }

    fn wrong(&self, kind: Kind, what: &str) {
        let after = self.began.elapsed();
        self.seen().wrong.push(format!("{after:.1?} {kind:?}: {what}"));
    }

    async fn work(&self, number: usize) -> Result<(), BoxError> {
        // One connection for each request is as right as one for all.
        let pooled = if number.is_multiple_of(4) { 0 } else { 1 };
        let caller: Caller = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(pooled)
            .retry_canceled_requests(false)
            .build_http();
        let kinds = Kind::ALL.iter().cycle().skip(number);
        for kind in kinds {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let turn = match kind {
                Kind::Fresh => self.signed.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            let (sent, arrives) = kind.bodies(turn)?;
            let identity = kind.identity(turn);
            let expected = match kind {
                Kind::Check => identity,
                _ => format!(
                    "{identity}
{arrives}"
                ),
            };
            let status = self.ask(&caller, *kind, &sent, &expected).await?;
            if *kind == Kind::Fresh && status == 200 && turn.is_multiple_of(8) {
                self.ask(&caller, Kind::Used, &sent, "").await?;
            }
        }
        Ok(())
    }
}

/// Says who it was told that is calling, in all headers that could be taken for it, and repeats the body.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let told = head.headers.iter().filter(|(name, _)| {
        let name = name.as_str().replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        name == "x-client-id" || name == "x-client-auth-method"
    });
    let mut told: Vec<_> = told
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or("?")))
        .collect();
    // The id first.
    told.sort_by_key(|(name, _)| name != "x-client-id");
    let told: Vec<_> = told.into_iter().map(|(_, value)| value).collect();
    let secrets = ["authorization"].iter().filter(|name| head.headers.contains_key(**name)).count();
    let leaked = if secrets > 0 { "LEAKED" } else { "" };
    let mut answer = format!("{}\n{leaked}", told.join(" ")).into_bytes();
    answer.extend_from_slice(&body);
    Ok(Response::new(Full::from(answer)))
}

async fn upstream() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                serve_connection(stream, service_fn(echo), SEND, pending()).await;
            });
        }
    });
    Ok(address)
}

fn configuration(upstream: &str, redis: &str, turn: u64) -> String {
    // Something is different each time.
    let answer = 30 + turn % 2;
    let route = |pattern: &str, more: &str| {
        format!(
            "[[route]]\n{pattern}\nupstream = \"http://{upstream}\"\nanswer_seconds = {answer}\n{more}\n"
        )
    };
    let token = route("path = \"/token\"", "");
    let open = route("prefix = \"/open\"", "optional = true");
    let stream = route("path = \"/stream\"", "headers_only = true\nprotocol = \"h2c\"");
    format!(
        r#"[[listener]]
address = "127.0.0.1:0"

[clients]
file = "clients.json"

[redis]
url = "{redis}"

[assertions]
issuer = "https://as.example"
replay = "redis"

[throttle]
store = "redis"
per_client = 10
per_address = 1000000

[identity]
client_id = "x-client-id"
auth_method = "x-client-auth-method"

[[route]]
path = "/check"
forward_auth = true

{token}{open}{stream}"#
    )
}

fn memory(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("?").trim().to_owned()
}

/// Whether all was right.
pub(crate) async fn run(time: Duration) -> Result<bool, BoxError> {
    let Some(mut redis) = Redis::start()? else {
        println!("SKIPPED: the gateway under load, for there is no Redis");
        return Ok(true);
    };
    let (folder, upstream, url) = (Folder::new()?, upstream().await?, redis.url());
    folder.write("clients.json", clients()?)?;
    let config = folder.write("gateway.toml", configuration(&upstream, &url, 0))?;
    let gateway = Program::gateway(&config)?;
    let run = Arc::new(Run {
        address: gateway.address.clone(),
        began: Instant::now(),
        time,
        seen: Mutex::default(),
        outages: Mutex::default(),
        signed: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let before = memory(gateway.pid());
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let run = Arc::clone(&run);
            tokio::spawn(async move { run.work(number).await })
        })
        .collect();
    let killing = Arc::clone(&run);
    let killer = tokio::spawn(async move {
        while killing.began.elapsed() + OUTAGE + AFTER < killing.time {
            sleep(CALM.min(killing.time / 4)).await;
            killing.outages().push((Instant::now(), None));
            redis.kill();
            sleep(OUTAGE).await;
            let restarted = redis.restart().map_err(|error| error.to_string());
            if let Some(outage) = killing.outages().last_mut() {
                outage.1 = Some(Instant::now());
            }
            restarted?;
        }
        Ok::<_, String>(redis)
    });
    let mut turn = 0;
    while run.began.elapsed() + RELOAD < time {
        sleep(RELOAD).await;
        turn += 1;
        folder.write("gateway.toml", configuration(&upstream, &url, turn))?;
        gateway.signal("-HUP")?;
    }
    sleep(time.saturating_sub(run.began.elapsed())).await;
    run.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await??;
    }
    let redis = killer.await?.map_err(BoxError::from)?;
    drop(redis);
    let reloaded =
        gateway.logged.try_iter().filter(|line| line.contains("the configuration was read again"));
    let reloaded = reloaded.count();
    let (elapsed, after) = (run.began.elapsed(), memory(gateway.pid()));
    let mut seen = std::mem::take(&mut *run.seen());
    seen.took.sort_unstable();
    let total: u64 = seen.answers.values().sum();
    println!(
        "{total} requests in {elapsed:.0?}, {:.0} a second",
        total as f64 / elapsed.as_secs_f64()
    );
    for ((kind, status), count) in &seen.answers {
        println!("  {kind:?} {status}: {count}");
    }
    let percentile =
        |part: usize| seen.took.get(seen.took.len().saturating_sub(1) * part / 1000).copied();
    for (name, part) in [("median", 500), ("99 %", 990), ("99.9 %", 999), ("slowest", 1000)] {
        println!("  {name}: {:.1} ms", f64::from(percentile(part).unwrap_or_default()) / 1000.0);
    }
    println!("reloads: {reloaded} of {turn}, outages of Redis: {}", run.outages().len());
    println!("memory: {before} at the beginning, {after} at the end");
    println!("lost: {}, wrong: {}", seen.lost, seen.wrong.len());
    for wrong in seen.wrong.iter().take(20) {
        println!("  {wrong}");
    }
    let all = [Kind::Basic, Kind::Post, Kind::Public, Kind::Fresh, Kind::Streamed, Kind::Check];
    let happened = all.iter().all(|kind| seen.answers.contains_key(&(*kind, 200)));
    Ok(happened && seen.wrong.is_empty() && reloaded as u64 == turn)
}
