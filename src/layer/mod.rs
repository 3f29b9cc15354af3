//! The tower layer.

mod attempt;
#[cfg(feature = "axum")]
pub(crate) mod axum;
pub(crate) mod future;
mod hooks;
#[cfg_attr(not(feature = "metrics"), path = "metrics/disabled.rs")]
pub(crate) mod metrics;
mod observe;
pub(crate) mod outcome;
mod policy;
mod refusal;
pub(crate) mod service;
mod settings;
mod shared;
pub(crate) mod tenant;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;

use std::{fmt, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use crate::{
    layer::{policy::Policy, service::ClientAuth, shared::Shared},
    method::State,
    wire::mode::WrappedBodies,
};

/// Authenticates the OAuth client of every request before the inner service sees it.
///
/// On success the inner service finds [`AuthenticatedClient`](crate::AuthenticatedClient) in the
/// extensions of the request and the body as it was sent. On failure it is not called, and the
/// caller gets an error of RFC 6749 §5.2. The [crate documentation](crate) shows it in use.
///
/// The defaults satisfy every MUST and SHOULD of RFC 6749 and of the RFCs around it, with one
/// exception: RFC 9126 §2 has the token endpoint accepted as the audience of an assertion, and
/// RFC 10070 takes that back, because it let other servers use them. Each leniency is a
/// setting of its own; for this one it is `Assertions::legacy_audiences`.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_client_auth::{
///     AuthenticatedClient, ClientAuthLayer, ClientSecret, RegisteredClient, body::RequestBody,
///     provider::MemoryProvider,
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
    ///
    /// A form is waited for as long as its caller likes, and an answer of the provider as long as that
    /// takes, unless the [limits](Self::limits) say otherwise. A server on the internet needs a body
    /// deadline, here or further out, and one for the head, which the layer does not see (CWE-400).
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
