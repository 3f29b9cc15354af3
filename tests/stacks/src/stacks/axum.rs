//! axum: where the layer may be, what handlers read, and what surrounds it.

use std::{future::pending, time::Duration};

use ::axum::{
    Extension, Form, Json, Router,
    body::Body,
    extract::Request,
    handler::Handler,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{any, get, post as on_post},
};
use ::tower::{ServiceBuilder, ServiceExt};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use tower_client_auth::{
    AuthenticatedClient, BoxError, ClientAuthLayer, Error, ErrorKind, Limits, RegisteredClient,
    provider::provider_fn,
};
use tower_http::{
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
    limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

use super::support::{
    BATCH, FORM, Server, Tenant, WRONG, assert_refused, client_auth, data, full,
    header as header_of, http1, post, send, streamed,
};

type Caller = AuthenticatedClient<Tenant>;

async fn whoami(Extension(client): Extension<Caller>) -> &'static str {
    client.client().0
}

fn status_layer(status: StatusCode) -> TimeoutLayer {
    TimeoutLayer::with_status_code(status, Duration::from_millis(1))
}

/// For each position: which path is guarded, and what an unknown path gets.
#[tokio::test]
async fn every_position_in_a_router() {
    let routes = || Router::new().route("/token", on_post(whoami));
    let inner = Router::new().route("/token", on_post(whoami));
    let positions = [
        ("layer", "/token", routes().layer(client_auth()), StatusCode::UNAUTHORIZED),
        ("route_layer", "/token", routes().route_layer(client_auth()), StatusCode::NOT_FOUND),
        (
            "nested router",
            "/oauth/token",
            Router::new().nest("/oauth", inner.route_layer(client_auth())),
            StatusCode::NOT_FOUND,
        ),
        (
            "around a nested router",
            "/oauth/token",
            Router::new().nest("/oauth", routes()).layer(client_auth()),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "method router",
            "/token",
            Router::new().route("/token", on_post(whoami).layer(client_auth())),
            StatusCode::NOT_FOUND,
        ),
        (
            "handler",
            "/token",
            Router::new().route("/token", on_post(whoami.layer(client_auth()))),
            StatusCode::NOT_FOUND,
        ),
        (
            "nested service",
            "/oauth/token",
            Router::new().nest_service(
                "/oauth",
                Router::new().route("/token", on_post(whoami)).layer(client_auth()),
            ),
            StatusCode::NOT_FOUND,
        ),
        (
            "from_fn on both sides, a call for each",
            "/token",
            routes().layer(from_fn(pass)).layer(client_auth()).layer(from_fn(pass)),
            StatusCode::UNAUTHORIZED,
        ),
    ];
    let client = http1();
    for (position, path, app, unknown) in positions {
        let server = Server::axum(app).await;
        let response = send(&client, post(&server.url(path), BATCH, "a=1")).await;
        assert_eq!(response.status(), StatusCode::OK, "{position}");
        assert_eq!(response.body(), "blue", "{position}");
        let response = send(&client, post(&server.url(path), WRONG, "a=1")).await;
        assert_refused(&response);
        let response = send(&client, post(&server.url("/unknown"), WRONG, "a=1")).await;
        assert_eq!(response.status(), unknown, "{position}");
        server.stop().await;
    }
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// `any` lets the layer answer other methods, as an OAuth error; `post` leaves them to axum.
#[tokio::test]
async fn other_methods() {
    let app = Router::new()
        .route("/any", any(whoami).layer(client_auth()))
        .route("/post", on_post(whoami.layer(client_auth())));
    let server = Server::axum(app).await;
    let client = http1();
    for (path, length) in [("/any", true), ("/post", false)] {
        let request = Request::get(server.url(path)).body(full("")).unwrap();
        let response = send(&client, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header_of(&response, "allow"), Some("POST"));
        assert_eq!(response.body().starts_with(br#"{"error":"invalid_request""#), length);
    }
    server.stop().await;
}

/// Every extractor of a body finds the bytes as they were sent.
#[tokio::test]
async fn handlers_read_the_body() {
    #[derive(Deserialize)]
    struct TokenRequest {
        grant_type: String,
        scope: Option<String>,
    }

    let app = Router::new()
        .route(
            "/form",
            on_post(
                async |Extension(client): Extension<Caller>, Form(form): Form<TokenRequest>| {
                    format!("{} {} {:?}", client.client_id(), form.grant_type, form.scope)
                },
            ),
        )
        .route("/bytes", on_post(async |body: Bytes| body))
        .route(
            "/string",
            on_post(async |Extension(client): Extension<Caller>, body: String| {
                format!("{} {body}", client.client().0)
            }),
        )
        .route("/body", on_post(async |body: Body| body))
        .route("/request", on_post(async |request: Request| request.into_body()))
        .layer(client_auth());
    let server = Server::axum(app).await;
    let client = http1();
    let form = "grant_type=client_credentials&scope=a%20b";
    for (path, expected) in [
        ("/form", "batch client_credentials Some(\"a b\")"),
        ("/bytes", form),
        ("/string", &*format!("blue {form}")),
        ("/body", form),
        ("/request", form),
    ] {
        let response = send(&client, post(&server.url(path), BATCH, form)).await;
        assert_eq!(response.body(), expected, "{path}");

        // The same in chunks.
        let (frames, body) = streamed();
        let (start, end) = form.split_at(7);
        frames.send(data(start)).unwrap();
        frames.send(data(end)).unwrap();
        drop(frames);
        let request = post(&server.url(path), BATCH, "").map(|_| body);
        assert_eq!(send(&client, request).await.body(), expected, "{path}");
    }
    server.stop().await;
}

/// JSON is not for a token endpoint, so it takes the setting for gateways.
#[tokio::test]
async fn json_needs_headers_only() {
    let echo = async |Extension(client): Extension<Caller>, Json(json): Json<serde_json::Value>| {
        Json(serde_json::json!({ "client": client.client_id(), "sent": json }))
    };
    let app = Router::new()
        .route("/default", on_post(echo.layer(client_auth())))
        .route("/headers", on_post(echo.layer(client_auth().headers_only().unwrap())));
    let server = Server::axum(app).await;
    let client = http1();
    let request = |path, authorization| {
        let mut request = post(&server.url(path), authorization, r#"{"a":[1]}"#);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        request
    };
    let response = send(&client, request("/default", BATCH)).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let response = send(&client, request("/headers", BATCH)).await;
    assert_eq!(response.body(), r#"{"client":"batch","sent":{"a":[1]}}"#);
    assert_refused(&send(&client, request("/headers", WRONG)).await);
    server.stop().await;
}

#[tokio::test]
async fn handlers_find_the_client() {
    let app = Router::new()
        .route("/extension", on_post(async |Extension(client): Extension<Caller>| say(&client)))
        .route(
            "/optional-extension",
            on_post(async |client: Option<Extension<Caller>>| say(&client.unwrap())),
        )
        .route(
            "/request",
            on_post(async |request: Request| say(request.extensions().get().unwrap())),
        )
        .layer(client_auth());
    #[cfg(feature = "axum")]
    let app = app
        .route("/client", on_post(async |client: Caller| say(&client)).layer(client_auth()))
        .route(
            "/optional",
            on_post(async |client: Option<Caller>| say(&client.unwrap())).layer(client_auth()),
        )
        .route(
            "/result",
            on_post(async |client: Result<Caller, tower_client_auth::axum::MissingClientAuth>| {
                say(&client.unwrap())
            })
            .layer(client_auth()),
        )
        .route(
            "/state",
            on_post(
                async |::axum::extract::State(()): ::axum::extract::State<()>, client: Caller| {
                    say(&client)
                },
            )
            .layer(client_auth()),
        );
    let paths = [
        "/extension",
        "/optional-extension",
        "/request",
        #[cfg(feature = "axum")]
        "/client",
        #[cfg(feature = "axum")]
        "/optional",
        #[cfg(feature = "axum")]
        "/result",
        #[cfg(feature = "axum")]
        "/state",
    ];
    let server = Server::axum(app).await;
    let client = http1();
    for path in paths {
        let response = send(&client, post(&server.url(path), BATCH, "")).await;
        assert_eq!(response.body(), "batch client_secret_basic blue", "{path}");
        let form = "client_id=form&client_secret=gX9kWZ2c";
        let mut request = post(&server.url(path), "", form);
        request.headers_mut().remove(header::AUTHORIZATION);
        let response = send(&client, request).await;
        assert_eq!(response.body(), "form client_secret_post green", "{path}");
        let mut request = post(&server.url(path), "", "client_id=cli");
        request.headers_mut().remove(header::AUTHORIZATION);
        let response = send(&client, request).await;
        assert_eq!(response.body(), "cli none red", "{path}");
    }
    server.stop().await;
}

fn say(client: &Caller) -> String {
    format!("{} {} {}", client.client_id(), client.method().as_str(), client.client().0)
}

/// Introspection by a client, or with a bearer token that the handler checks.
#[cfg(feature = "axum")]
#[tokio::test]
async fn optional_client_beside_a_bearer_token() {
    let layer = || client_auth().optional().foreign_schemes(["Bearer"]).unwrap();
    let who = async |client: Option<Caller>, headers: header::HeaderMap, body: String| {
        let bearer = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer abc");
        let client = client.map_or_else(|| format!("bearer {bearer}"), |client| say(&client));
        format!("{client} {body}")
    };
    let app = Router::new()
        .route("/introspect", on_post(who).layer(layer()))
        .route("/required", on_post(async |client: Caller| say(&client)).layer(layer()));
    let server = Server::axum(app).await;
    let client = http1();
    let url = server.url("/introspect");
    for (authorization, body, answer) in [
        (BATCH, "token=x", "batch client_secret_basic blue token=x"),
        ("Bearer abc", "token=x", "bearer true token=x"),
        ("Bearer def", "token=x", "bearer false token=x"),
        ("", "token=x", "bearer false token=x"),
        ("", "token=x&client_id=cli", "cli none red token=x&client_id=cli"),
    ] {
        let mut request = post(&url, authorization, body);
        if authorization.is_empty() {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        let response = send(&client, request).await;
        assert_eq!((response.status(), response.body()), (StatusCode::OK, &Bytes::from(answer)));
    }
    assert_refused(&send(&client, post(&url, WRONG, "token=x")).await);
    let response = send(&client, post(&url, "Bearer abc", "token=x&client_id=cli")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    // A handler that asks for a client does not run without one.
    let response = send(&client, post(&server.url("/required"), "Bearer abc", "")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    server.stop().await;
}

/// A handler without the layer must not run as if a client had been authenticated.
#[cfg(feature = "axum")]
#[tokio::test]
async fn extractor_without_the_layer() {
    struct Other;

    let other = provider_fn(|client_id: &str| {
        let client = RegisteredClient::public(client_id, Other);
        async { Ok::<_, BoxError>(Some(client)) }
    });
    let app = Router::new()
        .route("/bare", on_post(async |client: Caller| say(&client)))
        .route(
            "/other",
            on_post(async |client: Caller| say(&client)).layer(ClientAuthLayer::new(other)),
        )
        .route("/optional", on_post(async |client: Option<Caller>| client.is_none().to_string()));
    let server = Server::axum(app).await;
    let client = http1();
    for path in ["/bare", "/other"] {
        let request = Request::post(server.url(path)).header(header::CONTENT_TYPE, FORM);
        let response = send(&client, request.body(full("client_id=a")).unwrap()).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(
            response.body(),
            "no authenticated client of this type: is `ClientAuthLayer` on the route, with this \
             client type?",
        );
    }
    let response = send(&client, post(&server.url("/optional"), BATCH, "")).await;
    assert_eq!(response.body(), "true");
    server.stop().await;
}

/// A browser asks without credentials whether it may ask, and reads our errors only with CORS
/// headers.
#[tokio::test]
async fn cors_outside() {
    let cors = CorsLayer::new().allow_origin(Any).allow_headers([header::AUTHORIZATION]);
    let app = Router::new().route("/token", on_post(whoami)).layer(client_auth()).layer(cors);
    let server = Server::axum(app).await;
    let client = http1();

    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri(server.url("/token"))
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .body(full(""))
        .unwrap();
    let response = send(&client, preflight).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, "access-control-allow-headers"), Some("authorization"));

    for (authorization, status) in [(BATCH, StatusCode::OK), (WRONG, StatusCode::UNAUTHORIZED)] {
        let mut request = post(&server.url("/token"), authorization, "");
        let origin = HeaderValue::from_static("https://app.example");
        request.headers_mut().insert(header::ORIGIN, origin);
        let response = send(&client, request).await;
        assert_eq!(response.status(), status);
        assert_eq!(header_of(&response, "access-control-allow-origin"), Some("*"));
    }
    server.stop().await;
}

/// The store hangs: a timeout further out answers, with an empty body of our type.
#[tokio::test]
async fn timeout_above_a_hanging_store() {
    let hangs = provider_fn(|_: &str| pending::<Result<Option<RegisteredClient<()>>, BoxError>>());
    let stack = ServiceBuilder::new()
        .layer(status_layer(StatusCode::GATEWAY_TIMEOUT))
        .layer(ClientAuthLayer::new(hangs));
    let server = Server::axum(Router::new().route("/token", on_post("in")).layer(stack)).await;
    let response = send(&http1(), post(&server.url("/token"), BATCH, "")).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(response.body(), "");
    server.stop().await;
}

/// The handler hangs: the answer of a timeout further in comes out as it is.
#[tokio::test]
async fn timeout_below() {
    let app = Router::new()
        .route("/token", on_post(async || pending::<()>().await))
        .layer(status_layer(StatusCode::IM_A_TEAPOT))
        .layer(client_auth());
    let server = Server::axum(app).await;
    let client = http1();
    let response = send(&client, post(&server.url("/token"), BATCH, "")).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(header_of(&response, "cache-control"), None);
    assert_refused(&send(&client, post(&server.url("/token"), WRONG, "")).await);
    server.stop().await;
}

/// The smaller limit answers, in its own words.
#[tokio::test]
async fn body_limits() {
    let at = |path| Router::new().route(path, on_post("in"));
    let app = Router::new()
        .merge(at("/above").layer(client_auth()).layer(RequestBodyLimitLayer::new(8)))
        .merge(at("/below").layer(RequestBodyLimitLayer::new(8)).layer(client_auth()))
        .merge(at("/ours").layer(client_auth().limits(Limits::new().body(8))));
    let server = Server::axum(app).await;
    let client = http1();
    for (path, ours) in [("/above", false), ("/below", false), ("/ours", true)] {
        let response = send(&client, post(&server.url(path), BATCH, "a=45678")).await;
        assert_eq!(response.body(), "in", "{path}");
        let response = send(&client, post(&server.url(path), BATCH, "a=4567890")).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        let json = response.body().starts_with(br#"{"error":"invalid_request""#);
        assert_eq!(json, ours, "{path}");
    }
    server.stop().await;
}

/// What is behind the layer sees the form, although what is above it has wrapped the body.
#[tokio::test]
async fn compression_on_both_sides() {
    let long = || async { "x".repeat(1000) };
    let above = Router::new().route("/token", on_post(long)).layer(client_auth());
    let below = Router::new().route("/token", on_post(long)).layer(CompressionLayer::new());
    let app = Router::new()
        .nest("/above", above.layer(CompressionLayer::new()))
        .nest("/below", below.layer(client_auth()));
    let server = Server::axum(app).await;
    let client = http1();
    let ask = async |path, authorization| {
        let mut request = post(&server.url(path), authorization, "");
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        send(&client, request).await
    };

    for path in ["/above/token", "/below/token"] {
        let response = ask(path, BATCH).await;
        assert_eq!(header_of(&response, "content-encoding"), Some("gzip"), "{path}");
        assert!(response.body().len() < 100);
    }
    let response = ask("/above/token", WRONG).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header_of(&response, "content-encoding"), Some("gzip"));
    assert_refused(&ask("/below/token", WRONG).await);
    server.stop().await;
}

/// The reason is there for a middleware further out, whatever is between.
#[tokio::test]
async fn reason_reaches_a_middleware_above() {
    async fn reason(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        let kind = response.extensions().get::<Error>().map(Error::kind);
        let kind = kind.map_or("none", ErrorKind::as_str);
        ([("x-reason", HeaderValue::from_static(kind))], response).into_response()
    }
    let app = Router::new()
        .route("/token", on_post(whoami))
        .layer(client_auth())
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .layer(from_fn(reason));
    let server = Server::axum(app).await;
    let client = http1();
    for (authorization, reason) in
        [(BATCH, "none"), (WRONG, "wrong_secret"), ("Basic bm9ib2R5Ong=", "unknown_client")]
    {
        let response = send(&client, post(&server.url("/token"), authorization, "")).await;
        assert_eq!(header_of(&response, "x-reason"), Some(reason));
    }
    server.stop().await;
}

/// An inner layer is asked again, and its client replaces the outer one.
#[tokio::test]
async fn innermost_layer_decides() {
    let other = |tenant| {
        ClientAuthLayer::new(provider_fn(move |client_id: &str| {
            let client = RegisteredClient::public(client_id, Tenant(tenant));
            async { Ok::<_, BoxError>(Some(client)) }
        }))
    };
    let app =
        Router::new().route("/token", on_post(whoami)).layer(other("inner")).layer(other("outer"));
    let request = Request::post("/token").header(header::CONTENT_TYPE, FORM);
    let response = app.oneshot(request.body(Body::from("client_id=a")).unwrap()).await.unwrap();
    assert_eq!(::axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "inner");
}

/// Open and guarded endpoints side by side, as in an authorization server.
#[tokio::test]
async fn open_endpoints_stay_open() {
    let app = Router::new()
        .route("/token", on_post(whoami))
        .route("/revoke", on_post(whoami))
        .route_layer(client_auth())
        .route("/.well-known/oauth-authorization-server", get("metadata"));
    let server = Server::axum(app).await;
    let client = http1();
    let metadata = server.url("/.well-known/oauth-authorization-server");
    let response = send(&client, Request::get(metadata).body(full("")).unwrap()).await;
    assert_eq!(response.body(), "metadata");
    for path in ["/token", "/revoke"] {
        assert_refused(&send(&client, post(&server.url(path), WRONG, "")).await);
    }
    server.stop().await;
}
