//! The command line of the token server; see its README.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use example_support::{DocumentFlags, Flags, Registration, Rotation, Server, variable};
use token_server_redis::{Client, Store, layer, router};
use tower_client_auth::{BoxError, assertion::Assertions};

const USAGE: &str = "usage, with REDIS_URL in the environment:
  token-server-redis register ID [--method METHOD] [--name NAME]
  token-server-redis rotate ID --label LABEL [--overlap SECONDS]
  token-server-redis keep URL --metadata-documents any|HOST,HOST... [--allow-loopback-documents CA.pem]
  token-server-redis serve [--listen ADDR] [--time-to-live SECONDS] [--issuer URL] \
      [--metadata-documents any|HOST,HOST... [--allow-loopback-documents CA.pem] [--known-only]]";

async fn run() -> Result<(), BoxError> {
    let mut flags = Flags::new(USAGE);
    let command = flags.word()?;
    let store = Store::open(&variable("REDIS_URL")?)?;
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
        "keep" => {
            let client_id = flags.word()?;
            let mut documents = DocumentFlags::default();
            while let Some(flag) = flags.next() {
                if !documents.take(&flag, &mut flags)? {
                    return Err(flags.unknown());
                }
            }
            let documents = documents.documents(["private_key_jwt"].into_iter())?;
            let documents = documents.ok_or_else(|| flags.usage())?.store(store.documents());
            documents.keep(&client_id).await?;
        }
        "serve" => {
            let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
            let mut time_to_live = Duration::from_secs(30);
            let (mut issuer, mut known_only) = (None, false);
            let mut documents = DocumentFlags::default();
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--listen" => listen = flags.address()?,
                    "--time-to-live" => time_to_live = Duration::from_secs(flags.value()?),
                    "--issuer" => issuer = Some(flags.value::<String>()?),
                    "--known-only" => known_only = true,
                    flag if documents.take(flag, &mut flags)? => {}
                    _ => return Err(flags.unknown()),
                }
            }
            let layer = layer(&store, time_to_live);
            let layer = match issuer {
                Some(issuer) => layer.assertions(
                    Assertions::new(&issuer, store.used_assertions())?
                        .jwks_source(documents.jwks_source()?),
                ),
                None => layer,
            };
            let app = match documents.documents(layer.auth_methods_supported())? {
                Some(documents) => {
                    let documents = if known_only {
                        documents.known_only(store.documents())
                    } else {
                        documents.store(store.documents())
                    };
                    router(layer.metadata_documents_as(documents, Client::described))
                }
                None => router(layer),
            };
            let server = Server::bind(listen).await?;
            server.announce();
            server.serve(app).await?;
        }
        _ => return Err(flags.usage()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("token-server-redis", run().await)
}
