//! Starts the server; the flags are those of [`USAGE`].

use std::{net::SocketAddr, process::ExitCode};

use example_support::{DocumentFlags, Flags, Server};
use mcp_authorization_server::{Settings, Store, router};
use sha2::{Digest, Sha256};
use tower_client_auth::BoxError;

const USAGE: &str = "usage: mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE|URL] \
    [--metadata-documents any|HOST,HOST...] [--allow-loopback-documents CA.pem] [--allow-origin ORIGIN]... \
    [--allow-client-credentials] [--initial-access-token-file FILE]

Clients get tokens that a user has agreed to. With --allow-client-credentials anybody may register a client, or publish
one, that gets tokens for itself: that is access for everybody. With --initial-access-token-file those may that register
with the token in FILE.";

/// As many as 32 random bytes have in base64url. It is not slow to guess.
const SHORTEST_TOKEN: usize = 43;

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut database, mut origins) = (None, None, Vec::new());
    let (mut allow_client_credentials, mut initial_access_token_sha256) = (false, None);
    let (mut flags, mut documents) = (Flags::new(USAGE), DocumentFlags::default());
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            "--issuer" => issuer = Some(flags.value::<String>()?.trim_end_matches('/').to_owned()),
            "--database" => database = Some(flags.value::<String>()?),
            "--allow-origin" => origins.push(flags.value()?),
            "--allow-client-credentials" => allow_client_credentials = true,
            "--initial-access-token-file" => {
                let text = std::fs::read_to_string(flags.value::<String>()?)?;
                let token = text.trim();
                if token.len() < SHORTEST_TOKEN {
                    return Err(format!("{name}: fewer than {SHORTEST_TOKEN} characters").into());
                }
                initial_access_token_sha256 = Some(Sha256::digest(token).into());
            }
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
    settings.allow_client_credentials = allow_client_credentials;
    settings.initial_access_token_sha256 = initial_access_token_sha256;
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
