//! A server over TCP for each program, and a caller that costs little.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

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
    BoxError, drive,
    stack::{Stack, Visit},
    work::{Case, Shape},
};

pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
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

/// Some requests of a case as octets, each of another client.
pub(crate) fn requests(case: Case, clients: u64, count: u64) -> Vec<Bytes> {
    let wire = |n| drive::wire(case.request(super::clients::mix(n), clients, Shape::Usual));
    (0..count).map(wire).collect()
}

/// Sends `requests` over `connections` for some time, and returns how many were answered.
pub(crate) fn load(
    runtime: &Runtime,
    address: SocketAddr,
    requests: &[Bytes],
    connections: usize,
    time: Duration,
) -> io::Result<u64> {
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
                let mut answered = 0;
                let mut buffer = vec![0; 4096];
                for request in requests.iter().cycle() {
                    if tokio::time::Instant::now() >= end {
                        break;
                    }
                    stream.write_all(request).await?;
                    // All answers are small, and none is pipelined: they arrive in one piece.
                    if stream.read(&mut buffer).await? == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                    }
                    answered += 1;
                }
                Ok(answered)
            });
        }
        let mut answered = 0;
        while let Some(caller) = callers.join_next().await {
            answered += caller.map_err(io::Error::other)??;
        }
        Ok(answered)
    })
}
