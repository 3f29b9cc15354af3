//! The compared programs, each a tower service.

#[cfg(feature = "documents")]
use std::future::ready;
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, service_fn, util::MapRequest};
#[cfg(feature = "mtls")]
use tower_client_auth::mutual_tls::MutualTls;
#[cfg(feature = "documents")]
use tower_client_auth::provider::{CachedProvider, provider_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientProvider, ClientSecret, Limits,
    forward::Forward,
    provider::BoxClientProvider,
    tenant::TenantLayer,
    throttle::{FailureThrottle, PeerAddress},
};
use tower_http::auth::AsyncRequireAuthorizationLayer;

#[cfg(feature = "mtls")]
use super::certificates;
use super::{
    BoxError,
    clients::{self, Client, Provider},
    floor::FloorLayer,
    hand, header_only,
    work::Case,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// A bare service that reads the body.
    Collect,
    /// The floor in front of it.
    Floor,
    /// The layer in front of it.
    Layer,
    /// The layer, chosen for each request.
    LayerTenant,
    /// The layer, which forwards without credentials.
    LayerForward,
    /// The layer, with a store of SHA-256 digests.
    LayerSha256,
    /// The layer, with a provider whose type is erased.
    LayerBoxed,
    /// The layer, with the store of the crate.
    LayerMemory,
    /// The layer, with a provider that remembers what another one answered.
    #[cfg(feature = "cache")]
    LayerCached,
    /// The layer, behind what tells it the address of the peer.
    LayerPeer,
    /// The same, with a throttle.
    LayerThrottled,
    /// The layer, with clients whose id is the URL of their metadata.
    #[cfg(feature = "documents")]
    LayerDocuments,
    /// The same clients, remembered as those of a database are.
    #[cfg(feature = "documents")]
    LayerCachedUrls,
    /// The layer, with clients of `tls_client_auth` and certificates of the connection.
    #[cfg(feature = "mtls")]
    LayerTls,
    /// The same, with clients of `self_signed_tls_client_auth`.
    #[cfg(feature = "mtls")]
    LayerSelfSigned,
    /// As the first, with clients that are registered by a host name.
    #[cfg(feature = "mtls")]
    LayerHostNames,
    /// As the first, with certificates in a header.
    #[cfg(feature = "mtls")]
    LayerClientCert,
    /// `AsyncRequireAuthorizationLayer`, which sees the header only.
    HeaderOnly,
    /// A bare handler in axum that reads the body.
    Axum,
    AxumFloor,
    /// The layer as it is meant to be used in axum: with the feature `axum`, `.axum_bodies()`.
    AxumLayer,
    /// What applications write themselves.
    AxumHand,
}

impl Stack {
    /// All that can be started as a server.
    pub(crate) const SERVERS: [Self; 6] =
        [Self::Collect, Self::Layer, Self::Axum, Self::AxumFloor, Self::AxumLayer, Self::AxumHand];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::SERVERS.into_iter().find(|stack| stack.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Floor => "floor",
            Self::Layer => "layer",
            Self::LayerTenant => "layer, tenant",
            Self::LayerForward => "layer, forward",
            Self::LayerSha256 => "layer, SHA-256",
            Self::LayerBoxed => "layer, boxed",
            Self::LayerMemory => "layer, memory",
            #[cfg(feature = "cache")]
            Self::LayerCached => "layer, cached",
            Self::LayerPeer => "layer, peer known",
            Self::LayerThrottled => "layer, throttled",
            #[cfg(feature = "documents")]
            Self::LayerDocuments => "layer, documents",
            #[cfg(feature = "documents")]
            Self::LayerCachedUrls => "layer, cached URLs",
            #[cfg(feature = "mtls")]
            Self::LayerTls
            | Self::LayerHostNames
            | Self::LayerSelfSigned
            | Self::LayerClientCert => "mutual TLS",
            Self::HeaderOnly => "tower-http",
            Self::Axum => "axum",
            Self::AxumFloor => "floor in axum",
            Self::AxumLayer => "layer in axum",
            Self::AxumHand => "hand in axum",
        }
    }

    /// Whether it refuses any client.
    pub(crate) const fn authenticates(self) -> bool {
        !matches!(self, Self::Collect | Self::Axum)
    }

    /// What it answers.
    pub(crate) const fn status(self, case: Case) -> StatusCode {
        if self.authenticates() { case.status() } else { StatusCode::OK }
    }

    /// Makes the program with a store of its own, and hands it to `visitor`, because each has
    /// another type.
    pub(crate) fn visit<B, V>(self, clients: u64, visitor: V) -> V::Output
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        V: Visit<B>,
    {
        match self {
            Self::Collect => visitor.visit(service_fn(collect)),
            Self::Floor => visitor.visit(floor(clients::mixed(clients)).layer(service_fn(collect))),
            Self::Layer => {
                visitor.visit(layer(clients, ClientSecret::plain).layer(service_fn(collect)))
            }
            Self::LayerTenant => {
                let layer = layer(clients, ClientSecret::plain);
                let tenants = TenantLayer::new(move |_| Some(layer.clone()));
                visitor.visit(tenants.layer(service_fn(collect_for_tenant)))
            }
            Self::LayerForward => {
                let layer = layer(clients, ClientSecret::plain).forward(Forward::new());
                visitor.visit(layer.layer(service_fn(collect_forwarded)))
            }
            Self::LayerSha256 => {
                let layer = layer(clients, |secret| ClientSecret::sha256_of(&secret));
                visitor.visit(layer.layer(service_fn(collect)))
            }
            Self::LayerBoxed => {
                let provider = Provider::new(clients, ClientSecret::plain);
                let layer = ClientAuthLayer::new(BoxClientProvider::new(provider))
                    .limits(Limits::new().parameters(PARAMETERS));
                visitor.visit(layer.layer(service_fn(collect)))
            }
            Self::LayerMemory => {
                let layer = usual(clients::memory(clients::mixed(clients)));
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "cache")]
            Self::LayerCached => {
                let layer = usual(clients::cached(clients, clients::mixed(clients)));
                visitor.visit(layer.layer(service_fn(collect)))
            }
            Self::LayerPeer => {
                let layer = layer(clients, ClientSecret::plain);
                visitor.visit(from_peer(layer.layer(service_fn(collect_of_peer))))
            }
            Self::LayerThrottled => {
                let layer = layer(clients, ClientSecret::plain).throttle(throttle());
                visitor.visit(from_peer(layer.layer(service_fn(collect_of_peer))))
            }
            #[cfg(feature = "documents")]
            Self::LayerDocuments => {
                let registered = provider_fn(|_: &str| ready(Ok::<_, Infallible>(None)));
                let layer = usual(registered).metadata_documents(clients::documents());
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "documents")]
            Self::LayerCachedUrls => {
                let database = provider_fn(|id: &str| ready(Ok::<_, Infallible>(clients::at(id))));
                let layer = usual(CachedProvider::new(database));
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "mtls")]
            Self::LayerTls => {
                let layer = usual(Provider::with_subject(clients, certificates::subject()));
                let layer = layer.mutual_tls(MutualTls::from_connection());
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "mtls")]
            Self::LayerHostNames => {
                let layer = usual(Provider::with_subject(clients, certificates::host()));
                let layer = layer.mutual_tls(MutualTls::from_connection());
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "mtls")]
            Self::LayerSelfSigned => {
                let layer = usual(Provider::self_signed(clients));
                let layer = layer.mutual_tls(MutualTls::from_connection());
                visitor.visit(layer.layer(service_fn(collect)))
            }
            #[cfg(feature = "mtls")]
            Self::LayerClientCert => {
                let layer = usual(Provider::with_subject(clients, certificates::subject()));
                let layer = layer.mutual_tls(certificates::from_header());
                visitor.visit(layer.layer(service_fn(collect)))
            }
            Self::HeaderOnly => {
                let check = header_only::Check(clients::handles(clients::mixed(clients)));
                visitor.visit(AsyncRequireAuthorizationLayer::new(check).layer(service_fn(collect)))
            }
            Self::Axum => visitor.visit(finish(router())),
            Self::AxumFloor => {
                visitor.visit(finish(router().route_layer(floor(clients::mixed(clients)))))
            }
            Self::AxumLayer => {
                let layer = layer(clients, ClientSecret::plain);
                #[cfg(feature = "axum")]
                let layer = layer.axum_bodies();
                visitor.visit(finish(router().route_layer(layer)))
            }
            Self::AxumHand => {
                let database: &'static dyn hand::Database = clients::records(clients);
                let hand = axum::middleware::from_fn_with_state(database, hand::authenticate);
                visitor.visit(finish(router().route_layer(hand)))
            }
        }
    }
}

/// What is done with a program.
pub(crate) trait Visit<B> {
    type Output;

    fn visit<S, R>(self, service: S) -> Self::Output
    where
        S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>;
}

pub(crate) const PARAMETERS: usize = 1024 * 1024;

/// The layer as an application has it, but for limits that let the large forms pass.
pub(crate) fn layer(
    clients: u64,
    at_rest: fn(String) -> ClientSecret,
) -> ClientAuthLayer<Provider> {
    usual(Provider::new(clients, at_rest))
}

/// The same, with any provider.
pub(crate) fn usual<P: ClientProvider>(provider: P) -> ClientAuthLayer<P> {
    ClientAuthLayer::new(provider)
        .limits(Limits::new().body(2 * 1024 * 1024).parameters(PARAMETERS))
}

/// With the limits that it has by default.
pub(crate) fn throttle() -> FailureThrottle {
    FailureThrottle::new(PeerAddress::from_extension(|peer: &SocketAddr| peer.ip()))
}

/// Tells the service the address of the peer, as a server does.
pub(crate) fn from_peer<S, B>(
    service: S,
) -> MapRequest<S, impl Fn(Request<B>) -> Request<B> + Clone> {
    const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000);
    MapRequest::new(service, |mut request: Request<B>| {
        request.extensions_mut().insert(PEER);
        request
    })
}

pub(crate) fn floor(clients: impl Iterator<Item = Client>) -> FloorLayer {
    FloorLayer(clients::handles(clients))
}

pub(crate) async fn collect<B: Body>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    Ok(Response::new(match body {
        Ok(_read) => Full::from("ok"),
        Err(_) => Full::from("failed"),
    }))
}

/// The same function with a type of its own: what two stacks share, the compiler inlines in neither, and no program
/// has two.
async fn collect_for_tenant<B: Body>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    collect(request).await
}

/// As for a tenant.
async fn collect_of_peer<B: Body>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    collect(request).await
}

/// As for a tenant.
async fn collect_forwarded<B: Body>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    collect(request).await
}

/// As `axum::serve` does; until then the layers are applied anew for each request.
fn finish(router: Router) -> Router {
    router.with_state(())
}

fn router() -> Router {
    Router::new().route("/token", post(async |_: Bytes| "ok"))
}
