//! tower's own middleware around and behind the layer.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use ::hyper::body::Incoming;
use ::tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    load_shed::{LoadShedLayer, error::Overloaded},
    service_fn,
    steer::Steer,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tower_client_auth::{AuthMethod, BoxError};
use tower_http::{sensitive_headers::SetSensitiveRequestHeadersLayer, trace::TraceLayer};

use super::support::{
    BATCH, BytesBody, Server, WRONG, assert_refused, client_auth, data, echo, full,
    header as header_of, http1, http2, post, send, streamed,
};

/// The readiness that a request takes from the inner service is held while its form arrives.
#[tokio::test]
async fn slow_form_holds_inner_capacity_by_default() {
    let mut service = ServiceBuilder::new()
        .layer(client_auth())
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service(service_fn(echo));
    let mut other = service.clone();
    let cx = &mut Context::from_waker(Waker::noop());

    let (frames, body) = streamed();
    let request = post("http://a/", BATCH, "").map(|_| body);
    let slow = service.ready().await.unwrap().call(request);
    frames.send(data("a=")).unwrap();
    assert!(Service::<Request<BytesBody>>::poll_ready(&mut other, cx).is_pending());
    drop(frames);
    assert_eq!(slow.await.unwrap().status(), StatusCode::OK);
    assert!(Service::<Request<BytesBody>>::poll_ready(&mut other, cx).is_ready());
}

/// With `ready_after_auth` slow and refused clients take nothing: the one permit is free for
/// others.
#[tokio::test]
async fn ready_after_auth_keeps_inner_capacity_free() {
    let service = ServiceBuilder::new()
        .layer(client_auth().ready_after_auth())
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service(service_fn(echo));
    let server = Server::hyper(service).await;
    let client = http2();

    let (frames, body) = streamed();
    let slow = post(&server.url("/"), BATCH, "").map(|_| body);
    let slow = tokio::spawn({
        let client = client.clone();
        async move { send(&client, slow).await }
    });
    frames.send(data("a=")).unwrap();
    for _ in 0..3 {
        let response = send(&client, post(&server.url("/"), BATCH, "b=1")).await;
        assert_eq!(response.body(), "b=1");
        assert_refused(&send(&client, post(&server.url("/"), WRONG, "b=1")).await);
    }
    assert!(!slow.is_finished());
    drop(frames);
    assert_eq!(slow.await.unwrap().body(), "a=");
    server.stop().await;
}

/// A load shedder above sees through the layer that the service is busy.
#[tokio::test]
async fn load_shed_sees_a_busy_service() {
    let stack = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(client_auth())
        .layer(GlobalConcurrencyLimitLayer::new(1));
    let mut service = stack.service(service_fn(echo));
    let mut other = service.clone();

    let (frames, body) = streamed();
    let slow = service.ready().await.unwrap().call(post("http://a/", BATCH, "").map(|_| body));
    let refused = other.ready().await.unwrap().call(post("http://a/", BATCH, "b=1")).await;
    assert!(refused.unwrap_err().is::<Overloaded>());
    drop(frames);
    slow.await.unwrap();
}

/// A buffer hands out one permit after the other; a call of an instance that is not ready
/// panics there.
#[tokio::test]
async fn buffer_below_is_called_when_ready() {
    let service = ServiceBuilder::new()
        .layer(client_auth())
        .layer(BufferLayer::new(1))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(echo));
    let server = Server::hyper(service).await;
    let client = http2();
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            let authorization = if number % 3 == 0 { WRONG } else { BATCH };
            let request = post(&server.url("/"), authorization, format!("n={number}"));
            tokio::spawn(async move { send(&client, request).await })
        })
        .collect();
    for (number, response) in requests.into_iter().enumerate() {
        let response = response.await.unwrap();
        if number % 3 == 0 {
            assert_refused(&response);
        } else {
            assert_eq!(response.body(), &format!("n={number}"));
        }
    }
    server.stop().await;
}

/// The error of the inner service is not boxed on its way, and not turned into a response.
#[tokio::test]
async fn errors_keep_their_type() {
    #[derive(Debug, PartialEq)]
    struct Broken(u8);

    let inner = service_fn(async |_: Request<_>| Err::<Response<Full<Bytes>>, _>(Broken(7)));
    let result: Result<_, Broken> =
        client_auth().layer(inner).oneshot(post("http://a/", BATCH, "a=1")).await;
    assert_eq!(result.unwrap_err(), Broken(7));
}

#[tokio::test]
async fn refused_requests_never_reach_the_inner_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let inner = service_fn(move |request: Request<_>| {
        counted.fetch_add(1, Ordering::SeqCst);
        echo(request)
    });
    let server = Server::hyper(client_auth().layer(inner)).await;
    let client = http1();
    for _ in 0..3 {
        assert_refused(&send(&client, post(&server.url("/"), WRONG, "a=1")).await);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    send(&client, post(&server.url("/"), BATCH, "a=1")).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    server.stop().await;
}

/// Endpoints with settings of their own behind one router.
#[tokio::test]
async fn steer_to_endpoints_with_settings_of_their_own() {
    let basic = [AuthMethod::ClientSecretBasic];
    let endpoints = [
        client_auth().auth_methods(basic).unwrap().realm("introspect").unwrap(),
        client_auth().realm("token").unwrap(),
    ];
    let service = Steer::new(
        endpoints.map(|layer| layer.layer(service_fn(echo))),
        |request: &Request<Incoming>, _: &[_]| usize::from(request.uri().path() == "/token"),
    );
    let server = Server::hyper(service).await;
    let client = http1();
    for (path, status) in [("/introspect", StatusCode::UNAUTHORIZED), ("/token", StatusCode::OK)] {
        let mut request = post(&server.url(path), "", "client_id=cli");
        request.headers_mut().remove("authorization");
        let response = send(&client, request).await;
        assert_eq!(response.status(), status, "{path}");
    }
    let response = send(&client, post(&server.url("/introspect"), WRONG, "")).await;
    assert!(header_of(&response, "www-authenticate").unwrap().contains("realm=\"introspect\""));
    server.stop().await;
}

/// Two layers in a row: both check, each hands on the bytes.
#[tokio::test]
async fn twice() {
    let service = ServiceBuilder::new()
        .layer(client_auth().realm("outer").unwrap())
        .layer(client_auth().realm("inner").unwrap().refuse_public_clients())
        .service(service_fn(echo));

    let response = service.clone().oneshot(post("http://a/", BATCH, "a=1")).await.unwrap();
    assert_eq!(header_of(&response, "x-tenant"), Some("blue"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a=1");
    let response = service.clone().oneshot(post("http://a/", WRONG, "a=1")).await.unwrap();
    assert!(header_of(&response, "www-authenticate").unwrap().contains("realm=\"outer\""));
    let mut public = post("http://a/", "", "client_id=cli");
    public.headers_mut().remove("authorization");
    let response = service.oneshot(public).await.unwrap();
    assert!(header_of(&response, "www-authenticate").unwrap().contains("realm=\"inner\""));
}

/// The layer is a value: a service can be taken apart and put together again.
#[tokio::test]
async fn inner_service_can_be_taken_out() {
    let inner = service_fn(|request: Request<BytesBody>| async {
        drop(request);
        Ok::<_, Infallible>(Response::new(full("bare")))
    });
    let service = client_auth().layer(inner);
    let response = service.into_inner().oneshot(Request::new(full(""))).await.unwrap();
    let bytes = response.into_body().collect().await.map_err(|error: BoxError| error).unwrap();
    assert_eq!(bytes.to_bytes(), "bare");
}

/// What prints the headers of a request outside of the layer sees them before the layer marks the
/// credential: the order in the README keeps it out of there.
#[tokio::test]
async fn trace_above_prints_no_credential_behind_sensitive_headers() {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&printed);
    let trace = TraceLayer::new_for_http().make_span_with(move |request: &Request<BytesBody>| {
        inside.lock().unwrap().push(format!("{:?}", request.headers()));
        tracing::Span::none()
    });
    let bare = ServiceBuilder::new().layer(trace.clone()).layer(client_auth());
    let covered = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        .layer(trace)
        .layer(client_auth());
    let response =
        bare.service(service_fn(echo)).oneshot(post("http://a/", BATCH, "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response =
        covered.service(service_fn(echo)).oneshot(post("http://a/", BATCH, "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let printed = printed.lock().unwrap();
    let shown: Vec<_> = printed.iter().map(|headers| headers.contains(BATCH)).collect();
    assert_eq!(shown, [true, false], "{printed:?}");
}
