//! The layer with `.axum_bodies()`.

use ::axum::{
    Router, ServiceExt,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use ::hyper::body::Incoming;
use ::tower::{Layer, ServiceBuilder, service_fn};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower_client_auth::{ClientAuthLayer, axum::AxumBodies};
use tower_http::map_request_body::MapRequestBodyLayer;

use crate::stacks::{
    proxy::{forward, upstream},
    support::{self, Clients, Server, check, check_axum, check_server, echo},
};

pub(super) fn client_auth() -> ClientAuthLayer<Clients, AxumBodies> {
    support::client_auth().axum_bodies()
}

/// The request body of an inner service, whatever the layer gets.
pub(super) type Inner<B> = <AxumBodies as tower_client_auth::body::BodyMode<B>>::Request;

#[expect(clippy::duplicate_mod, reason = "the same scenarios, with the other kind of bodies")]
#[path = "both_modes.rs"]
mod both_modes;

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// 46
#[tokio::test]
async fn above_from_fn_in_one_service_builder() {
    let stack = ServiceBuilder::new().layer(client_auth()).layer(from_fn(pass));
    check_axum(Router::new().route("/token", post(echo_axum)).layer(stack)).await;
}

/// 47
#[tokio::test]
async fn around_a_router_that_axum_serves() {
    let app = client_auth().layer(Router::new().route("/token", post(echo_axum)));
    let server = Server::start(async move |listener, stopped, _| {
        let app = ServiceExt::<Request>::into_make_service(app);
        let stopped = async {
            let _stopped = stopped.await;
        };
        ::axum::serve(listener, app).with_graceful_shutdown(stopped).await.unwrap();
    })
    .await;
    check_server(server).await;
}

/// 48
#[tokio::test]
async fn around_a_client_of_axum_bodies() {
    let upstream = Server::hyper(service_fn(upstream)).await;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    check(ServiceBuilder::new().layer(client_auth()).service(forward(client, upstream.addr())))
        .await;
    upstream.stop().await;
}

/// 49
#[tokio::test]
async fn option_layer_on_hyper() {
    let stack = ServiceBuilder::new()
        .layer(MapRequestBodyLayer::new(Body::new::<Incoming>))
        .option_layer(Some(client_auth()))
        .service(service_fn(|request: Request| async {
            echo(request).await.map(|response| response.map(Body::new))
        }));
    check(stack).await;
}

/// 50
#[tokio::test]
async fn option_layer_on_axum() {
    let stack = ServiceBuilder::new().option_layer(Some(client_auth()));
    check_axum(Router::new().route("/token", post(echo_axum)).layer(stack)).await;
}

async fn echo_axum(request: Request) -> Response {
    let Ok(response) = echo(request).await;
    response.map(Body::new)
}
