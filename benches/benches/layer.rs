//! Time per request in memory, as ratios of paired rounds.
//!
//! `cargo bench -p benches --bench layer`; with `-- --test` it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use support::{
    drive,
    report::{self, Goal},
    stack::Stack,
    wall,
    work::{Case, Shape},
};

const CASES: [Case; 5] = [Case::Basic, Case::Post, Case::Public, Case::WrongFirst, Case::Unknown];
/// Each with the bare service that it is compared with.
const STACKS: [(Stack, usize); 8] = [
    (Stack::Collect, 0),
    (Stack::HeaderOnly, 0),
    (Stack::Floor, 0),
    (Stack::Layer, 0),
    (Stack::Axum, 4),
    (Stack::AxumFloor, 4),
    (Stack::AxumLayer, 4),
    (Stack::AxumHand, 4),
];
const LAYER: usize = 6;
const HAND: usize = 7;

fn main() {
    let (rounds, requests, clients) =
        if report::asked_to("--test") { (1, 4, 100) } else { (201, 200, 10_000) };
    println!("Time per request, {clients} clients of which each is as likely as another,");
    println!("median of {rounds} rounds of {requests}: ratio to the bare service (time)\n");
    print!("{:<16}", "");
    CASES.iter().for_each(|case| print!(" {:>17}", case.name()));
    println!();
    let columns: Vec<Vec<Vec<f64>>> =
        CASES.iter().map(|case| measure(*case, rounds, requests, clients)).collect();
    for (index, (stack, bare)) in STACKS.iter().enumerate() {
        print!("{:<16}", stack.name());
        for times in &columns {
            let (Some(own), Some(bare)) = (times.get(index), times.get(*bare)) else { continue };
            let time = wall::median(own.clone()) / requests as f64 * 1e6;
            print!(" {:>7.2} ({time:>4.2} µs)", wall::ratio(own, bare));
        }
        println!();
    }
    let mut goals = Vec::new();
    for (case, times) in CASES.iter().zip(&columns) {
        let (Some(hand), Some(layer)) = (times.get(HAND), times.get(LAYER)) else { continue };
        // A goal is a bound from above.
        let target = if case.status().is_success() { 1.0 / 2.1 } else { 1.0 / 2.5 };
        let what = format!("layer in axum / hand in axum, {}", case.name());
        goals.push(Goal {
            name: "time by hand",
            what,
            value: wall::ratio(layer, hand),
            must: 1.0 / 1.8,
            target,
        });
    }
    report::goals(&goals);
}

/// The times of the rounds of each stack.
fn measure(case: Case, rounds: usize, requests: u64, clients: u64) -> Vec<Vec<f64>> {
    let mut seed = 0;
    let mut contenders = STACKS.map(|(stack, _)| {
        // The first request of a client warms it for later ones: each has its own.
        let mut program = drive::in_process(stack, clients);
        let run: Box<dyn FnMut(usize) -> Duration> = Box::new(move |_| {
            let batch: Vec<_> = (0..requests)
                .map(|_| {
                    seed = support::clients::mix(seed);
                    case.request(seed, clients, Shape::Usual)
                })
                .collect();
            let start = Instant::now();
            for request in batch {
                black_box(program(request));
            }
            start.elapsed()
        });
        run
    });
    wall::rounds(rounds, &mut contenders)
}
