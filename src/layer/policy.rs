//! Every setting, as plain data, and the clock.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderValue, Response, request::Parts};

use crate::{
    error::Error,
    iana::{AuthMethod, Method, Methods},
    isolate::pool::Pool,
    method::decoy::Decoy,
    secret::presented::PresentedSecret,
};

/// RFC 6749 forms are a few hundred octets; assertions (RFC 7523) and request objects (RFC 9126)
/// fit, too.
const BODY_LIMIT: usize = 64 * 1024;
const PARAMETER_LIMIT: usize = 1024;
const CREDENTIAL_LIMIT: usize = 8 * 1024;

const DEFAULT_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"OAuth\", charset=\"UTF-8\"");

type HttpsPredicate = dyn Fn(&Parts) -> bool + Send + Sync;
type Clock = dyn Fn() -> i64 + Send + Sync;
type ErrorHook = dyn Fn(&Error, Response<Bytes>) -> Response<Bytes> + Send + Sync;
type OutcomeHook = dyn Fn(&Outcome<'_>) + Send + Sync;
type SecretHook = dyn Fn(&SecretMatch<'_>) + Send + Sync;

/// The endpoint of the MCP Python SDK that is imitated: they answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    Revocation,
}

/// What all services of a layer have in common. Making another one is free: axum does it for each
/// request while a router is not finished.
pub(crate) struct Shared<P> {
    pub(crate) provider: Arc<P>,
    pub(crate) policy: Policy,
}

// Derived, `Clone` would ask the same of `P`.
impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self { provider: Arc::clone(&self.provider), policy: self.policy.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) methods: Methods,
    /// The challenge after an `Authorization` header.
    pub(crate) basic_challenge: HeaderValue,
    /// The challenge of every other 401.
    pub(crate) challenge: HeaderValue,
    realm: Box<str>,
    pub(crate) body_limit: usize,
    pub(crate) parameter_limit: usize,
    pub(crate) credential_limit: usize,
    pub(crate) interchange_basic_and_post: bool,
    pub(crate) raw_basic: bool,
    pub(crate) ignore_public_credentials: bool,
    pub(crate) bad_request_for_body_credentials: bool,
    pub(crate) refuse_uri_credentials: bool,
    pub(crate) last_parameter_wins: bool,
    pub(crate) seed: Option<Endpoint>,
    pub(crate) headers_only: bool,
    pub(crate) ready_after_auth: bool,
    pub(crate) body_deadline: Option<Duration>,
    pub(crate) provider_deadline: Option<Duration>,
    pub(crate) decoy: Decoy,
    pub(crate) pool: Pool,
    pub(crate) https: Option<Arc<HttpsPredicate>>,
    pub(crate) clock: Option<Arc<Clock>>,
    pub(crate) error_hook: Option<Arc<ErrorHook>>,
    pub(crate) outcome_hook: Option<Arc<OutcomeHook>>,
    pub(crate) secret_hook: Option<Arc<SecretHook>>,
    #[cfg(feature = "jwt")]
    pub(crate) assertions: Option<Arc<crate::method::assertion::settings::Assertions>>,
}

impl Policy {
    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        match &self.clock {
            Some(clock) => clock(),
            None => system_now(),
        }
    }

    /// RFC 7617 §2, RFC 9110 §5.6.4: the realm is a quoted string.
    pub(crate) fn set_realm(&mut self, realm: &str) -> Result<(), ConfigError> {
        if realm.is_empty() || realm.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(ConfigError::Realm);
        }
        let quoted = realm.replace('\\', r"\\").replace('"', "\\\"");
        self.realm = quoted.into();
        self.refresh_challenge()
    }

    /// A method that this build cannot check must not look accepted.
    pub(crate) fn set_methods(
        &mut self,
        methods: impl IntoIterator<Item = AuthMethod>,
    ) -> Result<(), ConfigError> {
        let mut set = Methods::EMPTY;
        for method in methods {
            match Method::ALL.iter().find(|known| *known.iana() == method) {
                #[cfg(feature = "jwt")]
                Some(known) if known.is_jwt() && self.assertions.is_none() => {
                    return Err(ConfigError::NoAssertions(method));
                }
                Some(known) => set = set.with(*known),
                None => return Err(ConfigError::UnsupportedMethod(method)),
            }
        }
        if set == Methods::EMPTY {
            return Err(ConfigError::NoMethods);
        }
        self.methods = set;
        self.refresh_challenge()
    }

    fn refresh_challenge(&mut self) -> Result<(), ConfigError> {
        let realm = &self.realm;
        let value =
            |text: String| HeaderValue::try_from(text).map_err(|_invalid| ConfigError::Realm);
        self.basic_challenge = value(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))?;
        // RFC 9110 §15.5.2: a 401 has a challenge, always. Where Basic is not accepted it must not
        // be offered, and there is no registered scheme for credentials in a form; the IANA
        // name of a method that is accepted is a valid scheme name and says what is meant.
        self.challenge = match self.methods.iter().next() {
            Some(Method::Basic) | None => self.basic_challenge.clone(),
            Some(method) => value(format!("{} realm=\"{realm}\"", method.iana()))?,
        };
        Ok(())
    }

    /// What a request can succeed with.
    pub(crate) const fn supported(&self) -> Methods {
        if !self.headers_only {
            return self.methods;
        }
        // Only Basic is all in the headers.
        if self.methods.contains(Method::Basic) {
            Methods::EMPTY.with(Method::Basic)
        } else {
            Methods::EMPTY
        }
    }

    /// Accepts both methods that present assertions.
    #[cfg(feature = "jwt")]
    pub(crate) fn set_assertions(
        &mut self,
        assertions: crate::method::assertion::settings::Assertions,
    ) {
        self.methods = self.methods.with(Method::PrivateKeyJwt).with(Method::SecretJwt);
        self.assertions = Some(Arc::new(assertions));
    }

    pub(crate) fn set_public(&mut self, allow: bool) {
        self.methods = if allow {
            self.methods.with(Method::None)
        } else {
            self.methods.without(Method::None)
        };
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            methods: Methods::EMPTY.with(Method::None).with(Method::Basic).with(Method::Post),
            basic_challenge: DEFAULT_CHALLENGE,
            challenge: DEFAULT_CHALLENGE,
            realm: "OAuth".into(),
            body_limit: BODY_LIMIT,
            parameter_limit: PARAMETER_LIMIT,
            credential_limit: CREDENTIAL_LIMIT,
            interchange_basic_and_post: false,
            raw_basic: false,
            ignore_public_credentials: false,
            bad_request_for_body_credentials: false,
            refuse_uri_credentials: false,
            last_parameter_wins: false,
            seed: None,
            headers_only: false,
            ready_after_auth: false,
            body_deadline: None,
            provider_deadline: None,
            decoy: Decoy::default(),
            pool: Pool::default(),
            https: None,
            clock: None,
            error_hook: None,
            outcome_hook: None,
            secret_hook: None,
            #[cfg(feature = "jwt")]
            assertions: None,
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Policy");
        #[cfg(feature = "jwt")]
        debug.field("assertions", &self.assertions);
        debug
            .field("methods", &self.methods.iter().map(Method::iana).collect::<Vec<_>>())
            .field("realm", &self.realm)
            .field("body_limit", &self.body_limit)
            .field("parameter_limit", &self.parameter_limit)
            .field("credential_limit", &self.credential_limit)
            .field("interchange_basic_and_post", &self.interchange_basic_and_post)
            .field("raw_basic", &self.raw_basic)
            .field("ignore_public_credentials", &self.ignore_public_credentials)
            .field("bad_request_for_body_credentials", &self.bad_request_for_body_credentials)
            .field("refuse_uri_credentials", &self.refuse_uri_credentials)
            .field("last_parameter_wins", &self.last_parameter_wins)
            .field("seed", &self.seed)
            .field("headers_only", &self.headers_only)
            .field("ready_after_auth", &self.ready_after_auth)
            .field("body_deadline", &self.body_deadline)
            .field("provider_deadline", &self.provider_deadline)
            .finish_non_exhaustive()
    }
}

/// A clock before 1970 or beyond 64 bits makes every expiring secret expire: it fails closed.
pub(crate) fn system_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(i64::MAX)
}

/// A decision of the layer, as [`on_outcome`](crate::ClientAuthLayer::on_outcome) sees it.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientAuthLayer, ClientMetadata, ErrorKind, MemoryProvider};
///
/// let clients = MemoryProvider::<ClientMetadata>::new();
/// let layer = ClientAuthLayer::new(clients).on_outcome(|outcome| {
///     let reason = outcome.error().map_or("success", |error| error.kind().as_str());
///     // counter!("client_auth", "method" => method, "reason" => reason).increment(1);
/// #   let _ = reason;
/// });
/// # drop(layer);
/// ```
pub struct Outcome<'a> {
    pub(crate) request: &'a Parts,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) method: Option<&'a AuthMethod>,
    pub(crate) error: Option<&'a Error>,
}

impl<'a> Outcome<'a> {
    /// The head of the request, for example for the address of the peer in its extensions. The
    /// `Authorization` header is marked sensitive.
    #[must_use]
    pub const fn request(&self) -> &'a Parts {
        self.request
    }

    /// The id that was presented, if the request got as far as a look-up. Unless it succeeded,
    /// anybody may have sent it, and anything: escape and cut it before it is logged.
    #[must_use]
    pub const fn client_id(&self) -> Option<&'a str> {
        self.client_id
    }

    /// The method that was used, if the request got as far as a look-up.
    #[must_use]
    pub const fn method(&self) -> Option<&'a AuthMethod> {
        self.method
    }

    /// Why the request was refused; `None` if it was not.
    #[must_use]
    pub const fn error(&self) -> Option<&'a Error> {
        self.error
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the request only what no caller can hide a credential in.
        f.debug_struct("Outcome")
            .field("path", &self.request.uri.path())
            .field("client_id", &self.client_id)
            .field("method", &self.method)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// A secret that was right, as [`on_secret_match`](crate::ClientAuthLayer::on_secret_match) sees
/// it.
#[derive(Debug)]
pub struct SecretMatch<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) label: Option<&'a str>,
    pub(crate) presented: PresentedSecret,
}

impl SecretMatch<'_> {
    /// The client that presented it.
    #[must_use]
    pub const fn client_id(&self) -> &str {
        self.client_id
    }

    /// The label of the stored secret, if it has one.
    #[must_use]
    pub const fn label(&self) -> Option<&str> {
        self.label
    }

    /// The secret, to be stored in another form.
    #[must_use]
    pub const fn presented(&self) -> &PresentedSecret {
        &self.presented
    }
}

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The realm is empty or holds a control character (RFC 7617 §2).
    Realm,
    /// The list of methods is empty, so that nobody could authenticate.
    NoMethods,
    /// The method cannot be checked by this build of the crate.
    UnsupportedMethod(AuthMethod),
    /// The issuer is not an `https` URL without query and fragment (RFC 8414 §2).
    Issuer,
    /// The longest lifetime of an assertion is not between a second and an hour.
    AssertionLifetime,
    /// There is no signature algorithm, or one of them is not supported.
    SigningAlgorithm,
    /// The method needs `ClientAuthLayer::assertions`, which must come first.
    NoAssertions(AuthMethod),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Realm => f.write_str("the realm is empty or holds a control character"),
            Self::Issuer => {
                f.write_str("the issuer is not an https URL without query and fragment")
            }
            Self::AssertionLifetime => {
                f.write_str("the lifetime of assertions is not between a second and an hour")
            }
            Self::SigningAlgorithm => f.write_str("a signature algorithm is not supported"),
            Self::NoAssertions(method) => {
                write!(f, "the client authentication method {method} needs `assertions` first")
            }
            Self::NoMethods => f.write_str("the list of client authentication methods is empty"),
            Self::UnsupportedMethod(method) => {
                write!(f, "the client authentication method {:?} is not supported", method.as_str())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
