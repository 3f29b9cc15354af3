//! Forms in handlers of axum, behind the layer and without it.

use ::axum::{Router, body::Body, extract::DefaultBodyLimit, routing::any};
use ::tower::ServiceExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use tower_client_auth::{AuthenticatedClient, Limits, OAuthError, axum::OAuthForm};

use super::support::{BATCH, FORM, Tenant, client_auth, data, header, streamed};

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    #[serde(default)]
    resource: Vec<String>,
}

async fn token(
    client: Option<AuthenticatedClient<Tenant>>,
    OAuthForm(request): OAuthForm<TokenRequest>,
) -> Result<String, OAuthError> {
    if request.grant_type != "client_credentials" {
        return Err(OAuthError::UNSUPPORTED_GRANT_TYPE.description("No such grant"));
    }
    let tenant = client.map_or("nobody", |client| client.client().0);
    Ok(format!("{tenant} {}", request.resource.join(" ")))
}

fn app() -> Router {
    Router::new()
        .route("/layer", any(token).layer(client_auth()))
        .route("/axum", any(token).layer(client_auth().axum_bodies()))
        .route("/headers", any(token).layer(client_auth().headers_only().unwrap()))
        .route("/open", any(token))
}

async fn answer(app: Router, request: Request<Body>) -> http::Response<String> {
    let (head, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    http::Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
}

fn request(path: &str, media_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header("authorization", BATCH);
    request.header("content-type", media_type).body(body.into()).unwrap()
}

#[tokio::test]
async fn handler_gets_the_form_with_the_layer_and_without() {
    for (path, tenant) in
        [("/layer", "blue"), ("/axum", "blue"), ("/headers", "blue"), ("/open", "nobody")]
    {
        let form = "resource=a&grant_type=client_credentials&resource=b&client_secret=";
        let response = answer(app(), request(path, FORM, form)).await;
        assert_eq!(
            (response.status(), &**response.body()),
            (StatusCode::OK, &*format!("{tenant} a b"))
        );
        for (form, description, code) in [
            ("", "grant_type is missing", "invalid_request"),
            ("grant_type=", "grant_type is missing", "invalid_request"),
            ("grant_type=a&grant_type=a", "A parameter is repeated", "invalid_request"),
            ("grant_type=a&b=%", "A parameter is malformed", "invalid_request"),
            ("grant_type=a", "No such grant", "unsupported_grant_type"),
        ] {
            let response = answer(app(), request(path, FORM, form)).await;
            let document = format!(r#"{{"error":"{code}","error_description":"{description}"}}"#);
            assert_eq!(
                (response.status(), &**response.body()),
                (StatusCode::BAD_REQUEST, &*document),
                "{path} {form}"
            );
            assert_eq!(header(&response, "content-type"), Some("application/json"));
            assert_eq!(header(&response, "cache-control"), Some("no-store"));
        }
    }
}

/// What the layer refuses by the head is refused in the same way where there is none.
#[tokio::test]
async fn what_is_no_form_is_answered_as_by_the_layer() {
    for (change, status) in [
        ((|request| *request.method_mut() = http::Method::GET) as fn(&mut Request<Body>), 405),
        (|request| set(request, "content-type", "text/plain"), 415),
        (
            |request| {
                set(request, "content-type", "application/x-www-form-urlencoded;charset=latin1");
            },
            415,
        ),
        (|request| set(request, "content-encoding", "gzip"), 415),
        (|request| set(request, "transfer-encoding", "gzip, chunked"), 501),
    ] {
        let mut answers = Vec::new();
        for path in ["/layer", "/open"] {
            let mut request = request(path, FORM, "grant_type=client_credentials");
            change(&mut request);
            let (mut head, body) = answer(app(), request).await.into_parts();
            assert_eq!(head.status.as_u16(), status, "{path}");
            // Axum says how long the body is where it knows.
            head.headers.remove("content-length");
            answers.push((head.headers, body));
        }
        assert_eq!(answers.first(), answers.last());
    }
    // A body that ends before its first byte is an empty form, whatever it is called.
    let response = answer(app(), request("/open", "text/plain", "")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let (frames, body) = streamed();
    frames.send(data("grant_type=client_credentials")).unwrap();
    drop(frames);
    let response = answer(app(), request("/open", "text/plain", Body::new(body))).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

fn set(request: &mut Request<Body>, name: &'static str, value: &'static str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

#[tokio::test]
async fn body_is_as_large_as_the_layer_and_axum_allow() {
    let form = format!("grant_type=client_credentials&x={}", "x".repeat(100 * 1024));
    let response = answer(app(), request("/layer", FORM, form.clone())).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let too_large = (response.status(), response.into_body());
    let wide = client_auth().limits(Limits::new().body(1024 * 1024));
    let wide = Router::new().route("/layer", any(token).layer(wide));
    let response = answer(wide, request("/layer", FORM, form.clone())).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = answer(app(), request("/open", FORM, form.clone())).await;
    assert_eq!(response.status(), StatusCode::OK);
    let narrow = app().layer(DefaultBodyLimit::max(64 * 1024));
    let response = answer(narrow, request("/open", FORM, form)).await;
    assert_eq!((response.status(), response.into_body()), too_large);
    // What is no form is not read.
    let narrow = app().layer(DefaultBodyLimit::max(1));
    let response = answer(narrow, request("/open", "text/plain", "grant_type=a")).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let many = format!("grant_type=client_credentials{}", "&x".repeat(1024));
    let response = answer(app(), request("/open", FORM, many)).await;
    assert_eq!(
        (response.status(), &**response.body()),
        (
            StatusCode::BAD_REQUEST,
            r#"{"error":"invalid_request","error_description":"There are too many parameters"}"#
        )
    );
    let (frames, body) = streamed();
    frames.send(Err("the connection broke: s3cr3t".into())).unwrap();
    let response = answer(app(), request("/open", FORM, Body::new(body))).await;
    assert_eq!(
        (response.status(), &**response.body()),
        (
            StatusCode::BAD_REQUEST,
            r#"{"error":"invalid_request","error_description":"The body could not be read"}"#
        )
    );
}
