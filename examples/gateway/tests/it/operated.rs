//! What operators do while there are requests: other configurations, other clients, and the end.

use std::{
    io::BufReader,
    net::TcpStream,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
};

use crate::support::{
    BASIC, FORM, Gateway, Message, PATIENCE, Upstream, WRONG, call, config, connect, send,
};

const RELOADED: (&str, &str) = ("message", "the configuration was read again");

fn route(upstream: &Upstream) -> String {
    format!("[[route]]\npath = \"/token\"\nupstream = \"http://{}\"\n", upstream.address)
}

/// An upstream that answers when it is told to, with its name, and what tells it.
fn held(name: &'static str) -> (Upstream, impl Fn()) {
    let (release, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let upstream = Upstream::new(move |_| {
        held.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        answer(name)
    });
    (upstream, move || release.send(()).unwrap())
}

fn answer(name: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())
}

fn named(name: &'static str) -> Upstream {
    Upstream::new(move |_| answer(name))
}

fn read(stream: &TcpStream) -> Message {
    Message::read(&mut BufReader::new(stream)).unwrap()
}

#[test]
fn request_under_way_ends_as_it_began_and_the_next_one_is_new() {
    let ((old, release), new) = (held("old"), named("new"));
    let gateway = Gateway::start(&config(&route(&old)), 1);
    let stream = connect(gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    // While the request is with the old upstream.
    assert_eq!(old.received().header("x-client-id"), Some("demo-basic"));
    let renamed = config(&route(&new)).replace("x-client-id", "x-caller");
    gateway.files.write("gateway.toml", renamed);
    gateway.signal("-HUP");
    gateway.wait_for(&[RELOADED]);
    release();
    assert_eq!(read(&stream).body, "old");
    // The connection is the same.
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    assert_eq!(read(&stream).body, "new");
    assert_eq!(new.received().header("x-caller"), Some("demo-basic"));
}

#[test]
fn configuration_with_a_mistake_is_refused() {
    let upstream = named("old");
    let gateway = Gateway::start(&config(&route(&upstream)), 1);
    let broken = config(&route(&upstream)).replace("http://", "ftp://");
    gateway.files.write("gateway.toml", broken);
    gateway.signal("-HUP");
    let event = gateway.wait_for(&[("message", "the configuration stays as it was")]);
    assert_eq!(event["line"], 14);
    let mistake =
        "`upstream` must be such as \"http://127.0.0.1:8080\", without a path and without TLS";
    assert_eq!(event["mistake"], mistake);
    assert_eq!(call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b").body, "old");
    // And one whose address is taken.
    let (taken, more) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), named("new"));
    let taken = format!("[[listener]]\naddress = \"{}\"\n", taken.local_addr().unwrap());
    gateway.files.write("gateway.toml", config(&format!("{}{taken}", route(&more))));
    gateway.signal("-HUP");
    let event = gateway.wait_for(&[("message", "the configuration stays as it was")]);
    assert!(
        event["mistake"].as_str().unwrap().starts_with("cannot listen on 127.0.0.1:"),
        "{event}"
    );
    assert_eq!(call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b").body, "old");
}

#[test]
fn listener_that_goes_ends_its_requests_and_one_that_comes_is_announced() {
    let (upstream, release) = held("late");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let second = format!("[[listener]]\naddress = \"{port}\"\n");
    let mut gateway = Gateway::start(&config(&format!("{}{second}", route(&upstream))), 2);
    let stream = connect(&gateway.addresses[1]);
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    upstream.received();
    gateway.files.write("gateway.toml", config(&route(&upstream)));
    gateway.signal("-HUP");
    gateway.wait_for(&[RELOADED]);
    release();
    assert_eq!(read(&stream).body, "late");
    // It is closed behind the answer, and nobody listens any more.
    let mut rest = BufReader::new(&stream);
    assert_eq!(Message::read(&mut rest), None);
    assert!(TcpStream::connect(port).is_err());
    gateway.files.write("gateway.toml", config(&format!("{}{second}", route(&upstream))));
    gateway.signal("-HUP");
    gateway.announced(1);
    assert_eq!(gateway.addresses[2], port.to_string());
    release();
    assert_eq!(call(&gateway.addresses[2], "POST /token", &[FORM, BASIC], "a=b").body, "late");
}

#[test]
fn no_request_is_lost_while_configurations_change() {
    let (one, two) = (named("one"), named("two"));
    let gateway = Gateway::start(&config(&route(&one)), 1);
    let stop = Arc::new(AtomicBool::new(false));
    let address = gateway.address().to_owned();
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (stop, address) = (Arc::clone(&stop), address.clone());
            thread::spawn(move || {
                let mut answered = 0;
                let mut kept = connect(&address);
                while !stop.load(Ordering::Relaxed) {
                    // Half of them with a connection for each request.
                    if caller % 2 == 0 {
                        kept = connect(&address);
                    }
                    send(&kept, "POST /token", &[FORM, BASIC], "a=b");
                    let answer = read(&kept);
                    assert!(["one", "two"].contains(&&*answer.body), "{answer:?}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for turn in 0..20 {
        let upstream = if turn % 2 == 0 { &two } else { &one };
        gateway.files.write("gateway.toml", config(&route(upstream)));
        gateway.signal("-HUP");
        gateway.wait_for(&[RELOADED]);
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.join().unwrap() > 0);
    }
}

#[test]
fn clients_are_read_again_and_stay_if_they_cannot_be() {
    let upstream = named("ok");
    let gateway = Gateway::start(&config(&route(&upstream)), 1);
    let call = |lines: &[&str]| call(gateway.address(), "POST /token", lines, "a=b").status();
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (200, 401));
    let renewed = r#"[{"client_id": "demo-basic", "client_secret": "gu3ss3d"}]"#;
    gateway.files.write("clients.json", renewed);
    gateway.wait_for(&[("message", "the clients were read again")]);
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (401, 200));
    gateway.files.write("clients.json", "[{");
    let event = gateway.wait_for(&[("message", "the clients stay as they were")]);
    let error = event["error"].as_str().unwrap();
    assert!(error.ends_with("clients.json: not a JSON array of client metadata, line 1 column 2"));
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (401, 200));
    std::fs::remove_file(gateway.files.path("clients.json")).unwrap();
    gateway.wait_for(&[("message", "the clients stay as they were")]);
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (401, 200));
    gateway.files.write("clients.json", "[1]");
    let event = gateway.wait_for(&[("message", "the clients stay as they were")]);
    let error = event["error"].as_str().unwrap();
    assert!(error.contains("clients.json: none of its records can be read: "), "{error}");
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (401, 200));
    // Nobody is left where that is what the file says.
    gateway.files.write("clients.json", "[]");
    gateway.wait_for(&[("message", "the clients were read again")]);
    assert_eq!((call(&[FORM, BASIC]), call(&[FORM, WRONG])), (401, 401));
}

#[test]
fn what_an_id_has_for_terminals_is_escaped_in_the_log() {
    let upstream = named("ok");
    let gateway = Gateway::start(&config(&route(&upstream)), 1);
    let form = "client_id=%C2%9B2J%E2%80%AEa%E2%80%A8&client_secret=a";
    call(gateway.address(), "POST /token", &[FORM], form);
    let event = gateway.wait_for(&[("message", "refused")]);
    assert_eq!(event["client_id"], "\u{9b}2J\u{202e}a\u{2028}");
}

#[test]
#[cfg(unix)]
fn end_comes_in_time_while_a_file_is_not_read_to_its_end() {
    let upstream = named("ok");
    for file in ["gateway.toml", "clients.json"] {
        let mut gateway = Gateway::start(&config(&route(&upstream)), 1);
        let pipe = gateway.files.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::rename(&pipe, gateway.files.path(file)).unwrap();
        gateway.signal("-HUP");
        let (opened, reader) = channel();
        let path = gateway.files.path(file);
        thread::spawn(move || opened.send(std::fs::File::options().write(true).open(path)));
        // It is there when the gateway reads.
        let _writer = reader.recv_timeout(PATIENCE).unwrap().unwrap();
        gateway.signal("-TERM");
        assert!(gateway.ends(), "{file}");
    }
}

#[test]
fn client_whose_method_is_not_accepted_is_logged_whenever_it_is_read() {
    let signer = crate::remembered::clients();
    let files = crate::support::Files::new(&config(&route(&named("ok"))));
    files.write("clients.json", &signer);
    let gateway = Gateway::start_in(files, 1);
    let said = |rest: &str| {
        let record = format!("client \"signer\": `private_key_jwt` {rest}");
        let event = gateway.wait_for(&[("message", "a client cannot authenticate")]);
        assert_eq!((&event["level"], &event["record"]), (&"WARN".into(), &record.into()));
    };
    said("needs `[assertions]`");
    // With another file, and with another configuration.
    gateway.files.write("clients.json", format!("{signer} "));
    said("needs `[assertions]`");
    gateway.wait_for(&[("message", "the clients were read again")]);
    let route = route(&named("ok"));
    let assertions = "[assertions]\nissuer = \"https://as.example\"\n";
    let left_out = format!("{route}auth_methods = [\"client_secret_basic\"]\n{assertions}");
    gateway.files.write("gateway.toml", config(&left_out));
    gateway.signal("-HUP");
    said(
        "is accepted by no `[[route]]`: `headers_only`, `forward_auth` or `auth_methods` leaves it out",
    );
    gateway.wait_for(&[RELOADED]);
}

#[test]
fn caller_behind_a_trusted_proxy_is_logged_with_the_address_that_is_counted() {
    let refused = |proxies: &str, forwarded: &str| {
        let throttle = format!("[throttle]\nper_client = 9\n{proxies}");
        let gateway = Gateway::start(&config(&format!("{}{throttle}", route(&named("ok")))), 1);
        let lines = [FORM, WRONG, forwarded];
        assert_eq!(call(gateway.address(), "POST /token", &lines, "a=b").status(), 401);
        let event = gateway.wait_for(&[("reason", "wrong_secret")]);
        assert!(event["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
        event.get("address").cloned()
    };
    let trusted = "trusted_proxies = [\"127.0.0.1\"]\n";
    // What the caller wrote is in front of it.
    let forwarded = "x-forwarded-for: 203.0.113.1, 192.0.2.60";
    assert_eq!(refused(trusted, forwarded), Some("192.0.2.60".into()));
    assert_eq!(refused(trusted, "x-forwarded-for: unknown"), Some("unknown".into()));
    assert_eq!(refused("trusted_proxies = [\"10.0.0.1\"]\n", forwarded), Some("127.0.0.1".into()));
    // It is the peer.
    assert_eq!(refused("", forwarded), None);
}

#[test]
fn cause_names_the_settings_of_the_file() {
    let signer = crate::remembered::clients();
    let files = crate::support::Files::new(&config(&route(&named("ok"))));
    files.write("clients.json", &signer);
    let gateway = Gateway::start_in(files, 1);
    let form = "client_id=signer";
    assert_eq!(call(gateway.address(), "POST /token", &[FORM], form).status(), 401);
    let event = gateway.wait_for(&[("reason", "method_mismatch")]);
    let expected = "the client must use `private_key_jwt`, which this route does not accept: it needs `[assertions]`, and a route \
        that reads forms";
    assert_eq!(event["cause"], expected);
}

#[test]
fn clients_that_could_not_be_read_are_tried_again() {
    let upstream = named("ok");
    let gateway = Gateway::start(&config(&route(&upstream)), 1);
    let path = gateway.files.path("clients.json");
    // As with a file that gets its permissions later: nothing tells that it can be read now.
    let write = |text: &str| {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(2).unwrap();
        std::io::Write::write_all(&mut &file, text.as_bytes()).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    write("[{");
    gateway.wait_for(&[("message", "the clients stay as they were")]);
    write("[]");
    gateway.wait_for(&[("message", "the clients were read again")]);
    assert_eq!(call(gateway.address(), "POST /token", &[FORM, BASIC], "a=b").status(), 401);
}

#[test]
fn file_that_is_broken_again_is_said_again() {
    let gateway = Gateway::start(&config(&route(&named("ok"))), 1);
    let path = |name| gateway.files.path(name);
    std::fs::hard_link(path("clients.json"), path("kept.json")).unwrap();
    gateway.files.write("broken.json", "[{");
    // As old as it was, and the same file.
    let put = |name| {
        std::fs::hard_link(path(name), path("next")).unwrap();
        std::fs::rename(path("next"), path("clients.json")).unwrap();
    };
    for _ in 0..2 {
        put("broken.json");
        gateway.wait_for(&[("message", "the clients stay as they were")]);
        put("kept.json");
        gateway.wait_for(&[("message", "the clients are there again as they were")]);
    }
}

#[test]
fn request_of_a_listener_that_goes_is_cut_off_in_time() {
    let (upstream, _release) = held("never");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let second = format!("[[listener]]\naddress = \"{port}\"\n");
    let limited = format!("drain_seconds = 1\n{}", config(&route(&upstream)));
    let gateway = Gateway::start(&format!("{limited}{second}"), 2);
    let stream = connect(&gateway.addresses[1]);
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    upstream.received();
    gateway.files.write("gateway.toml", &limited);
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "connections were cut off"), ("level", "WARN")]);
    assert_eq!(Message::read(&mut BufReader::new(&stream)), None);
    // The other one goes on.
    assert_eq!(call(gateway.address(), "GET /other", &[], "").status(), 404);
}

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

#[test]
fn operators_see_what_happens() {
    let upstream = named("ok");
    let gateway = Gateway::start(&config(&format!("{}{ADMIN}", route(&upstream))), 2);
    let ask = |path: &str| call(gateway.admin(), &format!("GET {path}"), &[], "");
    for lines in [[FORM, BASIC], [FORM, WRONG]] {
        call(gateway.address(), "POST /token", &lines, "a=b");
    }
    call(gateway.address(), "GET /metrics", &[], "");
    let metrics = ask("/metrics");
    for line in [
        r#"gateway_requests_total{route="/token",status="2xx"} 1"#,
        r#"gateway_requests_total{route="/token",status="4xx"} 1"#,
        r#"gateway_requests_total{route="-",status="4xx"} 1"#,
        r#"gateway_request_duration_seconds_count{route="/token"} 2"#,
        r#"client_auth_attempts_total{method="client_secret_basic",reason="wrong_secret"} 1"#,
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line}: {}", metrics.body);
    }
    assert_eq!((ask("/healthz").body, ask("/readyz").body), ("alive\n".into(), "ready\n".into()));
    assert_eq!(ask("/other").status(), 404);
}

#[test]
fn end_waits_for_what_has_begun() {
    let (upstream, release) = held("last");
    let mut gateway = Gateway::start(&config(&format!("{}{ADMIN}", route(&upstream))), 2);
    let stream = connect(gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    upstream.received();
    gateway.signal("-TERM");
    gateway.wait_for(&[("message", "stopping")]);
    let not_ready = call(gateway.admin(), "GET /readyz", &[], "");
    assert_eq!((not_ready.status(), &*not_ready.body), (503, "stopping\n"));
    assert_eq!(call(gateway.admin(), "GET /healthz", &[], "").status(), 200);
    release();
    assert_eq!(read(&stream).body, "last");
    assert!(gateway.ended().success());
    // Nothing was cut off.
    assert_eq!(gateway.last_messages(), ["stopped"]);
    assert!(TcpStream::connect(gateway.address()).is_err());
}

#[test]
fn end_comes_in_time_if_something_does_not() {
    let (upstream, _release) = held("never");
    let limited = format!("drain_seconds = 1\n{}", config(&route(&upstream)));
    let mut gateway = Gateway::start(&limited, 1);
    let stream = connect(gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    upstream.received();
    gateway.signal("-TERM");
    gateway.wait_for(&[("message", "connections were cut off"), ("level", "WARN")]);
    assert!(gateway.ended().success());
    assert_eq!(Message::read(&mut BufReader::new(&stream)), None);
}

#[test]
fn connections_are_accepted_until_the_delay_is_over() {
    let upstream = named("ok");
    let delayed = format!("shutdown_delay_seconds = 1\n{}{ADMIN}", config(&route(&upstream)));
    let mut gateway = Gateway::start(&delayed, 2);
    gateway.signal("-TERM");
    gateway.wait_for(&[("message", "stopping")]);
    assert_eq!(call(gateway.admin(), "GET /readyz", &[], "").status(), 503);
    let stream = connect(gateway.address());
    send(&stream, "POST /token", &[FORM, BASIC], "a=b");
    assert_eq!(read(&stream).body, "ok");
    assert!(gateway.ended().success());
}
