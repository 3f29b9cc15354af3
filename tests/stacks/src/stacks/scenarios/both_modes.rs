//! Compiled twice: `super` says with which bodies. The first line of each doc comment is the number
//! of the scenario.

use std::{convert::Infallible, time::Duration};

use ::axum::{
    Router,
    handler::Handler,
    middleware::{Next, from_fn},
    routing,
};
use ::hyper::body::Incoming;
use ::tonic::{
    service::{InterceptorLayer, LayerExt, Routes},
    transport::Server as TonicServer,
};
use ::tower::{
    Layer, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer,
    service_fn,
    steer::Steer,
    util::{BoxCloneSyncService, BoxCloneSyncServiceLayer},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_http::{
    auth::AsyncRequireAuthorizationLayer,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::CorsLayer,
    decompression::{DecompressionLayer, RequestDecompressionLayer},
    limit::RequestBodyLimitLayer,
    map_request_body::MapRequestBodyLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveHeadersLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

use super::{Inner, client_auth};
use crate::stacks::{
    proxy::{forward, upstream},
    support::{
        BATCH, Server, assert_refused, check, check_axum, data, echo, header as header_of, http1,
        http2, post, send, streamed, tenant, within,
    },
    tonic::{check_tonic, check_tonic_server, health},
};

async fn echo_axum(request: ::axum::extract::Request) -> ::axum::response::Response {
    let Ok(response) = echo(request).await;
    response.map(::axum::body::Body::new)
}

fn routes() -> Router {
    Router::new().route("/token", routing::post(echo_axum))
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(60))
}

/// 1
#[tokio::test]
async fn axum_layer() {
    check_axum(routes().layer(client_auth())).await;
}

/// 2
#[tokio::test]
async fn axum_route_layer() {
    check_axum(routes().route_layer(client_auth())).await;
}

/// 3
#[tokio::test]
async fn axum_nested() {
    let inner = Router::new().route("/", routing::post(echo_axum)).layer(client_auth());
    check_axum(Router::new().nest("/token", inner)).await;
}

/// 4
#[tokio::test]
async fn axum_method_router_layer() {
    let token = routing::post(echo_axum).layer(client_auth());
    check_axum(Router::new().route("/token", token)).await;
}

/// 5
#[tokio::test]
async fn axum_handler_layer() {
    let token = echo_axum.layer(client_auth());
    check_axum(Router::new().route("/token", routing::post(token))).await;
}

/// 6
#[tokio::test]
async fn axum_oneshot() {
    let app = routes().layer(client_auth());
    let request = post("http://localhost/token", BATCH, "a=1").map(::axum::body::Body::new);
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(header_of(&response, "x-tenant"), Some("blue"));
}

/// 7
#[tokio::test]
async fn axum_from_fn_above() {
    let pass = async |request, next: Next| next.run(request).await;
    let stack = ServiceBuilder::new().layer(from_fn(pass)).layer(client_auth());
    check_axum(routes().layer(stack)).await;
}

/// 8
#[tokio::test]
async fn tonic_layer() {
    check_tonic(TonicServer::builder().layer(client_auth().grpc().unwrap()).add_service(health()))
        .await;
}

/// 9
#[tokio::test]
async fn tonic_layer_below_trace() {
    let server = TonicServer::builder()
        .layer(TraceLayer::new_for_grpc())
        .layer(client_auth().grpc().unwrap());
    check_tonic({ server }.add_service(health())).await;
}

/// 10
#[tokio::test]
async fn tonic_interceptor_above() {
    let server = TonicServer::builder()
        .layer(InterceptorLayer::new(Ok))
        .layer(client_auth().grpc().unwrap());
    check_tonic({ server }.add_service(health())).await;
}

/// 11
#[tokio::test]
async fn tonic_interceptor_below() {
    let server = TonicServer::builder()
        .layer(client_auth().grpc().unwrap())
        .layer(InterceptorLayer::new(Ok));
    check_tonic({ server }.add_service(health())).await;
}

/// 12
#[cfg(feature = "tonic")]
#[tokio::test]
async fn tonic_single_service() {
    let service = client_auth().grpc().unwrap().layer(health());
    check_tonic(TonicServer::builder().add_service(service)).await;
}

/// 13
#[tokio::test]
async fn tonic_single_service_by_named_layer() {
    let service = client_auth().grpc().unwrap().named_layer(health());
    check_tonic(TonicServer::builder().add_service(service)).await;
}

/// 14
#[tokio::test]
async fn tonic_routes_on_hyper() {
    let routes = Routes::new(health()).prepare();
    check_tonic_server(Server::hyper(client_auth().grpc().unwrap().layer(routes)).await).await;
}

/// 15
#[tokio::test]
async fn hyper_named_body() {
    async fn named(request: Request<Inner<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
        echo(request).await
    }
    check(client_auth().layer(service_fn(named))).await;
}

/// 16
#[tokio::test]
async fn hyper_inferred_body() {
    check(client_auth().layer(service_fn(echo))).await;
}

/// 17
#[tokio::test]
async fn hyper_turbofish() {
    check(client_auth().layer(service_fn(echo::<Inner<Incoming>>))).await;
}

/// 18
#[tokio::test]
async fn proxy_with_an_inferred_client() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    check(client_auth().layer(forward(client, upstream.addr()))).await;
    upstream.stop().await;
}

/// 19
#[tokio::test]
async fn proxy_with_a_client_of_fixed_bodies() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let client: Client<HttpConnector, ::axum::body::Body> =
        Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .layer(client_auth())
        .layer(MapRequestBodyLayer::new(::axum::body::Body::new::<Inner<Incoming>>))
        .service(forward(client, upstream.addr()));
    check(stack).await;
    upstream.stop().await;
}

/// 20
#[tokio::test]
async fn timeout_above() {
    let stack = ServiceBuilder::new().layer(timeout()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 21
#[tokio::test]
async fn timeout_below() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(timeout());
    check(stack.service(service_fn(echo))).await;
}

/// 22
#[tokio::test]
async fn cors_above() {
    let stack = ServiceBuilder::new().layer(CorsLayer::permissive()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 23
#[tokio::test]
async fn axum_stack() {
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(timeout())
        .layer(RequestBodyLimitLayer::new(1 << 20))
        .layer(client_auth())
        .layer(CompressionLayer::new());
    check_axum(routes().layer(stack)).await;
}

/// 24
#[tokio::test]
async fn trace_above() {
    let stack = ServiceBuilder::new().layer(TraceLayer::new_for_http()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 25
#[tokio::test]
async fn trace_below() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(TraceLayer::new_for_http());
    check(stack.service(service_fn(echo))).await;
}

/// 26
#[tokio::test]
async fn compression_above() {
    let stack = ServiceBuilder::new().layer(CompressionLayer::new()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 27
#[tokio::test]
async fn compression_below() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(CompressionLayer::new());
    check(stack.service(service_fn(echo))).await;
}

/// 28
#[tokio::test]
async fn body_limit_above() {
    let stack = ServiceBuilder::new().layer(RequestBodyLimitLayer::new(4096)).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 29
#[tokio::test]
async fn body_limit_below() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(RequestBodyLimitLayer::new(4096));
    check(stack.service(service_fn(echo))).await;
}

/// 30
#[tokio::test]
async fn request_decompression_above() {
    let stack = ServiceBuilder::new().layer(RequestDecompressionLayer::new()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 31
#[tokio::test]
async fn response_decompression_above() {
    let stack = ServiceBuilder::new().layer(DecompressionLayer::new()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 32
#[tokio::test]
async fn catch_panic_above() {
    let stack = ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 33
#[tokio::test]
async fn request_id_above() {
    let stack = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 34
#[tokio::test]
async fn sensitive_headers_above() {
    let sensitive = SetSensitiveHeadersLayer::new([header::AUTHORIZATION]);
    let stack = ServiceBuilder::new().layer(sensitive).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 35
#[tokio::test]
async fn boxed_service() {
    check(BoxCloneSyncService::new(client_auth().layer(service_fn(echo::<Inner<Incoming>>)))).await;
}

/// 36
#[tokio::test]
async fn buffer_below() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(BufferLayer::new(8));
    check(stack.service(service_fn(echo))).await;
}

/// 37
#[tokio::test]
async fn concurrency_limit() {
    let stack = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(client_auth())
        .layer(ConcurrencyLimitLayer::new(1));
    check(stack.service(service_fn(echo))).await;
}

/// 38
#[tokio::test]
async fn load_shed() {
    let stack = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(client_auth())
        .layer(ConcurrencyLimitLayer::new(1));
    check(stack.service(service_fn(echo))).await;
}

/// 39
#[tokio::test]
async fn async_require_authorization_above() {
    let admit = |request: Request<Incoming>| async { Ok::<_, Response<_>>(request) };
    let stack = ServiceBuilder::new()
        .layer(AsyncRequireAuthorizationLayer::new(admit))
        .layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 40
#[tokio::test]
async fn boxed_layer() {
    let layer = BoxCloneSyncServiceLayer::new(client_auth());
    check(ServiceBuilder::new().layer(layer).service(service_fn(echo::<Inner<Incoming>>))).await;
}

/// 41
#[tokio::test]
async fn buffer_above() {
    let stack = ServiceBuilder::new().layer(BufferLayer::new(8)).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 42
#[tokio::test]
async fn steer() {
    let endpoint = || client_auth().layer(service_fn(echo));
    let pick = |request: &Request<Incoming>, _: &[_]| usize::from(request.uri().path() == "/token");
    check(Steer::new([endpoint(), endpoint()], pick)).await;
}

/// 43
#[tokio::test]
async fn twice() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(client_auth());
    check(stack.service(service_fn(echo))).await;
}

/// 44
#[tokio::test]
async fn stream_untouched() {
    async fn stream_back<B>(request: Request<B>) -> Result<Response<B>, Infallible> {
        let (head, body) = request.into_parts();
        let mut response = Response::new(body);
        response.headers_mut().insert("x-tenant", tenant(&head));
        Ok(response)
    }
    let gateway = client_auth().headers_only().unwrap().layer(service_fn(stream_back));
    let server = Server::hyper(gateway).await;
    let client = http2();

    let (frames, body) = streamed();
    let request = Request::put(server.url("/any"))
        .header(header::AUTHORIZATION, BATCH)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body)
        .unwrap();
    // The request has no end yet: an answer shows that it is not waited for.
    frames.send(data("one")).unwrap();
    let mut response = within(client.request(request)).await.unwrap();
    assert_eq!(header_of(&response, "x-tenant"), Some("blue"));
    let mut next = async || loop {
        // HTTP/2 may end a stream with an empty frame.
        match within(response.body_mut().frame()).await?.unwrap().into_data().unwrap() {
            bytes if bytes.is_empty() => {}
            bytes => return Some(bytes),
        }
    };
    assert_eq!(next().await.unwrap(), "one");
    frames.send(data("two")).unwrap();
    assert_eq!(next().await.unwrap(), "two");
    drop(frames);
    assert_eq!(next().await, None);

    drop(response);
    drop(client);
    server.stop().await;
}

/// 45
#[tokio::test]
async fn axum_inside_tower_http_inside_axum() {
    let inner = Router::new()
        .route("/token", routing::post(echo_axum))
        .layer(ServiceBuilder::new().layer(timeout()).layer(client_auth()).layer(timeout()));
    let server = Server::axum(Router::new().merge(inner).fallback(|| async { "public" })).await;
    let client = http1();
    let response = send(&client, post(&server.url("/token"), "Basic x", "")).await;
    assert_refused(&response);
    let response = send(&client, post(&server.url("/elsewhere"), BATCH, "")).await;
    assert_eq!(response.body(), "public");
    server.stop().await;
}
