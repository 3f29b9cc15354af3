//! The command line of the token server; see its README.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use token_server_sqlite::{Store, router};
use tower_client_auth::{AuthMethod, BoxError};

const USAGE: &str = "usage, with DATABASE_FILE in the environment:
  token-server-sqlite register ID [--method METHOD] [--name NAME]
  token-server-sqlite rotate ID --label LABEL [--overlap SECONDS]
  token-server-sqlite import ID --label LABEL --phc HASH
  token-server-sqlite serve [--listen ADDR]";

#[derive(Default)]
struct Options {
    method: Option<String>,
    name: Option<String>,
    label: Option<String>,
    overlap: Option<u64>,
    listen: Option<SocketAddr>,
    phc: Option<String>,
}

async fn run() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().ok_or(USAGE)?;
    let id = match command.as_str() {
        "register" | "rotate" | "import" => arguments.next().ok_or(USAGE)?,
        _ => String::new(),
    };
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--method" => options.method = Some(value),
            "--name" => options.name = Some(value),
            "--label" => options.label = Some(value),
            "--overlap" => options.overlap = Some(value.parse()?),
            "--listen" => options.listen = Some(value.parse()?),
            "--phc" => options.phc = Some(value),
            _ => return Err(USAGE.into()),
        }
    }
    let file = std::env::var("DATABASE_FILE").map_err(|_unset| "DATABASE_FILE is not set")?;
    let store = Store::open(&file).await?;
    match command.as_str() {
        "register" => {
            let method = options.method.as_deref().unwrap_or("client_secret_basic");
            let name = options.name.as_deref().unwrap_or(&id);
            if let Some(secret) = store.register(&id, &AuthMethod::from(method), name).await? {
                println!("{}", secret.expose());
            }
        }
        "rotate" => {
            let label = options.label.ok_or(USAGE)?;
            let overlap = Duration::from_secs(options.overlap.unwrap_or(24 * 60 * 60));
            println!("{}", store.rotate(&id, &label, overlap).await?.expose());
        }
        "import" => {
            let (label, phc) = (options.label.ok_or(USAGE)?, options.phc.ok_or(USAGE)?);
            store.import(&id, &label, &phc).await?;
        }
        "serve" => {
            let listen = options.listen.unwrap_or(([127, 0, 0, 1], 8080).into());
            let listener = tokio::net::TcpListener::bind(listen).await?;
            println!("listening on http://{}", listener.local_addr()?);
            axum::serve(listener, router(store)).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        eprintln!("token-server-sqlite: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
