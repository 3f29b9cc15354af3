//! A reverse proxy over hyper-util's client.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::hyper::body::Incoming;
use ::tower::{Layer, Service, ServiceExt, service_fn};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_client_auth::BoxError;

use super::support::{
    BATCH, BUSY, BytesBody, DOWN, FORM, Server, WRONG, assert_refused, client_auth, data, full,
    header, http1, http2, post, send, streamed, tenant,
};

/// Sends requests on to one server, and tells it the tenant.
#[derive(Debug)]
pub(super) struct Forward<B> {
    client: Client<HttpConnector, B>,
    upstream: SocketAddr,
}

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), upstream: self.upstream }
    }
}

pub(super) fn forward<B>(client: Client<HttpConnector, B>, upstream: SocketAddr) -> Forward<B> {
    Forward { client, upstream }
}

impl<B> Service<Request<B>> for Forward<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let uri = Uri::builder().scheme("http").authority(self.upstream.to_string());
        head.uri = uri.path_and_query(head.uri.path()).build().unwrap();
        head.version = http::Version::HTTP_11;
        head.headers.insert("x-client-tenant", tenant(&head));
        Box::pin(self.client.request(Request::from_parts(head, body)))
    }
}

/// Answers with the bytes and the framing that it got.
pub(super) async fn upstream(
    request: Request<Incoming>,
) -> Result<Response<BytesBody>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(full(body.collect().await.unwrap().to_bytes()));
    let headers = response.headers_mut();
    for (from, to) in [
        ("x-client-tenant", "x-tenant"),
        ("content-length", "x-content-length"),
        ("transfer-encoding", "x-transfer-encoding"),
        ("authorization", "x-authorization"),
    ] {
        if let Some(value) = head.headers.get(from) {
            headers.insert(to, value.clone());
        }
    }
    if head.uri.path() == "/teapot" {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Upstream"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
    }
    Ok(response)
}

/// The proxy in front of a server, as a server.
async fn proxy(upstream: SocketAddr) -> Server {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Server::hyper(client_auth().layer(forward(client, upstream))).await
}

/// Not a normal form of anything: a proxy that decodes and encodes again would be seen.
const ODD: &str =
    "grant_type=client_credentials&&scope=%7e+%2B&=&x&resource=a%20b&resource=b&empty=&%C3%A4=%c3";

#[tokio::test]
async fn bytes_with_a_length_pass_unchanged() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    for client in [http1(), http2()] {
        let response = send(&client, post(&proxy.url("/token"), BATCH, ODD)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), ODD);
        assert_eq!(header(&response, "x-content-length"), Some(&*ODD.len().to_string()));
        assert_eq!(header(&response, "x-transfer-encoding"), None);
        assert_eq!(header(&response, "x-authorization"), Some(BATCH));
        assert_eq!(header(&response, "x-tenant"), Some("blue"));
    }

    proxy.stop().await;
    upstream.stop().await;
}

#[tokio::test]
async fn secrets_in_the_body_pass_unchanged() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    let form = "client_id=form&client_secret=gX9k%57Z2c&grant_type=client_credentials";
    let mut request = post(&proxy.url("/token"), "", form);
    request.headers_mut().remove(header::AUTHORIZATION);
    let response = send(&http1(), request).await;
    assert_eq!(response.body(), form);
    assert_eq!(header(&response, "x-tenant"), Some("green"));

    proxy.stop().await;
    upstream.stop().await;
}

#[tokio::test]
async fn chunked_form_passes_unchanged() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    let (frames, body) = streamed();
    for chunk in ["grant_type=", "client_credentials", "&scope=%7e", "+%2B"] {
        frames.send(data(chunk)).unwrap();
    }
    drop(frames);
    let request = post(&proxy.url("/token"), BATCH, "").map(|_| body);
    let response = send(&http1(), request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "grant_type=client_credentials&scope=%7e+%2B");
    assert_eq!(header(&response, "x-transfer-encoding"), Some("chunked"));
    assert_eq!(header(&response, "x-content-length"), None);

    proxy.stop().await;
    upstream.stop().await;
}

/// HTTP/2 needs no length at all, HTTP/1.1 does: the proxy knows it, because it has the form.
#[tokio::test]
async fn http2_form_without_a_length_passes() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    let (frames, body) = streamed();
    frames.send(data("grant_type=client_credentials")).unwrap();
    drop(frames);
    let request = post(&proxy.url("/token"), BATCH, "").map(|_| body);
    let response = send(&http2(), request).await;
    assert_eq!(response.body(), "grant_type=client_credentials");
    assert_eq!(header(&response, "x-content-length"), Some("29"));

    proxy.stop().await;
    upstream.stop().await;
}

#[tokio::test]
async fn refusal_never_reaches_the_upstream() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;
    let client = http1();
    let url = proxy.url("/token");

    let statuses = [
        (post(&url, WRONG, ODD), StatusCode::UNAUTHORIZED),
        (post(&url, "Bearer x", ODD), StatusCode::UNAUTHORIZED),
        (post(&url, BATCH, "client_id=a&client_id=b"), StatusCode::BAD_REQUEST),
        (post(&url, BATCH, vec![b'a'; 70_000]), StatusCode::PAYLOAD_TOO_LARGE),
        (post(&url, DOWN, ODD), StatusCode::SERVICE_UNAVAILABLE),
        (post(&url, BUSY, ODD), StatusCode::TOO_MANY_REQUESTS),
        (Request::get(&url).body(full("")).unwrap(), StatusCode::METHOD_NOT_ALLOWED),
    ];
    for (request, status) in statuses {
        let response = send(&client, request).await;
        assert_eq!(response.status(), status);
        let length = response.body().len().to_string();
        assert_eq!(header(&response, "content-length"), Some(&*length));
    }
    assert_eq!(upstream.connections(), 0);

    send(&client, post(&url, BATCH, ODD)).await;
    assert_eq!(upstream.connections(), 1);

    proxy.stop().await;
    upstream.stop().await;
}

/// Not even while the body is still under way.
#[tokio::test]
async fn upstream_waits_for_the_decision() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    let (frames, body) = streamed();
    let request = post(&proxy.url("/token"), WRONG, "").map(|_| body);
    let client = http2();
    let response = tokio::spawn(async move { send(&client, request).await });
    frames.send(data("grant_type=client_credentials")).unwrap();
    // An answer to another request shows that the proxy has worked meanwhile.
    assert_refused(&send(&http1(), post(&proxy.url("/token"), WRONG, "")).await);
    assert!(!response.is_finished());
    drop(frames);
    assert_refused(&response.await.unwrap());
    assert_eq!(upstream.connections(), 0);

    proxy.stop().await;
    upstream.stop().await;
}

#[tokio::test]
async fn upstream_errors_pass() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let proxy = proxy(upstream.addr()).await;

    let response = send(&http1(), post(&proxy.url("/teapot"), BATCH, ODD)).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(header(&response, "www-authenticate"), Some("Upstream"));
    assert_eq!(header(&response, "cache-control"), None);
    assert_eq!(response.body(), ODD);

    proxy.stop().await;
    upstream.stop().await;
}

/// The error of the client comes out as it is, so that the proxy can make a 502 of it.
#[tokio::test]
async fn missing_upstream_is_an_error() {
    type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

    let stopped = Server::hyper(service_fn(upstream)).await;
    let addr = stopped.addr();
    stopped.stop().await;

    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = client_auth().layer(forward(client, addr)).then(
        async |result: Result<Response<_>, Error>| -> Result<Answer, Arc<Error>> {
            match result {
                Ok(response) => {
                    Ok(response.map(|body| BodyExt::map_err(body, Into::into).boxed_unsync()))
                }
                Err(error) if error.is_connect() => {
                    let empty = Empty::new().map_err(|never: Infallible| match never {});
                    let mut response = Response::new(empty.boxed_unsync());
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    Ok(response)
                }
                Err(error) => Err(Arc::new(error)),
            }
        },
    );
    let proxy = Server::hyper(service).await;
    let response = send(&http1(), post(&proxy.url("/token"), BATCH, ODD)).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    proxy.stop().await;
}

#[tokio::test]
async fn gateway_streams_other_bodies() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let gateway = client_auth().headers_only().unwrap().layer(forward(client, upstream.addr()));
    let gateway = Server::hyper(gateway).await;
    let url = gateway.url("/any");

    let (frames, body) = streamed();
    let request = Request::put(&url)
        .header(header::AUTHORIZATION, BATCH)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body)
        .unwrap();
    let client = http1();
    let response = tokio::spawn(async move { send(&client, request).await });
    frames.send(data("one")).unwrap();
    // Larger than any form may be.
    frames.send(Ok(::hyper::body::Frame::data(vec![b'x'; 100_000].into()))).unwrap();
    drop(frames);
    let response = response.await.unwrap();
    assert_eq!(response.body().len(), 100_003);
    assert_eq!(header(&response, "x-transfer-encoding"), Some("chunked"));

    let request = Request::get(&url).header(header::CONTENT_TYPE, FORM).body(full("")).unwrap();
    assert_refused(&send(&http1(), request).await);
    assert_eq!(upstream.connections(), 1);

    gateway.stop().await;
    upstream.stop().await;
}
