//! Names that no certificate could match are refused when they are registered, and the text says why
//! and where.

use crate::x509::subject::CertificateSubject;

#[track_caller]
fn refusal(name: &str) -> String {
    CertificateSubject::dn(name).expect_err(name).to_string()
}

#[test]
fn debug_shows_no_name() {
    let name = CertificateSubject::dn("CN=p").unwrap();
    assert_eq!(format!("{name:?}"), "CertificateSubject(\"subject\")");
    let host = CertificateSubject::dns("client.example").unwrap();
    assert_eq!(format!("{host:?}"), "CertificateSubject(\"alternative name\")");
}

#[test]
fn empty_names_are_refused() {
    assert_eq!(refusal(""), "the name is empty, at byte 0");
    assert_eq!(refusal("   "), "the name is empty, at byte 3");
    assert_eq!(refusal(","), "an attribute is missing, at byte 0");
    assert_eq!(refusal("+"), "an attribute is missing, at byte 0");
    assert_eq!(refusal("CN=p,"), "an attribute is missing, at byte 5");
    assert_eq!(refusal("CN=p+"), "an attribute is missing, at byte 5");
    assert_eq!(refusal("CN=p,,O=x"), "an attribute is missing, at byte 5");
    assert_eq!(refusal("CN=p, +O=x"), "an attribute is missing, at byte 6");
    assert_eq!(refusal("=p"), "an attribute is missing, at byte 0");
}

#[test]
fn names_as_other_programs_print_them_are_refused() {
    let slash =
        "the name begins with a slash; it must be as in RFC 4514, such as CN=client,O=Example,C=DE";
    assert_eq!(refusal("/C=DE/O=Acme/CN=p"), format!("{slash}, at byte 0"));
    assert_eq!(refusal(" /CN=p"), format!("{slash}, at byte 1"));
    let slash = "a slash separates nothing in RFC 4514; write a comma, or escape the equals sign";
    assert_eq!(refusal("C=DE/O=Acme/CN=p"), format!("{slash}, at byte 4"));
    assert_eq!(
        refusal("C = DE, CN = p/emailAddress = x@y.example"),
        format!("{slash}, at byte 14")
    );
    assert_eq!(refusal("CN=a/b/O=x"), format!("{slash}, at byte 6"));
    // What is between a slash and an equals sign is no type.
    for name in ["CN=a/b=c", "CN=a/=c", "CN=a/b", "CN=O=x", "CN=a/O\\=x"] {
        assert!(CertificateSubject::dn(name).is_ok(), "{name}");
    }
    let quotes = "quoted values are not RFC 4514; escape with a backslash instead";
    assert_eq!(refusal("CN=\"p\""), format!("{quotes}, at byte 3"));
    assert_eq!(refusal("CN=p\""), format!("{quotes}, at byte 4"));
    let semicolon = "a semicolon separates nothing in RFC 4514; write a comma, or escape it";
    assert_eq!(refusal("CN=p;O=x"), format!("{semicolon}, at byte 4"));
    assert_eq!(
        refusal("O=x,CN=<p>"),
        "a less-than or greater-than sign must be escaped, at byte 7"
    );
}

#[test]
fn unknown_types_are_refused() {
    let unknown = "the name of an attribute type is not known; write its OID instead";
    for (name, at) in
        [("FOO=p", 0), ("CN=a,FOO=p", 5), ("CN=a+ FOO=p", 6), ("CNN=p", 0), ("Subject=p", 0)]
    {
        assert_eq!(refusal(name), format!("{unknown}, at byte {at}"), "{name}");
    }
    assert_eq!(
        refusal("subject=CN=p"),
        "`subject=`, which OpenSSL prints before a name, is no part of it, at byte 0"
    );
    for name in [
        "1=p",
        "2.=p",
        ".2.5=p",
        "2..5=p",
        "3.1=p",
        "0.40=p",
        "1.40=p",
        "2.5.4.03=p",
        "02.5.4.3=p",
        "2.5.4.x=p",
        "2.5.340282366920938463463374607431768211456=p",
        "OID.CN=p",
        "OID.=p",
        "OID.OID.2.5.4.3=p",
        "2.5.4.3.=p",
        "2.340282366920938463463374607431768211455=p",
    ] {
        let refusal = refusal(name);
        let expected =
            ["an attribute type is no OID, at byte 0".to_owned(), format!("{unknown}, at byte 0")];
        assert!(expected.contains(&refusal), "{name}: {refusal}");
    }
    let equals = "an equals sign is missing behind an attribute type";
    assert_eq!(refusal("CN"), format!("{equals}, at byte 2"));
    assert_eq!(refusal("CN p"), format!("{equals}, at byte 3"));
    assert_eq!(refusal("C_N=p"), format!("{equals}, at byte 1"));
    assert_eq!(refusal("\u{feff}CN=p"), "an attribute is missing, at byte 0");
    assert_eq!(refusal("\tCN=p"), "an attribute is missing, at byte 0");
}

#[test]
fn wrong_escapes_are_refused() {
    let escape = "a backslash escapes two hexadecimal digits, a space, or one of \"+,;<>#=\\";
    for (name, at) in [
        ("CN=\\zz", 3),
        ("CN=a\\", 4),
        ("CN=a\\4", 4),
        ("CN=a\\4g", 4),
        ("CN=\\\u{ef}", 3),
        ("CN=\\/", 3),
    ] {
        assert_eq!(refusal(name), format!("{escape}, at byte {at}"), "{name}");
    }
    for name in ["CN=\\FF", "CN=a\\C3", "CN=\\C0\\AF", "CN=\\ED\\A0\\80"] {
        assert_eq!(refusal(name), "the escapes of a value are not UTF-8, at byte 3", "{name}");
    }
}

#[test]
fn control_characters_are_refused() {
    for name in ["CN=p\0", "CN=p\n", "CN=p\t", "CN=p\u{7f}"] {
        assert_eq!(refusal(name), "a value has a control character, at byte 4", "{name:?}");
    }
    // However they are written.
    for name in
        ["CN=p\\00", "CN=p\\0A", "CN=p\\C2\\85", "CN=p\u{85}", "CN=#0c027000", "CN=#1e0400700000"]
    {
        assert_eq!(refusal(name), "a value has a control character, at byte 3", "{name:?}");
    }
}

#[test]
fn hexadecimal_values_are_one_element_of_der() {
    let none = "what follows a number sign is no DER of a value";
    for name in [
        "CN=#",
        "CN=#0c",
        "CN=#0c02",
        "CN=#0c0170 ",
        "CN=#0c017000",
        "CN=#0c01700c0170",
        "CN=#0c8170",
        "CN=#0c800000",
        "CN=#0c820001700000",
        "CN=#0c81017070",
        "CN=#1f0170",
        "CN=#0cffffffff",
    ] {
        if name == "CN=#0c0170 " {
            assert!(CertificateSubject::dn(name).is_ok());
            continue;
        }
        assert_eq!(refusal(name), format!("{none}, at byte 3"), "{name}");
    }
    assert_eq!(refusal("CN=#0c017"), "a hexadecimal digit is missing, at byte 9");
    let sign = "what follows a number sign is not hexadecimal; write \\# for the sign itself";
    assert_eq!(refusal("CN=#sales"), format!("{sign}, at byte 4"));
    assert_eq!(refusal("CN=#0c0170 x"), format!("{sign}, at byte 11"));
}

#[test]
fn alternative_names_that_cannot_be_are_refused() {
    let dns = |name| CertificateSubject::dns(name).unwrap_err().to_string();
    assert_eq!(dns("*.example"), "a host name has no such character, at byte 0");
    assert_eq!(dns("client .example"), "a host name has no such character, at byte 6");
    assert_eq!(dns("b\u{fc}cher.example"), "a host name has no such character, at byte 1");
    assert_eq!(dns("a\0b"), "a host name has no such character, at byte 1");
    assert_eq!(dns(""), "a label of the host name is empty, at byte 0");
    assert_eq!(dns("a..b"), "a label of the host name is empty, at byte 2");
    assert_eq!(dns("client.example."), "a label of the host name is empty, at byte 15");
    assert!(CertificateSubject::dns(&"a".repeat(253)).is_ok());
    assert_eq!(dns(&"a".repeat(254)), "a host name is not that long, at byte 253");

    let uri = |uri| CertificateSubject::uri(uri).unwrap_err().to_string();
    assert_eq!(uri(""), "the URI has no scheme, at byte 0");
    assert_eq!(uri("client.example"), "the URI has no scheme, at byte 0");
    assert_eq!(uri("//client.example/"), "the URI has no scheme, at byte 0");
    assert_eq!(uri("1a:b"), "the URI has no scheme, at byte 0");
    assert_eq!(uri("a_b:c"), "the URI has no scheme, at byte 0");
    assert!(CertificateSubject::uri("a+b-c.1:d").is_ok());
    assert_eq!(uri("spiffe://example/a b"), "a URI has no such character, at byte 18");
    assert_eq!(uri("spiffe://ex\u{e4}mple/"), "a URI has no such character, at byte 11");

    let email = |email| CertificateSubject::email(email).unwrap_err().to_string();
    let half = "the e-mail address needs a name and a host";
    for (address, at) in [("", 0), ("ops", 3), ("@example.org", 0), ("ops@", 3)] {
        assert_eq!(email(address), format!("{half}, at byte {at}"), "{address}");
    }
    assert_eq!(
        email("o ps@example.org"),
        "an e-mail address has no such character here, at byte 1"
    );
    assert_eq!(
        email("\u{f6}ps@example.org"),
        "an e-mail address has no such character here, at byte 0"
    );
}
