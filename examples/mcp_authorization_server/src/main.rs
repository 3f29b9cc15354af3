//! Starts the server; the flags are those of [`USAGE`].

use std::{net::SocketAddr, process::ExitCode};

use example_support::{DocumentFlags, Flags, Server};
use mcp_authorization_server::{Settings, Store, router};
use tower_client_auth::BoxError;

const USAGE: &str = "usage: mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE|URL] \
    [--metadata-documents any|HOST,HOST…] [--allow-loopback-documents CA.pem] [--allow-origin ORIGIN]…";

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut database, mut origins) = (None, None, Vec::new());
    let (mut flags, mut documents) = (Flags::new(USAGE), DocumentFlags::default());
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.value()?,
            "--issuer" => issuer = Some(flags.value::<String>()?.trim_end_matches('/').to_owned()),
            "--database" => database = Some(flags.value::<String>()?),
            "--allow-origin" => origins.push(flags.value()?),
            name if documents.take(name, &mut flags)? => {}
            _ => return Err(flags.unknown()),
        }
    }
    let server = Server::bind(listen).await?;
    let issuer = issuer.unwrap_or_else(|| server.url());
    let store = Store::open(database.as_deref()).await?;
    let mut settings = Settings::new(&issuer)?;
    if let Some(documents) = documents.documents(["private_key_jwt"].into_iter())? {
        settings.documents = documents;
    }
    settings.jwks = documents.jwks_source()?;
    settings.origins = origins;
    tokio::spawn(store.clone().keep_clean(settings.clock.clone()));
    let app = router(store, settings)?;
    server.announce();
    println!("the MCP server is {issuer}/mcp");
    server.serve(app).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("mcp_authorization_server", run().await)
}
