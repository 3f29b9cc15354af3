//! gRPC: a certificate is no method of its own there, for there is no `client_id`; it is for the binding.

use ::tonic::{
    Code, Request, Response, Status,
    codegen::tokio_stream::{Once, once},
    metadata::MetadataValue,
    transport::{
        Certificate, Channel, ClientTlsConfig, Endpoint, Identity as PemIdentity, ServerTlsConfig,
        server::{Server, TcpConnectInfo, TcpIncoming, TlsConnectInfo},
    },
};
use rcgen::CertificateParams;
use tokio::net::TcpListener;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_client_auth::{
    AuthenticatedClient, ClientAuthLayer,
    mutual_tls::{ClientCertificate, MutualTls},
};

use super::{
    super::support::BATCH,
    clients::{Handle, clients, thumbprint},
    pki::{Authority, Identity, params, self_signed},
};

/// Says what a token would be bound to.
struct Binding;

#[::tonic::async_trait]
impl Health for Binding {
    type WatchStream = Once<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let client = request.extensions().get::<AuthenticatedClient<()>>().unwrap();
        let thumbprint = client.certificate().map_or("-", |certificate| certificate.thumbprint());
        let text = format!("{} {} {thumbprint}", client.client_id(), client.method().as_str());
        let status = ServingStatus::Serving.into();
        let mut response = Response::new(HealthCheckResponse { status });
        response.metadata_mut().insert("x-client", MetadataValue::try_from(text).unwrap());
        Ok(response)
    }

    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(once(Err(Status::unimplemented("")))))
    }
}

/// tonic's own TLS takes only certificates whose chain is good.
fn certificates() -> MutualTls {
    MutualTls::from_extension(|connection: &TlsConnectInfo<TcpConnectInfo>| {
        let chain = connection.peer_certs()?;
        chain.first().map(|leaf| ClientCertificate::verified(leaf.as_ref()))
    })
}

async fn connect(port: u16, authority: &Authority, identity: Option<&Identity>) -> Channel {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("localhost");
    if let Some(identity) = identity {
        let (chain, key) = identity.pem();
        tls = tls.identity(PemIdentity::from_pem(chain, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect_lazy()
}

#[tokio::test]
async fn the_certificate_of_the_connection_is_handed_on() {
    let (authority, own) = (Authority::new("ca"), self_signed(&params("s")));
    let (issued, server) = (
        authority.client("p"),
        authority.issue(&CertificateParams::new(["localhost".to_owned()]).unwrap()),
    );
    let layer = ClientAuthLayer::new(clients(&own)).grpc().unwrap().mutual_tls(certificates());
    let (chain, key) = server.pem();
    let tls = ServerTlsConfig::new()
        .identity(PemIdentity::from_pem(chain, key))
        .client_ca_root(Certificate::from_pem(authority.pem()))
        .client_auth_optional(true);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let router = Server::builder()
        .tls_config(tls)
        .unwrap()
        .layer(layer)
        .add_service(HealthServer::new(Binding));
    let incoming = TcpIncoming::from(tcp);
    let _server = Handle::new(async move { router.serve_with_incoming(incoming).await.unwrap() });

    let request = |authorization: Option<&'static str>| {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", MetadataValue::from_static(value));
        }
        request
    };
    for identity in [Some(&issued), None] {
        let mut client = HealthClient::new(connect(port, &authority, identity).await);
        let response = client.check(request(Some(BATCH))).await.unwrap();
        let thumbprint = identity.map_or_else(|| "-".to_owned(), thumbprint);
        assert_eq!(
            response.metadata().get("x-client").unwrap().to_str().unwrap(),
            format!("batch client_secret_basic {thumbprint}"),
        );
        let refused = client.check(request(None)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    // One that nobody issued ends the handshake, which TLS 1.3 clients learn with their first request.
    let mut client = HealthClient::new(connect(port, &authority, Some(&own)).await);
    let refused = client.check(request(Some(BATCH))).await.unwrap_err();
    assert!(matches!(refused.code(), Code::Unknown | Code::Unavailable), "{refused:?}");
}
