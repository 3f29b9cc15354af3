//! The least that makes an axum app an MCP server that Claude connects to: `server.rs`, `yours.rs` and `tools.rs` are
//! on the page `mcp_servers` of the guide.
//!
//! ```text
//! cargo run -p minimal_mcp_server -- --metadata-documents claude.ai,chatgpt.com,vscode.dev
//! ```
//!
//! `--listen ADDR` listens elsewhere, and `--issuer URL` is the address that clients use, where it is another.

mod server;
mod tools;
mod yours;

use std::{net::SocketAddr, process::ExitCode};

use example_support::{DocumentFlags, Flags, Server, print_refusal};
use tower_client_auth::BoxError;

const USAGE: &str = "usage: minimal_mcp_server --metadata-documents any|HOST,HOST... [--listen ADDR] \
    [--issuer URL] [--allow-loopback-documents CA.pem]";

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut documents) = (None, DocumentFlags::default());
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            "--issuer" => issuer = Some(flags.value::<String>()?),
            name if documents.take(name, &mut flags)? => {}
            _ => return Err(flags.unknown()),
        }
    }
    let server = Server::bind(listen).await?;
    let issuer = issuer.unwrap_or_else(|| server.url());
    let Some(documents) = documents.documents(["none"].into_iter())? else {
        return Err(flags.usage());
    };
    server.announce();
    let app = server::protected(tools::mcp(&issuer), &issuer, documents, print_refusal)?;
    server.serve(app).await
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
        assert!(guide.contains(include_str!("yours.rs")), "copy yours.rs into the guide");
        assert!(guide.contains(include_str!("tools.rs")), "copy tools.rs into the guide");
    }
}
