//! The work for a client that is unknown, or does not fit.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    method::Registration,
    secret::{
        dummy::{self, Dummy},
        stored::ClientSecret,
    },
};

/// How many quick kinds are learned, and how many slow ones, each dearer than those before.
const KINDS: usize = 8;

/// What takes as long as the slowest client that the provider returned, or what was set, so that the
/// time of an answer does not tell whether a client exists (RFC 6819 §5.1.4.2). Until one was
/// returned it is a plain secret.
#[derive(Clone)]
pub(crate) struct Decoy(Arc<DecoyState>);

struct DecoyState {
    /// What the slowest costs, and what the others do not exceed.
    cost: AtomicU64,
    first: Dummy,
    quick: [OnceLock<Dummy>; KINDS],
    slow: [OnceLock<Dummy>; KINDS],
}

impl Decoy {
    pub(crate) fn set(secret: ClientSecret) -> Self {
        Self::new(Dummy::new(secret), u64::MAX)
    }

    fn new(first: Dummy, cost: u64) -> Self {
        let none = || [const { OnceLock::new() }; KINDS];
        Self(Arc::new(DecoyState { cost: cost.into(), first, quick: none(), slow: none() }))
    }

    /// Looks at what a client is registered with, and returns it.
    pub(crate) fn learn<'a>(&self, registration: &'a Registration) -> &'a Registration {
        if let Registration::Basic(secrets) | Registration::Post(secrets) = registration {
            let Some(cost) = dummy::cost_of_like(secrets) else { return registration };
            if cost > self.0.cost.load(Ordering::Relaxed) {
                self.remember(secrets);
            }
        }
        registration
    }

    #[cold]
    fn remember(&self, secrets: &[ClientSecret]) {
        let Some(mut like) = Dummy::like(secrets) else { return };
        let cost = like.cost();
        let places = if like.is_slow(cost) { &self.0.slow } else { &self.0.quick };
        for place in places {
            match place.set(like) {
                Ok(()) => break,
                Err(back) => like = back,
            }
        }
        self.0.cost.fetch_max(cost, Ordering::Relaxed);
    }

    /// What an unknown client costs.
    pub(crate) fn dummy(&self) -> &Dummy {
        let DecoyState { first, quick, slow, .. } = &*self.0;
        let learned =
            [quick, slow].into_iter().flat_map(|kinds| kinds.iter().map_while(OnceLock::get));
        learned.fold(
            first,
            |slowest, other| {
                if other.cost() > slowest.cost() { other } else { slowest }
            },
        )
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
        dummy::cost_of_like(std::slice::from_ref(secret)).unwrap_or_default()
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

    // Quick kinds, of which a client may have many, leave room for the slow ones.
    #[cfg(feature = "argon2")]
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    fn decoy_learns_a_slow_kind_after_many_quick_ones() {
        let decoy = Decoy::default();
        for count in 0..100 {
            let digest = [ClientSecret::sha256_of("x")];
            learn(&decoy, digest.into_iter().chain((0..count).map(|_| ClientSecret::plain("x"))));
        }
        let salt = "$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let hash = ClientSecret::phc(&format!("$argon2id$v=19$m=64,t=1,p=1{salt}")).unwrap();
        learn(&decoy, [hash.clone()]);
        assert_eq!(decoy.dummy().cost(), cost(&hash));
    }

    #[test]
    fn explicit_decoy_stays() {
        let decoy = Decoy::set(ClientSecret::plain("x"));
        learn(&decoy, [ClientSecret::sha256_of("x")]);
        assert_eq!(decoy.dummy().cost(), cost(&ClientSecret::plain("x")));
    }
}
