//! Clients, servers on ephemeral ports, and what a test asks them.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use ::axum::Router;
use ::hyper::body::{Frame, Incoming};
use ::tower::{Service, ServiceExt, util::BoxCloneService};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, ClientProvider, ClientSecret, RegisteredClient,
    provider::Throttled,
};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// `batch:gX9kWZ2c`.
pub(crate) const BATCH: &str = "Basic YmF0Y2g6Z1g5a1daMmM=";

/// `batch:wrong`.
pub(crate) const WRONG: &str = "Basic YmF0Y2g6d3Jvbmc=";

/// `down:x`, for which the provider fails.
pub(crate) const DOWN: &str = "Basic ZG93bjp4";

/// `busy:x`, for which the provider throttles.
pub(crate) const BUSY: &str = "Basic YnVzeTp4";

/// The application's own client: which tenant it belongs to.
#[derive(Debug)]
pub(crate) struct Tenant(pub(crate) &'static str);

#[derive(Debug)]
pub(crate) struct Clients;

impl ClientProvider for Clients {
    type Client = Tenant;
    type Error = BoxError;

    async fn find_client(&self, id: &str) -> Result<Option<RegisteredClient<Tenant>>, BoxError> {
        let secret = [ClientSecret::plain("gX9kWZ2c")];
        Ok(match id {
            "batch" => Some(RegisteredClient::secret_basic(id, secret, Tenant("blue"))),
            "form" => Some(RegisteredClient::secret_post(id, secret, Tenant("green"))),
            "cli" => Some(RegisteredClient::public(id, Tenant("red"))),
            "down" => return Err("the store is down".into()),
            "busy" => return Err(Throttled::new(Duration::from_secs(30)).into()),
            _ => None,
        })
    }
}

pub(crate) fn client_auth() -> ClientAuthLayer<Clients> {
    ClientAuthLayer::new(Clients)
}

/// A server that runs until it is stopped.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Runs `serve` with a listener and the future that ends when the server is to stop.
    pub(crate) async fn start<F>(
        serve: impl FnOnce(TcpListener, oneshot::Receiver<()>, Arc<AtomicUsize>) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, stopped, Arc::clone(&connections)));
        Self { addr, connections, stop, task }
    }

    pub(crate) async fn axum(app: Router) -> Self {
        Self::start(async move |listener, stopped, _| {
            let stopped = async {
                let _stopped = stopped.await;
            };
            ::axum::serve(listener, app).with_graceful_shutdown(stopped).await.unwrap();
        })
        .await
    }

    /// Plain hyper, HTTP/1.1 and HTTP/2 with prior knowledge.
    pub(crate) async fn hyper<S, R>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Self::start(async move |listener: TcpListener, mut stopped, connections| {
            let graceful = GracefulShutdown::new();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stopped => break,
                };
                connections.fetch_add(1, Ordering::SeqCst);
                let connection = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(
                        TokioIo::new(stream),
                        TowerToHyperService::new(service.clone()),
                    )
                    .into_owned();
                tokio::spawn(graceful.watch(connection));
            }
            graceful.shutdown().await;
        })
        .await
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections have been accepted; only plain hyper counts.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        within(self.task).await.unwrap();
    }
}

pub(crate) type BytesBody = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> BytesBody {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub(crate) type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>;

/// A body without a declared length, which is sent frame by frame as the test says.
pub(crate) fn streamed() -> (Frames, BytesBody) {
    struct Streamed(mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>);

    impl Body for Streamed {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.poll_recv(cx)
        }
    }

    let (frames, receiver) = mpsc::unbounded_channel();
    (frames, Streamed(receiver).boxed_unsync())
}

pub(crate) fn data(bytes: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(bytes.as_bytes())))
}

pub(crate) type HttpClient = Client<HttpConnector, BytesBody>;

pub(crate) fn http1() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// HTTP/2 with prior knowledge.
pub(crate) fn http2() -> HttpClient {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A form post with this `Authorization`.
pub(crate) fn post(url: &str, authorization: &str, body: impl Into<Bytes>) -> Request<BytesBody> {
    Request::post(url)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, FORM)
        .body(full(body))
        .unwrap()
}

/// Makes a failure of what would otherwise wait for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

pub(crate) async fn send(client: &HttpClient, request: Request<BytesBody>) -> Response<Bytes> {
    let (head, body) = within(client.request(request)).await.unwrap().into_parts();
    Response::from_parts(head, within(body.collect()).await.unwrap().to_bytes())
}

pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// What the layer answers to wrong credentials.
pub(crate) fn assert_refused(response: &Response<Bytes>) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(response, "content-type"), Some("application/json"));
    assert!(header(response, "www-authenticate").is_some());
    let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(document.get("error").unwrap(), "invalid_client");
}

/// The tenant of the authenticated client, as a header that a test can see.
pub(crate) fn tenant(head: &Parts) -> HeaderValue {
    let client = head.extensions.get::<AuthenticatedClient<Tenant>>();
    HeaderValue::from_static(client.map_or("nobody", |client| client.client().0))
}

/// Answers with the bytes of the request and the tenant.
pub(crate) async fn echo<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body<Error: Into<BoxError>>,
{
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(Into::into).unwrap().to_bytes();
    let mut response = Response::new(Full::new(bytes));
    response.headers_mut().insert("x-tenant", tenant(&head));
    Ok(response)
}

/// Serves `service` with plain hyper and asks it what every stack must answer.
///
/// It is boxed first: hyper is then compiled once and not for every stack.
pub(crate) async fn check<S, R>(service: S)
where
    S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service
        .map_response(|response: Response<R>| {
            response.map(|body| body.map_err(Into::into).boxed_unsync())
        })
        .map_err(Into::into);
    let service: BoxCloneService<_, Response<BytesBody>, BoxError> = BoxCloneService::new(service);
    check_server(Server::hyper(service).await).await;
}

/// Serves `app` with `axum::serve` and asks it what every stack must answer.
pub(crate) async fn check_axum(app: Router) {
    check_server(Server::axum(app).await).await;
}

pub(crate) async fn check_server(server: Server) {
    let client = http1();
    let url = server.url("/token");
    let form = "grant_type=client_credentials&scope=%7e+%2B";

    let response = send(&client, post(&url, BATCH, form)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "x-tenant"), Some("blue"));
    assert_eq!(response.body(), form);

    let response = send(&client, post(&url, WRONG, form)).await;
    assert_refused(&response);
    assert_eq!(header(&response, "x-tenant"), None, "the inner service was called");

    server.stop().await;
}
