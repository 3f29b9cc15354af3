//! TLS with and without a certificate of the client.

use std::{
    fmt, fs,
    future::pending,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    },
    server::TlsStream,
};
use tower_client_auth::{
    BoxError, Clock,
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
        let made_of = MadeOf { chain: certificates(chain)?, authorities: None };
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(made_of.chain.clone(), private_key(key)?)
            .map_err(|error| unusable(chain, key, &error))?;
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
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for authority in &trusted {
                    roots.add(authority.clone()).map_err(|error| named(file, error))?;
                }
                let roots = Arc::new(roots);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Some(verifier.build()?)
            }
            None => None,
        };
        let made_of = MadeOf { chain: certificates(chain)?, authorities: Some(trusted) };
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClientCertificate::new(&provider)))
            .with_single_cert(made_of.chain.clone(), private_key(key)?)
            .map_err(|error| unusable(chain, key, &error))?;
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

    /// Shakes hands. The certificate is judged after it, when it is [asked for](PresentedCertificate::certificate): rustls does not
    /// do that again where a session is resumed.
    ///
    /// # Errors
    ///
    /// If the handshake fails, or the certificate of the client cannot be read.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<PresentedCertificate>), BoxError> {
        let stream = self.acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let presented = PresentedCertificate::new(chain, self)?;
        Ok((stream, presented))
    }
}

/// The time after which a chain that was accepted is judged again: it may have expired.
const JUDGED: Duration = Duration::from_secs(60);

/// How often the clock is looked at, which somebody may have set, for a certificate that expires later.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// What a client presented in the handshake of a connection, which may be open for long.
pub struct PresentedCertificate {
    chain: Vec<CertificateDer<'static>>,
    judged: Mutex<Judged>,
}

struct Judged {
    by: Arc<MadeOf>,
    at: Instant,
    certificate: ClientCertificate,
}

impl fmt::Debug for PresentedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedCertificate").finish_non_exhaustive()
    }
}

impl PresentedCertificate {
    fn new(chain: &[CertificateDer<'_>], tls: &Tls) -> Result<Option<Self>, BoxError> {
        let Some(judged) = Judged::new(chain, tls)? else { return Ok(None) };
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Ok(Some(Self { chain, judged: Mutex::new(judged) }))
    }

    /// The certificate as `tls` judges it, which may be another one than at the handshake. There is none if `tls` asks
    /// for none.
    ///
    /// Only a chain that was accepted is judged again as time passes. One that was refused is not mended by it, and
    /// strangers have such: it waits for other authorities, or for a new connection if it was not valid yet.
    pub fn certificate(&self, tls: &Tls) -> Option<ClientCertificate> {
        tls.made_of.authorities.as_ref()?;
        if let Some(certificate) = self.last(tls) {
            return Some(certificate);
        }
        // Without the lock, for which the other requests of the connection would wait.
        let judged = Judged::new(&self.chain, tls).ok()??;
        let certificate = judged.certificate.clone();
        *self.judged() = judged;
        Some(certificate)
    }

    /// What was found before, if that is still true.
    fn last(&self, tls: &Tls) -> Option<ClientCertificate> {
        let mut judged = self.judged();
        if !Arc::ptr_eq(&judged.by, &tls.made_of) {
            if judged.by.authorities != tls.made_of.authorities {
                return None;
            }
            judged.by = Arc::clone(&tls.made_of);
        }
        let may_have_expired = judged.certificate.is_verified() && judged.at.elapsed() >= JUDGED;
        (!may_have_expired).then(|| judged.certificate.clone())
    }

    /// Waits until the certificate has expired, if it was verified: from then on its client is refused, and needs another
    /// connection for its next one. One that nobody verified counts whatever its dates are.
    pub fn expired(&self, clock: &Clock) -> impl Future<Output = ()> + use<> {
        let judged = self.judged();
        let verified = Some(&judged.certificate).filter(|certificate| certificate.is_verified());
        let (not_after, clock) = (verified.map(ClientCertificate::not_after), clock.clone());
        async move {
            let Some(not_after) = not_after else { return pending().await };
            // Its last second is one of its own.
            while let Ok(left) = u64::try_from(not_after.saturating_sub(clock.unix_seconds())) {
                sleep(Duration::from_secs(left.saturating_add(1)).min(LOOK)).await;
            }
        }
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judged {
    fn new(chain: &[CertificateDer<'_>], tls: &Tls) -> Result<Option<Self>, BoxError> {
        let certificate = ClientCertificate::of_chain(chain, tls.authorities.as_deref())?;
        let (by, at) = (Arc::clone(&tls.made_of), Instant::now());
        Ok(certificate.map(|certificate| Self { by, at, certificate }))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| named(file, error))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| named(file, error))?;
    if certificates.is_empty() {
        return Err(absent(file, "certificate"));
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, BoxError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => absent(file, "private key"),
        error => named(file, error),
    })
}

/// Says what is there instead.
fn absent(file: &Path, wanted: &str) -> BoxError {
    let text = fs::read(file).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let labels = lines.filter_map(|line| {
        let label = line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
        // What is none may be anything.
        let is_label = label.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' ');
        str::from_utf8(label).ok().filter(|_| is_label)
    });
    let mut labels: Vec<_> = labels.collect();
    labels.dedup();
    let found = if labels.is_empty() {
        "it is no PEM".to_owned()
    } else {
        format!("it has `{}`", labels.join("`, `"))
    };
    named(file, format_args!("there is no {wanted} in it: {found}"))
}

fn unusable(chain: &Path, key: &Path, error: &rustls::Error) -> BoxError {
    let (chain, key) = (chain.display(), key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{key}: it is not the key of the first certificate in {chain}").into()
        }
        error => format!("{chain} with {key}: {error}").into(),
    }
}

fn named(file: &Path, error: impl fmt::Display) -> BoxError {
    format!("{}: {error}", file.display()).into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Weak,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
    };

    use rcgen::{CertificateParams, KeyPair};
    use tokio::time::{advance, pause, timeout};
    use tokio_rustls::rustls::{
        CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
        client::danger::HandshakeSignatureValid,
        pki_types::UnixTime,
        server::{ClientHello, ResolvesServerCert, danger::ClientCertVerified},
        sign::CertifiedKey,
    };

    use super::*;

    /// The authority of one certificate, for as long as that has not expired.
    #[derive(Debug)]
    struct Authority {
        issued: CertificateDer<'static>,
        is_expired: AtomicBool,
        asked: AtomicUsize,
        /// The connection that asks, and whether another request on it would have had to wait meanwhile.
        asking: Mutex<(Weak<PresentedCertificate>, bool)>,
    }

    impl Authority {
        fn new(issued: CertificateDer<'static>, is_expired: bool) -> Self {
            Self {
                issued,
                is_expired: AtomicBool::new(is_expired),
                asked: AtomicUsize::new(0),
                asking: Mutex::default(),
            }
        }
    }

    impl ClientCertVerifier for Authority {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn verify_client_cert(
            &self,
            leaf: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _now: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut asking = self.asking.lock().unwrap();
            let presented = asking.0.upgrade();
            asking.1 |= presented.is_some_and(|presented| presented.judged.try_lock().is_err());
            if *leaf == self.issued && !self.is_expired.load(Ordering::Relaxed) {
                return Ok(ClientCertVerified::assertion());
            }
            Err(CertificateError::Expired.into())
        }

        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _leaf: &CertificateDer<'_>,
            _signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::HandshakeNotComplete)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verify_tls12_signature(message, leaf, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Vec::new()
        }
    }

    #[derive(Debug)]
    struct NoServer;

    impl ResolvesServerCert for NoServer {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }

    fn issued() -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        CertificateParams::default().self_signed(&key).unwrap().der().clone()
    }

    /// With this authority, or one that asks for no certificate.
    fn tls(authority: Option<&Arc<Authority>>) -> Tls {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoServer));
        let authorities = authority.map(|authority| vec![authority.issued.clone()]);
        let made_of = MadeOf { chain: Vec::new(), authorities };
        Tls::new(config, authority.map(|authority| Arc::clone(authority) as _), made_of)
    }

    fn authority() -> Arc<Authority> {
        Arc::new(Authority::new(issued(), false))
    }

    fn is_verified(presented: &PresentedCertificate, tls: &Tls) -> Option<bool> {
        presented.certificate(tls).map(|certificate| certificate.is_verified())
    }

    #[tokio::test]
    async fn certificate_that_expires_on_an_open_connection_is_refused_within_a_minute() {
        pause();
        let authority = authority();
        let tls = tls(Some(&authority));
        let chain = [authority.issued.clone()];
        let presented = PresentedCertificate::new(&chain, &tls).unwrap().unwrap();
        advance(JUDGED * 2).await;
        assert_eq!(is_verified(&presented, &tls), Some(true));
        authority.is_expired.store(true, Ordering::Relaxed);
        advance(JUDGED).await;
        assert_eq!(is_verified(&presented, &tls), Some(false));
    }

    /// One that expires so many seconds after 1970 began.
    fn expiring(not_after: u64, is_verified: bool) -> PresentedCertificate {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        params.not_after = params.not_before + Duration::from_secs(not_after);
        let issued = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let authority = Authority::new(issued.clone(), !is_verified);
        let presented = PresentedCertificate::new(&[issued], &tls(Some(&Arc::new(authority))));
        presented.unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn certificate_expires_behind_its_last_second() {
        let clock = Clock::fixed(1_000);
        let mut expired = pin!(expiring(10_000, true).expired(&clock));
        // For as long as the clock stands still.
        assert!(timeout(3 * LOOK, &mut expired).await.is_err());
        clock.advance(Duration::from_secs(9_000));
        assert!(timeout(2 * LOOK, &mut expired).await.is_err());
        clock.advance(Duration::from_secs(1));
        assert!(timeout(Duration::from_secs(2), expired).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn certificate_that_nobody_verified_does_not_expire() {
        let expired = expiring(10_000, false).expired(&Clock::fixed(20_000));
        assert!(timeout(9 * LOOK, expired).await.is_err());
    }

    #[tokio::test]
    async fn certificate_is_judged_by_the_authorities_of_now() {
        let (old, new) = (authority(), authority());
        let [by_old, by_new] = [&old, &new].map(|authority| tls(Some(authority)));
        let chain = [old.issued.clone()];
        let presented = PresentedCertificate::new(&chain, &by_old).unwrap().unwrap();
        assert_eq!(is_verified(&presented, &by_old), Some(true));
        assert_eq!(is_verified(&presented, &by_new), Some(false));
        assert_eq!(is_verified(&presented, &tls(None)), None);
        assert_eq!(is_verified(&presented, &by_old), Some(true));
    }

    #[tokio::test]
    async fn refused_chain_is_judged_again_by_other_authorities_alone() {
        pause();
        let (authority, other) = (authority(), authority());
        let chain = [other.issued.clone()];
        let presented = PresentedCertificate::new(&chain, &tls(Some(&authority))).unwrap().unwrap();
        let asked = || authority.asked.load(Ordering::Relaxed);
        assert_eq!(asked(), 1);
        advance(JUDGED * 2).await;
        // Read again from files that have not changed.
        assert_eq!(is_verified(&presented, &tls(Some(&authority))), Some(false));
        assert_eq!(asked(), 1);
        assert_eq!(is_verified(&presented, &tls(Some(&other))), Some(true));
    }

    #[tokio::test]
    async fn request_does_not_wait_for_another_whose_chain_is_judged() {
        pause();
        let authority = authority();
        let tls = tls(Some(&authority));
        let chain = [authority.issued.clone()];
        let presented = Arc::new(PresentedCertificate::new(&chain, &tls).unwrap().unwrap());
        authority.asking.lock().unwrap().0 = Arc::downgrade(&presented);
        advance(JUDGED).await;
        let asked = authority.asked.load(Ordering::Relaxed);
        assert_eq!(is_verified(&presented, &tls), Some(true));
        assert_ne!(authority.asked.load(Ordering::Relaxed), asked);
        let (_connection, would_wait) = &*authority.asking.lock().unwrap();
        assert!(!would_wait);
    }
}
