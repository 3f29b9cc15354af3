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
///
/// # Errors
///
/// Why it may not be one.
pub(super) fn judge(client_id: &str) -> Result<&str, &'static &'static str> {
    const NO_PATH: &&str = &"the id is a URL without a path";
    const UNUSUAL: &&str = &"the id is a URL that is written otherwise than parsers write it: its host in capitals, \
         an empty port, or what is to be percent-encoded";

    let rest = client_id.strip_prefix(SCHEME).ok_or(&"the id does not begin with `https://`")?;
    if client_id.len() > LONGEST {
        return Err(&"the id is a URL of more than 2,048 bytes");
    }
    if client_id.contains('#') {
        return Err(&"the id is a URL with a fragment");
    }
    if !client_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(UNUSUAL);
    }
    let end = rest.find(['/', '?']).ok_or(NO_PATH)?;
    let (authority, rest) = rest.split_at(end);
    let path = rest.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(NO_PATH);
    }
    if authority.contains('@') {
        return Err(&"the id is a URL with a user name");
    }
    if path.split('/').any(is_dots) {
        return Err(&"the id is a URL with a segment `.` or `..` in its path");
    }
    let url = Url::parse(client_id).map_err(|_reason| UNUSUAL)?;
    // A default port is the one thing that a parser leaves out and that may be there.
    let written = match authority.strip_suffix(":443") {
        Some(host) => [SCHEME, host, rest].concat(),
        None => client_id.to_owned(),
    };
    if url.as_str() != written {
        return Err(UNUSUAL);
    }
    host_in(authority).ok_or(UNUSUAL)
}

pub(super) fn host_of(client_id: &str) -> Option<&str> {
    judge(client_id).ok()
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
        for (id, why) in [
            ("http://h.example/x", "the id does not begin with `https://`"),
            ("https://h.example/x#a", "the id is a URL with a fragment"),
            ("https://h.example", "the id is a URL without a path"),
            ("https://h.example?x", "the id is a URL without a path"),
            ("https://u@h.example/x", "the id is a URL with a user name"),
            ("https://h.example/a/../x", "the id is a URL with a segment `.` or `..` in its path"),
            (
                "https://H.example/x",
                "the id is a URL that is written otherwise than parsers write it: its host in capitals, an empty \
                 port, or what is to be percent-encoded",
            ),
        ] {
            assert_eq!(judge(id), Err(&why), "{id}");
        }
        let long = |length: usize| format!("https://h.example/{}", "a".repeat(length - 18));
        assert!(host_of(&long(2_048)).is_some());
        assert_eq!(judge(&long(2_049)), Err(&"the id is a URL of more than 2,048 bytes"));
    }
}
