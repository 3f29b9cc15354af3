//! The gateway under load: whether each answer is right, and what a request costs.
//!
//! ```text
//! cargo build --release -p gateway --features redis --examples --bins
//! REDIS_SERVER=redis-server target/release/examples/load soak --seconds 600
//! NGINX_PROGRAM=nginx target/release/examples/load speed --seconds 10
//! ```
//!
//! `soak` sends every kind of request, while the configuration is read again each five seconds and Redis is killed and
//! started again each fifteen. Status 1 is a wrong answer, or one that did not come. `speed` compares with a proxy that does not
//! authenticate, and with nginx that asks the gateway.

mod requests;
mod servers;
mod soak;
mod speed;

use std::{process::ExitCode, time::Duration};

use example_support::Flags;
use tower_client_auth::BoxError;

const USAGE: &str = "usage: load soak|speed [--seconds N]";

async fn run() -> Result<bool, BoxError> {
    let mut flags = Flags::new(USAGE);
    let command = flags.word()?;
    // What the programs are that it starts.
    if command == "static" {
        return servers::static_answers().await;
    }
    if command == "bare" {
        return servers::bare_proxy(flags.value()?).await;
    }
    let mut seconds = 10;
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--seconds" => seconds = flags.value()?,
            _ => return Err(flags.unknown()),
        }
    }
    let time = Duration::from_secs(seconds);
    match command.as_str() {
        "soak" => soak::run(time).await,
        "speed" => speed::run(time).await,
        _ => Err(flags.usage()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => example_support::exit("load", Err(error)),
    }
}
