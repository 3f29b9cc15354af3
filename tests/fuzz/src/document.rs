//! The URL of a metadata document, and what is published there. What is accepted is judged a second time, as
//! it is written, by a simpler program.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, ClientMetadata, Clock, Error, ErrorKind,
    metadata_documents::{DocumentSource, FetchedDocument, MetadataDocuments},
    provider::MemoryProvider,
};

use crate::{NOW, escaped, form, ready, send};

const LONGEST_URL: usize = 2_048;
const LONGEST: usize = 5_120;
const KEYS_HOST: &str = "keys.example";
const METHODS: [AuthMethod; 2] = [AuthMethod::PrivateKeyJwt, AuthMethod::None];

/// The first byte says what is accepted, the URL ends with the line, and in the rest the text `"@"` stands for
/// the URL.
pub fn check(input: &[u8]) {
    let Some((flags, rest)) = input.split_first() else { return };
    let (url, text) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &b""[..]),
    };
    let Ok(url) = str::from_utf8(url) else { return };
    let accepted: Vec<_> = match flags % 4 {
        0 => vec![AuthMethod::None],
        1 => vec![AuthMethod::PrivateKeyJwt],
        _ => METHODS.to_vec(),
    };
    let rules = Rules { accepted, mcp: flags & 4 != 0, keys: flags & 8 != 0 };
    let text = with_url(text, url);
    let web = Arc::new(Web { url: url.into(), text: text.clone().into(), fetches: 0.into() });
    let documents = documents(&rules, Arc::clone(&web));

    let answer = ready(documents.resolve(url));
    let fetches = web.fetches.load(Ordering::Relaxed);
    assert!(fetches == 0 || may_be_fetched(url), "{url:?} was fetched");
    assert!(fetches == 1 || !must_be_fetched(url), "{url:?} was not fetched");
    match &answer {
        Ok(client) => {
            assert_eq!((client.client_id(), fetches), (url, 1));
            rules.holds_for(url, &text, client.client());
        }
        Err(error) if fetches == 0 => assert_eq!(error.kind(), ErrorKind::UnknownClient),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::MetadataDocument);
            assert!(!is_plain(url, &text, &rules), "{error} {text:?}");
        }
    }

    // A layer that accepts `none` alone lets the public clients in, and finds out nothing more.
    let method = answer.ok().and_then(|client| client.client().token_endpoint_auth_method.clone());
    let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
        .clock(Clock::fixed(NOW))
        .metadata_documents(documents);
    let response = send(layer, form(format!("client_id={}", escaped(url))));
    let is_let_in = response.extensions().get::<Error>().is_none();
    let is_public = method == Some(AuthMethod::None);
    assert!(is_public || !is_let_in, "{url:?}");
    assert!(is_let_in || !is_public, "{url:?}");
    assert!(web.fetches.load(Ordering::Relaxed) <= 1);
}

fn with_url(text: &[u8], url: &str) -> Vec<u8> {
    let url = serde_json::to_vec(url).unwrap();
    let mut whole = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if rest.starts_with(b"\"@\"") {
            whole.extend_from_slice(&url);
            rest = &rest[3..];
        } else {
            whole.push(*first);
            rest = after;
        }
    }
    whole
}

fn documents(rules: &Rules, web: Arc<Web>) -> MetadataDocuments {
    // To read the roots of the system takes long.
    static ANY: OnceLock<MetadataDocuments> = OnceLock::new();
    let any = ANY.get_or_init(|| MetadataDocuments::from_any_host().unwrap());
    let documents = any.clone().source(Source(web)).clock(Clock::fixed(NOW));
    let documents = documents.capacity(1).auth_methods(rules.accepted.clone()).unwrap();
    let documents = if rules.mcp { documents.mcp() } else { documents };
    if rules.keys { documents.jwks_hosts([KEYS_HOST]) } else { documents }
}

struct Web {
    url: String,
    text: Bytes,
    fetches: AtomicUsize,
}

struct Source(Arc<Web>);

impl DocumentSource for Source {
    type Error = BoxError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, BoxError> {
        assert_eq!(url, self.0.url);
        self.0.fetches.fetch_add(1, Ordering::Relaxed);
        Ok(FetchedDocument::new(self.0.text.clone(), None))
    }
}

/// The host with its port, and what follows. Nothing, if there are characters that parsers remove or rewrite.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://")?;
    let is_odd = |byte: u8| !byte.is_ascii_graphic() || b"\\#".contains(&byte);
    if url.len() > LONGEST_URL || url.bytes().any(is_odd) {
        return None;
    }
    Some(rest.split_at(rest.find('/')?))
}

/// By the rules of draft-ietf-oauth-client-id-metadata-document-02 §3.
fn may_be_fetched(url: &str) -> bool {
    let Some((authority, rest)) = parts(url) else { return false };
    let path = rest.split('?').next().unwrap();
    let dots = path.replace("%2e", ".").replace("%2E", ".");
    let host = host(authority);
    let port = authority[host.len()..].strip_prefix(':');
    !host.is_empty()
        && !authority.contains(['@', '?', '%', '<', '>', '|', '^'])
        && !authority.contains(|char: char| char.is_ascii_uppercase())
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|read| read.to_string() == port))
        && !dots.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Without the port.
fn host(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

/// A name in letters, and a path without anything special.
fn must_be_fetched(url: &str) -> bool {
    let Some((host, path)) = parts(url) else { return false };
    let is_label = |label: &str| {
        let in_letters = label.bytes().all(|byte| byte.is_ascii_lowercase());
        in_letters && (1..=63).contains(&label.len())
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~/".contains(&byte);
    host.len() < 250 && host.split('.').all(is_label) && path.bytes().all(is_plain)
}

struct Rules {
    accepted: Vec<AuthMethod>,
    mcp: bool,
    /// Whether keys may be at [`KEYS_HOST`].
    keys: bool,
}

impl Rules {
    /// Panics unless the text identifies this client.
    fn holds_for(&self, url: &str, text: &[u8], client: &ClientMetadata) {
        assert!(text.len() <= LONGEST);
        let document: Value = serde_json::from_slice(text).unwrap();
        assert!(serde_json::from_slice::<Unique>(text).is_ok(), "{document}");
        assert_eq!(document["client_id"], url);
        assert_eq!(client.client_id, url);
        for secret in ["client_secret", "client_secret_expires_at"] {
            assert!(document.get(secret).is_none(), "{document}");
        }
        let list = |name: &str| document[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let grants = list("grant_types");
        let redirects = grants.is_empty()
            || grants.iter().any(|grant| grant == "authorization_code" || grant == "implicit");
        if redirects || self.mcp {
            assert!(!list("redirect_uris").is_empty(), "{document}");
        }
        if self.mcp {
            assert!(document["client_name"].as_str().is_some_and(|name| !name.is_empty()));
        }
        let keys = document["jwks"]["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        for key in keys {
            assert_ne!(key["kty"], "oct", "{document}");
            for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(key[private].is_null(), "{document}");
            }
        }
        let jwks_uri = document["jwks_uri"].as_str().unwrap_or_default();
        assert!(keys.is_empty() || jwks_uri.is_empty(), "{document}");
        let method = client.token_endpoint_auth_method.as_ref().unwrap();
        assert_eq!(Some(method), self.method(&document).as_ref(), "{document}");
        if *method == AuthMethod::PrivateKeyJwt {
            assert!(!keys.is_empty() || !jwks_uri.is_empty(), "{document}");
            if let Some((authority, _)) = parts(&jwks_uri.to_ascii_lowercase()) {
                let own = parts(url).map(|(authority, _)| host(authority)).unwrap();
                let at = host(authority);
                assert!(at == own || (self.keys && at == KEYS_HOST), "{document}");
            }
        }
    }

    /// What the client states if it is accepted, or else the strongest of its list that is.
    fn method(&self, document: &Value) -> Option<AuthMethod> {
        let list = document["token_endpoint_auth_methods_supported"].as_array();
        let list: Option<Vec<_>> =
            list.map(|list| list.iter().map(|name| name.as_str().unwrap().into()).collect());
        let list = list.filter(|list| !list.is_empty());
        let stated =
            document["token_endpoint_auth_method"].as_str().filter(|name| !name.is_empty());
        let stated = stated.map(AuthMethod::from);
        if let (Some(stated), Some(list)) = (&stated, &list) {
            assert!(list.contains(stated), "{document}");
        }
        let default = list.is_none().then_some(AuthMethod::None);
        let stated = stated.or(default).filter(|stated| self.accepted.contains(stated));
        stated.or_else(|| {
            let may = |method: &AuthMethod| self.accepted.contains(method);
            METHODS
                .into_iter()
                .find(|method| may(method) && list.iter().flatten().any(|of| of == method))
        })
    }
}

/// Whether nothing in it can be in the way.
fn is_plain(url: &str, text: &[u8], rules: &Rules) -> bool {
    let Ok(Value::Object(document)) = serde_json::from_slice(text) else { return false };
    text.len() <= LONGEST
        && serde_json::from_slice::<Unique>(text).is_ok()
        && rules.accepted.contains(&AuthMethod::None)
        && document.get("client_id").is_some_and(|id| id == url)
        && ["client_name", "redirect_uris"].iter().all(|name| document.contains_key(*name))
        && document.iter().all(|(name, value)| match &**name {
            "client_id" => true,
            "client_name" => value.as_str().is_some_and(|name| !name.is_empty()),
            "redirect_uris" => value
                .as_array()
                .is_some_and(|uris| !uris.is_empty() && uris.iter().all(Value::is_string)),
            "token_endpoint_auth_method" => value == "none",
            _ => false,
        })
}

/// JSON in which no object has a name twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Self)) = map.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
