//! Where it listens, and to how many.

use std::{net::SocketAddr, path::PathBuf};

use tracing::level_filters::LevelFilter;

use crate::config::reader::{At, Table};

pub(super) const ADDRESS: &str =
    "an IP address with a port, such as `\"127.0.0.1:8080\"`, and no name";

pub(super) const LEVELS: [(&str, LevelFilter); 4] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
];

/// How many of them callers may have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connections {
    pub(crate) all: Option<At<usize>>,
    pub(crate) per_address: Option<At<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listener {
    pub(crate) address: At<SocketAddr>,
    pub(crate) tls: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tls {
    pub(crate) line: usize,
    pub(crate) certificate: At<PathBuf>,
    pub(crate) key: At<PathBuf>,
    /// Whether clients are asked for a certificate. Any is taken.
    pub(crate) client_certificates: bool,
    /// Who verifies them.
    pub(crate) client_ca: Option<At<PathBuf>>,
}

impl Connections {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let [all, per_address] = ["max_connections", "max_connections_per_address"].map(|key| {
            let At { value, line } = table.number(key, 1..=u64::from(u32::MAX))?;
            Some(At { value: usize::try_from(value).unwrap_or(usize::MAX), line })
        });
        if let (Some(all), Some(per_address)) = (&all, &per_address)
            && per_address.value > all.value
        {
            let what = "`max_connections_per_address` must not be more than `max_connections`";
            table.note(per_address.line, what);
        }
        Self { all, per_address }
    }
}

impl Listener {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let address = table.required("address", table.parsed("address", ADDRESS));
        let tls = table.table("tls");
        let tls = match &tls {
            Some(tls) => Some(Tls::read(tls)?),
            None => None,
        };
        Some(Self { address: address?, tls })
    }
}

impl Tls {
    fn read(table: &Table<'_>) -> Option<Self> {
        let certificate = table.required("certificate", table.file("certificate"));
        let key = table.required("key", table.file("key"));
        let client_ca = table.file("client_ca");
        let any = table.flag("client_certificates");
        if client_ca.is_some() {
            table.refuse(&["client_certificates"], "is what `client_ca` does already");
        }
        Some(Self {
            line: table.line(),
            certificate: certificate?,
            key: key?,
            client_certificates: any || client_ca.is_some(),
            client_ca,
        })
    }
}
