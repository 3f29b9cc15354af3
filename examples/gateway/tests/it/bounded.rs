//! What a caller can take of the gateway and of its upstreams by being slow.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use crate::support::{
    BASIC, FORM, Gateway, Message, PATIENCE, Upstream, call, config, connect, send, until,
};

/// An upstream of one connection, and what tells when that has ended.
fn upstream(serve: impl FnOnce(TcpStream) + Send + 'static) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, ended) = channel();
    thread::spawn(move || {
        serve(listener.accept().unwrap().0);
        sender.send(()).unwrap();
    });
    (address, ended)
}

fn streamed(address: &str, settings: &str) -> String {
    config(&format!(
        "[[route]]\npath = \"/file\"\nupstream = \"http://{address}\"\nheaders_only = true\n{settings}"
    ))
}

#[test]
fn caller_that_takes_nothing_of_its_answer_is_cut_off() {
    let (address, ended) = upstream(|mut stream| {
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").unwrap();
        while stream.write_all(&[0; 65_536]).is_ok() {}
    });
    let gateway = Gateway::start(&format!("send_seconds = 1\n{}", streamed(&address, "")), 1);
    let stream = connect(gateway.address());
    send(&stream, "GET /file", &[BASIC], "");
    ended.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn upload_ends_although_the_answer_has_begun() {
    let (address, ended) = upstream(|mut stream| {
        let mut bytes = [0; 4096];
        assert!(stream.read(&mut bytes).unwrap() > 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            .unwrap();
        while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    let gateway = Gateway::start(&streamed(&address, "answer_seconds = 1"), 1);
    let stream = connect(gateway.address());
    send(&stream, "POST /file", &[BASIC, "Transfer-Encoding: chunked"], "1\r\nx\r\n");
    ended.recv_timeout(PATIENCE).unwrap();
    // The answer is not complete, and does not look as if it were.
    let mut answer = String::new();
    let _reset = (&stream).read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("1\r\na\r\n"), "{answer}");
}

/// An upstream that keeps its first request until it is told to answer.
fn holding() -> (Upstream, Sender<()>) {
    let (release, held) = channel();
    let (held, first) = (Mutex::new(held), AtomicBool::new(true));
    let hold = Arc::new(move || {
        if first.swap(false, Ordering::Relaxed) {
            held.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
    });
    let upstream = Upstream::new(move |_| {
        hold();
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
    });
    (upstream, release)
}

#[test]
fn upstream_has_no_more_requests_than_it_may() {
    let (upstream, release) = holding();
    let route = |path: &str| {
        let url = &upstream.address;
        format!("[[route]]\npath = \"{path}\"\nupstream = \"http://{url}\"\nmax_requests = 1\n")
    };
    let gateway = Gateway::start(&config(&(route("/token") + &route("/revoke"))), 1);
    let stream = connect(gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    assert_eq!(upstream.received().first, "POST /token HTTP/1.1");
    let refused = || {
        let answer = call(gateway.address(), "POST /revoke", &[FORM, BASIC], "a=b");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
        let body = r#"{"error":"temporarily_unavailable","error_description":"The upstream server has as many requests as it may have"}"#;
        assert_eq!(answer.body, body);
        gateway.wait_for(&[("reason", "upstream_busy"), ("route", "/revoke")]);
    };
    refused();
    // They are counted whichever configuration they began with.
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    refused();
    assert!(!upstream.was_called());
    release.send(()).unwrap();
    assert_eq!(Message::read(&mut BufReader::new(&stream)).unwrap().status(), 204);
    until(|| call(gateway.address(), "POST /revoke", &[FORM, BASIC], "a=b").status() == 204);
}

#[test]
fn strangers_leave_half_of_an_upstream_to_clients() {
    let (upstream, release) = holding();
    let gateway =
        Gateway::start(&streamed(&upstream.address, "max_requests = 2\noptional = true\n"), 1);
    let stream = connect(gateway.address());
    send(&stream, "GET /file", &[], "");
    assert_eq!(upstream.received().first, "GET /file HTTP/1.1");
    let status = |lines: &[&str]| call(gateway.address(), "GET /file", lines, "").status();
    assert_eq!(status(&[]), 503);
    assert_eq!(status(&[BASIC]), 204);
    release.send(()).unwrap();
    assert_eq!(Message::read(&mut BufReader::new(&stream)).unwrap().status(), 204);
    until(|| status(&[]) == 204);
}
