//! What the clients are registered with that present assertions.

use std::sync::Arc;

use crate::{
    error::{assertion::InvalidAssertion, cause::Cause, kind::ErrorKind, problem::Problem},
    iana::{AuthMethod, metadata::ClientMetadata},
    jose::{
        alg::{Algorithm, Algorithms},
        keys::{ClientKeys, Source},
        mac::MacKeys,
        stated,
    },
    method::{
        self, Method,
        assertion::{
            federated::{Trusts, metadata, trust::Trust},
            method_of,
        },
        issued::Issued,
        problem,
    },
    secret::{comparison::Secrets, stored::ClientSecret},
};

/// The keys of a client, and the algorithms that it may use them with.
#[derive(Debug)]
pub(crate) enum Registration {
    PrivateKey(ClientKeys),
    Federated(Trusts),
    Secret { secrets: Secrets, keys: Box<[MacKeys]>, algorithms: Algorithms },
}

impl Registration {
    /// # Errors
    ///
    /// If `method` is another one or needs keys, or a secret cannot serve as a key.
    pub(in crate::method) fn from_secrets(
        method: &AuthMethod,
        secrets: Option<Secrets>,
    ) -> Result<Self, Problem> {
        match (method, secrets) {
            (AuthMethod::ClientSecretJwt, Some(secrets)) => Self::secret(secrets),
            (AuthMethod::ClientSecretJwt, None) => {
                Err(Problem::NoSecret { method: method.clone(), is_default: false })
            }
            (AuthMethod::SpiffeJwt, _) => Err(Problem::Invalid(
                method.clone(),
                "`spiffe_jwt` needs a SPIFFE ID and a bundle".into(),
            )),
            (AuthMethod::PrivateKeyJwt, _) => {
                Err(Problem::Invalid(method.clone(), "`private_key_jwt` needs keys".into()))
            }
            _ => Err(Problem::UnsupportedMethod(method.clone())),
        }
    }

    fn secret(secrets: Secrets) -> Result<Self, Problem> {
        let keys: Option<Box<[_]>> =
            secrets.iter().map(|secret| secret.plain_bytes().map(MacKeys::new)).collect();
        match keys {
            Some(keys) if keys.iter().all(|keys| keys.can(Algorithm::Hs256)) => {
                Ok(Self::Secret { secrets, keys, algorithms: Algorithms::ALL })
            }
            _ => Err(Problem::Invalid(
                AuthMethod::ClientSecretJwt,
                "`client_secret_jwt` needs secrets in plain text of at least 32 bytes".into(),
            )),
        }
    }

    /// The same with other secrets, for the same algorithms.
    ///
    /// # Errors
    ///
    /// If there are none, one cannot serve as a key, or the method has none.
    pub(in crate::method) fn with_secrets(
        &self,
        secrets: Option<Secrets>,
    ) -> Result<Self, Problem> {
        let Self::Secret { algorithms, .. } = self else {
            return Err(problem::without_secrets(self.method()));
        };
        let registration = Self::from_secrets(&AuthMethod::ClientSecretJwt, secrets)?;
        registration.restricted(*algorithms)
    }

    /// Accepts these algorithms only, of which a secret must serve for one at least.
    fn restricted(self, to: Algorithms) -> Result<Self, Problem> {
        let Self::Secret { secrets, keys, .. } = self else { return Ok(self) };
        let serves = |keys: &MacKeys| {
            let mut accepted = to.names().filter(|(_, algorithm)| algorithm.is_symmetric());
            accepted.any(|(_, algorithm)| keys.can(algorithm))
        };
        if keys.iter().all(serves) {
            return Ok(Self::Secret { secrets, keys, algorithms: to });
        }
        let problem = "the secret is shorter than the hash of the signing algorithm";
        Err(Problem::Invalid(AuthMethod::ClientSecretJwt, problem.into()))
    }

    /// Reads `token_endpoint_auth_signing_alg`, `jwks` and `jwks_uri`.
    ///
    /// # Errors
    ///
    /// If one of them does not fit the method.
    pub(in crate::method) fn from_metadata(
        metadata: &ClientMetadata,
        secret: Option<ClientSecret>,
    ) -> Result<Self, Problem> {
        let method = &metadata.auth_method();
        let invalid = |problem: String| Problem::Invalid(method.clone(), problem.into());
        let alg = metadata.token_endpoint_auth_signing_alg.as_deref().filter(|alg| !alg.is_empty());
        if let Some(trusts) = metadata::trusts(metadata) {
            let only = |trust: Trust| match alg {
                Some(alg) => trust.signing_alg(alg).map_err(|keys| invalid(keys.to_string())),
                None => Ok(trust),
            };
            let trusts = trusts?.into_iter().map(only).collect::<Result<Vec<_>, _>>()?;
            return Trusts::new(trusts).map(Self::Federated);
        }
        // OpenID Connect Registration §2: "The value none MUST NOT be used."
        let only = match alg.map(Algorithm::from_name) {
            None => None,
            Some(Some(algorithm)) if method_of(algorithm).iana() == method => Some(algorithm),
            Some(_) => {
                let problem = "`token_endpoint_auth_signing_alg` does not fit the method";
                return Err(invalid(problem.to_owned()));
            }
        };
        if *method == AuthMethod::PrivateKeyJwt {
            let keys = stated::keys(metadata, ClientKeys::from_jwks, ClientKeys::jwks_uri);
            let keys = match alg {
                Some(alg) => {
                    keys.and_then(|keys| keys.signing_alg(alg).map_err(|keys| keys.to_string()))
                }
                None => keys,
            };
            return keys.map(Self::PrivateKey).map_err(invalid);
        }
        let registration = Self::from_secrets(method, Secrets::new(secret))?;
        match only {
            Some(only) => registration.restricted(Algorithms::EMPTY.with(only)),
            None => Ok(registration),
        }
    }

    pub(crate) const fn method(&self) -> Method {
        match self {
            Self::Federated(trusts) => trusts.method(),
            Self::PrivateKey(_) => Method::PrivateKeyJwt,
            Self::Secret { .. } => Method::SecretJwt,
        }
    }

    pub(in crate::method) fn secrets(&self) -> Option<&[ClientSecret]> {
        match self {
            Self::PrivateKey(_) | Self::Federated(_) => None,
            Self::Secret { secrets, .. } => Some(secrets),
        }
    }

    /// As [`Registration::cause_of`](method::Registration::cause_of).
    pub(in crate::method) fn cause_of(
        &self,
        kind: ErrorKind,
        settings: &method::Settings,
    ) -> Option<Cause> {
        let settings = settings.assertions.as_deref()?;
        match (kind, self) {
            (ErrorKind::Assertion(InvalidAssertion::WrongAudience), _) => {
                Some(Cause::Error(Arc::clone(&settings.audience)))
            }
            (ErrorKind::Assertion(InvalidAssertion::Lifetime), _) => {
                Some(Cause::Lifetime(settings.longest_lifetime))
            }
            (ErrorKind::UnusableRegistration, _)
                if settings.remote.is_none() && self.is_published() =>
            {
                Some(Cause::Advice(
                    &"the keys of the client are at its `jwks_uri`: set `Assertions::jwks_source`",
                ))
            }
            _ => None,
        }
    }

    /// Whether keys are published elsewhere.
    fn is_published(&self) -> bool {
        match self {
            Self::PrivateKey(keys) => matches!(keys.source(), Source::Published(_)),
            Self::Federated(trusts) => trusts.need_source(),
            Self::Secret { .. } => false,
        }
    }

    /// As [`Registration::names`](method::Registration::names).
    pub(crate) fn names(&self) -> impl Iterator<Item = Issued<'_>> {
        let trusts = match self {
            Self::Federated(trusts) => Some(trusts),
            Self::PrivateKey(_) | Self::Secret { .. } => None,
        };
        trusts.into_iter().flat_map(Trusts::names)
    }

    /// What is wrong with the keys that are not used.
    pub(crate) fn omitted_keys(&self) -> Vec<String> {
        match self {
            Self::PrivateKey(keys) => keys.omitted_keys().iter().map(ToString::to_string).collect(),
            Self::Federated(trusts) => trusts.omitted_keys(),
            Self::Secret { .. } => Vec::new(),
        }
    }
}
