//! Starts the server: `mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE]`.

use std::{net::SocketAddr, process::ExitCode};

use example_support::{Flags, Server};
use mcp_authorization_server::{Store, router};
use tower_client_auth::{BoxError, Clock};

const USAGE: &str =
    "usage: mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE]";

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut database) = (None, None);
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.value()?,
            "--issuer" => issuer = Some(flags.value::<String>()?.trim_end_matches('/').to_owned()),
            "--database" => database = Some(flags.value::<String>()?),
            _ => return Err(flags.unknown()),
        }
    }
    let server = Server::bind(listen).await?;
    let issuer = issuer.unwrap_or_else(|| server.url());
    let store = Store::open(database.as_deref()).await?;
    let app = router(store, &issuer, Clock::system())?;
    server.announce();
    println!("the MCP server is {issuer}/mcp");
    server.serve(app).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("mcp_authorization_server", run().await)
}
