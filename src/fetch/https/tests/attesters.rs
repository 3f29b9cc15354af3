//! Attesters that publish their keys (draft-ietf-oauth-attestation-based-client-auth-11 §10.8), from a request through the
//! layer to their server, and back.

use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderName;
use serde_json::json;

use crate::{
    client::RegisteredClient,
    clock::Clock,
    error::{Error, attestation::InvalidAttestation as I, kind::ErrorKind},
    fetch::{
        https::{
            tests::{
                Server,
                chain::{DOWN, HOUR, ISSUER, Key, LIFETIME, NOW, published, send},
            },
            *,
        },
        jwks::JwksCache,
    },
    jose::keys::ClientKeys,
    layer::ClientAuthLayer,
    method::attestation::settings::Attesters,
    provider::memory::MemoryProvider,
    replay::memory::MemoryReplayStore,
};

const UNKNOWN_KEY: Result<(), ErrorKind> = Err(ErrorKind::Attestation(I::AttesterKey));

/// The layer with the client `app`, whose attester publishes its keys at this server, and one clock for all.
struct Chain {
    layer: ClientAuthLayer<Arc<MemoryProvider<()>>>,
    clock: Clock,
    keys: JwksCache,
    instance: Key,
    proofs: AtomicU32,
}

impl Chain {
    fn new(server: &Server) -> Self {
        let clock = Clock::fixed(NOW);
        let keys = JwksCache::new(server.source(loopback_too)).clock(clock.clone());
        let clients = MemoryProvider::new();
        clients.insert(RegisteredClient::attested("app", "wallet-provider", ()));
        let replay = MemoryReplayStore::default().clock(clock.clone());
        let attesters = Attesters::new(ISSUER, replay)
            .unwrap()
            .trust("wallet-provider", ClientKeys::jwks_uri(&server.uri()).unwrap())
            .jwks_source(keys.clone());
        let layer =
            ClientAuthLayer::new(Arc::new(clients)).attestation(attesters).clock(clock.clone());
        Self { layer, clock, keys, instance: Key::new("instance"), proofs: AtomicU32::new(0) }
    }

    fn pass(&self, seconds: u32) {
        self.clock.advance(Duration::from_secs(seconds.into()));
    }

    /// Both headers, with a proof that was never used before.
    fn headers(&self, attester: &Key, client_id: &str) -> HeaderMap {
        let now = self.clock.unix_seconds();
        let attestation = json!({
            "sub": client_id, "iat": now, "exp": now + 3600, "cnf": {"jwk": self.instance.jwk()},
        });
        let jti = self.proofs.fetch_add(1, Ordering::SeqCst).to_string();
        let proof = json!({"aud": ISSUER, "jti": jti, "iat": now});
        let attestation = attester.sign("oauth-client-attestation+jwt", &attestation);
        let proof = self.instance.sign("oauth-client-attestation-pop+jwt", &proof);
        HeaderMap::from_iter([
            (HeaderName::from_static("oauth-client-attestation"), attestation.parse().unwrap()),
            (HeaderName::from_static("oauth-client-attestation-pop"), proof.parse().unwrap()),
        ])
    }

    async fn send(&self, headers: HeaderMap) -> Result<(), Error> {
        send(&self.layer, headers, "grant_type=client_credentials".to_owned()).await
    }

    /// What comes of an attestation that this key has signed.
    async fn ask(&self, attester: &Key) -> Result<(), ErrorKind> {
        self.send(self.headers(attester, "app")).await.map_err(|error| error.kind())
    }
}

#[tokio::test]
async fn keys_of_an_attester_are_fetched_once_for_all_instances() {
    let key = Key::new("1");
    let server = Server::answering(published([&key])).await;
    let chain = Chain::new(&server);
    // Nobody knows who could have signed it.
    let error = chain.send(chain.headers(&key, "nobody")).await.unwrap_err();
    assert_eq!((error.kind(), server.connections()), (ErrorKind::UnknownClient, 0));
    for _ in 0..3 {
        assert_eq!(chain.ask(&key).await, Ok(()));
    }
    chain.pass(LIFETIME / 2 - 1);
    assert_eq!(chain.ask(&key).await, Ok(()));
    assert_eq!(
        chain.ask(&Key::new("1")).await,
        Err(ErrorKind::Attestation(I::WrongSignature)),
        "a key by that name"
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn attester_changes_its_keys() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let server = Server::answering(published([&old])).await;
    let chain = Chain::new(&server);
    assert_eq!(chain.ask(&old).await, Ok(()));
    server.answer(published([&old, &new]));
    assert_eq!(chain.ask(&new).await, UNKNOWN_KEY);
    chain.pass(30);
    assert_eq!(chain.ask(&new).await, UNKNOWN_KEY, "judged by what is known");
    chain.keys.landed().await;
    assert_eq!(chain.ask(&new).await, Ok(()));
    assert_eq!(chain.ask(&old).await, Ok(()), "while both are published");
    assert_eq!(server.connections(), 2);
    server.answer(published([&new]));
    chain.pass(LIFETIME);
    assert_eq!(chain.ask(&old).await, UNKNOWN_KEY, "withdrawn");
    assert_eq!(chain.ask(&new).await, Ok(()));
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn attester_out_of_reach_is_503_until_it_is_back() {
    let key = Key::new("1");
    let server = Server::answering(DOWN).await;
    let chain = Chain::new(&server);
    let headers = chain.headers(&key, "app");
    for _ in 0..20 {
        let error = chain.send(headers.clone()).await.unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(
            (error.kind(), reason),
            (ErrorKind::KeySource, Refused::Status(500).to_string())
        );
    }
    assert_eq!(server.connections(), 1);
    server.answer(published([&key]));
    chain.pass(5);
    assert!(chain.send(headers.clone()).await.is_ok(), "the outage has not used up the proof");
    let again = chain.send(headers).await.map_err(|error| error.kind());
    assert_eq!(again, Err(ErrorKind::Attestation(I::Replayed)));
}

#[tokio::test]
async fn stale_keys_of_an_attester_last_an_hour() {
    let key = Key::new("1");
    let server = Server::answering(published([&key])).await;
    let chain = Chain::new(&server);
    assert_eq!(chain.ask(&key).await, Ok(()));
    server.answer(DOWN);
    for passed in [LIFETIME, HOUR - 1] {
        chain.pass(passed);
        assert_eq!(chain.ask(&key).await, Ok(()));
    }
    chain.pass(1);
    assert_eq!(chain.ask(&key).await, Err(ErrorKind::KeySource));
}
