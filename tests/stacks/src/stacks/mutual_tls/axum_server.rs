//! axum-server with an acceptor around that of rustls.

use std::{io, pin::Pin, sync::Arc};

use ::axum::{Extension, middleware::AddExtension};
use ::axum_server::{
    accept::Accept,
    tls::{TlsInfo, TlsService},
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use ::rustls::server::danger::ClientCertVerifier;
use ::tower::Layer;
use http::StatusCode;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower_client_auth::mutual_tls::{ClientCertificate, MutualTls};

use super::{
    clients::{Fixture, Handle, app, thumbprint},
    pki::server,
};

/// An extension of each request: with that of axum-server it would have to be verified with each.
#[derive(Clone)]
struct Presented(Option<ClientCertificate>);

/// It shakes hands in the task of the connection, and has a time limit of its own.
#[derive(Clone)]
struct CertificateAcceptor {
    tls: RustlsAcceptor,
    pki: Arc<dyn ClientCertVerifier>,
}

impl<S: Send + 'static> Accept<TcpStream, S> for CertificateAcceptor {
    type Stream = TlsStream<TcpStream>;
    type Service = AddExtension<TlsService<S>, Presented>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { tls, pki } = self.clone();
        Box::pin(async move {
            let (stream, service) = tls.accept(stream, service).await?;
            let certificate = ClientCertificate::of(stream.get_ref().1, Some(&*pki));
            let presented = Presented(certificate.map_err(io::Error::other)?);
            Ok((stream, Extension(presented).layer(service)))
        })
    }
}

async fn serve() -> Fixture {
    Fixture::start(async |fixture, tcp| {
        let app = app(
            fixture,
            MutualTls::from_extension(|presented: &Presented| presented.0.clone().map(Ok)),
        );
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(fixture.server_config()));
        let acceptor = CertificateAcceptor { tls, pki: fixture.verifier() };
        let server = ::axum_server::from_tcp(tcp.into_std().unwrap()).unwrap().acceptor(acceptor);
        Handle::new(async move { server.serve(app.into_make_service()).await.unwrap() })
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

/// Without an acceptor of one's own, if TLS takes only certificates whose chain is good.
#[tokio::test]
async fn certificates_that_tls_verifies_need_no_acceptor() {
    let fixture = Fixture::start(async |fixture, tcp| {
        let mutual_tls = MutualTls::from_extension(|info: &Arc<TlsInfo>| {
            info.peer_certificates.first().map(|leaf| ClientCertificate::verified(leaf.as_slice()))
        });
        let app = app(fixture, mutual_tls);
        let config = Arc::new(server(&fixture.authority, fixture.verifier()));
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(config));
        let server = ::axum_server::from_tcp(tcp.into_std().unwrap()).unwrap().acceptor(tls);
        Handle::new(async move { server.serve(app.into_make_service()).await.unwrap() })
    })
    .await;
    let answer = fixture.ask(Some(&fixture.issued), None, "client_id=p").await;
    let thumbprint = thumbprint(&fixture.issued);
    assert_eq!(answer, (StatusCode::OK, format!("p tls_client_auth {thumbprint}")));
}
