//! TLS with and without a certificate of the client.

use std::{fmt, path::Path, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    },
    server::TlsStream,
};
use tower_client_auth::{
    BoxError,
    mutual_tls::{AnyClientCertificate, ClientCertificate},
};

/// How a server speaks TLS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    /// Whose certificates are verified.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    made_of: Arc<MadeOf>,
}

#[derive(PartialEq, Eq)]
struct MadeOf {
    chain: Vec<CertificateDer<'static>>,
    /// Of client certificates. Empty if any is taken and none is verified, and `None` if none is asked for.
    authorities: Option<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// From PEM files: the chain of the server and its key. Clients are not asked for a certificate.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or used.
    pub fn without_clients(chain: &Path, key: &Path) -> Result<Self, BoxError> {
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, error))?;
        let made_of = MadeOf { chain: certificates(chain)?, authorities: None };
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(made_of.chain.clone(), key)?;
        Ok(Self::new(config, None, made_of))
    }

    /// From PEM files: the chain of the server and its key, and the authorities of client certificates,
    /// without which none of these is verified. Clients may present any certificate, and none.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or used.
    pub fn from_pem_files(
        chain: &Path,
        key: &Path,
        authorities: Option<&Path>,
    ) -> Result<Self, BoxError> {
        let provider = Arc::new(default_provider());
        let trusted = authorities.map(certificates).transpose()?.unwrap_or_default();
        let authorities = match authorities {
            Some(_) => {
                let mut roots = RootCertStore::empty();
                for authority in &trusted {
                    roots.add(authority.clone())?;
                }
                let roots = Arc::new(roots);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Some(verifier.build()?)
            }
            None => None,
        };
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, error))?;
        let made_of = MadeOf { chain: certificates(chain)?, authorities: Some(trusted) };
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClientCertificate::new(&provider)))
            .with_single_cert(made_of.chain.clone(), key)?;
        Ok(Self::new(config, authorities, made_of))
    }

    fn new(
        mut config: ServerConfig,
        authorities: Option<Arc<dyn ClientCertVerifier>>,
        made_of: MadeOf,
    ) -> Self {
        if cfg!(feature = "http2") {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Self { acceptor: Arc::new(config).into(), authorities, made_of: Arc::new(made_of) }
    }

    /// Whether the certificate of the server and the authorities of clients are the same ones, so that a connection that
    /// began with the one could have begun with the other.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.made_of == other.made_of
    }

    /// Shakes hands, and verifies the certificate after it: rustls does not do that again where a
    /// session is resumed.
    ///
    /// # Errors
    ///
    /// If the handshake fails, or the certificate of the client cannot be read.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<ClientCertificate>), BoxError> {
        let stream = self.acceptor.accept(stream).await?;
        let certificate = ClientCertificate::of(stream.get_ref().1, self.authorities.as_deref())?;
        Ok((stream, certificate))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| named(file, error))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| named(file, error))?;
    if certificates.is_empty() {
        return Err(named(file, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn named(file: &Path, error: impl fmt::Display) -> BoxError {
    format!("{}: {error}", file.display()).into()
}
