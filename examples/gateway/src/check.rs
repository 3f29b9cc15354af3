//! What is wrong with a configuration as a whole.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use http::Method;
use tower_client_auth::{AuthMethod, provider::MemoryProvider};

use crate::{
    config::{
        At, CertificateSource, Clients, Config, Kind, Listener, Mistake, Route, Store, Target,
        Verified,
    },
    identity, listen,
};

/// Those that are forwarded.
pub(crate) const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
];

/// All mistakes that are seen without listening and without connecting.
pub(crate) fn check(config: &Config) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    listeners(config, &mut mistakes);
    clients(config, &mut mistakes);
    stores(config, &mut mistakes);
    certificates(config, &mut mistakes);
    identity::check(config, &mut mistakes);
    let mut patterns = HashMap::new();
    for route in &config.routes {
        if let Some(first) = patterns.insert(&route.pattern.value, route.pattern.line) {
            let what = format!("this route is there already, in line {first}");
            mistakes.push(route.pattern.mistake(what));
        }
        methods(route, config, &mut mistakes);
        upstream(route, config, &mut mistakes);
    }
    mistakes
}

fn listeners(config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut taken = HashMap::new();
    let addresses = config.listeners.iter().map(|listener| &listener.address);
    for address in addresses.chain(&config.admin) {
        // Of port 0 each is another one.
        if address.value.port() != 0
            && let Some(first) = taken.insert(address.value, address.line)
        {
            let what = format!("{} is listened on already, in line {first}", address.value);
            mistakes.push(address.mistake(what));
        }
    }
    for tls in config.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        let files = [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()];
        let unreadable = files.into_iter().flatten().filter_map(unreadable);
        let before = mistakes.len();
        mistakes.extend(unreadable);
        if mistakes.len() == before
            && let Err(error) = listen::tls(tls)
        {
            mistakes.push(Mistake { line: tls.line, what: error.to_string() });
        }
    }
}

/// Says of a file that it cannot be read.
pub(crate) fn unreadable(file: &At<impl AsRef<Path>>) -> Option<Mistake> {
    let path = file.value.as_ref();
    let error = std::fs::File::open(path).and_then(|mut file| {
        // A directory can be opened.
        std::io::copy(&mut file, &mut std::io::sink())
    });
    Some(file.mistake(format!("{}: {}", path.display(), error.err()?)))
}

fn clients(config: &Config, mistakes: &mut Vec<Mistake>) {
    match &config.clients {
        Clients::Missing => {}
        Clients::File { path, .. } => {
            if let Err(error) = MemoryProvider::from_json_file(&path.value) {
                mistakes.push(path.mistake(error.to_string()));
            }
        }
        Clients::Postgres { url, .. } => {
            if let Err(error) = crate::clients::check_postgres(&url.value) {
                mistakes.push(url.mistake(error.to_string()));
            }
        }
    }
}

fn stores(config: &Config, mistakes: &mut Vec<Mistake>) {
    if let Some(url) = &config.redis
        && let Err(error) = crate::redis::check(&url.value)
    {
        mistakes.push(url.mistake(error.to_string()));
    }
    let replay = config.assertions.as_ref().map(|assertions| assertions.replay.clone());
    let throttle = config.throttle.as_ref().map(|throttle| throttle.store.clone());
    for store in [replay, throttle].into_iter().flatten() {
        if store.value == Store::Redis && config.redis.is_none() {
            mistakes.push(store.mistake("there is no `[redis]` with its `url`"));
        }
    }
}

fn certificates(config: &Config, mistakes: &mut Vec<Mistake>) {
    let Some(certificates) = &config.certificates else { return };
    if certificates.source == CertificateSource::Connection && !asks_for_certificates(config) {
        let what = "no listener asks clients for a certificate: `client_ca` or `client_certificates` in its `tls`";
        mistakes.push(Mistake { line: certificates.line, what: what.to_owned() });
    }
}

fn asks_for_certificates(config: &Config) -> bool {
    let mut tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    tls.any(|tls| tls.client_certificates)
}

/// Why clients of this method cannot be authenticated.
fn missing(method: &AuthMethod, route: &Route, config: &Config) -> Option<&'static str> {
    let is_certificate =
        matches!(method, AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth);
    match method {
        AuthMethod::ClientSecretBasic => None,
        _ if route.kind == Kind::HeadersOnly => {
            Some("takes a form, which a route with `headers_only` or `forward_auth` does not read")
        }
        AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt if config.assertions.is_none() => {
            Some("needs `[assertions]`")
        }
        _ if is_certificate && config.certificates.is_none() => {
            Some("needs `[certificates]`, where certificates come from")
        }
        AuthMethod::TlsClientAuth if !verifies(config) => Some(
            "needs certificates that are verified: `client_ca` of a listener, or `verified_header` of `[certificates]`",
        ),
        _ => None,
    }
}

fn verifies(config: &Config) -> bool {
    match config.certificates.as_ref().map(|certificates| &certificates.source) {
        Some(CertificateSource::Header { verified, .. }) => *verified != Verified::Never,
        _ => {
            let mut tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
            tls.any(|tls| tls.client_ca.is_some())
        }
    }
}

fn methods(route: &Route, config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut note = |line, what: String| mistakes.push(Mistake { line, what });
    for At { value, line } in &route.methods {
        if !METHODS.contains(value) {
            note(*line, format!("{:?} is no method of HTTP that is forwarded", value.as_str()));
        } else if route.kind == Kind::Form && *value != Method::POST {
            let what = "a route that reads forms takes POST alone; see `headers_only`";
            note(*line, format!("{value}: {what}"));
        }
    }
    for method in route.auth_methods.iter().flatten() {
        if let Some(problem) = missing(&method.value, route, config) {
            note(method.line, format!("{} {problem}", method.value.as_str()));
        }
    }
    if route.auth_methods.as_ref().is_some_and(Vec::is_empty) {
        note(route.line, "`auth_methods` is empty: nobody could call".to_owned());
    }
    if route.kind == Kind::HeadersOnly && route.add_client_id {
        note(route.line, "`add_client_id` takes a form, which this route does not read".to_owned());
    }
}

fn upstream(route: &Route, config: &Config, mistakes: &mut Vec<Mistake>) {
    let Target::Upstream(upstream) = &route.target else { return };
    let uri = &upstream.url.value;
    let port = uri.port_u16().unwrap_or(80);
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = if host.eq_ignore_ascii_case("localhost") {
        Some(IpAddr::from([127, 0, 0, 1]))
    } else {
        host.parse::<IpAddr>().ok()
    };
    let Some(address) = address else { return };
    let own = config.listeners.iter().find(|Listener { address: own, .. }| {
        own.value.port() == port && reaches(address, own.value)
    });
    if let Some(Listener { address: own, .. }) = own {
        let what = format!(
            "the upstream is this gateway itself, which listens there by line {}",
            own.line
        );
        mistakes.push(upstream.url.mistake(what));
    }
}

fn reaches(address: IpAddr, own: SocketAddr) -> bool {
    let is_local = address.is_loopback() || address.is_unspecified();
    address == own.ip() || (is_local && (own.ip().is_unspecified() || own.ip().is_loopback()))
}
