//! A gateway: authenticates the clients of the servers behind it, from one file of configuration. Its README says
//! what can be in that file, and what it answers.
//!
//! ```text
//! cargo run -p gateway -- --config gateway.toml
//! ```
//!
//! | room | what is there |
//! |---|---|
//! | `config` | the file, and the lines of its mistakes |
//! | `check`, `methods` | what is wrong with it as a whole, and which methods it accepts |
//! | `running`, `signals` | starting, reloading and stopping |
//! | `listen`, `admission` | sockets, TLS, and connections: how many there may be, and how they end |
//! | `routes`, `paths` | which request goes where |
//! | `auth`, `identity`, `clients`, `redis` | the layer of each route, and what upstreams are told |
//! | `upstream`, `forward_auth` | what is behind the layer |
//! | `admin`, `telemetry`, `escape`, `wording` | what operators see |

mod admin;
mod admission;
mod answer;
mod auth;
mod check;
mod clients;
mod config;
mod escape;
mod forward_auth;
mod identity;
mod listen;
mod methods;
mod paths;
#[cfg_attr(not(feature = "redis"), path = "redis/disabled.rs")]
mod redis;
mod routes;
mod running;
mod signals;
mod telemetry;
mod upstream;
mod wording;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use example_support::Flags;
use tower_client_auth::BoxError;

use crate::{
    config::Mistake,
    running::Running,
    signals::{Signals, Told},
    telemetry::Level,
};

const USAGE: &str = "usage: gateway --config FILE [--check]";

/// All of them, a line for each.
fn explain(path: &Path, mistakes: &[Mistake]) -> BoxError {
    let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.of_file(path)).collect();
    lines.join("\n").into()
}

async fn run(path: PathBuf) -> Result<(), BoxError> {
    let level = Level::log()?;
    let metrics = telemetry::count()?;
    // Before it says that it listens: who reads that may send one at once.
    let mut signals = Signals::new()?;
    let running = Running::start(path.clone(), metrics, level).await;
    let mut running = running.map_err(|mistakes| explain(&path, &mistakes))?;
    while signals.next().await == Told::Reload {
        tokio::select! {
            () = running.reload() => {}
            // What is read may hang, as a pipe or a disk that is away does.
            () = signals.stop() => break,
        }
    }
    running.stop().await;
    Ok(())
}

fn read_flags() -> Result<(PathBuf, bool), BoxError> {
    let (mut path, mut check) = (None, false);
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--config" => path = Some(PathBuf::from(flags.value::<String>()?)),
            "--check" => check = true,
            _ => return Err(flags.unknown()),
        }
    }
    Ok((path.ok_or_else(|| flags.usage())?, check))
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return example_support::exit("gateway", Err(error.into())),
    };
    let code = runtime.block_on(program());
    // Dropped, it would wait for what is still read.
    runtime.shutdown_background();
    code
}

async fn program() -> ExitCode {
    let (path, check) = match read_flags() {
        Ok(flags) => flags,
        Err(error) => return example_support::exit("gateway", Err(error)),
    };
    let result = if check {
        running::check(&path)
            .map(|summary| println!("{summary}"))
            .map_err(|mistakes| explain(&path, &mistakes))
    } else {
        run(path).await
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // They name the file themselves.
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::from(2)
        }
    }
}
