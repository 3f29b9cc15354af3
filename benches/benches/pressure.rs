//! What happens under pressure: thousands of callers that stop in the middle of their form, slow
//! providers, and a storm of wrong secrets.
//!
//! `cargo bench -p benches --bench pressure` on Linux; with `-- --test` it only shows that it runs.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::{
    convert::Infallible,
    future::Future,
    io::{self, Write},
    net::TcpStream,
    pin::pin,
    process::{Command, ExitCode},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use support::{
    clients::Provider,
    drive,
    process::Server,
    report::{self, Goal},
    serve,
    stack::{self, Stack},
    wall,
    work::{Case, Frames, Shape},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_client_auth::{ClientAuthLayer, ClientProvider, ClientSecret, RegisteredClient};

const CLIENTS: u64 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, stack] = arguments.as_slice()
        && serve == "--serve"
        && let Some(stack) = Stack::named(stack)
    {
        return report::exit(serve::serve(stack, CLIENTS));
    }
    let (connections, calls) =
        if report::asked_to("--test") { (100, 100) } else { (10_000, 1_000) };
    let mut goals = Vec::new();
    report::exit(
        waiting(connections, &mut goals)
            .and_then(|()| capacity(calls))
            .and_then(|()| slow_providers(calls))
            .map(|()| {
                storm(&mut goals);
                report::goals(&goals);
            }),
    )
}

/// Connections that send a part of their form and stop: resident memory of the server.
fn waiting(connections: usize, goals: &mut Vec<Goal>) -> io::Result<()> {
    let enough = connections + 200;
    let limit = Command::new("sh").args(["-c", "ulimit -n"]).output()?;
    let limit = String::from_utf8_lossy(&limit.stdout).trim().parse().unwrap_or(usize::MAX);
    if limit < enough {
        println!(
            "SKIPPED: {connections} connections need {enough} open files and {limit} are allowed; see `ulimit -n`\n"
        );
        return Ok(());
    }
    println!("Resident bytes per connection, {connections} connections\n");
    println!(
        "{:<16} {:>10} {:>14} {:>16} {:>14}",
        "", "idle", "+ 1 of 300 B", "+ 32 of 64 KiB", "per byte"
    );
    let mut rows = Vec::new();
    for stack in [Stack::Axum, Stack::AxumFloor, Stack::AxumLayer, Stack::AxumHand] {
        let (idle, one) = held(stack, connections, Shape::Usual, 1)?;
        let (_, half) = held(stack, connections, Shape::Long(64 * 1024), 32 * 1024)?;
        let growth = (half - one) / (32.0 * 1024.0);
        println!("{:<16} {idle:>10.0} {one:>14.0} {half:>16.0} {growth:>14.2}", stack.name());
        rows.push((one, half, growth));
    }
    println!();
    if let [(bare, bare_half, _), _, (one, half, growth), _] = rows.as_slice() {
        let mut goal = |name, what: &str, value, must, target| {
            goals.push(Goal { name, what: what.to_owned(), value, must, target });
        };
        goal(
            "resident bytes",
            "resident, 1 byte of 300 received / bare axum",
            one / bare,
            1.25,
            1.25,
        );
        goal(
            "resident bytes",
            "resident, 32 KiB of 64 KiB received / bare axum",
            half / bare_half,
            1.25,
            1.25,
        );
        goal("resident bytes", "resident growth per byte received", *growth, 1.5, 1.1);
    }
    Ok(())
}

/// Resident bytes per connection: without a request, and with one that is there in part.
fn held(stack: Stack, connections: usize, shape: Shape, received: usize) -> io::Result<(f64, f64)> {
    let server = Server::start(&["--serve", stack.name()])?;
    let request = drive::wire(Case::Basic.request(1, CLIENTS, shape));
    let head = memchr::memmem::find(&request, b"\r\n\r\n").map_or(0, |end| end + 4);
    let part = request.slice(..head + received);
    let empty = settled(&server);
    let mut streams = (0..connections)
        .map(|_| TcpStream::connect(server.address))
        .collect::<io::Result<Vec<_>>>()?;
    let idle = settled(&server);
    for stream in &mut streams {
        stream.write_all(&part)?;
    }
    let waiting = settled(&server);
    let each = |resident: f64| (resident - empty) / connections as f64;
    Ok((each(idle), each(waiting)))
}

/// The resident memory, once the server has nothing to do any more.
fn settled(server: &Server) -> f64 {
    let mut before = server.cpu();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = server.cpu();
        if now - before < 1e-4 || now.is_nan() {
            return server.resident();
        }
        before = now;
    }
}

async fn answer<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::default()))
}

fn stalled() -> Request<Frames> {
    let mut request = Case::Basic.request(1, CLIENTS, Shape::Usual);
    request.body_mut().frames.clear();
    request.body_mut().stalled = true;
    request
}

/// Callers that send slowly, in front of an inner service with room for 16.
fn capacity(calls: usize) -> io::Result<()> {
    println!("Other requests while {calls} forms are on their way, inner service with 16 places\n");
    for (name, after) in [("by default", false), (".ready_after_auth()", true)] {
        let layer = stack::layer(CLIENTS, ClientSecret::plain);
        let layer = if after { layer.ready_after_auth() } else { layer };
        let mut service = ServiceBuilder::new()
            .layer(layer)
            .layer(ConcurrencyLimitLayer::new(16))
            .service_fn(answer);
        let idle = latency(&mut service);
        let mut waiting = Vec::new();
        for _ in 0..calls {
            let mut call = Box::pin(service.clone().oneshot(stalled()));
            let _waits = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            waiting.push(call);
        }
        let busy = latency(&mut service);
        match (idle, busy) {
            (Some(idle), Some(busy)) => {
                println!("{name:<20} {:.2} of the time that they take otherwise", busy / idle);
            }
            _ => println!("{name:<20} must wait until a form has arrived"),
        }
    }
    println!();
    Ok(())
}

/// The median time of a call, unless it has to wait.
fn latency<S>(service: &mut S) -> Option<f64>
where
    S: Service<Request<Frames>, Error = Infallible> + Clone,
{
    let mut times = Vec::new();
    for n in 0..1_001 {
        let request = Case::Basic.request(n, CLIENTS, Shape::Usual);
        let start = Instant::now();
        let mut call = pin!(service.clone().oneshot(request));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(_) => times.push(start.elapsed().as_secs_f64()),
            Poll::Pending => return None,
        }
    }
    Some(wall::median(times))
}

/// A store on the other side of a network.
struct Slow(Provider, Duration);

impl ClientProvider for Slow {
    type Client = ();
    type Error = Infallible;

    async fn find_client(&self, id: &str) -> Result<Option<RegisteredClient<()>>, Infallible> {
        tokio::time::sleep(self.1).await;
        self.0.find_client(id).await
    }
}

fn slow_providers(calls: usize) -> io::Result<()> {
    let delay = Duration::from_millis(100);
    let slow = Slow(Provider::new(CLIENTS, ClientSecret::plain), delay);
    let service = ClientAuthLayer::new(slow).layer(service_fn(answer));
    let elapsed = serve::runtime()?.block_on(async {
        let start = Instant::now();
        let mut all = tokio::task::JoinSet::new();
        for n in 0..calls {
            let request = Case::Basic.request(n as u64, CLIENTS, Shape::Usual);
            all.spawn(service.clone().oneshot(request));
        }
        let mut authenticated = 0;
        while let Some(Ok(Ok(response))) = all.join_next().await {
            authenticated += usize::from(response.status() == StatusCode::OK);
        }
        (start.elapsed(), authenticated)
    });
    let (elapsed, authenticated) = elapsed;
    println!(
        "{calls} requests at once, one thread, a provider that takes {} ms: {authenticated} authenticated in {} ms\n",
        delay.as_millis(),
        elapsed.as_millis()
    );
    Ok(())
}

/// All secrets wrong, against all right.
fn storm(goals: &mut Vec<Goal>) {
    for stack in [Stack::Layer, Stack::AxumLayer] {
        let mut contenders = [Case::Basic, Case::WrongFirst].map(|case| {
            let mut program = drive::in_process(stack, CLIENTS);
            let run: Box<dyn FnMut(usize) -> Duration> = Box::new(move |_| {
                let batch: Vec<_> =
                    (0..200).map(|n| case.request(n, CLIENTS, Shape::Usual)).collect();
                let start = Instant::now();
                for request in batch {
                    std::hint::black_box(program(request));
                }
                start.elapsed()
            });
            run
        });
        let times = wall::rounds(if report::asked_to("--test") { 1 } else { 201 }, &mut contenders);
        if let [right, wrong] = times.as_slice() {
            let what = format!("time of a wrong secret / of a right one, {}", stack.name());
            goals.push(Goal {
                name: "refusals in time",
                what,
                value: wall::ratio(wrong, right),
                must: 1.25,
                target: 1.0,
            });
        }
    }
}
