//! What recording costs a request, with the exporter for Prometheus, in nanoseconds.
//!
//! `cargo bench -p benches --features metrics --bench metrics`; with `-- --test` it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use support::{
    BoxError, drive,
    report::{self, Goal},
    stack::Stack,
    wall,
    work::{Case, Shape},
};

const CASES: [Case; 3] = [Case::Basic, Case::Public, Case::WrongFirst];
/// The buckets of the example `metrics_server`.
const BUCKETS: [f64; 11] =
    [0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];
const CLIENTS: u64 = 10_000;

fn main() -> Result<ExitCode, BoxError> {
    let (rounds, requests) = if report::asked_to("--test") { (1, 4) } else { (501, 500) };
    // Recording cannot be ended, so that there is one change in each run: the rounds are not in pairs.
    let before = CASES.map(|case| time(case, rounds, requests, None));
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    tower_client_auth::metrics::enable();
    let after = CASES.map(|case| time(case, rounds, requests, Some(&recorder)));
    let again = CASES.iter().zip(before).zip(after);
    let goals: Vec<_> = again
        .map(|((case, before), after)| Goal {
            name: "added by metrics, ns",
            what: format!("layer, {}", case.name()),
            value: (after - before) * 1e9,
            must: 150.0,
            target: 100.0,
        })
        .collect();
    Ok(report::verdict(report::goals(&goals)))
}

/// Seconds per request of the fastest round: what drifts between the two makes others slower alone.
fn time(case: Case, rounds: usize, requests: u64, recorder: Option<&PrometheusHandle>) -> f64 {
    let mut seed = 0;
    let mut program = drive::in_process(Stack::Layer, CLIENTS);
    let run: Box<dyn FnMut(usize) -> Duration> = Box::new(move |_| {
        let batch: Vec<_> = (0..requests)
            .map(|_| {
                seed = support::clients::mix(seed);
                case.request(seed, CLIENTS, Shape::Usual)
            })
            .collect();
        // As a server does it every few seconds, or what is kept of each request grows.
        recorder.inspect(|recorder| recorder.run_upkeep());
        let start = Instant::now();
        for request in batch {
            black_box(program(request));
        }
        start.elapsed()
    });
    let times = wall::rounds(rounds, &mut [run]).pop().unwrap_or_default();
    times.into_iter().fold(f64::INFINITY, f64::min) / requests as f64
}
