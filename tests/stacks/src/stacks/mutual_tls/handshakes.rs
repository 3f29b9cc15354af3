//! Whole handshakes, in memory.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use rcgen::{CertificateParams, CustomExtension, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind,
    ServerConfig, ServerConnection, SignatureScheme, SupportedProtocolVersion,
    client::{Resumption, danger::HandshakeSignatureValid},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::{TLS12, TLS13},
};
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ClientAuthLayer, RegisteredClient,
    mutual_tls::{AnyClientCertificate, CertificateSubject, ClientCertificate, MutualTls},
    provider::MemoryProvider,
};

use super::pki::{
    Authority, Identity, client, client_signing_with, params, provider, self_signed, server,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn any(own: &Authority) -> Arc<ServerConfig> {
    Arc::new(server(own, Arc::new(AnyClientCertificate::new(&provider()))))
}

/// The connection of the server, when the handshake is over.
pub(super) fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<ServerConnection, Error> {
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    assert!(ClientCertificate::of(&server, None).unwrap().is_none());
    while client.wants_write() || server.wants_write() {
        let mut sent = Vec::new();
        client.write_tls(&mut sent).unwrap();
        server.read_tls(&mut &*sent).unwrap();
        server.process_new_packets()?;
        sent.clear();
        server.write_tls(&mut sent).unwrap();
        client.read_tls(&mut &*sent).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server)
}

/// Whether the certificate is verified. It is that of the client.
#[track_caller]
fn is_verified(
    connection: &ServerConnection,
    identity: &Identity,
    pki: Option<&dyn ClientCertVerifier>,
) -> bool {
    let certificate = ClientCertificate::of(connection, pki).unwrap().unwrap();
    assert_eq!(certificate.der(), identity.leaf().as_ref());
    assert_eq!(certificate.subject(), "CN=p");
    certificate.is_verified()
}

#[test]
fn rfc8705_2_1_a_certificate_is_verified_if_its_chain_leads_to_the_authority() {
    let (authority, other) = (Authority::new("ca"), Authority::new("ca"));
    let through = authority.intermediate("between");
    let mut with_chain = through.client("p");
    with_chain.chain.push(through.certificate());
    let mut padded = other.client("p");
    padded.chain.push(authority.client("q").chain.remove(0));
    let mut expired = params("p");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = params("p");
    early.not_before = date_time_ymd(2200, 1, 1);
    let config = any(&authority);
    for (identity, verified) in [
        (authority.client("p"), true),
        (with_chain, true),
        (through.client("p"), false),
        (other.client("p"), false),
        // A good certificate of somebody else behind it.
        (padded, false),
        (self_signed(&params("p")), false),
        (authority.issue(&expired), false),
        (authority.issue(&early), false),
    ] {
        for version in VERSIONS {
            let client = Arc::new(client(&authority, version, Some(&identity)));
            let connection = handshake(&client, &config).unwrap();
            assert_eq!(connection.protocol_version(), Some(version.version));
            let pki = authority.verifier();
            assert_eq!(is_verified(&connection, &identity, Some(&*pki)), verified);
            assert!(!is_verified(&connection, &identity, None));
        }
    }
}

// The one at hand is that of the listener.
#[test]
fn a_verifier_that_accepts_everything_verifies_nothing() {
    let authority = Authority::new("ca");
    let everything = AnyClientCertificate::new(&provider());
    let what_can_be_read = AfterReading(AnyClientCertificate::new(&provider()));
    for identity in [authority.client("p"), self_signed(&params("p"))] {
        let client = Arc::new(client(&authority, &TLS13, Some(&identity)));
        let connection = handshake(&client, &any(&authority)).unwrap();
        assert!(!is_verified(&connection, &identity, Some(&everything)));
        assert!(!is_verified(&connection, &identity, Some(&what_can_be_read)));
    }
}

/// As applications write one.
#[derive(Debug)]
struct AfterReading(AnyClientCertificate);

impl ClientCertVerifier for AfterReading {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        rustls::server::ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The operator is told what the verifier said.
#[tokio::test]
async fn cause_of_an_unverified_chain_is_the_source_of_the_error() {
    let (authority, other) = (Authority::new("ca"), Authority::new("ca"));
    let mut expired = params("p");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut of_a_server = params("p");
    of_a_server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    // Which the verifier names one by one.
    let mut of_many = params("p");
    of_many.extended_key_usages = (1..200)
        .map(|purpose| {
            rcgen::ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 55555, purpose])
        })
        .collect();
    for (identity, cause) in [
        (authority.issue(&of_many), "invalid peer certificate: certificate does not allow"),
        (self_signed(&params("p")), "invalid peer certificate: "),
        (other.client("p"), "invalid peer certificate: "),
        (authority.issue(&expired), "invalid peer certificate: certificate expired"),
        (authority.issue(&of_a_server), "invalid peer certificate: certificate does not allow"),
    ] {
        let client = Arc::new(client(&authority, &TLS13, Some(&identity)));
        let connection = handshake(&client, &any(&authority)).unwrap();
        let certificate = ClientCertificate::of(&connection, Some(&*authority.verifier()));
        let subject = CertificateSubject::dn("CN=p").unwrap();
        let layer =
            ClientAuthLayer::new(MemoryProvider::from_iter([RegisteredClient::tls_client_auth(
                "p",
                subject,
                (),
            )]))
            .mutual_tls(MutualTls::from_connection());
        let service = layer.layer(tower::service_fn(|_| async {
            Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::default()))
        }));
        let request = http::Request::post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(certificate.unwrap().unwrap())
            .body(Full::<Bytes>::from("client_id=p"))
            .unwrap();
        let response = service.oneshot(request).await.unwrap();
        let error = response.extensions().get::<tower_client_auth::Error>().unwrap();
        assert_eq!(error.kind().as_str(), "certificate_unverified");
        let source = std::error::Error::source(error).unwrap().to_string();
        assert!(source.starts_with(cause) && source.len() <= 200, "{source}");
    }
}

#[test]
fn a_client_may_have_no_certificate() {
    let authority = Authority::new("ca");
    for version in VERSIONS {
        let client = Arc::new(client(&authority, version, None));
        let connection = handshake(&client, &any(&authority)).unwrap();
        let pki = authority.verifier();
        assert!(ClientCertificate::of(&connection, Some(&*pki)).unwrap().is_none());
    }
}

/// Many clients send nothing if the hints do not fit.
#[test]
fn no_authorities_are_hinted() {
    assert!(AnyClientCertificate::new(&provider()).root_hint_subjects().is_empty());
}

/// Certificates are public: whoever presents one has to have its key.
#[test]
fn rfc8705_2_a_certificate_without_its_key_ends_the_handshake() {
    let authority = Authority::new("ca");
    for identity in [authority.client("p"), self_signed(&params("p"))] {
        for version in VERSIONS {
            let other = authority.client("p").signing_key();
            let client = client_signing_with(&authority, version, Some((&identity, other)));
            let error = handshake(&Arc::new(client), &any(&authority)).unwrap_err();
            let bad = rustls::CertificateError::BadSignature;
            assert_eq!(error, Error::InvalidCertificate(bad), "{version:?}");
        }
    }
}

/// Another time than now.
#[derive(Debug)]
struct At(Arc<dyn ClientCertVerifier>, u64);

impl ClientCertVerifier for At {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.1));
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[test]
fn a_resumed_session_is_verified_again() {
    const END_OF_2029: u64 = 1_893_455_999;
    let (authority, newer) = (Authority::new("ca"), Authority::new("ca"));
    let mut params = params("p");
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    let identity = authority.issue(&params);
    for version in VERSIONS {
        let mut client = client(&authority, version, Some(&identity));
        client.resumption = Resumption::in_memory_sessions(8);
        let (client, config) = (Arc::new(client), any(&authority));
        let at = |seconds| At(authority.verifier(), seconds);

        let first = handshake(&client, &config).unwrap();
        assert_ne!(first.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(is_verified(&first, &identity, Some(&at(END_OF_2029))));

        let again = handshake(&client, &config).unwrap();
        assert_eq!(again.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert!(is_verified(&again, &identity, Some(&at(END_OF_2029))));

        // It expires, or its authority is not trusted any more.
        let later = handshake(&client, &config).unwrap();
        assert_eq!(later.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert!(!is_verified(&later, &identity, Some(&at(END_OF_2029 + 2))));
        assert!(!is_verified(&later, &identity, Some(&*newer.verifier())));
    }
}

#[test]
fn an_unknown_critical_extension_ends_the_handshake() {
    let authority = Authority::new("ca");
    let mut params = params("p");
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
    for version in VERSIONS {
        let client = Arc::new(client(&authority, version, Some(&authority.issue(&params))));
        assert!(matches!(handshake(&client, &any(&authority)), Err(Error::InvalidCertificate(_))));
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_an_error() {
    let authority = Authority::new("ca");
    let mut params: CertificateParams = params("p");
    // Alternative names, of which the second is cut off. rustls reads no names of clients.
    let names = vec![0x30, 0x05, 0x82, 0x01, b'a', 0x82, 0x07];
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], names));
    for version in VERSIONS {
        let client = Arc::new(client(&authority, version, Some(&authority.issue(&params))));
        let connection = handshake(&client, &any(&authority)).unwrap();
        let pki = authority.verifier();
        for pki in [None, Some(&*pki)] {
            let error = ClientCertificate::of(&connection, pki).unwrap_err().to_string();
            assert!(error.contains(", at byte "), "{error}");
        }
    }
}
