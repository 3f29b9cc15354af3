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
use url::Url;

use crate::{App, error::OAuthError, metadata::SCOPE, store::Grant, token::sha256};

/// How much of the body of a refused call is read, in bytes.
const DRAINED: usize = 64 * 1024;

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
}

pub(crate) fn service(issuer: &str) -> StreamableHttpService<Tools, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    // Besides the loopback names: a page that rebinds its name to this address must not get in.
    config
        .allowed_hosts
        .extend(Url::parse(issuer).iter().filter_map(Url::host_str).map(Into::into));
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
        let error = if token.is_some() { r#"error="invalid_token", "# } else { "" };
        let challenge = HeaderValue::try_from(format!(
            r#"Bearer {error}scope="{SCOPE}", resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
            app.issuer
        ))?;
        // A body that is still on its way when the answer leaves would reset the connection, and
        // the client might never see the answer.
        let _read = axum::body::to_bytes(request.into_body(), DRAINED).await;
        return Ok((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response());
    };
    request.extensions_mut().insert(grant);
    Ok(next.run(request).await)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}
