//! How many connections callers may have: a process has only so many descriptors, and so much memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use metrics::{Counter, Gauge};

use crate::config::{Config, Protocol};

/// Of all callers, unless it is configured. An idle one over TLS takes some 30 KB.
const MOST: usize = 10_000;
/// The part of them that one address may have, unless it is configured.
const SHARE: usize = 4;
/// Of the operators.
const OPERATORS: usize = 32;
/// The descriptors that are neither for callers nor for upstreams: of listeners, operators and files, and of connections to
/// Redis, to PostgreSQL and to where keys are published.
const OTHERS: usize = 100;
/// Descriptors that every process has, where more cannot be asked for.
const USUAL: u64 = 1024;
/// Between two lines of the log about connections that are refused.
const SAID: Duration = Duration::from_secs(10);

/// How many descriptors the process may have. It asks for as many as it is allowed to.
pub(crate) fn descriptors() -> usize {
    let raised = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(USUAL);
    usize::try_from(raised).unwrap_or(usize::MAX)
}

/// How many connections there may be.
pub(crate) struct Limits {
    all: usize,
    per_address: usize,
    /// For whom the second one does not hold.
    proxies: Vec<IpNet>,
}

impl Limits {
    /// Of callers.
    pub(crate) fn new(config: &Config, descriptors: usize) -> Self {
        let of_headers = config.certificates.iter().flat_map(|certificates| certificates.trusted());
        let of_throttle = config.throttle.iter().flat_map(|throttle| &throttle.trusted);
        let all = all(config, descriptors);
        let per_address = config.connections.per_address.as_ref();
        Self {
            all,
            per_address: per_address.map_or(all.div_ceil(SHARE), |limit| limit.value),
            proxies: of_headers.chain(of_throttle).copied().collect(),
        }
    }

    fn network(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        (!is_proxy).then(|| network(peer))
    }
}

fn all(config: &Config, descriptors: usize) -> usize {
    config.connections.all.as_ref().map_or_else(
        || {
            // Some that are idle, beside those that are used. Callers may have half of what there is, whatever is said of
            // upstreams.
            let left = descriptors.saturating_sub(to_upstreams(config).saturating_mul(2));
            left.saturating_sub(OTHERS).max(descriptors / 2).clamp(1, MOST)
        },
        |limit| limit.value,
    )
}

/// How many connections there can be to upstreams.
fn to_upstreams(config: &Config) -> usize {
    let mut upstreams = HashMap::new();
    for upstream in config.routes.iter().filter_map(|route| route.target.upstream()) {
        let connections = match upstream.protocol {
            Protocol::Http1 => upstream.max_requests,
            Protocol::H2c => 1,
        };
        let most: &mut usize = upstreams.entry(upstream.pool()).or_default();
        *most = connections.max(*most);
    }
    upstreams.into_values().fold(0, usize::saturating_add)
}

/// How many descriptors may be needed, if there are not as many.
pub(crate) fn needed(config: &Config, descriptors: usize) -> Option<usize> {
    let needed =
        all(config, descriptors).saturating_add(to_upstreams(config)).saturating_add(OTHERS);
    (needed > descriptors).then_some(needed)
}

/// Who has an IPv6 address usually has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        IpAddr::V4(_) => address,
    }
}

/// Lets in as many connections as there may be. Clones count together.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Mutex<State>>);

struct State {
    limits: Limits,
    all: usize,
    by_network: HashMap<IpAddr, usize>,
    gauge: Option<Gauge>,
    /// For whom there was no place.
    beyond_all: Refused,
    /// Whose address had too many.
    beyond_share: Refused,
}

struct Refused {
    /// What they are beyond.
    limit: &'static str,
    counter: Counter,
    /// Since the last line of the log.
    count: u64,
    said: Option<Instant>,
}

impl Refused {
    fn new(limit: &'static str) -> Self {
        let counter = metrics::counter!("gateway_connections_refused_total", "limit" => limit);
        Self { limit, counter, count: 0, said: None }
    }

    /// Tells how many there were since this was told, if that is a while ago.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.counter.increment(1);
        self.count += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SAID) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

impl Admission {
    /// For callers.
    pub(crate) fn new(limits: Limits) -> Self {
        let gauge = metrics::gauge!("gateway_connections");
        Self::with(limits, Some(gauge), ["max_connections", "max_connections_per_address"])
    }

    /// For operators, who are let in also when callers are not.
    pub(crate) fn of_operators() -> Self {
        let limits = Limits { all: OPERATORS, per_address: OPERATORS, proxies: Vec::new() };
        Self::with(limits, None, ["admin", "admin"])
    }

    fn with(limits: Limits, gauge: Option<Gauge>, names: [&'static str; 2]) -> Self {
        let [beyond_all, beyond_share] = names.map(Refused::new);
        let by_network = HashMap::new();
        let state = State { limits, all: 0, by_network, gauge, beyond_all, beyond_share };
        Self(Arc::new(Mutex::new(state)))
    }

    /// For connections from now on.
    pub(crate) fn set(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// `None` if there are as many as there may be, which is counted and logged.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<Admitted> {
        let mut state = self.lock();
        let network = state.limits.network(peer);
        let of_network = network.and_then(|network| state.by_network.get(&network).copied());
        let refused = if of_network.unwrap_or(0) >= state.limits.per_address {
            &mut state.beyond_share
        } else if state.all >= state.limits.all {
            &mut state.beyond_all
        } else {
            state.all += 1;
            if let Some(network) = network {
                *state.by_network.entry(network).or_default() += 1;
            }
            state.measure();
            drop(state);
            return Some(Admitted { by: self.clone(), network });
        };
        let (limit, told) = (refused.limit, refused.note(Instant::now()));
        drop(state);
        if let Some(refused) = told {
            tracing::warn!(limit, refused, last = %peer, "connections were refused");
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn measure(&self) {
        if let Some(gauge) = &self.gauge {
            gauge.set(self.all as f64);
        }
    }
}

/// A connection that counts for as long as it is there.
pub(crate) struct Admitted {
    by: Admission,
    network: Option<IpAddr>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = self.by.lock();
        state.all -= 1;
        if let Some(network) = self.network
            && let Some(count) = state.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                state.by_network.remove(&network);
            }
        }
        state.measure();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_once_in_a_while_with_their_number() {
        let mut refused = Refused::new("max_connections");
        let began = Instant::now();
        assert_eq!(refused.note(began), Some(1));
        assert_eq!(refused.note(began + SAID / 2), None);
        assert_eq!(refused.note(began + SAID), Some(2));
        assert_eq!(refused.note(began + SAID), None);
    }

    #[test]
    fn address_of_ipv6_counts_with_its_network() {
        let limits = Limits { all: 10, per_address: 1, proxies: Vec::new() };
        let admission = Admission::new(limits);
        let is_admitted = |peer: &str| admission.admit(peer.parse().ok()?);
        let first = is_admitted("2001:db8:0:1::1");
        assert!(first.is_some());
        assert!(is_admitted("2001:db8:0:1:ffff::2").is_none());
        assert!(is_admitted("2001:db8:0:2::1").is_some());
        drop(first);
        assert!(is_admitted("2001:db8:0:1:ffff::2").is_some());
        // A listener of IPv6 has callers of IPv4, too, and each of these has an address of its own.
        let first = is_admitted("::ffff:192.0.2.1");
        assert!(first.is_some());
        assert!(is_admitted("192.0.2.1").is_none());
        assert!(is_admitted("::ffff:192.0.2.2").is_some());
    }
}
