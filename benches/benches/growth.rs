//! Time per request with ever more clients, each of which is as likely to ask next as another, beside
//! a map that is asked between requests.
//!
//! `cargo bench -p benches --features cache --bench growth`; with `-- --test` it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use support::{
    clients::mix,
    crowd::{self, Crowd},
    report::{self, Goal},
    wall,
};

/// The map, asked between requests: what the others are measured by.
const BETWEEN: &str = "map in a server";
const RUNS: usize = 9;
/// Few enough that the requests themselves stay in the cache of the core.
const BATCH: u64 = 200;

fn main() {
    let (sizes, batches): (&[u64], u64) = if report::asked_to("--test") {
        (&[100, 1_000], 1)
    } else {
        (&[100, 10_000, 100_000, 1_000_000], 100)
    };
    println!("Time per request in µs, median of {RUNS} runs of {}\n", batches * BATCH);
    print!("{:<16}", "clients");
    sizes.iter().for_each(|size| print!(" {size:>9}"));
    println!("   growth");
    let columns: Vec<Vec<f64>> = sizes.iter().map(|size| measure(*size, batches)).collect();
    let mut goals = Vec::new();
    let mut map = f64::NAN;
    let names = [BETWEEN].into_iter().chain(Crowd::ALL.iter().map(|crowd| crowd.name()));
    for (index, name) in names.enumerate() {
        let times: Vec<f64> =
            columns.iter().filter_map(|column| column.get(index)).copied().collect();
        let growth = times.last().zip(times.first()).map_or(f64::NAN, |(last, first)| last - first);
        print!("{name:<16}");
        times.iter().for_each(|time| print!(" {time:>9.3}"));
        println!(" {growth:>8.3}");
        if name == BETWEEN {
            map = growth;
        } else if ![Crowd::Map, Crowd::Bare].iter().any(|crowd| crowd.name() == name) {
            goals.push(Goal {
                name: "growth",
                what: format!("µs that the most clients add / that they add to the map, {name}"),
                value: growth / map,
                must: 1.2,
                target: 1.2,
            });
        }
    }
    report::goals(&goals);
}

/// The time of each program, in µs.
fn measure(clients: u64, batches: u64) -> Vec<f64> {
    let programs = [crowd::between(clients)].into_iter();
    let mut contenders: Vec<_> = programs
        .chain(Crowd::ALL.iter().map(|crowd| crowd.of(clients)))
        .map(|mut program| {
            let mut seed = 0;
            let run: Box<dyn FnMut(usize) -> Duration> = Box::new(move |_| {
                let mut time = Duration::ZERO;
                for _ in 0..batches {
                    let batch: Vec<u64> = (seed..seed + BATCH).map(mix).collect();
                    seed += BATCH;
                    program.make(&batch);
                    let start = Instant::now();
                    program.serve();
                    time += start.elapsed();
                }
                time
            });
            run
        })
        .collect();
    // The first warms up.
    let mut times = wall::rounds(1 + RUNS, &mut contenders);
    let requests = (batches * BATCH) as f64;
    times.iter_mut().map(|runs| wall::median(runs.split_off(1)) / requests * 1e6).collect()
}
