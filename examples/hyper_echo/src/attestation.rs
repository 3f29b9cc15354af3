//! The flags that say whose attestations are accepted:
//!
//! - `--attesters FILE`: a JSON object of the key sets of attesters by their names. A client names its own in the member
//!   `attester`, which is this crate's. It needs `--issuer`.
//! - `--attestation-challenges`: each proof needs a challenge. `POST /challenge` has one, for everybody.
//! - `--challenge-secret FILE`: at least 32 bytes, which several processes share. Without, the secret is this process's own.
//! - `--challenges-once`: each challenge is accepted once.

use std::collections::BTreeMap;

use example_support::Flags;
use serde_json::Value;
use tower_client_auth::{
    BoxError,
    assertion::ClientKeys,
    attestation::{Attesters, Challenges},
    replay::ReplayStore,
    secret::GeneratedSecret,
};

#[derive(Default)]
pub(crate) struct AttestationFlags {
    file: Option<String>,
    challenges: bool,
    secret: Option<String>,
    once: bool,
}

impl AttestationFlags {
    pub(crate) fn take(&mut self, name: &str, flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--attesters" => self.file = Some(flags.value()?),
            "--attestation-challenges" => self.challenges = true,
            "--challenge-secret" => self.secret = Some(flags.value()?),
            "--challenges-once" => self.once = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether there is a challenge endpoint.
    pub(crate) const fn has_challenges(&self) -> bool {
        self.challenges
    }

    /// Whose attestations the layer accepts, if anybody's.
    pub(crate) fn attesters(
        &self,
        issuer: Option<&str>,
        replay: impl ReplayStore,
    ) -> Result<Option<Attesters>, BoxError> {
        if !self.challenges && (self.once || self.secret.is_some()) {
            return Err("there are no challenges without --attestation-challenges".into());
        }
        let Some(file) = &self.file else {
            return match self.challenges {
                true => Err("--attestation-challenges needs --attesters".into()),
                false => Ok(None),
            };
        };
        let issuer = issuer.ok_or("--attesters needs --issuer")?;
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let sets: BTreeMap<String, Value> =
            serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        let mut attesters = Attesters::new(issuer, replay)?;
        for (name, set) in sets {
            let keys = ClientKeys::from_jwks(&set.to_string());
            attesters =
                attesters.trust(&name, keys.map_err(|error| format!("{file}: {name}: {error}"))?);
        }
        if self.challenges {
            let challenges = self.challenges()?;
            attesters =
                attesters.challenges(if self.once { challenges.once() } else { challenges });
        }
        Ok(Some(attesters))
    }

    fn challenges(&self) -> Result<Challenges, BoxError> {
        Ok(match &self.secret {
            Some(file) => {
                let secret = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
                Challenges::stateless(secret)?
            }
            None => Challenges::stateless(GeneratedSecret::new()?.expose())?,
        })
    }
}
