//! A server with clients of every kind, and what each of them must be answered.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::axum::{Extension, Router, routing::post};
use ::hyper::client::conn::http1;
use ::rustls::{ServerConfig, server::danger::ClientCertVerifier, version::TLS13};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tower_client_auth::{
    AuthenticatedClient, ClientAuthLayer, ClientSecret, RegisteredClient,
    mutual_tls::{
        AnyClientCertificate, CertificateSubject, ClientCertificate, ClientCertificates, MutualTls,
    },
    provider::MemoryProvider,
};

use super::{
    super::support::{BATCH, FORM},
    pki::{Authority, Identity, client, params, provider, self_signed, server},
};

/// A server, its authority, and who it knows.
pub(super) struct Fixture {
    pub(super) authority: Authority,
    address: SocketAddr,
    /// Of `CN=p`, by the authority.
    pub(super) issued: Identity,
    /// Of `CN=p`, too.
    own: Identity,
    server: Option<Handle>,
}

/// A server that ends with the test.
pub(super) struct Handle(JoinHandle<()>);

impl Handle {
    pub(super) fn new(server: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(server))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn clients(own: &Identity) -> MemoryProvider<()> {
    let own = ClientCertificate::unverified(own.leaf().as_ref()).unwrap();
    MemoryProvider::from_iter([
        RegisteredClient::tls_client_auth("p", CertificateSubject::dn("CN=p").unwrap(), ()),
        RegisteredClient::self_signed_tls_client_auth(
            "s",
            ClientCertificates::from_certificates([&own]),
            (),
        ),
        RegisteredClient::secret_basic("batch", [ClientSecret::plain("gX9kWZ2c")], ()),
        RegisteredClient::public("anybody", ()),
    ])
}

pub(super) fn thumbprint(identity: &Identity) -> String {
    ClientCertificate::unverified(identity.leaf().as_ref()).unwrap().thumbprint().to_owned()
}

pub(super) fn app(fixture: &Fixture, mutual_tls: MutualTls) -> Router {
    let layer = ClientAuthLayer::new(clients(&fixture.own)).mutual_tls(mutual_tls);
    let token = async |Extension(client): Extension<AuthenticatedClient<()>>| {
        let thumbprint = client.certificate().map_or("-", |certificate| certificate.thumbprint());
        format!("{} {} {thumbprint}", client.client_id(), client.method().as_str())
    };
    Router::new().route("/token", post(token).layer(layer))
}

impl Fixture {
    pub(super) async fn start(serve: impl AsyncFnOnce(&Self, TcpListener) -> Handle) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = Authority::new("ca");
        let mut fixture = Self {
            address: tcp.local_addr().unwrap(),
            issued: authority.client("p"),
            own: self_signed(&params("p")),
            authority,
            server: None,
        };
        fixture.server = Some(serve(&fixture, tcp).await);
        fixture
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::new(server(&self.authority, Arc::new(AnyClientCertificate::new(&provider()))))
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.authority.verifier()
    }

    pub(super) async fn ask(
        &self,
        identity: Option<&Identity>,
        authorization: Option<&str>,
        form: &str,
    ) -> (StatusCode, String) {
        let tls = TlsConnector::from(Arc::new(client(&self.authority, &TLS13, identity)));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let stream = tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::post("/token").header("content-type", FORM);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let mut sender = sender;
        let response = sender.send_request(request.body(form.to_owned()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        connection.abort();
        (head.status, text)
    }

    /// Each client, with the right certificate, another one, and none.
    pub(super) async fn check(&self) {
        let (p, s) = (&self.issued, &self.own);
        let refused = || {
            let text =
                r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#;
            (StatusCode::UNAUTHORIZED, text.to_owned())
        };
        let authenticated = |client: &str, method: &str, identity: Option<&Identity>| {
            let thumbprint = identity.map_or_else(|| "-".to_owned(), thumbprint);
            (StatusCode::OK, format!("{client} {method} {thumbprint}"))
        };
        for (identity, authorization, form, answer) in [
            (Some(p), None, "client_id=p", authenticated("p", "tls_client_auth", Some(p))),
            // The same name, by nobody.
            (Some(s), None, "client_id=p", refused()),
            (None, None, "client_id=p", refused()),
            (
                Some(s),
                None,
                "client_id=s",
                authenticated("s", "self_signed_tls_client_auth", Some(s)),
            ),
            (Some(p), None, "client_id=s", refused()),
            (None, None, "client_id=s", refused()),
            (Some(p), Some(BATCH), "a=b", authenticated("batch", "client_secret_basic", Some(p))),
            (Some(s), Some(BATCH), "a=b", authenticated("batch", "client_secret_basic", Some(s))),
            (None, Some(BATCH), "a=b", authenticated("batch", "client_secret_basic", None)),
            (Some(s), None, "client_id=anybody", authenticated("anybody", "none", Some(s))),
            (None, None, "client_id=anybody", authenticated("anybody", "none", None)),
        ] {
            assert_eq!(self.ask(identity, authorization, form).await, answer, "{form}");
        }
    }

    /// Peers that send nothing, or half of a handshake.
    pub(super) async fn check_stuck_handshakes(&self) {
        let stuck = async {
            let mut stuck = Vec::new();
            for n in 0..400 {
                let mut stream = TcpStream::connect(self.address).await.unwrap();
                if n % 2 == 0 {
                    stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
                }
                stuck.push(stream);
            }
            let answer = self.ask(Some(&self.issued), None, "client_id=p").await;
            drop(stuck);
            answer.0
        };
        let answer = timeout(Duration::from_secs(8), stuck).await;
        assert_eq!(answer, Ok(StatusCode::OK), "nobody else is served");
    }

    /// Time passes while nothing happens.
    pub(super) async fn check_cut_off(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        let end = timeout(Duration::from_secs(60), stream.read_to_end(&mut Vec::new())).await;
        // Closed, or reset, because not all was read.
        assert!(end.is_ok(), "the connection is still open");
    }
}
