//! What is wrong with a configuration as a whole.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use http::Method;
use tower_client_auth::provider::MemoryProvider;

use crate::{
    admission,
    config::{
        At, CertificateSource, Certificates, Clients, Config, Kind, Listener, Mistake, Route,
        Store, Target,
    },
    identity, listen,
    methods::missing,
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
        let pattern = &route.pattern.value;
        let pattern = (&pattern.normal, pattern.is_prefix);
        if let Some(first) = patterns.insert(pattern, route.pattern.line) {
            let what = format!("this route is there already, in line {first}");
            mistakes.push(route.pattern.mistake(what));
        }
        methods(route, config, &mut mistakes);
        upstream(route, config, &mut mistakes);
    }
    mistakes
}

/// What is allowed, and may not be what was meant.
pub(crate) fn warnings(config: &Config) -> Vec<Mistake> {
    let admin = config.admin.iter().filter(|admin| !is_private(admin.value.ip()));
    let what = "others than operators may reach this address: whoever does reads the metrics";
    let mut warnings: Vec<_> = admin.map(|admin| admin.mistake(what)).collect();
    let descriptors = admission::descriptors();
    if let Some(needed) = admission::needed(config, descriptors) {
        let what = format!(
            "callers and upstreams may need {needed} descriptors, and the process may have {descriptors}: more by \
             `ulimit -Hn`, or fewer `max_connections` or `max_requests`"
        );
        let line = config.connections.all.as_ref().map_or(0, |all| all.line);
        warnings.push(Mistake { line, what });
    }
    warnings
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn listeners(config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut taken: Vec<&At<SocketAddr>> = Vec::new();
    let addresses = config.listeners.iter().map(|listener| &listener.address);
    for address in addresses.chain(&config.admin) {
        if let Some(first) = taken.iter().find(|first| collide(first.value, address.value)) {
            let line = first.line;
            let what = format!("{} is listened on already, in line {line}", address.value);
            mistakes.push(address.mistake(what));
        }
        taken.push(address);
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

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same_host = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4()
            && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    // Of port 0 each is another one.
    one.port() == other.port() && one.port() != 0 && is_same_host
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
    let replay = config.assertions.as_ref().map(|assertions| &assertions.replay);
    let throttle = config.throttle.as_ref().map(|throttle| &throttle.store);
    let stores = [replay, throttle].into_iter().flatten();
    let mut shared = stores.filter(|store| store.value == Store::Redis);
    let Some(url) = &config.redis else {
        if config.is_unread("redis") {
            return;
        }
        mistakes.extend(shared.map(|store| store.mistake("there is no `[redis]` with its `url`")));
        return;
    };
    if let Err(error) = crate::redis::check(&url.value) {
        mistakes.push(url.mistake(error.to_string()));
    } else if shared.next().is_none()
        && !config.is_unread("assertions")
        && !config.is_unread("throttle")
    {
        // Several gateways would each remember for itself.
        let what = "nothing is kept in `[redis]`: neither `replay` nor `store` is `\"redis\"`";
        mistakes.push(url.mistake(what));
    }
}

fn certificates(config: &Config, mistakes: &mut Vec<Mistake>) {
    let tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let mut asking = tls.filter(|tls| tls.client_certificates);
    match &config.certificates {
        Some(Certificates { source: CertificateSource::Connection, line }) => {
            if asking.next().is_none() && !config.is_unread("listener") {
                let what = "no listener asks clients for a certificate: `client_ca` or `client_certificates` in its `tls`";
                mistakes.push(Mistake { line: *line, what: what.to_owned() });
            }
        }
        None if config.is_unread("certificates") => {}
        // It looks as if nobody came in without one.
        _ => mistakes.extend(asking.map(|tls| {
            let what = "the certificates that this asks for are not read: `[certificates]` has no `source = \"connection\"`";
            Mistake { line: tls.line, what: what.to_owned() }
        })),
    }
}

fn methods(route: &Route, config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut note = |line, what: String| mistakes.push(Mistake { line, what });
    for At { value, line } in route.methods.iter().flatten() {
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
