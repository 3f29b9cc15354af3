//! The protected resource: an MCP server with one tool, behind bearer tokens (RFC 6750).

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
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
use serde::Deserialize;
use url::Url;

use crate::{App, error::OAuthError, scope, store::Grant, token::sha256};

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
    issuer: &str,
    origins: Vec<String>,
) -> StreamableHttpService<Tools, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    // Besides the loopback names: a page that rebinds its name to this address must not get in.
    config
        .allowed_hosts
        .extend(Url::parse(issuer).iter().filter_map(Url::host_str).map(Into::into));
    // MCP, "Streamable HTTP", "Security Warning": "Servers MUST validate the `Origin` header".
    let own = Url::parse(issuer).map(|url| url.origin().ascii_serialization());
    config.allowed_origins = origins.into_iter().chain(own).chain(LOCAL.map(Into::into)).collect();
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
        Some(token) => app.store.access(sha256(token), app.clock.unix_seconds()).await?,
        None => None,
    };
    let Some(grant) = grant else {
        let error = token.map(|_unknown| "invalid_token");
        // A body that is still on its way when the answer leaves would reset the connection, and
        // the client might never see the answer.
        let _read = axum::body::to_bytes(request.into_body(), DRAINED).await;
        return refuse(&app, StatusCode::UNAUTHORIZED, error, scope::BASIC);
    };
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, CALL_LIMIT).await else {
        return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let needed = needed(&body);
    if !scope::contains(&grant.scope, needed) {
        // MCP, "Scope Challenge Handling": what the client has, and what it needs besides.
        let scopes = format!("{} {needed}", grant.scope);
        return refuse(&app, StatusCode::FORBIDDEN, Some("insufficient_scope"), &scopes);
    }
    request = Request::from_parts(head, body.into());
    request.extensions_mut().insert(grant);
    Ok(next.run(request).await)
}

/// The scope for what is called. What is no call is for the MCP server to judge.
fn needed(body: &[u8]) -> &'static str {
    #[derive(Deserialize)]
    struct Call {
        method: String,
        params: Tool,
    }
    #[derive(Deserialize)]
    struct Tool {
        name: String,
    }
    match serde_json::from_slice::<Call>(body) {
        Ok(call) if call.method == "tools/call" => scope::needed(&call.params.name),
        _ => scope::BASIC,
    }
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
    ))?;
    Ok((status, [(WWW_AUTHENTICATE, challenge)]).into_response())
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}
