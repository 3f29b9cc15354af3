//! How many connections callers may have.

use std::{
    io::{BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use tokio::net::TcpSocket;

use crate::support::{
    BASIC, FORM, Files, Gateway, Message, PATIENCE, Upstream, call, config, connect, send, until,
};

/// A connection from this address of this host.
fn connect_from(caller: Ipv4Addr, address: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let connected = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((caller, 0).into()).unwrap();
        socket.connect(address.parse().unwrap()).await.unwrap().into_std()
    });
    let stream = connected.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether there is an answer, after which the connection stays.
fn is_served(mut stream: &TcpStream) -> bool {
    // It may have been closed.
    let _sent = stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: as.example\r\n\r\n");
    let mut begin = [0; 12];
    let read = stream.read_exact(&mut begin);
    read.is_ok_and(|()| begin == *b"HTTP/1.1 404")
}

/// One that has an answer and stays.
fn hold(stream: TcpStream) -> TcpStream {
    assert!(is_served(&stream));
    stream
}

const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

fn limited(limits: &str, rest: &str) -> String {
    let route = "[[route]]\npath = \"/token\"\nupstream = \"http://127.0.0.1:1\"\n";
    format!("{limits}\n{}{rest}", config(route))
}

/// The lines of the metrics of connections.
fn counted(gateway: &Gateway) -> Vec<String> {
    let metrics = call(gateway.admin(), "GET /metrics", &[], "").body;
    let lines = metrics.lines().filter(|line| line.starts_with("gateway_connections"));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn refused(limit: &str, times: u32) -> String {
    format!("gateway_connections_refused_total{{limit=\"{limit}\"}} {times}")
}

#[test]
fn address_has_no_more_connections_than_its_share() {
    let limits = "max_connections = 100\nmax_connections_per_address = 2";
    let gateway = Gateway::start(&limited(limits, ADMIN), 2);
    let first = hold(connect(gateway.address()));
    let _second = hold(connect(gateway.address()));
    assert!(!is_served(&connect(gateway.address())));
    assert!(!is_served(&connect(gateway.address())));
    let event = gateway.wait_for(&[
        ("message", "connections were refused"),
        ("limit", "max_connections_per_address"),
        ("level", "WARN"),
    ]);
    assert_eq!((&event["refused"], &event["last"]), (&1.into(), &"127.0.0.1".into()));
    let _other = hold(connect_from(OTHER, gateway.address()));
    // Operators are none of the callers.
    let expected = [
        "gateway_connections 3".to_owned(),
        refused("admin", 0),
        refused("max_connections", 0),
        refused("max_connections_per_address", 2),
    ];
    assert_eq!(counted(&gateway), expected);
    drop(first);
    until(|| is_served(&connect(gateway.address())));
}

#[test]
fn callers_have_no_more_connections_than_they_may_and_operators_come_in() {
    let limits = |number| format!("max_connections = {number}\nmax_connections_per_address = 2");
    let gateway = Gateway::start(&limited(&limits(2), ADMIN), 2);
    let held = [(); 2].map(|()| hold(connect(gateway.address())));
    let other = || is_served(&connect_from(OTHER, gateway.address()));
    assert!(!other());
    gateway.wait_for(&[("message", "connections were refused"), ("limit", "max_connections")]);
    assert!(counted(&gateway).contains(&refused("max_connections", 1)));
    // A reload is for those from now on.
    gateway.files.write("gateway.toml", limited(&limits(3), ADMIN));
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    assert!(other());
    // And the place of each that ends is free.
    gateway.files.write("gateway.toml", limited(&limits(2), ADMIN));
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    assert!(!other());
    drop(held);
    until(other);
}

#[test]
fn proxy_has_the_connections_of_all_its_callers() {
    let throttle = "[throttle]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let certificates = "[certificates]\nsource = \"header\"\nencoding = \"client-cert\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let limits = "max_connections = 3\nmax_connections_per_address = 1";
    for section in [throttle, certificates] {
        let gateway = Gateway::start(&limited(limits, section), 1);
        let _held = [(); 3].map(|()| hold(connect(gateway.address())));
        assert!(!is_served(&connect(gateway.address())));
    }
}

#[test]
fn address_that_takes_all_it_can_leaves_descriptors_to_others_and_to_upstreams() {
    let upstream = Upstream::silent();
    let route = format!(
        "[[route]]\npath = \"/token\"\nupstream = \"http://{}\"\nmax_requests = 20\n",
        upstream.address
    );
    // 100 are for other things, and 2 for each request of the upstream: 160 are left, of which one address has a quarter.
    let files = Files::new(&config(&route));
    let gateway = Gateway::start_by(&mut files.command_with_descriptors(24, 300), files, 1);
    let _held: Vec<_> = (0..40).map(|_| hold(connect(gateway.address()))).collect();
    assert!(!is_served(&connect(gateway.address())));
    let stream = connect_from(OTHER, gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    assert_eq!(Message::read(&mut BufReader::new(&stream)).unwrap().status(), 204);
}

#[test]
fn descriptors_that_may_not_suffice_are_a_warning() {
    let said_of = |limits: &str, max_requests: u32| {
        // They share an upstream, which has as many as the one of them says that says more.
        let route = |path: &str, max: u32| {
            format!(
                "[[route]]\npath = \"{path}\"\nupstream = \"http://127.0.0.1:1\"\nmax_requests = {max}\n"
            )
        };
        let routes = route("/token", max_requests) + &route("/other", 100);
        let files = Files::new(&format!("{limits}\n{}", config(&routes)));
        let (code, mut said) = files.check_by(&mut files.command_with_descriptors(24, 1000));
        assert_eq!(code, Some(0), "{said:?}");
        said.pop().unwrap();
        said
    };
    let warning = |line: &str, needed: u32| {
        format!(
            "warning: gateway.toml{line}: callers and upstreams may need {needed} descriptors, and the process may have 1000: \
            more by `ulimit -Hn`, or fewer `max_connections` or `max_requests`"
        )
    };
    assert_eq!(said_of("", 400), [""; 0]);
    // Callers have half of them in any case.
    assert_eq!(said_of("", 401), [warning("", 1001)]);
    assert_eq!(said_of("max_connections = 500", 400), [""; 0]);
    assert_eq!(said_of("max_connections = 501", 400), [warning(":1", 1001)]);
}
