//! The work for a client that is unknown, or does not fit.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    method::Registration,
    secret::{dummy::Dummy, stored::ClientSecret},
};

/// How many kinds are learned exactly, each dearer than those before. Beyond that only what is dearer
/// by a quarter, so that a store of which each client costs a little more does not add one for each.
const EXACT: usize = 32;

/// What takes as long as the slowest client that the provider returned, or what was set, so that the
/// time of an answer does not tell whether a client exists (RFC 6819 §5.1.4.2). Until one was
/// returned it is a plain secret.
#[derive(Clone)]
pub(crate) struct Decoy(Arc<DecoyState>);

struct DecoyState {
    /// What costs no more is not learned.
    enough: AtomicU64,
    cheapest: Kind,
}

/// Read without a lock, and so never taken back. The last one is the dearest.
struct Kind {
    dummy: Dummy,
    dearer: OnceLock<Box<Self>>,
}

impl Kind {
    const fn new(dummy: Dummy) -> Self {
        Self { dummy, dearer: OnceLock::new() }
    }
}

impl Decoy {
    pub(crate) fn set(secret: ClientSecret) -> Self {
        Self::new(Dummy::new(secret), u64::MAX)
    }

    fn new(dummy: Dummy, enough: u64) -> Self {
        Self(Arc::new(DecoyState { enough: enough.into(), cheapest: Kind::new(dummy) }))
    }

    /// Looks at what a client is registered with, and returns it.
    #[inline]
    pub(crate) fn learn<'a>(&self, registration: &'a Registration) -> &'a Registration {
        if let Registration::Basic(secrets) | Registration::Post(secrets) = registration {
            if secrets.imitated() > self.0.enough.load(Ordering::Relaxed) {
                self.remember(secrets);
            }
        }
        registration
    }

    #[cold]
    fn remember(&self, secrets: &[ClientSecret]) {
        let Some(dummy) = Dummy::like(secrets) else { return };
        let cost = dummy.cost();
        let mut new = Box::new(Kind::new(dummy));
        let (mut last, mut count) = (&self.0.cheapest, 0);
        // Another request may have added a dearer one since.
        while last.dummy.cost() < cost {
            count += 1;
            match last.dearer.get() {
                Some(dearer) => last = dearer,
                None => match last.dearer.set(new) {
                    Ok(()) => {
                        let margin = if count < EXACT { 0 } else { cost / 4 };
                        self.0.enough.fetch_max(cost.saturating_add(margin), Ordering::Relaxed);
                        return;
                    }
                    Err(back) => new = back,
                },
            }
        }
    }

    /// What an unknown client costs.
    pub(crate) fn dummy(&self) -> &Dummy {
        let mut last = &self.0.cheapest;
        while let Some(dearer) = last.dearer.get() {
            last = dearer;
        }
        &last.dummy
    }
}

impl Default for Decoy {
    fn default() -> Self {
        let plain = Dummy::new(ClientSecret::plain(ClientSecret::DECOY));
        let cost = plain.cost();
        Self::new(plain, cost)
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::comparison::Secrets;

    use super::*;

    fn learn(decoy: &Decoy, secrets: impl IntoIterator<Item = ClientSecret>) {
        if let Some(secrets) = Secrets::new(secrets) {
            decoy.learn(&Registration::Basic(secrets));
        }
    }

    fn cost(secret: &ClientSecret) -> u64 {
        Secrets::from(secret.clone()).imitated()
    }

    #[test]
    fn decoy_costs_as_much_as_the_slowest_client() {
        let decoy = Decoy::default();
        let plain = cost(&ClientSecret::plain("x"));
        assert_eq!(decoy.dummy().cost(), plain);
        decoy.learn(&Registration::None);
        learn(&decoy, []);
        learn(&decoy, [ClientSecret::verified_by(|_| std::future::ready(Ok(true)))]);
        assert_eq!(decoy.dummy().cost(), plain);
        // The clone is that of another request; the window and the label are that client's own.
        let digest = ClientSecret::sha256_of("x").labelled("x").expires_at(1);
        let one = cost(&digest);
        learn(&decoy.clone(), [digest.clone()]);
        assert_eq!(decoy.dummy().cost(), one);
        learn(&decoy, [ClientSecret::plain("x")]);
        assert_eq!(decoy.dummy().cost(), one);
        learn(&decoy, [digest.clone(), ClientSecret::plain("x")]);
        assert_eq!(decoy.dummy().cost(), one + plain);
        // Many would make every stranger as dear as that client.
        learn(&decoy, vec![digest; 20]);
        assert_eq!(decoy.dummy().cost(), 2 * one);
    }

    #[cfg(feature = "argon2")]
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    fn decoy_of_mixed_secrets_is_the_slow_one() {
        let decoy = Decoy::default();
        let hash = "$pbkdf2-sha256$i=1000,l=16$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        learn(&decoy, [ClientSecret::plain("x"), ClientSecret::phc(hash).unwrap()]);
        assert!(decoy.dummy().is_slow(1));
    }

    // However many there are, each a little dearer than the one before, or much.
    #[cfg(feature = "argon2")]
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    fn decoy_never_stops_learning() {
        let decoy = Decoy::default();
        let hash = |kind: &str| {
            let salt = "$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
            ClientSecret::phc(&format!("${kind}{salt}")).unwrap()
        };
        for count in 0..100 {
            let digest = [ClientSecret::sha256_of("x")];
            learn(&decoy, digest.into_iter().chain((0..count).map(|_| ClientSecret::plain("x"))));
        }
        let mut dearest = 0;
        let mut within = |exactly: bool, kind: String| {
            let secret = hash(&kind);
            dearest = dearest.max(cost(&secret));
            learn(&decoy, [secret]);
            let learned = decoy.dummy().cost();
            assert!(learned <= dearest && dearest <= learned + learned / 4, "{kind}");
            assert!(!exactly || learned == dearest, "{kind}");
        };
        for count in 0..20 {
            within(true, format!("pbkdf2-sha256$i={},l=16", 1000 + count));
        }
        for count in 0..500 {
            within(false, format!("pbkdf2-sha256$i={},l=16", 1100 + count));
        }
        // What is dearer by far is imitated exactly even then.
        for memory in [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20] {
            within(true, format!("argon2id$v=19$m={memory},t=4,p=1"));
        }
        let mut kinds = 0;
        let mut last = &decoy.0.cheapest;
        while let Some(dearer) = last.dearer.get() {
            (last, kinds) = (dearer, kinds + 1);
        }
        assert!(kinds < 2 * EXACT, "{kinds}");
    }

    // With nothing learned in between there is nothing to learn again.
    #[test]
    fn decoy_learns_each_kind_once() {
        let decoy = Decoy::default();
        for _ in 0..3 {
            learn(&decoy, [ClientSecret::sha256_of("x")]);
            assert!(decoy.0.cheapest.dearer.get().is_some_and(|kind| kind.dearer.get().is_none()));
        }
    }

    #[test]
    fn explicit_decoy_stays() {
        let decoy = Decoy::set(ClientSecret::plain("x"));
        learn(&decoy, [ClientSecret::sha256_of("x")]);
        assert_eq!(decoy.dummy().cost(), cost(&ClientSecret::plain("x")));
    }
}
