//! Starts the server: `mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE]`.

use std::{
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use mcp_authorization_server::{Store, router};

const USAGE: &str =
    "usage: mcp_authorization_server [--listen ADDR] [--issuer URL] [--database FILE]";

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|since| since.as_secs().try_into().ok()).unwrap_or(i64::MAX)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (mut issuer, mut database) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => listen = value()?.parse().map_err(|e| format!("--listen: {e}"))?,
            "--issuer" => issuer = Some(value()?.trim_end_matches('/').to_owned()),
            "--database" => database = Some(value()?),
            _ => return Err(format!("unknown argument {name:?}; {USAGE}").into()),
        }
    }
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let store = Store::open(database.as_deref()).await?;
    let app = router(store, issuer.as_deref().unwrap_or(&url), now)?;
    println!("listening on {url}");
    println!("the MCP server is {}/mcp", issuer.as_deref().unwrap_or(&url));
    axum::serve(listener, app).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        eprintln!("mcp_authorization_server: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
