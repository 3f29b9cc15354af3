//! The command line of the token server; see its README.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use example_support::{Flags, Registration, Rotation, Server, variable};
use token_server_postgres::{Store, router};
use tower_client_auth::BoxError;

const USAGE: &str = "usage, with DATABASE_URL in the environment:
  token-server-postgres migrate
  token-server-postgres register ID [--method METHOD] [--name NAME]
  token-server-postgres rotate ID --label LABEL [--overlap SECONDS]
  token-server-postgres serve [--listen ADDR] [--cache SECONDS]";

async fn run() -> Result<(), BoxError> {
    let mut flags = Flags::new(USAGE);
    let command = flags.word()?;
    let store = Store::open(&variable("DATABASE_URL")?)?;
    match command.as_str() {
        "migrate" => {
            flags.end()?;
            store.migrate().await?;
        }
        "register" => {
            let Registration { id, method, name, .. } = Registration::read(&mut flags)?;
            if let Some(secret) = store.register(&id, &method, &name).await? {
                println!("{}", secret.expose());
            }
        }
        "rotate" => {
            let Rotation { id, label, overlap, .. } = Rotation::read(&mut flags)?;
            println!("{}", store.rotate(&id, &label, overlap).await?.expose());
        }
        "serve" => {
            let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
            let mut cache = None;
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--listen" => listen = flags.address()?,
                    "--cache" => cache = Some(Duration::from_secs(flags.value()?)),
                    _ => return Err(flags.unknown()),
                }
            }
            let server = Server::bind(listen).await?;
            server.announce();
            server.serve(router(store, cache)).await?;
        }
        _ => return Err(flags.usage()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("token-server-postgres", run().await)
}
