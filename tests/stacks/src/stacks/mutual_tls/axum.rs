//! `axum::serve` with a listener that speaks TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ::axum::{
    extract::connect_info::{ConnectInfo, Connected},
    serve::{IncomingStream, Listener},
};
use ::rustls::{ServerConfig, server::danger::ClientCertVerifier};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower_client_auth::{
    BoxError,
    mutual_tls::{ClientCertificate, MutualTls},
};

use super::clients::{Fixture, Handle, app};

/// The peer of a connection, and the certificate that it presented.
#[derive(Clone, Debug)]
struct Peer {
    #[expect(dead_code, reason = "it is what applications look for here")]
    address: SocketAddr,
    certificate: Option<ClientCertificate>,
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Each handshake has a task of its own. In `accept`, which is called for one connection after the other, one
/// peer that does not go on would stop them all.
struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Peer)>,
}

impl TlsListener {
    fn new(
        tcp: TcpListener,
        config: Arc<ServerConfig>,
        pki: Arc<dyn ClientCertVerifier>,
    ) -> io::Result<Self> {
        let (sender, ready) = mpsc::channel(16);
        let (address, acceptor) = (tcp.local_addr()?, TlsAcceptor::from(config));
        let accept = async move {
            loop {
                let Ok((stream, address)) = tcp.accept().await else {
                    // Too many open files, or a peer that has gone again.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (acceptor, pki, sender) = (acceptor.clone(), Arc::clone(&pki), sender.clone());
                tokio::spawn(async move {
                    let handshake = shake_hands(stream, address, &acceptor, &*pki);
                    match timeout(Duration::from_secs(10), handshake).await {
                        Ok(Ok(ready)) => drop(sender.send(ready).await),
                        Ok(Err(error)) => eprintln!("{address}: no handshake: {error}"),
                        Err(_) => eprintln!("{address}: no handshake in ten seconds"),
                    }
                });
            }
        };
        tokio::spawn(accept);
        Ok(Self { address, ready })
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    pki: &dyn ClientCertVerifier,
) -> Result<(TlsStream<TcpStream>, Peer), BoxError> {
    let stream = acceptor.accept(stream).await?;
    let certificate = ClientCertificate::of(stream.get_ref().1, Some(pki))?;
    Ok((stream, Peer { address, certificate }))
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The runtime is about to end.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.address, certificate: None })
    }
}

async fn serve() -> Fixture {
    Fixture::start(async |fixture, tcp| {
        let app = app(
            fixture,
            MutualTls::from_extension(|peer: &ConnectInfo<Peer>| {
                peer.0.certificate.clone().map(Ok)
            }),
        );
        let listener = TlsListener::new(tcp, fixture.server_config(), fixture.verifier()).unwrap();
        let service = app.into_make_service_with_connect_info::<Peer>();
        Handle::new(async move { ::axum::serve(listener, service).await.unwrap() })
    })
    .await
}

#[tokio::test]
async fn both_methods_are_served() {
    serve().await.check().await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_stops_nobody() {
    serve().await.check_stuck_handshakes().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_finished_is_cut_off() {
    serve().await.check_cut_off().await;
}
