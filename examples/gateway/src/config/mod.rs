//! What the file of configuration says.

mod auth;
mod reader;
mod routes;
mod server;

use std::{net::SocketAddr, path::Path, time::Duration};

use self::reader::Reader;
pub(crate) use self::{
    auth::{
        Assertions, CertificateSource, Certificates, Clients, Encoding, Identity, Signed, Store,
        Throttle, Verified,
    },
    reader::{At, Mistake},
    routes::{Kind, Protocol, Route, Target, Upstream},
    server::{Connections, Listener, Tls},
};
use crate::check;

/// All of it. It is checked: what is left to fail is what only the system can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) log: tracing::level_filters::LevelFilter,
    pub(crate) shutdown: Shutdown,
    /// For which a caller may take nothing of an answer.
    pub(crate) send: Duration,
    pub(crate) connections: Connections,
    pub(crate) admin: Option<At<SocketAddr>>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) clients: Clients,
    pub(crate) assertions: Option<Assertions>,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) redis: Option<At<String>>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) identity: Identity,
    pub(crate) routes: Vec<Route>,
    /// The sections that are there and could not be read as they were meant.
    unread: Vec<&'static str>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shutdown {
    /// Still accepting, and not ready any more.
    pub(crate) delay: Duration,
    /// For what has begun.
    pub(crate) drain: Duration,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, by lines.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Mistake>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return Err(vec![Mistake { line: 0, what: format!("cannot be read: {error}") }]);
            }
        };
        Self::parse(&text, path.parent().unwrap_or_else(|| Path::new("")))
    }

    fn parse(text: &str, directory: &Path) -> Result<Self, Vec<Mistake>> {
        let reader = Reader::new(text, directory);
        let table = reader.parse()?;
        let config = {
            let root = reader.root(&table);
            let log = root.one_of("log", &server::LEVELS);
            let delay = root.number("shutdown_delay_seconds", 0..=3600);
            let drain = root.seconds("drain_seconds", 20);
            let send = root.seconds("send_seconds", 60);
            let connections = Connections::read(&root);
            let admin = root.table("admin").and_then(|admin| {
                admin.required("address", admin.parsed("address", server::ADDRESS))
            });
            let listeners = root.tables("listener");
            let listeners: Vec<_> = listeners.iter().filter_map(Listener::read).collect();
            let clients = root.required("clients", root.table("clients"));
            let clients = clients.as_ref().and_then(Clients::read);
            let redis = root.table("redis");
            let redis = redis.as_ref().and_then(|redis| redis.required("url", redis.secret("url")));
            let assertions = root.table("assertions");
            let assertions = assertions.as_ref().and_then(Assertions::read);
            let throttle = root.table("throttle");
            let throttle = throttle.as_ref().and_then(Throttle::read);
            let certificates = root.table("certificates");
            let certificates = certificates.as_ref().and_then(Certificates::read);
            let identity = root.table("identity");
            let identity = match root.has("identity") {
                true => identity.as_ref().and_then(Identity::read),
                false => Some(Identity::default()),
            };
            let routes = root.tables("route");
            let sections = [
                ("listener", listeners.len() == root.length("listener")),
                ("redis", redis.is_some()),
                ("assertions", assertions.is_some()),
                ("throttle", throttle.is_some()),
                ("certificates", certificates.is_some()),
                ("identity", identity.is_some()),
            ];
            let unread = sections.into_iter().filter(|(key, is_read)| root.has(key) && !is_read);
            Self {
                unread: unread.map(|(key, _)| key).collect(),
                log: log.map_or(tracing::level_filters::LevelFilter::INFO, |log| log.value),
                shutdown: Shutdown {
                    delay: Duration::from_secs(delay.map_or(0, |delay| delay.value)),
                    drain,
                },
                send,
                connections,
                admin,
                listeners,
                assertions,
                throttle,
                redis,
                certificates,
                identity: identity.unwrap_or_default(),
                routes: routes.iter().filter_map(Route::read).collect(),
                clients: clients.unwrap_or(Clients::Missing),
            }
        };
        let mut mistakes = reader.into_mistakes();
        mistakes.extend(check::check(&config));
        mistakes.sort();
        mistakes.dedup();
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    /// Whether nothing can be said of a section, because there is a mistake in it: what seems to be missing may be there.
    pub(crate) fn is_unread(&self, section: &str) -> bool {
        self.unread.contains(&section)
    }
}
