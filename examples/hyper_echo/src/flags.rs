//! The command line, most of which is for tests that compare answers: `--at UNIX_SECONDS` stops the
//! clock, `--mcp-python-sdk` and `--mcp-python-sdk-revocation` answer as the endpoints of that SDK do.
//! With the feature `jwt`, `--issuer URL` accepts assertions that are meant for this issuer, also JWT-SVIDs, and `--legacy-audience
//! URL`, as often as there are some, those that are meant for this endpoint.
//! With the feature `metadata-documents`, `--metadata-documents` and `--allow-loopback-documents` say which documents
//! identify clients.
//! With the feature `unstable-attestation` there are attestations; their flags are in `attestation.rs`.
//! With the feature `redis` `--redis URL` names a Redis for what was used, so that no other process with the same accepts it.
//! With the features `mtls` and `rustls` there are client certificates; their flags are in `certificates.rs`.

use std::net::SocketAddr;

use example_support::{Flags, Server, needs_feature};
use tower_client_auth::{BoxError, ClientAuthLayer, Clock, provider::MemoryProvider};

#[cfg(feature = "unstable-attestation")]
use crate::attestation::AttestationFlags;
#[cfg(feature = "mtls")]
use crate::certificates::CertificateFlags;
#[cfg(feature = "jwt")]
use crate::replay::ReplayFlags;

const USAGE: &str = "usage: hyper_echo --listen ADDR --clients FILE [--at UNIX_SECONDS] \
    [--issuer URL [--legacy-audience URL]...] [--metadata-documents any|HOST,HOST... \
    [--allow-loopback-documents CA.pem]] [--attesters FILE [--attestation-challenges \
    [--challenge-secret FILE] [--challenges-once]]] [--redis URL] [--mcp-python-sdk | --mcp-python-sdk-revocation] \
    [--client-cert-header NAME=ENCODING --trusted-hop ADDRESS... [--verified-if NAME=VALUE] | \
    --tls-cert FILE --tls-key FILE [--client-ca FILE]]";

pub(crate) type Layer = ClientAuthLayer<MemoryProvider>;

#[cfg(feature = "metadata-documents")]
pub(crate) use example_support::DocumentFlags;

/// There are none without the feature.
#[cfg(not(feature = "metadata-documents"))]
#[derive(Default)]
pub(crate) struct DocumentFlags(());

#[cfg(not(feature = "metadata-documents"))]
impl DocumentFlags {
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn take(&mut self, name: &str, _flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--metadata-documents" | "--allow-loopback-documents" => {
                Err(needs_feature(name, "metadata-documents"))
            }
            _ => Ok(false),
        }
    }
}

/// There are none without the feature.
#[cfg(not(feature = "mtls"))]
#[derive(Default)]
struct CertificateFlags(());

#[cfg(not(feature = "mtls"))]
impl CertificateFlags {
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn take(&mut self, name: &str, _flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--client-cert-header" | "--trusted-hop" | "--verified-if" => {
                Err(needs_feature(name, "mtls"))
            }
            "--tls-cert" | "--tls-key" | "--client-ca" => Err(needs_feature(name, "rustls")),
            _ => Ok(false),
        }
    }
}

/// There are none without the feature.
#[cfg(not(feature = "unstable-attestation"))]
#[derive(Default)]
struct AttestationFlags(());

#[cfg(not(feature = "unstable-attestation"))]
impl AttestationFlags {
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn take(&mut self, name: &str, _flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--attesters"
            | "--attestation-challenges"
            | "--challenge-secret"
            | "--challenges-once" => Err(needs_feature(name, "unstable-attestation")),
            _ => Ok(false),
        }
    }
}

/// Without assertions there is nothing to remember.
#[cfg(not(feature = "jwt"))]
#[derive(Default)]
struct ReplayFlags(());

#[cfg(not(feature = "jwt"))]
impl ReplayFlags {
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn take(&mut self, name: &str, _flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--redis" => Err(needs_feature(name, "redis")),
            _ => Ok(false),
        }
    }
}

/// What the command line asks for.
pub(crate) struct Setup {
    listen: SocketAddr,
    pub(crate) layer: Layer,
    pub(crate) documents: DocumentFlags,
    /// Whether there is a challenge endpoint.
    #[cfg(feature = "unstable-attestation")]
    pub(crate) challenges: bool,
    #[cfg(feature = "rustls")]
    tls: Option<example_support::Tls>,
}

impl Setup {
    /// Takes the address.
    pub(crate) async fn bind(&self) -> std::io::Result<Server> {
        let server = Server::bind(self.listen).await?;
        #[cfg(feature = "rustls")]
        if let Some(tls) = &self.tls {
            return Ok(server.tls(tls.clone()));
        }
        Ok(server)
    }
}

pub(crate) fn read() -> Result<Setup, BoxError> {
    let (mut listen, mut clients, mut at, mut issuer) = (None, None, None, None);
    let (mut audiences, mut documents) = (Vec::new(), DocumentFlags::default());
    let (mut certificates, mut attestation) =
        (CertificateFlags::default(), AttestationFlags::default());
    let mut replay = ReplayFlags::default();
    let mut new: fn(MemoryProvider) -> Layer = ClientAuthLayer::new;
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = Some(flags.address()?),
            "--clients" => clients = Some(flags.value::<String>()?),
            "--at" => at = Some(flags.value::<i64>()?),
            "--mcp-python-sdk" => new = ClientAuthLayer::mcp_python_sdk,
            "--mcp-python-sdk-revocation" => new = ClientAuthLayer::mcp_python_sdk_revocation,
            "--issuer" | "--legacy-audience" if cfg!(not(feature = "jwt")) => {
                return Err(needs_feature(&name, "jwt"));
            }
            "--issuer" => issuer = Some(flags.value::<String>()?),
            "--legacy-audience" => audiences.push(flags.value::<String>()?),
            name if documents.take(name, &mut flags)? => {}
            name if certificates.take(name, &mut flags)? => {}
            name if attestation.take(name, &mut flags)? => {}
            name if replay.take(name, &mut flags)? => {}
            _ => return Err(flags.unknown()),
        }
    }
    let (Some(listen), Some(clients)) = (listen, clients) else { return Err(flags.usage()) };
    let (clients, invalid) = MemoryProvider::from_json_file(clients)?;
    for record in invalid {
        eprintln!("warning: {record}");
    }
    let clock = at.map_or_else(Clock::system, Clock::fixed);
    let layer = new(clients).clock(clock.clone());
    #[cfg(feature = "jwt")]
    let replay = replay.store(&clock)?;
    #[cfg(feature = "unstable-attestation")]
    let layer = match attestation.attesters(issuer.as_deref(), replay.clone())? {
        Some(attesters) => layer.attestation(attesters),
        None => layer,
    };
    let layer = match issuer {
        Some(issuer) => accept_assertions(layer, &issuer, audiences, replay, &documents)?,
        None => layer,
    };
    #[cfg(feature = "mtls")]
    let layer = match certificates.mutual_tls()? {
        Some(mutual_tls) => layer.mutual_tls(mutual_tls),
        None => layer,
    };
    Ok(Setup {
        listen,
        layer,
        documents,
        #[cfg(feature = "unstable-attestation")]
        challenges: attestation.has_challenges(),
        #[cfg(feature = "rustls")]
        tls: certificates.tls()?,
    })
}

#[cfg(feature = "jwt")]
fn accept_assertions(
    layer: Layer,
    issuer: &str,
    audiences: Vec<String>,
    replay: crate::replay::Used,
    documents: &DocumentFlags,
) -> Result<Layer, BoxError> {
    use tower_client_auth::assertion::Assertions;

    let assertions = Assertions::new(issuer, replay)?.legacy_audiences(audiences).spiffe_jwt();
    #[cfg(feature = "metadata-documents")]
    let assertions = assertions.jwks_source(documents.jwks_source()?);
    #[cfg(not(feature = "metadata-documents"))]
    let _ = documents;
    Ok(layer.assertions(assertions))
}

#[cfg(not(feature = "jwt"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn accept_assertions(
    layer: Layer,
    _issuer: &str,
    _audiences: Vec<String>,
    _replay: ReplayFlags,
    _documents: &DocumentFlags,
) -> Result<Layer, BoxError> {
    Ok(layer)
}
