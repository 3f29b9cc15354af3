//! The values are those that nginx 1.22, HAProxy 2.6 and Apache 2.4 sent for one certificate.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const LIMIT: usize = 16 * 1024;
const DER: &str = "MIIBFDCBugIUDhf6Ztl0S1y3Z5lYAVYdpCCvCewwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EwHhcNMjYxMTI3MTgyMTI0WhcNMzYxMTI0MTgyMTI0WjAMMQowCAYDVQQDDAFwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwTXJdFEjYVNxNbxTm0rJmcuoLgupKGCCihdrsb/E3KvxZuiAQRYhn7AvkCxbf8Y0h2QoiWKj7h4mGhnkIjX+mTAKBggqhkjOPQQDAgNJADBGAiEAozT368lM4XIklZi/GmB/QdCyUqylcpX+mM4XnC9+uqgCIQDkyxwFtvUa3h1Gmcny1WGXD0m5qSXZ3Www2gZQuubDfA==";
const NGINX: &str = "-----BEGIN%20CERTIFICATE-----%0AMIIBFDCBugIUDhf6Ztl0S1y3Z5lYAVYdpCCvCewwCgYIKoZIzj0EAwIwDTELMAkG%0AA1UEAwwCY2EwHhcNMjYxMTI3MTgyMTI0WhcNMzYxMTI0MTgyMTI0WjAMMQowCAYD%0AVQQDDAFwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwTXJdFEjYVNxNbxTm0rJ%0AmcuoLgupKGCCihdrsb%2FE3KvxZuiAQRYhn7AvkCxbf8Y0h2QoiWKj7h4mGhnkIjX%2B%0AmTAKBggqhkjOPQQDAgNJADBGAiEAozT368lM4XIklZi%2FGmB%2FQdCyUqylcpX%2BmM4X%0AnC9%2BuqgCIQDkyxwFtvUa3h1Gmcny1WGXD0m5qSXZ3Www2gZQuubDfA%3D%3D%0A-----END%20CERTIFICATE-----%0A";
const APACHE: &str = "-----BEGIN CERTIFICATE----- MIIBFDCBugIUDhf6Ztl0S1y3Z5lYAVYdpCCvCewwCgYIKoZIzj0EAwIwDTELMAkG A1UEAwwCY2EwHhcNMjYxMTI3MTgyMTI0WhcNMzYxMTI0MTgyMTI0WjAMMQowCAYD VQQDDAFwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwTXJdFEjYVNxNbxTm0rJ mcuoLgupKGCCihdrsb/E3KvxZuiAQRYhn7AvkCxbf8Y0h2QoiWKj7h4mGhnkIjX+ mTAKBggqhkjOPQQDAgNJADBGAiEAozT368lM4XIklZi/GmB/QdCyUqylcpX+mM4X nC9+uqgCIQDkyxwFtvUa3h1Gmcny1WGXD0m5qSXZ3Www2gZQuubDfA== -----END CERTIFICATE----- ";
/// Another certificate, of which only the base64 matters.
const OTHER: &str = "MIIBQUJD";

type Answer = Result<Option<Vec<u8>>, HeaderFault>;

fn x(name: fn(HeaderName) -> ProxyHeader) -> ProxyHeader {
    name(HeaderName::from_static("x-client-cert"))
}

fn all() -> [ProxyHeader; 5] {
    [
        ProxyHeader::client_cert(),
        x(ProxyHeader::escaped_pem),
        x(ProxyHeader::base64_der),
        x(ProxyHeader::spaced_pem),
        ProxyHeader::xfcc(0),
    ]
}

fn read(header: &ProxyHeader, value: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header.name(), HeaderValue::from_str(value).unwrap());
    header.read(&headers, LIMIT)
}

/// The certificate.
fn found() -> Answer {
    Ok(Some(BASE64_STANDARD.decode(DER).unwrap()))
}

#[track_caller]
fn is_malformed(header: &ProxyHeader, value: &str) {
    let answer = read(header, value);
    assert!(matches!(answer, Err(HeaderFault::Malformed(_))), "{value}: {answer:?}");
}

/// Escaped as Envoy escapes it: the end of a line, a space, `+`, `/` and `=`. What nginx leaves is the same.
fn xfcc_cert() -> String {
    format!(r#"Cert="{NGINX}""#)
}

/// As an AWS load balancer escapes it, which leaves `+`, `/` and `=`.
fn aws() -> String {
    NGINX.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
}

fn item() -> String {
    format!(":{DER}:")
}

#[test]
fn what_the_proxies_send_is_the_certificate() {
    let [client_cert, escaped, base64, spaced, xfcc] = all();
    for (header, value) in [
        (&client_cert, item()),
        (&escaped, NGINX.to_owned()),
        (&escaped, aws()),
        (&base64, DER.to_owned()),
        (&spaced, APACHE.to_owned()),
        (
            &xfcc,
            format!("By=spiffe://mesh/as;Hash=00ff;{};Subject=\"\";URI=;DNS=a;DNS=b", xfcc_cert()),
        ),
        (&xfcc, xfcc_cert()),
    ] {
        assert_eq!(read(header, &value), found(), "{header:?}");
    }
}

#[test]
fn no_value_is_tried_as_another_encoding() {
    let values = [item(), NGINX.to_owned(), DER.to_owned(), APACHE.to_owned(), xfcc_cert()];
    for (n, header) in all().iter().enumerate() {
        for (m, value) in values.iter().enumerate().filter(|(m, _)| *m != n) {
            let Err(HeaderFault::Malformed(hint)) = read(header, value) else {
                panic!("{header:?} took {value}");
            };
            let constructor = ["client_cert", "escaped_pem", "base64_der", "spaced_pem", "xfcc"][m];
            assert!(hint.ends_with(&format!("`ProxyHeader::{constructor}`")), "{hint}");
        }
    }
}

#[test]
fn the_header_has_its_name() {
    let names = all().map(|header| header.name().to_string());
    let x = "x-client-cert";
    assert_eq!(names, ["client-cert", x, x, x, "x-forwarded-client-cert"]);
}

#[test]
fn an_absent_or_empty_header_is_no_certificate() {
    for header in all() {
        assert_eq!(header.read(&HeaderMap::new(), LIMIT), Ok(None));
        assert_eq!(read(&header, ""), Ok(None));
        assert_eq!(read(&header, " \t"), Ok(None));
    }
}

#[test]
fn null_is_no_certificate_from_apache_alone() {
    let [others @ .., spaced, xfcc] = all();
    assert_eq!(read(&spaced, "(null)"), Ok(None));
    for header in others.iter().chain([&xfcc]) {
        is_malformed(header, "(null)");
    }
    is_malformed(&spaced, "null");
    is_malformed(&spaced, "(NULL)");
}

#[test]
fn a_header_that_occurs_twice_is_refused_whatever_is_in_it() {
    let values = [item(), NGINX.to_owned(), DER.to_owned(), APACHE.to_owned(), xfcc_cert()];
    for (header, value) in all().iter().zip(&values) {
        for pair in [[value.as_str(), value], ["", value], [value, ""], ["", ""]] {
            let mut headers = HeaderMap::new();
            for value in pair {
                headers.append(header.name(), HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(header.read(&headers, LIMIT), Err(HeaderFault::Repeated));
        }
    }
}

#[test]
fn the_limit_is_that_of_the_value() {
    let header = x(ProxyHeader::base64_der);
    let mut headers = HeaderMap::new();
    headers.insert(header.name(), HeaderValue::from_static(DER));
    assert_eq!(header.read(&headers, DER.len()), found());
    assert_eq!(header.read(&headers, DER.len() - 1), Err(HeaderFault::TooLong));
}

#[test]
fn another_header_does_not_count() {
    let mut headers = HeaderMap::new();
    headers.insert("client-cert-chain", HeaderValue::from_str(&item()).unwrap());
    headers.insert("x-client-cert", HeaderValue::from_static(NGINX));
    assert_eq!(ProxyHeader::client_cert().read(&headers, LIMIT), Ok(None));
    headers.insert("client-cert-chain", HeaderValue::from_static("not a list"));
    headers.insert("client-cert", HeaderValue::from_str(&item()).unwrap());
    assert_eq!(ProxyHeader::client_cert().read(&headers, LIMIT), found());
}

#[test]
fn spaces_around_a_value_do_not_count() {
    let values = [item(), NGINX.to_owned(), DER.to_owned(), APACHE.to_owned(), xfcc_cert()];
    for (header, value) in all().iter().zip(&values) {
        assert_eq!(read(header, &format!(" \t{value}\t ")), found());
    }
}

#[test]
fn rfc9440_2_2_client_cert_is_one_item() {
    let header = ProxyHeader::client_cert();
    let item = item();
    for value in [
        format!("{item}, {item}"),
        format!("{item},{item}"),
        format!("{item};a=1"),
        format!("{item};"),
        format!("{item},"),
        format!("({item})"),
        format!("\"{DER}\""),
    ] {
        is_malformed(&header, &value);
    }
}

#[test]
fn rfc9440_2_1_client_cert_is_base64_between_colons() {
    let header = ProxyHeader::client_cert();
    for text in [
        ":",
        "::",
        ":not base64:",
        ": TUlJ:",
        ":TU lJ:",
        ":TUlJ :",
        ":TUlJ",
        "TUlJ:",
        ":TU\tlJ:",
        ":TU-_:",
        ":TUlJ%0A:",
        ":T:",
        ":TU=:=",
        "::TUlJ::",
        ":TUlJ====:",
        ":=:",
    ] {
        is_malformed(&header, text);
    }
    assert_eq!(read(&header, ":TU+/:"), Ok(Some(vec![0x4d, 0x4f, 0xbf])));
}

/// RFC 9651 §4.2.7: parsers "SHOULD NOT fail when '=' padding is not present", nor "when non-zero pad bits
/// are present".
#[test]
fn rfc9651_4_2_7_padding_may_be_absent() {
    let header = ProxyHeader::client_cert();
    assert_eq!(read(&header, &item().replace('=', "")), found());
    for text in [":TQ==:", ":TQ:", ":TR==:", ":TR:"] {
        assert_eq!(read(&header, text), Ok(Some(vec![0x4d])), "{text}");
    }
}

#[test]
fn a_plus_in_escaped_pem_is_no_space() {
    let header = x(ProxyHeader::escaped_pem);
    assert!(DER.contains('+'));
    assert_eq!(read(&header, &aws()), found());
    is_malformed(&header, &NGINX.replace("%2B", "%20"));
    is_malformed(&header, &NGINX.replace("%20", "+"));
    is_malformed(&header, &NGINX.replace("%20", " "));
}

#[test]
fn escapes_are_whole_and_of_either_case() {
    let header = x(ProxyHeader::escaped_pem);
    assert_eq!(read(&header, &NGINX.replace("%2F", "%2f").replace("%0A", "%0a")), found());
    for end in ["%", "%0", "%0G", "%+A", "%-1", "%%0A"] {
        is_malformed(&header, &format!("{}{end}", NGINX.strip_suffix("%0A").unwrap()));
    }
    // What is escaped twice is PEM after another round, which nobody asked for.
    is_malformed(&header, &NGINX.replace('%', "%25"));
}

#[test]
fn lines_of_escaped_pem_end_with_lf_or_crlf() {
    let header = x(ProxyHeader::escaped_pem);
    assert_eq!(read(&header, &NGINX.replace("%0A", "%0D%0A")), found());
    assert_eq!(read(&header, NGINX.strip_suffix("%0A").unwrap()), found());
    for end in ["%0D", "%0A%0A", "%20", "%09", "%0A%20", "%20%0A", "%00"] {
        is_malformed(&header, &NGINX.replace("%0A", end));
    }
}

#[test]
fn nothing_is_around_the_pem() {
    let (escaped, spaced) = (x(ProxyHeader::escaped_pem), x(ProxyHeader::spaced_pem));
    for value in [
        format!("subject=CN%3Dp%0A{NGINX}"),
        format!("%0A{NGINX}"),
        format!("{NGINX}%0A"),
        format!("{NGINX}x"),
        NGINX.replace("CERTIFICATE", "TRUSTED%20CERTIFICATE"),
        NGINX.replace("CERTIFICATE", "certificate"),
        NGINX.replacen("CERTIFICATE-----%0A", "CERTIFICATE-----%0AA: b%0A%0A", 1),
        NGINX.replace("%0A-----END", "-----END"),
        NGINX.replacen("-----%0A", "-----", 1),
        NGINX.replace("-----END%20CERTIFICATE-----%0A", ""),
        "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A".to_owned(),
        "-----BEGIN%20CERTIFICATE-----%0A%0A-----END%20CERTIFICATE-----%0A".to_owned(),
        "-----BEGIN%20CERTIFICATE-----".to_owned(),
        // Not padded.
        NGINX.replace("%3D%3D", ""),
        // Padded within.
        NGINX.replacen("%0AA1UE", "%3D%3D%0AA1UE", 1),
    ] {
        is_malformed(&escaped, &value);
    }
    for value in [
        format!("subject=CN=p {APACHE}"),
        APACHE.replace("----- MII", "-----  MII"),
        APACHE.replace("kG A1", "kG  A1"),
        APACHE.replace("kG A1", "kG\tA1"),
        APACHE.replace(" -----END", "-----END"),
        APACHE.replace(' ', "\t"),
        format!("{APACHE}x"),
    ] {
        is_malformed(&spaced, &value);
    }
}

#[test]
fn the_first_of_a_chain_is_that_of_the_client() {
    let (escaped, base64) = (x(ProxyHeader::escaped_pem), x(ProxyHeader::base64_der_chain));
    let pem = |base64: &str| {
        format!("-----BEGIN%20CERTIFICATE-----%0A{base64}%0A-----END%20CERTIFICATE-----")
    };
    // An AWS load balancer that does not verify sends all that the client did.
    assert_eq!(read(&escaped, &format!("{NGINX}{}%0A{}", pem(OTHER), pem(OTHER))), found());
    assert_eq!(read(&base64, &format!("{DER},{OTHER},{OTHER}")), found());
    for value in [
        format!("{NGINX}%0A{}", pem(OTHER)),
        format!("{}{}", NGINX.strip_suffix("%0A").unwrap(), pem(OTHER)),
        format!("{NGINX}{},", pem(OTHER)),
        format!("{NGINX}{}", pem("%21")),
        format!("{NGINX},{NGINX}"),
    ] {
        is_malformed(&escaped, &value);
    }
    for value in [
        format!("{DER},"),
        format!(",{DER}"),
        format!("{DER},,{OTHER}"),
        format!("{DER}, {OTHER}"),
        format!("{DER};{OTHER}"),
        format!("{DER},{OTHER},"),
        format!("{DER},!"),
    ] {
        is_malformed(&base64, &value);
    }
    // Where there is one, the first of a list would be the caller's.
    let fault = "there is more than one: a chain needs `ProxyHeader::base64_der_chain`";
    let list = read(&x(ProxyHeader::base64_der), &format!("{DER},{OTHER}"));
    assert_eq!(list, Err(HeaderFault::Malformed(fault)));
    // Apache has other variables for the rest.
    is_malformed(&x(ProxyHeader::spaced_pem), &format!("{APACHE}{APACHE}"));
}

#[test]
fn base64_of_der_is_padded_and_on_one_line() {
    let header = x(ProxyHeader::base64_der);
    for value in [
        DER.replace('=', ""),
        DER.replace('+', "-").replace('/', "_"),
        DER.replace('+', " "),
        DER.replace('+', "%2B"),
        // Bits behind the last byte.
        DER.replace("fA==", "fB=="),
        format!("{}\t{}", &DER[..64], &DER[64..]),
        format!("\"{DER}\""),
    ] {
        is_malformed(&header, &value);
    }
}

#[test]
fn pem_in_base64_is_named_and_refused() {
    // Apache: RequestHeader set X "expr=%{base64:%{SSL_CLIENT_CERT}}"
    let value = BASE64_STANDARD.encode(APACHE);
    let text = "it looks like PEM in base64, which is not supported";
    for header in all() {
        assert_eq!(read(&header, &value), Err(HeaderFault::Malformed(text)));
    }
}

#[test]
fn a_fault_in_the_encoding_that_was_declared_says_what_is_expected() {
    let [client_cert, escaped, base64, spaced, xfcc] = all();
    for (header, value, fault) in [
        (&client_cert, ":not base64:", "it is not one item `:base64:`"),
        (&escaped, "-----BEGIN%20X", "it is not PEM with `%` escapes and nothing around it"),
        (&base64, "MIIB", "it is not DER in padded base64"),
        (&spaced, "-----BEGIN X", "it is not one certificate as PEM on one line"),
        (
            &xfcc,
            "By=",
            "there is no `Cert`: Envoy needs `cert: true` in `set_current_client_cert_details`",
        ),
    ] {
        let value = value.replace("MIIB", "MIIBA");
        assert_eq!(read(header, &value), Err(HeaderFault::Malformed(fault)));
    }
    let fault = "it is not a list of DER in padded base64, with commas alone between them";
    let chain = x(ProxyHeader::base64_der_chain);
    assert_eq!(read(&chain, "MIIBA"), Err(HeaderFault::Malformed(fault)));
    let hint = "it looks like X-Forwarded-Client-Cert of Envoy: `ProxyHeader::xfcc`";
    assert_eq!(read(&base64, "by=a;HASH=b"), Err(HeaderFault::Malformed(hint)));
}

#[test]
fn quotes_of_a_subject_end_no_element() {
    let header = ProxyHeader::xfcc(0);
    let cert = xfcc_cert();
    for subject in [
        r#"CN=\"a\";b,c"#,
        r#"CN=\"a\",Cert=\"b\""#,
        // A name that ends with a backslash, as RFC 2253 writes it.
        r"CN=a\\",
        r#"CN=a\\\"\\,b"#,
        "/C=US/CN=a;Chain=b",
    ] {
        assert_eq!(read(&header, &format!(r#"Hash=0;Subject="{subject}";{cert}"#)), found());
        assert_eq!(read(&header, &format!(r#"{cert};Subject="{subject}";URI="#)), found());
    }
}

#[test]
fn quotes_are_around_a_value_or_nowhere() {
    let header = ProxyHeader::xfcc(0);
    let cert = xfcc_cert();
    for pair in [
        r#"Subject=""#,
        r#"Subject="a"#,
        r#"Subject="a\""#,
        r#"Subject="a"b"#,
        r#"Subject="a" "#,
        r#"Subject= "a""#,
        r#"Subject=a"b"#,
        r#"Subject=a"b""#,
        r#"Subject="a""b""#,
    ] {
        is_malformed(&header, &format!("Hash=0;{pair};{cert}"));
        is_malformed(&header, &format!("{cert};{pair};By=a"));
    }
}

#[test]
fn an_element_is_pairs() {
    let header = ProxyHeader::xfcc(0);
    let cert = xfcc_cert();
    for value in [
        format!(";{cert}"),
        format!("{cert};"),
        format!("By=a;;{cert}"),
        format!("By;{cert}"),
        format!("=a;{cert}"),
        format!("By a=b;{cert}"),
        format!(" By=a; {cert}"),
        cert.replace("Cert=", "Cert ="),
    ] {
        is_malformed(&header, &value);
    }
}

#[test]
fn there_are_as_many_elements_as_hops_and_one() {
    let (cert, other) = (xfcc_cert(), "By=spiffe://mesh/front;Hash=00");
    let number = Err(HeaderFault::Malformed(
        "the number of its elements is not that of the trusted hops and one",
    ));
    assert_eq!(read(&ProxyHeader::xfcc(1), &format!("{cert},{other}")), found());
    assert_eq!(read(&ProxyHeader::xfcc(1), &format!("{cert} , {other}")), found());
    assert_eq!(read(&ProxyHeader::xfcc(2), &format!("{cert},{other},{other}")), found());
    for (hops, value) in [
        (0, format!("{cert},{other}")),
        (0, format!("{cert},{cert}")),
        (1, cert.clone()),
        (1, format!("{cert},{cert},{other}")),
        (usize::MAX, cert.clone()),
    ] {
        assert_eq!(read(&ProxyHeader::xfcc(hops), &value), number, "{hops}");
    }
    for value in
        [format!("{cert},"), format!(",{cert}"), format!("{cert},{cert}\""), ",".to_owned()]
    {
        is_malformed(&ProxyHeader::xfcc(1), &value);
    }
}

#[test]
fn an_element_has_one_cert_whatever_the_case_of_its_key() {
    let header = ProxyHeader::xfcc(0);
    let cert = xfcc_cert();
    for key in ["cert", "CERT", "cErT"] {
        assert_eq!(read(&header, &cert.replace("Cert", key)), found());
        is_malformed(&header, &format!("{cert};{}", cert.replace("Cert", key)));
        is_malformed(&header, &format!(r#"{cert};{key}="""#));
    }
    assert_eq!(read(&header, &cert.replace('"', "")), found());
    for value in ["Hash=00;Subject=\"\"", "Chain=\"a\"", "Certs=\"a\"", "Cert=\"\"", "Cert="] {
        is_malformed(&header, value);
    }
    is_malformed(&header, &cert.replace("%0A\"", &format!("%0A{NGINX}\"")));
    // The certificate is in the element of another hop.
    is_malformed(&ProxyHeader::xfcc(1), &format!("Hash=00,{cert}"));
}

/// Envoy does not quote the names that it takes from a certificate: where it is not told to send `Cert`, a
/// name could hold one.
#[test]
fn a_name_of_the_client_adds_no_cert() {
    let header = ProxyHeader::xfcc(0);
    let cert = xfcc_cert();
    for key in ["URI", "uri", "DNS"] {
        is_malformed(&header, &format!("Hash=0;{key}=a;{cert}"));
        assert_eq!(read(&header, &format!(r#"Hash=0;{key}="a";{cert}"#)), found());
    }
    assert_eq!(read(&header, &format!("By=a;{cert}")), found());
}

#[test]
fn every_value_is_answered() {
    // Bytes beyond ASCII, which headers can hold.
    for header in all() {
        let mut headers = HeaderMap::new();
        for value in
            [&b"\xff"[..], b":\xff:", b"Cert=\xff", b"\xc3\xa4%0", b"%c3%28", b"\"", b"=", b"\\"]
        {
            headers.insert(header.name(), HeaderValue::from_bytes(value).unwrap());
            let answer = header.read(&headers, LIMIT);
            assert!(matches!(answer, Err(HeaderFault::Malformed(_))), "{value:?}: {answer:?}");
        }
    }
}
