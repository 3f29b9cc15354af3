//! What becomes of requests of HTTP/2 for an upstream of HTTP/1.1.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::support::{BASIC, FORM, Gateway, Upstream, config};

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
