//! The layers, and the requests to them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aws_lc_rs::hmac;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tower_client_auth::{
    ClientAuthLayer, ClientProvider, ClientSecret, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    attestation::{Attesters, TrustAnchors},
    provider::{CachedProvider, MemoryProvider},
    replay::{MemoryReplayStore, RedisReplayStore, ReplayStore},
};

use crate::{
    ATTESTED, SECRET, SIGNED,
    rows::{Attester, Job, Outcome, Replay, Row, Store},
    run::{RUNTIME, Run, at_once, one_by_one},
    support::{
        BoxError,
        assertions::{self, CLAIMS, ISSUER, NOW},
        attestations,
        clients::Client,
        redis::{self, Redis},
        work::{self, Frames, Shape},
    },
};

const CLIENTS: u64 = 100;
/// Long enough for HS512.
const MAC_SECRET: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkdBjftJeZ4CVP-mB92K27u";

/// One assertion, again and again: for the store it is another each time.
struct Fresh<S>(S, AtomicU64);

impl<S: ReplayStore> ReplayStore for Fresh<S> {
    type Error = S::Error;

    async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, S::Error> {
        let jti = format!("{jti}{}", self.1.fetch_add(1, Relaxed));
        self.0.claim(client_id, &jti, until).await
    }
}

/// Ready to ask. `None` if that needs a Redis, and there is none.
pub(super) fn prepare(
    (row, outcome): &Job,
    redis: Option<&Redis>,
) -> Result<Option<Run>, BoxError> {
    let outcome = *outcome;
    Ok(Some(match row {
        Row::Secret(method, store) => {
            let (method, store) = (*method, *store);
            let clients = (0..CLIENTS).map(|n| with_secret(n, store));
            let clients = MemoryProvider::from_iter(clients);
            let request = move || secret_request(method, outcome);
            if store == Store::Cached {
                let clients = CachedProvider::new(clients).clock(Clock::fixed(NOW));
                one_by_one(with_decoy(clients, store), request, outcome.status())
            } else {
                one_by_one(with_decoy(clients, store), request, outcome.status())
            }
        }
        Row::Assertion(alg, key) => {
            let store = MemoryReplayStore::new(1_000_000).clock(Clock::fixed(NOW));
            let assertions = Assertions::new(ISSUER, Fresh(store, AtomicU64::new(0)))?;
            let layer = with_assertions(key.as_ref(), outcome, assertions)?;
            one_by_one(layer, assertion_request(alg, key.as_ref(), outcome), outcome.status())
        }
        Row::Attestation(attester) => {
            let request = attested_request(*attester, outcome)?;
            one_by_one(with_attester(*attester, outcome)?, request, outcome.status())
        }
        Row::Replay(replay) => {
            let fresh = AtomicU64::new(0);
            let assertions = match replay {
                Replay::Without => Assertions::dangerously_without_replay_protection(ISSUER)?,
                Replay::Memory => {
                    let store = MemoryReplayStore::new(1_000_000).clock(Clock::fixed(NOW));
                    Assertions::new(ISSUER, Fresh(store, fresh))?
                }
                Replay::Redis => {
                    let Some(redis) = redis else { return Ok(None) };
                    let client = ::redis::Client::open(redis::url(redis.address))?;
                    let connection = RUNTIME.block_on(client.get_multiplexed_async_connection())?;
                    Assertions::new(ISSUER, Fresh(RedisReplayStore::new(connection), fresh))?
                }
            };
            let layer = with_assertions(None, outcome, assertions)?;
            let request = assertion_request("HS256", None, outcome);
            if *replay == Replay::Redis {
                at_once(layer, request)
            } else {
                one_by_one(layer, request, outcome.status())
            }
        }
    }))
}

/// As if a client with such a secret had been seen.
fn with_decoy<P: ClientProvider>(clients: P, store: Store) -> ClientAuthLayer<P> {
    ClientAuthLayer::new(clients).decoy(store.secret())
}

/// Every fourth client has the same method.
fn with_secret(n: u64, store: Store) -> RegisteredClient<()> {
    let (id, secret) = (Client::new(n).id, [store.secret()]);
    match n % 4 {
        1 => RegisteredClient::secret_post(id, secret, ()),
        2 => RegisteredClient::public(id, ()),
        _ => RegisteredClient::secret_basic(id, secret, ()),
    }
}

/// A code grant of 300 bytes, as curl sends it.
fn secret_request(method: &str, outcome: Outcome) -> Request<Frames> {
    // A public client has no secret that could be wrong: one that has a secret comes without.
    let number = match (method, outcome) {
        ("client_secret_post", _) => 1,
        ("none", Outcome::Right | Outcome::Unknown) => 2,
        _ => 0,
    };
    let (mut id, mut secret) = (Client::new(number).id, SECRET.to_owned());
    match outcome {
        Outcome::Wrong => secret.replace_range(..1, "-"),
        Outcome::Unknown => id.replace_range(..1, "x"),
        _ => {}
    }
    let (authorization, in_form) = match method {
        "client_secret_basic" => (Some(work::basic(&id, &secret)), String::new()),
        "client_secret_post" => (None, format!("&client_id={id}&client_secret={secret}")),
        _ => (None, format!("&client_id={id}")),
    };
    let form = Frames::split(Shape::Usual.form(&in_form), usize::MAX);
    work::request(authorization.as_deref(), form)
}

fn with_assertions(
    key: Option<&Value>,
    outcome: Outcome,
    assertions: Assertions,
) -> Result<ClientAuthLayer<MemoryProvider<()>>, BoxError> {
    let clients = MemoryProvider::from_iter((0..CLIENTS).map(|n| with_secret(n, Store::Memory)));
    if outcome.is_of_known() {
        clients.insert(match key {
            None => {
                RegisteredClient::client_secret_jwt("batch", [ClientSecret::plain(MAC_SECRET)], ())
                    .map_err(|_unusable| "the secret is too short")?
            }
            Some(key) => {
                let mut key = key.clone();
                key["kid"] = "1".into();
                let keys = ClientKeys::from_jwks(&json!({ "keys": [key] }).to_string())?;
                RegisteredClient::private_key_jwt("batch", keys, ())
            }
        });
    }
    Ok(ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).assertions(assertions))
}

/// The chain in the header of an attestation, if it has one, and the authority of the chains.
fn certificates(attester: Attester) -> Result<Option<(Value, Vec<u8>)>, BoxError> {
    let Attester::Chain(certificates) = attester else { return Ok(None) };
    let mut attested: Value = serde_json::from_str(ATTESTED)?;
    let root = BASE64_STANDARD.decode(attested["root"].as_str().unwrap_or_default())?;
    Ok(Some((attested["chains"][certificates - 1].take(), root)))
}

fn with_attester(
    attester: Attester,
    outcome: Outcome,
) -> Result<ClientAuthLayer<MemoryProvider<()>>, BoxError> {
    let store = MemoryReplayStore::new(1_000_000).clock(Clock::fixed(NOW));
    let attesters = Attesters::new(ISSUER, Fresh(store, AtomicU64::new(0)))?;
    let attesters = match certificates(attester)? {
        None => attesters.trust("wallets", attestations::keys()?),
        Some((_, root)) => {
            attesters.trust_anchors("wallets", TrustAnchors::from_der([root])?, None)
        }
    };
    let clients = MemoryProvider::from_iter((0..CLIENTS).map(|n| with_secret(n, Store::Memory)));
    if outcome.is_of_known() {
        clients.insert(RegisteredClient::attested("batch", "wallets", ()));
    }
    Ok(ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).attestation(attesters))
}

fn attested_request(
    attester: Attester,
    outcome: Outcome,
) -> Result<impl Fn() -> Request<Frames> + use<>, BoxError> {
    let certificates = certificates(attester)?;
    let mut signed = attestations::signed(certificates.as_ref().map(|(chain, _)| chain));
    let [(_, signature), _] = &mut signed;
    if let Some(last) = signature.last_mut()
        && outcome != Outcome::Right
    {
        *last ^= 1;
    }
    Ok(attestations::request(&signed, Shape::Usual.form("")))
}

fn assertion_request(
    alg: &str,
    key: Option<&Value>,
    outcome: Outcome,
) -> impl Fn() -> Request<Frames> + use<> {
    let input = |kid| assertions::input(&format!(r#"{{"alg":"{alg}"{kid}}}"#), CLAIMS);
    let named = input(r#","kid":"1""#);
    let mut signature = signature(alg, key, named.as_bytes());
    // In the last byte, which leaves the numbers of every algorithm within their range.
    if let Some(last) = signature.last_mut()
        && outcome != Outcome::Right
    {
        *last ^= 1;
    }
    let input = if outcome.is_nameless() { input("") } else { named };
    let form = Bytes::from(assertions::form(&input, &signature));
    move || work::request(None, Frames::split(form.clone(), usize::MAX))
}

fn signature(alg: &str, key: Option<&Value>, input: &[u8]) -> Vec<u8> {
    let Some(key) = key else {
        let algorithm = match alg {
            "HS512" => hmac::HMAC_SHA512,
            "HS384" => hmac::HMAC_SHA384,
            _ => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, MAC_SECRET.as_bytes());
        return hmac::sign(&key, input).as_ref().to_vec();
    };
    let signed: Vec<Value> = serde_json::from_str(SIGNED).unwrap_or_default();
    let signed = signed.iter().find(|signed| signed["key"] == *key);
    let signature = signed.and_then(|signed| signed["signatures"][alg].as_str());
    BASE64.decode(signature.unwrap_or_default()).unwrap_or_default()
}
