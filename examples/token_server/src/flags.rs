//! The command line.
//!
//! - `--listen ADDR` listens elsewhere.
//! - `--clients FILE` takes a JSON array of RFC 7591 client metadata instead of the built-in clients.
//! - `--issuer URL` is the issuer identifier, if it is not the address.
//! - `--clock-offset SECONDS` is how far the clock of the server is ahead, or with a minus behind.
//! - `--raw-basic` accepts clients that do not form-encode their Basic credentials.
//! - `--throttle` lets those wait who fail more than ten times a minute.
//! - `--legacy-assertions` accepts assertions that name an endpoint or live an hour, and
//!   `--strict-assertions` only those of FAPI 2.0 that say what they are; both need the feature `jwt`.

use std::{net::SocketAddr, time::Instant};

use axum::http::Uri;
use example_support::{Flags, needs_feature};
use tower_client_auth::{BoxError, Clock};

const USAGE: &str = "usage: token_server [--listen ADDR] [--clients FILE] [--issuer URL] \
    [--clock-offset SECONDS] [--raw-basic] [--throttle] [--legacy-assertions] [--strict-assertions]";

pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) clients: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) raw_basic: bool,
    pub(crate) throttle: bool,
    pub(crate) legacy_assertions: bool,
    pub(crate) strict_assertions: bool,
}

pub(crate) fn read() -> Result<Settings, BoxError> {
    let mut settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        clients: None,
        issuer: None,
        clock: Clock::system(),
        raw_basic: false,
        throttle: false,
        legacy_assertions: false,
        strict_assertions: false,
    };
    let mut flags = Flags::new(USAGE);
    while let Some(name) = flags.next() {
        match name.as_str() {
            "--listen" => settings.listen = flags.address()?,
            "--clients" => settings.clients = Some(flags.value()?),
            "--issuer" => settings.issuer = Some(issuer(flags.value()?)?),
            "--clock-offset" => settings.clock = ahead(flags.value()?),
            "--raw-basic" => settings.raw_basic = true,
            "--throttle" => settings.throttle = true,
            "--legacy-assertions" | "--strict-assertions" if cfg!(not(feature = "jwt")) => {
                return Err(needs_feature(&name, "jwt"));
            }
            "--legacy-assertions" => settings.legacy_assertions = true,
            "--strict-assertions" => settings.strict_assertions = true,
            _ => return Err(flags.unknown()),
        }
    }
    Ok(settings)
}

/// RFC 8414 §2: a URL without query and fragment. The endpoints are below it, so it does not end with a slash; and
/// it may be `http` here, to try things out.
fn issuer(text: String) -> Result<String, BoxError> {
    let url: Option<Uri> = text.parse().ok();
    let is_url = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none()
    });
    if is_url && !text.contains('#') && !text.ends_with('/') {
        return Ok(text);
    }
    let text = text.escape_debug();
    Err(format!("--issuer: {text} is no issuer; it is such as https://as.example").into())
}

/// The clock of the system, put forward.
fn ahead(seconds: i64) -> Clock {
    let system = Clock::system();
    Clock::new(move || system.unix_seconds().saturating_add(seconds), Instant::now)
}
