//! What is a certificate, and what is refused.

use store_harness::certificate::{Attribute, Certificate, SubjectAltName, element, oid, sequence};

use super::{CN, read};
use crate::x509::{certificate::ClientCertificate, subject::CertificateSubject};

fn usual() -> Certificate {
    Certificate::new()
        .rdn([Attribute::utf8(CN, "p")])
        .extension("2.5.29.15", &element(0x03, &[7, 0x80]))
        .alternative(SubjectAltName::dns("client.example"))
}

#[track_caller]
fn refusal(der: &[u8]) -> String {
    ClientCertificate::unverified(der).expect_err("it is no certificate").to_string()
}

/// The elements of what is signed, to leave out, repeat and replace.
fn signed_parts(der: &[u8]) -> Vec<Vec<u8>> {
    fn next<'a>(rest: &mut &'a [u8]) -> (usize, &'a [u8]) {
        let (header, length) = match rest[1] {
            length @ ..=0x7f => (2, usize::from(length)),
            0x80..=0x81 => (3, usize::from(rest[2])),
            _ => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
        };
        let (whole, tail) = rest.split_at(header + length);
        *rest = tail;
        (header, whole)
    }
    let (header, whole) = next(&mut &*der);
    let mut inside = &whole[header..];
    let (header, signed) = next(&mut inside);
    let mut parts = &signed[header..];
    std::iter::from_fn(|| (!parts.is_empty()).then(|| next(&mut parts).1.to_vec())).collect()
}

fn with_signed_parts(parts: &[Vec<u8>]) -> Vec<u8> {
    let algorithm = sequence(&[&oid("1.2.840.10045.4.3.2")]);
    sequence(&[&element(0x30, &parts.concat()), &algorithm, &element(0x03, &[0, 1])])
}

#[test]
fn certificate_says_what_it_is() {
    let certificate = ClientCertificate::verified(usual().der()).unwrap();
    assert!(certificate.is_verified());
    assert_eq!(certificate.der(), usual().der());
    assert_eq!(certificate.subject(), "CN=p");
    let debug = format!("{certificate:?}");
    let thumbprint = certificate.thumbprint();
    let expected =
        format!("ClientCertificate {{ thumbprint: {thumbprint:?}, verified: true, .. }}");
    assert_eq!(debug, expected);
    assert!(!read(&usual()).is_verified());
    // A copy is the same allocation.
    assert!(std::ptr::eq(certificate.clone().der(), certificate.der()));
}

#[test]
fn rfc5280_4_1_2_5_validity_includes_both_ends() {
    let generalized = Certificate::new()
        .valid(&element(0x18, b"20200101000000Z"), &element(0x18, b"20491231235959Z"));
    for certificate in [read(&Certificate::new()), read(&generalized)] {
        for (at, valid) in [
            (i64::MIN, false),
            (1_577_836_799, false),
            (1_577_836_800, true),
            (2_524_607_999, true),
            (2_524_608_000, false),
            (i64::MAX, false),
        ] {
            assert_eq!(certificate.is_valid_at(at), valid, "{at}");
        }
    }
    let forever = Certificate::new()
        .valid(&element(0x17, b"700101000000Z"), &element(0x18, b"99991231235959Z"));
    assert!(read(&forever).is_valid_at(0) && read(&forever).is_valid_at(253_402_300_799));
    let never = Certificate::new()
        .valid(&element(0x17, b"300101000000Z"), &element(0x17, b"290101000000Z"));
    assert!(!read(&never).is_valid_at(1_880_000_000));
}

#[test]
fn rfc5280_4_1_2_5_times_are_in_utc_to_the_second() {
    let good = element(0x17, b"300101000000Z");
    for (tag, time) in [
        (0x17, &b"3001010000Z"[..]),
        (0x17, b"300101000000"),
        (0x17, b"300101000000+0000"),
        (0x17, b"300101000000z"),
        (0x17, b"301301000000Z"),
        (0x17, b"300100000000Z"),
        (0x17, b"300229000000Z"),
        (0x17, b"300101240000Z"),
        (0x17, b"300101006000Z"),
        (0x17, b"300101000060Z"),
        (0x17, b"3001010000 0Z"),
        (0x17, b"30010100000:Z"),
        (0x17, b"20300101000000Z"),
        (0x17, b"690101000000Z"),
        (0x17, b""),
        (0x18, b"300101000000Z"),
        (0x18, b"20300101000000.5Z"),
        (0x18, b"203001010000Z"),
        (0x18, b"19691231235959Z"),
        (0x18, b"00000101000000Z"),
        (0x18, b"20300101000000"),
        (0x18, b"20300101000000+0100"),
    ] {
        let reason = "a time is before 1970, or not in UTC to the second, at byte ";
        let time = element(tag, time);
        for (not_before, not_after) in [(&time, &good), (&good, &time)] {
            let refusal = refusal(&Certificate::new().valid(not_before, not_after).der());
            assert!(refusal.starts_with(reason), "{time:?}: {refusal}");
        }
    }
    let other = Certificate::new().valid(&good, &element(0x04, b"300101000000Z"));
    assert_eq!(refusal(&other.der()), "the validity is no pair of times, at byte 43");
    let third = Certificate::new().valid(&good, &[good.clone(), good.clone()].concat());
    assert_eq!(refusal(&third.der()), "there is something behind the validity, at byte 58");
}

#[test]
fn whatever_is_cut_off_is_refused() {
    let der = usual().der();
    for length in 0..der.len() {
        refusal(&der[..length]);
    }
    for behind in [&b"\0"[..], b"\n", &der] {
        let refusal = refusal(&[&der, behind].concat());
        assert_eq!(
            refusal,
            format!("there is something behind the certificate, at byte {}", der.len())
        );
    }
}

#[test]
fn no_byte_makes_it_panic() {
    let der = usual().der();
    for at in 0..der.len() {
        let byte = der[at];
        for byte in
            [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, byte ^ 1, byte ^ 0x20, byte ^ 0x80]
        {
            let mut changed = der.clone();
            changed[at] = byte;
            if let Ok(certificate) = ClientCertificate::unverified(changed) {
                let printed = certificate.subject();
                if let Ok(subject) = CertificateSubject::dn(&printed) {
                    assert!(subject.matches(&certificate), "{at} {byte} {printed}");
                }
                CertificateSubject::dns("client.example").unwrap().matches(&certificate);
            }
        }
    }
}

#[test]
fn what_is_no_der_is_refused() {
    for (der, expected) in [
        (&b""[..], "it is no DER of a certificate, at byte 0"),
        (b"-----BEGIN CERTIFICATE-----", "it is no DER of a certificate, at byte 0"),
        (b"MIIB", "it is no DER of a certificate, at byte 0"),
        (b"\x30\x00", "it is no certificate, at byte 2"),
        (b"\x30", "it ends too early, or a length is too large, at byte 0"),
        (b"\x30\x80\x00\x00", "there is a length of indefinite form, at byte 0"),
        (b"\x30\x81\x01\x00", "there is a length that is not in its shortest form, at byte 0"),
        (b"\x30\x82\x00\x01\x00", "there is a length that is not in its shortest form, at byte 0"),
        (b"\x30\x84\xff\xff\xff\xff", "it ends too early, or a length is too large, at byte 0"),
        (
            b"\x30\x85\x01\x00\x00\x00\x00",
            "there is a length that is not in its shortest form, at byte 0",
        ),
        (b"\x30\xff", "there is a length that is not in its shortest form, at byte 0"),
        (b"\x30\x02\x30\x80", "there is a length of indefinite form, at byte 2"),
        (b"\x30\x02\x30\x01", "it ends too early, or a length is too large, at byte 2"),
    ] {
        assert_eq!(refusal(der), expected, "{der:02x?}");
    }
    let nested = (0..64).fold(Vec::new(), |inside, _| element(0x30, &inside));
    assert_eq!(refusal(&nested), "the algorithm of the signature is missing, at byte 128");
}

#[test]
fn deeply_nested_values_are_one_value() {
    let nested = (0..10_000).fold(Vec::new(), |inside, _| element(0x30, &inside));
    let certificate = Certificate::new().rdn([Attribute::raw(CN, &nested)]);
    let certificate = read(&certificate);
    let printed = certificate.subject();
    assert!(CertificateSubject::dn(&printed).unwrap().matches(&certificate));
    assert!(!CertificateSubject::dn("CN=p").unwrap().matches(&certificate));
}

#[test]
fn rfc5280_4_1_parts_come_once_and_in_order() {
    let parts = signed_parts(&usual().der());
    assert_eq!(with_signed_parts(&parts), usual().der());
    for n in 0..parts.len() {
        let mut without = parts.clone();
        without.remove(n);
        // The extensions are optional; but a version that has none of them is not that of the usual one.
        if n + 1 < parts.len() {
            refusal(&with_signed_parts(&without));
        } else {
            assert!(ClientCertificate::unverified(with_signed_parts(&without)).is_ok());
        }
        let mut twice = parts.clone();
        twice.insert(n, parts[n].clone());
        refusal(&with_signed_parts(&twice));
        let mut other = parts.clone();
        other[n][0] ^= 0x1f;
        refusal(&with_signed_parts(&other));
    }
    let mut behind = parts.clone();
    behind.push(element(0x05, b""));
    let refusal = refusal(&with_signed_parts(&behind));
    assert!(refusal.starts_with("there is something behind the extensions"), "{refusal}");
}

#[test]
fn rfc5280_4_1_nothing_is_behind_the_signature() {
    let parts = signed_parts(&usual().der());
    let algorithm = sequence(&[&oid("1.2.840.10045.4.3.2")]);
    let (signed, signature) = (element(0x30, &parts.concat()), element(0x03, &[0, 1]));
    let behind = sequence(&[&signed, &algorithm, &signature, &element(0x05, b"")]);
    let refusal = refusal(&behind);
    assert!(refusal.starts_with("there is something behind the signature, at byte "), "{refusal}");
}

#[test]
fn rfc5280_4_1_2_8_unique_identifiers_are_between_key_and_extensions() {
    let parts = signed_parts(&usual().der());
    let (issuer, subject) = (element(0x81, &[0, 1]), element(0x82, &[0, 2]));
    let with = |ids: &[&Vec<u8>]| {
        let mut all = parts.clone();
        let extensions = all.pop().unwrap();
        all.extend(ids.iter().map(|id| (*id).clone()));
        all.push(extensions);
        with_signed_parts(&all)
    };
    for ids in [&[&issuer][..], &[&subject], &[&issuer, &subject]] {
        let certificate = ClientCertificate::unverified(with(ids)).unwrap();
        assert!(CertificateSubject::dns("client.example").unwrap().matches(&certificate));
    }
    for ids in [&[&subject, &issuer][..], &[&issuer, &issuer]] {
        let refusal = refusal(&with(ids));
        assert!(refusal.starts_with("there is something behind the extensions"), "{refusal}");
    }
}

/// Whether it is critical, what it says, and nothing else.
#[test]
fn rfc5280_4_1_extension_has_three_parts() {
    let (id, value) = (oid("2.5.29.17"), {
        let names = element(0x30, &element(0x82, b"client.example"));
        element(0x04, &names)
    });
    let with = |extensions: Vec<u8>| {
        let mut parts = signed_parts(&usual().der());
        *parts.last_mut().unwrap() = element(0xa3, &extensions);
        with_signed_parts(&parts)
    };
    let critical = sequence(&[&id, &element(0x01, &[0xff]), &value]);
    let certificate = ClientCertificate::unverified(with(sequence(&[&critical]))).unwrap();
    assert!(CertificateSubject::dns("client.example").unwrap().matches(&certificate));
    let longer = sequence(&[&id, &value, &element(0x05, b"")]);
    let refusal_of_longer = refusal(&with(sequence(&[&longer])));
    let expected = "there is something behind the value of an extension, at byte ";
    assert!(refusal_of_longer.starts_with(expected), "{refusal_of_longer}");
    let mut behind = sequence(&[&critical]);
    behind.extend(element(0x05, b""));
    let refusal = refusal(&with(behind));
    assert!(refusal.starts_with("there is something behind the extensions, at byte "), "{refusal}");
}

#[test]
fn rfc5280_4_1_2_1_extensions_take_version_3() {
    let version = |number: u8| element(0xa0, &element(0x02, &[number]));
    let named = Certificate::new().rdn([Attribute::utf8(CN, "p")]);
    // Version 1 is the one that is not written.
    for version in [&b""[..], &version(1), &version(2)] {
        let certificate = read(&named.clone().version(version));
        assert!(CertificateSubject::dn("CN=p").unwrap().matches(&certificate));
    }
    for early in [&b""[..], &version(1)] {
        let refusal = refusal(&usual().version(early).der());
        let expected = "there are extensions in a certificate before version 3, at byte ";
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    for unknown in [&[0][..], &[3], &[0, 2], &[]] {
        let version = element(0xa0, &element(0x02, unknown));
        assert_eq!(
            refusal(&named.clone().version(&version).der()),
            "the version is unknown, at byte 6"
        );
    }
    let behind = element(0xa0, &[element(0x02, &[2]), element(0x05, b"")].concat());
    assert_eq!(
        refusal(&named.version(&behind).der()),
        "there is something behind the version, at byte 9"
    );
}

#[test]
fn rfc5280_4_2_alternative_names_come_once() {
    let names = |name| element(0x30, &element(0x82, name));
    let twice = usual().extension("2.5.29.17", &names(b"other.example"));
    assert!(
        refusal(&twice.der()).starts_with("there are alternative names a second time, at byte ")
    );
    let same = usual().extension("2.5.29.17", &names(b"client.example"));
    assert!(
        refusal(&same.der()).starts_with("there are alternative names a second time, at byte ")
    );
    // Those of the issuer are another extension.
    let issuer = read(&usual().extension("2.5.29.18", &names(b"issuer.example")));
    assert!(!CertificateSubject::dns("issuer.example").unwrap().matches(&issuer));
    assert!(CertificateSubject::dns("client.example").unwrap().matches(&issuer));
}

#[test]
fn malformed_alternative_names_are_refused() {
    let dns = element(0x82, b"client.example");
    for (value, expected) in [
        (&b""[..], "the alternative names are missing"),
        (&dns, "the alternative names are missing"),
        (
            &[element(0x30, &dns), vec![0]].concat(),
            "there is something behind the alternative names",
        ),
        (
            &element(0x30, &[&dns[..], &[0x82]].concat()),
            "it ends too early, or a length is too large",
        ),
        (&element(0x30, b"\x82\x80client\0\0"), "there is a length of indefinite form"),
        (
            &element(0x30, b"\x82\x81\x06client"),
            "there is a length that is not in its shortest form",
        ),
        (&element(0x30, b"\x82\x7fclient"), "it ends too early, or a length is too large"),
        // A host name of parts, a type that there is not, and no type.
        (
            &element(0x30, &element(0xa2, &element(0x16, b"client"))),
            "the type of an alternative name is unknown",
        ),
        (&element(0x30, &element(0x89, b"client")), "the type of an alternative name is unknown"),
        (&element(0x30, &element(0x16, b"client")), "the type of an alternative name is unknown"),
        (&element(0x30, b"\x9f\x02\x01a"), "there is a tag of several bytes"),
    ] {
        let certificate = Certificate::new().extension("2.5.29.17", value);
        let refusal = refusal(&certificate.der());
        assert!(refusal.starts_with(expected), "{value:02x?}: {refusal}");
    }
    let none = read(&Certificate::new().extension("2.5.29.17", &element(0x30, b"")));
    assert!(!CertificateSubject::dns("client.example").unwrap().matches(&none));
}

#[test]
fn malformed_subjects_are_refused() {
    let (oid, value) = (oid(CN), element(0x0c, b"p"));
    let attribute = sequence(&[&oid, &value]);
    for (rdns, expected) in [
        (attribute.clone(), "the subject is no sequence of RDNs"),
        (element(0x31, b""), "an RDN has no attribute"),
        (element(0x31, &value), "an RDN has no attribute"),
        (element(0x31, &[&attribute[..], &value].concat()), "an RDN has no attribute"),
        (element(0x31, &sequence(&[&value])), "the attribute has no OID"),
        (element(0x31, &sequence(&[&oid])), "it ends too early, or a length is too large"),
        (
            element(0x31, &sequence(&[&oid, &value, &value])),
            "there is something behind the value of an attribute",
        ),
        (
            element(0x31, &sequence(&[&element(6, b""), &value])),
            "the OID of an attribute is invalid",
        ),
        (
            element(0x31, &sequence(&[&element(6, &[0x55, 4, 0x83]), &value])),
            "the OID of an attribute is invalid",
        ),
        (
            element(0x31, &sequence(&[&element(6, &[0x55, 4, 0x80, 3]), &value])),
            "the OID of an attribute is invalid",
        ),
        (
            element(0x31, &sequence(&[&element(6, &[0x80, 0x55, 4, 3]), &value])),
            "the OID of an attribute is invalid",
        ),
        (
            element(
                0x31,
                &sequence(&[
                    &element(6, &[[0x55].as_slice(), &[0xff; 20], &[0x7f]].concat()),
                    &value,
                ]),
            ),
            "the OID of an attribute is invalid",
        ),
        (
            element(0x31, &sequence(&[&oid, b"\x0c\x80p\0\0"])),
            "there is a length of indefinite form",
        ),
        (
            element(0x31, &sequence(&[&oid, b"\x0c\x81\x01p"])),
            "there is a length that is not in its shortest form",
        ),
        (
            element(0x31, &sequence(&[&oid, b"\x0c\x85\0\0\0\0\x01p"])),
            "there is a length that is not in its shortest form",
        ),
        (element(0x31, &sequence(&[&oid, b"\x1f\x01p"])), "there is a tag of several bytes"),
        (
            [element(0x31, &attribute), vec![0x31]].concat(),
            "it ends too early, or a length is too large",
        ),
        (
            element(0x31, &attribute[..attribute.len() - 1]),
            "it ends too early, or a length is too large",
        ),
    ] {
        let refusal = refusal(&Certificate::new().subject(&rdns).der());
        assert!(refusal.starts_with(expected), "{rdns:02x?}: {refusal}");
    }
}
