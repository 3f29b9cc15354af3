//! Plain hyper, HTTP/1.1 and HTTP/2, through `TowerToHyperService`.

use std::convert::Infallible;

use ::hyper::body::{Frame, Incoming};
use ::tower::{Layer, ServiceBuilder, service_fn};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_client_auth::body::RequestBody;

use super::support::{
    BATCH, FORM, HttpClient, Server, WRONG, assert_refused, client_auth, data, echo, full,
    header as header_of, http1, http2, post, send, streamed, within,
};

async fn server() -> Server {
    Server::hyper(ServiceBuilder::new().layer(client_auth()).service(service_fn(echo))).await
}

fn both() -> [(HttpClient, Version); 2] {
    [(http1(), Version::HTTP_11), (http2(), Version::HTTP_2)]
}

#[tokio::test]
async fn forms_arrive_byte_for_byte() {
    let server = server().await;
    let form = "grant_type=client_credentials&scope=%7e+%2B&&=&x";
    let large = format!("assertion={}", "x".repeat(60_000));
    for (client, version) in both() {
        for form in ["", form, &large] {
            let response = send(&client, post(&server.url("/"), BATCH, form.to_owned())).await;
            assert_eq!(response.version(), version);
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.body(), form);
            assert_eq!(header_of(&response, "x-tenant"), Some("blue"));
        }
        let (frames, body) = streamed();
        for part in ["grant_type=", "client_", "", "credentials"] {
            frames.send(data(part)).unwrap();
        }
        drop(frames);
        let response = send(&client, post(&server.url("/"), BATCH, "").map(|_| body)).await;
        assert_eq!(response.body(), "grant_type=client_credentials");
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_leave_the_connection_usable() {
    let server = server().await;
    for (client, version) in both() {
        let before = server.connections();
        for _ in 0..3 {
            let response = send(&client, post(&server.url("/"), WRONG, "a=1")).await;
            assert_eq!(response.version(), version);
            assert_refused(&response);
            let response = send(&client, post(&server.url("/"), BATCH, "a=1")).await;
            assert_eq!(response.body(), "a=1");
        }
        assert_eq!(server.connections() - before, 1, "{version:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = server().await;
    for (client, _) in both() {
        for method in ["GET", "OPTIONS", "PUT"] {
            let request = Request::builder().method(method).uri(server.url("/"));
            let response = send(&client, request.body(full("")).unwrap()).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(header_of(&response, "allow"), Some("POST"));
            assert!(response.body().starts_with(br#"{"error":"invalid_request""#), "{method}");
        }
    }
    server.stop().await;
}

/// RFC 9110 §9.3.2. hyper drops such content in HTTP/1.1 only; in HTTP/2 a client resets the
/// stream.
#[tokio::test]
async fn head_is_refused_without_content() {
    let server = server().await;
    for (client, _) in both() {
        let request = Request::head(server.url("/")).body(full("")).unwrap();
        let response = send(&client, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header_of(&response, "allow"), Some("POST"));
        assert_eq!(response.body(), "");
    }
    server.stop().await;
}

/// What is declared is refused before a single byte of it is read.
#[tokio::test]
async fn declared_length_is_refused_early() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nauthorization: {BATCH}\r\ncontent-type: {FORM}\r\n\
         content-length: 65537\r\nexpect: 100-continue\r\n\r\n",
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    server.stop().await;
}

/// A client that waits for the word to go on gets it once, and then the answer.
#[tokio::test]
async fn expect_continue_is_answered() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nauthorization: {BATCH}\r\ncontent-type: {FORM}\r\n\
         content-length: 3\r\nconnection: close\r\nexpect: 100-continue\r\n\r\n",
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    within(stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"a=1").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\na=1"), "{answer}");
    server.stop().await;
}

/// A client that goes away in the middle of its form harms no other.
#[tokio::test]
async fn broken_form_concerns_its_sender_only() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nauthorization: {BATCH}\r\ncontent-type: {FORM}\r\n\
         content-length: 30\r\n\r\ngrant_type=",
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    for (client, _) in both() {
        let response = send(&client, post(&server.url("/"), BATCH, "a=1")).await;
        assert_eq!(response.body(), "a=1");
    }
    server.stop().await;
}

/// A form that never ends delays no other request of the connection.
#[tokio::test]
async fn slow_form_delays_no_other_request() {
    let server = server().await;
    let client = http2();
    let (frames, body) = streamed();
    let slow = post(&server.url("/"), BATCH, "").map(|_| body);
    let slow = tokio::spawn({
        let client = client.clone();
        async move { send(&client, slow).await }
    });
    frames.send(data("grant_type=")).unwrap();
    for _ in 0..3 {
        let response = send(&client, post(&server.url("/"), BATCH, "a=1")).await;
        assert_eq!(response.body(), "a=1");
    }
    assert!(!slow.is_finished());
    frames.send(data("client_credentials")).unwrap();
    drop(frames);
    assert_eq!(slow.await.unwrap().body(), "grant_type=client_credentials");
    server.stop().await;
}

/// Trailers behind a form are part of what was sent.
#[tokio::test]
async fn trailers_pass() {
    async fn trailers(
        request: Request<RequestBody<Incoming>>,
    ) -> Result<Response<String>, Infallible> {
        let body = request.into_body().collect().await.unwrap();
        let checksum = body.trailers().and_then(|trailers| trailers.get("x-checksum")).cloned();
        Ok(Response::new(format!("{checksum:?} {:?}", body.to_bytes())))
    }
    let server = Server::hyper(client_auth().layer(service_fn(trailers))).await;
    for (client, _) in both() {
        let (frames, body) = streamed();
        frames.send(data("a=1")).unwrap();
        let checksum =
            (header::HeaderName::from_static("x-checksum"), HeaderValue::from_static("7"));
        frames.send(Ok(Frame::trailers(HeaderMap::from_iter([checksum])))).unwrap();
        drop(frames);
        let mut request = post(&server.url("/"), BATCH, "").map(|_| body);
        request.headers_mut().insert(header::TRAILER, HeaderValue::from_static("x-checksum"));
        let response = send(&client, request).await;
        assert_eq!(response.body(), r#"Some("7") b"a=1""#);
    }
    server.stop().await;
}
