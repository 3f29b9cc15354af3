//! What a recorder of the crate `metrics` is told. In a program of its own, because the recorder is one for
//! the process, and is installed once.

#![cfg(feature = "metrics")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroUsize,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use tower::{ServiceExt, service_fn};
use tower_client_auth::{
    BoxError, ClientAuthLayer, ClientSecret, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys, FetchedJwks, JwksCache, JwksSource},
    metadata_documents::{DocumentSource, FetchedDocument, MetadataDocuments},
    provider::{CachedProvider, provider_fn},
    replay::{MemoryReplayStore, ReplayStore},
    secret::HashPool,
};

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://as.example";
const HASH: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiBhIHRlc3QuLg$\
    pcrUp7eIW1wzpef1ou8QB3TtBxqcmRaMMZkReqGErUA";

static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

/// What is not at the address of the client is out of order.
struct Published;

impl JwksSource for Published {
    type Error = BoxError;

    async fn fetch(&self, jwks_uri: &str) -> Result<FetchedJwks, BoxError> {
        if jwks_uri != "https://client.example/jwks" {
            return Err("out of order".into());
        }
        let point = KEY.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y}]});
        Ok(FetchedJwks::new(keys.to_string().into(), None))
    }
}

impl DocumentSource for Published {
    type Error = BoxError;

    async fn fetch(&self, url: &str) -> Result<FetchedDocument, BoxError> {
        if OUT_OF_ORDER.load(Ordering::SeqCst) {
            return Err("out of order".into());
        }
        let document = json!({"client_id": url, "redirect_uris": ["https://client.example/"]});
        Ok(FetchedDocument::new(document.to_string().into(), None))
    }
}

/// Never answers a question.
struct NoStore;

impl ReplayStore for NoStore {
    type Error = BoxError;

    async fn claim(&self, _client_id: &str, _jti: &str, _until: i64) -> Result<bool, BoxError> {
        Err("out of order".into())
    }
}

static OUT_OF_ORDER: AtomicBool = AtomicBool::new(false);

fn client(id: &str) -> Result<Option<RegisteredClient<()>>, BoxError> {
    if OUT_OF_ORDER.load(Ordering::SeqCst) {
        return Err("the store is out of order".into());
    }
    let published =
        |uri| RegisteredClient::private_key_jwt(id, ClientKeys::jwks_uri(uri).unwrap(), ());
    Ok(Some(match id {
        "basic" => RegisteredClient::secret_basic(id, [ClientSecret::sha256_of("s3cr3t")], ()),
        "hashed" => RegisteredClient::secret_basic(id, [ClientSecret::phc(HASH)?], ()),
        "public" => RegisteredClient::public(id, ()),
        "keys" => published("https://client.example/jwks"),
        "keys-gone" => published("https://gone.example/jwks"),
        _ => return Ok(None),
    }))
}

fn nobody(_id: &str) -> Ready<Result<Option<RegisteredClient<()>>, BoxError>> {
    ready(Ok(None))
}

fn assertion(client_id: &str, jti: &str) -> String {
    let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = encode(json!({"alg": "ES256"}));
    let claims = encode(json!({
        "iss": client_id, "sub": client_id, "aud": ISSUER, "exp": NOW + 120, "jti": jti,
    }));
    let input = format!("{header}.{claims}");
    let signature = KEY.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn form(body: &str) -> Request<Full<Bytes>> {
    let head = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    head.body(Full::from(body.to_owned())).unwrap()
}

fn basic(pair: &str) -> Request<Full<Bytes>> {
    let mut request = form("");
    let value = format!("Basic {}", STANDARD.encode(pair));
    request.headers_mut().insert("authorization", value.parse().unwrap());
    request
}

fn signed(client_id: &str, jti: &str) -> Request<Full<Bytes>> {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let assertion = assertion(client_id, jti);
    form(&format!("client_assertion_type={kind}&client_assertion={assertion}"))
}

/// Counters and gauges by their value, histograms by how many values they have.
fn told(recorder: &Snapshotter) -> BTreeMap<String, f64> {
    let metrics = recorder.snapshot().into_vec();
    let told = metrics.into_iter().map(|(key, _, _, value)| {
        let labels = key.key().labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.key().name().to_owned() + &labels.collect::<String>();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        (name, value)
    });
    told.collect()
}

#[test]
fn recorder_is_told_of_every_decision_and_of_what_it_took() {
    // With one thread for hashes, which a test can keep busy.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(decide());
}

async fn decide() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    recorder.install().unwrap();

    let clock = Clock::fixed(NOW);
    let clients = CachedProvider::new(provider_fn(|id: &str| ready(client(id))))
        .stale_if_error(Duration::from_secs(3600))
        .clock(clock.clone());
    let replay = MemoryReplayStore::default().clock(clock.clone());
    let keys = JwksCache::new(Published).clock(clock.clone());
    let assertions = Assertions::new(ISSUER, replay).unwrap().jwks_source(keys);
    let layer = ClientAuthLayer::new(clients).assertions(assertions).clock(clock.clone());
    let answer = async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()));
    let service = tower::ServiceBuilder::new().layer(layer).service(service_fn(answer));
    let send = async |request| drop(service.clone().oneshot(request).await.unwrap());

    send(basic("basic:s3cr3t")).await;
    assert_eq!(told(&snapshots), BTreeMap::new(), "nothing is recorded before it is enabled");

    tower_client_auth::metrics::enable();
    send(basic("basic:s3cr3t")).await;
    send(basic("basic:wrong")).await;
    send(basic("{}\"=:wrong")).await;
    send(basic("hashed:wrong")).await;
    send(form("client_id=public")).await;
    send(form("")).await;
    send(Request::get("/token").body(Full::default()).unwrap()).await;
    send(signed("keys", "1")).await;
    send(signed("keys", "1")).await;
    send(signed("keys-gone", "2")).await;

    // With room for one hash, and a store that is out of order.
    let assertions = Assertions::new(ISSUER, NoStore).unwrap();
    let assertions = assertions.jwks_source(JwksCache::new(Published).clock(clock.clone()));
    let layer = ClientAuthLayer::new(provider_fn(|id: &str| ready(client(id))))
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 0))
        .assertions(assertions)
        .clock(clock.clone());
    let narrow = tower::ServiceBuilder::new().layer(layer).service(service_fn(answer));
    let send_to_narrow = async |request| drop(narrow.clone().oneshot(request).await.unwrap());
    let (finish, held) = mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || held.recv());
    tokio::join!(send_to_narrow(basic("hashed:wrong")), async {
        send_to_narrow(basic("hashed:wrong")).await;
        drop(finish);
    });
    assert!(busy.await.unwrap().is_err());
    // Who is as dear as the one that failed.
    send_to_narrow(basic("nobody:wrong")).await;
    send_to_narrow(signed("keys", "3")).await;

    clock.advance(Duration::from_secs(40));
    OUT_OF_ORDER.store(true, Ordering::SeqCst);
    send(basic("basic:s3cr3t")).await;
    send(basic("new:s3cr3t")).await;

    // Known by its document, which is remembered for a minute, and then fetched again.
    OUT_OF_ORDER.store(false, Ordering::SeqCst);
    let documents = MetadataDocuments::from_hosts(["client.example"]).unwrap();
    let documents = documents.source(Published).clock(clock.clone());
    let layer = ClientAuthLayer::new(provider_fn(nobody)).metadata_documents_as(documents, |_| ());
    let by_document = tower::ServiceBuilder::new().layer(layer).service(service_fn(answer));
    for seconds in [0, 2, 60] {
        OUT_OF_ORDER.store(seconds == 60, Ordering::SeqCst);
        clock.advance(Duration::from_secs(seconds));
        let request = form("client_id=https%3A%2F%2Fclient.example%2Foauth");
        drop(by_document.clone().oneshot(request).await.unwrap());
    }

    let wanted = [
        ("client_auth_attempts_total method=client_secret_basic reason=provider", 1.0),
        ("client_auth_attempts_total method=client_secret_basic reason=overloaded", 1.0),
        ("client_auth_attempts_total method=client_secret_basic reason=success", 2.0),
        ("client_auth_attempts_total method=client_secret_basic reason=unknown_client", 2.0),
        ("client_auth_attempts_total method=client_secret_basic reason=wrong_secret", 3.0),
        ("client_auth_attempts_total method=none reason=success", 4.0),
        ("client_auth_attempts_total method=private_key_jwt reason=key_source", 1.0),
        ("client_auth_attempts_total method=private_key_jwt reason=replayed", 1.0),
        ("client_auth_attempts_total method=private_key_jwt reason=replay_store", 1.0),
        ("client_auth_attempts_total method=private_key_jwt reason=success", 1.0),
        ("client_auth_attempts_total method=unknown reason=method_not_allowed", 1.0),
        ("client_auth_attempts_total method=unknown reason=no_credentials", 1.0),
        ("client_auth_cache_entries cache=clients", 5.0),
        ("client_auth_cache_entries cache=jwks", 1.0),
        ("client_auth_cache_entries cache=metadata_documents", 1.0),
        ("client_auth_cache_entries cache=unknown_clients", 1.0),
        ("client_auth_cache_requests_total cache=clients result=hit", 3.0),
        ("client_auth_cache_requests_total cache=clients result=miss", 7.0),
        ("client_auth_cache_requests_total cache=clients result=stale", 1.0),
        ("client_auth_cache_requests_total cache=jwks result=hit", 1.0),
        ("client_auth_cache_requests_total cache=jwks result=miss", 3.0),
        ("client_auth_cache_requests_total cache=metadata_documents result=hit", 1.0),
        ("client_auth_cache_requests_total cache=metadata_documents result=miss", 2.0),
        ("client_auth_cache_requests_total cache=metadata_documents result=stale", 1.0),
        ("client_auth_fetch_duration_seconds document=jwks outcome=failure", 1.0),
        ("client_auth_fetch_duration_seconds document=jwks outcome=success", 2.0),
        ("client_auth_fetch_duration_seconds document=metadata_documents outcome=failure", 1.0),
        ("client_auth_fetch_duration_seconds document=metadata_documents outcome=success", 1.0),
        ("client_auth_lookup_duration_seconds", 17.0),
        ("client_auth_pool_requests client=known", 0.0),
        ("client_auth_pool_requests client=unknown", 0.0),
        ("client_auth_pool_refusals_total", 1.0),
        ("client_auth_replay_claim_duration_seconds result=failed", 1.0),
        ("client_auth_replay_claim_duration_seconds result=new", 1.0),
        ("client_auth_replay_claim_duration_seconds result=replayed", 1.0),
        ("client_auth_replay_entries", 1.0),
        ("client_auth_verification_duration_seconds work=hash", 3.0),
        ("client_auth_verification_duration_seconds work=signature", 3.0),
    ];
    let wanted = wanted.map(|(name, value): (&str, f64)| (name.to_owned(), value)).into();
    assert_eq!(told(&snapshots), wanted);

    // Of two ids that nobody knows, one is next, and the other waits without a place.
    let layer = ClientAuthLayer::new(provider_fn(nobody))
        .hash_pool(&HashPool::new(NonZeroUsize::MIN, 1))
        .decoy(ClientSecret::phc(HASH).unwrap());
    let strangers = tower::ServiceBuilder::new().layer(layer).service(service_fn(answer));
    let ask = async |pair| drop(strangers.clone().oneshot(basic(pair)).await.unwrap());
    // What was looked at is forgotten by the recorder, so that it is looked at once.
    let in_the_pool = || {
        let told = told(&snapshots);
        ["known", "unknown", "waiting"]
            .map(|client| told[&format!("client_auth_pool_requests client={client}")])
    };
    let (finish, held) = mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || held.recv());
    tokio::join!(ask("nobody:wrong"), ask("no-one:wrong"), async {
        assert_eq!(in_the_pool(), [0.0, 1.0, 1.0]);
        drop(finish);
    });
    assert!(busy.await.unwrap().is_err());
}

const PREFIX: &str = "client_auth_";

/// The names in a text, without what Prometheus adds to those of histograms.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX));
    let suffixes = ["_bucket", "_count", "_sum"];
    let plain = names.map(|name| {
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
    });
    plain.collect()
}

#[test]
fn every_metric_is_documented_and_the_dashboard_knows_no_others() {
    // The names above, and in the other program, are those of what was recorded.
    let mut recorded = names(include_str!("metrics.rs").split_once("const PREFIX").unwrap().0);
    recorded.extend(names(include_str!("metrics_throttle.rs")));
    let documentation = include_str!("../../../src/layer/metrics.rs").lines();
    let table: String = documentation.filter(|line| line.starts_with("/// | `")).collect();
    let documented = names(&table);
    assert_eq!(documented.symmetric_difference(&recorded).collect::<Vec<_>>(), [""; 0]);
    for used in [
        include_str!("../../../examples/metrics_server/dashboard.json"),
        include_str!("../../../examples/metrics_server/alerts.yml"),
    ] {
        assert_eq!(names(used).difference(&documented).collect::<Vec<_>>(), [""; 0]);
    }
}
