//! What to write where the default bodies do not compile and the feature `axum` is not at hand.

use std::convert::Infallible;

use ::axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing,
};
use ::hyper::body::Incoming;
use ::tower::{
    Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, service_fn, util::BoxCloneService,
};
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::stacks::support::{check, check_axum, client_auth, echo};

async fn echo_axum(request: Request) -> Response {
    let Ok(response) = echo(request).await;
    response.map(::axum::body::Body::new)
}

/// 46: `Router::layer` gives each layer axum's own body again.
#[tokio::test]
async fn one_layer_call_per_route() {
    let pass = async |request, next: Next| next.run(request).await;
    let app = Router::new().route("/token", routing::post(echo_axum));
    check_axum(app.layer(from_fn(pass)).layer(client_auth())).await;
}

/// 47: a router around the router.
#[tokio::test]
async fn a_router_around_the_router() {
    let app = Router::new().route("/token", routing::post(echo_axum));
    check_axum(Router::new().fallback_service(app).layer(client_auth())).await;
}

/// 49: both cases as one boxed service.
#[tokio::test]
async fn boxed_service_for_both_cases() {
    fn stack(
        authenticate: bool,
    ) -> BoxCloneService<http::Request<Incoming>, http::Response<Boxed>, Infallible> {
        if authenticate {
            boxed(ServiceBuilder::new().layer(client_auth()).service(service_fn(echo)))
        } else {
            boxed(service_fn(echo))
        }
    }
    check(stack(true)).await;
    drop(stack(false));
}

type Boxed = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

fn boxed<S, R>(
    service: S,
) -> BoxCloneService<http::Request<Incoming>, http::Response<Boxed>, Infallible>
where
    S: Service<
            http::Request<Incoming>,
            Response = http::Response<R>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    R: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    service.map_response(|response: http::Response<R>| response.map(R::boxed_unsync)).boxed_clone()
}

/// 51: a buffer has the one instance, and is itself `Clone`.
#[tokio::test]
async fn buffer_for_a_service_without_clone() {
    struct Unique(Vec<u8>);

    let mut unique = Unique(vec![1]);
    let service = service_fn(move |request| {
        // Moved into the closure, which therefore is not `Clone`.
        unique.0.push(1);
        echo(request)
    });
    let stack = ServiceBuilder::new().layer(client_auth()).layer(BufferLayer::new(8));
    check(stack.service(service)).await;
}
