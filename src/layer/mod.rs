//! The tower layer.

mod attempt;
mod authenticate;
pub(crate) mod future;
#[cfg_attr(not(feature = "metrics"), path = "metrics/disabled.rs")]
pub(crate) mod metrics;
mod observe;
pub(crate) mod outcome;
mod policy;
mod refusal;
pub(crate) mod service;
mod shared;
pub(crate) mod tenant;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;

// The settings, in the order that their documentation is to have.
mod settings;

mod hooks;

#[cfg(feature = "axum")]
pub(crate) mod axum;

use std::{fmt, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use crate::{
    layer::{service::ClientAuth, shared::Shared},
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
/// # Settings
///
/// | section | what is there |
/// |---|---|
/// | [Methods](#methods) | which methods are accepted at this endpoint, and what to announce |
/// | [Verification](#verification) | the decoy, the clock |
/// | [Requests](#requests) | limits, TLS, gateways, gRPC, readiness |
/// | [Answers](#answers) | realm, texts and links of a refusal, and changing it |
/// | [Observers](#observers) | functions that are told of each decision |
/// | [Bodies of axum](#bodies-of-axum) | where the compiler wants axum's `Body` |
/// | [Forwarding](#forwarding) | what an upstream gets to see of a client |
/// | [Assertions](#assertions) | `private_key_jwt` and `client_secret_jwt` |
/// | [Mutual TLS](#mutual-tls) | `tls_client_auth` and `self_signed_tls_client_auth` |
/// | [Attestation](#attestation) | `attest_jwt_client_auth` |
/// | [Metadata documents](#metadata-documents) | clients whose id is a URL |
/// | [Slow hashes](#slow-hashes) | where they are computed |
/// | [Throttling](#throttling) | who may not try again for a while |
/// | [Requests without a client](#requests-without-a-client) | a bearer token instead, or nothing |
/// | [Switching over](#switching-over) | leniencies, and what the MCP Python SDK does |
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
