//! How long a client waits while others keep the server busy: an open loop, in which requests are sent at
//! their time whether the ones before were answered or not, and waiting begins at that time.
//!
//! `cargo bench -p benches --features argon2,redis,tokio --bench load` prints ratios to the same server when it is
//! quiet, and with `-- --write` puts them into `src/docs/performance.md`; with `-- --test` it only shows that it
//! runs. The server has the whole machine, which callers and strangers share with it.

mod callers;
mod server;
#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
mod trials;

use std::{
    fmt::Write as _,
    fs,
    io::{self, ErrorKind},
    num::NonZeroUsize,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use callers::{call, call_beside};
use server::{delayed, server};
use support::{process::Server, redis::Redis, report};
use trials::{Pressure, Scale, TRIALS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/performance.md");
/// The table stands between these.
const MARKS: [&str; 2] = ["<!-- by the bench `load` -->\n", "<!-- end -->\n"];

const SECRET: &str = "gX9kWZ2c6qyVbDmC5rN1uAgX9kWZ2c6qyVbDmC5rN1u";
const REDIS_TAKES: Duration = Duration::from_millis(50);

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

/// Half of the requests wait no longer than the first, 99 % than the second; beyond that are too few to say more.
fn percentiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [50, 99].map(|part| times.get(times.len() * part / 100).copied().unwrap_or(f64::NAN))
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
        "| meanwhile, on {cores} cores | setting | 50 % | 99 % |\n|---|---|--:|--:|\n\
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
