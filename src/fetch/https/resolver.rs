//! Names are resolved to addresses that may be connected to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{
    error::{BoxError, throttled::Throttled},
    fetch::{
        budget::PerMinute,
        https::{AddressPolicy, Refused},
    },
};

/// As many as may be fetched at a time.
const LOOKUPS: usize = 16;
/// How long to wait for one of them. When all are held, that is no failure of the host that is next.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A name may have hundreds, each of which would be tried.
const MOST_ADDRESSES: usize = 8;

/// How often strangers may make each network be connected to.
pub(super) struct Networks {
    per_minute: PerMinute<IpAddr>,
    most: AtomicU32,
}

impl Networks {
    pub(super) fn new(most: u32) -> Self {
        Self { per_minute: PerMinute::default(), most: AtomicU32::new(most) }
    }

    pub(super) fn allow(&self, most: u32) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<(), Throttled> {
        let most = self.most.load(Ordering::Relaxed);
        self.per_minute.take(&network(address), most, Instant::now())
    }
}

/// The /24 or /48 of the address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0 << 8).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !0 << 80).into(),
    }
}

/// Resolves a name to those of its addresses that may be connected to.
pub(super) struct Resolver {
    policy: AddressPolicy,
    /// For addresses on probation.
    networks: Option<Arc<Networks>>,
    /// One for each look-up of the system, which cannot be ended: a thread that waits for a dead name
    /// server holds it after the fetch has ended.
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new(policy: AddressPolicy, networks: Option<Arc<Networks>>) -> Self {
        Self { policy, networks, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, networks) = (self.policy, self.networks.clone());
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let found = look_up(lookups, move || (name.as_str(), 0).to_socket_addrs()).await??;
            let allowed = judge(found, policy, networks.as_deref())?;
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

async fn look_up<T: Send + 'static>(
    lookups: Arc<Semaphore>,
    system: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BoxError> {
    let Ok(lookup) = timeout(LONGEST_WAIT, lookups.acquire_owned()).await else {
        return Err(Throttled::new(LONGEST_WAIT).into());
    };
    let lookup = lookup?;
    let found = spawn_blocking(move || {
        let found = system();
        drop(lookup);
        found
    });
    Ok(found.await?)
}

fn judge(
    found: impl Iterator<Item = SocketAddr>,
    policy: AddressPolicy,
    networks: Option<&Networks>,
) -> Result<Vec<SocketAddr>, BoxError> {
    let mut allowed: Vec<_> =
        found.filter(|address| policy(address.ip())).take(MOST_ADDRESSES).collect();
    if allowed.is_empty() {
        return Err(Refused::Address.into());
    }
    let Some(networks) = networks else { return Ok(allowed) };
    let mut judged: Vec<(IpAddr, Result<(), Throttled>)> = Vec::new();
    let mut verdict = |address: IpAddr| {
        let network = network(address);
        if let Some((_, verdict)) = judged.iter().find(|(other, _)| *other == network) {
            return *verdict;
        }
        let verdict = networks.take(address);
        judged.push((network, verdict));
        verdict
    };
    allowed.retain(|address| verdict(address.ip()).is_ok());
    let throttled = judged.into_iter().find_map(|(_, verdict)| verdict.err());
    match throttled {
        Some(throttled) if allowed.is_empty() => Err(throttled.into()),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    fn judged(addresses: &[&str], networks: &Networks) -> Result<Vec<String>, bool> {
        let found = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
        let allowed = judge(found, |address| !address.is_loopback(), Some(networks));
        let shown = |address: SocketAddr| address.ip().to_string();
        allowed
            .map(|allowed| allowed.into_iter().map(shown).collect())
            .map_err(|error| Throttled::find(&*error).is_some())
    }

    #[test]
    fn networks_are_24_or_48_bits_long() {
        for (one, other, alike) in [
            ("8.8.8.0", "8.8.8.255", true),
            ("8.8.8.0", "8.8.9.0", false),
            ("2001:4860:4860::1", "2001:4860:4860:ffff:ffff::", true),
            ("2001:4860:4860::", "2001:4860:4861::", false),
        ] {
            let [one, other] = [one, other].map(|address| network(address.parse().unwrap()));
            assert_eq!(one == other, alike, "{one} {other}");
        }
    }

    #[test]
    fn a_network_is_connected_to_so_often_a_minute_for_strangers() {
        let networks = Networks::new(2);
        let both = ["8.8.8.8", "9.9.9.9"].map(str::to_owned).to_vec();
        assert_eq!(judged(&["8.8.8.8", "8.8.8.1"], &networks).unwrap().len(), 2, "one network");
        assert_eq!(judged(&["8.8.8.8", "127.0.0.1", "9.9.9.9"], &networks), Ok(both));
        assert_eq!(judged(&["8.8.8.8"], &networks), Err(true));
        assert_eq!(judged(&["8.8.8.8", "9.9.9.9"], &networks), Ok(vec!["9.9.9.9".to_owned()]));
        assert_eq!(judged(&["8.8.8.8", "9.9.9.9"], &networks), Err(true));
        assert_eq!(judged(&["127.0.0.1"], &networks), Err(false));
        networks.allow(3);
        assert_eq!(judged(&["8.8.8.8"], &networks).map(|allowed| allowed.len()), Ok(1));
    }

    #[test]
    fn a_name_leads_to_few_addresses() {
        let many: Vec<_> = (1..=100).map(|last| format!("8.8.{last}.8")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(judged(&many, &Networks::new(1)).unwrap().len(), MOST_ADDRESSES);
    }

    // The system cannot be told to stop, so the bound is on what it still does.
    #[tokio::test]
    async fn a_lookup_that_nobody_waits_for_keeps_its_place() {
        let lookups = Arc::new(Semaphore::new(1));
        let (answer, told) = mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let waiting = tokio::spawn(look_up(Arc::clone(&lookups), move || {
            begin.send(()).unwrap();
            told.recv()
        }));
        begun.await.unwrap();
        waiting.abort();
        assert!(waiting.await.is_err());
        assert_eq!(lookups.available_permits(), 0);
        drop(answer);
        assert!(look_up(lookups, || ()).await.is_ok());
    }

    // Names of others may have all the threads, and their name servers be dead.
    #[tokio::test(start_paused = true)]
    async fn want_of_lookups_is_no_failure_of_the_host() {
        let lookups = Arc::new(Semaphore::new(0));
        let waiting = timeout(Duration::from_secs(4), look_up(lookups, || ()));
        let error = waiting.await.unwrap().unwrap_err();
        assert!(Throttled::find(&*error).is_some(), "{error}");
    }
}
