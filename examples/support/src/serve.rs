//! Serving, with the deadlines that a server on the internet needs.

use std::{io, net::SocketAddr, time::Duration};

use http_body::Body;
use hyper::{Request, Response, body::Incoming, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower_client_auth::BoxError;
use tower_service::Service;

/// The time that the head of a request may take to arrive, counted from the request before it: a
/// connection that is idle for as long is closed. What the body may take is a setting of the layer
/// that authenticates, `body_deadline`.
const HEAD: Duration = Duration::from_secs(30);
/// The time that requests may still take when the server is told to stop.
const LAST: Duration = Duration::from_secs(3);

/// The address that a request came from, in its extensions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Peer(pub SocketAddr);

/// A server that has its address already.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// If it is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where it can be reached.
    #[must_use]
    pub fn url(&self) -> String {
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
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
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
            let inner = TowerToHyperService::new(service.clone());
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                inner.call(request)
            });
            let connection = graceful.watch(connection(stream, service));
            tokio::spawn(async move {
                // A connection that breaks concerns only its peer.
                let _closed = connection.await;
            });
        }
        drop(self.listener);
        let _late = timeout(LAST, graceful.shutdown()).await;
        Ok(())
    }
}

/// HTTP/1.1.
#[cfg(not(feature = "http2"))]
fn connection<S, B>(stream: TcpStream, service: S) -> impl GracefulConnection
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
}

/// HTTP/1.1, or HTTP/2 if that is what the peer begins with.
#[cfg(feature = "http2")]
fn connection<S, B>(stream: TcpStream, service: S) -> impl GracefulConnection
where
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        >,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    use hyper_util::{rt::TokioExecutor, server::conn::auto};

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    // HTTP/2 has no such setting. A peer that stops within a head does not answer pings for long.
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD).keep_alive_timeout(HEAD);
    let stream = first::First::new(stream, HEAD);
    builder.serve_connection(TokioIo::new(stream), service).into_owned()
}

#[cfg(feature = "http2")]
mod first;

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
