//! What the clients are registered with that present attestations.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    error::{attestation::InvalidAttestation, cause::Cause, kind::ErrorKind, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    method,
};

/// The member of a client's metadata that names its attester. There is no registered one.
const MEMBER: &str = "attester";

/// The name of the attester that vouches for the client.
#[derive(Clone, Debug)]
pub(crate) struct Registration(pub(super) Box<str>);

impl Registration {
    /// # Errors
    ///
    /// If `attester` is missing, empty, or something else than a string.
    pub(in crate::method) fn from_metadata(metadata: &ClientMetadata) -> Result<Self, Problem> {
        match metadata.other.get(MEMBER) {
            Some(Value::String(attester)) if !attester.is_empty() => {
                Ok(Self(attester.as_str().into()))
            }
            _ => Self::from_method(&metadata.auth_method()),
        }
    }

    /// # Errors
    ///
    /// Always: the method needs more than its name.
    pub(in crate::method) fn from_method(method: &AuthMethod) -> Result<Self, Problem> {
        let needs = "`attest_jwt_client_auth` needs an `attester`";
        Err(Problem::Invalid(method.clone(), needs.into()))
    }

    /// As [`Registration::cause_of`](method::Registration::cause_of).
    pub(in crate::method) fn cause_of(
        &self,
        kind: ErrorKind,
        settings: &method::Settings,
    ) -> Option<Cause> {
        let attesters = settings.attestation.as_deref()?;
        match kind {
            ErrorKind::Attestation(InvalidAttestation::WrongAudience) => {
                Some(Cause::Error(Arc::clone(&attesters.audience)))
            }
            ErrorKind::UnusableRegistration if !attesters.trusted.contains_key(&*self.0) => {
                Some(Cause::Advice(
                    &"the attester of the client is none that `Attesters::trust` or `Attesters::trust_anchors` names",
                ))
            }
            ErrorKind::Attestation(InvalidAttestation::AttesterKey)
                if attesters.issued.has(&self.0) && !attesters.trusted.contains_key(&*self.0) =>
            {
                Some(Cause::Advice(
                    &"the attestation has no `x5c`, and its attester is known by certificates",
                ))
            }
            ErrorKind::UnusableRegistration => Some(Cause::Advice(
                &"the keys of the attester are at their `jwks_uri`: set `Attesters::jwks_source`",
            )),
            _ => None,
        }
    }
}
