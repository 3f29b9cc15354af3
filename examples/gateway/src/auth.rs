//! The layers that authenticate clients, one for each route.

use std::sync::Arc;

use http::{HeaderValue, request::Parts};
use ipnet::IpNet;
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, Limits,
    assertion::Assertions,
    mutual_tls::{MutualTls, ProxyHeader},
    replay::MemoryReplayStore,
    throttle::{FailureThrottle, PeerAddress},
};

use crate::{
    clients::{Clients, Published},
    config::{self, CertificateSource, Config, Encoding, Kind, Mistake, Route, Store, Verified},
    identity, redis, telemetry,
};
use example_support::Peer;

pub(crate) type Layer = ClientAuthLayer<Clients>;

/// What a new configuration takes over from the one before: forgetting it would let an assertion be used twice, and
/// a guesser begin again.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    replay: Option<(usize, Arc<MemoryReplayStore>)>,
    throttle: Option<(config::Throttle, Arc<FailureThrottle>)>,
    redis: Option<Redis>,
    published: Published,
}

/// A server that several gateways share.
#[derive(Clone)]
struct Redis {
    url: String,
    connection: redis::Connection,
    throttle: Option<(config::Throttle, redis::Throttle)>,
}

impl Memory {
    fn replay(&mut self, capacity: usize) -> Arc<MemoryReplayStore> {
        match &self.replay {
            Some((size, store)) if *size == capacity => Arc::clone(store),
            _ => {
                let store = Arc::new(MemoryReplayStore::new(capacity));
                self.replay = Some((capacity, Arc::clone(&store)));
                store
            }
        }
    }

    fn throttle(&mut self, config: &config::Throttle) -> Arc<FailureThrottle> {
        match &self.throttle {
            Some((settings, throttle)) if settings == config => Arc::clone(throttle),
            _ => {
                let throttle = Arc::new(failures(config));
                self.throttle = Some((config.clone(), Arc::clone(&throttle)));
                throttle
            }
        }
    }

    fn redis(&mut self, config: &Config) -> Result<Option<&mut Redis>, Mistake> {
        let Some(url) = &config.redis else {
            self.redis = None;
            return Ok(None);
        };
        if self.redis.as_ref().is_none_or(|redis| redis.url != url.value) {
            let connection = redis::connect(&url.value);
            let connection = connection.map_err(|error| url.mistake(error.to_string()))?;
            self.redis = Some(Redis { url: url.value.clone(), connection, throttle: None });
        }
        Ok(self.redis.as_mut())
    }
}

impl Redis {
    fn throttle(&mut self, config: &config::Throttle) -> redis::Throttle {
        match &self.throttle {
            Some((settings, throttle)) if settings == config => redis::Throttle::clone(throttle),
            _ => {
                let throttle = redis::throttle(&self.connection, failures(config));
                self.throttle = Some((config.clone(), redis::Throttle::clone(&throttle)));
                throttle
            }
        }
    }
}

/// Whose failures are counted.
fn caller(config: &config::Throttle) -> PeerAddress {
    let mut peer = PeerAddress::from_extension(|peer: &Peer| peer.0.ip());
    if !config.trusted.is_empty() {
        let trusted = config.trusted.clone();
        peer =
            peer.x_forwarded_for(move |hop| trusted.iter().any(|network| network.contains(&hop)));
    }
    peer
}

fn failures(config: &config::Throttle) -> FailureThrottle {
    FailureThrottle::new(caller(config))
        .per_client(config.per_client, config.period)
        .per_address(config.per_address, config.period)
}

/// What all routes have in common.
pub(crate) fn base(
    config: &Config,
    clients: Clients,
    memory: &mut Memory,
) -> Result<Layer, Mistake> {
    const NONE: &str = "there is no `[redis]`";
    let mut layer = ClientAuthLayer::new(clients);
    let published = memory.published.source(&config.clients)?;
    if let Some(settings) = &config.assertions {
        let issuer = &settings.issuer;
        let assertions = match settings.replay.value {
            Store::Memory => Assertions::new(&issuer.value, memory.replay(settings.capacity)),
            Store::Redis => match memory.redis(config)? {
                Some(redis) => redis::assertions(&redis.connection, &issuer.value),
                None => return Err(settings.replay.mistake(NONE)),
            },
        };
        let mut assertions = assertions.map_err(|error| issuer.mistake(error.to_string()))?;
        if let Some(keys) = &published {
            assertions = assertions.jwks_source(keys.clone());
        }
        layer = layer.assertions(
            assertions.legacy_audiences(settings.legacy_audiences.clone()).spiffe_jwt(),
        );
    }
    if let Some(settings) = &config.throttle {
        layer = match settings.store.value {
            Store::Memory => layer.throttle(memory.throttle(settings)),
            Store::Redis => match memory.redis(config)? {
                Some(redis) => layer.throttle(redis.throttle(settings)),
                None => return Err(settings.store.mistake(NONE)),
            },
        };
    }
    if let Some(certificates) = &config.certificates {
        let mutual_tls = mutual_tls(&certificates.source);
        layer = layer.mutual_tls(match published {
            Some(keys) => mutual_tls.jwks_source(keys),
            None => mutual_tls,
        });
    }
    Ok(layer)
}

fn mutual_tls(source: &CertificateSource) -> MutualTls {
    let CertificateSource::Header { name, encoding, trusted, verified } = source else {
        return MutualTls::from_connection();
    };
    let name = name.clone();
    let header = match encoding {
        Encoding::ClientCert => ProxyHeader::client_cert(),
        Encoding::EscapedPem => ProxyHeader::escaped_pem(name),
        Encoding::Base64Der => ProxyHeader::base64_der(name),
        Encoding::Base64DerChain => ProxyHeader::base64_der_chain(name),
        Encoding::SpacedPem => ProxyHeader::spaced_pem(name),
        Encoding::Xfcc => ProxyHeader::xfcc(0),
    };
    let trusted = trusted.clone();
    let mutual_tls = MutualTls::from_header(header, move |head| is_from(&trusted, head));
    match verified {
        Verified::Never => mutual_tls,
        Verified::If(name, value) => {
            let value: HeaderValue = value.clone();
            mutual_tls.verified_if(name.clone(), value)
        }
        Verified::ByProxy => mutual_tls.verified_by_proxy(),
    }
}

fn is_from(trusted: &[IpNet], head: &Parts) -> bool {
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)))
}

/// The layer of a route.
pub(crate) fn layer(
    base: &Layer,
    config: &Config,
    route: &Route,
    name: &str,
) -> Result<Layer, Mistake> {
    let mistake = |error: BoxError| Mistake { line: route.line, what: error.to_string() };
    let mut limits = Limits::new().body_deadline(route.body_deadline).provider_deadline(PROVIDER);
    if let Some(limit) = route.body_limit {
        limits = limits.body(limit);
    }
    let name = name.to_owned();
    // Without proxies it is the peer.
    let throttle = config.throttle.as_ref().filter(|throttle| !throttle.trusted.is_empty());
    let caller = throttle.map(caller);
    let mut layer = base
        .clone()
        .limits(limits)
        .forward(identity::forward(config, route)?)
        .on_outcome(move |outcome| telemetry::log_refusal(&name, caller.as_ref(), outcome));
    if route.kind == Kind::HeadersOnly {
        layer = layer.headers_only().map_err(|error| mistake(error.into()))?;
    }
    if route.optional {
        layer = layer.optional();
    }
    if let Some(methods) = &route.auth_methods {
        let methods: Vec<AuthMethod> = methods.iter().map(|method| method.value.clone()).collect();
        layer = layer.auth_methods(methods).map_err(|error| mistake(error.into()))?;
    }
    Ok(layer)
}

/// For a look-up in a database or in Redis.
const PROVIDER: std::time::Duration = std::time::Duration::from_secs(2);
