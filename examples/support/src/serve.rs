//! Serving, with the deadlines that a server on the internet needs.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryFutureExt;
use http_body::Body;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    http::Extensions,
    service::service_fn,
};
#[cfg(feature = "http2")]
use hyper_util::server::conn::auto;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};
use tower_client_auth::BoxError;
use tower_service::Service;

use crate::body::Guarded;

/// The time that the head of a request may take to arrive, counted from the request before it: a
/// connection that is idle for as long is closed. What the body may take is a setting of the layer
/// that authenticates, `body_deadline`.
const HEAD: Duration = Duration::from_secs(30);
/// The time for which a caller may take nothing of an answer, before it is cut off.
const SEND: Duration = Duration::from_secs(60);
/// The time that requests may still take when the server is told to stop.
const LAST: Duration = Duration::from_secs(3);
/// The time that the other requests of a connection of HTTP/2 may still take when an answer of it was left.
const LEFT: Duration = Duration::from_secs(600);
const TIMES: Times = Times { idle: HEAD, last: LAST, left: LEFT };
/// What a connection may hold of a request, and as much of an answer. Hyper takes 400 KB of each.
const BUFFER: usize = 64 * 1024;

/// How many requests a connection of HTTP/2 may have at once, and what may arrive of each before it is read.
#[cfg(feature = "http2")]
const STREAMS: u32 = 200;
#[cfg(feature = "http2")]
const WINDOW: u32 = 64 * 1024;

/// The address that a request came from, in its extensions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Peer(pub SocketAddr);

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

/// A server that has its address already.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Server {
    /// Takes the address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// If it is taken. It names the address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let taken = format!("cannot listen on {address}: {error}; `--listen` takes another");
            io::Error::new(error.kind(), taken)
        })?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Serves over TLS, and puts the [`ClientCertificate`](tower_client_auth::mutual_tls::ClientCertificate)
    /// of each connection, if it has one, into the extensions of its requests.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Where it can be reached.
    #[must_use]
    pub fn url(&self) -> String {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return format!("https://{}", self.address);
        }
        format!("http://{}", self.address)
    }

    /// Says where it can be reached, which is the sign for scripts that it can.
    pub fn announce(&self) {
        println!("listening on {}", self.url());
    }

    /// Serves until the process is told to stop, and then finishes what has begun.
    ///
    /// # Errors
    ///
    /// If the signals of the system cannot be received.
    pub async fn serve<S, B>(self, service: S) -> Result<(), BoxError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (end, _) = watch::channel(());
        let mut stop = std::pin::pin!(stop());
        loop {
            let (stream, peer) = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    // Too many open files, or a peer that has gone again.
                    Err(error) => {
                        eprintln!("warning: no connection: {error}");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                told = &mut stop => {
                    told?;
                    break;
                }
            };
            let stream = Sending::accepted(stream, SEND);
            let mut told = end.subscribe();
            let told = async move {
                let _ends = told.changed().await;
            };
            let mut service = Extending { inner: service.clone(), extensions: Extensions::new() };
            service.extensions.insert(Peer(peer));
            #[cfg(feature = "tls")]
            let tls = self.tls.clone();
            tokio::spawn(async move {
                #[cfg(feature = "tls")]
                if let Some(tls) = tls {
                    // Within the task: who does not finish the handshake keeps nobody waiting.
                    if let Ok(Ok((stream, presented))) = timeout(HEAD, tls.accept(stream)).await {
                        let certificate = presented.and_then(|one| one.certificate(&tls));
                        certificate.map(|certificate| service.extensions.insert(certificate));
                        let service = TowerToHyperService::new(service);
                        serve_connection(stream, service, SEND, told).await;
                    }
                    return;
                }
                let service = TowerToHyperService::new(service);
                serve_connection(stream, service, SEND, told).await;
            });
        }
        drop(self.listener);
        end.send_replace(());
        let _late = timeout(LAST, end.closed()).await;
        Ok(())
    }
}

/// A service whose requests have the extensions of their connection.
#[derive(Clone)]
struct Extending<S> {
    inner: S,
    extensions: Extensions,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Extending<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().extend(self.extensions.clone());
        self.inner.call(request)
    }
}

/// Serves a connection until it ends, over HTTP/1.1, or with the feature `http2` over HTTP/2 if that is what the peer begins
/// with. It ends with the requests in hand when it is `told` to, and when there was none for half a minute or a whole one.
///
/// A stream of HTTP/2 is reset when its caller takes nothing of the answer for `send`. Where that cannot be, for a caller that
/// shuts its windows, the connection is asked to end, within half a minute, and is cut off when nobody has a request of it
/// any more, after ten minutes at most. [`Sending`] ends a connection of which nothing is taken.
pub async fn serve_connection<I, S, B>(
    stream: I,
    service: S,
    send: Duration,
    told: impl Future<Output = ()>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        >,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let requests = Requests::default();
    let counted = requests.clone();
    // No `async fn`: it would move the future of the service, which is large, twice.
    let service = service_fn(move |request| {
        let begun = counted.begin();
        #[cfg(not(feature = "http2"))]
        let answered = |body| Guarded::new(body, begun);
        #[cfg(feature = "http2")]
        let answered = |body| streams::Taken::new(Guarded::new(body, begun));
        service.call(request).map_ok(|answer| answer.map(answered))
    });
    #[cfg(not(feature = "http2"))]
    let connection = {
        let _for_http2 = send;
        let mut http1 = hyper::server::conn::http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
        http1.serve_connection(TokioIo::new(stream), service)
    };
    #[cfg(feature = "http2")]
    let connection = {
        let streams = streams::Streams { limit: send, requests: requests.clone() };
        let mut builder = auto::Builder::new(streams);
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
        // HTTP/2 has no such setting. A peer that stops within a head does not answer pings for long.
        let mut http2 = builder.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(HEAD).keep_alive_timeout(HEAD);
        http2.max_send_buf_size(BUFFER).max_concurrent_streams(STREAMS);
        // What a service leaves unread of one stream keeps no other waiting.
        http2.initial_stream_window_size(WINDOW).initial_connection_window_size(STREAMS * WINDOW);
        let stream = first::First::new(stream, HEAD);
        builder.serve_connection(TokioIo::new(stream), service).into_owned()
    };
    // A connection that breaks concerns only its peer.
    Eager::new(idle::run(connection, requests, told, TIMES)).await;
}

mod eager;
#[cfg(feature = "http2")]
mod first;
mod idle;
mod send;
#[cfg(feature = "http2")]
mod streams;
#[cfg(feature = "tls")]
mod tls;

pub use send::Sending;
#[cfg(feature = "tls")]
pub use tls::{PresentedCertificate, Tls};

use eager::Eager;
use idle::{Requests, Times};

/// Waits for what asks a process to stop.
async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
#[cfg(feature = "http2")]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{convert::Infallible, future::pending};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::client::conn::http2;
    use hyper_util::rt::TokioExecutor;
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn body_that_is_not_read_keeps_no_other_from_coming() {
        let (stream, peer) = duplex(64 * 1024);
        let service = service_fn(|request: Request<Incoming>| async move {
            if request.uri().path() == "/unread" {
                pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(
                request.collect().await.unwrap().to_bytes(),
            )))
        });
        tokio::spawn(serve_connection(stream, service, SEND, pending()));
        let builder = http2::Builder::new(TokioExecutor::new());
        let (mut caller, connection) = builder.handshake(TokioIo::new(peer)).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..8 {
            let upload =
                Request::post("/unread").body(Full::new(Bytes::from(vec![0; 4 * 1024 * 1024])));
            tokio::spawn(caller.send_request(upload.unwrap()));
        }
        // Until nothing of them moves any more.
        sleep(Duration::from_secs(1)).await;
        let request = Request::post("/").body(Full::new(Bytes::from("a form"))).unwrap();
        let answer = timeout(Duration::from_secs(1), caller.send_request(request)).await;
        let answer = answer.unwrap().unwrap().collect().await.unwrap();
        assert_eq!(answer.to_bytes(), Bytes::from("a form"));
    }
}
