//! Sockets: what is accepted from them, and how they are given up.

use std::{io, net::SocketAddr, path::PathBuf, task::Poll, time::Duration};

use example_support::{Peer, Sending, Tls, serve_connection};
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tower_client_auth::{BoxError, Clock};

use crate::{
    admission::{Admission, Admitted},
    config,
};

/// The time that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) tls: Option<Tls>,
    /// For which a caller may take nothing of an answer.
    pub(crate) send: Duration,
}

impl Settings {
    /// Whether connections that began with `old` could have begun with these.
    fn keep(&self, old: &Self) -> bool {
        match (&self.tls, &old.tls) {
            (Some(tls), Some(old)) => tls.is_equivalent(old),
            (tls, old) => tls.is_none() && old.is_none(),
        }
    }
}

/// A socket that is listened on.
pub(crate) struct Listening {
    /// As it is configured: port 0 is any.
    pub(crate) address: SocketAddr,
    settings: watch::Sender<Settings>,
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

/// One that is not accepted from yet.
pub(crate) struct Bound {
    address: SocketAddr,
    listener: TcpListener,
}

impl Bound {
    pub(crate) async fn new(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        Ok(Self { address, listener })
    }

    /// Where it can be reached.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Begins to accept.
    pub(crate) fn serve<S, F, B, E>(
        self,
        settings: Settings,
        admission: Admission,
        service: S,
    ) -> Listening
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let Self { address, listener } = self;
        let (settings, current) = watch::channel(settings);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, current, admission, service, stopped));
        Listening { address, settings, stop, task }
    }
}

impl Listening {
    /// For connections from now on. Those that began with another certificate, or whose certificate was judged by other
    /// authorities, end with the request in hand.
    pub(crate) fn set(&self, settings: Settings) {
        self.settings.send_replace(settings);
    }

    /// Accepts no more, and lets what has begun take this long: what is left then is cut off. The task ends with it.
    pub(crate) fn stop(self, drain: Duration) -> JoinHandle<()> {
        // It is there for as long as nobody stops it.
        let _gone = self.stop.send(drain);
        self.task
    }
}

async fn accept<S, F, B, E>(
    listener: TcpListener,
    mut settings: watch::Receiver<Settings>,
    admission: Admission,
    service: S,
    mut stopped: oneshot::Receiver<Duration>,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let watched = settings.clone();
    let mut current = settings.borrow_and_update().clone();
    // Connections end when it is dropped.
    let mut ending = watch::Sender::new(());
    let mut connections = JoinSet::new();
    let serve = |stream: TcpStream,
                 peer: SocketAddr,
                 admitted: Admitted,
                 begun: Settings,
                 mut told: watch::Receiver<()>| {
        let (service, settings, Settings { tls, send }) = (service.clone(), watched.clone(), begun);
        async move {
            // Until the descriptor is given back.
            let _admitted = admitted;
            let stream = Sending::accepted(stream, send);
            let told = async move { while told.changed().await.is_ok() {} };
            if let Some(tls) = tls {
                // Within the task: who does not finish the handshake keeps nobody waiting.
                let accepted = timeout(HANDSHAKE, tls.accept(stream)).await;
                let (stream, presented) = match accepted {
                    Ok(Ok(accepted)) => accepted,
                    Ok(Err(error)) => return tracing::debug!(%peer, error, "no TLS"),
                    Err(_elapsed) => return tracing::debug!(%peer, "no TLS in time"),
                };
                let expired = presented.as_ref().map(|one| one.expired(&Clock::system()));
                let told = async move {
                    let Some(expired) = expired else { return told.await };
                    tokio::select! { () = told => {}, () = expired => {} }
                };
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(Peer::from(peer));
                    if let Some(presented) = &presented {
                        // A caller of HTTP/2 may go on for long after it was told that the connection ends.
                        let tls = settings.borrow().tls.clone();
                        let certificate = tls.and_then(|tls| presented.certificate(&tls));
                        certificate.map(|certificate| request.extensions_mut().insert(certificate));
                    }
                    service(request)
                });
                serve_connection(stream, service, send, told).await;
            } else {
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(Peer::from(peer));
                    service(request)
                });
                serve_connection(stream, service, send, told).await;
            }
        }
    };
    let drain = loop {
        tokio::select! {
            // A connection that is accepted after a change is one of the new ones.
            biased;
            Ok(()) = settings.changed() => {
                let new = settings.borrow_and_update().clone();
                if new.keep(&current) {
                    // With its sessions.
                    current.send = new.send;
                } else {
                    current = new;
                    ending = watch::Sender::new(());
                }
            }
            drain = &mut stopped => break drain.unwrap_or_default(),
            // Those that have ended are forgotten.
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(admitted) = admission.admit(peer.ip()) {
                        let (begun, told) = (current.clone(), ending.subscribe());
                        connections.spawn(serve(stream, peer, admitted, begun, told));
                    }
                }
                // Too many open files, or a peer that has gone again.
                Err(error) => {
                    tracing::warn!(%error, "no connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    };
    // Who is in the queue has been told that there is a connection.
    while let Poll::Ready(Ok((stream, peer))) =
        std::future::poll_fn(|context| Poll::Ready(listener.poll_accept(context))).await
    {
        if let Some(admitted) = admission.admit(peer.ip()) {
            connections.spawn(serve(stream, peer, admitted, current.clone(), ending.subscribe()));
        }
    }
    drop((listener, ending));
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, ended).await.is_err() {
        connections.shutdown().await;
        tracing::warn!(seconds = drain.as_secs(), "connections were cut off");
    }
}

/// What a listener needs to speak TLS.
pub(crate) fn tls(config: &config::Tls) -> Result<Tls, BoxError> {
    let config::Tls { certificate, key, client_ca, client_certificates, .. } = config;
    let authorities = client_ca.as_ref().map(|file: &config::At<PathBuf>| &*file.value);
    if *client_certificates {
        Tls::from_pem_files(&certificate.value, &key.value, authorities)
    } else {
        Tls::without_clients(&certificate.value, &key.value)
    }
}
