//! How requests are read and refusals put: as the RFCs say, or as another implementation does.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, request::Parts};

use crate::{
    client::RegisteredClient,
    compat::mcp_python_sdk::{self, Endpoint},
    error::{Error, cause::Cause, kind::ErrorKind},
    method::{
        self, Credentials, Method, Settings, State, advice, attestation,
        verification::{Proof, Verification},
    },
    wire::{
        authorization::Presence,
        form::{Form, Repeated},
        limits::Limits,
    },
};

/// Which rules apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[default]
    Rfc,
    McpPythonSdk(Endpoint),
}

/// What a request presented.
pub(crate) enum Presented {
    Credentials(Credentials),
    McpPythonSdk(Box<mcp_python_sdk::Presented>),
}

impl Dialect {
    /// Whether a request can succeed with the method.
    pub(crate) const fn knows(self, method: Method) -> bool {
        match self {
            Self::Rfc => true,
            Self::McpPythonSdk(_) => matches!(method, Method::Basic | Method::Post | Method::None),
        }
    }

    /// Whether a request can succeed with the method, of which only the headers are read.
    pub(crate) const fn knows_in_headers(self, method: Method) -> bool {
        // The SDK reads the `client_id` from the form.
        matches!((self, method), (Self::Rfc, Method::Basic | Method::AttestJwt))
    }

    /// What is done about a parameter that occurs again.
    pub(crate) const fn repeated(self, repeated: Repeated) -> Repeated {
        match self {
            Self::Rfc => repeated,
            Self::McpPythonSdk(_) => Repeated::LastWins,
        }
    }

    pub(crate) fn extract(
        self,
        head: &Parts,
        authorization: Presence,
        form: &Form<'_>,
        settings: &Settings,
        limits: &Limits,
    ) -> Result<Presented, ErrorKind> {
        match self {
            Self::Rfc => method::extract(head, authorization, form, settings, limits)
                .map(Presented::Credentials),
            Self::McpPythonSdk(_) => mcp_python_sdk::extract(head, authorization, form, limits)
                .map(|presented| Presented::McpPythonSdk(Box::new(presented))),
        }
    }

    /// The answer instead of the one that RFC 6749 §5.2 prescribes, if there is one.
    pub(crate) fn answer(self, error: &Error) -> Option<Response<Bytes>> {
        match self {
            Self::Rfc => None,
            Self::McpPythonSdk(endpoint) => mcp_python_sdk::answer(error, endpoint),
        }
    }
}

impl Presented {
    #[inline]
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Credentials(credentials) => credentials.client_id(),
            Self::McpPythonSdk(presented) => presented.client_id(),
        }
    }

    /// The method, where the request alone tells it.
    pub(crate) fn method(&self) -> Option<Method> {
        match self {
            Self::Credentials(credentials) => credentials.method(),
            Self::McpPythonSdk(_) => None,
        }
    }

    /// What is attested, if anything is.
    #[inline]
    pub(crate) fn attestation(&self) -> Option<&attestation::Credentials> {
        match self {
            Self::Credentials(Credentials::Attestation(attestation)) => Some(attestation),
            Self::Credentials(_) | Self::McpPythonSdk(_) => None,
        }
    }

    /// Issuer and subject of what somebody else issued, where nothing else tells who the client is.
    #[inline]
    pub(crate) fn issued(&self) -> Option<(&str, &str)> {
        match self {
            Self::Credentials(credentials) => credentials.issued(),
            Self::McpPythonSdk(_) => None,
        }
    }

    /// Keeps the id of the client that was found by what somebody else issued, and refused.
    #[cold]
    pub(crate) fn set_found(&self, client_id: &str) {
        if let Self::Credentials(Credentials::Assertion(assertion)) = self {
            assertion.set_found(client_id);
        }
    }

    /// The id of the client that was refused: the one that was found, or the presented one.
    pub(crate) fn refused_id(&self) -> &str {
        let found = match self {
            Self::Credentials(Credentials::Assertion(assertion)) => assertion.found(),
            Self::Credentials(_) | Self::McpPythonSdk(_) => None,
        };
        found.unwrap_or_else(|| self.client_id())
    }

    /// Whether it is an assertion whose header brings a key, or says where there is one.
    pub(crate) fn has_key_in_header(&self) -> bool {
        match self {
            Self::Credentials(credentials) => credentials.has_key_in_header(),
            Self::McpPythonSdk(_) => false,
        }
    }

    /// What is wrong with it, for the operator, once a client was looked up and refused.
    #[cold]
    pub(crate) fn fault(&self, kind: ErrorKind) -> Option<Cause> {
        match self {
            Self::Credentials(credentials) => advice::presented(kind, credentials),
            Self::McpPythonSdk(_) => None,
        }
    }

    /// The secret that authenticated the client, in the form that did.
    pub(crate) fn secret(&self, proof: Proof) -> Option<&str> {
        match self {
            Self::Credentials(credentials) => credentials.secret(proof),
            Self::McpPythonSdk(presented) => {
                proof.secret.map(|_matched| presented.secret(proof.method))
            }
        }
    }

    /// Checks what was presented against what the client is registered with, if it is known.
    pub(crate) fn verify<'a, C: Send + Sync>(
        &'a self,
        client: Option<&'a RegisteredClient<C>>,
        settings: &'a Settings,
        state: &'a State,
        timeout: Option<Duration>,
    ) -> Verification<'a> {
        match self {
            Self::Credentials(credentials) => {
                let registration = client.map(RegisteredClient::registration);
                method::verify(credentials, registration, settings, state, timeout)
            }
            Self::McpPythonSdk(presented) => Verification::Pending(Box::pin(
                mcp_python_sdk::verify(presented, client, settings, state, timeout),
            )),
        }
    }
}
