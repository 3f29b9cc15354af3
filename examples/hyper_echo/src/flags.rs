//! The command line, most of which is for tests that compare answers: `--at UNIX_SECONDS` stops the
//! clock, `--mcp-python-sdk` and `--mcp-python-sdk-revocation` answer as the endpoints of that SDK do.
//! With the feature `jwt`, `--issuer URL` accepts assertions that are meant for this issuer.

use std::net::SocketAddr;

use example_support::{Flags, needs_feature};
use tower_client_auth::{BoxError, ClientAuthLayer, Clock, provider::MemoryProvider};

const USAGE: &str = "usage: hyper_echo --listen ADDR --clients FILE [--at UNIX_SECONDS] \
    [--issuer URL] [--mcp-python-sdk | --mcp-python-sdk-revocation]";

type Layer = ClientAuthLayer<MemoryProvider>;

pub(crate) fn read() -> Result<(SocketAddr, Layer), BoxError> {
    let (mut listen, mut clients, mut at, mut issuer) = (None, None, None, None);
    let mut new: fn(MemoryProvider) -> Layer = ClientAuthLayer::new;
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => listen = Some(flags.value()?),
            "--clients" => clients = Some(flags.value::<String>()?),
            "--at" => at = Some(flags.value::<i64>()?),
            "--mcp-python-sdk" => new = ClientAuthLayer::mcp_python_sdk,
            "--mcp-python-sdk-revocation" => new = ClientAuthLayer::mcp_python_sdk_revocation,
            "--issuer" if cfg!(not(feature = "jwt")) => return Err(needs_feature(&name, "jwt")),
            "--issuer" => issuer = Some(flags.value::<String>()?),
            _ => return Err(flags.unknown()),
        }
    }
    let (Some(listen), Some(clients)) = (listen, clients) else { return Err(flags.usage()) };
    let (clients, invalid) = MemoryProvider::from_json_file(clients)?;
    for record in invalid {
        eprintln!("warning: {record}");
    }
    let clock = at.map_or_else(Clock::system, Clock::fixed);
    let layer = new(clients).clock(clock.clone());
    match issuer {
        Some(issuer) => Ok((listen, accept_assertions(layer, &issuer, clock)?)),
        None => Ok((listen, layer)),
    }
}

#[cfg(feature = "jwt")]
fn accept_assertions(layer: Layer, issuer: &str, clock: Clock) -> Result<Layer, BoxError> {
    use tower_client_auth::{assertion::Assertions, replay::MemoryReplayStore};

    let replay = MemoryReplayStore::default().clock(clock);
    Ok(layer.assertions(Assertions::new(issuer, replay)?))
}

#[cfg(not(feature = "jwt"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn accept_assertions(layer: Layer, _issuer: &str, _clock: Clock) -> Result<Layer, BoxError> {
    Ok(layer)
}
