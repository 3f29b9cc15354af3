//! One server as people build it, with a connection and a client. What other stacks do with the layer
//! is tested in `tests/stacks`.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client, server};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};
use tower_client_auth::{AuthenticatedClient, ClientAuthLayer, body::RequestBody};

use crate::support::{App, FORM, MARK, basic, clients};

async fn echo(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<RequestBody<Incoming>>, Infallible> {
    let (head, body) = request.into_parts();
    let client = head.extensions.get::<AuthenticatedClient<App>>().unwrap();
    Ok(Response::builder().header("x-client-id", client.client_id()).body(body).unwrap())
}

/// Two requests on one connection of HTTP/1.1: what the first one was does not matter to the second.
#[tokio::test]
async fn connection_survives_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _peer) = listener.accept().await.unwrap();
        let layer = ClientAuthLayer::new(clients());
        let service = ServiceBuilder::new().layer(layer).service(service_fn(echo));
        let service = TowerToHyperService::new(service);
        server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut connection, driver) =
        client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(driver);

    let form = "grant_type=client_credentials&note=%20+%zz";
    for (secret, status) in [("wrong".to_owned(), 401), (format!("basic-{MARK}"), 200)] {
        let request = Request::post("/token")
            .header(header::HOST, "as.example.com")
            .header(header::CONTENT_TYPE, FORM)
            .header(header::AUTHORIZATION, basic(format!("basic:{secret}")))
            .body(Full::<Bytes>::from(form))
            .unwrap();
        let response = connection.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
        assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == 401);
        assert_eq!(response.headers().contains_key("x-client-id"), status == 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body == form, status == 200, "{body:?}");
    }
    drop(connection);
    driver.await.unwrap().unwrap();
    server.await.unwrap().unwrap();
}
