//! An authority, and what it issued.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::support::Files;

/// Writes `clients-ca.pem`, the certificates and keys of `server` and `batch`, those of a `forged` batch that signed
/// itself, and the key `identity.pem`.
pub(crate) fn issue(files: &Files) {
    issue_for(files, Duration::from_secs(24 * 60 * 60));
}

/// The same; the certificate of `batch` is good for so long.
pub(crate) fn issue_for(files: &Files, validity: Duration) {
    let mut authority = named("Example authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    files.write("clients-ca.pem", authority.pem());
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut client = named("batch");
    client.not_after = (SystemTime::now() + validity).into();
    client.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    for (name, params) in [("server", CertificateParams::new(names).unwrap()), ("batch", client)] {
        let key = KeyPair::generate().unwrap();
        files.write(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
        files.write(&format!("{name}.key"), key.serialize_pem());
    }
    let key = KeyPair::generate().unwrap();
    files.write("forged.pem", named("batch").self_signed(&key).unwrap().pem());
    files.write("forged.key", key.serialize_pem());
    files.write("identity.pem", KeyPair::generate().unwrap().serialize_pem());
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
