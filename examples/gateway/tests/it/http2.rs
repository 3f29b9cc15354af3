//! HTTP/2, of callers and of upstreams.

use std::{convert::Infallible, future::pending, io::Read};

use bytes::Bytes;
use example_support::serve_connection;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

use crate::support::{BASIC, FORM, Gateway, PATIENCE, Upstream, call, config, connect, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn upstream_gets_one_host_and_one_cookie_line() {
    let upstream = Upstream::silent();
    let route = format!("[[route]]\npath = \"/token\"\nupstream = \"http://{}\"", upstream.address);
    let gateway = Gateway::start(&config(&route), 1);
    let mut request = Request::post(format!("http://{}/token", gateway.address()))
        .header("host", "evil.example")
        .header("cookie", "a=1")
        .header("x-other", "between")
        .header("cookie", "b=2; c=3");
    for line in [FORM, BASIC] {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let caller = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answer = caller.request(request.body(Full::new(Bytes::from("a=b"))).unwrap()).await;
    assert_eq!(answer.unwrap().status(), StatusCode::NO_CONTENT);
    let lines = upstream.received().lines;
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("host") || line.starts_with("cookie"))
        .collect();
    assert_eq!(lines, ["cookie: a=1; b=2; c=3", &format!("host: {}", gateway.address())]);
}

/// An upstream that speaks HTTP/2, and answers with so many bytes.
async fn upstream(length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request: Request<Incoming>| async move {
                let length = if request.method() == Method::GET { length } else { 0 };
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![0; length]))))
            });
            tokio::spawn(serve_connection(stream, service, PATIENCE * 3, pending()));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_keep_no_other_from_coming() {
    let address = upstream(64 * 1024 * 1024).await;
    let route = format!(
        "[[route]]\npath = \"/file\"\nheaders_only = true\nprotocol = \"h2c\"\n\
         upstream = \"http://{address}\""
    );
    let gateway = Gateway::start(&config(&route), 1);
    let unread = [(); 8].map(|()| {
        let stream = connect(gateway.address());
        send(&stream, "GET /file", &[BASIC], "");
        // It has begun, and the gateway has more of it than anybody reads.
        (&stream).read_exact(&mut [0; 1024 * 1024]).unwrap();
        stream
    });
    let answer = call(gateway.address(), "DELETE /file", &[BASIC], "");
    assert_eq!(answer.status(), 200);
    drop(unread);
}
