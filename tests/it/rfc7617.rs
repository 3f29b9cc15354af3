//! RFC 7617, The 'Basic' HTTP Authentication Scheme, and RFC 4648, base64.

use http::HeaderValue;
use tower_client_auth::{ConfigError, ErrorKind as K};

use crate::{
    cases::check,
    support::{Harness, TestRequest, refused},
};

// R31. RFC 9110 §11.1.
#[test]
fn rfc7617_2_scheme_is_case_insensitive() {
    check("R31 ");
}

// R32. RFC 9110 §11.4: `1*SP`.
#[test]
fn rfc7617_2_spaces_before_the_token() {
    check("R32 ");
}

// R33. RFC 4648 §3.3: "MUST reject the encoded data if it contains characters outside the base
// alphabet".
#[test]
fn rfc7617_2_junk_in_the_token_is_refused() {
    check("R33 ");
    // At every position of the token.
    let token = crate::support::basic("basic:basic-s3cr3t");
    for at in "Basic ".len()..=token.len() {
        for junk in ["!", "-", "_", ".", ":", " ", "\t", "\u{7f}", "\u{e9}"] {
            let mut value = token.clone();
            value.insert_str(at, junk);
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
            // More spaces behind the scheme separate, too.
            let kind = match junk {
                " " if at == "Basic ".len() => continue,
                _ => K::MalformedAuthorization,
            };
            let ask = TestRequest::bare().authorization(value.as_bytes());
            assert_eq!(crate::support::ask(&ask), refused(kind), "{value:?}");
        }
    }
}

// R34. RFC 4648 §3.2, §3.5.
#[test]
fn rfc7617_2_padding_and_spare_bits() {
    check("R34 ");
}

// R35. §2: the first colon.
#[test]
fn rfc7617_2_first_colon_separates() {
    check("R35 ");
}

// R37. §2: "The user-id and password MUST NOT contain any control characters".
#[test]
fn rfc7617_2_control_characters_are_refused() {
    check("R37 ");
    for control in (0..0x20).chain([0x7f]) {
        let bare = [b"basic:basic-s3cr3t", &[control][..]].concat();
        let encoded = format!("basic:basic-s3cr3t%{control:02X}").into_bytes();
        let in_id = format!("basic%{control:02x}:basic-s3cr3t").into_bytes();
        for bytes in [bare, encoded, in_id] {
            let answer = crate::support::ask(&TestRequest::bare().basic(&bytes));
            assert_eq!(answer, refused(K::MalformedAuthorization), "{}", bytes.escape_ascii());
        }
    }
}

// R38. CWE-258.
#[test]
fn rfc7617_2_empty_password_equals_nothing() {
    check("R38 ");
}

// R40: every malformed value is 401 `invalid_client` with a challenge.
#[test]
fn rfc7617_2_malformed_values_are_401() {
    let malformed = crate::cases::cases()
        .into_iter()
        .filter(|case| case.expected.kind == Some(K::MalformedAuthorization));
    let mut count = 0;
    for case in malformed {
        let answer = crate::support::ask(&case.ask);
        assert_eq!(answer, refused(K::MalformedAuthorization), "{}", case.name);
        count += 1;
    }
    assert!(count > 30, "{count}");
}

// R41.
#[test]
fn rfc7617_2_1_bytes_beyond_ascii() {
    check("R41 ");
    for byte in 0x80..=0xff_u8 {
        let ask = TestRequest::bare().authorization([b"Basic ", &[byte][..]].concat());
        assert_eq!(crate::support::ask(&ask), refused(K::MalformedAuthorization), "{byte:x}");
    }
}

// R69. §2: the realm is a quoted string (RFC 9110 §5.6.4).
#[test]
fn rfc7617_2_realm_is_quoted() {
    for (realm, challenge) in [
        ("Example", r#"Basic realm="Example", charset="UTF-8""#),
        (r#"say "hi" \o/"#, r#"Basic realm="say \"hi\" \\o/", charset="UTF-8""#),
        (r#"\""#, r#"Basic realm="\\\"", charset="UTF-8""#),
        (" ", r#"Basic realm=" ", charset="UTF-8""#),
        ("a, Bearer realm=b", r#"Basic realm="a, Bearer realm=b", charset="UTF-8""#),
    ] {
        let harness = Harness::new().set(|layer| layer.realm(realm).unwrap());
        let service = harness.service();
        let response =
            crate::support::run(tower::ServiceExt::oneshot(service, TestRequest::bare().request()))
                .unwrap();
        assert_eq!(response.headers()["www-authenticate"].as_bytes(), challenge.as_bytes());
    }
}

// R69: a realm that cannot be sent is an error while the program starts.
#[test]
fn rfc7617_2_invalid_realm_is_an_error() {
    for realm in ["", "a\r\nSet-Cookie: x", "\0", "\u{7f}", "\t"] {
        let error = Harness::new().layer.realm(realm).unwrap_err();
        assert_eq!(error, ConfigError::Realm, "{realm:?}");
    }
}
