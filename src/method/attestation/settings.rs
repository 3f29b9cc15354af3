//! Which attestations are accepted (draft-ietf-oauth-attestation-based-client-auth-11).

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{
    error::{BoxError, config::ConfigError},
    fetch::jwks::JwksCache,
    jose::{
        alg::{Algorithm, Algorithms},
        keys::{ClientKeys, Source},
    },
    method::{
        assertion::{decoy, settings::is_issuer},
        attestation::{challenge::Challenges, x5c},
    },
    replay::{DynReplayStore, ReplayStore},
};

const DEFAULT_AGE: i64 = 24 * 60 * 60;
const GREATEST_AGE: i64 = 31 * 24 * 60 * 60;
const DEFAULT_WINDOW: i64 = 5 * 60;
const LONGEST_WINDOW: i64 = 60 * 60;

/// Who may vouch for instances of clients, such as wallets and mobile apps, for
/// [`ClientAuthLayer::attestation`](crate::ClientAuthLayer::attestation)
/// (draft-ietf-oauth-attestation-based-client-auth-11).
///
/// An instance sends two headers: an attestation, in which its *attester* has signed the public key of the instance,
/// and a proof that it has the private key, which is for this server alone and is accepted once. MACs in place
/// of signatures are not supported, nor is a DPoP proof in place of the second header. The draft is no RFC yet, and
/// this follows it: names and rules may change in any release.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata,
///     assertion::ClientKeys,
///     attestation::{Attesters, Challenges},
///     provider::MemoryProvider,
///     replay::MemoryReplayStore,
/// };
///
/// let keys = ClientKeys::from_jwks(
///     r#"{"keys": [{
///         "kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig",
///         "x": "BodLhdoiQfn-WhHdjjLMDoCXYp5NjO0SRab3azLC4F8"
///     }]}"#,
/// )?;
/// # let secret = [7; 32];
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).attestation(
///     Attesters::new("https://as.example", MemoryReplayStore::default())?
///         .trust("wallet-provider", keys)
///         .challenges(Challenges::stateless(secret)?),
/// );
/// let algorithms: Vec<_> = layer.attestation_signing_algs_supported().collect();
/// let metadata = serde_json::json!({
///     "token_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
///     "client_attestation_signing_alg_values_supported": algorithms,
///     "client_attestation_pop_signing_alg_values_supported": algorithms,
///     "challenge_endpoint": "https://as.example/challenge",
/// });
/// # drop(metadata);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Attesters {
    pub(super) issuer: Box<str>,
    pub(super) replay: Arc<dyn DynReplayStore>,
    pub(super) trusted: BTreeMap<Box<str>, ClientKeys>,
    /// Those that are known by who issues their certificates.
    pub(super) issued: x5c::Trusted,
    pub(super) challenges: Option<Challenges>,
    pub(super) longest_attestation: i64,
    pub(super) proof_window: i64,
    pub(super) is_signal: bool,
    pub(super) string_audience: bool,
    pub(super) algorithms: Algorithms,
    pub(super) remote: Option<JwksCache>,
    /// Which audience is accepted, in words for the operator.
    pub(super) audience: Arc<BoxError>,
}

impl Attesters {
    /// Attestations for the authorization server of this issuer identifier (RFC 8414 §2), which is the audience of the
    /// proofs. Each proof is accepted once.
    ///
    /// The issuer is compared byte for byte, and never with anything that the caller sends. All layers of an issuer
    /// need one store, as for [`Assertions::new`](crate::assertion::Assertions::new). A store for attestations alone is
    /// better than one for both: its shares are counted by instance, of which a client has many, so that they bound one
    /// instance and not a whole product.
    /// Until there is a [`trust`](Self::trust), no attestation is accepted and nothing is announced.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Issuer`] if it is not an `https` URL without query and fragment. `http` is taken, too, for
    /// development.
    pub fn new(issuer: &str, replay: impl ReplayStore) -> Result<Self, ConfigError> {
        if !is_issuer(issuer) {
            return Err(ConfigError::Issuer);
        }
        decoy::prepare();
        let algorithms = Algorithms::ALL.names().map(|(_, algorithm)| algorithm);
        let algorithms = algorithms
            .filter(|algorithm| !algorithm.is_symmetric())
            .fold(Algorithms::EMPTY, Algorithms::with);
        Ok(Self {
            issuer: issuer.into(),
            replay: Arc::new(replay),
            trusted: BTreeMap::new(),
            issued: x5c::Trusted::default(),
            challenges: None,
            longest_attestation: DEFAULT_AGE,
            proof_window: DEFAULT_WINDOW,
            is_signal: false,
            string_audience: false,
            algorithms,
            remote: None,
            audience: Arc::new("".into()),
        }
        .with_audience())
    }

    /// Believes the attester with these keys, for the clients that are
    /// [registered](crate::RegisteredClient::attested) with its name. A name that is there already gets these keys in
    /// place of its own.
    ///
    /// The name is for settings and registrations alone: nothing in an attestation says who its attester is. Where an
    /// attester has several keys of a kind, the header of the attestation has to name one by its `kid`.
    #[must_use]
    pub fn trust(mut self, attester: &str, keys: ClientKeys) -> Self {
        self.trusted.insert(attester.into(), keys);
        self
    }

    /// Asks for a challenge in each proof (-11 §6). Default: the client chooses when it makes its proofs, within the
    /// [window](Self::proof_window).
    ///
    /// An instance gets its first one from the [endpoint](crate::ClientAuthLayer::challenge), or with the refusal
    /// of a proof without one (`use_attestation_challenge`), and the next one with each answer to a request that was
    /// authenticated with an attestation, in `OAuth-Client-Attestation-Challenge`.
    #[must_use]
    pub fn challenges(self, challenges: Challenges) -> Self {
        Self { challenges: Some(challenges), ..self }
    }

    /// How old an attestation may be, by its `iat`. Default: 24 hours. At most 31 days.
    ///
    /// One without an `iat` must expire within that time. It also has to be before the `exp` of the attestation. An
    /// older one is answered `use_fresh_attestation`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::AttestationAge`] if it is less than a second or more than 31 days.
    pub fn longest_attestation(self, age: Duration) -> Result<Self, ConfigError> {
        match i64::try_from(age.as_secs()) {
            Ok(seconds @ 1..=GREATEST_AGE) => Ok(Self { longest_attestation: seconds, ..self }),
            _ => Err(ConfigError::AttestationAge),
        }
    }

    /// How old a proof may be, by its `iat`. Default: 5 minutes. At most an hour.
    ///
    /// It may be 60 seconds ahead, because the clock of the client may be. The replay store remembers each for as
    /// long.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ProofWindow`] if it is less than a second or more than an hour.
    pub fn proof_window(self, window: Duration) -> Result<Self, ConfigError> {
        match i64::try_from(window.as_secs()) {
            Ok(seconds @ 1..=LONGEST_WINDOW) => Ok(Self { proof_window: seconds, ..self }),
            _ => Err(ConfigError::ProofWindow),
        }
    }

    /// Also takes an attestation beside another method, as an additional signal (-11 §7.6). Default: it is a second
    /// method, and answered 400.
    ///
    /// The other method, with a secret or an assertion, decides who the client is; `sub` has to agree. The attestation may
    /// be that of any attester here, because the client is registered with none: of those with a fitting key up to 4 are
    /// asked, in the order of their names. One that is not good refuses the request. A `client_id` alone is no other method. Whether there was an attestation, the handler sees by
    /// [`key_thumbprint`](crate::AuthenticatedClient::key_thumbprint).
    ///
    /// An assertion beside an attestation that is refused has been used all the same, and the client makes a new one.
    #[must_use]
    pub fn as_signal(self) -> Self {
        Self { is_signal: true, ..self }
    }

    /// Accepts `aud` only as a string. Default: an array of one is accepted, too.
    #[must_use]
    pub fn string_audience(self) -> Self {
        Self { string_audience: true, ..self }.with_audience()
    }

    /// The accepted `alg` values, of attestations and proofs. Default: `ES256`, `ES384`, `ES512`, `EdDSA` with
    /// Ed25519, `PS256`, `PS384`, `PS512`, `RS256`, `RS384`, `RS512`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::SigningAlgorithm`] if one is not among these, or there is none.
    pub fn signing_algs<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let algorithms = names.into_iter().try_fold(Algorithms::EMPTY, |set, name| {
            Algorithm::from_name(name)
                .filter(|algorithm| !algorithm.is_symmetric())
                .map(|algorithm| set.with(algorithm))
        });
        match algorithms {
            Some(algorithms) if algorithms != Algorithms::EMPTY => Ok(Self { algorithms, ..self }),
            _ => Err(ConfigError::SigningAlgorithm),
        }
    }

    /// Where the keys of attesters with a `jwks_uri` come from: a [`JwksSource`](crate::assertion::JwksSource), or a
    /// [`JwksCache`] around one. Default: nowhere, so that their clients never authenticate.
    ///
    /// The addresses of attesters are [trusted](JwksCache::trusted) from the start.
    #[must_use]
    pub fn jwks_source(self, source: impl Into<JwksCache>) -> Self {
        Self { remote: Some(source.into()), ..self }
    }

    /// With the addresses of its attesters trusted: they are the operator's, and wait for no stranger.
    pub(super) fn with_trusted_addresses(self) -> Self {
        let addresses = self.trusted.values().filter_map(|keys| match keys.source() {
            Source::Published(uri) => Some(Arc::clone(uri)),
            Source::Registered(_) => None,
        });
        let addresses: Vec<_> = addresses.collect();
        Self { remote: self.remote.map(|remote| remote.also_trusted(addresses)), ..self }
    }

    /// Here and not for each refusal, of which anybody can cause many.
    fn with_audience(self) -> Self {
        let as_string = if self.string_audience { ", as a string" } else { "" };
        let text = format!("the accepted audience is `{}`{as_string}", self.issuer);
        Self { audience: Arc::new(text.into()), ..self }
    }
}

impl fmt::Debug for Attesters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attesters")
            .field("issuer", &self.issuer)
            .field("trusted", &self.trusted)
            .field("issued", &self.issued)
            .field("challenges", &self.challenges)
            .field("longest_attestation", &self.longest_attestation)
            .field("proof_window", &self.proof_window)
            .field("as_signal", &self.is_signal)
            .field("string_audience", &self.string_audience)
            .field(
                "signing_algs",
                &self.algorithms.names().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("jwks_source", &self.remote)
            .finish_non_exhaustive()
    }
}
