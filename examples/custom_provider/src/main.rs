//! A store of your own, with an audit trail: what the database was asked, and what was decided.
//!
//! ```text
//! cargo run -p custom_provider
//! curl -u reports:8vTq3ZfK -d grant_type=client_credentials http://127.0.0.1:8080/token
//! curl -u reports:guessed -d grant_type=client_credentials http://127.0.0.1:8080/token
//! ```
//!
//! The trail is written to stdout, a line of JSON for each record; `audit.rs` is what writes it.
//! `--listen ADDR` listens elsewhere.

mod audit;

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{Json, Router, routing::any};
use example_support::{Flags, Server, print_refusal};
use serde_json::{Value, json};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, ClientProvider, ClientSecret,
    Limits, OAuthError, RegisteredClient,
};

use crate::audit::{Answer, Audit};

const USAGE: &str = "usage: custom_provider [--listen ADDR]";

/// What this application knows about a client.
struct Application {
    team: &'static str,
    scopes: &'static [&'static str],
}

/// Instead of a database pool.
struct Database;

struct Row {
    client_id: &'static str,
    /// `None` for a public client. A real table has the digest alone.
    secret: Option<&'static str>,
    team: &'static str,
    scopes: &'static [&'static str],
}

const TABLE: [Row; 2] = [
    Row { client_id: "reports", secret: Some("8vTq3ZfK"), team: "finance", scopes: &["read"] },
    Row { client_id: "desktop", secret: None, team: "support", scopes: &["read", "write"] },
];

impl Database {
    /// `SELECT * FROM clients WHERE client_id = $1`. Like many databases it ignores case.
    async fn row(&self, client_id: &str) -> io::Result<Option<&'static Row>> {
        if client_id == "legacy" {
            return Err(io::Error::other("this shard is down"));
        }
        Ok(TABLE.iter().find(|row| row.client_id.eq_ignore_ascii_case(client_id)))
    }
}

/// The database, and the trail of what it was asked.
struct Clients {
    database: Database,
    audit: Audit,
}

impl ClientProvider for Clients {
    type Client = Application;
    type Error = io::Error;

    async fn find_client(&self, id: &str) -> io::Result<Option<RegisteredClient<Application>>> {
        let found = self.database.row(id).await;
        self.audit.look_up(
            id,
            match &found {
                Ok(Some(_)) => Answer::Found,
                Ok(None) => Answer::Unknown,
                Err(_) => Answer::Outage,
            },
        );
        // An outage is an error and answered 503; `None` is an unknown client, answered 401.
        Ok(found?.map(|row| {
            let client = Application { team: row.team, scopes: row.scopes };
            // With the id of the row, not the one that was asked for: then the layer sees that the
            // database gave the row of another client, and refuses it.
            match row.secret {
                Some(secret) => {
                    let secret = ClientSecret::sha256_of(secret);
                    RegisteredClient::secret_basic(row.client_id, [secret], client)
                }
                None => RegisteredClient::public(row.client_id, client),
            }
        }))
    }
}

async fn token(client: AuthenticatedClient<Application>) -> Result<Json<Value>, OAuthError> {
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if *client.method() == AuthMethod::None {
        return Err(OAuthError::UNAUTHORIZED_CLIENT);
    }
    let Application { team, scopes } = client.client();
    Ok(Json(json!({ "client_id": client.client_id(), "team": team, "scope": scopes.join(" ") })))
}

async fn run() -> Result<(), BoxError> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = flags.address()?,
            _ => return Err(flags.unknown()),
        }
    }
    let server = Server::bind(listen).await?;
    server.announce();

    let audit = Audit::start();
    let clients = Clients { database: Database, audit: audit.clone() };
    let layer = ClientAuthLayer::new(clients)
        .limits(
            Limits::new()
                .body_deadline(Duration::from_secs(10))
                .provider_deadline(Duration::from_secs(2)),
        )
        .on_outcome(move |outcome| {
            audit.decision(outcome);
            print_refusal(outcome);
        });
    server.serve(Router::new().route("/token", any(token)).route_layer(layer)).await
}

#[tokio::main]
async fn main() -> ExitCode {
    example_support::exit("custom_provider", run().await)
}
