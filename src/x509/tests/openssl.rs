//! Certificates that OpenSSL 3.0 made (`openssl req -x509`), as base64. Nobody kept the keys.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::x509::{certificate::ClientCertificate, subject::CertificateSubject};

/// Names of many types, some in one RDN, and all kinds of alternative names.
const KINDS: &str = "\
    MIIFGTCCBL6gAwIBAgIUEkXExn9g4vHbektk7LE/vRBniq4wCgYIKoZIzj0EAwIwggGYMQswCQYDVQQGEwJERTEXMBUG\
    CgmSJomT8ixkARkWB2V4YW1wbGUxFjAUBgoJkiaJk/IsZAEZFgZjbGllbnQxEDAOBgNVBAgMB0JhdmFyaWExETAPBgNV\
    BAcMCE3DvG5jaGVuMRYwFAYDVQQJDA1Tb21lIFN0cmVldCAxMScwJQYDVQQKDB5BY21lLCBJbmMuICsgU8O2aG5lIDwi\
    eCI+IFwgIzExFjAUBgNVBGEMDVBTRERFLUJBRklOLTExMTANBgNVBAMMBmNsaWVudDANBgNVBAsMBiNzYWxlczARBgoJ\
    kiaJk/IsZAEBDANwLTExDjAMBgNVBAUTBTEyLzM0MR4wHAYJKoZIhvcNAQkBFg9PcHNAZXhhbXBsZS5vcmcxHTAbBgNV\
    BA8MFFByaXZhdGUgT3JnYW5pemF0aW9uMRMwEQYLKwYBBAGCNzwCAQMTAkRFMRMwEQYKKwYBBAGDsgMBAgwDYUJjMRsw\
    GQYUaYPwnafrz97gx6GnssCUjMj513YMAXgxETAPBgNVBAwMCCBwYWRkZWQgMCAXDTI2MTEyNzE4MzE1NloYDzIwODEw\
    ODMwMTgzMTU2WjCCAZgxCzAJBgNVBAYTAkRFMRcwFQYKCZImiZPyLGQBGRYHZXhhbXBsZTEWMBQGCgmSJomT8ixkARkW\
    BmNsaWVudDEQMA4GA1UECAwHQmF2YXJpYTERMA8GA1UEBwwITcO8bmNoZW4xFjAUBgNVBAkMDVNvbWUgU3RyZWV0IDEx\
    JzAlBgNVBAoMHkFjbWUsIEluYy4gKyBTw7ZobmUgPCJ4Ij4gXCAjMTEWMBQGA1UEYQwNUFNEREUtQkFGSU4tMTExMA0G\
    A1UEAwwGY2xpZW50MA0GA1UECwwGI3NhbGVzMBEGCgmSJomT8ixkAQEMA3AtMTEOMAwGA1UEBRMFMTIvMzQxHjAcBgkq\
    hkiG9w0BCQEWD09wc0BleGFtcGxlLm9yZzEdMBsGA1UEDwwUUHJpdmF0ZSBPcmdhbml6YXRpb24xEzARBgsrBgEEAYI3\
    PAIBAxMCREUxEzARBgorBgEEAYOyAwECDANhQmMxGzAZBhRpg/Cdp+vP3uDHoaeywJSMyPnXdgwBeDERMA8GA1UEDAwI\
    IHBhZGRlZCAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASfGkUMFY/X3VXtwKfNXAy2HIyhpca1CeKyR/AUBEfh42oE\
    4Vlc9LRW+AsUTU2GhsOSZv2lVIqLmivHRh5kJDV0o4HfMIHcMIG6BgNVHREEgbIwga+CDkNMSUVOVC5leGFtcGxlggkq\
    LmV4YW1wbGWGG2h0dHBzOi8vZmlyc3QuZXhhbXBsZS9hP2I9Y4YSc3BpZmZlOi8vZXhhbXBsZS9hhwTAAAIBhxAgAQ24\
    AAAAAAAAAAAAAAABgQ9PcHNARVhBTVBMRS5vcmeIAyoDBKQSMBAxDjAMBgNVBAMMBW90aGVyoB8GCisGAQQBgjcUAgOg\
    EQwPdXBuQGV4YW1wbGUub3JnMB0GA1UdDgQWBBSDV67SMWVwBh6YOI+GJOA4bGPrKjAKBggqhkjOPQQDAgNJADBGAiEA\
    r9Su8kTZx2nls2rphBsevzTF5Cv0YvfxT1WQoOa9yfQCIQDmnPe7xNRSClTJ0Ld3VGiuY/lQWKkuwuCSbQwMtyx9MA==";

/// With an alternative name alone.
const NO_SUBJECT: &str = "\
    MIIBPDCB5KADAgECAhRlJJto/YutD96CNI85MDQZ4ZUwhjAKBggqhkjOPQQDAjAAMB4XDTI2MTEyNzE4MzEzNVoXDTM2\
    MTEyNDE4MzEzNVowADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJ8aRQwVj9fdVe3Ap81cDLYcjKGlxrUJ4rJH8BQE\
    R+HjagThWVz0tFb4CxRNTYaGw5Jm/aVUiouaK8dGHmQkNXSjPDA6MBkGA1UdEQQSMBCCDmNsaWVudC5leGFtcGxlMB0G\
    A1UdDgQWBBSDV67SMWVwBh6YOI+GJOA4bGPrKjAKBggqhkjOPQQDAgNHADBEAiAZqBjG0tN/ZfSOyQDpHUyUS/yZJ8Fl\
    1eu+qi3Uk7ig9QIgIts7a3AaDc2uwNED/bIxp6lJESWZsLEWDRV5bw6XUks=";

/// Of version 1.
const V1: &str = "\
    MIIBSzCB8wIUSbyH7QlgiI0PgW/roFpDDxGON1AwCgYIKoZIzj0EAwIwKTELMAkGA1UEBhMCREUxDTALBgNVBAoMBEFj\
    bWUxCzAJBgNVBAMMAnYxMB4XDTI2MTEyNzE4MzEzNVoXDTM2MTEyNDE4MzEzNVowKTELMAkGA1UEBhMCREUxDTALBgNV\
    BAoMBEFjbWUxCzAJBgNVBAMMAnYxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnxpFDBWP191V7cCnzVwMthyMoaXG\
    tQniskfwFARH4eNqBOFZXPS0VvgLFE1NhobDkmb9pVSKi5orx0YeZCQ1dDAKBggqhkjOPQQDAgNHADBEAiBE0rwutbE6\
    4m5Cs837Y7Y7dp6x2zTEArl1mPMixyaavAIgVV1uTqq7I6dP74QafSzb0BDPcdC3LZKwqEu3AEB8ODA=";

/// `clïent` as a TeletexString.
const TELETEX: &str = "\
    MIIBHDCBwwIULGDuAoaRbZsK09+1Dl9KjgYLwL0wCgYIKoZIzj0EAwIwETEPMA0GA1UEChQGY2zvZW50MB4XDTI2MTEy\
    NzE4MzEzNVoXDTM2MTEyNDE4MzEzNVowETEPMA0GA1UEChQGY2zvZW50MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\
    nxpFDBWP191V7cCnzVwMthyMoaXGtQniskfwFARH4eNqBOFZXPS0VvgLFE1NhobDkmb9pVSKi5orx0YeZCQ1dDAKBggq\
    hkjOPQQDAgNIADBFAiBYSKLJXrb0dQvlzBqZDM/mmpq47f/moXSnQbtisUDoAQIhAOaVBaz182GLxBnbpa1Y2ii1EycV\
    Lra61yxq/5RoRN/N";

/// The same as a BMPString.
const BMP: &str = "\
    MIIBKDCBzwIUNHd01Gs/ED87kSKxbfyrskGaDLowCgYIKoZIzj0EAwIwFzEVMBMGA1UECh4MAGMAbADvAGUAbgB0MB4X\
    DTI2MTEyNzE4MzEzNVoXDTM2MTEyNDE4MzEzNVowFzEVMBMGA1UECh4MAGMAbADvAGUAbgB0MFkwEwYHKoZIzj0CAQYI\
    KoZIzj0DAQcDQgAEnxpFDBWP191V7cCnzVwMthyMoaXGtQniskfwFARH4eNqBOFZXPS0VvgLFE1NhobDkmb9pVSKi5or\
    x0YeZCQ1dDAKBggqhkjOPQQDAgNIADBFAiA9O9/NuDCVYYj1BaKvIwnW5uMgu5Fdzw0uo8paOiRXYwIhAJWyMe8Wzz3b\
    PzyMqj97+p7rm7SlvOFa3p8ansgAi+j5";

fn certificate(base64: &str) -> ClientCertificate {
    ClientCertificate::unverified(BASE64_STANDARD.decode(base64).unwrap()).unwrap()
}

/// What `openssl x509 -noout -subject -nameopt RFC2253` says of [`KINDS`].
const SUBJECT: &str = r#"title=\ padded\ ,2.25.329800735698586629295641978511506172918=#0C0178,1.3.6.1.4.1.55555.1.2=#0C03614263,jurisdictionC=DE,businessCategory=Private Organization,emailAddress=Ops@example.org,serialNumber=12/34,UID=p-1+OU=\#sales+CN=client,organizationIdentifier=PSDDE-BAFIN-1,O=Acme\, Inc. \+ S\C3\B6hne \<\"x\"\> \\ #1,street=Some Street 1,L=M\C3\BCnchen,ST=Bavaria,DC=client,DC=example,C=DE"#;

#[test]
fn subject_that_openssl_prints_can_be_registered() {
    let kinds = certificate(KINDS);
    assert!(CertificateSubject::dn(SUBJECT).unwrap().matches(&kinds));
    let printed = r#"title=\ padded\ ,2.25.329800735698586629295641978511506172918=#0c0178,1.3.6.1.4.1.55555.1.2=#0c03614263,jurisdictionC=DE,businessCategory=Private Organization,emailAddress=Ops@example.org,serialNumber=12/34,CN=client+OU=\#sales+UID=p-1,organizationIdentifier=PSDDE-BAFIN-1,O=Acme\, Inc. \+ Söhne \<\"x\"\> \\ #1,STREET=Some Street 1,L=München,ST=Bavaria,DC=client,DC=example,C=DE"#;
    assert_eq!(kinds.subject(), printed);
    assert!(CertificateSubject::dn(printed).unwrap().matches(&kinds));
}

#[test]
fn alternative_names_that_openssl_writes_are_found() {
    let kinds = certificate(KINDS);
    for subject in [
        CertificateSubject::dns("client.example"),
        CertificateSubject::uri("https://first.example/a?b=c"),
        CertificateSubject::uri("spiffe://example/a"),
        CertificateSubject::email("Ops@example.org"),
        Ok(CertificateSubject::ip("192.0.2.1".parse().unwrap())),
        Ok(CertificateSubject::ip("2001:db8::1".parse().unwrap())),
    ] {
        assert!(subject.as_ref().unwrap().matches(&kinds), "{subject:?}");
    }
    let no_subject = certificate(NO_SUBJECT);
    assert_eq!(no_subject.subject(), "");
    assert!(CertificateSubject::dns("client.example").unwrap().matches(&no_subject));
}

#[test]
fn strings_of_old_types_are_text() {
    for base64 in [TELETEX, BMP] {
        let certificate = certificate(base64);
        assert_eq!(certificate.subject(), "O=cl\u{ef}ent");
        assert!(CertificateSubject::dn("O=CL\\C3\\AFENT").unwrap().matches(&certificate));
    }
    let version_1 = certificate(V1);
    assert!(CertificateSubject::dn("CN=v1,O=Acme,C=DE").unwrap().matches(&version_1));
}

#[test]
fn rfc8705_3_1_thumbprint_is_the_sha_256_of_the_certificate() {
    // `openssl dgst -sha256 -binary | base64url`
    for (base64, thumbprint) in [
        (KINDS, "cj3LZnnrcfkjHtjmpLmrqeRtPLoAo-QnxkKm-eUuRn4"),
        (NO_SUBJECT, "6yt_DHgSIqJSqkL2bHz4qpAlc_ouBbzQSfyDfIXzYvQ"),
        (V1, "__0lPqUNpoLLoKR7Q2Cp0jVelaugIVV4bXhXiNs6MhE"),
    ] {
        assert_eq!(certificate(base64).thumbprint(), thumbprint);
    }
}

#[test]
fn validity_is_that_which_openssl_says() {
    for (base64, not_before, not_after) in
        [(KINDS, 1_795_804_316, 3_523_804_316), (V1, 1_795_804_295, 2_111_164_295)]
    {
        let certificate = certificate(base64);
        assert!(!certificate.is_valid_at(not_before - 1) && certificate.is_valid_at(not_before));
        assert!(certificate.is_valid_at(not_after) && !certificate.is_valid_at(not_after + 1));
        assert_eq!(certificate.not_after(), not_after);
    }
}
