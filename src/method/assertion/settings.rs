//! Which assertions are accepted (RFC 7521, RFC 7523, OpenID Connect Core §9).

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    error::{BoxError, config::ConfigError},
    fetch::jwks::JwksCache,
    jose::alg::{Algorithm, Algorithms},
    method::assertion::decoy,
    replay::{DynReplayStore, ReplayStore},
};

const DEFAULT_LIFETIME: i64 = 5 * 60;
const LONGEST_LIFETIME: i64 = 60 * 60;

/// Which assertions are accepted (RFC 7523 §3), for
/// [`ClientAuthLayer::assertions`](crate::ClientAuthLayer::assertions).
///
/// The defaults are those of RFC 10070 and of OpenID Connect Core §9: the issuer
/// is the only audience, an assertion lives for five minutes at most and is accepted once.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, assertion::Assertions, provider::MemoryProvider,
///     replay::MemoryReplayStore,
/// };
///
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
///     .assertions(Assertions::new("https://as.example", MemoryReplayStore::default())?);
/// let metadata = serde_json::json!({
///     "token_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
///     "token_endpoint_auth_signing_alg_values_supported":
///         layer.auth_signing_algs_supported().collect::<Vec<_>>(),
/// });
/// # drop(metadata);
/// # Ok::<(), tower_client_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Assertions {
    pub(crate) issuer: Box<str>,
    pub(crate) legacy_audiences: Box<[Box<str>]>,
    pub(crate) string_audience: bool,
    pub(crate) explicit_typ: bool,
    pub(crate) spiffe_jwt: bool,
    pub(crate) longest_lifetime: i64,
    pub(crate) algorithms: Algorithms,
    pub(crate) replay: Option<Arc<dyn DynReplayStore>>,
    pub(crate) remote: Option<JwksCache>,
    /// Which audiences are accepted, in words for the operator.
    pub(super) audience: Arc<BoxError>,
}

impl Assertions {
    /// Assertions for the authorization server of this issuer identifier (RFC 8414 §2), each of
    /// which is accepted once.
    ///
    /// The issuer is compared byte for byte, and never with anything that the caller sends beside
    /// the assertion, such as `Host`.
    ///
    /// All layers of an issuer need one store, or an assertion that one of them accepted is accepted by
    /// the next one, too. An `Arc` is a store as well.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Issuer`] if it is not an `https` URL without query and fragment. `http` is
    /// taken, too, for development.
    ///
    /// # Examples
    ///
    /// Two endpoints with settings of their own, and one store:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_client_auth::{
    ///     ClientAuthLayer, ClientMetadata, assertion::Assertions, provider::MemoryProvider,
    ///     replay::MemoryReplayStore,
    /// };
    ///
    /// let clients = Arc::new(MemoryProvider::<ClientMetadata>::new());
    /// let used = Arc::new(MemoryReplayStore::default());
    /// let token = ClientAuthLayer::new(Arc::clone(&clients))
    ///     .assertions(Assertions::new("https://as.example", Arc::clone(&used))?);
    /// let revocation = ClientAuthLayer::new(clients).assertions(
    ///     Assertions::new("https://as.example", used)?
    ///         .legacy_audiences(["https://as.example/revoke"]),
    /// );
    /// # drop((token, revocation));
    /// # Ok::<(), tower_client_auth::ConfigError>(())
    /// ```
    ///
    /// Where the settings are the same, a clone of the layer or of its `Assertions` shares the store, too.
    pub fn new(issuer: &str, replay: impl ReplayStore) -> Result<Self, ConfigError> {
        let assertions = Self::dangerously_without_replay_protection(issuer)?;
        Ok(Self { replay: Some(Arc::new(replay)), ..assertions })
    }

    /// As [`new`](Self::new), but a stolen assertion can be used until it expires
    /// (CVE-2020-15222). OpenID Connect Core §9 forbids this.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn dangerously_without_replay_protection(issuer: &str) -> Result<Self, ConfigError> {
        if !is_issuer(issuer) {
            return Err(ConfigError::Issuer);
        }
        decoy::prepare();
        Ok(Self {
            issuer: issuer.into(),
            legacy_audiences: Box::default(),
            string_audience: false,
            explicit_typ: false,
            spiffe_jwt: false,
            longest_lifetime: DEFAULT_LIFETIME,
            algorithms: Algorithms::ALL,
            replay: None,
            remote: None,
            audience: Arc::new("".into()),
        }
        .with_audience())
    }

    /// How far ahead `exp` may be. Default: 5 minutes. At most an hour.
    ///
    /// A minute more is accepted, because the clock of the client may be ahead by as much.
    ///
    /// # Errors
    ///
    /// [`ConfigError::AssertionLifetime`] if it is less than a second or more than an hour.
    pub fn longest_lifetime(self, lifetime: Duration) -> Result<Self, ConfigError> {
        match i64::try_from(lifetime.as_secs()) {
            Ok(seconds @ 1..=LONGEST_LIFETIME) => Ok(Self { longest_lifetime: seconds, ..self }),
            _ => Err(ConfigError::AssertionLifetime),
        }
    }

    /// Also accepts these values of `aud`, such as the URL of the token endpoint, and several of the
    /// accepted values at a time. Default: none.
    ///
    /// For clients from before RFC 10070. An assertion that a client was talked
    /// into making for another server's endpoint must not be good here (CVE-2025-27370,
    /// CVE-2025-27371): list only URLs of your own, and at each layer the one of its endpoint.
    /// `guide::assertion_clients` names clients that need it.
    ///
    /// ```
    /// # use tower_client_auth::{ConfigError, assertion::Assertions, replay::ReplayStore};
    /// // For ChatGPT, at the token endpoint: its URL, byte for byte as the metadata of the server has it.
    /// fn token_endpoint(replay: impl ReplayStore) -> Result<Assertions, ConfigError> {
    ///     let assertions = Assertions::new("https://as.example", replay)?;
    ///     Ok(assertions.legacy_audiences(["https://as.example/token"]))
    /// }
    /// ```
    #[must_use]
    pub fn legacy_audiences<T: Into<String>>(self, accepted: impl IntoIterator<Item = T>) -> Self {
        let accepted = accepted.into_iter().map(|value| value.into().into()).collect();
        Self { legacy_audiences: accepted, ..self }.with_audience()
    }

    /// Asks for an `aud` that is a string, so that not even an array of one is accepted (FAPI 2.0
    /// Security Profile §5.3.2.1). Default: an array of one is accepted, as it always is of
    /// [other issuers](crate::assertion::Trust), because Kubernetes writes nothing else.
    #[must_use]
    pub fn string_audience(self) -> Self {
        Self { string_audience: true, ..self }.with_audience()
    }

    /// Asks for the `typ` `client-authentication+jwt` in the header. Default: `JWT` and none are accepted, too.
    ///
    /// That is stricter than RFC 10070 recommends: it asks clients for the type, and servers not to refuse
    /// assertions without one. Most clients do not send it, and [other issuers](crate::assertion::Trust) do not know
    /// it, so that of theirs it is not asked.
    #[must_use]
    pub fn explicit_typ(self) -> Self {
        Self { explicit_typ: true, ..self }
    }

    /// The accepted `alg` values. Default: `ES256`, `ES384`, `ES512`, `EdDSA` with Ed25519,
    /// `PS256`, `PS384`, `PS512`, `RS256`, `RS384`, `RS512`, and for `client_secret_jwt` `HS256`,
    /// `HS384`, `HS512`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::SigningAlgorithm`] if one is not among these, or there is none.
    pub fn signing_algs<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let algorithms = names.into_iter().try_fold(Algorithms::EMPTY, |set, name| {
            Algorithm::from_name(name).map(|algorithm| set.with(algorithm))
        });
        match algorithms {
            Some(algorithms) if algorithms != Algorithms::EMPTY => Ok(Self { algorithms, ..self }),
            _ => Err(ConfigError::SigningAlgorithm),
        }
    }

    /// Also accepts `spiffe_jwt` (draft-ietf-oauth-spiffe-client-auth, read in its version 02; its registration at IANA
    /// is pending): JWT-SVIDs of clients that are registered with
    /// [`Trust::spiffe`](crate::assertion::Trust::spiffe). Default: their assertion type is unknown.
    #[must_use]
    pub fn spiffe_jwt(self) -> Self {
        Self { spiffe_jwt: true, ..self }
    }

    /// Where the keys of clients with a `jwks_uri` come from: a [`JwksSource`](crate::assertion::JwksSource), or a [`JwksCache`]
    /// around one. Default: nowhere, so that such clients never authenticate.
    #[must_use]
    pub fn jwks_source(self, source: impl Into<JwksCache>) -> Self {
        Self { remote: Some(source.into()), ..self }
    }

    /// Here and not for each refusal, of which anybody can cause many.
    fn with_audience(self) -> Self {
        let mut text = format!("the accepted audience is `{}`", self.issuer);
        for legacy in &self.legacy_audiences {
            text.extend([" or `", legacy, "`"]);
        }
        if self.string_audience {
            text.push_str(", as a string");
        }
        Self { audience: Arc::new(text.into()), ..self }
    }
}

/// An `https` URL without query and fragment (RFC 8414 §2), or one of `http`.
pub(in crate::method) fn is_issuer(issuer: &str) -> bool {
    let rest = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && issuer.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions")
            .field("issuer", &self.issuer)
            .field("legacy_audiences", &self.legacy_audiences)
            .field("string_audience", &self.string_audience)
            .field("explicit_typ", &self.explicit_typ)
            .field("spiffe_jwt", &self.spiffe_jwt)
            .field("longest_lifetime", &self.longest_lifetime)
            .field(
                "signing_algs",
                &self.algorithms.names().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("replay_protection", &self.replay.is_some())
            .field("jwks_source", &self.remote)
            .finish()
    }
}
