//! Against a TLS server on the loopback interface, which only these tests can allow.

mod attesters;
mod chain;
mod documents;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use super::*;
use crate::{
    error::throttled::Throttled,
    fetch::jwks::{FetchedJwks, JwksSource, LONGEST_DOCUMENT},
};

const KEYS: &str = r#"{"keys": []}"#;

pub(super) struct Server {
    port: u16,
    certificate: Vec<u8>,
    connections: Arc<AtomicUsize>,
    answer: watch::Sender<Vec<u8>>,
    /// The last one, up to the empty line.
    request: Arc<Mutex<String>>,
}

impl Server {
    /// Answers every request with these bytes and closes, or is silent while there are none.
    pub(super) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let (answer, told) = watch::channel(answer.into());
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = own.cert.der().clone();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let last = Arc::new(Mutex::new(String::new()));
        let request = Arc::clone(&last);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (acceptor, mut told) = (acceptor.clone(), told.clone());
                let last = Arc::clone(&last);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    *last.lock().unwrap() = String::from_utf8(request).unwrap();
                    let answer = match told.wait_for(|answer| !answer.is_empty()).await {
                        Ok(answer) => answer.clone(),
                        Err(_shut_down) => return,
                    };
                    // The other side may stop reading.
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, certificate: certificate.to_vec(), connections, answer, request }
    }

    /// From now on.
    pub(super) fn answer(&self, answer: impl Into<Vec<u8>>) {
        self.answer.send_replace(answer.into());
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn uri(&self) -> String {
        format!("https://localhost:{}/jwks", self.port)
    }

    pub(super) fn source(&self, policy: AddressPolicy) -> HttpsJwksSource {
        let root = Certificate::from_der(&self.certificate).unwrap();
        let builder = || Client::builder().tls_certs_only([root.clone()]);
        HttpsJwksSource::with(builder, policy).unwrap()
    }

    async fn fetch(&self) -> Result<FetchedJwks, String> {
        fetch(&self.source(loopback_too), &self.uri()).await
    }
}

async fn fetch(source: &HttpsJwksSource, uri: &str) -> Result<FetchedJwks, String> {
    source.fetch(uri).await.map_err(|error| reason(&*error))
}

/// It is at the end of the chain.
fn reason(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

pub(super) fn response(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

fn json(body: &str) -> String {
    response("200 OK", "content-type: application/json\r\n", body)
}

#[tokio::test]
async fn r93_key_set_is_fetched_with_its_lifetime() {
    let fields = "content-type: application/jwk-set+json; charset=utf-8\r\n\
                  cache-control: public, max-age=600\r\nage: 100\r\n";
    let server = Server::answering(response("200 OK", fields, KEYS)).await;
    let fetched = server.fetch().await.unwrap();
    assert_eq!(fetched.document(), KEYS);
    assert_eq!(fetched.max_age(), Some(Duration::from_secs(500)));
}

#[tokio::test]
async fn missing_key_set_is_an_answer() {
    for status in ["404 Not Found", "410 Gone"] {
        let fields = "content-type: text/html\r\ncache-control: max-age=600\r\n";
        let server = Server::answering(response(status, fields, "<html>")).await;
        let fetched = server.fetch().await.unwrap();
        assert_eq!(fetched.document(), r#"{"keys":[]}"#, "{status}");
        assert_eq!(fetched.max_age(), Some(Duration::from_secs(600)), "{status}");
    }
}

#[tokio::test]
async fn request_names_the_agent_and_asks_for_no_coding() {
    let server = Server::answering(json(KEYS)).await;
    assert!(server.fetch().await.is_ok());
    let expected = format!(
        "GET /jwks HTTP/1.1\r\naccept: application/json, application/jwk-set+json\r\n\
         user-agent: tower-client-auth/{}\r\nhost: localhost:{}\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        server.port,
    );
    assert_eq!(*server.request.lock().unwrap(), expected);
}

// By name and by address, which is not resolved.
#[tokio::test]
async fn strangers_connect_to_a_network_so_often_a_minute() {
    let server = Server::answering(json(KEYS)).await;
    let source = server.source(loopback_too).max_unproven_per_network(2);
    let throttled = |error: BoxError| Throttled::find(&*error).is_some();
    for _ in 0..2 {
        assert!(source.fetch_unproven(&server.uri()).await.is_ok());
    }
    for uri in [server.uri(), server.uri().replace("localhost", "127.0.0.1")] {
        assert_eq!(source.fetch_unproven(&uri).await.map_err(throttled).err(), Some(true), "{uri}");
    }
    assert_eq!(server.connections(), 2);
    assert!(source.fetch(&server.uri()).await.is_ok(), "and not those of proven clients");
}

#[tokio::test]
async fn r93_resolved_addresses_are_checked_before_connecting() {
    let server = Server::answering(json(KEYS)).await;
    let source = server.source(is_public);
    let uri = server.uri();
    assert_eq!(fetch(&source, &uri).await.unwrap_err(), Refused::Address.to_string());
    assert_eq!(server.connections(), 0);
    assert!(server.fetch().await.is_ok(), "and it would have answered");
}

#[tokio::test]
async fn r93_literal_addresses_are_checked() {
    let server = Server::answering(json(KEYS)).await;
    let source = server.source(is_public);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "%31%32%37.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
    ] {
        let uri = format!("https://{host}:{}/jwks", server.port);
        assert_eq!(fetch(&source, &uri).await.unwrap_err(), Refused::Address.to_string(), "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn r93_other_uris_are_refused() {
    let source = HttpsJwksSource::new().unwrap();
    let cases = [
        ("", Refused::Url),
        ("/jwks", Refused::Url),
        ("https://", Refused::Url),
        ("https://host:99999/", Refused::Url),
        ("http://host.example/jwks", Refused::Scheme),
        ("file:///etc/passwd", Refused::Scheme),
        ("https://user@host.example/jwks", Refused::Credentials),
        ("https://:word@host.example/jwks", Refused::Credentials),
        ("https://host.example:22/jwks", Refused::Port),
        ("https://host.example:80/jwks", Refused::Port),
        ("https://host.example:1023/jwks", Refused::Port),
        ("https://host.example:0/jwks", Refused::Port),
    ];
    for (uri, refused) in cases {
        assert_eq!(fetch(&source, uri).await.unwrap_err(), refused.to_string(), "{uri}");
    }
    for uri in ["https://host.example", "HTTPS://host.example:443/", "https://host.example:1024/"] {
        assert!(source.https.check(uri, None).is_ok(), "{uri}");
    }
}

#[tokio::test]
async fn r93_redirects_and_errors_are_refused() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "204 No Content",
        "401 Unauthorized",
        "403 Forbidden",
        "429 Too Many Requests",
        "503 Service Unavailable",
    ] {
        let target = "content-type: application/json\r\nlocation: /elsewhere\r\n";
        let server = Server::answering(response(status, target, KEYS)).await;
        let refused = server.fetch().await.unwrap_err();
        assert_eq!(refused, format!("the server answered {}", &status[..3]));
        assert_eq!(server.connections(), 1, "{status}");
    }
    for fields in ["", "content-type: text/html\r\n", "content-type: application/jsonp\r\n"] {
        let server = Server::answering(response("200 OK", fields, KEYS)).await;
        assert_eq!(server.fetch().await.unwrap_err(), Refused::MediaType.to_string(), "{fields}");
    }
}

#[tokio::test]
async fn r93_document_length_is_limited() {
    let longest = " ".repeat(LONGEST_DOCUMENT);
    let server = Server::answering(json(&longest)).await;
    assert_eq!(server.fetch().await.unwrap().document().len(), LONGEST_DOCUMENT);

    let chunk = "10000\r\n".to_owned() + &" ".repeat(0x10000) + "\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                   transfer-encoding: chunked\r\n\r\n"
        .to_owned();
    for answer in [json(&(longest + " ")), chunked + &chunk.repeat(100)] {
        let server = Server::answering(answer).await;
        assert_eq!(
            server.fetch().await.unwrap_err(),
            Refused::Length(LONGEST_DOCUMENT).to_string()
        );
    }
}

#[tokio::test]
async fn r93_silent_server_times_out() {
    let server = Server::answering("").await;
    let source = server.source(loopback_too).timeout(Duration::from_millis(100));
    let uri = server.uri();
    assert_eq!(fetch(&source, &uri).await.unwrap_err(), "operation timed out");
}

#[tokio::test]
async fn untrusted_certificate_is_refused() {
    let server = Server::answering(json(KEYS)).await;
    let source = Server::answering(json(KEYS)).await.source(loopback_too);
    let uri = server.uri();
    assert!(fetch(&source, &uri).await.is_err());
}

#[test]
fn rfc9111_4_2_lifetime_is_max_age_less_age() {
    let cases: [(&[&str], Option<&str>, Option<u64>); 17] = [
        (&[], None, None),
        (&["public"], Some("9"), None),
        (&["max-age=600"], None, Some(600)),
        (&["public,MAX-AGE=600 , immutable"], Some("100"), Some(500)),
        (&["max-age=\"600\""], Some("700"), Some(0)),
        (&["max-age=600"], Some("soon"), Some(600)),
        (&["max-age=-1"], None, Some(0)),
        (&["max-age"], None, Some(0)),
        (&["max-age=600", "max-age=60"], None, Some(60)),
        (&["max-age=600, no-store"], None, Some(0)),
        (&["no-cache", "max-age=600"], None, Some(0)),
        (&["s-maxage=600"], None, None),
        // §5.1: of a list of ages the first counts, and §1.2.2: what is too large is very old.
        (&["max-age=600"], Some("100, 5"), Some(500)),
        (&["max-age=600"], Some(" 100,"), Some(500)),
        (&["max-age=600"], Some("99999999999"), Some(0)),
        // Other directives are read beside one that is not ASCII, and empty elements are ignored.
        (&["ext=\"\u{e9}\", no-store"], None, Some(0)),
        (&[",, max-age=600,"], None, Some(600)),
    ];
    for (fields, age, expected) in cases {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CACHE_CONTROL, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, age.parse().unwrap());
        }
        assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{fields:?} {age:?}");
    }
}
