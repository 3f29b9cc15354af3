//! An authority and what it issued, in a directory that is removed in the end. Yours is elsewhere.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tower_client_auth::BoxError;

pub(crate) struct Pki {
    directory: PathBuf,
    authority: CertificateDer<'static>,
    server: (CertificateDer<'static>, Vec<u8>),
    partner: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new() -> Result<Self, BoxError> {
        let directory = std::env::temp_dir().join(format!("mutual_tls-{}", std::process::id()));
        create_private(&directory)?;
        Self::fill(directory.clone()).inspect_err(|_| {
            let _left = fs::remove_dir_all(directory);
        })
    }

    fn fill(directory: PathBuf) -> Result<Self, BoxError> {
        let mut authority = named("Example authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        fs::write(directory.join("ca.pem"), authority.pem())?;

        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let server = (server.der().clone(), key.serialize_der());

        let key = KeyPair::generate()?;
        let batch = client("batch").signed_by(&key, &authority)?;
        save(&directory, "batch", &batch, &key)?;
        let key = KeyPair::generate()?;
        let partner = client("partner").self_signed(&key)?;
        save(&directory, "partner", &partner, &key)?;
        // With the name that `batch` is registered with.
        let key = KeyPair::generate()?;
        save(&directory, "forged", &client("batch").self_signed(&key)?, &key)?;

        let authority = authority.der().clone();
        Ok(Self { directory, authority, server, partner: partner.der().clone() })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        self.authority.clone()
    }

    pub(crate) fn server(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (certificate, key) = &self.server;
        (vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.clone()).into())
    }

    pub(crate) fn partner_certificate(&self) -> &[u8] {
        &self.partner
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.directory);
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    // As it is encoded: an RFC 4514 string begins at the other end.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params
}

fn save(
    directory: &Path,
    name: &str,
    certificate: &rcgen::Certificate,
    key: &KeyPair,
) -> io::Result<()> {
    fs::write(directory.join(format!("{name}.pem")), certificate.pem())?;
    fs::write(directory.join(format!("{name}.key")), key.serialize_pem())
}

/// Fails if it is there already, whoever made it. There will be keys in it.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
