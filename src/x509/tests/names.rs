//! Which subjects are the same. Where two are that should not be, one client is the other.

use store_harness::certificate::{Attribute, Certificate, element, sequence};

use super::{C, CN, O, OU, PRIVATE, SERIAL_NUMBER, is_subject_of, read};
use crate::x509::{certificate::ClientCertificate, subject::CertificateSubject};

fn acme() -> Certificate {
    Certificate::new()
        .rdn([Attribute::printable(C, "DE")])
        .rdn([Attribute::utf8(O, "Acme")])
        .rdn([Attribute::utf8(CN, "p")])
}

/// With a subject of one attribute.
fn of(attribute: Attribute) -> Certificate {
    Certificate::new().rdn([attribute])
}

fn common_name(value: &str) -> Certificate {
    of(Attribute::utf8(CN, value))
}

#[test]
fn rfc4514_2_1_last_rdn_of_the_certificate_comes_first() {
    assert!(is_subject_of("CN=p,O=Acme,C=DE", &acme()));
    assert!(!is_subject_of("C=DE,O=Acme,CN=p", &acme()));
    assert_eq!(read(&acme()).subject(), "CN=p,O=Acme,C=DE");
}

#[test]
fn rfc5280_7_1_all_rdns_count() {
    for name in
        ["CN=p,O=Acme", "O=Acme,C=DE", "CN=p,C=DE", "CN=p,OU=x,O=Acme,C=DE", "CN=p+O=Acme,C=DE"]
    {
        assert!(!is_subject_of(name, &acme()), "{name}");
    }
}

#[test]
fn rfc4517_case_of_ascii_letters_is_ignored() {
    assert!(is_subject_of("cn=P, o=ACME , c=de", &acme()));
    let umlaut = common_name("cl\u{ef}ent");
    assert!(is_subject_of("CN=CL\u{ef}ENT", &umlaut));
    assert!(!is_subject_of("CN=CL\u{cf}ENT", &umlaut));
}

#[test]
fn characters_beyond_ascii_are_compared_exactly() {
    // Each pair is one that some profile of Unicode makes equal.
    for (registered, presented) in [
        ("Kelvin", "\u{212a}elvin"),
        ("\u{17f}ecret", "secret"),
        ("fi", "\u{fb01}"),
        ("\u{e9}", "e\u{301}"),
        ("a b", "a\u{a0}b"),
        ("a b", "a\u{3000}b"),
        ("a b", "a\tb"),
        ("ab", "a\u{ad}b"),
        ("ab", "a\u{200b}b"),
        ("ab", "\u{feff}ab"),
        ("i", "\u{131}"),
        ("ss", "\u{df}"),
        ("A", "\u{410}"),
        ("1", "\u{ff11}"),
    ] {
        assert!(
            !is_subject_of(&format!("CN={registered}"), &common_name(presented)),
            "{presented:?}"
        );
        assert!(is_subject_of(&read(&common_name(registered)).subject(), &common_name(registered)));
    }
}

#[test]
fn rfc4518_2_6_1_spaces_are_one_and_none_at_the_ends() {
    for value in ["a b", "a  b", " a b", "a b  ", "   a    b "] {
        for name in ["CN=a b", "CN=a  b", "CN=\\ a b", "CN=a b\\20\\20", "CN= a   b  "] {
            assert!(is_subject_of(name, &common_name(value)), "{name} {value:?}");
        }
        assert!(!is_subject_of("CN=ab", &common_name(value)));
    }
    assert!(is_subject_of("CN=\\20", &common_name("  ")));
    assert!(is_subject_of("CN=", &common_name(" ")));
}

#[test]
fn rfc4518_2_6_1_combining_mark_holds_its_space() {
    // One space that is none, with a mark over it, or two spaces and the mark over the second.
    assert!(!is_subject_of("CN=a \u{301}b", &common_name("a  \u{301}b")));
    assert!(!is_subject_of("CN=a\u{301}b", &common_name("a \u{301}b")));
    assert!(!is_subject_of("CN=\u{301}b", &common_name(" \u{301}b")));
    assert!(is_subject_of("CN=a \u{301}b", &common_name("a \u{301}b")));
    assert!(is_subject_of("CN=\\ \u{301}b", &common_name(" \u{301}b")));
}

#[test]
fn rfc5280_7_1_type_of_a_string_does_not_matter() {
    let value = "cl\u{ef}ent";
    for certificate in [
        common_name(value),
        of(Attribute::teletex(CN, b"cl\xefent")),
        of(Attribute::bmp(CN, value)),
        of(Attribute::universal(CN, value)),
    ] {
        assert!(is_subject_of("CN=cl\u{ef}ent", &certificate));
        assert!(is_subject_of("CN=cl\\C3\\AFent", &certificate));
        assert!(is_subject_of("CN=#0c07636cc3af656e74", &certificate));
        assert!(is_subject_of("CN=#1406636cef656e74", &certificate));
    }
    for tag in [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a] {
        assert!(is_subject_of("CN=p", &of(Attribute::raw(CN, &element(tag, b"p")))), "{tag}");
    }
    let beyond_the_plane = of(Attribute::bmp(CN, "\u{1f511}"));
    assert!(is_subject_of("CN=\u{1f511}", &beyond_the_plane));
}

#[test]
fn what_is_no_string_of_its_type_is_no_text() {
    for (value, name) in [
        // Not UTF-8, which the next one is in ISO 8859-1.
        (element(0x0c, b"\xef"), "CN=\u{ef}"),
        (element(0x0c, b"\xc0\xaf"), "CN=/"),
        (element(0x13, b"\xef"), "CN=\u{ef}"),
        (element(0x13, "\u{ef}".as_bytes()), "CN=\u{ef}"),
        (element(0x16, "\u{ef}".as_bytes()), "CN=\u{ef}"),
        // Half a unit, and half a pair.
        (element(0x1e, b"\x00p\x00"), "CN=p"),
        (element(0x1e, b"\xd8\x00\x00p"), "CN=\u{fffd}p"),
        (element(0x1c, b"\x00\x00\x00p\x00"), "CN=p"),
        (element(0x1c, b"\x00\x11\x00\x00"), "CN=\u{fffd}"),
        // Of parts, as DER has no string, and of types that are no text.
        (element(0x2c, &element(0x0c, b"p")), "CN=p"),
        (element(0x04, b"p"), "CN=p"),
        (element(0x1b, b"p"), "CN=p"),
        (element(0x80, b"p"), "CN=p"),
    ] {
        let certificate = of(Attribute::raw(CN, &value));
        assert!(!is_subject_of(name, &certificate), "{value:02x?}");
        // The same bytes are the same.
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(read(&certificate).subject(), format!("CN=#{hex}"));
        assert!(is_subject_of(&format!("CN=#{hex}"), &certificate), "{value:02x?}");
    }
}

#[test]
fn rfc5280_7_1_attributes_of_one_rdn_have_no_order() {
    let (a, b) = (Attribute::utf8(OU, "a"), Attribute::utf8(CN, "b"));
    for certificate in [
        Certificate::new().rdn([a.clone(), b.clone()]),
        Certificate::new().rdn([b.clone(), a.clone()]),
    ] {
        assert!(is_subject_of("OU=a+CN=b", &certificate));
        assert!(is_subject_of("cn = B + ou = A", &certificate));
        for name in ["OU=a,CN=b", "CN=b,OU=a", "OU=a", "CN=b", "OU=b+CN=a", "OU=a+CN=b+CN=b"] {
            assert!(!is_subject_of(name, &certificate), "{name}");
        }
    }
    let twice = Certificate::new().rdn([a.clone(), a.clone(), b.clone()]);
    assert!(is_subject_of("CN=b+OU=a+OU=a", &twice));
    assert!(!is_subject_of("CN=b+OU=a", &twice));
    assert!(!is_subject_of("CN=b+OU=a+CN=b", &twice));
}

#[test]
fn rfc4514_3_types_have_names_and_oids() {
    for name in [
        "CN=p",
        "cn=p",
        "commonName=p",
        "2.5.4.3=p",
        "OID.2.5.4.3=p",
        "oid.2.5.4.3 = p",
        "CN=#0c0170",
        "2.5.4.3=#130170",
        "CN=#1E020070",
    ] {
        assert!(is_subject_of(name, &common_name("p")), "{name}");
    }
    let of_a_bank = of(Attribute::utf8("2.5.4.97", "PSDDE-BAFIN-1"));
    for name in [
        "organizationIdentifier=PSDDE-BAFIN-1",
        "ORGANIZATIONIDENTIFIER=psdde-bafin-1",
        "2.5.4.97=#0c0d50534444452d424146494e2d31",
        "2.5.4.97=#130d50534444452d424146494e2d31",
    ] {
        assert!(is_subject_of(name, &of_a_bank), "{name}");
    }
}

#[test]
fn each_type_is_printed_by_a_name_that_means_it() {
    let types = [
        ("2.5.4.3", "CN"),
        ("2.5.4.4", "SN"),
        ("2.5.4.5", "serialNumber"),
        ("2.5.4.6", "C"),
        ("2.5.4.7", "L"),
        ("2.5.4.8", "ST"),
        ("2.5.4.9", "STREET"),
        ("2.5.4.10", "O"),
        ("2.5.4.11", "OU"),
        ("2.5.4.12", "title"),
        ("2.5.4.15", "businessCategory"),
        ("2.5.4.17", "postalCode"),
        ("2.5.4.41", "name"),
        ("2.5.4.42", "GN"),
        ("2.5.4.43", "initials"),
        ("2.5.4.44", "generationQualifier"),
        ("2.5.4.45", "x500UniqueIdentifier"),
        ("2.5.4.46", "dnQualifier"),
        ("2.5.4.65", "pseudonym"),
        ("2.5.4.97", "organizationIdentifier"),
        ("0.9.2342.19200300.100.1.1", "UID"),
        ("0.9.2342.19200300.100.1.25", "DC"),
        ("1.2.840.113549.1.9.1", "emailAddress"),
        ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
        ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
        ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
    ];
    for (oid, name) in types {
        let certificate = of(Attribute::utf8(oid, "p"));
        assert_eq!(read(&certificate).subject(), format!("{name}=p"));
        for (other, also) in types {
            assert_eq!(
                is_subject_of(&format!("{also}=p"), &certificate),
                oid == other,
                "{name} {also}"
            );
            assert_eq!(
                is_subject_of(&format!("{other}=p"), &certificate),
                oid == other,
                "{name} {other}"
            );
        }
    }
}

#[test]
fn values_of_unknown_types_are_compared_exactly() {
    let certificate = of(Attribute::utf8(PRIVATE, "aB  c"));
    assert_eq!(read(&certificate).subject(), "1.3.6.1.4.1.55555.1=#0c056142202063");
    assert!(is_subject_of("1.3.6.1.4.1.55555.1=aB  c", &certificate));
    assert!(is_subject_of(" 1.3.6.1.4.1.55555.1 = aB  c ", &certificate));
    for name in [
        "1.3.6.1.4.1.55555.1=ab  c",
        "1.3.6.1.4.1.55555.1=aB c",
        "1.3.6.1.4.1.55555.1=aB  c\\ ",
        "1.3.6.1.4.1.55555.1=\\ aB  c",
        "1.3.6.1.4.1.55555.2=aB  c",
    ] {
        assert!(!is_subject_of(name, &certificate), "{name}");
    }
    let unique = of(Attribute::raw("2.5.4.45", &element(0x03, b"\x00aB")));
    assert!(is_subject_of("x500UniqueIdentifier=#0303006142", &unique));
    assert!(!is_subject_of("x500UniqueIdentifier=#0303006162", &unique));
    assert!(!is_subject_of("x500UniqueIdentifier=AB", &of(Attribute::utf8("2.5.4.45", "aB"))));
}

#[test]
fn oids_are_what_they_are_in_der() {
    for dotted in [
        "0.0",
        "0.39",
        "1.0",
        "1.39",
        "2.0",
        "2.39",
        "2.40",
        "2.47",
        "2.48",
        "2.999.1",
        "1.2.127",
        "1.2.128",
        "1.2.16383.16384",
        "2.25.329800735698586629295641978511506172918",
        "2.25.340282366920938463463374607431768211455",
    ] {
        let certificate = of(Attribute::raw(dotted, &element(0x05, b"")));
        assert_eq!(read(&certificate).subject(), format!("{dotted}=#0500"));
        assert!(is_subject_of(&format!("{dotted}=#0500"), &certificate), "{dotted}");
    }
}

#[test]
fn rfc4514_3_escapes() {
    let certificate = of(Attribute::utf8(O, "Acme, Inc."));
    for name in ["O=Acme\\, Inc.", "O=Acme\\2C Inc.", "O=Acme\\2c\\20Inc.", "O=\\41cme\\, Inc\\2E"]
    {
        assert!(is_subject_of(name, &certificate), "{name}");
    }
    assert!(!is_subject_of("O=Acme\\\\\\, Inc.", &certificate));
    let special = " #\"+,;<=>\\/ \u{ef}#= ";
    let printed = "CN=\\ #\\\"\\+\\,\\;\\<\\=\\>\\\\/ \u{ef}#\\=\\ ";
    assert_eq!(read(&common_name(special)).subject(), printed);
    assert!(is_subject_of(printed, &common_name(special)));
    assert_eq!(read(&common_name("#0c0170")).subject(), "CN=\\#0c0170");
    assert!(is_subject_of("CN=\\#0c0170", &common_name("#0c0170")));
    assert!(!is_subject_of("CN=\\#0c0170", &common_name("p")));
    assert!(is_subject_of("CN=a=b#c/d", &common_name("a=b#c/d")));
}

#[test]
fn control_characters_of_a_certificate_match_nothing() {
    for (value, printed) in [
        ("p\0", "CN=p\\00"),
        ("p\0.evil", "CN=p\\00.evil"),
        ("\0p", "CN=\\00p"),
        ("p\n", "CN=p\\0A"),
        ("p\u{85}", "CN=p\\C2\\85"),
        ("p\u{7f}", "CN=p\\7F"),
    ] {
        let certificate = common_name(value);
        assert!(!is_subject_of("CN=p", &certificate), "{value:?}");
        assert_eq!(read(&certificate).subject(), printed);
        assert!(CertificateSubject::dn(printed).is_err(), "{value:?}");
    }
}

#[test]
fn rfc5280_4_1_2_6_empty_subject_matches_nothing() {
    let certificate = Certificate::new();
    assert_eq!(read(&certificate).subject(), "");
    for name in ["CN=", "CN=p", "CN=nobody,O=nobody,C=ZZ"] {
        assert!(!is_subject_of(name, &certificate), "{name}");
    }
    assert!(!CertificateSubject::decoy().matches(&read(&certificate)));
}

#[test]
fn nothing_that_a_certificate_can_have_is_the_decoy_but_its_name() {
    let nobody = Certificate::new()
        .rdn([Attribute::utf8(C, "ZZ")])
        .rdn([Attribute::utf8(O, "nobody")])
        .rdn([Attribute::utf8(CN, "nobody")]);
    assert!(CertificateSubject::decoy().matches(&read(&nobody)));
    assert!(!CertificateSubject::decoy().matches(&read(&acme())));
}

/// Subjects that look like one another, each of them another name.
fn alike() -> Vec<Certificate> {
    let mut values = vec![
        Attribute::raw(CN, &element(0x0c, b"\xff")),
        Attribute::raw(CN, &element(0x13, b"\xff")),
        Attribute::raw(CN, &element(0x04, b"p")),
        Attribute::raw(CN, &element(0x05, b"")),
        Attribute::raw(CN, &element(0x30, b"")),
        Attribute::raw(CN, &element(0x30, &element(0x0c, b"p"))),
        Attribute::raw(CN, &element(0x2c, &element(0x0c, b"p"))),
        Attribute::raw(PRIVATE, &element(0x04, b"p")),
        Attribute::utf8(PRIVATE, "p"),
        Attribute::utf8(PRIVATE, "P"),
        Attribute::utf8(PRIVATE, " p"),
        Attribute::utf8(SERIAL_NUMBER, "p"),
        Attribute::utf8("2.5.4.45", "p"),
        Attribute::utf8("2.5.4.45", "P"),
    ];
    let texts = [
        "",
        "p",
        "pp",
        "p p",
        "p,O=Acme",
        "p+O=Acme",
        "\\p",
        "\\70",
        "#0c0170",
        "\"p\"",
        "p/O=Acme",
        "p\u{301}",
        "\u{301}p",
        " \u{301}p",
        "p \u{301}",
        "p  \u{301}",
        "\u{ef}",
        "\u{cf}",
        "\u{c3}\u{af}",
        "i\u{308}",
        "p\u{a0}",
        "\u{feff}p",
        "\u{fffd}",
        "p=",
        "=p",
        "0",
    ];
    values.extend(texts.map(|text| Attribute::utf8(CN, text)));
    let mut all: Vec<_> = values.iter().cloned().map(of).collect();
    let (a, b) = (Attribute::utf8(CN, "p"), Attribute::utf8(O, "Acme"));
    let one = |attribute: &Attribute| of(attribute.clone());
    all.extend([
        one(&a).rdn([b.clone()]),
        one(&b).rdn([a.clone()]),
        one(&a).rdn([a.clone()]),
        one(&a).rdn([a.clone()]).rdn([a.clone()]),
        Certificate::new().rdn([a.clone(), b.clone()]),
        Certificate::new().rdn([a.clone(), a.clone()]),
        Certificate::new().rdn([a.clone(), a.clone(), b.clone()]),
        Certificate::new().rdn([a.clone(), b.clone(), b.clone()]),
        Certificate::new().rdn([a.clone(), b.clone()]).rdn([b.clone()]),
        Certificate::new().rdn([a.clone(), b.clone()]).rdn([a.clone(), b.clone()]),
        Certificate::new().rdn([a.clone(), a.clone(), b.clone(), b.clone()]),
        Certificate::new().rdn([a.clone(), a.clone()]).rdn([b.clone(), b.clone()]),
        one(&b).rdn([a.clone(), b.clone()]),
        one(&b),
        of(Attribute::utf8(CN, "Acme")).rdn([Attribute::utf8(O, "p")]),
    ]);
    all
}

/// A second RDN, and a text that looks like it where lengths are eight bytes long.
#[test]
fn end_of_a_text_cannot_be_imitated() {
    let (mut rdn, mut length) = ([0; 8], [0; 8]);
    (rdn[7], length[7]) = (1, 3);
    let imitated = [b"p", &rdn[..], &length, &[0x55, 4, 3, 0], b"p"].concat();
    // Of a type that is compared exactly.
    let one = read(&of(Attribute::raw(PRIVATE, &element(0x0c, &imitated))));
    let two = read(&of(Attribute::utf8(PRIVATE, "p")).rdn([Attribute::utf8(CN, "p")]));
    assert!(one.comparable_subject() != two.comparable_subject());
}

/// Texts and types of a certificate that are, byte by byte, what another name is kept as.
#[test]
fn parts_of_a_name_cannot_be_imitated() {
    // The rest of an OID, as the beginning of a text.
    assert!(!is_subject_of("2.5.4.3.0=a", &common_name("\0a")));
    assert!(!is_subject_of("2.5.4.3=a", &of(Attribute::utf8("2.5.4", "a"))));
    // A value that is no text, and a text that has its length and its bytes but for the mark of the end.
    let integer = of(Attribute::raw(PRIVATE, &[2, 3, 1, 1, 0xff]));
    let name = format!("{PRIVATE}=#02030101ff");
    assert!(is_subject_of(&name, &integer));
    let imitated = "\0\0\0\0\0\0\0\u{5}\u{2}\u{3}\u{1}\u{1}";
    assert!(!is_subject_of(&name, &of(Attribute::utf8(PRIVATE, imitated))));
    // An RDN of two attributes, and two RDNs whose first type looks like its number of attributes.
    let two = Certificate::new().rdn([Attribute::utf8(CN, "a"), Attribute::utf8(O, "b")]);
    assert!(is_subject_of("CN=a+O=b", &two));
    let text = "\0\0\0\0\u{3}\u{55}\u{4}\u{3}\0a";
    let imitated = of(Attribute::utf8("0.0.0", text)).rdn([Attribute::utf8(O, "b")]);
    assert!(!is_subject_of("CN=a+O=b", &imitated));
}

#[test]
fn different_names_are_never_the_same() {
    let all = alike();
    for (n, registered) in all.iter().enumerate() {
        let printed = read(registered).subject();
        for (m, presented) in all.iter().enumerate() {
            assert_eq!(
                is_subject_of(&printed, presented),
                n == m,
                "{printed} {}",
                read(presented).subject()
            );
        }
    }
}

/// Numbers that look random, and are the same in every run.
struct Numbers(u64);

/// Type and value of the attributes of each RDN, in any order.
type Model = Vec<Vec<(&'static str, Vec<u8>)>>;

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn text(&mut self) -> String {
        let letters = [
            'a',
            'A',
            'a',
            'A',
            ' ',
            ' ',
            ',',
            '+',
            '=',
            '#',
            '\\',
            '"',
            ';',
            '<',
            '/',
            '\u{e9}',
            '\u{301}',
            '\u{1f511}',
        ];
        (0..self.below(4)).map(|_| self.pick(&letters)).collect()
    }

    fn attribute(&mut self) -> (Attribute, (&'static str, Vec<u8>)) {
        let oid = self.pick(&[CN, CN, CN, CN, O, PRIVATE, "2.25.1180591620717411303424"]);
        let text = self.text();
        let latin_1: Vec<u8> =
            text.chars().filter_map(|character| u8::try_from(character).ok()).collect();
        let attribute = match self.below(6) {
            0 => Attribute::bmp(oid, &text),
            1 => Attribute::universal(oid, &text),
            2 if latin_1.len() == text.chars().count() => Attribute::teletex(oid, &latin_1),
            3 if text.is_ascii() => Attribute::printable(oid, &text),
            4 => {
                let other = sequence(&[text.as_bytes()]);
                return (Attribute::raw(oid, &other), (oid, other));
            }
            _ => Attribute::utf8(oid, &text),
        };
        (attribute, (oid, text.into_bytes()))
    }

    fn certificate(&mut self) -> (ClientCertificate, Model) {
        let (mut certificate, mut model) = (Certificate::new(), Model::new());
        for _ in 0..=self.below(2) {
            let (attributes, mut values): (Vec<_>, Vec<_>) =
                (0..=self.below(8) / 5).map(|_| self.attribute()).unzip();
            certificate = certificate.rdn(attributes);
            values.sort();
            model.push(values);
        }
        (read(&certificate), model)
    }
}

/// Without what may not matter, and some more.
fn blurred(model: &Model) -> Model {
    let blur = |(oid, value): &(&'static str, Vec<u8>)| {
        let letters = value.iter().filter(|byte| **byte != b' ').map(u8::to_ascii_lowercase);
        (*oid, if [CN, O].contains(oid) { letters.collect() } else { value.clone() })
    };
    let mut blurred: Model = model.iter().map(|rdn| rdn.iter().map(blur).collect()).collect();
    blurred.iter_mut().for_each(|rdn| rdn.sort());
    blurred
}

#[test]
fn printed_subject_is_read_as_the_same_name() {
    let mut numbers = Numbers(1);
    let mut registered: Vec<(CertificateSubject, Model)> = Vec::new();
    let (mut same, mut folded) = (0, 0);
    for _ in 0..3_000 {
        let (certificate, model) = numbers.certificate();
        let printed = certificate.subject();
        let subject =
            CertificateSubject::dn(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert!(subject.matches(&certificate), "{printed}");
        for (other, also) in &registered {
            let matches = other.matches(&certificate);
            assert!(matches || model != *also, "{model:?}");
            assert!(!matches || blurred(&model) == blurred(also), "{model:?} {also:?}");
            same += usize::from(matches);
            folded += usize::from(matches && model != *also);
        }
        if registered.len() < 300 {
            registered.push((subject, model));
        }
    }
    assert!(same > 1_000 && folded > 100, "{same} {folded}");
}

#[test]
fn names_of_many_attributes_are_compared() {
    let attributes = || (0..5_000).map(|n| Attribute::utf8(OU, &n.to_string()));
    let certificate = Certificate::new().rdn(attributes());
    let reversed: Vec<_> = attributes().collect::<Vec<_>>().into_iter().rev().collect();
    let subject = read(&Certificate::new().rdn(reversed)).subject();
    assert!(is_subject_of(&subject, &certificate));
    let last: ClientCertificate = read(&Certificate::new().rdn(attributes().skip(1)));
    assert!(!CertificateSubject::dn(&subject).unwrap().matches(&last));
}
