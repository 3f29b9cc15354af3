//! Authorities, certificates and configurations, made anew in each test.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SigningKey},
};

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a client has: a certificate, those between it and the authority, and the key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate for a client, to be changed.
pub(super) fn params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap())
    }

    /// One that this one certified.
    pub(super) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(authority(name), key, &self.0).unwrap())
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        Identity { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a client of this name.
    pub(super) fn client(&self, name: &str) -> Identity {
        self.issue(&params(name))
    }

    /// What verifies that this one issued a certificate.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap()
    }
}

pub(super) fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    Identity { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
}

impl Identity {
    pub(super) fn leaf(&self) -> &CertificateDer<'static> {
        self.chain.first().unwrap()
    }

    /// The certificate, and the key.
    pub(super) fn pem(&self) -> (String, String) {
        (pem("CERTIFICATE", self.leaf()), pem("PRIVATE KEY", self.key.secret_der()))
    }

    pub(super) fn signing_key(&self) -> Arc<dyn SigningKey> {
        provider().key_provider.load_private_key(self.key.clone_key()).unwrap()
    }
}

/// Presents this, whatever the server asks for.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A client that trusts the authority of the server, and signs with the key, whose certificate or not.
pub(super) fn client_signing_with(
    server: &Authority,
    version: &'static SupportedProtocolVersion,
    identity: Option<(&Identity, Arc<dyn SigningKey>)>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        Some((identity, key)) => {
            let identity = CertifiedKey::new(identity.chain.clone(), key);
            builder.with_client_cert_resolver(Arc::new(Always(Arc::new(identity))))
        }
        None => builder.with_no_client_auth(),
    }
}

pub(super) fn client(
    server: &Authority,
    version: &'static SupportedProtocolVersion,
    identity: Option<&Identity>,
) -> ClientConfig {
    let identity = identity.map(|identity| (identity, identity.signing_key()));
    client_signing_with(server, version, identity)
}

/// A server on `localhost` with both versions of TLS.
pub(super) fn server(own: &Authority, verifier: Arc<dyn ClientCertVerifier>) -> ServerConfig {
    let identity = own.issue(&CertificateParams::new(["localhost".to_owned()]).unwrap());
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)
        .unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    // In one line, which rustls reads as well.
    let base64 = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}
