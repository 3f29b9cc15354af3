//! TLS, and certificates of clients: of the connection, and of a header.

use std::{
    io::{self, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, SignatureScheme, StreamOwned,
    client::{ResolvesClientCert, WantsClientCert},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use tower_client_auth::mutual_tls::ClientCertificate;

use crate::{
    pki,
    support::{
        BASIC, FORM, Files, Gateway, Message, PATIENCE, Upstream, WRONG, call, config, connect,
    },
};

const CLIENTS: &str = r#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret"},
    {"client_id": "batch", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=batch"}
]"#;

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

fn thumbprint(file: &Path) -> String {
    let certificate = ClientCertificate::unverified(certificate(file).to_vec()).unwrap();
    certificate.thumbprint().to_owned()
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn client(files: &Files) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&files.path("clients-ca.pem"))).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

fn connected(gateway: &Gateway, config: ClientConfig) -> Stream {
    let server = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), server).unwrap();
    StreamOwned::new(connection, connect(gateway.address()))
}

/// Of a client with the certificate of this name, or with none.
fn presenting(files: &Files, name: Option<&str>) -> ClientConfig {
    match name {
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(files.path(&format!("{name}.key"))).unwrap();
            let chain = vec![certificate(&files.path(&format!("{name}.pem")))];
            client(files).with_client_auth_cert(chain, key).unwrap()
        }
        None => client(files).with_no_client_auth(),
    }
}

fn secure(gateway: &Gateway, name: Option<&str>) -> Stream {
    connected(gateway, presenting(&gateway.files, name))
}

fn post(stream: &mut Stream, lines: &[&str], body: &str) -> Message {
    send(stream, lines, body).unwrap();
    read(stream).unwrap()
}

/// `None` where the gateway has ended the connection.
fn read(stream: &mut Stream) -> Option<Message> {
    Message::read(&mut BufReader::new(stream))
}

fn send(stream: &mut Stream, lines: &[&str], body: &str) -> io::Result<()> {
    let head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: as.example\r\n{head}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())
}

/// With this `tls`, and this behind it.
fn gateway(upstream: &Upstream, tls: &str, rest: &str) -> Gateway {
    let url = &upstream.address;
    let rest = format!("[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\n{rest}");
    let config = config(&rest).replace("\n\n[clients]", &format!("\n{tls}\n\n[clients]"));
    let config = config.replace("[identity]", "[identity]\nthumbprint = \"x-client-cert\"");
    let files = Files::new(&config);
    files.write("clients.json", CLIENTS);
    pki::issue(&files);
    Gateway::start_in(files, 1)
}

const TLS: &str =
    "tls = { certificate = \"server.pem\", key = \"server.key\", client_ca = \"clients-ca.pem\" }";

#[test]
fn certificate_of_the_connection_authenticates() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, TLS, "[certificates]\nsource = \"connection\"");
    let form = "a=b&client_id=batch";
    assert_eq!(post(&mut secure(&gateway, Some("batch")), &[FORM], form).status(), 204);
    let request = upstream.received();
    assert_eq!(request.header("x-client-id"), Some("batch"));
    assert_eq!(request.header("x-client-auth-method"), Some("tls_client_auth"));
    let expected = thumbprint(&gateway.files.path("batch.pem"));
    assert_eq!(request.header("x-client-cert"), Some(&*expected));
    // The name alone is not enough: nobody that is trusted vouches for it.
    assert_eq!(post(&mut secure(&gateway, Some("forged")), &[FORM], form).status(), 401);
    gateway.wait_for(&[("reason", "certificate_unverified"), ("client_id", "batch")]);
    assert_eq!(post(&mut secure(&gateway, None), &[FORM], form).status(), 401);
    let event = gateway.wait_for(&[("reason", "certificate_missing")]);
    let expected = "the client presented none, or the listener asks for none: see `client_ca` and `client_certificates` of its `tls`";
    assert_eq!(event["cause"], expected);
    assert!(!upstream.was_called());
    // Beside a secret it is handed on, and where there is none nothing is.
    let mut stream = secure(&gateway, None);
    assert_eq!(post(&mut stream, &[FORM, BASIC, "x-client-cert: forged"], "a=b").status(), 204);
    assert_eq!(upstream.received().header("x-client-cert"), None);
}

#[test]
fn certificate_that_is_refused_is_described_in_the_log() {
    let gateway = gateway(&Upstream::silent(), TLS, "[certificates]\nsource = \"connection\"");
    gateway.files.write("clients.json", CLIENTS.replace("CN=batch", "CN=other"));
    gateway.wait_for(&[("message", "the clients were read again")]);
    let mut stream = secure(&gateway, Some("batch"));
    assert_eq!(post(&mut stream, &[FORM], "client_id=batch").status(), 401);
    let event = gateway.wait_for(&[("reason", "certificate_mismatch")]);
    assert_eq!(event["certificate"], thumbprint(&gateway.files.path("batch.pem")));
    assert_eq!(event["certificate_subject"], "CN=batch");
    // A secret is another matter.
    assert_eq!(post(&mut stream, &[FORM, WRONG], "a=b").status(), 401);
    let event = gateway.wait_for(&[("reason", "wrong_secret")]);
    assert_eq!((event.get("certificate"), event.get("certificate_subject")), (None, None));
}

#[test]
fn certificate_of_the_server_is_changed_without_a_new_socket() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, TLS, "[certificates]\nsource = \"connection\"");
    let mut old = secure(&gateway, None);
    assert_eq!(post(&mut old, &[FORM, BASIC], "a=b").status(), 204);
    let before = thumbprint(&gateway.files.path("server.pem"));
    pki::issue(&gateway.files);
    let after = thumbprint(&gateway.files.path("server.pem"));
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    let mut new = secure(&gateway, Some("batch"));
    assert_eq!(post(&mut new, &[FORM], "client_id=batch").status(), 204);
    let presented = new.conn.peer_certificates().unwrap()[0].to_vec();
    let presented = ClientCertificate::unverified(presented).unwrap();
    assert_ne!(before, after);
    assert_eq!(presented.thumbprint(), after);
    assert_eq!(read(&mut old), None);
}

#[test]
fn connection_outlives_a_reload_that_changes_none_of_its_certificates() {
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, TLS, "[certificates]\nsource = \"connection\"");
    let mut stream = secure(&gateway, Some("batch"));
    // A request may be faster than the end, and the next one is not.
    for _ in 0..3 {
        assert_eq!(post(&mut stream, &[FORM], "client_id=batch").status(), 204);
        gateway.signal("-HUP");
        gateway.wait_for(&[("message", "the configuration was read again")]);
    }
}

/// The certificate of the server stays the same.
fn replace_authority(gateway: &Gateway) {
    let server = ["server.pem", "server.key"].map(|name| (name, gateway.files.path(name)));
    let server = server.map(|(name, path)| (name, std::fs::read(path).unwrap()));
    pki::issue(&gateway.files);
    for (name, contents) in server {
        gateway.files.write(name, contents);
    }
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
}

#[test]
fn connection_whose_authority_is_replaced_ends_with_its_request() {
    let (release, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let upstream = Upstream::new(move |_| {
        held.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
    });
    let gateway = gateway(&upstream, TLS, "[certificates]\nsource = \"connection\"");
    let (mut idle, mut busy) = (secure(&gateway, Some("batch")), secure(&gateway, Some("batch")));
    for stream in [&mut idle, &mut busy] {
        release.send(()).unwrap();
        assert_eq!(post(stream, &[FORM], "client_id=batch").status(), 204);
        assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
    }
    send(&mut busy, &[FORM], "client_id=batch").unwrap();
    assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
    let before = presenting(&gateway.files, Some("batch"));
    replace_authority(&gateway);
    assert_eq!(read(&mut idle), None);
    release.send(()).unwrap();
    assert_eq!(read(&mut busy).unwrap().status(), 204);
    assert_eq!(read(&mut busy), None);
    let mut new = connected(&gateway, before);
    assert_eq!(post(&mut new, &[FORM], "client_id=batch").status(), 401);
    assert!(!upstream.was_called());
}

#[test]
fn connection_ends_when_its_certificate_expires() {
    let gateway = gateway(&Upstream::silent(), TLS, "[certificates]\nsource = \"connection\"");
    // One that had expired at the handshake is not waited for.
    let mut stream = loop {
        pki::issue_for(&gateway.files, Duration::from_secs(4));
        gateway.signal("-HUP");
        gateway.wait_for(&[("message", "the configuration was read again")]);
        let mut stream = secure(&gateway, Some("batch"));
        if post(&mut stream, &[FORM], "client_id=batch").status() == 204 {
            break stream;
        }
    };
    // Long before one that is idle.
    assert_eq!(read(&mut stream), None);
    pki::issue(&gateway.files);
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    let mut stream = secure(&gateway, Some("batch"));
    assert_eq!(post(&mut stream, &[FORM], "client_id=batch").status(), 204);
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A request over HTTP/2, on this stream.
fn frames(stream: u8) -> Vec<u8> {
    let (name, value) = FORM.split_once(": ").unwrap();
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/token"),
        (name, value),
    ];
    // Literals without a table (RFC 7541 §6.2.2).
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = fields.map(|(name, value)| [vec![0], text(name), text(value)].concat()).concat();
    [frame(1, 4, stream, &fields), frame(0, 1, stream, b"client_id=batch")].concat()
}

/// The first frame of this kind.
fn next_frame(stream: &mut Stream, kind: u8) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == kind {
            return payload;
        }
    }
}

#[test]
fn certificate_is_judged_again_where_a_caller_does_not_end_its_connection() {
    const HEADERS: u8 = 1;
    const GOAWAY: u8 = 7;
    let upstream = Upstream::silent();
    let gateway = gateway(&upstream, TLS, "[certificates]\nsource = \"connection\"");
    let mut config = presenting(&gateway.files, Some("batch"));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut stream = connected(&gateway, config);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream.write_all(&frames(1)).unwrap();
    // The index of `:status: 204` (RFC 7541, appendix A).
    assert_eq!(next_frame(&mut stream, HEADERS).first(), Some(&0x89));
    assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
    replace_authority(&gateway);
    // Of the two that end a connection this is the first, and the other waits for an answer to a ping.
    assert_eq!(next_frame(&mut stream, GOAWAY).get(..4), Some(&[0x7f, 0xff, 0xff, 0xff][..]));
    stream.write_all(&frames(3)).unwrap();
    assert_ne!(next_frame(&mut stream, HEADERS).first(), Some(&0x89));
    gateway.wait_for(&[("client_id", "batch"), ("reason", "certificate_unverified")]);
    assert!(!upstream.was_called());
}

#[test]
fn clients_need_no_certificate_where_none_is_asked_for() {
    let upstream = Upstream::silent();
    let tls = TLS.replace(", client_ca = \"clients-ca.pem\"", "");
    let gateway = gateway(&upstream, &tls, "");
    // What a proxy says of certificates is that of the caller here.
    let told =
        ["client-cert: :YQ==:", "client-cert-chain: :YQ==:", "X_Forwarded.Client-Cert: Hash=a"];
    let lines = [&[FORM, BASIC], &told[..]].concat();
    assert_eq!(post(&mut secure(&gateway, None), &lines, "a=b").status(), 204);
    let told = upstream.received().lines;
    assert!(!told.iter().any(|line| line.contains("YQ==") || line.contains("Hash")), "{told:?}");
    // One that is presented is not even read.
    let mut stream = secure(&gateway, Some("batch"));
    assert_eq!(post(&mut stream, &[FORM, BASIC], "a=b").status(), 204);
    assert_eq!(upstream.received().header("x-client-cert"), None);
    // Where TLS 1.3 asks for one, a client that has none sends an empty one. A browser asks its user.
    let asked = Arc::new(Asked::default());
    let mut config = client(&gateway.files).with_no_client_auth();
    config.client_auth_cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
    let mut stream = connected(&gateway, config);
    assert_eq!(post(&mut stream, &[FORM, BASIC], "a=b").status(), 204);
    assert!(!asked.0.load(Ordering::Relaxed));
}

/// Whether a certificate was asked for.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn escaped(file: &Path) -> String {
    let pem = std::fs::read_to_string(file).unwrap();
    let escape = |character: char| match character {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '-' => character.to_string(),
        other => format!("%{:02X}", u32::from(other)),
    };
    pem.chars().map(escape).collect()
}

#[test]
fn certificate_of_a_header_counts_if_a_proxy_sent_it() {
    let upstream = Upstream::silent();
    let settings = "[certificates]\nsource = \"header\"\nencoding = \"escaped-pem\"\n\
        header = \"x-ssl-client-cert\"\nverified_header = \"x-ssl-client-verify\"\n\
        verified_value = \"SUCCESS\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let gateway_of = |settings: &str| gateway(&upstream, "", settings);
    let gateway = gateway_of(settings);
    let header = format!("x-ssl-client-cert: {}", escaped(&gateway.files.path("batch.pem")));
    let lines = [FORM, &header, "x-ssl-client-verify: SUCCESS"];
    let status = |gateway: &Gateway, lines: &[&str]| {
        call(gateway.address(), "POST /token", lines, "client_id=batch").status()
    };
    assert_eq!(status(&gateway, &lines), 204);
    let request = upstream.received();
    assert_eq!(request.header("x-client-auth-method"), Some("tls_client_auth"));
    assert_eq!(request.header("x-ssl-client-cert"), None);
    assert_eq!(status(&gateway, &[FORM, &header, "x-ssl-client-verify: FAILED"]), 401);
    let event = gateway.wait_for(&[("reason", "certificate_unverified")]);
    let expected = "the proxy did not say that it verified the chain: see `verified_header` and `verified_by_proxy` of \
        `[certificates]`";
    assert_eq!(event["cause"], expected);
    assert_eq!(status(&gateway, &[FORM]), 401);
    let event = gateway.wait_for(&[("reason", "certificate_missing")]);
    let expected = "the request has no header with a certificate: the client presented none, or the proxy does not send it";
    assert_eq!(event["cause"], expected);
    // From an address that is no proxy.
    let gateway = gateway_of(&settings.replace("127.0.0.0/8", "10.0.0.0/8"));
    assert_eq!(status(&gateway, &lines), 401);
    gateway.wait_for(&[("reason", "certificate_missing")]);
    assert!(!upstream.was_called());
}
