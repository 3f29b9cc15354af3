//! What is read of a certificate, and which names are the same.

mod alternatives;
mod certificates;
mod names;
mod openssl;
mod registrations;
#[cfg(feature = "unstable-attestation-x5c")]
mod usage;

use store_harness::certificate::Certificate;

use crate::x509::{certificate::ClientCertificate, subject::CertificateSubject};

const CN: &str = "2.5.4.3";
const SERIAL_NUMBER: &str = "2.5.4.5";
const C: &str = "2.5.4.6";
const O: &str = "2.5.4.10";
const OU: &str = "2.5.4.11";
/// Whose values nobody knows.
const PRIVATE: &str = "1.3.6.1.4.1.55555.1";

fn read(certificate: &Certificate) -> ClientCertificate {
    ClientCertificate::unverified(certificate.der()).unwrap()
}

#[track_caller]
fn is_subject_of(name: &str, certificate: &Certificate) -> bool {
    let subject = CertificateSubject::dn(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    subject.matches(&read(certificate))
}
