//! Who the clients are, how they are authenticated, and what upstreams are told.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::config::reader::{At, Table};

/// Where the clients are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clients {
    /// Nowhere, which is a mistake that has been noted.
    Missing,
    File {
        path: At<PathBuf>,
        /// Between two looks at it.
        poll: Duration,
        /// Whose servers on loopback addresses may publish keys, too.
        loopback_keys: Option<At<PathBuf>>,
    },
    Postgres {
        url: At<String>,
        /// How long they are remembered.
        cache: Duration,
    },
}

/// Where something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Redis,
}

const STORES: [(&str, Store); 2] = [("memory", Store::Memory), ("redis", Store::Redis)];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assertions {
    pub(crate) issuer: At<String>,
    pub(crate) legacy_audiences: Vec<String>,
    pub(crate) replay: At<Store>,
    /// Of the store in memory.
    pub(crate) capacity: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Throttle {
    pub(crate) store: At<Store>,
    pub(crate) per_client: u32,
    pub(crate) per_address: u32,
    pub(crate) period: Duration,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted: Vec<IpNet>,
}

/// Where client certificates come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Certificates {
    pub(crate) line: usize,
    pub(crate) source: CertificateSource,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CertificateSource {
    Connection,
    Header { name: HeaderName, encoding: Encoding, trusted: Vec<IpNet>, verified: Verified },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    ClientCert,
    EscapedPem,
    Base64Der,
    Base64DerChain,
    SpacedPem,
    Xfcc,
}

/// Which of them are verified.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verified {
    Never,
    If(HeaderName, HeaderValue),
    ByProxy,
}

/// The headers that say who the client is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity {
    pub(crate) client_id: Option<At<String>>,
    pub(crate) auth_method: Option<At<String>>,
    pub(crate) thumbprint: Option<At<String>>,
    pub(crate) signed: Option<Signed>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signed {
    pub(crate) header: At<String>,
    pub(crate) key: At<PathBuf>,
    pub(crate) publish: Vec<At<PathBuf>>,
    pub(crate) issuer: At<String>,
    pub(crate) lifetime: Duration,
}

impl Clients {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let (file, postgres) = (table.file("file"), table.secret("postgres"));
        let poll = table.seconds("poll_seconds", 2);
        let loopback_keys = table.file("allow_loopback_keys");
        let cache = table.seconds("cache_seconds", 30);
        match (file, postgres) {
            (Some(path), None) => {
                table.refuse(&["cache_seconds"], "is for clients in `postgres`");
                Some(Self::File { path, poll, loopback_keys })
            }
            (None, Some(url)) => {
                table
                    .refuse(&["poll_seconds", "allow_loopback_keys"], "is for clients in a `file`");
                Some(Self::Postgres { url, cache })
            }
            (Some(_), Some(postgres)) => {
                table.note(postgres.line, "clients are in a `file` or in `postgres`, not in both");
                None
            }
            (None, None) => {
                if !table.has("file") && !table.has("postgres") {
                    table.note(table.line(), "[clients] needs `file` or `postgres`");
                }
                None
            }
        }
    }
}

impl Assertions {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let issuer = table.required("issuer", table.text("issuer"));
        let legacy_audiences = table.texts("legacy_audiences").unwrap_or_default();
        let replay = table.one_of("replay", &STORES);
        let capacity = table.number("replay_capacity", 1..=100_000_000);
        if replay.as_ref().is_some_and(|replay| replay.value == Store::Redis) {
            table.refuse(&["replay_capacity"], "is for used assertions in memory");
        }
        if replay.is_none() && table.has("replay") {
            return None;
        }
        Some(Self {
            issuer: issuer?,
            legacy_audiences: legacy_audiences.into_iter().map(|url| url.value).collect(),
            replay: replay.unwrap_or(At { value: Store::Memory, line: table.line() }),
            capacity: capacity.map_or(100_000, |number| number.value) as usize,
        })
    }
}

const NETWORKS: &str = "an address or a network, such as `\"10.0.0.0/8\"`";

fn networks(table: &Table<'_>, key: &'static str) -> Vec<IpNet> {
    let texts = table.texts(key).unwrap_or_default().into_iter();
    let networks = texts.filter_map(|At { value, line }| {
        let address = || value.parse::<IpAddr>().ok().map(IpNet::from);
        let network: Option<IpNet> = value.parse().ok().or_else(address);
        match network {
            None => table.note(line, format!("{value:?} in `{key}` is not {NETWORKS}")),
            // Whoever connects could write what is believed.
            Some(network) if network.prefix_len() == 0 => {
                table.note(line, format!("{value:?} in `{key}` is everybody, not a proxy"));
            }
            Some(_) => {}
        }
        network
    });
    networks.collect()
}

impl Throttle {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let store = table.one_of("store", &STORES);
        let per_client = table.number("per_client", 1..=1_000_000);
        let per_address = table.number("per_address", 1..=1_000_000);
        let count = |number: Option<At<u64>>, default| {
            number.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(default)
        };
        let (period, trusted) =
            (table.seconds("period_seconds", 60), networks(table, "trusted_proxies"));
        if store.is_none() && table.has("store") {
            return None;
        }
        Some(Self {
            store: store.unwrap_or(At { value: Store::Memory, line: table.line() }),
            per_client: count(per_client, 10),
            per_address: count(per_address, 100),
            period,
            trusted,
        })
    }
}

impl Certificates {
    /// The proxies that write the header.
    pub(crate) fn trusted(&self) -> &[IpNet] {
        match &self.source {
            CertificateSource::Connection => &[],
            CertificateSource::Header { trusted, .. } => trusted,
        }
    }

    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        const NAME: &str = "the name of a header";
        let source = table.one_of("source", &[("connection", false), ("header", true)]);
        let source = table.required("source", source);
        let encoding = table.one_of(
            "encoding",
            &[
                ("client-cert", Encoding::ClientCert),
                ("escaped-pem", Encoding::EscapedPem),
                ("base64-der", Encoding::Base64Der),
                ("base64-der-chain", Encoding::Base64DerChain),
                ("spaced-pem", Encoding::SpacedPem),
                ("xfcc", Encoding::Xfcc),
            ],
        );
        let name = table.parsed::<HeaderName>("header", NAME);
        let trusted = networks(table, "trusted_proxies");
        let verified_header = table.parsed::<HeaderName>("verified_header", NAME);
        let verified_value =
            table.parsed::<HeaderValue>("verified_value", "the value of a header, and not empty");
        let by_proxy = table.flag("verified_by_proxy");
        let source = source?;
        if !source.value {
            let of_headers = [
                "encoding",
                "header",
                "trusted_proxies",
                "verified_header",
                "verified_value",
                "verified_by_proxy",
            ];
            table.refuse(&of_headers, "is for certificates of a header");
            return Some(Self { line: source.line, source: CertificateSource::Connection });
        }
        let encoding = table.required("encoding", encoding)?.value;
        let name = match encoding {
            Encoding::ClientCert | Encoding::Xfcc => {
                table.refuse(&["header"], "is not for this encoding, whose header has a name");
                HeaderName::from_static("client-cert")
            }
            _ => table.required("header", name)?.value,
        };
        if table.length("trusted_proxies") == 0 {
            table.note(table.line(), "certificates of a header need `trusted_proxies`");
        }
        let verified = match (verified_header, verified_value) {
            (Some(header), Some(value)) => {
                let why = "says that all are verified, and `verified_header` which of them are";
                table.refuse(&["verified_by_proxy"], why);
                Verified::If(header.value, value.value)
            }
            _ if ["verified_header", "verified_value"].map(|key| table.has(key))
                == [true, true] =>
            {
                return None;
            }
            (None, None) if by_proxy => Verified::ByProxy,
            (None, None) => Verified::Never,
            (Some(At { line, .. }), None) | (None, Some(At { line, .. })) => {
                table.note(line, "`verified_header` and `verified_value` belong together");
                Verified::Never
            }
        };
        let source = CertificateSource::Header { name, encoding, trusted, verified };
        Some(Self { line: table.line(), source })
    }
}

impl Identity {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let signed = table.table("signed");
        let signed = signed.as_ref().and_then(Signed::read);
        let [client_id, auth_method, thumbprint] =
            ["client_id", "auth_method", "thumbprint"].map(|key| table.text(key));
        let are_read = [
            ("client_id", client_id.is_some()),
            ("auth_method", auth_method.is_some()),
            ("thumbprint", thumbprint.is_some()),
            ("signed", signed.is_some()),
        ];
        let are_read = are_read.into_iter().all(|(key, is_read)| is_read || !table.has(key));
        are_read.then_some(Self { client_id, auth_method, thumbprint, signed })
    }
}

impl Signed {
    fn read(table: &Table<'_>) -> Option<Self> {
        let header = table.text("header");
        let key = table.required("key", table.file("key"));
        let publish = table.files("publish");
        let issuer = table.required("issuer", table.text("issuer"));
        let lifetime = table.number("lifetime_seconds", 1..=60);
        let line = table.line();
        Some(Self {
            header: header.unwrap_or(At { value: "x-client-identity".to_owned(), line }),
            key: key?,
            publish,
            issuer: issuer?,
            lifetime: Duration::from_secs(lifetime.map_or(60, |lifetime| lifetime.value)),
        })
    }
}
