//! What the servers behind get to see, and what callers do.

use std::{io::BufReader, net::TcpListener, thread};

use crate::support::{
    BASIC, FORM, Gateway, Message, Upstream, WRONG, call, config, connect, owned, send,
};

fn gateway(upstream: &Upstream, settings: &str) -> Gateway {
    let url = &upstream.address;
    let route = format!("[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\n{settings}");
    Gateway::start(&config(&route), 1)
}

fn refusal(status: &str, error: &str, description: &str, more: &[&str]) -> Message {
    let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
    let length = format!("content-length: {}", body.len());
    let lines =
        ["cache-control: no-store", "content-type: application/json", "pragma: no-cache", &*length];
    let first = format!("HTTP/1.1 {status}");
    Message { first, lines: owned(&[&lines[..], more].concat()), body }
}

#[test]
fn identity_headers_of_the_caller_go_in_every_spelling() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "");
    let forged = [
        "x-client-id: admin",
        "x-client-id: root",
        "X_CLIENT_ID: admin",
        "X.Client~Id: admin",
        "X-Client-Auth-Method: tls_client_auth",
        "x-client-auth.method: tls_client_auth",
        "x-client-idx: stays",
        "connection: x-client-id, X_Client_Id, keep-alive, x-hop, content-type",
        "x-hop: goes",
        "te: trailers",
        "upgrade: h2c",
        // CGI makes `HTTP_PROXY` of it, by which programs there choose a proxy (CVE-2016-5385).
        "proxy: http://evil.example",
        "keep_alive: timeout=5",
        "transfer_encoding: gzip",
        "Content.Length: 99",
        "trailer: x-client-id, x-other",
        "transfer-encoding: chunked",
        FORM,
        BASIC,
    ];
    let body =
        "3\r\na=b\r\n0\r\nx-client-id: admin\r\nX_Client_Id: admin\r\nx-other: stays\r\n\r\n";
    let answer = call(gateway.address(), "POST /token", &forged, body);
    assert_eq!(answer.status(), 204);
    let request = upstream.received();
    assert_eq!(request.first, "POST /token HTTP/1.1");
    let identity: Vec<_> =
        request.lines.iter().filter(|line| line.contains("client")).cloned().collect();
    let expected = [
        "x-client-auth-method: client_secret_basic",
        "x-client-id: demo-basic",
        "x-client-idx: stays",
    ];
    assert_eq!(identity, owned(&expected));
    for gone in [
        "authorization",
        "x-hop",
        "te",
        "upgrade",
        "connection",
        "proxy",
        "keep_alive",
        "transfer_encoding",
        "content.length",
    ] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.header("host"), Some("as.example"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(!request.body.contains("admin"), "{request:?}");
}

#[test]
fn public_client_is_named_as_one() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "");
    call(gateway.address(), "POST /token?a=1", &[FORM], "client_id=demo-public");
    let expected = Message {
        first: "POST /token?a=1 HTTP/1.1".to_owned(),
        lines: owned(&[
            "content-length: 21",
            FORM,
            "host: as.example",
            "x-client-auth-method: none",
            "x-client-id: demo-public",
        ]),
        body: "client_id=demo-public".to_owned(),
    };
    assert_eq!(upstream.received(), expected);
}

#[test]
fn secret_of_the_form_is_not_forwarded() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "");
    let form = "a=1&client_secret=post-secret&b=%20+&client_id=demo-post";
    call(gateway.address(), "POST /token", &[FORM], form);
    let request = upstream.received();
    assert_eq!(request.body, "a=1&b=%20+&client_id=demo-post");
    assert_eq!(request.header("content-length"), Some("30"));
}

#[test]
fn refused_request_is_one_line_and_not_forwarded() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "");
    let answer = call(gateway.address(), "POST /token?secret=gu3ss3d", &[FORM, WRONG], "a=b");
    let challenge = [r#"www-authenticate: Basic realm="OAuth", charset="UTF-8""#];
    let description = "Client authentication failed";
    let expected = refusal("401 Unauthorized", "invalid_client", description, &challenge);
    assert_eq!(answer, expected);
    assert!(!upstream.was_called());
    let mut event = gateway.wait_for(&[("message", "refused")]);
    let peer = event["peer"].take();
    assert!(peer.as_str().unwrap().starts_with("127.0.0.1:"));
    event.as_object_mut().unwrap().retain(|key, _| key != "timestamp" && key != "peer");
    let expected = serde_json::json!({
        "level": "INFO", "message": "refused", "target": "gateway::telemetry", "route": "/token",
        "reason": "wrong_secret", "status": 401, "client_id": "demo-basic", "path": "/token",
        "method": "client_secret_basic", "registered_method": "client_secret_basic",
    });
    assert_eq!(event, expected);
}

#[test]
fn nobody_passes_where_it_is_optional_and_is_nobody() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "optional = true");
    let forged = [FORM, "x_client_id: admin", "x-client-auth-method: none"];
    assert_eq!(call(gateway.address(), "POST /token", &forged, "a=b").status(), 204);
    let expected = owned(&["content-length: 3", FORM, "host: as.example"]);
    assert_eq!(upstream.received().lines, expected);
    // A failed attempt is refused as ever.
    assert_eq!(call(gateway.address(), "POST /token", &[FORM, WRONG], "a=b").status(), 401);
    assert!(!upstream.was_called());
}

#[test]
fn upstream_that_hangs_up_is_502() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = upstream.local_addr().unwrap();
    let route = format!("[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"");
    let gateway = Gateway::start(&config(&route), 1);
    let hanging_up = thread::spawn(move || drop(upstream.accept().unwrap()));
    let answer = call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b");
    let description = "The upstream server cannot be reached";
    let expected =
        refusal("502 Bad Gateway", "temporarily_unavailable", description, &["retry-after: 1"]);
    assert_eq!(answer, expected);
    gateway.wait_for(&[("reason", "upstream_down"), ("level", "ERROR"), ("route", "/token")]);
    hanging_up.join().unwrap();
}

#[test]
fn upstream_that_is_silent_is_504() {
    // It is connected to, by the system, and not accepted.
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = upstream.local_addr().unwrap();
    let route =
        format!("[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\nanswer_seconds = 1");
    let gateway = Gateway::start(&config(&route), 1);
    let answer = call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b");
    let description = "The upstream server did not answer in time";
    let expected =
        refusal("504 Gateway Timeout", "temporarily_unavailable", description, &["retry-after: 1"]);
    assert_eq!(answer, expected);
    gateway.wait_for(&[("reason", "upstream_late"), ("level", "ERROR"), ("route", "/token")]);
}

#[test]
fn longest_prefix_wins_and_ends_at_a_segment() {
    let [exact, short, long, reserved, slash, other] = [(); 6].map(|()| Upstream::silent());
    let routes = [
        ("path = \"/api/token\"", &exact),
        ("path = \"/api/a:b\"", &reserved),
        ("path = \"/api/(x)/\"", &slash),
        ("path = \"/api/%28x%29\"", &other),
        ("prefix = \"/api\"", &short),
        ("prefix = \"/api/v2/\"", &long),
    ];
    let routes = routes.map(|(pattern, upstream)| {
        format!("[[route]]\n{pattern}\nupstream = \"http://{}\"\n", upstream.address)
    });
    let gateway = Gateway::start(&config(&routes.concat()), 1);
    for (path, upstream) in [
        ("/api/token", &exact),
        // Other spellings, which an upstream may take for it.
        ("/api/token/", &exact),
        ("/api/a:b", &reserved),
        ("/api/a%3Ab", &reserved),
        ("/api/a%3ab/", &reserved),
        ("/api/(x)/", &slash),
        ("/api/%28x%29/", &slash),
        ("/api/(x)", &other),
        ("/api", &short),
        ("/api/v2x", &short),
        ("/api/v2", &long),
        ("/api/v2/token", &long),
    ] {
        call(gateway.address(), &format!("POST {path}"), &[FORM, BASIC], "a=b");
        assert_eq!(upstream.received().first, format!("POST {path} HTTP/1.1"));
    }
    let answer = call(gateway.address(), "POST /apix", &[FORM, BASIC], "a=b");
    let expected = refusal("404 Not Found", "invalid_request", "There is no such route", &[]);
    assert_eq!(answer, expected);
    for path in [
        "/api/../x",
        "/api/%2e%2E/x",
        "/api/./x",
        "/api/..;a/x",
        "/api\\..\\x",
        "/api/a%2F..%2f..%5cx",
        "/api/..",
        // Other spellings, which reach the route of `/api` in an upstream.
        "/%61pi/x",
        "//api/x",
        "/api//x",
        "/api;a/x",
        "/api%3Ba/x",
        "/api%00/x",
        // What is decoded twice.
        "/api/%2574oken",
        "/api/100%25",
        "/api/%zz",
        "/api/%4",
    ] {
        let answer = call(gateway.address(), &format!("POST {path}"), &[FORM, BASIC], "a=b");
        assert_eq!(answer.status(), 400, "{path}");
    }
    assert!(![exact, short, long, reserved, slash, other].iter().any(Upstream::was_called));
}

#[test]
fn method_that_is_no_request_for_a_resource_is_not_forwarded() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "headers_only = true");
    for method in ["CONNECT", "TRACE", "BREW"] {
        let answer = call(gateway.address(), &format!("{method} /token"), &[BASIC], "");
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
    }
    assert!(!upstream.was_called());
}

#[test]
fn headers_only_streams_what_it_does_not_read() {
    let upstream = Upstream::silent();
    let settings = "headers_only = true\nmethods = [\"PUT\", \"GET\"]\nbody_limit_bytes = 8";
    let gateway = gateway(&upstream, settings);
    let stream = connect(gateway.address());
    let lines = [BASIC, "expect: 100-continue", "content-length: 8", "content-type: text/plain"];
    send(&stream, "PUT /token", &lines, "");
    let mut reader = BufReader::new(&stream);
    // It comes when the upstream is there to take the body.
    assert_eq!(Message::read(&mut reader).unwrap().first, "HTTP/1.1 100 Continue");
    std::io::Write::write_all(&mut &stream, b"12345678").unwrap();
    assert_eq!(Message::read(&mut reader).unwrap().status(), 204);
    let request = upstream.received();
    assert_eq!(request.body, "12345678");
    assert_eq!(request.header("x-client-id"), Some("demo-basic"));
    // Announced, and found out.
    assert_eq!(call(gateway.address(), "PUT /token", &[BASIC], "123456789").status(), 413);
    gateway.wait_for(&[("reason", "body_too_large"), ("route", "/token")]);
    let chunked = [BASIC, "transfer-encoding: chunked"];
    let body = "9\r\n123456789\r\n0\r\n\r\n";
    assert_eq!(call(gateway.address(), "PUT /token", &chunked, body).status(), 413);
    gateway.wait_for(&[
        ("reason", "body_too_large"),
        ("upstream", &upstream.address),
        ("route", "/token"),
    ]);
    // RFC 9112 §6.1: to the upstream it would be another body.
    let coded = [BASIC, "transfer-encoding: gzip, chunked"];
    let answer = call(gateway.address(), "PUT /token", &coded, "1\r\na\r\n0\r\n\r\n");
    let description = "The body has neither one length nor the coding chunked alone";
    assert_eq!(answer, refusal("501 Not Implemented", "invalid_request", description, &[]));
    gateway.wait_for(&[("reason", "unknown_coding"), ("route", "/token"), ("path", "/token")]);
    let answer = call(gateway.address(), "POST /token", &[BASIC], "a");
    let expected = refusal(
        "405 Method Not Allowed",
        "invalid_request",
        "The method is not allowed here",
        &["allow: PUT, GET"],
    );
    assert_eq!(answer, expected);
}

#[test]
fn upstream_is_not_to_blame_for_a_caller_that_hangs_up() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "headers_only = true");
    let stream = connect(gateway.address());
    send(&stream, "PUT /token", &[BASIC, "content-length: 10"], "");
    std::io::Write::write_all(&mut &stream, b"123").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    gateway.wait_for(&[("reason", "body_incomplete"), ("level", "INFO"), ("route", "/token")]);
}

#[test]
fn what_is_for_the_gateway_itself_is_not_forwarded() {
    let upstream = Upstream::silent();
    let route = format!(
        "[[route]]\nprefix = \"/\"\nheaders_only = true\nupstream = \"http://{}\"",
        upstream.address
    );
    let gateway = Gateway::start(&config(&route), 1);
    for first in ["CONNECT as.example:443", "OPTIONS *"] {
        let answer = call(gateway.address(), first, &[BASIC], "");
        assert_eq!(answer.status(), 404, "{first}");
    }
    assert!(!upstream.was_called());
    assert_eq!(call(gateway.address(), "OPTIONS /", &[BASIC], "").status(), 204);
}

#[test]
fn answer_of_the_upstream_is_streamed_without_its_hop() {
    let upstream = Upstream::new(|_| {
        "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nX-End: b\r\n\
         Content-Length: 3\r\n\r\nabc"
            .to_owned()
    });
    let gateway = gateway(&upstream, "");
    let answer = call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b");
    let expected = Message {
        first: "HTTP/1.1 200 OK".to_owned(),
        lines: owned(&["content-length: 3", "x-end: b"]),
        body: "abc".to_owned(),
    };
    assert_eq!(answer, expected);
}

// RFC 9110 §6.2: whoever sends a message says what it speaks itself.
#[test]
fn answer_over_http_1_0_is_one_over_http_1_1_to_the_caller() {
    let upstream = Upstream::new(|_| "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_owned());
    let gateway = gateway(&upstream, "");
    let answer = call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b");
    let expected = Message {
        first: "HTTP/1.1 200 OK".to_owned(),
        lines: owned(&["content-length: 3"]),
        body: "abc".to_owned(),
    };
    assert_eq!(answer, expected);
}

// RFC 9112 §6.1, §6.3: its body is not what the caller would take it for.
#[test]
fn answer_that_is_none_is_502() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        let upstream = Upstream::new(|_| answer.to_owned());
        let gateway = gateway(&upstream, "");
        let given = call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b");
        let description = "The upstream server did not answer as HTTP requires";
        let expected =
            refusal("502 Bad Gateway", "temporarily_unavailable", description, &["retry-after: 1"]);
        assert_eq!(given, expected, "{answer}");
        gateway.wait_for(&[
            ("reason", "upstream_invalid"),
            ("level", "ERROR"),
            ("route", "/token"),
        ]);
    }
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let upstream = Upstream::new(|_| chunked.to_owned());
    let gateway = gateway(&upstream, "");
    assert_eq!(call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b").body, "abc");
}

/// Sends a request whose head has no more than these lines.
fn bare(gateway: &Gateway, head: &str) -> Message {
    let stream = connect(gateway.address());
    std::io::Write::write_all(&mut &stream, format!("{head}\r\n{BASIC}\r\n\r\n").as_bytes())
        .unwrap();
    Message::read(&mut BufReader::new(&stream)).unwrap().undated()
}

// RFC 9112 §3.2, §3.2.2; RFC 9110 §4.2.4.
#[test]
fn request_is_for_the_host_of_its_target_and_for_one() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, "headers_only = true");
    let expected =
        refusal("400 Bad Request", "invalid_request", "The request is not for one host", &[]);
    for head in [
        "GET /token HTTP/1.1",
        "GET /token HTTP/1.1\r\nHost: as.example\r\nHost: evil.example",
        "GET /token HTTP/1.1\r\nHost: as.example\r\nHost: as.example",
        "GET /token HTTP/1.1\r\nHost: ",
        "GET /token HTTP/1.1\r\nHost: as.example, evil.example",
        "GET /token HTTP/1.1\r\nHost: user@as.example",
        "GET http://as.example/token HTTP/1.1",
        "GET http://user@as.example/token HTTP/1.1\r\nHost: as.example",
    ] {
        assert_eq!(bare(&gateway, head), expected, "{head}");
    }
    assert!(!upstream.was_called());
    gateway.wait_for(&[("reason", "invalid_host")]);
    for (head, host) in [
        ("GET /token HTTP/1.1\r\nHost: as.example:8443", "as.example:8443"),
        ("GET http://as.example/token HTTP/1.1\r\nHost: evil.example", "as.example"),
        ("GET /token HTTP/1.0", &*upstream.address),
    ] {
        assert_eq!(bare(&gateway, head).status(), 204, "{head}");
        let request = upstream.received();
        assert_eq!((&*request.first, request.header("host")), ("GET /token HTTP/1.1", Some(host)));
    }
}
