//! What the server behind the proxy gets to see, byte for byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// The program, and the server behind it.
struct Proxy {
    program: Child,
    /// The program writes more to it, and must be able to.
    _printed: BufReader<ChildStdout>,
    address: String,
    upstream: TcpListener,
}

impl Proxy {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let mut program = Command::new(env!("CARGO_BIN_EXE_reverse_proxy"))
            .args(["--listen", "127.0.0.1:0", "--upstream", &url])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut printed = BufReader::new(program.stdout.take().unwrap());
        printed.read_line(&mut ready).unwrap();
        let address = ready.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { program, _printed: printed, address, upstream }
    }

    /// The whole answer to a client that is authenticated, but for the date, with a line for each header.
    fn answer(&self) -> Vec<String> {
        let mut caller = TcpStream::connect(&self.address).unwrap();
        caller.set_read_timeout(PATIENCE).unwrap();
        let head = "POST /token HTTP/1.1\r\nHost: as.example\r\nConnection: close";
        write!(caller, "{head}\r\n{FORM}\r\n{BASIC}\r\nContent-Length: 3\r\n\r\na=b").unwrap();
        let answer: Vec<_> = BufReader::new(&caller).lines().map(Result::unwrap).collect();
        answer.into_iter().filter(|line| !line.starts_with("date: ")).collect()
    }

    /// What arrives at the server behind: the header lines in order, and the body.
    fn forwarded(&self, lines: &[&str], body: &str) -> (Vec<String>, String) {
        let upstream = self.upstream.try_clone().unwrap();
        // Not scoped: a request that is refused never comes here.
        let upstream = thread::spawn(move || {
            let (mut stream, _) = upstream.accept().unwrap();
            stream.set_read_timeout(PATIENCE).unwrap();
            let request = read(&mut BufReader::new(&stream));
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            request
        });
        assert_eq!(self.status(lines, body), "HTTP/1.1 204 No Content\r\n");
        upstream.join().unwrap()
    }

    /// The same of a server behind that speaks HTTP/2, with `:authority` for the host.
    fn forwarded_over_http2(&self, lines: &[&str], body: &str) -> (Vec<String>, String) {
        let upstream = self.upstream.try_clone().unwrap();
        let upstream = thread::spawn(move || {
            let (stream, _) = upstream.accept().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(read_http2(stream))
        });
        assert_eq!(self.status(lines, body), "HTTP/1.1 204 No Content\r\n");
        upstream.join().unwrap()
    }

    /// The first line of the answer to such a request.
    fn status(&self, lines: &[&str], body: &str) -> String {
        let mut caller = TcpStream::connect(&self.address).unwrap();
        caller.set_read_timeout(PATIENCE).unwrap();
        let mut head = "POST /token HTTP/1.1\r\nHost: as.example\r\n\
            Content-Type: application/x-www-form-urlencoded\r\n"
            .to_owned();
        for line in lines {
            head += &format!("{line}\r\n");
        }
        write!(caller, "{head}\r\n{body}").unwrap();
        let mut answer = String::new();
        BufReader::new(&caller).read_line(&mut answer).unwrap();
        answer
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

/// A request as it is on the wire, without its first line.
fn read(stream: &mut impl BufRead) -> (Vec<String>, String) {
    let mut head: Vec<_> = stream
        .by_ref()
        .lines()
        .map(Result::unwrap)
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    head.sort_unstable();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// The first request of a connection.
async fn read_http2(stream: TcpStream) -> (Vec<String>, String) {
    stream.set_nonblocking(true).unwrap();
    let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
    let (sender, mut requests) = mpsc::channel(1);
    let answer = service_fn(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let (head, body) = request.into_parts();
            assert_eq!(head.version, Version::HTTP_2);
            let mut lines = vec![format!(":authority: {}", head.uri.authority().unwrap())];
            lines.extend(
                head.headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
            );
            lines.sort_unstable();
            let body = body.collect().await?;
            assert!(body.trailers().is_none());
            let body = String::from_utf8(body.to_bytes().into()).unwrap();
            sender.send((lines, body)).await.unwrap();
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok::<_, hyper::Error>(response)
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer);
    let mut connection = std::pin::pin!(connection);
    let request = tokio::select! {
        request = requests.recv() => request.unwrap(),
        ended = &mut connection => panic!("{ended:?}"),
    };
    // With the answer to it.
    connection.as_mut().graceful_shutdown();
    connection.await.unwrap();
    request
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

const BASIC: &str = "authorization: Basic ZGVtby1iYXNpYzpiYXNpYy1zZWNyZXQ=";
const FORM: &str = "content-type: application/x-www-form-urlencoded";

#[test]
fn identity_headers_of_the_caller_go_in_every_spelling() {
    let proxy = Proxy::start();
    let forged = [
        "x-client-id: admin",
        "X_CLIENT_ID: admin",
        "x_client-id: admin",
        "X.Client~Id: admin",
        "x!client+id: admin",
        "X-Client-Auth-Method: tls_client_auth",
        "x_client_auth_method: tls_client_auth",
        "x-client-auth.method: tls_client_auth",
        "x-client-idx: stays",
        BASIC,
        "content-length: 3",
    ];
    let expected = lines(&[
        "content-length: 3",
        FORM,
        "host: as.example",
        "x-client-auth-method: client_secret_basic",
        "x-client-id: demo-basic",
        "x-client-idx: stays",
    ]);
    assert_eq!(proxy.forwarded(&forged, "a=b"), (expected, "a=b".to_owned()));
}

#[test]
fn public_client_is_named_as_one() {
    let proxy = Proxy::start();
    let body = "client_id=demo-public";
    let expected = lines(&[
        "content-length: 21",
        FORM,
        "host: as.example",
        "x-client-auth-method: none",
        "x-client-id: demo-public",
    ]);
    let forwarded =
        proxy.forwarded(&["content-length: 21", "x-client-auth-method: client_secret_basic"], body);
    assert_eq!(forwarded, (expected, body.to_owned()));
}

// RFC 9110 §7.6.1.
#[test]
fn connection_takes_away_what_it_may() {
    let proxy = Proxy::start();
    let sent = [
        "connection: content-type, Content-Length ,host, authorization",
        "connection: x-client-id, x_client_id, x-client-auth-method, x-hop, keep-alive",
        "keep-alive: timeout=5",
        "proxy-connection: keep-alive",
        "te: trailers",
        "upgrade: h2c",
        // CGI makes `HTTP_PROXY` of it, by which programs there choose a proxy (CVE-2016-5385).
        "proxy: http://evil.example",
        "transfer_encoding: gzip",
        "content_length: 99",
        "x-hop: goes",
        "x-end: stays",
        BASIC,
        "content-length: 3",
    ];
    let expected = lines(&[
        "content-length: 3",
        FORM,
        "host: as.example",
        "x-client-auth-method: client_secret_basic",
        "x-client-id: demo-basic",
        "x-end: stays",
    ]);
    assert_eq!(proxy.forwarded(&sent, "a=b"), (expected, "a=b".to_owned()));
}

#[test]
fn secret_of_the_form_is_not_forwarded() {
    let proxy = Proxy::start();
    let body = "a=1&client_secret=post-secret&b=%20+&client_id=demo-post";
    let expected = lines(&[
        "content-length: 30",
        FORM,
        "host: as.example",
        "x-client-auth-method: client_secret_post",
        "x-client-id: demo-post",
    ]);
    let sent = [&*format!("content-length: {}", body.len()), "content-digest: sha-256=:eA==:"];
    let forwarded = proxy.forwarded(&sent, body);
    assert_eq!(forwarded, (expected, "a=1&b=%20+&client_id=demo-post".to_owned()));
}

// RFC 9110 §8.6, RFC 9113 §8.1.1: it is that of the form without the secret, also where there was none.
#[test]
fn length_is_that_of_the_form_without_its_secret_in_both_versions() {
    const TRAILERS: &str = "x-client-id: admin\r\nX_Client_Auth.Method: admin\r\n";
    let form = "a=1&client_secret=post-secret&b=%20+&client_id=demo-post";
    let (first, second) = form.split_at(20);
    let length = format!("content-length: {}", form.len());
    let chunked = format!("14\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n{TRAILERS}\r\n", second.len());
    let forged = ["x_client_id: admin", "X-Client-Id: root", "x.client-auth_method: none"];
    let expected = |host: &str| {
        let head = lines(&[
            host,
            "content-length: 30",
            FORM,
            "x-client-auth-method: client_secret_post",
            "x-client-id: demo-post",
        ]);
        (sorted(head), "a=1&b=%20+&client_id=demo-post".to_owned())
    };
    for (framing, body) in [
        (&[&*length][..], form),
        (&["transfer-encoding: chunked", "trailer: x-client-id, x_client_auth_method"], &*chunked),
    ] {
        let sent = [framing, &forged].concat();
        assert_eq!(Proxy::start().forwarded(&sent, body), expected("host: as.example"));
        let proxy = Proxy::with(&["--http2"]);
        let authority = format!(":authority: {}", proxy.upstream.local_addr().unwrap());
        assert_eq!(proxy.forwarded_over_http2(&sent, body), expected(&authority));
    }
}

#[test]
fn clients_are_those_of_the_file() {
    let file = std::env::temp_dir().join(format!("reverse_proxy-{}.json", std::process::id()));
    let clients = r#"[{"client_id": "gr\u00fc\u00dfe 1%", "client_secret": "s"}]"#;
    std::fs::write(&file, clients).unwrap();
    let proxy = Proxy::with(&["--clients", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    // gr%C3%BC%C3%9Fe+1%25:s
    let basic = "authorization: Basic Z3IlQzMlQkMlQzMlOUZlKzElMjU6cw==";
    let expected = lines(&[
        "content-length: 3",
        FORM,
        "host: as.example",
        "x-client-auth-method: client_secret_basic",
        "x-client-id: gr%C3%BC%C3%9Fe%201%25",
    ]);
    let forwarded = proxy.forwarded(&[basic, "content-length: 3"], "a=b");
    assert_eq!(forwarded, (expected, "a=b".to_owned()));
    // Those of the demonstration are not there any more.
    assert_eq!(proxy.answer().first().unwrap(), "HTTP/1.1 401 Unauthorized");
}

fn failure(status: &str, description: &str) -> Vec<String> {
    let body =
        format!(r#"{{"error":"temporarily_unavailable","error_description":"{description}"}}"#);
    let length = format!("content-length: {}", body.len());
    let head = [
        &*format!("HTTP/1.1 {status}"),
        "content-type: application/json",
        "cache-control: no-store",
        "pragma: no-cache",
        "retry-after: 1",
        "connection: close",
        &*length,
        "",
        &*body,
    ];
    let mut lines = lines(&head);
    lines.sort_unstable();
    lines
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

// RFC 9112 §3.2, §3.2.2.
#[test]
fn request_that_goes_nowhere_is_refused() {
    let proxy = Proxy::start();
    let body = r#"{"error":"invalid_request","error_description":"The target has no path, or is not for one host"}"#;
    for head in [
        "POST as.example:80 HTTP/1.1\r\nHost: as.example",
        "POST /token HTTP/1.1\r\nHost: as.example\r\nHost: other.example",
        "POST http://user@as.example/token HTTP/1.1\r\nHost: as.example",
    ] {
        let mut caller = TcpStream::connect(&proxy.address).unwrap();
        caller.set_read_timeout(PATIENCE).unwrap();
        let head = format!("{head}\r\nConnection: close\r\n{FORM}\r\n{BASIC}");
        write!(caller, "{head}\r\nContent-Length: 3\r\n\r\na=b").unwrap();
        let answer: Vec<_> = BufReader::new(&caller).lines().map(Result::unwrap).collect();
        assert_eq!(answer.first().unwrap(), "HTTP/1.1 400 Bad Request", "{head}");
        assert_eq!(answer.last().unwrap(), body);
    }
}

#[test]
fn request_is_for_the_host_of_its_target() {
    let proxy = Proxy::start();
    let upstream = proxy.upstream.try_clone().unwrap();
    let upstream = thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let (head, _) = read(&mut BufReader::new(&stream));
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        head
    });
    let mut caller = TcpStream::connect(&proxy.address).unwrap();
    let head =
        format!("POST http://as.example/token HTTP/1.1\r\nHost: evil.example\r\n{FORM}\r\n{BASIC}");
    write!(caller, "{head}\r\nContent-Length: 3\r\n\r\na=b").unwrap();
    assert!(upstream.join().unwrap().contains(&"host: as.example".to_owned()));
}

// RFC 9112 §6.1, §6.3: its body is not what the caller would take it for.
#[test]
fn answer_that_is_none_is_502() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1",
    ] {
        let proxy = Proxy::start();
        let upstream = proxy.upstream.try_clone().unwrap();
        let answering = thread::spawn(move || {
            let (mut stream, _) = upstream.accept().unwrap();
            read(&mut BufReader::new(&stream));
            write!(stream, "{answer}\r\n\r\n0\r\n\r\n").unwrap();
        });
        let expected =
            failure("502 Bad Gateway", "The upstream server did not answer as HTTP requires");
        assert_eq!(sorted(proxy.answer()), expected, "{answer}");
        answering.join().unwrap();
    }
}

#[test]
fn server_behind_that_hangs_up_is_502() {
    let proxy = Proxy::start();
    let upstream = proxy.upstream.try_clone().unwrap();
    let hanging_up = thread::spawn(move || drop(upstream.accept().unwrap()));
    let expected = failure("502 Bad Gateway", "The upstream server cannot be reached");
    assert_eq!(sorted(proxy.answer()), expected);
    hanging_up.join().unwrap();
}

#[test]
fn server_behind_that_is_silent_is_504() {
    let proxy = Proxy::with(&["--deadline", "1"]);
    let expected = failure("504 Gateway Timeout", "The upstream server did not answer in time");
    assert_eq!(sorted(proxy.answer()), expected);
}

#[test]
fn help_is_the_usage() {
    for flag in ["--help", "-h"] {
        let program = Command::new(env!("CARGO_BIN_EXE_reverse_proxy")).arg(flag).output().unwrap();
        let usage = "usage: reverse_proxy [--listen ADDR] [--upstream URL [--http2] [--deadline SECONDS]] \
            [--clients FILE]\n";
        assert_eq!(String::from_utf8(program.stdout).unwrap(), usage);
        assert_eq!((program.status.code(), &*program.stderr), (Some(0), &b""[..]));
    }
}
