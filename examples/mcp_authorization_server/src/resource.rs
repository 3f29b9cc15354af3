//! The protected resource: an MCP server with two tools, behind bearer tokens (RFC 6750).

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_LENGTH, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::{
    handler::server::tool::Extension,
    tool, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use url::Url;

use tower_client_auth::OAuthError;

use crate::{App, body, error::broken, scope, store::Grant, token::sha256};

/// The largest call, in bytes.
const CALL_LIMIT: usize = 1024 * 1024;
/// How much of the body of a refused call is read, in bytes.
const DRAINED: usize = 64 * 1024;
/// Browsers on this device, such as that of the MCP inspector.
const LOCAL: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

pub(crate) struct Tools;

#[tool_router(server_handler)]
impl Tools {
    #[tool(description = "Tells which OAuth client is calling")]
    fn whoami(&self, Extension(request): Extension<Parts>) -> String {
        match request.extensions.get::<Grant>() {
            Some(grant) => grant.client_id.clone(),
            None => "nobody".to_owned(),
        }
    }

    #[tool(description = "Reads a note, with the scope notes:read")]
    fn read_note(&self) -> String {
        "Buy milk.".to_owned()
    }
}

pub(crate) fn service(
    issuer: &Url,
    own: String,
    origins: Vec<String>,
) -> StreamableHttpService<Tools, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    // Besides the loopback names: a page that rebinds its name to this address must not get in.
    config.allowed_hosts.extend(issuer.host_str().map(Into::into));
    // MCP, "Streamable HTTP", "Security Warning": "Servers MUST validate the `Origin` header".
    config.allowed_origins =
        origins.into_iter().chain([own]).chain(LOCAL.map(Into::into)).collect();
    StreamableHttpService::new(|| Ok(Tools), LocalSessionManager::default().into(), config)
}

/// RFC 6750 §2.1, §3; RFC 9728 §5.1.
pub(crate) async fn bearer(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, OAuthError> {
    let token = token(request.headers());
    let grant = match token {
        Some(token) => {
            app.store.access(sha256(token), app.clock.unix_seconds()).await.map_err(broken)?
        }
        None => None,
    };
    let Some(grant) = grant else {
        let error = token.map(|_unknown| "invalid_token");
        // A body that is still on its way when the answer leaves would reset the connection, and
        // the client might never see the answer.
        let _read = body::read(request.into_body(), DRAINED).await;
        return refuse(&app, StatusCode::UNAUTHORIZED, error, scope::BASIC);
    };
    let (mut head, sent) = request.into_parts();
    // Only this one has a body that the MCP server reads.
    let (body, needed) = if head.method == Method::POST {
        let sent = match body::read(sent, CALL_LIMIT).await {
            Ok(sent) => sent,
            Err(status) => return Ok(status.into_response()),
        };
        match judge(&sent) {
            Ok((message, needed)) => (Body::from(message.to_string()), needed),
            Err((code, message)) => {
                // MCP, "Streamable HTTP": an error "that has no `id`".
                let error = json!({ "code": code, "message": message });
                let answer = Json(json!({ "jsonrpc": "2.0", "error": error }));
                return Ok((StatusCode::BAD_REQUEST, answer).into_response());
            }
        }
    } else {
        (Body::empty(), scope::BASIC)
    };
    head.headers.remove(CONTENT_LENGTH);
    if !scope::contains(&grant.scope, needed) {
        // MCP, "Scope Challenge Handling": what the client has, and what it needs besides.
        let scopes = format!("{} {needed}", grant.scope);
        return refuse(&app, StatusCode::FORBIDDEN, Some("insufficient_scope"), &scopes);
    }
    request = Request::from_parts(head, body);
    request.extensions_mut().insert(grant);
    Ok(next.run(request).await)
}

/// The message, and the scope that it needs; or the code and text of an error (JSON-RPC 2.0 §5.1).
///
/// What cannot be read here goes no further, and what goes further is what was read here: another parser
/// might take the first of two members of one name, or an array for the object that it lists.
fn judge(body: &[u8]) -> Result<(Value, &'static str), (i32, &'static str)> {
    let message: Value =
        serde_json::from_slice(body).map_err(|_malformed| (-32700, "Parse error"))?;
    let invalid = (-32600, "Invalid Request");
    // MCP has no batches.
    let members = message.as_object().ok_or(invalid)?;
    let needed = match members.get("method") {
        // An answer to a question of the MCP server.
        None => scope::BASIC,
        Some(Value::String(method)) if method == "tools/call" => {
            let params = members.get("params").and_then(Value::as_object);
            let tool = params.and_then(|params| params.get("name")?.as_str());
            scope::needed(tool.ok_or((-32602, "Invalid params"))?)
        }
        Some(Value::String(_)) => scope::BASIC,
        Some(_) => return Err(invalid),
    };
    Ok((message, needed))
}

fn refuse(
    app: &App,
    status: StatusCode,
    error: Option<&str>,
    scopes: &str,
) -> Result<Response, OAuthError> {
    let error = error.map(|error| format!(r#"error="{error}", "#)).unwrap_or_default();
    let challenge = HeaderValue::try_from(format!(
        r#"Bearer {error}scope="{scopes}", resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
        app.issuer
    ))
    .map_err(broken)?;
    Ok((status, [(WWW_AUTHENTICATE, challenge)]).into_response())
}

pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}
