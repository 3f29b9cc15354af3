//! The least that makes an axum app an MCP server that Claude connects to: `server.rs` is on the page `mcp_servers` of
//! the guide, and `yours.rs` is what a site has already.
//!
//! ```text
//! cargo run -p minimal_mcp_server -- --metadata-documents claude.ai,chatgpt.com,vscode.dev
//! ```
//!
//! `--listen ADDR` listens elsewhere, and `--issuer URL` is the address that clients use, where it is another.

mod server;
mod yours;

use std::{net::SocketAddr, process::ExitCode};

use axum::{Router, http::request::Parts};
use example_support::{DocumentFlags, Flags, Server};
use rmcp::{
    handler::server::tool::Extension,
    tool, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tower_client_auth::BoxError;

use crate::yours::User;

const USAGE: &str = "usage: minimal_mcp_server --metadata-documents any|HOST,HOST... [--listen ADDR] \
    [--issuer URL] [--allow-loopback-documents CA.pem]";

struct Tools;

#[tool_router(server_handler)]
impl Tools {
    #[tool(description = "Tells whose account is in use")]
    fn whoami(&self, Extension(request): Extension<Parts>) -> String {
        request.extensions.get::<User>().map_or_else(String::new, |user| user.0.clone())
    }
}

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut documents) = (None, DocumentFlags::default());
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.value()?,
            "--issuer" => issuer = Some(flags.value::<String>()?),
            name if documents.take(name, &mut flags)? => {}
            _ => return Err(flags.unknown()),
        }
    }
    let server = Server::bind(listen).await?;
    let issuer = issuer.unwrap_or_else(|| server.url());
    let mcp = StreamableHttpService::new(
        || Ok(Tools),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    );
    let mcp = Router::new().route_service("/mcp", mcp);
    let Some(documents) = documents.documents(["none"].into_iter())? else {
        return Err(flags.usage());
    };
    server.announce();
    server.serve(server::protected(mcp, &issuer, documents)).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("minimal_mcp_server", run().await)
}

#[cfg(test)]
mod tests {
    #[test]
    fn guide_shows_this_server() {
        let guide = include_str!("../../../src/docs/mcp_servers.md");
        assert!(guide.contains(include_str!("server.rs")), "copy server.rs into the guide");
    }
}
