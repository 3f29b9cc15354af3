//! A server over TCP for each program, and a caller that costs little.

use std::{convert::Infallible, io, net::SocketAddr, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tower::Service;

use super::{
    BoxError, drive, process, report,
    stack::{Stack, Visit},
    work::{Case, Shape},
};

pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The whole of a bench over loopback: started with `--serve`, it is one of the servers; else it
/// compares them, on a processor of its own.
pub(crate) fn bench(compare: impl FnOnce() -> io::Result<()>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, stack, clients] = arguments.as_slice()
        && mode == "--serve"
        && let (Some(stack), Ok(clients)) = (Stack::named(stack), clients.parse())
    {
        return report::exit(serve(stack, clients));
    }
    report::exit(process::on_second_processor().map_or_else(compare, |copy| {
        let failed = io::Error::other("the caller failed");
        copy.and_then(|status| status.success().then_some(()).ok_or(failed))
    }))
}

/// Serves on a free port of the loopback interface, which it prints.
pub(crate) fn serve(stack: Stack, clients: u64) -> io::Result<()> {
    stack.visit(clients, Serve)
}

struct Serve;

impl Visit<Incoming> for Serve {
    type Output = io::Result<()>;

    fn visit<S, R>(self, service: S) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        runtime()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let service = TowerToHyperService::new(service.clone());
                let mut server = http1::Builder::new();
                server.header_read_timeout(None);
                let connection = server.serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        })
    }
}

/// Some requests of a case as bytes, each of another client.
pub(crate) fn requests(case: Case, clients: u64, count: u64) -> Vec<Bytes> {
    let wire = |n| drive::wire(case.request(super::clients::mix(n), clients, Shape::Usual));
    (0..count).map(wire).collect()
}

/// What a server answered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Answers {
    pub(crate) all: u64,
    /// Those with a status of 200 to 299.
    pub(crate) right: u64,
}

/// Reads one whole answer, and says whether its status is one of success.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<bool> {
    let (mut filled, mut length) = (0, None);
    loop {
        let more = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += more;
        let received = buffer.get(..filled).unwrap_or_default();
        length = length.or_else(|| whole(received));
        if length.is_some_and(|length| filled >= length) {
            return Ok(received.get(9) == Some(&b'2'));
        }
    }
}

/// The length of an answer whose head is there. None of the servers sends chunks.
fn whole(received: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let head = memchr::memmem::find(received, b"\r\n\r\n")?;
    let mut lines = received.get(..head)?.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    });
    let length: usize = std::str::from_utf8(value?).ok()?.trim().parse().ok()?;
    Some(head + 4 + length)
}

/// Sends `requests` over `connections` for some time, and returns what was answered.
pub(crate) fn load(
    runtime: &Runtime,
    address: SocketAddr,
    requests: &[Bytes],
    connections: usize,
    time: Duration,
) -> io::Result<Answers> {
    runtime.block_on(async {
        let mut callers = tokio::task::JoinSet::new();
        let end = tokio::time::Instant::now() + time;
        for n in 0..connections {
            let mut requests = requests.to_vec();
            let middle = n * requests.len() / connections;
            requests.rotate_left(middle);
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            callers.spawn(async move {
                let mut answers = Answers::default();
                let mut buffer = vec![0; 4096];
                for request in requests.iter().cycle() {
                    if tokio::time::Instant::now() >= end {
                        break;
                    }
                    stream.write_all(request).await?;
                    answers.right += u64::from(answer(&mut stream, &mut buffer).await?);
                    answers.all += 1;
                }
                io::Result::Ok(answers)
            });
        }
        let mut answers = Answers::default();
        while let Some(caller) = callers.join_next().await {
            let caller = caller.map_err(io::Error::other)??;
            answers.all += caller.all;
            answers.right += caller.right;
        }
        Ok(answers)
    })
}
