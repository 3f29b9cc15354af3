//! What is read of a certificate, and which names are the same.

use store_harness::certificate::{Attribute, Certificate, SubjectAltName};

use crate::x509::{certificate::ClientCertificate, subject::CertificateSubject};

const C: &str = "2.5.4.6";
const CN: &str = "2.5.4.3";
const O: &str = "2.5.4.10";
const OU: &str = "2.5.4.11";

fn read(certificate: &Certificate) -> ClientCertificate {
    ClientCertificate::unverified(certificate.der()).unwrap()
}

fn acme() -> Certificate {
    Certificate::new()
        .rdn([Attribute::printable(C, "DE")])
        .rdn([Attribute::utf8(O, "Acme")])
        .rdn([Attribute::utf8(CN, "p")])
}

fn dn_matches(name: &str, certificate: &Certificate) -> bool {
    CertificateSubject::dn(name).unwrap().matches(&read(certificate))
}

#[test]
fn rfc4514_2_1_last_rdn_of_the_certificate_comes_first() {
    assert!(dn_matches("CN=p,O=Acme,C=DE", &acme()));
    assert!(!dn_matches("C=DE,O=Acme,CN=p", &acme()));
    assert_eq!(read(&acme()).subject(), "CN=p,O=Acme,C=DE");
}

#[test]
fn rfc5280_7_1_attributes_of_one_rdn_have_no_order() {
    for (first, second) in [((OU, "a"), (CN, "b")), ((CN, "b"), (OU, "a"))] {
        let certificate = Certificate::new()
            .rdn([Attribute::utf8(first.0, first.1), Attribute::utf8(second.0, second.1)]);
        assert!(dn_matches("OU=a+CN=b", &certificate));
        assert!(dn_matches("CN=b+OU=a", &certificate));
        assert!(!dn_matches("OU=a,CN=b", &certificate));
    }
}

#[test]
fn alternative_names_are_compared_by_type() {
    let certificate = Certificate::new()
        .alternative(SubjectAltName::dns("CLIENT.example"))
        .alternative(SubjectAltName::uri("spiffe://example/a"))
        .alternative(SubjectAltName::ip(&[192, 0, 2, 1]))
        .alternative(SubjectAltName::email("Ops@EXAMPLE.org"));
    let certificate = read(&certificate);
    for (matches, subject) in [
        (true, CertificateSubject::dns("client.example")),
        (true, CertificateSubject::uri("spiffe://example/a")),
        (false, CertificateSubject::uri("spiffe://EXAMPLE/a")),
        (true, CertificateSubject::email("Ops@example.org")),
        (false, CertificateSubject::email("ops@example.org")),
        (true, Ok(CertificateSubject::ip([192, 0, 2, 1].into()))),
        (false, Ok(CertificateSubject::ip([192, 0, 2, 2].into()))),
    ] {
        assert_eq!(subject.as_ref().unwrap().matches(&certificate), matches, "{subject:?}");
    }
    assert!(!CertificateSubject::decoy().matches(&certificate));
}

#[test]
fn rfc5280_4_1_2_5_validity_includes_both_ends() {
    let certificate = read(&Certificate::new());
    for (at, valid) in [
        (1_577_836_799, false),
        (1_577_836_800, true),
        (2_524_607_999, true),
        (2_524_608_000, false),
    ] {
        assert_eq!(certificate.is_valid_at(at), valid, "{at}");
    }
}
