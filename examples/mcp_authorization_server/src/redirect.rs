//! Where people may be sent.

use url::{Host, Url};

/// In bytes.
const LONGEST_REDIRECT_URI: usize = 1024;
/// Of programs that have no period in their scheme, which RFC 8252 §7.1 asks for, so that anybody could
/// have taken it.
const SCHEMES: [&str; 4] = ["cursor", "vscode", "vscode-insiders", "warp"];

/// RFC 8252 §7: https, loopback, or a private-use scheme, which has a period in its name and so is
/// none that a browser runs or opens, or is one of [`SCHEMES`]. Metadata documents may hold anything else.
pub(crate) fn is_redirect_uri(uri: &str) -> bool {
    // Parsers mend what is none, and then others than this one would be redirected to.
    if uri.len() > LONGEST_REDIRECT_URI || !uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    {
        return false;
    }
    let Ok(parsed) = Url::parse(uri) else { return false };
    let fits = match parsed.scheme() {
        "https" => parsed.has_host() && uri.starts_with("https://"),
        "http" => is_loopback(uri) && uri.starts_with("http://"),
        scheme => scheme.contains('.') || SCHEMES.contains(&scheme),
    };
    // RFC 6749 §3.1.2.
    fits && parsed.fragment().is_none()
        && parsed.username().is_empty()
        && parsed.password().is_none()
}

pub(crate) fn is_loopback(uri: &str) -> bool {
    let Ok(uri) = Url::parse(uri) else { return false };
    match uri.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
