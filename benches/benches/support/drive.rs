//! Drives a program by hand: all that it waits for is there already.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::service::TowerToHyperService;
use tower::Service;

use super::{
    BoxError,
    stack::{Stack, Visit},
    work::{Case, Frames, Shape},
};

/// Something that is ready to be measured.
pub(crate) type Run = Box<dyn FnMut()>;

/// Polls `future` to its end, which never waits.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// A request from the call to the last byte of the answer.
pub(crate) fn exchange<B, S, R>(service: &mut S, request: Request<B>) -> StatusCode
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes>,
{
    let Ok(()) = now(std::future::poll_fn(|cx| service.poll_ready(cx)));
    let Ok(response) = now(service.call(request));
    let status = response.status();
    let mut body = pin!(response.into_body());
    while let Some(Ok(frame)) = now(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))) {
        black_box(frame.data_ref());
    }
    status
}

/// A program in memory, as a function.
pub(crate) fn in_process(stack: Stack, clients: u64) -> Program {
    stack.visit(clients, InProcess { cloned: false })
}

/// The same with a clone of the program for each request, as hyper-util and axum make it.
pub(crate) fn cloned(stack: Stack, clients: u64) -> Program {
    stack.visit(clients, InProcess { cloned: true })
}

pub(crate) type Program = Box<dyn FnMut(Request<Frames>) -> StatusCode + Send>;

#[derive(Clone, Copy)]
pub(crate) struct InProcess {
    pub(crate) cloned: bool,
}

impl Visit<Frames> for InProcess {
    type Output = Program;

    fn visit<S, R>(self, mut service: S) -> Program
    where
        S: Service<Request<Frames>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        if self.cloned {
            Box::new(move |request| exchange(&mut service.clone(), request))
        } else {
            Box::new(move |request| exchange(&mut service, request))
        }
    }
}

/// A request whose body never arrives: the future that waits for it, on the heap as in a server's
/// task, and its size.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// A program in memory, as a function to calls that wait.
pub(crate) fn waiting(
    stack: Stack,
    clients: u64,
) -> Box<dyn FnMut(Request<Frames>) -> (Waiting, usize)> {
    stack.visit(clients, Wait)
}

struct Wait;

impl Visit<Frames> for Wait {
    type Output = Box<dyn FnMut(Request<Frames>) -> (Waiting, usize)>;

    fn visit<S, R>(self, mut service: S) -> Self::Output
    where
        S: Service<Request<Frames>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Box::new(move |request| {
            let Ok(()) = now(std::future::poll_fn(|cx| service.poll_ready(cx)));
            let future = service.call(request);
            let size = size_of_val(&future);
            let mut future = Box::pin(async move { drop(future.await) });
            let _waits = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            (future, size)
        })
    }
}

/// `requests` on one HTTP/1.1 connection that exists in memory only.
pub(crate) fn connection(stack: Stack, case: Case, clients: u64, requests: usize) -> Run {
    let wire = wire(case.request(1, clients, Shape::Usual));
    stack.visit(clients, Connection { wire, requests, expected: stack.status(case) })
}

/// A request as HTTP/1.1 has it.
pub(crate) fn wire(request: Request<Frames>) -> Bytes {
    let (head, body) = request.into_parts();
    let mut wire = format!("POST {} HTTP/1.1\r\n", head.uri).into_bytes();
    for (name, value) in &head.headers {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    body.frames.iter().for_each(|frame| wire.extend_from_slice(frame));
    wire.into()
}

struct Connection {
    wire: Bytes,
    requests: usize,
    expected: StatusCode,
}

impl Visit<hyper::body::Incoming> for Connection {
    type Output = Run;

    fn visit<S, R>(self, service: S) -> Run
    where
        S: Service<Request<hyper::body::Incoming>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.header_read_timeout(None);
        Box::new(move || {
            let wire = Wire {
                request: self.wire.clone(),
                requests: self.requests,
                expected: Some(self.expected),
            };
            let service = TowerToHyperService::new(service.clone());
            if let Err(error) = now(server.serve_connection(wire, service)) {
                eprintln!("the connection failed: {error}");
            }
        })
    }
}

/// The other side of a connection: it sends the same request over and over, and reads nothing of
/// the answers but the first status.
struct Wire {
    request: Bytes,
    requests: usize,
    expected: Option<StatusCode>,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.requests > 0 {
            self.requests -= 1;
            buffer.put_slice(&self.request);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let bytes = black_box(bytes);
        if let Some(expected) = self.expected.take() {
            let line = format!("HTTP/1.1 {expected}");
            assert!(bytes.starts_with(line.as_bytes()), "another status than {expected}");
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
