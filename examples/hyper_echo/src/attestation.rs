//! The flags that say whose attestations are accepted:
//!
//! - `--attesters FILE`: a JSON object of attesters by their names. Each is a key set (`keys`), or with the feature
//!   `unstable-attestation-x5c` has `trust_anchors`, an array of certificates of authorities, each in PEM or as base64 of
//!   its DER, and at most one of `subject_dn`, `san_dns` and `san_uri`, which the certificate of the attester must have; or
//!   both. A client names its attester in the member `attester`. All of these but `keys` are this crate's own. It needs
//!   `--issuer`.
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
            attesters = trust(attesters, &name, &set)
                .map_err(|error| format!("{file}: {name}: {error}"))?;
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

fn trust(mut attesters: Attesters, name: &str, set: &Value) -> Result<Attesters, BoxError> {
    const MEMBERS: [&str; 5] = ["keys", "trust_anchors", "subject_dn", "san_dns", "san_uri"];

    let members = set.as_object().ok_or("an attester is no object")?;
    // What is mistyped would say nothing of whose certificates are taken.
    if let Some(other) = members.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        return Err(format!("`{other}` is no member of an attester").into());
    }
    let anchors = set.get("trust_anchors");
    if set.get("keys").is_some() || anchors.is_none() {
        attesters = attesters.trust(name, ClientKeys::from_jwks(&set.to_string())?);
    }
    match anchors {
        Some(anchors) => trust_anchors(attesters, name, anchors, set),
        None => Ok(attesters),
    }
}

#[cfg(feature = "unstable-attestation-x5c")]
fn trust_anchors(
    attesters: Attesters,
    name: &str,
    anchors: &Value,
    set: &Value,
) -> Result<Attesters, BoxError> {
    use tower_client_auth::{attestation::TrustAnchors, mutual_tls::CertificateSubject};

    let anchors = anchors.as_array().ok_or("`trust_anchors` is no array")?;
    let in_pem = |anchor: &Value| match anchor.as_str() {
        Some(pem) if pem.contains("-----BEGIN") => Ok(format!("{pem}\n")),
        Some(base64) => {
            Ok(format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"))
        }
        None => Err("`trust_anchors` has something else than strings"),
    };
    let anchors = anchors.iter().map(in_pem).collect::<Result<String, _>>()?;
    let stated = |member: &str| match set.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("`{member}` is no string")),
    };
    let subject = match (stated("subject_dn")?, stated("san_dns")?, stated("san_uri")?) {
        (None, None, None) => None,
        (Some(name), None, None) => Some(CertificateSubject::dn(name)?),
        (None, Some(host), None) => Some(CertificateSubject::dns(host)?),
        (None, None, Some(uri)) => Some(CertificateSubject::uri(uri)?),
        _ => return Err("there is more than one of `subject_dn`, `san_dns` and `san_uri`".into()),
    };
    Ok(attesters.trust_anchors(name, TrustAnchors::from_pem(&anchors)?, subject))
}

#[cfg(not(feature = "unstable-attestation-x5c"))]
fn trust_anchors(
    _attesters: Attesters,
    _name: &str,
    _anchors: &Value,
    _set: &Value,
) -> Result<Attesters, BoxError> {
    Err(example_support::needs_feature("trust_anchors", "unstable-attestation-x5c"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use serde_json::json;
    use tower_client_auth::replay::MemoryReplayStore;

    use super::*;

    // What was to say whose certificates are taken must not be passed over.
    #[test]
    fn attester_with_a_mistyped_member_is_refused() {
        let error = |set: Value| {
            let attesters =
                Attesters::new("https://as.example", MemoryReplayStore::default()).unwrap();
            trust(attesters, "wallet", &set).unwrap_err().to_string()
        };
        let mistyped = json!({"trust_anchors": ["AA=="], "san_dn": "attester.example"});
        assert_eq!(error(mistyped), "`san_dn` is no member of an attester");
        assert_eq!(error(json!("x")), "an attester is no object");
        #[cfg(feature = "unstable-attestation-x5c")]
        {
            let list = json!({"trust_anchors": ["AA=="], "san_dns": ["attester.example"]});
            assert_eq!(error(list), "`san_dns` is no string");
        }
    }
}
