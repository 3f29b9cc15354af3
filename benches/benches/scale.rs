//! Whether cores hinder each other: threads that share one layer, beside threads that have one each.
//!
//! `cargo bench -p benches --features cache --bench scale`. With `-- --test` it only shows that it runs. With
//! `-- --assert` it fails where more is lost than noise explains, which needs an idle machine.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    hint,
    num::NonZeroUsize,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use support::{
    BoxError,
    clients::mix,
    crowd::{self, Crowd},
    drive::{InProcess, Program},
    process,
    report::{self, Goal},
    stack::Visit,
    wall,
    work::Frames,
};
use tower::Service;

const CLIENTS: u64 = 10_000;
/// Nothing that threads share is written to where clients differ, so the floor shows the noise there.
const CROWDS: &[Crowd] = &[
    Crowd::Floor,
    Crowd::Memory,
    Crowd::Throttled,
    #[cfg(feature = "cache")]
    Crowd::Cached,
];
/// What to lose at most, and what was aimed at: different clients, one that all threads ask for.
const GOALS: [(&str, f64, f64); 2] = [("different", 0.92, 0.97), ("hot", 0.88, 0.93)];

fn main() -> ExitCode {
    let (rounds, requests) = if report::asked_to("--test") { (1, 10) } else { (61, 6_000) };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if threads < 2 {
        println!("one processor: there is nobody to share a layer with");
        return ExitCode::SUCCESS;
    }
    println!("Requests per second of {threads} threads that share a layer / that have one each,");
    println!("{CLIENTS} clients, median (quartiles) of {rounds} rounds of {requests} requests\n");
    print!("{:<22}", "");
    GOALS.iter().for_each(|(name, ..)| print!(" {name:>19}"));
    println!();
    let mut goals = Vec::new();
    for &crowd in CROWDS {
        for (cloned, how) in [(false, "kept"), (true, "cloned")] {
            let name = format!("{}, {how}", crowd.name());
            print!("{name:<22}");
            for (hot, (clients, must, target)) in [false, true].into_iter().zip(GOALS) {
                let ratios = compare(crowd, Run { threads, rounds, requests, cloned, hot });
                let [low, median, high] = wall::quartiles(ratios);
                print!(" {median:>5.3} ({low:.3}-{high:.3})");
                if crowd != Crowd::Floor {
                    // A goal is a bound from above.
                    goals.push(Goal {
                        name: "many cores",
                        what: format!(
                            "time with a shared layer / with one each, {name}, {clients}"
                        ),
                        value: 1.0 / median,
                        must: 1.0 / must,
                        target: 1.0 / target,
                    });
                }
            }
            println!();
        }
    }
    report::verdict(report::goals(&goals))
}

#[derive(Clone, Copy)]
struct Run {
    threads: usize,
    rounds: usize,
    requests: u64,
    /// Whether the service is cloned for each request, as hyper-util and axum do.
    cloned: bool,
    /// Whether all ask for the same client.
    hot: bool,
}

/// The time with a layer each / with a shared one, of each round.
fn compare(crowd: Crowd, run: Run) -> Vec<f64> {
    let layers: Vec<_> = (0..run.threads)
        .map(|_| crowd.visit(CLIENTS, Share(InProcess { cloned: run.cloned })))
        .collect();
    let Some(shared) = layers.first() else { return Vec::new() };
    let start = Start::default();
    let times: Vec<Vec<[f64; 2]>> = thread::scope(|scope| {
        let workers: Vec<_> = layers
            .iter()
            .enumerate()
            .map(|(number, own)| {
                let (programs, start) = ([shared(), own()], &start);
                scope.spawn(move || work(number, programs, run, start))
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    assert_eq!(times.len(), run.threads, "a thread panicked");
    let sum = |round: usize, which: fn(&[f64; 2]) -> f64| -> f64 {
        times.iter().filter_map(|times| times.get(round)).map(which).sum()
    };
    // The first warms up.
    (1..=run.rounds)
        .map(|round| sum(round, |[_, own]| *own) / sum(round, |[shared, _]| *shared))
        .collect()
}

/// What one thread does, and the time that it takes with the shared layer and with its own: in turn, and
/// all threads the same at the same time.
fn work(number: usize, mut programs: [Program; 2], run: Run, start: &Start) -> Vec<[f64; 2]> {
    process::pin_thread(number);
    let mut seed = number as u64;
    let mut round = || {
        programs.each_mut().map(|program| {
            let make = |_| {
                seed += run.threads as u64;
                crowd::request(if run.hot { 0 } else { mix(seed) }, CLIENTS)
            };
            let requests: Vec<_> = (0..run.requests).map(make).collect();
            start.together(run.threads);
            let begin = Instant::now();
            for request in requests {
                assert_eq!(program(request), StatusCode::OK, "refused");
            }
            begin.elapsed().as_secs_f64()
        })
    };
    (0..=run.rounds).map(|_| round()).collect()
}

/// Lets threads start at once: they do not sleep, or one would wake up later than the other.
#[derive(Default)]
struct Start(AtomicUsize);

impl Start {
    fn together(&self, threads: usize) {
        let arrived = self.0.fetch_add(1, Ordering::SeqCst);
        let all = (arrived / threads + 1) * threads;
        while self.0.load(Ordering::SeqCst) < all {
            hint::spin_loop();
        }
    }
}

/// Makes programs of one layer, one for each thread.
struct Share(InProcess);

impl Visit<Frames> for Share {
    type Output = Box<dyn Fn() -> Program>;

    fn visit<S, R>(self, service: S) -> Self::Output
    where
        S: Service<Request<Frames>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Box::new(move || self.0.visit(service.clone()))
    }
}
