//! Requests per second and processor time over loopback, as ratios of interleaved rounds; and the user's
//! part of that time with few clients and with many.
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
use tokio::runtime::Runtime;

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
    for (index, (_, bare, name)) in SERVERS.iter().enumerate() {
        print!("{name:<16}");
        for all in &columns {
            let (Some(own), Some(bare)) = (all.get(index), all.get(*bare)) else { continue };
            let rate = wall::ratio(&own.rate, &bare.rate);
            let cpu = wall::ratio(&own.cpu, &bare.cpu);
            let time = wall::median(own.cpu.clone()) * 1e6;
            print!(" {rate:>5.3} {cpu:>5.3} ({time:>4.1} µs)");
        }
        println!();
    }
    user_time(&servers, &runtime, clients)
}

/// What the server itself does, without the kernel: with clients that stay in its cache, and with those
/// that do not.
fn user_time(servers: &[Server], runtime: &Runtime, clients: u64) -> io::Result<()> {
    let [bare, layer, ..] = servers else { return Ok(()) };
    let (rounds, time) = if report::asked_to("--test") {
        (1, Duration::from_millis(50))
    } else {
        (9, Duration::from_secs(2))
    };
    println!(
        "\nUser time per request, basic, of {clients} clients some in turn, median of {rounds} rounds\n"
    );
    println!("{:<16} {:>10} {:>15} {:>8}", "clients in turn", "hyper", "layer in hyper", "");
    let mut goals = Vec::new();
    for (asked, target) in [(20, 1.27), (2_000, 1.40)] {
        let requests = serve::requests(Case::Basic, clients, asked);
        let mut times = [const { Vec::new() }; 2];
        for round in 0..rounds + 1 {
            for (server, times) in [bare, layer].into_iter().zip(&mut times) {
                let before = server.user();
                let answers = serve::load(runtime, server.address, &requests, CONNECTIONS, time)?;
                // The first round warms up.
                if round > 0 {
                    times.push((server.user() - before) / answers.all as f64);
                }
            }
        }
        let [bare, layer] = &times;
        let ratio = wall::ratio(layer, bare);
        let [bare, layer] = [bare, layer].map(|times| wall::median(times.clone()) * 1e6);
        println!("{asked:<16} {bare:>7.2} µs {layer:>12.2} µs {ratio:>8.3}");
        let what = format!("user time per request over bare hyper, {asked} clients in turn");
        goals.push(Goal { name: "user time", what, value: ratio, must: target, target });
    }
    report::goals(&goals);
    Ok(())
}
