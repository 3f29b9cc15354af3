//! Requests per second and processor time over loopback, as ratios of interleaved rounds.
//!
//! Each server is a process of its own on one processor, the caller is on another. With `-- --test`
//! it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{io, process::ExitCode, time::Duration};

use support::{
    process::Server,
    report::{self, Goal},
    serve,
    stack::Stack,
    wall,
    work::Case,
};

const CASES: [Case; 3] = [Case::Basic, Case::Post, Case::WrongFirst];
/// Each with the bare server that it is compared with. The second axum shows the noise.
const SERVERS: [(Stack, usize, &str); 7] = [
    (Stack::Collect, 0, "hyper"),
    (Stack::Layer, 0, "layer in hyper"),
    (Stack::Axum, 2, "axum"),
    (Stack::Axum, 2, "axum again"),
    (Stack::AxumFloor, 2, "floor in axum"),
    (Stack::AxumLayer, 2, "layer in axum"),
    (Stack::AxumHand, 2, "hand in axum"),
];
const CONNECTIONS: usize = 32;

fn main() -> ExitCode {
    serve::bench(compare)
}

#[derive(Default, Clone)]
struct Rounds {
    rate: Vec<f64>,
    cpu: Vec<f64>,
}

fn compare() -> io::Result<()> {
    let (rounds, time, clients) = if report::asked_to("--test") {
        (1, Duration::from_millis(50), 100)
    } else {
        (21, Duration::from_millis(500), 10_000)
    };
    let servers: Vec<Server> = SERVERS
        .iter()
        .map(|(stack, ..)| Server::start(&["--serve", stack.name(), &clients.to_string()]))
        .collect::<io::Result<_>>()?;
    let runtime = serve::runtime()?;
    println!(
        "HTTP/1.1 over loopback, {CONNECTIONS} connections, {clients} clients, median of {rounds} rounds"
    );
    println!(
        "of {} ms: requests per second, and processor time per request, over the bare server's\n",
        time.as_millis()
    );
    print!("{:<16}", "");
    CASES.iter().for_each(|case| print!(" {:>22}", case.name()));
    println!();
    let mut columns = Vec::new();
    for case in CASES {
        let requests = serve::requests(case, clients, 2_000);
        let mut all = vec![Rounds::default(); servers.len()];
        for round in 0..rounds + 1 {
            for turn in 0..servers.len() {
                let index = (round + turn) % servers.len();
                let (Some(server), Some(own)) = (servers.get(index), all.get_mut(index)) else {
                    continue;
                };
                let before = server.cpu();
                let answers = serve::load(&runtime, server.address, &requests, CONNECTIONS, time)?;
                let answered = answers.all as f64;
                // The first round warms up.
                if round > 0 {
                    own.rate.push(answered);
                    own.cpu.push((server.cpu() - before) / answered);
                }
            }
        }
        columns.push(all);
    }
    let mut goals = Vec::new();
    for (index, (stack, bare, name)) in SERVERS.iter().enumerate() {
        print!("{name:<16}");
        for (case, all) in CASES.iter().zip(&columns) {
            let (Some(own), Some(bare)) = (all.get(index), all.get(*bare)) else { continue };
            let rate = wall::ratio(&own.rate, &bare.rate);
            let cpu = wall::ratio(&own.cpu, &bare.cpu);
            let time = wall::median(own.cpu.clone()) * 1e6;
            print!(" {rate:>5.3} {cpu:>5.3} ({time:>4.1} µs)");
            if *stack == Stack::AxumLayer {
                // A goal is a bound from above.
                let what = format!("time per request over bare axum, {}", case.name());
                goals.push(Goal {
                    name: "loopback time",
                    what,
                    value: 1.0 / rate,
                    must: 1.0 / 0.90,
                    target: 1.0 / 0.93,
                });
                let what = format!("processor time per request over bare axum, {}", case.name());
                goals.push(Goal {
                    name: "loopback processor",
                    what,
                    value: cpu,
                    must: 1.10,
                    target: 1.07,
                });
            }
        }
        println!();
    }
    report::goals(&goals);
    Ok(())
}
