//! The tower layer, and all settings.

#[cfg(feature = "axum")]
pub(crate) mod axum;
pub(crate) mod future;
pub(crate) mod policy;
pub(crate) mod service;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;

use std::{fmt, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use http::{Response, request::Parts};
use tower_layer::Layer;

use crate::{
    error::Error,
    iana::{AuthMethod, Method},
    layer::{
        policy::{ConfigError, Endpoint, Outcome, Policy, SecretMatch, Shared},
        service::ClientAuth,
    },
    method::decoy::Decoy,
    secret::ClientSecret,
    wire::body::WrappedBodies,
};

/// Authenticates the OAuth client of every request before the inner service sees it.
///
/// On success the inner service finds [`AuthenticatedClient`](crate::AuthenticatedClient) in the
/// extensions of the request and the body as it was sent. On failure it is not called, and the
/// caller gets an error of RFC 6749 §5.2. The [crate documentation](crate) shows it in use.
///
/// The defaults satisfy every MUST and SHOULD of RFC 6749 and of the RFCs around it; each leniency
/// is a setting of its own.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_client_auth::{
///     AuthenticatedClient, ClientAuthLayer, ClientSecret, MemoryProvider, RegisteredClient,
///     RequestBody,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clients = MemoryProvider::from_iter([RegisteredClient::secret_basic(
///     "batch",
///     [ClientSecret::plain("gX9kWZ2c")],
///     "Nightly batch",
/// )]);
/// let service = ServiceBuilder::new()
///     .layer(ClientAuthLayer::new(clients).realm("Example")?)
///     .service(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
///         let client =
///             request.extensions().get::<AuthenticatedClient<&str>>().map(|c| *c.client());
///         Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(
///             client.unwrap_or_default(),
///         )))
///     }));
///
/// let request = Request::post("/token")
///     .header("authorization", "Basic YmF0Y2g6Z1g5a1daMmM=")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(Full::from("grant_type=client_credentials"))?;
/// assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
pub struct ClientAuthLayer<P, M = WrappedBodies> {
    shared: Arc<Shared<P>>,
    mode: PhantomData<fn() -> M>,
}

impl<P> ClientAuthLayer<P> {
    /// Authenticates against the clients of `provider`, with the methods `none`,
    /// `client_secret_basic` and `client_secret_post`.
    #[must_use]
    pub fn new(provider: P) -> Self {
        let shared = Shared { provider: Arc::new(provider), policy: Policy::default() };
        Self { shared: Arc::new(shared), mode: PhantomData }
    }
}

/// # Switching over from the MCP Python SDK
///
/// These presets answer as `ClientAuthenticator` of the MCP Python SDK does behind the SDK's own
/// token and revocation handlers, for servers that must not change anything on the wire yet.
///
/// | what the SDK does | alone, as a setting |
/// |---|---|
/// | `client_id` must stand in the form, also with Basic | – |
/// | `+` in Basic credentials is no space, and a malformed `%` stands for itself | [`raw_basic`](Self::raw_basic), for secrets |
/// | only the place that the registered method names is read, all others are ignored | – |
/// | of a repeated parameter the last counts | [`last_parameter_wins`](Self::last_parameter_wins) |
/// | a client without a registered method cannot authenticate | [`RegisteredClient::unusable`](crate::RegisteredClient::unusable) |
/// | a public client may present anything | [`ignore_public_credentials`](Self::ignore_public_credentials) |
/// | a secret expires a second later | [`clock`](Self::clock) |
/// | no `WWW-Authenticate`; the description tells the reason; always 401; a wrong media type is a missing `client_id`; revocation answers `unauthorized_client` | [`map_error_response`](Self::map_error_response) |
///
/// What would let in a caller whose credentials are wrong, or is wrong on the wire without anybody
/// relying on it, is **never** imitated: base64 with characters outside the alphabet or stray bits,
/// invalid UTF-8 that becomes U+FFFD, control characters, the first of several `Authorization`
/// headers, `multipart/form-data`, descriptions outside the character set of RFC 6749 §5.2. The
/// limits, their answers, and the answers to a failing provider are those of [`new`](Self::new),
/// and a lower-case scheme is accepted.
impl<P> ClientAuthLayer<P> {
    /// The MCP Python SDK's behaviour at the token endpoint.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, MemoryProvider};
    ///
    /// let token = ClientAuthLayer::mcp_python_sdk(MemoryProvider::<ClientMetadata>::new());
    /// # drop(token);
    /// ```
    #[must_use]
    pub fn mcp_python_sdk(provider: P) -> Self {
        Self::seed(provider, Endpoint::Token)
    }

    /// The MCP Python SDK's behaviour at the revocation endpoint: a failure is
    /// `unauthorized_client`.
    #[must_use]
    pub fn mcp_python_sdk_revocation(provider: P) -> Self {
        Self::seed(provider, Endpoint::Revocation)
    }

    fn seed(provider: P, endpoint: Endpoint) -> Self {
        Self::new(provider).last_parameter_wins(true).set(|policy| policy.seed = Some(endpoint))
    }
}

impl<P, M> ClientAuthLayer<P, M> {
    fn set(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut Arc::make_mut(&mut self.shared).policy);
        self
    }

    fn try_set(
        mut self,
        change: impl FnOnce(&mut Policy) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        change(&mut Arc::make_mut(&mut self.shared).policy)?;
        Ok(self)
    }

    /// The realm of the challenge (RFC 7617 §2). Default: `OAuth`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] if it is empty or holds a control character.
    pub fn realm(self, realm: &str) -> Result<Self, ConfigError> {
        self.try_set(|policy| policy.set_realm(realm))
    }

    /// The methods that are accepted at this endpoint. Default: `none`, `client_secret_basic` and
    /// `client_secret_post`.
    ///
    /// Another method is refused before any look-up, and is not offered in the challenge.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnsupportedMethod`] if a method cannot be checked by this build,
    /// [`ConfigError::NoAssertions`] if it needs `assertions` and they were not set before,
    /// [`ConfigError::NoMethods`] if there is none.
    pub fn auth_methods(
        self,
        methods: impl IntoIterator<Item = AuthMethod>,
    ) -> Result<Self, ConfigError> {
        self.try_set(|policy| policy.set_methods(methods))
    }

    /// Accepts assertions: `private_key_jwt` and `client_secret_jwt` (RFC 7523 §2.2), in addition to
    /// the other methods. [`auth_methods`](Self::auth_methods) narrows them afterwards. Default: an
    /// assertion counts as a method and is refused.
    ///
    /// The `provider_deadline` holds for the replay store and for the
    /// source of keys, too. The presets of the MCP Python SDK know no assertions.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    #[must_use]
    pub fn assertions(self, assertions: crate::method::assertion::settings::Assertions) -> Self {
        self.set(|policy| policy.set_assertions(assertions))
    }

    /// The accepted signature algorithms, for `token_endpoint_auth_signing_alg_values_supported` and
    /// its siblings in the metadata of the server (RFC 8414 §2). There are none unless a method that
    /// presents assertions is accepted.
    #[cfg(feature = "jwt")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
    pub fn auth_signing_algs_supported(&self) -> impl Iterator<Item = &'static str> {
        let methods = self.shared.policy.supported();
        let settings = self.shared.policy.assertions.as_deref();
        settings.into_iter().flat_map(move |settings| settings.algorithms.names()).filter_map(
            move |(name, algorithm)| methods.contains(algorithm.method()).then_some(name),
        )
    }

    /// The names of the accepted methods, for `token_endpoint_auth_methods_supported` and its
    /// siblings in the metadata of the server (RFC 8414 §2): what is announced is what is
    /// enforced.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, MemoryProvider};
    ///
    /// let introspection = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).allow_public(false);
    /// let metadata = serde_json::json!({
    ///     "introspection_endpoint_auth_methods_supported":
    ///         introspection.auth_methods_supported().collect::<Vec<_>>(),
    /// });
    /// assert_eq!(
    ///     metadata.to_string(),
    ///     r#"{"introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"]}"#,
    /// );
    /// ```
    pub fn auth_methods_supported(&self) -> impl Iterator<Item = &'static str> + use<P, M> {
        self.shared.policy.supported().iter().map(|method: Method| method.iana().as_str())
    }

    /// Whether public clients (`none`) are accepted. Default: yes.
    ///
    /// Turn it off for introspection, which must not be open (RFC 7662 §2.1). Revocation (RFC 7009
    /// §2.1), PAR (RFC 9126 §2) and device authorization (RFC 8628 §3.1) are for public
    /// clients, too.
    #[must_use]
    pub fn allow_public(self, allow: bool) -> Self {
        self.set(|policy| policy.set_public(allow))
    }

    /// The largest body in octets; a larger one is answered 413. Default: 64 KiB.
    #[must_use]
    pub fn body_limit(self, octets: usize) -> Self {
        self.set(|policy| policy.body_limit = octets)
    }

    /// The largest number of form parameters; more are answered 400. Default: 1024.
    #[must_use]
    pub fn parameter_limit(self, parameters: usize) -> Self {
        self.set(|policy| policy.parameter_limit = parameters)
    }

    /// The greatest length in octets of each of the `Authorization` value, `client_id` and
    /// `client_secret`, as they are sent; a longer one is answered 400. Default: 8 KiB.
    #[must_use]
    pub fn credential_limit(self, octets: usize) -> Self {
        self.set(|policy| policy.credential_limit = octets)
    }

    /// The time that a body may take to arrive, from the call on; a slower one is answered 408.
    /// Default: no limit, for stacks that have one further out.
    ///
    /// It needs a tokio runtime with its timer enabled.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub fn body_deadline(self, deadline: std::time::Duration) -> Self {
        self.set(|policy| policy.body_deadline = Some(deadline))
    }

    /// The time that a look-up may take; a slower one is answered 503. Default: no limit, for
    /// providers that have one.
    ///
    /// It holds for each secret that is [verified elsewhere](ClientSecret::verified_by), too.
    ///
    /// It needs a tokio runtime with its timer enabled.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub fn provider_deadline(self, deadline: std::time::Duration) -> Self {
        self.set(|policy| policy.provider_deadline = Some(deadline))
    }

    /// Whether a client that is registered for one of `client_secret_basic` and
    /// `client_secret_post` may use the other. Default: no (RFC 7591 §2).
    ///
    /// For servers whose clients were registered before the method was enforced.
    #[must_use]
    pub fn interchange_basic_and_post(self, allow: bool) -> Self {
        self.set(|policy| policy.interchange_basic_and_post = allow)
    }

    /// Whether the password of a Basic header is also compared as it stands, when it is not equal
    /// to a secret after the form-decoding of RFC 6749 §2.3.1. Default: no.
    ///
    /// For clients that do not form-encode, such as `curl -u` and reqwest's `basic_auth`, and whose
    /// secrets hold `%` or `+`. The id is always decoded.
    #[must_use]
    pub fn raw_basic(self, allow: bool) -> Self {
        self.set(|policy| policy.raw_basic = allow)
    }

    /// Whether a public client may present a secret, which is then ignored. Default: no (RFC 6749
    /// §2.3).
    ///
    /// For libraries that send an `Authorization` header with an empty password for public clients.
    #[must_use]
    pub fn ignore_public_credentials(self, ignore: bool) -> Self {
        self.set(|policy| policy.ignore_public_credentials = ignore)
    }

    /// Whether `invalid_client` is answered 400 instead of 401 when no `Authorization` header was
    /// used. Default: no, because introspection (RFC 7662 §2.3) asks for 401.
    ///
    /// For browser clients, which show a password prompt on 401. RFC 6749 §5.2 allows both.
    #[must_use]
    pub fn bad_request_for_body_credentials(self, bad_request: bool) -> Self {
        self.set(|policy| policy.bad_request_for_body_credentials = bad_request)
    }

    /// Whether a repeated parameter is accepted, and its last value used. Default: no (RFC 6749
    /// §3.2).
    ///
    /// For clients that build their forms by appending. The service behind must read the last
    /// value, too, or it acts for another client than the one that was authenticated.
    #[must_use]
    pub fn last_parameter_wins(self, accept: bool) -> Self {
        self.set(|policy| policy.last_parameter_wins = accept)
    }

    /// Whether a request with `client_secret` or `client_assertion` in its URI is refused. Default:
    /// no; they are never read there (RFC 6749 §2.3.1).
    ///
    /// For operators who want to find the clients that write their secrets into access logs.
    #[must_use]
    pub fn refuse_uri_credentials(self, refuse: bool) -> Self {
        self.set(|policy| policy.refuse_uri_credentials = refuse)
    }

    /// Refuses requests for which `is_secure` returns false, before anything else (RFC 6749 §3.2).
    /// Default: none are refused.
    ///
    /// A layer cannot see TLS. The application can: by the listener, by an extension that the
    /// acceptor set, or by a header of a proxy that it trusts.
    #[must_use]
    pub fn require_https(self, is_secure: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.set(|policy| policy.https = Some(Arc::new(is_secure)))
    }

    /// The clock, in seconds since the Unix epoch. Default: the system's.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.set(|policy| policy.clock = Some(Arc::new(now)))
    }

    /// What the secret of an unknown client is compared with, so that it takes as long as a known
    /// one. Default: a secret of the same kind and cost as the first that the provider returned.
    ///
    /// For stores that keep several kinds, and for secrets that are [verified
    /// elsewhere](ClientSecret::verified_by), which are not imitated: a guess for nobody must not
    /// count as one for a client that exists.
    #[must_use]
    pub fn decoy(self, secret: ClientSecret) -> Self {
        self.set(|policy| policy.decoy = Decoy::set(secret))
    }

    /// How many slow hashes ([`ClientSecret::phc`]) are computed at a time, and how many requests
    /// may wait for that; one more is answered 503 with `Retry-After`. Default: as many as
    /// there are cores, and 64 times as many. Clones of the layer share them.
    ///
    /// Each takes the memory that its hash asks for, 19 MiB with the usual parameters of argon2id.
    #[cfg(feature = "argon2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
    #[must_use]
    pub fn hash_workers(self, workers: std::num::NonZeroUsize, queue: usize) -> Self {
        self.set(|policy| policy.pool = crate::isolate::pool::Pool::new(workers.get(), queue))
    }

    /// Calls `upgrade` with every secret that was right, so that the store can keep it in another
    /// form: a digest instead of plain text, or a hash with today's parameters. Default:
    /// nothing is called.
    ///
    /// It must not block: start a task. A panic in it does not fail the request.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, MemoryProvider, PresentedSecret};
    ///
    /// async fn store_digest(client_id: String, secret: PresentedSecret) { /* UPDATE … */
    /// }
    ///
    /// let layer =
    ///     ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).on_secret_match(|matched| {
    ///         if matched.label() == Some("plain") {
    ///             let client_id = matched.client_id().to_owned();
    ///             tokio::spawn(store_digest(client_id, matched.presented().clone()));
    ///         }
    ///     });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn on_secret_match(
        self,
        upgrade: impl Fn(&SecretMatch<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| policy.secret_hook = Some(Arc::new(upgrade)))
    }

    /// Changes the answer to a refused request. Default: it is sent as it is.
    ///
    /// `change` gets the reason and the answer, and returns the answer to send. It cannot let the
    /// request pass.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, MemoryProvider};
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).map_error_response(
    ///     |error, mut response| {
    ///         if error.is_internal() {
    ///             response.headers_mut().insert("retry-after", http::HeaderValue::from_static("5"));
    ///         }
    ///         response
    ///     },
    /// );
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn map_error_response(
        self,
        change: impl Fn(&Error, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.set(|policy| policy.error_hook = Some(Arc::new(change)))
    }

    /// Calls `observe` with every decision, for metrics, audit logs and throttling (RFC 6749
    /// §2.3.1). Default: nothing is called.
    ///
    /// It runs between the requests of a connection: keep it short. See [`Outcome`] for an example,
    /// and [`Throttled`](crate::Throttled) for the answer to too many attempts.
    #[must_use]
    pub fn on_outcome(self, observe: impl Fn(&Outcome<'_>) + Send + Sync + 'static) -> Self {
        self.set(|policy| policy.outcome_hook = Some(Arc::new(observe)))
    }

    /// Reads credentials from the headers alone, and passes the body through as a stream, whatever
    /// the request method and media type.
    ///
    /// For gateways. Only `client_secret_basic` can succeed; parameters of the body are not seen,
    /// so what stands in them is the business of the service behind. gRPC requests are treated
    /// like this without the setting.
    #[must_use]
    pub fn headers_only(self) -> Self {
        self.set(|policy| policy.headers_only = true)
    }

    /// Makes the inner service ready after a request has been authenticated, instead of before it
    /// is accepted.
    ///
    /// By default `poll_ready` is that of the inner service, as everywhere in tower, and what it
    /// reserves, such as a permit of a concurrency limit, is held while the body arrives. With
    /// this setting clients that send slowly, or that are refused, take nothing from the inner
    /// service; a load-shedding layer further out then does not see that the inner service is busy.
    #[must_use]
    pub fn ready_after_auth(self) -> Self {
        self.set(|policy| policy.ready_after_auth = true)
    }

    /// Takes and returns bodies of axum's type, whatever the types around.
    ///
    /// For places in axum where the body type is fixed: above `axum::middleware::from_fn` in one
    /// `ServiceBuilder`, around a whole `Router` given to `axum::serve`, and in `option_layer`.
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    #[must_use]
    pub fn axum_bodies(self) -> ClientAuthLayer<P, axum::AxumBodies> {
        ClientAuthLayer { shared: self.shared, mode: PhantomData }
    }
}

impl<S, P, M> Layer<S> for ClientAuthLayer<P, M> {
    type Service = ClientAuth<S, P, M>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientAuth::new(inner, Arc::clone(&self.shared))
    }
}

// Derived, `Clone` would ask the same of `P` and `M`.
impl<P, M> Clone for ClientAuthLayer<P, M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), mode: PhantomData }
    }
}

impl<P, M> fmt::Debug for ClientAuthLayer<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthLayer")
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}
