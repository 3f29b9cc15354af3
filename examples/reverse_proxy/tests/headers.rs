//! What the server behind the proxy gets to see, byte for byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

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
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let mut program = Command::new(env!("CARGO_BIN_EXE_reverse_proxy"))
            .args(["--listen", "127.0.0.1:0", "--upstream", &url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut printed = BufReader::new(program.stdout.take().unwrap());
        printed.read_line(&mut ready).unwrap();
        let address = ready.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { program, _printed: printed, address, upstream }
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
        assert_eq!(answer, "HTTP/1.1 204 No Content\r\n");
        upstream.join().unwrap()
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
        BASIC,
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
        "x-hop: goes",
        "x-end: stays",
        BASIC,
        "content-length: 3",
    ];
    let expected = lines(&[
        BASIC,
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
fn help_is_the_usage() {
    for flag in ["--help", "-h"] {
        let program = Command::new(env!("CARGO_BIN_EXE_reverse_proxy")).arg(flag).output().unwrap();
        let usage = "usage: reverse_proxy [--listen ADDR] [--upstream URL]\n";
        assert_eq!(String::from_utf8(program.stdout).unwrap(), usage);
        assert_eq!((program.status.code(), &*program.stderr), (Some(0), &b""[..]));
    }
}
