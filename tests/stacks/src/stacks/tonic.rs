//! gRPC with tonic's server and tonic's client.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use ::axum::{Router as AxumRouter, routing};
use ::tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc as GrpcClient,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{
        http::uri::PathAndQuery,
        tokio_stream::{Once, Stream, once},
    },
    metadata::MetadataValue,
    server::{Grpc as GrpcServer, NamedService, StreamingService},
    service::{InterceptorLayer, Routes},
    transport::{
        Channel, Endpoint,
        server::{Router, Server as TonicServer, TcpIncoming},
    },
};
use ::tower::{Layer, Service, ServiceBuilder};
use bytes::{Buf, BufMut, Bytes};
use http::header;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_client_auth::{AuthenticatedClient, BoxError};

use super::support::{
    BATCH, BUSY, DOWN, Server, Tenant, WRONG, client_auth, full, header as header_of, http2, within,
};

/// Says the tenant, and counts its calls.
#[derive(Debug, Default)]
pub(super) struct Probe {
    calls: Arc<AtomicUsize>,
}

impl Probe {
    fn answer<T>(&self, request: &Request<HealthCheckRequest>, answer: T) -> Response<T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let client = request.extensions().get::<AuthenticatedClient<Tenant>>();
        let tenant = client.map_or("nobody", |client| client.client().0);
        let mut response = Response::new(answer);
        response.metadata_mut().insert("x-tenant", MetadataValue::from_static(tenant));
        response
    }
}

fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving.into() }
}

#[::tonic::async_trait]
impl Health for Probe {
    type WatchStream = Once<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(self.answer(&request, serving()))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(self.answer(&request, once(Ok(serving()))))
    }
}

pub(super) fn health() -> HealthServer<Probe> {
    HealthServer::new(Probe::default())
}

fn counted() -> (Arc<AtomicUsize>, HealthServer<Probe>) {
    let probe = Probe::default();
    (Arc::clone(&probe.calls), HealthServer::new(probe))
}

/// A method with streams in both directions, whose messages are plain bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Mirror;

impl NamedService for Mirror {
    const NAME: &'static str = "test.Mirror";
}

impl<B> Service<http::Request<B>> for Mirror
where
    B: Body<Data: Send, Error: Into<BoxError> + Send> + Send + 'static,
{
    type Response = http::Response<::tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async { Ok(GrpcServer::new(Self).streaming(Self, request).await) })
    }
}

impl StreamingService<Bytes> for Mirror {
    type Response = Bytes;
    type ResponseStream = Streaming<Bytes>;
    type Future = std::future::Ready<Result<Response<Streaming<Bytes>>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        std::future::ready(match request.extensions().get::<AuthenticatedClient<Tenant>>() {
            Some(_) => Ok(Response::new(request.into_inner())),
            None => Err(Status::internal("no client")),
        })
    }
}

impl Codec for Mirror {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Mirror {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Mirror {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

async fn serve<L, R>(router: Router<L>) -> Server
where
    L: Layer<
            Routes,
            Service: Service<
                http::Request<::tonic::body::Body>,
                Response = http::Response<R>,
                Error: Into<BoxError> + Send,
                Future: Send,
            > + Clone
                         + Send
                         + 'static,
        > + Send
        + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    Server::start(async move |listener, stopped, _| {
        let stopped = async {
            let _stopped = stopped.await;
        };
        let incoming = TcpIncoming::from(listener);
        router.serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
    })
    .await
}

/// Serves `router`, which has [`health`], and asks it what every stack must answer.
pub(super) async fn check_tonic<L, R>(router: Router<L>)
where
    L: Layer<
            Routes,
            Service: Service<
                http::Request<::tonic::body::Body>,
                Response = http::Response<R>,
                Error: Into<BoxError> + Send,
                Future: Send,
            > + Clone
                         + Send
                         + 'static,
        > + Send
        + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    check_tonic_server(serve(router).await).await;
}

pub(super) async fn check_tonic_server(server: Server) {
    let mut client = HealthClient::new(connect(&server).await);

    let response = client.check(ask(&[BATCH])).await.unwrap();
    assert_eq!(response.metadata().get("x-tenant").unwrap(), "blue");
    assert_eq!(response.into_inner(), serving());

    let mut stream = client.watch(ask(&[BATCH])).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap(), Some(serving()));
    assert_eq!(stream.message().await.unwrap(), None);

    let status = client.check(ask(&[WRONG])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "client authentication failed");

    drop((client, stream));
    server.stop().await;
}

async fn connect(server: &Server) -> Channel {
    Endpoint::from_shared(server.url("")).unwrap().connect().await.unwrap()
}

/// A request with these `authorization` entries.
fn ask(authorization: &[&'static str]) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest::default());
    for value in authorization {
        request.metadata_mut().append("authorization", MetadataValue::from_static(value));
    }
    request
}

#[tokio::test]
async fn client_sees_refusals_as_codes() {
    let (calls, health) = counted();
    let server =
        serve(TonicServer::builder().layer(client_auth().grpc().unwrap()).add_service(health))
            .await;
    let mut client = HealthClient::new(connect(&server).await);

    for (authorization, code) in [
        (&[][..], Code::Unauthenticated),
        (&[WRONG], Code::Unauthenticated),
        (&["Basic bm9ib2R5Ong="], Code::Unauthenticated),
        (&["Basic ?"], Code::Unauthenticated),
        (&["Bearer token"], Code::Unauthenticated),
        (&[BATCH, BATCH], Code::InvalidArgument),
        (&[DOWN], Code::Unavailable),
        (&[BUSY], Code::ResourceExhausted),
    ] {
        let status = client.check(ask(authorization)).await.unwrap_err();
        assert_eq!(status.code(), code, "{authorization:?}");
        let status = client.watch(ask(authorization)).await.unwrap_err();
        assert_eq!(status.code(), code, "{authorization:?}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    // The connection is still good.
    client.check(ask(&[BATCH])).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    drop(client);
    server.stop().await;
}

/// gRPC over HTTP/2, "Responses": "Trailers-Only" is one block of headers that ends the stream.
#[tokio::test]
async fn refusal_is_trailers_only() {
    let server =
        serve(TonicServer::builder().layer(client_auth().grpc().unwrap()).add_service(health()))
            .await;
    let client = http2();

    let request = http::Request::post(server.url("/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc+proto")
        .body(full(&b"\0\0\0\0\0"[..]))
        .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::OK);
    assert_eq!(header_of(&response, "content-type"), Some("application/grpc"));
    assert_eq!(header_of(&response, "grpc-status"), Some("16"));
    assert!(Body::is_end_stream(response.body()));
    assert_eq!(header_of(&response, "www-authenticate"), None);

    drop((client, response));
    server.stop().await;
}

#[tokio::test]
async fn stream_is_not_touched() {
    let server =
        serve(TonicServer::builder().layer(client_auth().grpc().unwrap()).add_service(Mirror))
            .await;
    let mut client = GrpcClient::new(connect(&server).await);
    let mut mirror = async |authorization| {
        client.ready().await.unwrap();
        let (messages, receiver) = mpsc::unbounded_channel();
        let mut request = Request::new(Messages(receiver));
        request.metadata_mut().insert("authorization", MetadataValue::from_static(authorization));
        let path = PathAndQuery::from_static("/test.Mirror/Reflect");
        let answer = client.streaming(request, path, Mirror).await;
        (messages, answer.map(Response::into_inner))
    };

    let (messages, answer) = mirror(BATCH).await;
    let mut answer: Streaming<Bytes> = answer.unwrap();
    // Larger than any form may be; and each comes back before the next is sent.
    for message in [Bytes::from_static(b"one"), vec![b'x'; 200_000].into(), Bytes::new()] {
        messages.send(message.clone()).unwrap();
        assert_eq!(within(answer.message()).await.unwrap(), Some(message));
    }
    drop(messages);
    assert_eq!(within(answer.message()).await.unwrap(), None);

    // Refused although the stream of the client never ends.
    let (messages, answer) = mirror(WRONG).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);

    drop(messages);
    drop(client);
    server.stop().await;
}

struct Messages(mpsc::UnboundedReceiver<Bytes>);

impl Stream for Messages {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_recv(cx)
    }
}

/// Above the layer it can bring credentials, below it knows the client that they belong to.
#[tokio::test]
async fn interceptors_work_on_both_sides() {
    let above = InterceptorLayer::new(|mut request: Request<()>| {
        if request.metadata().contains_key("x-internal") {
            request.metadata_mut().insert("authorization", MetadataValue::from_static(BATCH));
        }
        Ok(request)
    });
    let below = InterceptorLayer::new(|request: Request<()>| {
        match request.extensions().get::<AuthenticatedClient<Tenant>>() {
            Some(client) if client.client().0 == "blue" => Ok(request),
            _ => Err(Status::permission_denied("not for this tenant")),
        }
    });
    let (calls, health) = counted();
    let stack = ServiceBuilder::new()
        .layer(above)
        .layer(client_auth().grpc().unwrap())
        .layer(below)
        .into_inner();
    let server = serve(TonicServer::builder().layer(stack).add_service(health)).await;
    let mut client = HealthClient::new(connect(&server).await);

    let mut request = ask(&[]);
    request.metadata_mut().insert("x-internal", MetadataValue::from_static("1"));
    let response = client.check(request).await.unwrap();
    assert_eq!(response.metadata().get("x-tenant").unwrap(), "blue");
    assert_eq!(client.check(ask(&[])).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    drop(client);
    server.stop().await;
}

/// One service behind the layer, its neighbour open.
#[cfg(feature = "tonic")]
#[tokio::test]
async fn single_service_name_is_forwarded() {
    fn name<S: NamedService>(_: &S) -> &'static str {
        S::NAME
    }

    let guarded = client_auth().grpc().unwrap().layer(Mirror);
    assert_eq!(name(&guarded), "test.Mirror");
    let open = health();
    let server = serve(TonicServer::builder().add_service(guarded).add_service(open)).await;
    let channel = connect(&server).await;

    let response = HealthClient::new(channel.clone()).check(ask(&[])).await.unwrap();
    assert_eq!(response.metadata().get("x-tenant").unwrap(), "nobody");
    let mut client = GrpcClient::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Mirror/Reflect");
    let request = Request::new(once(Bytes::new()));
    let answer = client.streaming(request, path, Mirror).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);

    drop(client);
    server.stop().await;
}

/// gRPC and forms in one axum router: a layer for each, and neither speaks the other's language.
#[tokio::test]
async fn grpc_and_forms_have_a_layer_each() {
    let forms = AxumRouter::new()
        .route("/token", routing::post(async || "behind the layer"))
        .route_layer(client_auth());
    let grpc = Routes::new(health()).into_axum_router().layer(client_auth().grpc().unwrap());
    let server = Server::hyper(grpc.merge(forms)).await;
    let client = http2();

    for (path, media_type, status, grpc_status) in [
        ("/grpc.health.v1.Health/Check", "application/grpc", 200, Some("16")),
        ("/grpc.health.v1.Health/Check", "application/x-www-form-urlencoded", 415, None),
        ("/token", "application/x-www-form-urlencoded", 401, None),
        ("/token", "application/grpc", 415, None),
    ] {
        let request = http::Request::post(server.url(path))
            .header(header::CONTENT_TYPE, media_type)
            .body(full("x"))
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), status, "{path} {media_type}");
        assert_eq!(header_of(&response, "grpc-status"), grpc_status, "{path} {media_type}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.starts_with(b"{"), grpc_status.is_none(), "{path} {media_type}");
    }

    drop(client);
    server.stop().await;
}
