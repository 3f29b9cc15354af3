//! A new layer, and the settings that belong to no method.

use std::{marker::PhantomData, sync::Arc};

use http::request::Parts;

#[cfg(feature = "argon2")]
use crate::isolate::pool::Pool;
#[cfg(feature = "metadata-documents")]
use crate::provider::documents::MetadataDocuments;
use crate::{
    clock::Clock,
    compat::dialect::Dialect,
    error::config::ConfigError,
    iana::AuthMethod,
    layer::{ClientAuthLayer, policy::Policy, shared::Shared},
    method::{self, Method, State, decoy::Decoy},
    secret::stored::ClientSecret,
    throttle::Guarded,
    wire::{form::Repeated, limits::Limits},
};

impl<P, M> ClientAuthLayer<P, M> {
    fn shared_mut(&mut self) -> &mut Shared<P> {
        Arc::make_mut(&mut self.shared)
    }

    pub(crate) fn set(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.shared_mut().policy);
        self
    }

    pub(crate) fn try_set(
        mut self,
        change: impl FnOnce(&mut Policy) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        change(&mut self.shared_mut().policy)?;
        Ok(self)
    }

    #[cfg(feature = "argon2")]
    pub(crate) fn set_pool(mut self, pool: Pool) -> Self {
        self.shared_mut().state.pool = pool;
        self
    }

    pub(crate) fn set_methods(self, change: impl FnOnce(&mut method::Settings)) -> Self {
        self.set(|policy| policy.set_methods(change))
    }

    pub(crate) fn set_throttle(self, throttle: Guarded) -> Self {
        self.set(|policy| policy.throttle = Some(throttle))
    }

    pub(crate) fn set_repeated(self, last_wins: bool) -> Self {
        let repeated = if last_wins { Repeated::LastWins } else { Repeated::Refused };
        self.set(|policy| policy.repeated = repeated)
    }

    pub(crate) fn set_dialect(self, dialect: Dialect) -> Self {
        self.set(|policy| {
            policy.dialect = dialect;
            policy.refresh();
        })
    }

    /// The layer with another provider, around this one.
    #[cfg(feature = "metadata-documents")]
    pub(crate) fn with_documents<Q>(
        self,
        documents: MetadataDocuments,
        around: impl FnOnce(Arc<P>) -> Q,
    ) -> ClientAuthLayer<Q, M> {
        let Shared { provider, mut policy, state } = Arc::unwrap_or_clone(self.shared);
        policy.metadata_documents = Some(Box::new(documents));
        let shared = Shared { provider: Arc::new(around(provider)), policy, state };
        ClientAuthLayer { shared: Arc::new(shared), mode: PhantomData }
    }

    /// What is set, for the parts of the interface that stand with the methods.
    pub(crate) fn policy(&self) -> &Policy {
        &self.shared.policy
    }
}

impl<P> ClientAuthLayer<P> {
    /// Authenticates against the clients of `provider`, with the methods `none`,
    /// `client_secret_basic` and `client_secret_post`.
    ///
    /// A form is waited for as long as its caller likes, and an answer of the provider as long as that
    /// takes, unless the [limits](Self::limits) say otherwise. A server on the internet needs a body
    /// deadline, here or further out, and one for the head, which the layer does not see (CWE-400).
    ///
    /// # Body types
    ///
    /// The inner service gets a [`RequestBody`](crate::body::RequestBody), and the answer has a
    /// [`ResponseBody`](crate::body::ResponseBody). Most of axum, tower and hyper take that as it is. Where the
    /// compiler says one of these, add `.axum_bodies()` (feature `axum`), which keeps axum's `Body`:
    ///
    /// - ``expected `Response<ResponseBody<Body>>`, found `Response<Body>` ``: in `ServiceBuilder::option_layer`;
    /// - `` `FromFn<…>: Service<Request<RequestBody<Body>>>` is not satisfied``: in front of
    ///   `axum::middleware::from_fn`, in one `ServiceBuilder`;
    /// - ``expected `Response<Body>`, found `Response<ResponseBody<Body>>` `` and `` `Serve<…>` is not a future``:
    ///   around a whole `Router` that is given to `axum::serve`.
    ///
    /// [`guide::bodies`](crate::guide::bodies) has a table of these and others.
    #[must_use]
    pub fn new(provider: P) -> Self {
        let shared = Shared {
            provider: Arc::new(provider),
            policy: Policy::default(),
            state: State::default(),
        };
        Self { shared: Arc::new(shared), mode: PhantomData }
    }
}

/// # Methods
impl<P, M> ClientAuthLayer<P, M> {
    /// The methods accepted at this endpoint. Default: `none`, `client_secret_basic`,
    /// `client_secret_post`, and those of which the settings are made, such as `assertions`.
    ///
    /// Another method is refused before any look-up, and is not offered in the challenge. The order
    /// of the settings does not matter: a method whose settings are missing is not accepted, and
    /// what was left out here stays out. Called again, it narrows further.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnsupportedMethod`] if a method cannot be checked by this build,
    /// [`ConfigError::NoMethods`] if none is left.
    pub fn auth_methods(
        self,
        methods: impl IntoIterator<Item = AuthMethod>,
    ) -> Result<Self, ConfigError> {
        let mut narrowed = Ok(());
        let layer = self.set_methods(|settings| narrowed = settings.accepted.narrow(methods));
        narrowed.map(|()| layer)
    }

    /// The names of the accepted methods, for `token_endpoint_auth_methods_supported` and its
    /// siblings in the metadata of the server (RFC 8414 §2): what is announced is what is
    /// enforced.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let clients = MemoryProvider::<ClientMetadata>::new();
    /// let introspection = ClientAuthLayer::new(clients).refuse_public_clients();
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
        self.policy().supported().iter().map(|method: Method| method.iana().as_str())
    }

    /// Refuses public clients (`none`). Default: they are accepted.
    ///
    /// For introspection, which must not be open (RFC 7662 §2.1). Revocation (RFC 7009 §2.1), PAR
    /// (RFC 9126 §2) and device authorization (RFC 8628 §3.1) are for public clients, too.
    #[must_use]
    pub fn refuse_public_clients(self) -> Self {
        self.set_methods(|settings| settings.accepted.refuse_public())
    }
}

/// # Verification
impl<P, M> ClientAuthLayer<P, M> {
    /// What an unknown client is compared with, so that the time of the answer does not tell which ids
    /// exist (RFC 6819 §5.1.4.2). Default: a secret as slow as those of the slowest client that the
    /// provider has returned, of which two count.
    ///
    /// A known client that uses another method than its own is compared with it as well, and whoever
    /// fails at a lower cost makes up for the difference. A right secret costs nothing more.
    ///
    /// What time still tells:
    ///
    /// - By default, until the provider has returned the first client with a slow secret, such as after a
    ///   start, an unknown client is answered at once. Set a decoy if the store keeps slow hashes.
    /// - A client whose secrets cost more than the decoy: one with three slow hashes, or any that is
    ///   slower than what was set here.
    /// - Secrets that are [verified elsewhere](ClientSecret::verified_by), which are not imitated, because
    ///   an attempt for an unknown client must not be counted against a real one; unless one is set here.
    /// - Which of two algorithms is slower depends on the machine, and the decoy knows it within a factor
    ///   of two or three.
    /// - While unknown ids have all the workers of the [pool](crate::secret::HashPool) that are for them, the
    ///   others wait for as long as a hash should take, which is an estimate.
    /// - While the pool is busy, a failure at a slow hash that is cheaper than the decoy waits twice in its
    ///   queue, once for that hash and once for the rest, and an unknown client once.
    /// - After 32 kinds of clients, each slower than those before, one that is slower than they are by less
    ///   than a quarter.
    #[must_use]
    pub fn decoy(mut self, secret: ClientSecret) -> Self {
        self.shared_mut().state.decoy = Decoy::set(secret);
        self
    }

    /// The clock. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.set_methods(|settings| settings.clock = clock)
    }
}

/// # Requests
impl<P, M> ClientAuthLayer<P, M> {
    /// The bounds of a request. Default: [`Limits::new`].
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.set(|policy| policy.limits = limits)
    }

    /// Refuses requests with `client_secret` or `client_assertion` in their URI. Default: they pass;
    /// credentials are never read there (RFC 6749 §2.3.1).
    ///
    /// For operators who want to find the clients that write their secrets into access logs.
    #[must_use]
    pub fn refuse_uri_credentials(self) -> Self {
        self.set(|policy| policy.admission.refuse_uri_credentials = true)
    }

    /// Refuses requests for which `is_secure` returns false, before anything else (RFC 6749 §3.2).
    /// Default: none are refused.
    ///
    /// A layer cannot see TLS. The application can: by the listener, by an extension that the
    /// acceptor set, or by a header of a proxy that it trusts. If `is_secure` panics, the request is
    /// answered 500 `server_error`.
    #[must_use]
    pub fn require_https(self, is_secure: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.set(|policy| policy.admission.https = Some(Arc::new(is_secure)))
    }

    /// Reads credentials from the headers alone, and passes the body through as a stream, whatever
    /// the request method and media type.
    ///
    /// For gateways. Only `client_secret_basic` can succeed, and `attest_jwt_client_auth` where that is set; body parameters
    /// are left to the inner service.
    ///
    /// # Errors
    ///
    /// [`ConfigError::GrpcAndHeadersOnly`] after [`grpc`](Self::grpc).
    pub fn headers_only(self) -> Result<Self, ConfigError> {
        self.try_set(|policy| {
            policy.admission.set_headers_only()?;
            policy.refresh();
            Ok(())
        })
    }

    /// Makes a layer for gRPC services: credentials come from the `authorization` metadata, the body
    /// is not touched, and a refusal is a `grpc-status` with the HTTP status 200.
    ///
    /// What counts as gRPC is `application/grpc` over HTTP/2 or with `te: trailers`, and gRPC-Web;
    /// every other request is refused as a layer without this setting does (415). Without it, gRPC
    /// is a media type like any other that is not a form: the caller never chooses how it is
    /// answered. Health checks and reflection are for every caller: add them outside of this layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError::GrpcAndHeadersOnly`] after [`headers_only`](Self::headers_only).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
    ///
    /// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).grpc()?;
    /// assert_eq!(layer.auth_methods_supported().collect::<Vec<_>>(), ["client_secret_basic"]);
    /// # Ok::<(), tower_client_auth::ConfigError>(())
    /// ```
    pub fn grpc(self) -> Result<Self, ConfigError> {
        self.try_set(|policy| {
            policy.admission.set_grpc()?;
            policy.refresh();
            Ok(())
        })
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
}
