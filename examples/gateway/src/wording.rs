//! What the crate says of its settings, in the words of the file of configuration.

/// What the crate says, and what it is here. Of two that begin alike the longer one is first.
const WORDS: [(&str, &str); 23] = [
    (
        ": set `ClientAuthLayer::assertions`; clients with a metadata document may use `none` instead if \
         `MetadataDocuments::auth_methods` accepts nothing else",
        ": it needs `[assertions]`, and a route that reads forms",
    ),
    (
        ": set `ClientAuthLayer::mutual_tls`, and `MutualTls::verified_if` or `verified_by_proxy` for certificates from a \
         proxy",
        ": it needs `[certificates]` with certificates that are verified, and a route that reads forms",
    ),
    (
        ": set `ClientAuthLayer::mutual_tls`",
        ": it needs `[certificates]`, and a route that reads forms",
    ),
    ("this layer does not accept", "this route does not accept"),
    ("`ClientAuthLayer::assertions` is set", "there is `[assertions]`"),
    ("set `Assertions::jwks_source`", FETCHED),
    ("set `MutualTls::jwks_source`", FETCHED),
    (
        "see `MutualTls::verified_if`",
        "see `verified_header` and `verified_by_proxy` of `[certificates]`",
    ),
    (
        "the acceptor asked no verifier: see `ClientCertificate::of` and `ClientCertificate::verified`",
        "the listener has no `client_ca`",
    ),
    (
        "the request has no extension of the type `ClientCertificate`: the client presented none, or the acceptor does not put \
         it there",
        "the client presented none, or the listener asks for none: see `client_ca` and `client_certificates` of its `tls`",
    ),
    ("needs the feature `unstable-attestation`", "is not supported by this gateway"),
    (", see `longest_lifetime`", ""),
    (", or `Compat::raw_basic` is set", ""),
    ("; tokens without one need `Trust::reusable`", ""),
    (", which `ClientKeys::from_pem` reads", ""),
    (", for `ClientKeys::from_jwk`", ""),
    (", for `ClientKeys::from_jwks`", ""),
    ("`ProxyHeader::client_cert`", "`encoding = \"client-cert\"`"),
    ("`ProxyHeader::escaped_pem`", "`encoding = \"escaped-pem\"`"),
    ("`ProxyHeader::spaced_pem`", "`encoding = \"spaced-pem\"`"),
    ("`ProxyHeader::xfcc`", "`encoding = \"xfcc\"`"),
    ("`ProxyHeader::base64_der`", "`encoding = \"base64-der\"`"),
    ("`ProxyHeader::base64_der_chain`", "`encoding = \"base64-der-chain\"`"),
];
const FETCHED: &str = "the gateway fetches them with its feature `jwks-fetch`";

/// The text, with the settings of this program in place of those of the crate.
pub(crate) fn own(text: String) -> String {
    WORDS.iter().fold(text, |text, (said, own)| match text.contains(said) {
        true => text.replace(said, own),
        false => text,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::{WORDS, own};

    /// What the gateway does not have: attestations and metadata documents. And what the
    /// compiler and handlers say.
    const ELSEWHERE: [&str; 7] = [
        "method/attestation",
        "provider/documents",
        "provider/lookup.rs",
        "throttle/mod.rs",
        "replay/mod.rs",
        "layer/axum.rs",
        "layer/tonic.rs",
    ];

    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// The texts of the crate, each on one line.
    fn texts() -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
        let mut found = Vec::new();
        sources(&root, &mut found);
        let is_here = |path: &PathBuf| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            !name.contains("tests") && !ELSEWHERE.iter().any(|other| name.starts_with(other))
        };
        let texts = found.iter().filter(|path| is_here(path)).map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let lines = text.lines().map(str::trim_start);
            lines.filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n")
        });
        texts.collect::<String>().replace("\\\n", "")
    }

    #[test]
    fn settings_of_the_crate_are_those_of_the_file() {
        let texts = texts();
        for (said, _) in WORDS {
            assert!(texts.contains(said), "the crate does not say {said:?} any more");
        }
        let texts = own(texts);
        for (at, _) in texts.match_indices('`') {
            let rest = &texts[at + 1..];
            let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap()];
            let is_path =
                rest[name.len()..].starts_with("::") && name.chars().all(char::is_alphabetic);
            let is_setting = is_path && name.starts_with(char::is_uppercase);
            assert!(!is_setting, "there is no word for {:?}", rest.lines().next());
        }
    }
}
