//! The MCP server, with one tool.

use axum::{Router, http::request::Parts};
use rmcp::{
    handler::server::tool::Extension,
    tool, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use url::Url;

use crate::yours::User;

struct Tools;

#[tool_router(server_handler)]
impl Tools {
    #[tool(description = "Tells whose account is in use")]
    fn whoami(&self, Extension(request): Extension<Parts>) -> String {
        request.extensions.get::<User>().map_or_else(String::new, |user| user.0.clone())
    }
}

pub(crate) fn mcp(issuer: &str) -> Router {
    let mut config = StreamableHttpServerConfig::default();
    // Besides the loopback names: a page that rebinds its name to this address must not get in.
    config
        .allowed_hosts
        .extend(Url::parse(issuer).iter().filter_map(Url::host_str).map(Into::into));
    let sessions = LocalSessionManager::default();
    Router::new()
        .route_service("/mcp", StreamableHttpService::new(|| Ok(Tools), sessions.into(), config))
}
