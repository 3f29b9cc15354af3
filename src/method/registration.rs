//! What a client is registered with: a secret, keys, certificates, or nothing.

use std::sync::Arc;

use crate::{
    error::problem::Problem,
    iana::{AuthMethod, metadata::ClientMetadata},
    method::{Method, assertion, attestation, issued::Issued, mutual_tls, problem},
    secret::{comparison::Secrets, stored::ClientSecret},
};

/// How a client authenticates. What cannot be checked has no representation but
/// [`Registration::Unusable`].
#[derive(Debug)]
pub(crate) enum Registration {
    None,
    Basic(Secrets),
    Post(Secrets),
    Assertion(assertion::Registration),
    MutualTls(mutual_tls::Registration),
    Attestation(attestation::Registration),
    Unusable(Arc<Problem>),
}

impl Registration {
    pub(crate) fn unusable(problem: Problem) -> Self {
        Self::Unusable(Arc::new(problem))
    }

    /// A registration for `method` that needs nothing but secrets.
    ///
    /// # Errors
    ///
    /// Why no client can authenticate with it.
    pub(crate) fn from_secrets(
        method: &AuthMethod,
        secrets: impl IntoIterator<Item = ClientSecret>,
    ) -> Result<Self, Problem> {
        match (method, Secrets::new(secrets)) {
            // RFC 6749 §3.2.1: a client that was issued credentials must authenticate.
            (AuthMethod::None, Some(_)) => Err(Problem::PublicWithSecret),
            (AuthMethod::None, None) => Ok(Self::None),
            (AuthMethod::ClientSecretBasic, Some(secrets)) => Ok(Self::Basic(secrets)),
            (AuthMethod::ClientSecretPost, Some(secrets)) => Ok(Self::Post(secrets)),
            (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, None) => {
                Err(Problem::NoSecret { method: method.clone(), is_default: false })
            }
            (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, _) => {
                mutual_tls::Registration::from_method(method).map(Self::MutualTls)
            }
            (AuthMethod::AttestJwtClientAuth, _) => {
                attestation::Registration::from_method(method).map(Self::Attestation)
            }
            (method, secrets) => {
                assertion::Registration::from_secrets(method, secrets).map(Self::Assertion)
            }
        }
    }

    /// The same with other secrets.
    ///
    /// # Errors
    ///
    /// Why no client can authenticate with it.
    pub(crate) fn with_secrets(
        &self,
        secrets: impl IntoIterator<Item = ClientSecret>,
    ) -> Result<Self, Problem> {
        match self {
            Self::None => Self::from_secrets(&AuthMethod::None, secrets),
            Self::Basic(_) => Self::from_secrets(&AuthMethod::ClientSecretBasic, secrets),
            Self::Post(_) => Self::from_secrets(&AuthMethod::ClientSecretPost, secrets),
            Self::Assertion(assertion) => {
                assertion.with_secrets(Secrets::new(secrets)).map(Self::Assertion)
            }
            Self::MutualTls(_) | Self::Attestation(_) => {
                Err(problem::without_secrets(self.method()))
            }
            Self::Unusable(problem) => Err((**problem).clone()),
        }
    }

    /// Reads the members of a registration (RFC 7591 §2), from which `secret` was taken.
    ///
    /// # Errors
    ///
    /// Why no client can authenticate with it.
    pub(crate) fn from_metadata(
        metadata: &ClientMetadata,
        secret: Option<ClientSecret>,
    ) -> Result<Self, Problem> {
        match metadata.auth_method() {
            AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt | AuthMethod::SpiffeJwt => {
                assertion::Registration::from_metadata(metadata, secret).map(Self::Assertion)
            }
            AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => {
                mutual_tls::Registration::from_metadata(metadata).map(Self::MutualTls)
            }
            AuthMethod::AttestJwtClientAuth => {
                attestation::Registration::from_metadata(metadata).map(Self::Attestation)
            }
            method => {
                let problem = secret.as_ref().and_then(problem::of_presented);
                let is_default = metadata.stated_method().is_none();
                let registration = Self::from_secrets(&method, secret);
                let registration = registration.map_err(|problem| match problem {
                    Problem::NoSecret { method, .. } => Problem::NoSecret { method, is_default },
                    problem => problem,
                })?;
                problem.map_or(Ok(registration), Err)
            }
        }
    }

    /// The issuers and subjects by which the client is found when it does not name itself.
    pub(crate) fn names(&self) -> impl Iterator<Item = Issued<'_>> {
        let registered = match self {
            Self::Assertion(assertion) => Some(assertion),
            _ => None,
        };
        registered.into_iter().flat_map(assertion::Registration::names)
    }

    /// What is wrong with the keys that are not used.
    pub(crate) fn omitted_keys(&self) -> Vec<String> {
        match self {
            Self::Assertion(assertion) => assertion.omitted_keys(),
            Self::MutualTls(mutual_tls) => mutual_tls.omitted_keys(),
            Self::None
            | Self::Basic(_)
            | Self::Post(_)
            | Self::Attestation(_)
            | Self::Unusable(_) => Vec::new(),
        }
    }

    /// Moves the secrets to where `self` is. It must stay there, see [`ClientSecret::settle`].
    pub(crate) fn settle(&mut self) {
        if let Self::Basic(secrets) | Self::Post(secrets) = self {
            secrets.settle();
        }
    }

    /// The method that the client uses; that of an unusable registration proves nothing.
    pub(crate) const fn method(&self) -> Method {
        match self {
            Self::None | Self::Unusable(_) => Method::None,
            Self::Basic(_) => Method::Basic,
            Self::Post(_) => Method::Post,
            Self::Assertion(assertion) => assertion.method(),
            Self::MutualTls(mutual_tls) => mutual_tls.method(),
            Self::Attestation(_) => Method::AttestJwt,
        }
    }

    /// The same, unless it is unusable.
    pub(crate) fn usable_method(&self) -> Option<Method> {
        (!matches!(self, Self::Unusable(_))).then(|| self.method())
    }

    /// The stored secrets, if there are any.
    pub(crate) fn secrets(&self) -> Option<&[ClientSecret]> {
        match self {
            Self::Basic(secrets) | Self::Post(secrets) => Some(secrets),
            Self::Assertion(assertion) => assertion.secrets(),
            Self::None | Self::MutualTls(_) | Self::Attestation(_) | Self::Unusable(_) => None,
        }
    }
}
