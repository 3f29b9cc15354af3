//! Alternative names (RFC 5280 §4.2.1.6).

use store_harness::certificate::{Attribute, Certificate, SubjectAltName};

use super::{C, CN, O, read};
use crate::x509::{counted, subject::CertificateSubject};

fn of(names: impl IntoIterator<Item = SubjectAltName>) -> Certificate {
    names.into_iter().fold(Certificate::new(), Certificate::alternative)
}

fn has_dns(name: &str, certificate: &Certificate) -> bool {
    CertificateSubject::dns(name).unwrap().matches(&read(certificate))
}

#[test]
fn rfc5280_7_2_case_of_host_names_is_ignored() {
    assert!(has_dns("client.example", &of([SubjectAltName::dns("CLIENT.example")])));
    assert!(has_dns("CLIENT.example", &of([SubjectAltName::dns("client.EXAMPLE")])));
    let xn = of([SubjectAltName::dns("xn--bcher-kva.example")]);
    assert!(has_dns("xn--bcher-kva.example", &xn));
}

#[test]
fn host_names_match_as_a_whole() {
    for name in [
        "*.example",
        "client.example.",
        ".client.example",
        "client.example\0",
        "client.example\0.evil.example",
        "client.example.evil",
        "a.client.example",
        "client",
        " client.example",
        "",
    ] {
        assert!(!has_dns("client.example", &of([SubjectAltName::dns(name)])), "{name:?}");
    }
}

#[test]
fn common_name_is_no_host_name() {
    let certificate = Certificate::new().rdn([Attribute::utf8(CN, "client.example")]);
    assert!(!has_dns("client.example", &certificate));
    let beside = certificate.alternative(SubjectAltName::uri("https://client.example"));
    assert!(!has_dns("client.example", &beside));
}

#[test]
fn any_entry_of_the_type_may_match() {
    let certificate = of(["a.example", "b.example", "c.example"].map(SubjectAltName::dns));
    for name in ["a.example", "b.example", "c.example"] {
        assert!(has_dns(name, &certificate), "{name}");
    }
    let uris = of(["https://a", "spiffe://example/a", "https://c"].map(SubjectAltName::uri));
    let has = |uri| CertificateSubject::uri(uri).unwrap().matches(&read(&uris));
    assert!(has("spiffe://example/a"));
    for uri in
        ["spiffe://EXAMPLE/a", "SPIFFE://example/a", "spiffe://example/a/", "spiffe://example/%61"]
    {
        assert!(!has(uri), "{uri}");
    }
}

#[test]
fn types_are_not_mixed() {
    let name = b"a:b@c.example";
    let tags = [0x81, 0x82, 0x86, 0x87, 0x88];
    for tag in tags {
        let certificate = read(&of([SubjectAltName::raw(tag, name)]));
        let text = std::str::from_utf8(name).unwrap();
        assert_eq!(CertificateSubject::uri(text).unwrap().matches(&certificate), tag == 0x86);
        assert_eq!(CertificateSubject::email(text).unwrap().matches(&certificate), tag == 0x81);
    }
    for tag in tags {
        let certificate = read(&of([SubjectAltName::raw(tag, b"abcd")]));
        assert_eq!(CertificateSubject::dns("abcd").unwrap().matches(&certificate), tag == 0x82);
        let address = CertificateSubject::ip([97, 98, 99, 100].into());
        assert_eq!(address.matches(&certificate), tag == 0x87);
    }
}

#[test]
fn rfc5280_4_2_1_6_addresses_are_compared_as_bytes() {
    let v4 = CertificateSubject::ip("192.0.2.1".parse().unwrap());
    let v6 = CertificateSubject::ip("2001:0DB8:0:0:0:0:0:1".parse().unwrap());
    let mapped = CertificateSubject::ip("::ffff:192.0.2.1".parse().unwrap());
    let long: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let mapped_bytes: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
    let in_text: &[u8] = b"192.0.2.1";
    for (bytes, matches) in [
        (&[192, 0, 2, 1][..], [true, false, false]),
        (&long, [false, true, false]),
        (&mapped_bytes, [false, false, true]),
        (&[192, 0, 2, 1, 0], [false; 3]),
        (&[192, 0, 2], [false; 3]),
        // An address and a mask, as in name constraints.
        (&[192, 0, 2, 1, 255, 255, 255, 255], [false; 3]),
        (&[], [false; 3]),
        (in_text, [false; 3]),
    ] {
        let certificate = read(&of([SubjectAltName::ip(bytes)]));
        let found = [&v4, &v6, &mapped].map(|address| address.matches(&certificate));
        assert_eq!(found, matches, "{bytes:?}");
    }
}

#[test]
fn rfc5280_7_5_case_matters_before_the_at_sign_alone() {
    let certificate = read(&of([SubjectAltName::email("Ops@EXAMPLE.org")]));
    for (address, matches) in [
        ("Ops@example.org", true),
        ("Ops@EXAMPLE.ORG", true),
        ("ops@example.org", false),
        ("Ops@example.or", false),
        ("Ops@example.org.", false),
        ("Op@sexample.org", false),
        ("xOps@example.org", false),
    ] {
        let found = CertificateSubject::email(address).unwrap().matches(&certificate);
        assert_eq!(found, matches, "{address}");
    }
    let several = read(&of([SubjectAltName::email("A@b@c")]));
    assert!(CertificateSubject::email("A@b@C").unwrap().matches(&several));
    assert!(!CertificateSubject::email("A@B@c").unwrap().matches(&several));
}

// The caller chooses how many names there are, and how long they are.
#[test]
fn every_registration_is_compared_with_every_name() {
    let names = ["client.example", "client.examplf", "client.example", "x", ""];
    let certificate = names
        .map(SubjectAltName::dns)
        .into_iter()
        .fold(Certificate::new().rdn([Attribute::utf8(CN, "p")]), Certificate::alternative);
    let certificate = read(&certificate.alternative(SubjectAltName::uri("https://client.example")));
    let registered = [
        (None, false),
        (Some(CertificateSubject::dn("CN=p")), true),
        (Some(CertificateSubject::dn("CN=nobody,O=nobody,C=ZZ")), false),
        (Some(CertificateSubject::dns("client.example")), true),
        (Some(CertificateSubject::dns("nobody")), false),
        (Some(CertificateSubject::uri("https://client.example")), true),
        (Some(CertificateSubject::email("ops@client.example")), false),
        (Some(Ok(CertificateSubject::ip([192, 0, 2, 1].into()))), false),
    ];
    let _before = counted::take();
    for (subject, is_its) in registered {
        let subject = subject.map(Result::unwrap);
        assert_eq!(
            CertificateSubject::is_of(subject.as_ref(), &certificate),
            is_its,
            "{subject:?}"
        );
        // The subject, and each of the names.
        assert_eq!(counted::take(), (7, 65), "{subject:?}");
    }
}

// It is compared for everybody, and makes nobody a client.
#[test]
fn decoys_are_nobody() {
    let certificate = Certificate::new()
        .rdn([Attribute::printable(C, "ZZ")])
        .rdn([Attribute::utf8(O, "nobody")])
        .rdn([Attribute::utf8(CN, "nobody")])
        .alternative(SubjectAltName::dns("nobody"));
    let certificate = read(&certificate);
    assert!(CertificateSubject::decoy().matches(&certificate));
    let (dn, dns) = (CertificateSubject::dn("CN=p"), CertificateSubject::dns("client.example"));
    for registered in [None, Some(dn.unwrap()), Some(dns.unwrap())] {
        assert!(!CertificateSubject::is_of(registered.as_ref(), &certificate), "{registered:?}");
    }
}
