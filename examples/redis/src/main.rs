//! The command line of the token server; see its README.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use token_server_redis::{Store, router};
use tower_client_auth::{AuthMethod, BoxError};

const USAGE: &str = "usage, with REDIS_URL in the environment:
  token-server-redis register ID [--method METHOD] [--name NAME]
  token-server-redis rotate ID --label LABEL [--overlap SECONDS]
  token-server-redis serve [--listen ADDR] [--time-to-live SECONDS]";

#[derive(Default)]
struct Options {
    method: Option<String>,
    name: Option<String>,
    label: Option<String>,
    overlap: Option<u64>,
    listen: Option<SocketAddr>,
    time_to_live: Option<u64>,
}

async fn run() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().ok_or(USAGE)?;
    let id = match command.as_str() {
        "register" | "rotate" => arguments.next().ok_or(USAGE)?,
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
            "--time-to-live" => options.time_to_live = Some(value.parse()?),
            _ => return Err(USAGE.into()),
        }
    }
    let url = std::env::var("REDIS_URL").map_err(|_unset| "REDIS_URL is not set")?;
    let store = Store::open(&url)?;
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
        "serve" => {
            let listen = options.listen.unwrap_or(([127, 0, 0, 1], 8080).into());
            let listener = tokio::net::TcpListener::bind(listen).await?;
            println!("listening on http://{}", listener.local_addr()?);
            let time_to_live = Duration::from_secs(options.time_to_live.unwrap_or(30));
            axum::serve(listener, router(store, time_to_live)).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        eprintln!("token-server-redis: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
