//! The command line of the token server; see its README.

use std::{net::SocketAddr, process::ExitCode};

use example_support::{Flags, Registration, Rotation, Server, variable};
use token_server_sqlite::{Store, router};
use tower_client_auth::BoxError;

const USAGE: &str = "usage, with DATABASE_FILE in the environment:
  token-server-sqlite register ID [--method METHOD] [--name NAME]
  token-server-sqlite rotate ID --label LABEL [--overlap SECONDS]
  token-server-sqlite import ID --label LABEL --phc HASH
  token-server-sqlite serve [--listen ADDR]";

async fn run() -> Result<(), BoxError> {
    let mut flags = Flags::new(USAGE);
    let command = flags.word()?;
    let store = Store::open(&variable("DATABASE_FILE")?).await?;
    match command.as_str() {
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
        "import" => {
            let id = flags.word()?;
            let (mut label, mut phc) = (None, None);
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--label" => label = Some(flags.value::<String>()?),
                    "--phc" => phc = Some(flags.value::<String>()?),
                    _ => return Err(flags.unknown()),
                }
            }
            let (Some(label), Some(phc)) = (label, phc) else { return Err(flags.usage()) };
            store.import(&id, &label, &phc).await?;
        }
        "serve" => {
            let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--listen" => listen = flags.address()?,
                    _ => return Err(flags.unknown()),
                }
            }
            let server = Server::bind(listen).await?;
            server.announce();
            server.serve(router(store)).await?;
        }
        _ => return Err(flags.usage()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("token-server-sqlite", run().await)
}
