//! Whose tokens a client may present, and which.

use std::{sync::Arc, time::Duration};

use crate::{
    error::problem::Problem,
    iana::AuthMethod,
    jose::{
        invalid::InvalidKeys,
        keys::{ClientKeys, Source},
    },
    method::{Method, assertion::federated::spiffe, issued::Issued},
};

/// As many as Entra ID takes, and few enough to compare with each.
const MOST: usize = 20;
/// A day, in seconds.
const LONGEST_LIFETIME: i64 = 24 * 60 * 60;
/// Of an issuer and of a subject, which are part of what the replay store keeps.
const LONGEST_NAME: usize = 512;

/// Whose tokens a client presents in place of a secret, and which of them, for
/// [`RegisteredClient::federated`](crate::RegisteredClient::federated).
///
/// The platform that the client runs on issues them: a Kubernetes cluster, GitHub Actions, SPIRE. Issuer and subject are
/// compared byte for byte, and the keys are those that are named here: nothing is discovered, and nothing in a token says
/// where there are keys. [`guide::workload_identity`](crate::guide::workload_identity) has whole examples.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(super) name: Name,
    pub(super) keys: ClientKeys,
    pub(super) audience: Option<Box<str>>,
    /// In seconds; what does not fit is refused where the client is made.
    pub(super) longest_lifetime: Option<i64>,
    pub(in crate::method::assertion) reusable: bool,
}

/// Whom the tokens are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Jwt { issuer: Box<str>, subject: Box<str> },
    Spiffe { domain: Box<str>, pattern: Box<str> },
}

impl Trust {
    /// Tokens that have exactly this `iss` and this `sub`, signed with keys of the issuer
    /// (`client_assertion_type` of RFC 7523 §2.2; the client's method is `private_key_jwt`).
    ///
    /// The keys are a copy of the issuer's, or [where it publishes them](ClientKeys::jwks_uri), which is what its
    /// `/.well-known/openid-configuration` has as `jwks_uri`: look there once, when the client is registered.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     RegisteredClient,
    ///     assertion::{ClientKeys, Trust},
    /// };
    ///
    /// let keys = "https://token.actions.githubusercontent.com/.well-known/jwks";
    /// let trust = Trust::jwt(
    ///     "https://token.actions.githubusercontent.com",
    ///     "repo:example/app:ref:refs/heads/main",
    ///     ClientKeys::jwks_uri(keys)?,
    /// );
    /// let client = RegisteredClient::federated("deployment", [trust], ())?;
    /// # drop(client);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn jwt(issuer: impl Into<String>, subject: impl Into<String>, keys: ClientKeys) -> Self {
        let (issuer, subject) = (issuer.into().into(), subject.into().into());
        Self::new(Name::Jwt { issuer, subject }, keys)
    }

    /// JWT-SVIDs of a SPIFFE trust domain, such as `prod.example`, about this SPIFFE ID. With `/*` behind it, it is
    /// a prefix, and stands for all ids below it. The keys are those of the
    /// [bundle](ClientKeys::from_spiffe_bundle) of the trust domain.
    ///
    /// The `client_assertion_type` is `urn:ietf:params:oauth:client-assertion-type:jwt-spiffe`, and the method
    /// `spiffe_jwt` (draft-ietf-oauth-spiffe-client-auth), which
    /// [`Assertions::spiffe_jwt`](crate::assertion::Assertions::spiffe_jwt) accepts. A workload uses its SVID until it
    /// expires, so these are always [reusable](Self::reusable).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     RegisteredClient,
    ///     assertion::{ClientKeys, Trust},
    /// };
    ///
    /// # let jwks = r#"{"keys": [{
    /// #     "kty": "OKP", "crv": "Ed25519", "kid": "1", "use": "jwt-svid",
    /// #     "x": "BodLhdoiQfn-WhHdjjLMDoCXYp5NjO0SRab3azLC4F8"
    /// # }]}"#;
    /// // spire-server bundle show -format spiffe
    /// let bundle = ClientKeys::from_spiffe_bundle(jwks)?;
    /// let trust = Trust::spiffe("prod.example", "spiffe://prod.example/ns/billing/*", bundle);
    /// let client = RegisteredClient::federated("billing", [trust], ())?;
    /// # drop(client);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn spiffe(
        trust_domain: impl Into<String>,
        spiffe_id: impl Into<String>,
        bundle: ClientKeys,
    ) -> Self {
        let (domain, pattern) = (trust_domain.into().into(), spiffe_id.into().into());
        Self { reusable: true, ..Self::new(Name::Spiffe { domain, pattern }, bundle) }
    }

    const fn new(name: Name, keys: ClientKeys) -> Self {
        Self { name, keys, audience: None, longest_lifetime: None, reusable: false }
    }

    /// The `aud` of the tokens, their only one, compared byte for byte. Default: the issuer of the
    /// [`Assertions`](crate::assertion::Assertions), which is best: it is what keeps a token that was made for another
    /// server from being used here.
    ///
    /// For platforms that choose the audience themselves. The
    /// [legacy audiences](crate::assertion::Assertions::legacy_audiences) do not count for these tokens.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into().into()), ..self }
    }

    /// How far ahead the `exp` of a token may be. Default: as [for all
    /// assertions](crate::assertion::Assertions::longest_lifetime), 5 minutes. At most a day.
    ///
    /// Kubernetes makes tokens for 10 minutes or longer, and for an hour unless it is told otherwise.
    #[must_use]
    pub fn longest_lifetime(self, lifetime: Duration) -> Self {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Self { longest_lifetime: Some(seconds), ..self }
    }

    /// Accepts a token as often as it is presented, until it expires. Default: once, by its `jti`.
    ///
    /// For platforms that hand out one token for a while, as Kubernetes does. Whoever steals it can use it, too,
    /// until it expires.
    #[must_use]
    pub fn reusable(self) -> Self {
        Self { reusable: true, ..self }
    }

    /// As [`ClientKeys::signing_alg`].
    pub(in crate::method::assertion) fn signing_alg(self, alg: &str) -> Result<Self, InvalidKeys> {
        Ok(Self { keys: self.keys.signing_alg(alg)?, ..self })
    }

    pub(in crate::method::assertion) const fn keys(&self) -> &ClientKeys {
        &self.keys
    }

    const fn method(&self) -> Method {
        match self.name {
            Name::Jwt { .. } => Method::PrivateKeyJwt,
            Name::Spiffe { .. } => Method::SpiffeJwt,
        }
    }

    /// Why no token can match.
    fn fault(&self) -> Option<&'static str> {
        let is_text =
            |text: &str| !text.is_empty() && !text.bytes().any(|byte| byte.is_ascii_control());
        let fault = match &self.name {
            Name::Jwt { issuer, .. }
                if issuer.is_empty() || !issuer.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Some("`issuer` is not an identifier, such as a URL")
            }
            Name::Jwt { issuer, .. } if issuer.len() > LONGEST_NAME => {
                Some("`issuer` is longer than 512 bytes")
            }
            Name::Jwt { subject, .. } if subject.len() > LONGEST_NAME => {
                Some("`subject` is longer than 512 bytes")
            }
            Name::Jwt { subject, .. } if !is_text(subject) => {
                Some("`subject` is empty, or has a control character")
            }
            Name::Jwt { issuer, subject } if issuer == subject => Some(
                "`issuer` and `subject` are the same: such a token is one that the client makes itself, with keys of its own",
            ),
            Name::Jwt { .. } => None,
            Name::Spiffe { domain, pattern } => spiffe::fault(domain, pattern),
        };
        fault.or_else(|| match (&self.audience, self.longest_lifetime) {
            (Some(audience), _) if !is_text(audience) => {
                Some("`audience` is empty, or has a control character")
            }
            (_, Some(seconds)) if !(1..=LONGEST_LIFETIME).contains(&seconds) => {
                Some("`longest_lifetime` is less than a second or more than a day")
            }
            _ => None,
        })
    }
}

/// What a federated client is registered with: one at least, and all of one method.
#[derive(Debug)]
pub(crate) struct Trusts {
    list: Box<[Trust]>,
    method: Method,
}

impl Trusts {
    /// # Errors
    ///
    /// Why no token can match, or which of them would is not clear.
    pub(in crate::method::assertion) fn new(
        list: impl IntoIterator<Item = Trust>,
    ) -> Result<Self, Problem> {
        let list: Box<[Trust]> = list.into_iter().collect();
        let Some(first) = list.first() else {
            let problem = "a federated client needs somebody whose tokens it presents";
            return Err(Problem::Invalid(AuthMethod::PrivateKeyJwt, problem.into()));
        };
        let method = first.method();
        let invalid =
            |problem: &'static str| Err(Problem::Invalid(method.iana().clone(), problem.into()));
        if list.len() > MOST {
            return invalid("a federated client has at most 20 issuers and subjects");
        }
        if let Some(fault) = list.iter().find_map(Trust::fault) {
            return invalid(fault);
        }
        if list.iter().any(|trust| trust.method() != method) {
            return invalid("a client has one method: tokens of issuers, or those of SPIFFE");
        }
        for (index, trust) in list.iter().enumerate() {
            if list.iter().skip(index + 1).any(|other| other.name == trust.name) {
                return invalid("an issuer and subject are there twice");
            }
        }
        Ok(Self { list, method })
    }

    pub(in crate::method::assertion) const fn method(&self) -> Method {
        self.method
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Trust> {
        self.list.iter()
    }

    /// Whether some of the keys are published elsewhere.
    pub(in crate::method::assertion) fn need_source(&self) -> bool {
        self.iter().any(|trust| matches!(trust.keys.source(), Source::Published(_)))
    }

    pub(in crate::method::assertion) fn omitted_keys(&self) -> Vec<String> {
        let omitted = self.iter().flat_map(|trust| trust.keys.omitted_keys());
        omitted.map(ToString::to_string).collect()
    }

    /// By what a client is found that does not name itself.
    pub(crate) fn names(&self) -> impl Iterator<Item = Issued<'_>> {
        self.iter().map(|trust| match &trust.name {
            Name::Jwt { issuer, subject } => {
                Issued { issuer: issuer.to_string(), subject, is_pattern: false }
            }
            Name::Spiffe { domain, pattern } => {
                Issued { issuer: format!("spiffe://{domain}"), subject: pattern, is_pattern: true }
            }
        })
    }
}

/// For an error that says which audience would have been right.
pub(super) fn expected(audience: &str) -> Arc<crate::error::BoxError> {
    Arc::new(format!("the accepted audience is `{audience}`, alone").into())
}
