//! The host in a URL.

use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1035 §2.3.4.
const LONGEST_HOST: usize = 255;

/// The host in a URL, without its port, by which its fetches are counted.
///
/// Parsers make the same host of many odd spellings, such as `%76ictim.example` or `0x7f.1`. No honest
/// URL has one, so all of them are counted as one host, which has no name.
pub(super) fn host(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    // The authority follows however many of them (WHATWG URL, "special authority ignore slashes state").
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if let Some(address) = host.strip_prefix('[') {
        let address = address.split(']').next().unwrap_or_default().parse::<Ipv6Addr>();
        return address.map_or_else(|_odd| String::new(), |address| address.to_string());
    }
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let label = host.rsplit('.').next().unwrap_or_default();
    let is_odd = if label.starts_with(|char: char| char.is_ascii_digit()) {
        host.parse::<Ipv4Addr>().is_err()
    } else {
        !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    if is_odd || host.len() > LONGEST_HOST { String::new() } else { host.to_ascii_lowercase() }
}

/// The host of a URL in which no parser would change a byte.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_counted_however_it_is_written() {
        for url in [
            "https://host.example",
            "HTTPS://HOST.example/jwks",
            "https://host.example:8443?a",
            "https://host.example./",
            "https://user@host.example#a",
            r"https://host.example\jwks",
            "https:///host.example/",
            r"https://\/\/host.example/",
            "https://////user:host@host.example:443/",
        ] {
            assert_eq!(host(url), "host.example", "{url}");
        }
        for url in ["https://[2001:db8::1]:8443/", "https://[2001:0DB8:0:0:0:0:0:1]"] {
            assert_eq!(host(url), "2001:db8::1", "{url}");
        }
        assert_eq!(host("https://8.8.8.8:8443"), "8.8.8.8");
        assert_eq!(host("https://host1"), "host1");
        assert_eq!(host("jwks.json"), "jwks.json");
        assert_eq!(host(""), "");
        assert_eq!(host(&"a".repeat(LONGEST_HOST)).len(), LONGEST_HOST);
    }

    #[test]
    fn hosts_that_are_written_oddly_are_counted_as_one() {
        for url in [
            "https://%68ost.example/",
            "https://ho%73t.example/",
            "https://host%2eexample/",
            "https://134744072/",
            "https://8.8.2056/",
            "https://8.8.8.010/",
            "https://0x8.8.8.8/",
            "https://8.8.8.0x8/",
            "https://8.8.8.0xa/",
            "https://[2001:db8::%31]/",
            "https://[::1.example]/",
            &format!("https://{}/", "a".repeat(LONGEST_HOST + 1)),
        ] {
            assert_eq!(host(url), "", "{url}");
        }
    }
}
