//! What applications write when there is no layer: a middleware in axum that reads the form into a
//! map, and the header into strings.
//!
//! It is well meant code of the usual quality. It leaves out most of what [the floor](super::floor)
//! checks: repetitions, two methods, encodings that are not UTF-8, control characters, the decoy.

use std::{collections::HashMap, future::Future, pin::Pin};

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use constant_time_eq::constant_time_eq;
use serde_json::json;

use super::clients::{Client, Method, Store};

/// A row as a database returns it.
#[derive(Clone)]
#[expect(dead_code, reason = "the handler would read it")]
pub(crate) struct Row {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) public: bool,
    pub(crate) expires_at: i64,
}

type Found<'a> = Pin<Box<dyn Future<Output = Option<Row>> + Send + 'a>>;

/// The usual trait behind `Arc<dyn …>`.
pub(crate) trait Database: Send + Sync {
    fn find<'a>(&'a self, client_id: &'a str) -> Found<'a>;
}

impl Database for Store<Client> {
    fn find<'a>(&'a self, client_id: &'a str) -> Found<'a> {
        Box::pin(async move {
            self.get(client_id).map(|client| Row {
                client_id: client.id.clone(),
                client_secret: client.secret.clone(),
                public: client.method == Method::None,
                expires_at: client.expires_at,
            })
        })
    }
}

pub(crate) async fn authenticate(
    State(database): State<&'static dyn Database>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, 2 * 1024 * 1024).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(json!({ "error": "invalid_request" })))
            .into_response();
    };
    let Ok(form) = serde_urlencoded::from_bytes::<HashMap<String, String>>(&bytes) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" })))
            .into_response();
    };
    let credentials = match parts.headers.get(header::AUTHORIZATION) {
        Some(value) => basic(value.to_str().unwrap_or_default()),
        None => form.get("client_id").map(|id| (id.clone(), form.get("client_secret").cloned())),
    };
    let Some((client_id, client_secret)) = credentials else { return unauthorized() };
    let Some(row) = database.find(&client_id).await else { return unauthorized() };
    let right = match client_secret {
        Some(secret) => constant_time_eq(secret.as_bytes(), row.client_secret.as_bytes()),
        None => row.public,
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    if !right || (row.expires_at != 0 && row.expires_at <= now) {
        return unauthorized();
    }
    parts.extensions.insert(row);
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

fn basic(authorization: &str) -> Option<(String, Option<String>)> {
    let token = authorization.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    // One pair without a name is how serde_urlencoded can be asked to decode a value.
    Some((percent_decode(id), Some(percent_decode(secret))))
}

fn percent_decode(value: &str) -> String {
    if !value.contains(['%', '+']) {
        return value.to_owned();
    }
    let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(value).unwrap_or_default();
    pairs.into_iter().next().map(|(decoded, _)| decoded).unwrap_or_default()
}

fn unauthorized() -> Response {
    (
        StatusCode::UNAUTHORIZED,
        [
            (header::WWW_AUTHENTICATE, r#"Basic realm="OAuth""#),
            (header::CACHE_CONTROL, "no-store"),
            (header::PRAGMA, "no-cache"),
        ],
        Json(json!({
            "error": "invalid_client",
            "error_description": "Client authentication failed",
        })),
    )
        .into_response()
}
