//! Keys that clients, and the issuers of their tokens, publish: on a loopback address, by HTTPS.

use std::{
    io::{BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};

use crate::{
    pki,
    signed::{ISSUER, Key},
    support::{FORM, Files, Gateway, Message, Upstream, call, config},
};

const CLUSTER: &str = "https://kubernetes.example";
const WORKER: &str = "system:serviceaccount:billing:worker";

/// Publishes a key set at each path.
struct Keys {
    address: String,
    keys: Mutex<String>,
    fetches: AtomicUsize,
}

impl Keys {
    /// With the certificate `server.pem`.
    fn start(files: &Files, keys: &Value) -> Arc<Self> {
        let chain = vec![CertificateDer::from_pem_file(files.path("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(files.path("server.key")).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Arc::new(Self {
            address: format!("https://localhost:{}", listener.local_addr().unwrap().port()),
            keys: Mutex::new(keys.to_string()),
            fetches: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                if Message::read(&mut BufReader::new(&mut stream)).is_some() {
                    serving.fetches.fetch_add(1, Ordering::SeqCst);
                    let keys = serving.keys.lock().unwrap();
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json";
                    let length = keys.len();
                    let answer = format!("{head}\r\ncontent-length: {length}\r\n\r\n{keys}");
                    let _gone = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                }
            }
        });
        server
    }

    fn uri(&self) -> String {
        format!("{}/jwks.json", self.address)
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn own(client_id: &str, uri: &str) -> Value {
    json!({
        "client_id": client_id, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri,
    })
}

fn federated(client_id: &str, uri: &str) -> Value {
    json!({
        "client_id": client_id, "token_endpoint_auth_method": "private_key_jwt",
        "federated_identities": [{"issuer": CLUSTER, "subject": WORKER, "jwks_uri": uri}],
    })
}

/// With certificates, and these settings of clients.
fn files(upstream: &Upstream, clients: &str) -> Files {
    let url = &upstream.address;
    let rest = format!(
        "[[route]]\npath = \"/token\"\nupstream = \"http://{url}\"\n[assertions]\nissuer = \"{ISSUER}\"\n"
    );
    let config = config(&rest).replace("poll_seconds = 1", &format!("poll_seconds = 1\n{clients}"));
    let files = Files::new(&config);
    pki::issue(&files);
    files
}

const LOOPBACK: &str = "allow_loopback_keys = \"clients-ca.pem\"";

fn post(gateway: &Gateway, form: &str) -> u16 {
    call(gateway.address(), "POST /token", &[FORM], form).status()
}

#[test]
fn published_keys_are_fetched_once_and_kept_over_a_reload() {
    let upstream = Upstream::silent();
    let files = files(&upstream, LOOPBACK);
    let key = Key::new();
    let keys = Keys::start(&files, &key.set());
    files.write("clients.json", json!([own("signer", &keys.uri())]).to_string());
    let gateway = Gateway::start_in(files, 1);
    let form = || key.form(&json!({"iss": "signer", "sub": "signer"}));
    assert_eq!([post(&gateway, &form()), post(&gateway, &form())], [204, 204]);
    assert_eq!(upstream.received().header("x-client-id"), Some("signer"));
    gateway.signal("-HUP");
    gateway.wait_for(&[("message", "the configuration was read again")]);
    assert_eq!(post(&gateway, &form()), 204);
    assert_eq!(keys.fetches(), 1);
    // Of another one that comes meanwhile.
    let clients = json!([own("signer", &keys.uri()), own("other", &format!("{}/b", keys.address))]);
    gateway.files.write("clients.json", clients.to_string());
    gateway.wait_for(&[("message", "the clients were read again")]);
    assert_eq!(post(&gateway, &key.form(&json!({"iss": "other", "sub": "other"}))), 204);
    assert_eq!(keys.fetches(), 2);
    let stranger = Key::new().form(&json!({"iss": "signer", "sub": "signer"}));
    assert_eq!(post(&gateway, &stranger), 401);
    gateway.wait_for(&[("reason", "wrong_signature"), ("client_id", "signer")]);
}

#[test]
fn token_of_a_platform_names_its_client() {
    let upstream = Upstream::silent();
    let files = files(&upstream, LOOPBACK);
    let key = Key::new();
    let keys = Keys::start(&files, &key.set());
    files.write("clients.json", json!([federated("worker", &keys.uri())]).to_string());
    let gateway = Gateway::start_in(files, 1);
    let form = |sub: &str| key.form(&json!({"iss": CLUSTER, "sub": sub}));
    assert_eq!(post(&gateway, &form(WORKER)), 204);
    let request = upstream.received();
    assert_eq!(request.header("x-client-id"), Some("worker"));
    assert_eq!(request.header("x-client-auth-method"), Some("private_key_jwt"));
    assert_eq!(post(&gateway, &format!("{}&client_id=worker", form(WORKER))), 204);
    assert_eq!(post(&gateway, &form("system:serviceaccount:billing:other")), 401);
    gateway.wait_for(&[("reason", "issuer_mismatch")]);
    assert_eq!(keys.fetches(), 1);
}

// Strangers may cause 30 fetches a minute from one host. Whoever is in the file is none.
#[test]
fn clients_of_one_host_do_not_wait_for_each_other() {
    let upstream = Upstream::silent();
    let files = files(&upstream, LOOPBACK);
    let key = Key::new();
    let keys = Keys::start(&files, &key.set());
    let names: Vec<_> = (0..32).map(|number| format!("client-{number}")).collect();
    let record = |name: &String| own(name, &format!("{}/{name}", keys.address));
    files.write("clients.json", Value::from_iter(names.iter().map(record)).to_string());
    let gateway = Gateway::start_in(files, 1);
    for name in &names {
        assert_eq!(post(&gateway, &key.form(&json!({"iss": name, "sub": name}))), 204, "{name}");
    }
}

#[test]
fn published_certificate_authenticates() {
    let upstream = Upstream::silent();
    let clients = format!(
        "{LOOPBACK}\n[certificates]\nsource = \"header\"\nencoding = \"client-cert\"\ntrusted_proxies = [\"127.0.0.1\"]"
    );
    let files = files(&upstream, &clients);
    let key = Key::new();
    let mut set = key.set();
    let own = key.certificate();
    set["keys"][0]["x5c"] = json!([own]);
    let keys = Keys::start(&files, &set);
    let client = json!({
        "client_id": "batch", "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": keys.uri(),
    });
    files.write("clients.json", json!([client]).to_string());
    let gateway = Gateway::start_in(files, 1);
    let post = |certificate: &str| {
        let header = format!("client-cert: :{certificate}:");
        call(gateway.address(), "POST /token", &[FORM, &header], "client_id=batch").status()
    };
    assert_eq!([post(&own), post(&Key::new().certificate())], [204, 401]);
    assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
}

#[test]
fn keys_on_a_loopback_address_are_for_development() {
    let upstream = Upstream::silent();
    let files = files(&upstream, "");
    let key = Key::new();
    let keys = Keys::start(&files, &key.set());
    files.write("clients.json", json!([own("signer", &keys.uri())]).to_string());
    assert_eq!(files.check().0, Some(0));
    let gateway = Gateway::start_in(files, 1);
    assert_eq!(post(&gateway, &key.form(&json!({"iss": "signer", "sub": "signer"}))), 503);
    gateway.wait_for(&[("reason", "key_source"), ("client_id", "signer")]);
    assert_eq!(keys.fetches(), 0);
}

#[test]
fn key_that_cannot_be_used_is_logged() {
    let upstream = Upstream::silent();
    let files = files(&upstream, LOOPBACK);
    let key = Key::new();
    let mut set = key.set();
    let weak = json!({"kty": "oct", "k": "c2VjcmV0"});
    set["keys"].as_array_mut().unwrap().push(weak);
    let keys = Keys::start(&files, &set);
    files.write("clients.json", json!([own("signer", &keys.uri())]).to_string());
    let gateway = Gateway::start_in(files, 1);
    assert_eq!(post(&gateway, &key.form(&json!({"iss": "signer", "sub": "signer"}))), 204);
    let event = gateway.wait_for(&[("message", "a published key is not used")]);
    assert_eq!(event["jwks_uri"], keys.uri());
}

#[test]
fn authority_for_loopback_addresses_must_be_there() {
    let upstream = Upstream::silent();
    for (setting, mistake) in [
        ("allow_loopback_keys = \"none.pem\"", "none.pem: No such file or directory (os error 2)"),
        ("allow_loopback_keys = \"clients.json\"", "no keys can be fetched: "),
    ] {
        let (code, said) = files(&upstream, setting).check();
        assert_eq!(code, Some(2));
        assert!(said[0].starts_with(&format!("gateway.toml:7: {mistake}")), "{said:?}");
    }
}
