//! What is compared for who has no stored secret.

use std::sync::{Arc, OnceLock};

use crate::{ClientSecret, client::Registration, iana::Method};

/// A secret of the kind that the store keeps, so that the time of an answer does not tell whether a
/// client exists (RFC 6819 §5.1.4.2): the one that was set, or else one like the first that the
/// provider returned. Until then it is a plain one.
#[derive(Clone)]
pub(crate) struct Decoy(Arc<Learned>);

struct Learned {
    plain: Nobody,
    chosen: OnceLock<Nobody>,
}

/// Who is unknown is judged by a registration for the method that was used, and so takes the way
/// of a client whose secret is wrong.
struct Nobody {
    basic: Registration,
    post: Registration,
}

impl Decoy {
    pub(crate) fn set(secret: ClientSecret) -> Self {
        Self::new(Nobody::new(secret).into())
    }

    fn new(chosen: OnceLock<Nobody>) -> Self {
        let plain = Nobody::new(ClientSecret::plain(ClientSecret::DECOY));
        Self(Arc::new(Learned { plain, chosen }))
    }

    /// Looks at what a client is registered with, and returns it.
    pub(crate) fn learn<'a>(&self, registration: &'a Registration) -> &'a Registration {
        let chosen = &self.0.chosen;
        if chosen.get().is_none() {
            let secrets = registration.secrets().unwrap_or_default();
            if let Some(like) = secrets.first().and_then(ClientSecret::stand_in) {
                let _chosen = chosen.set(Nobody::new(like));
            }
        }
        registration
    }

    /// What an unknown client is judged by that used this method.
    pub(crate) fn registration(&self, method: Method) -> &Registration {
        let nobody = self.nobody();
        if method == Method::Post { &nobody.post } else { &nobody.basic }
    }

    /// For a client without a secret of its own.
    pub(crate) fn secrets(&self) -> &[ClientSecret] {
        self.nobody().basic.secrets().unwrap_or_default()
    }

    fn nobody(&self) -> &Nobody {
        self.0.chosen.get().unwrap_or(&self.0.plain)
    }
}

impl Nobody {
    fn new(secret: ClientSecret) -> Self {
        Self {
            basic: Registration::SecretBasic(Box::new([secret.clone()])),
            post: Registration::SecretPost(Box::new([secret])),
        }
    }
}

impl Default for Decoy {
    fn default() -> Self {
        Self::new(OnceLock::new())
    }
}
