//! The dummy secret that an unknown client is checked against.

use std::sync::{Arc, OnceLock};

use crate::{
    method::{Method, Registration},
    secret::stored::ClientSecret,
};

/// A secret of the kind that the store keeps, so that the time of an answer does not tell whether a
/// client exists (RFC 6819 §5.1.4.2): the one that was set, or else one like the first that the
/// provider returned. Until then it is a plain one.
#[derive(Clone)]
pub(crate) struct Decoy(Arc<DecoyState>);

struct DecoyState {
    plain: DummyRegistrations,
    chosen: OnceLock<DummyRegistrations>,
}

/// An unknown client is checked against a dummy registration for the presented method, so it takes
/// the same code path as a wrong secret.
struct DummyRegistrations {
    basic: Registration,
    post: Registration,
}

impl Decoy {
    pub(crate) fn set(secret: ClientSecret) -> Self {
        Self::new(DummyRegistrations::new(secret).into())
    }

    fn new(chosen: OnceLock<DummyRegistrations>) -> Self {
        let plain = DummyRegistrations::new(ClientSecret::plain(ClientSecret::DECOY));
        Self(Arc::new(DecoyState { plain, chosen }))
    }

    /// Looks at what a client is registered with, and returns it.
    pub(crate) fn learn<'a>(&self, registration: &'a Registration) -> &'a Registration {
        let chosen = &self.0.chosen;
        if chosen.get().is_none() {
            let secrets = registration.secrets().unwrap_or_default();
            if let Some(like) = secrets.first().and_then(ClientSecret::decoy_of_same_cost) {
                let _chosen = chosen.set(DummyRegistrations::new(like));
            }
        }
        registration
    }

    /// The dummy registration of an unknown client that used this method.
    pub(crate) fn registration(&self, method: Method) -> &Registration {
        let dummies = self.dummies();
        if method == Method::Post { &dummies.post } else { &dummies.basic }
    }

    /// For a client without a secret of its own.
    pub(crate) fn secrets(&self) -> &[ClientSecret] {
        self.dummies().basic.secrets().unwrap_or_default()
    }

    fn dummies(&self) -> &DummyRegistrations {
        self.0.chosen.get().unwrap_or(&self.0.plain)
    }
}

impl DummyRegistrations {
    fn new(secret: ClientSecret) -> Self {
        Self {
            basic: Registration::Basic(secret.clone().into()),
            post: Registration::Post(secret.into()),
        }
    }
}

impl Default for Decoy {
    fn default() -> Self {
        Self::new(OnceLock::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::comparison::Secrets;

    use super::*;

    const PLAIN: &str = "[ClientSecret { plain: [redacted] }]";
    const SHA256: &str = "[ClientSecret { sha256: [redacted] }]";

    /// What a client without a secret is compared with, known or not.
    fn kind(decoy: &Decoy) -> String {
        let kind = format!("{:?}", decoy.secrets());
        for method in [Method::Basic, Method::Post] {
            let unknown = decoy.registration(method).secrets().unwrap_or_default();
            assert_eq!(format!("{unknown:?}"), kind);
        }
        kind
    }

    fn learn(decoy: &Decoy, secrets: impl IntoIterator<Item = ClientSecret>) {
        if let Some(secrets) = Secrets::new(secrets) {
            decoy.learn(&Registration::Basic(secrets));
        }
    }

    // R78. Between a digest and a plain secret only time would tell.
    #[test]
    fn decoy_imitates_the_first_possible_kind() {
        let decoy = Decoy::default();
        assert_eq!(kind(&decoy), PLAIN);
        decoy.learn(&Registration::None);
        learn(&decoy, []);
        learn(&decoy, [ClientSecret::verified_by(|_| std::future::ready(Ok(true)))]);
        assert_eq!(kind(&decoy), PLAIN);
        // The clone is that of another request; the window and the label are that client's own.
        learn(&decoy.clone(), [ClientSecret::sha256_of("x").labelled("x").expires_at(1)]);
        assert_eq!(kind(&decoy), SHA256);
        learn(&decoy, [ClientSecret::plain("x")]);
        assert_eq!(kind(&decoy), SHA256);

        let decoy = Decoy::default();
        learn(&decoy, [ClientSecret::plain("x")]);
        learn(&decoy, [ClientSecret::sha256_of("x")]);
        assert_eq!(kind(&decoy), PLAIN);
    }

    #[test]
    fn explicit_decoy_stays() {
        let decoy = Decoy::set(ClientSecret::sha256_of("x"));
        learn(&decoy, [ClientSecret::plain("x")]);
        assert_eq!(kind(&decoy), SHA256);
    }

    #[cfg(feature = "argon2")]
    #[test]
    #[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    fn slow_hash_imitates_itself() {
        let hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBvZiBhIHRlc3QuLg$Kutp91nEG2KNHlwtdhHNGIihTk5tzA1hqKKTeUNahMs";
        let decoy = Decoy::default();
        learn(&decoy, [ClientSecret::phc(hash).unwrap()]);
        assert_eq!(kind(&decoy), "[ClientSecret { phc: [redacted] }]");
    }
}
