//! What the price list has a line for, and a cell.

use std::sync::LazyLock;

use http::StatusCode;
use serde_json::Value;
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, assertion::Assertions, attestation::Attesters,
    provider::MemoryProvider,
};

use crate::{
    SECRET, SIGNED,
    support::{
        BoxError,
        argon2id::argon2id,
        assertions::{Forgetful, ISSUER},
        attestations,
    },
};

/// How secrets are stored, and clients found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Store {
    Memory,
    Cached,
    Sha256,
    Argon2id,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Replay {
    Without,
    Memory,
    Redis,
}

/// What an attester is known by. All is signed with ES256.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Attester {
    Jwk,
    /// The authority of its certificates, of which there are so many.
    Chain(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    Unknown,
    /// Without a `kid`, so that each key that fits could be the one.
    WrongNameless,
    UnknownNameless,
}

/// A line of the page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    Secret(&'static str, Store),
    /// An algorithm, and the key unless that is the secret.
    Assertion(&'static str, Option<Value>),
    Attestation(Attester),
    Replay(Replay),
}

pub(super) type Job = (Row, Outcome);

impl Store {
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Cached, Self::Sha256, Self::Argon2id];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "plain",
            Self::Cached => "plain, in a `CachedProvider`",
            Self::Sha256 => "SHA-256",
            Self::Argon2id => "argon2id, 19 MiB, t = 2",
        }
    }

    pub(super) fn secret(self) -> ClientSecret {
        static ARGON2ID: LazyLock<Option<ClientSecret>> = LazyLock::new(|| argon2id(SECRET).ok());
        match self {
            Self::Memory | Self::Cached => ClientSecret::plain(SECRET),
            Self::Sha256 => ClientSecret::sha256_of(SECRET),
            Self::Argon2id => ARGON2ID.clone().unwrap_or_else(|| ClientSecret::plain("")),
        }
    }
}

impl Replay {
    pub(super) const ALL: [Self; 3] = [Self::Without, Self::Memory, Self::Redis];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Without => "none, which accepts an assertion again and again",
            Self::Memory => "`MemoryReplayStore`",
            Self::Redis => "`RedisReplayStore`, 32 requests at a time",
        }
    }
}

impl Attester {
    pub(super) const ALL: [Self; 3] = [Self::Jwk, Self::Chain(1), Self::Chain(2)];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Jwk => "its key",
            Self::Chain(1) => "an authority; one certificate in `x5c`",
            Self::Chain(_) => "an authority; two certificates in `x5c`",
        }
    }
}

impl Outcome {
    pub(super) const ALL: [Self; 5] =
        [Self::Right, Self::Wrong, Self::Unknown, Self::WrongNameless, Self::UnknownNameless];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown client",
            Self::WrongNameless => "wrong, no `kid`",
            Self::UnknownNameless => "unknown, no `kid`",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Right => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) const fn is_nameless(self) -> bool {
        matches!(self, Self::WrongNameless | Self::UnknownNameless)
    }

    pub(super) const fn is_of_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::UnknownNameless)
    }
}

impl Row {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Secret(method, store) => format!("`{method}` | {}", store.name()),
            Self::Assertion(alg, None) => format!("{alg} | the secret"),
            Self::Assertion(alg, Some(key)) => format!("{alg} | {}", key_name(key)),
            Self::Attestation(attester) => format!("ES256 | {}", attester.name()),
            Self::Replay(replay) => replay.name().to_owned(),
        }
    }

    pub(super) fn outcomes(&self) -> &'static [Outcome] {
        match self {
            Self::Secret(..) | Self::Attestation(_) => {
                &[Outcome::Right, Outcome::Wrong, Outcome::Unknown]
            }
            Self::Assertion(..) => &Outcome::ALL,
            Self::Replay(_) => &[Outcome::Right],
        }
    }
}

/// As it is called on the page: its size, which tells what it costs.
pub(super) fn key_name(key: &Value) -> String {
    match key.get("n").and_then(Value::as_str) {
        Some(n) => format!("{} bits", n.len() * 6 / 64 * 64),
        None => key.get("crv").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// What the crate can check, all of it.
pub(super) fn rows() -> Result<Vec<Row>, BoxError> {
    let everything = ClientAuthLayer::new(MemoryProvider::<()>::new())
        .assertions(Assertions::dangerously_without_replay_protection(ISSUER)?)
        .attestation(Attesters::new(ISSUER, Forgetful)?.trust("wallets", attestations::keys()?));
    let methods: Vec<_> = everything.auth_methods_supported().collect();
    let (mut rows, mut attesters) = (Vec::new(), Vec::new());
    for method in methods {
        match method {
            "client_secret_basic" | "client_secret_post" | "none" => {
                rows.extend(Store::ALL.map(|store| Row::Secret(method, store)));
            }
            "client_secret_jwt" | "private_key_jwt" | "spiffe_jwt" => {}
            // Their requests cost what those of a public client do, see `budgets.toml`.
            "tls_client_auth" | "self_signed_tls_client_auth" => {}
            "attest_jwt_client_auth" => attesters.extend(Attester::ALL.map(Row::Attestation)),
            other => return Err(format!("the price list has no line for {other}").into()),
        }
    }
    let signed: Vec<Value> = serde_json::from_str(SIGNED)?;
    for alg in everything.auth_signing_algs_supported() {
        let before = rows.len();
        if alg.starts_with("HS") {
            rows.push(Row::Assertion(alg, None));
        }
        let keys = signed.iter().filter(|signed| signed["signatures"].get(alg).is_some());
        rows.extend(keys.map(|signed| Row::Assertion(alg, Some(signed["key"].clone()))));
        if rows.len() == before {
            return Err(format!("the price list has no line for {alg}").into());
        }
    }
    rows.append(&mut attesters);
    rows.extend(Replay::ALL.map(Row::Replay));
    Ok(rows)
}

pub(super) fn jobs(rows: &[Row]) -> Vec<Job> {
    let of = |row: &Row| row.outcomes().iter().map(|outcome| (row.clone(), *outcome)).collect();
    rows.iter().flat_map(|row| -> Vec<Job> { of(row) }).collect()
}
