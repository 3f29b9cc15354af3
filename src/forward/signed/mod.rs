//! An identity that an upstream can verify.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    error::config::ConfigError,
    forward::{Forward, Identity},
    jose::sign::{SigningKey, encode},
};

pub(super) type Signer = IdentitySigner;

/// As long as one can be used at all.
const LONGEST: Duration = Duration::from_secs(60);

/// Signs who the client is, for [`Forward::signed`]: a JWT that an upstream can verify, also if it can be reached
/// past the layer.
///
/// Its header has `typ` `client-identity+jwt`, so that nobody takes it for an assertion or an access token, and the
/// `alg` of the key, ES256 or EdDSA (Ed25519). Its claims:
///
/// | claim | |
/// |---|---|
/// | `iss` | the issuer, as given here |
/// | `aud` | the upstream, as given here |
/// | `sub` | the id of the client, as it is |
/// | `auth_method` | its method, as in the IANA registry; `none` is a client that any caller may be |
/// | `cnf` | `x5t#S256`, the thumbprint of its certificate (RFC 8705 §3.1), and `jkt`, that of the key which an attestation was about (RFC 9449 §6.1), if it presented one |
/// | `iat`, `exp` | when it was signed, and until when it may be used, which is a minute at most |
///
/// It says who is calling, not what for: within its lifetime whoever has it can use it again, with any request to
/// this upstream. A signature takes 10 to 30 µs.
///
/// It is a handle: cloning it copies a pointer.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ConfigError, forward::{Forward, IdentitySigner}};
///
/// # fn example(current: &[u8], next: &[u8]) -> Result<(), ConfigError> {
/// // `openssl genpkey -algorithm ed25519`
/// let next = IdentitySigner::new(next, "https://gateway.example", "https://orders.example")?;
/// let signer = IdentitySigner::new(current, "https://gateway.example", "https://orders.example")?
///     // Upstreams should know the next key before anything is signed with it.
///     .publish(&next);
/// let jwks = signer.jwks();
/// let forward = Forward::new().signed("x-client-identity", signer)?;
/// # drop((forward, jwks));
/// # Ok(())
/// # }
/// # assert_eq!(example(b"", b""), Err(ConfigError::IdentityKey));
/// ```
#[derive(Clone)]
pub struct IdentitySigner(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    key: Arc<SigningKey>,
    /// Other keys that upstreams are told of.
    published: Vec<Arc<SigningKey>>,
    /// In base64url.
    header: Arc<str>,
    issuer: Arc<str>,
    audience: Arc<str>,
    lifetime: Duration,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
struct Confirmation<'a> {
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    thumbprint: Option<&'a str>,
    #[serde(rename = "jkt", skip_serializing_if = "Option::is_none")]
    key_thumbprint: Option<&'a str>,
}

impl IdentitySigner {
    /// Signs with this key, for an upstream that knows itself as `audience`.
    ///
    /// The key is an Ed25519 or a P-256 key in PKCS #8, as DER or PEM (`-----BEGIN PRIVATE KEY-----`). Give each upstream
    /// an audience, and so a signer, of its own: with one for several, each could show what it was sent to the
    /// others.
    ///
    /// # Errors
    ///
    /// [`ConfigError::IdentityKey`] if it is no such key.
    pub fn new(pkcs8: impl AsRef<[u8]>, issuer: &str, audience: &str) -> Result<Self, ConfigError> {
        let key = SigningKey::read(pkcs8.as_ref()).ok_or(ConfigError::IdentityKey)?;
        let header = format!(
            r#"{{"alg":"{}","kid":"{}","typ":"client-identity+jwt"}}"#,
            key.algorithm(),
            key.kid()
        );
        Ok(Self(Arc::new(Inner {
            key: Arc::new(key),
            published: Vec::new(),
            header: encode(header.as_bytes()).into(),
            issuer: issuer.into(),
            audience: audience.into(),
            lifetime: LONGEST,
        })))
    }

    /// How long an identity can be used, in whole seconds. Default: a minute, which is the longest.
    ///
    /// It is counted by the [`clock`](crate::ClientAuthLayer::clock) of the layer; upstreams should allow theirs to be a
    /// few seconds behind.
    ///
    /// # Errors
    ///
    /// [`ConfigError::IdentityLifetime`] if it is not between a second and a minute.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        if !(Duration::from_secs(1)..=LONGEST).contains(&lifetime) {
            return Err(ConfigError::IdentityLifetime);
        }
        Arc::make_mut(&mut self.0).lifetime = lifetime;
        Ok(self)
    }

    /// Also publishes the keys of `other`, with which this one signs nothing: the next one before it is used, and
    /// the one before for as long as upstreams may see something that it signed, which is a minute.
    #[must_use]
    pub fn publish(mut self, other: &Self) -> Self {
        let published = &mut Arc::make_mut(&mut self.0).published;
        published.push(Arc::clone(&other.0.key));
        published.extend_from_slice(&other.0.published);
        self
    }

    /// The JSON Web Key Set (RFC 7517 §5) for upstreams, to be served as `application/jwk-set+json`. The id of each
    /// key (`kid`) is its thumbprint (RFC 7638).
    #[must_use]
    pub fn jwks(&self) -> String {
        let keys = [&self.0.key].into_iter().chain(&self.0.published);
        let mut published: Vec<String> = Vec::new();
        for jwk in keys.map(|key| key.jwk()) {
            if !published.contains(&jwk) {
                published.push(jwk);
            }
        }
        format!(r#"{{"keys":[{}]}}"#, published.join(","))
    }

    pub(super) fn token(&self, identity: &Identity<'_>, now: i64) -> Option<String> {
        let Inner { key, header, issuer, audience, lifetime, .. } = &*self.0;
        let Identity { thumbprint, key_thumbprint, .. } = *identity;
        let claims = Claims {
            iss: issuer,
            aud: audience,
            sub: identity.client_id,
            auth_method: identity.method.as_str(),
            cnf: thumbprint
                .or(key_thumbprint)
                .map(|_some| Confirmation { thumbprint, key_thumbprint }),
            iat: now,
            exp: now.saturating_add_unsigned(lifetime.as_secs()),
        };
        let claims = encode(&serde_json::to_vec(&claims).ok()?);
        let mut token = format!("{header}.{claims}");
        let signature = key.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&signature);
        Some(token)
    }
}

impl Forward {
    /// Sets the header `name` to an identity that the upstream can verify, which holds all that the other headers
    /// say.
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity).
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn signed(mut self, name: &str, signer: IdentitySigner) -> Result<Self, ConfigError> {
        self.signed = None;
        self.signed = Some((self.checked(name)?, signer));
        Ok(self.named())
    }
}

impl fmt::Debug for IdentitySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { key, published, issuer, audience, lifetime, .. } = &*self.0;
        f.debug_struct("IdentitySigner")
            .field("key", key)
            .field("published", published)
            .field("issuer", issuer)
            .field("audience", audience)
            .field("lifetime", lifetime)
            .finish()
    }
}
