//! Processor time per request, of the layer and of what others made for the same job.
//!
//! `tests/interop/peers/run` installs them and starts this; with `--test` it only shows that it
//! runs. Each server is a process of its own on one processor, the caller is on another, and the
//! rounds are interleaved. All have the same clients in memory and get the same requests.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    fs,
    hint::black_box,
    io::{self, BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use serde_json::json;
use support::{
    clients::{self, Client, Method},
    drive,
    process::{self, Server},
    report, serve,
    stack::Stack,
    wall,
    work::{self, Frames, Shape},
};

const CONNECTIONS: usize = 32;
/// Different requests of a case, each of another client.
const REQUESTS: u64 = 2_000;

/// The credentials. The id is always in the form, where some of the others look for it.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Basic,
    Post,
    /// In the form, with a secret that is wrong in its first byte.
    Wrong,
}

impl Case {
    const ALL: [Self; 3] = [Self::Basic, Self::Post, Self::Wrong];

    const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::Wrong => "wrong",
        }
    }

    fn request(self, n: u64, clients: u64) -> Request<Frames> {
        let (case, first) = match self {
            Self::Basic => (work::Case::Basic, 0),
            Self::Post | Self::Wrong => (work::Case::Post, 1),
        };
        let mut request = case.request(n, clients, Shape::Usual);
        let mut client = Client::new(first + 4 * (n % (clients / 4)));
        if self == Self::Wrong {
            client.secret.replace_range(..1, "-");
        }
        let credentials = match self {
            Self::Basic => format!("&client_id={}", client.id),
            _ => format!("&client_id={}&client_secret={}", client.id, client.secret),
        };
        *request.body_mut() = Frames::split(Shape::Usual.form(&credentials), usize::MAX);
        request
    }
}

struct Contender {
    name: &'static str,
    program: Program,
    cases: &'static [Case],
}

enum Program {
    Own(Stack),
    Python(&'static str),
    Node(&'static str),
}

const OWN: usize = 0;
const MCP_PYTHON: usize = 2;
const MCP_TYPESCRIPT: usize = 4;
const OIDC_PROVIDER: usize = 6;
const AUTHLIB: usize = 7;

const CONTENDERS: [Contender; 8] = [
    Contender { name: "layer in axum", program: Program::Own(Stack::AxumLayer), cases: &Case::ALL },
    Contender { name: "  without", program: Program::Own(Stack::Axum), cases: &Case::ALL },
    Contender {
        name: "MCP Python SDK, uvicorn",
        program: Program::Python("mcp"),
        cases: &Case::ALL,
    },
    Contender { name: "  without", program: Program::Python("mcp-bare"), cases: &Case::ALL },
    // It reads the form only.
    Contender {
        name: "MCP TypeScript SDK, express",
        program: Program::Node("mcp"),
        cases: &[Case::Post, Case::Wrong],
    },
    Contender {
        name: "  without",
        program: Program::Node("mcp-bare"),
        cases: &[Case::Post, Case::Wrong],
    },
    // A right secret makes it issue a token.
    Contender {
        name: "oidc-provider",
        program: Program::Node("oidc-provider"),
        cases: &[Case::Wrong],
    },
    Contender {
        name: "Authlib, Flask, gunicorn",
        program: Program::Python("authlib"),
        cases: &Case::ALL,
    },
];

/// What `tests/interop/peers/run` passes.
struct Peers {
    python: PathBuf,
    python_servers: PathBuf,
    node_servers: PathBuf,
    scratch: PathBuf,
}

impl Peers {
    fn from_arguments() -> Option<Self> {
        let mut arguments = std::env::args().skip_while(|argument| argument != "--python").skip(1);
        let (python, python_servers) = (arguments.next()?, arguments.next()?);
        let node_servers = arguments.nth(1)?;
        let scratch = arguments.nth(1)?;
        Some(Self {
            python: python.into(),
            python_servers: python_servers.into(),
            node_servers: node_servers.into(),
            scratch: scratch.into(),
        })
    }

    fn clients(&self) -> PathBuf {
        self.scratch.join("clients.json")
    }

    fn log(&self) -> io::Result<fs::File> {
        fs::File::options().create(true).append(true).open(self.scratch.join("log"))
    }

    fn start(&self, program: &Program, clients: u64) -> io::Result<Server> {
        let (interpreter, servers, which) = match program {
            Program::Own(stack) => {
                return Server::start(&["--serve", stack.name(), &clients.to_string()]);
            }
            Program::Python(which) => (self.python.as_path(), &self.python_servers, which),
            Program::Node(which) => (Path::new("node"), &self.node_servers, which),
        };
        let mut command = process::pinned(0, interpreter);
        command.arg(servers).arg(which).arg(self.clients()).stderr(self.log()?);
        Server::run(&mut command)
    }
}

fn main() -> ExitCode {
    serve::bench(|| match Peers::from_arguments() {
        Some(peers) => compare(&peers),
        None => {
            println!("Software of others must be installed first: run `tests/interop/peers/run`.");
            Ok(())
        }
    })
}

/// Confidential clients only: oidc-provider does not take public ones for this grant.
fn write_clients(file: &Path, clients: u64) -> io::Result<()> {
    let records: Vec<_> = (0..clients)
        .map(Client::new)
        .filter(|client| client.method != Method::None)
        .map(|client| {
            let method = match client.method {
                Method::Post => "client_secret_post",
                _ => "client_secret_basic",
            };
            json!({
                "client_id": client.id,
                "client_secret": client.secret,
                "token_endpoint_auth_method": method,
            })
        })
        .collect();
    fs::write(file, json!(records).to_string())
}

fn compare(peers: &Peers) -> io::Result<()> {
    let (clients, rounds, time, warm_up) = if report::asked_to("--test") {
        (100, 1, Duration::from_millis(20), Duration::from_millis(20))
    } else {
        (10_000, 15, Duration::from_secs(1), Duration::from_secs(5))
    };
    fs::create_dir_all(&peers.scratch)?;
    write_clients(&peers.clients(), clients)?;
    let servers = CONTENDERS
        .iter()
        .map(|contender| peers.start(&contender.program, clients))
        .collect::<io::Result<Vec<_>>>()?;
    let runtime = serve::runtime()?;
    let mut columns = Vec::new();
    for case in Case::ALL {
        let requests: Vec<Bytes> =
            (0..REQUESTS).map(|n| drive::wire(case.request(clients::mix(n), clients))).collect();
        let load = |server: &Server, name: &str, time| -> io::Result<f64> {
            let before = server.cpu();
            let answers = serve::load(&runtime, server.address, &requests, CONNECTIONS, time)?;
            let right = if case == Case::Wrong && !name.starts_with(' ') { 0 } else { answers.all };
            if answers.right != right {
                let (right, all, case) = (answers.right, answers.all, case.name());
                return Err(io::Error::other(format!(
                    "{name}, {case}: {right} of {all} succeeded"
                )));
            }
            Ok((server.cpu() - before) / answers.all as f64)
        };
        let mut times = vec![Vec::new(); servers.len()];
        for round in 0..=rounds {
            for turn in 0..servers.len() {
                let index = (round + turn) % servers.len();
                let (Some(contender), Some(server)) = (CONTENDERS.get(index), servers.get(index))
                else {
                    continue;
                };
                if !contender.cases.contains(&case) {
                    continue;
                }
                let taken = load(server, contender.name, if round == 0 { warm_up } else { time })?;
                if let Some(times) = times.get_mut(index).filter(|_| round > 0) {
                    times.push(taken);
                }
            }
        }
        columns.push(times);
    }
    drop(servers);

    println!("Processor time per request over that of the layer: HTTP/1.1 over loopback,");
    println!(
        "{CONNECTIONS} connections, {clients} clients, median of {rounds} rounds (quartiles)\n"
    );
    print!("{:<27}", "");
    Case::ALL.iter().for_each(|case| print!(" {:>27}", case.name()));
    println!();
    for (index, contender) in CONTENDERS.iter().enumerate() {
        print!("{:<27}", contender.name);
        for times in &columns {
            match (times.get(index), times.get(OWN)) {
                (Some(own), Some(layer)) if !own.is_empty() => {
                    let [low, middle, high] = quartiles(own, layer);
                    let time = wall::median(own.clone()) * 1e6;
                    print!(" {middle:>6.2} ({low:>5.2}-{high:>5.2}) {time:>6.1} µs");
                }
                _ => print!(" {:>27}", "-"),
            }
        }
        println!();
    }
    println!();
    let in_process = middleware(peers)?;
    if report::asked_to("--test") {
        println!("\nThis was a trial of a few requests; it says nothing.");
        return Ok(());
    }

    println!(
        "\n{:<22} {:<66} {:>9} {:>9} {:>9}",
        "goal", "times less", "measured", "must", "target"
    );
    for (name, what, index, must, target) in [
        ("MCP Python SDK", "MCP Python SDK on uvicorn", MCP_PYTHON, 8.0, 10.0),
        ("MCP TypeScript SDK", "MCP TypeScript SDK on express", MCP_TYPESCRIPT, 15.0, 20.0),
        ("oidc-provider", "oidc-provider", OIDC_PROVIDER, 15.0, 20.0),
        ("Authlib", "Authlib on Flask and gunicorn", AUTHLIB, 30.0, 40.0),
    ] {
        for (case, times) in Case::ALL.iter().zip(&columns) {
            if let (Some(own), Some(layer)) = (times.get(index), times.get(OWN))
                && !own.is_empty()
            {
                let [_, middle, _] = quartiles(own, layer);
                goal(name, &format!("{what}, {}", case.name()), middle, must, target);
            }
        }
    }
    goal("parser in memory", "the TypeScript middleware in memory, post", in_process, 4.0, 5.0);
    Ok(())
}

fn goal(name: &str, what: &str, value: f64, must: f64, target: f64) {
    let verdict = match () {
        () if value.is_nan() => "NOT MEASURED",
        () if value < must => "MISSED",
        () if value < target => "must",
        () => "target",
    };
    println!("{name:<22} {what:<66} {value:>9.1} {must:>9.1} {target:>9.1}  {verdict}");
}

/// Of the ratios of the rounds.
fn quartiles(times: &[f64], bare: &[f64]) -> [f64; 3] {
    let mut ratios: Vec<f64> = times.iter().zip(bare).map(|(time, bare)| time / bare).collect();
    ratios.sort_by(f64::total_cmp);
    [1, 2, 3].map(|part| ratios.get(ratios.len() * part / 4).copied().unwrap_or(f64::NAN))
}

/// The middleware of the MCP TypeScript SDK behind the parser of express, against the layer in front
/// of a service that reads the body: the time of the first over that of the second.
fn middleware(peers: &Peers) -> io::Result<f64> {
    let (rounds, batches, warm_up) =
        if report::asked_to("--test") { (1, 1, 1) } else { (101, 20, 50) };
    let mut ratios = [100, 10_000].map(|clients| (clients, f64::NAN));
    for (clients, ratio) in &mut ratios {
        let mut node = Middleware::start(peers, *clients)?;
        let mut program = drive::in_process(Stack::Layer, *clients);
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..warm_up + rounds {
            let theirs = node.run(batches)?;
            let own = (0..batches).map(|batch| {
                let first = 100 * batch;
                let requests: Vec<_> = (first..first + 100)
                    .map(|n| Case::Post.request(clients::mix(n % REQUESTS), *clients))
                    .collect();
                let start = Instant::now();
                for request in requests {
                    black_box(program(request));
                }
                start.elapsed().as_secs_f64() * 1e9 / 100.0
            });
            let own = wall::median(own.collect());
            if round >= warm_up {
                let [all_theirs, all_own] = &mut times;
                all_theirs.push(theirs);
                all_own.push(own);
            }
        }
        let [theirs, own] = &times;
        let [low, middle, high] = quartiles(theirs, own);
        *ratio = middle;
        println!(
            "in memory, post, {clients:>5} clients: MCP TypeScript middleware {middle:.2} ({low:.2}-{high:.2}) of the layer ({:.2} µs, {:.2} µs)",
            wall::median(theirs.clone()) / 1e3,
            wall::median(own.clone()) / 1e3,
        );
    }
    let [(_, warm), _] = ratios;
    Ok(warm)
}

/// A process that authenticates as often as it is told to.
struct Middleware {
    child: Child,
    orders: ChildStdin,
    times: Lines<BufReader<ChildStdout>>,
}

impl Middleware {
    fn start(peers: &Peers, clients: u64) -> io::Result<Self> {
        let forms: Vec<_> = (0..REQUESTS)
            .map(|n| {
                let body = Case::Post.request(clients::mix(n), clients).into_body();
                let form: Vec<u8> = body.frames.into_iter().flatten().collect();
                String::from_utf8_lossy(&form).into_owned()
            })
            .collect();
        let file = peers.scratch.join("forms.json");
        fs::write(&file, json!(forms).to_string())?;
        write_clients(&peers.clients(), clients)?;
        let mut child = Command::new("node")
            .arg(&peers.node_servers)
            .args([Path::new("middleware"), &peers.clients(), &file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(peers.log()?)
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(orders), Some(times)) => {
                Ok(Self { child, orders, times: BufReader::new(times).lines() })
            }
            _ => Err(io::Error::other("the middleware has no pipes")),
        }
    }

    /// Nanoseconds per request, in the median of `batches` of 100, of which most are undisturbed.
    fn run(&mut self, batches: u64) -> io::Result<f64> {
        writeln!(self.orders, "{batches}")?;
        let line = self.times.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        line.parse().map_err(io::Error::other)
    }
}

impl Drop for Middleware {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
