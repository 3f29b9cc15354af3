//! TLS that takes any certificate of a client, and says which ones are verified.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    },
    server::TlsStream,
};
use tower_client_auth::{
    BoxError,
    mutual_tls::{AnyClientCertificate, ClientCertificate},
};

use crate::pki::Pki;

#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    /// Verifies the certificates of clients. Its authorities are your own ones: of public ones anybody has
    /// certificates (RFC 8705 §7.4).
    authorities: Arc<dyn ClientCertVerifier>,
}

impl Tls {
    pub(crate) fn new(pki: &Pki) -> Result<Self, BoxError> {
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(pki.authority())?;
        let authorities =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (chain, key) = pki.server();
        // If the authorities were asked in the handshake, self-signed certificates would end it.
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClientCertificate::new(&provider)))
            .with_single_cert(chain, key)?;
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(Self { acceptor: Arc::new(config).into(), authorities: authorities.build()? })
    }

    /// Shakes hands, and reads the certificate: once for all requests of the connection. One that cannot be
    /// read is an error, and ends the connection.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<ClientCertificate>), BoxError> {
        let stream = self.acceptor.accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let certificate = ClientCertificate::of(connection, Some(&*self.authorities))?;
        Ok((stream, certificate))
    }
}
