//! Which ids are URLs of documents.

use reqwest::Url;

const SCHEME: &str = "https://";
/// In bytes.
const LONGEST: usize = 2_048;

/// Whether the id has the scheme. All the rest is judged when the document is looked for.
pub(super) fn may_be_one(client_id: &str) -> bool {
    client_id.starts_with(SCHEME)
}

/// The host of an id that may be the URL of a document, or of a `jwks_uri` (draft-ietf-oauth-client-id-metadata-document-02 §3).
///
/// It is judged as it is written: parsers remove what must not be there, or read it in different ways, and
/// then what is fetched is not what was named.
pub(super) fn host_of(client_id: &str) -> Option<&str> {
    let rest = client_id.strip_prefix(SCHEME)?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#';
    if client_id.len() > LONGEST || !client_id.bytes().all(is_plain) {
        return None;
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?'])?);
    let path = rest.split('?').next().unwrap_or_default();
    if !path.starts_with('/') || authority.contains('@') || path.split('/').any(is_dots) {
        return None;
    }
    let url = Url::parse(client_id).ok()?;
    // A default port is the one thing that a parser leaves out and that may be there.
    let written = match authority.strip_suffix(":443") {
        Some(host) => [SCHEME, host, rest].concat(),
        None => client_id.to_owned(),
    };
    if url.as_str() != written {
        return None;
    }
    host_in(authority)
}

/// `.` or `..`, however it is written. What is encoded twice is none.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while let Some(after) = rest.strip_prefix('.').or_else(|| strip_encoded(rest)) {
        rest = after;
        dots += 1;
    }
    rest.is_empty() && (1..=2).contains(&dots)
}

fn strip_encoded(text: &str) -> Option<&str> {
    text.strip_prefix("%2e").or_else(|| text.strip_prefix("%2E"))
}

/// The host, without the port, of a URL that is written as a parser would write it.
fn host_in(authority: &str) -> Option<&str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_a_document_is_judged_as_it_is_written() {
        for (id, host) in [
            ("https://claude.ai/oauth/mcp-oauth-client-metadata", "claude.ai"),
            ("https://h.example/", "h.example"),
            ("https://h.example/a/%252e/x", "h.example"),
            ("https://h.example/a..b/x", "h.example"),
            ("https://h.example/...", "h.example"),
            ("https://h.example/?a=/../b", "h.example"),
            ("https://h.example/%7Ea", "h.example"),
            ("https://h.example:443/x", "h.example"),
            ("https://h.example:8443/x", "h.example"),
            ("https://[2606:4700::1]:8443/x", "[2606:4700::1]"),
            ("https://[2606:4700::1]/x", "[2606:4700::1]"),
            ("https://8.8.8.8/x", "8.8.8.8"),
        ] {
            assert_eq!(host_of(id), Some(host), "{id}");
        }
        for id in [
            "http://h.example/x",
            "HTTPS://h.example/x",
            "https:/h.example/x",
            "https:h.example/x",
            "https://h.example",
            "https://h.example?x",
            "https://",
            "https:///x",
            "https://u@h.example/x",
            "https://u:p@h.example/x",
            "https://@h.example/x",
            "https://:@h.example/x",
            "https://h.example/a/../x",
            "https://h.example/a/./x",
            "https://h.example/..",
            "https://h.example/a/%2E%2e/x",
            "https://h.example/a/.%2e/x",
            "https://h.example/%2E",
            "https://h.example/x#",
            "https://h.example/x#a",
            r"https://h.example/x\y",
            r"https://h.example\x",
            "https://h.example/x y",
            "https://h.example/x\t",
            "\u{1}https://h.example/x",
            "https://h.example/\u{e9}",
            "https://h.example/x\u{7f}",
            "https://H.example/x",
            "https://%68.example/x",
            "https://0x8.8.8.8/x",
            "https://h.example:/x",
            "https://h.example:0443/x",
            "https://h.example:99999/x",
            "https://h.example/\"",
            "https://h.example/<>",
        ] {
            assert_eq!(host_of(id), None, "{id:?}");
        }
        let long = |length: usize| format!("https://h.example/{}", "a".repeat(length - 18));
        assert!(host_of(&long(2_048)).is_some());
        assert!(host_of(&long(2_049)).is_none());
    }
}
