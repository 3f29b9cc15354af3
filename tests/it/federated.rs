//! Federated assertions: tokens that the platform issues on which a client runs (RFC 7521 §4.2, RFC 7523 §3, and
//! draft-ietf-oauth-spiffe-client-auth).

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, ClientMetadata, ClientProvider,
    Clock, Error, ErrorKind, RegisteredClient,
    assertion::{
        Assertions, ClientKeys, FetchedJwks, InvalidAssertion, JwksCache, JwksSource, Trust,
    },
    body::RequestBody,
    provider::{BoxClientProvider, MemoryProvider, provider_fn},
    replay::MemoryReplayStore,
};

use crate::{
    jose::{ISSUER, Key, compact, ed, form, jwks, with},
    support::{App, Clients, Harness, Log, NOW, TestRequest, app, failed, refused, run},
};

const CLUSTER: &str = "https://kubernetes.example";
const WORKER: &str = "system:serviceaccount:billing:worker";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";
const BRANCH: &str = "repo:example/app:ref:refs/heads/main";
const SPIFFE_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const SVID: &str = "spiffe://prod.example/ns/billing/sa/worker";

const ISSUER_MISMATCH: ErrorKind = ErrorKind::Assertion(InvalidAssertion::IssuerMismatch);
const SUBJECT_MISMATCH: ErrorKind = ErrorKind::Assertion(InvalidAssertion::SubjectMismatch);
const WRONG_AUDIENCE: ErrorKind = ErrorKind::Assertion(InvalidAssertion::WrongAudience);
const WRONG_SIGNATURE: ErrorKind = ErrorKind::Assertion(InvalidAssertion::WrongSignature);
const REPLAYED: ErrorKind = ErrorKind::Assertion(InvalidAssertion::Replayed);

fn store() -> Arc<MemoryReplayStore> {
    Arc::new(MemoryReplayStore::default().clock(Clock::fixed(NOW)))
}

fn settings() -> Assertions {
    Assertions::new(ISSUER, store()).unwrap().spiffe_jwt()
}

fn other() -> &'static Key {
    static KEY: std::sync::OnceLock<Key> = std::sync::OnceLock::new();
    KEY.get_or_init(Key::ed)
}

fn keys(key: &Key, kid: &str) -> ClientKeys {
    ClientKeys::from_jwks(&jwks([with(key.jwk(), json!({"kid": kid, "use": "sig"}))])).unwrap()
}

fn bundle(key: &Key) -> ClientKeys {
    let key = with(key.jwk(), json!({"kid": "svid", "use": "jwt-svid"}));
    ClientKeys::from_spiffe_bundle(&jwks([key])).unwrap()
}

fn cluster() -> Trust {
    Trust::jwt(CLUSTER, WORKER, keys(ed(), "cluster"))
}

fn actions() -> Trust {
    Trust::jwt(ACTIONS, BRANCH, keys(other(), "actions"))
}

fn workload() -> Trust {
    Trust::spiffe("prod.example", "spiffe://prod.example/ns/billing/*", bundle(ed()))
}

fn client(client_id: &str, trusts: impl IntoIterator<Item = Trust>) -> RegisteredClient<App> {
    RegisteredClient::federated(client_id, trusts, app(client_id)).unwrap()
}

fn own(client_id: &str) -> RegisteredClient<App> {
    RegisteredClient::private_key_jwt(client_id, keys(ed(), "cluster"), app(client_id))
}

fn harness(clients: impl IntoIterator<Item = RegisteredClient<App>>) -> Harness {
    let clients: Clients = clients.into_iter().collect();
    Harness::of(clients).set(|layer| layer.assertions(settings()))
}

/// Claims with these members more or, where they are `null`, less.
fn changed(mut claims: Value, changes: &Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn signed(key: &Key, header: Value, claims: &Value) -> String {
    compact(key, "EdDSA", &header.to_string(), &claims.to_string())
}

/// In the shape of a projected token of Kubernetes.
fn cluster_token(changes: Value) -> String {
    let claims = json!({
        "aud": [ISSUER], "exp": NOW + 300, "iat": NOW, "iss": CLUSTER, "jti": "c0ffee", "nbf": NOW,
        "kubernetes.io": {"namespace": "billing", "serviceaccount": {"name": "worker"}}, "sub": WORKER,
    });
    signed(ed(), json!({"alg": "EdDSA", "kid": "cluster"}), &changed(claims, &changes))
}

/// In the shape of one of GitHub Actions.
fn actions_token(changes: Value) -> String {
    let claims = json!({
        "jti": "c0ffee", "sub": BRANCH, "aud": ISSUER, "ref": "refs/heads/main", "iss": ACTIONS,
        "nbf": NOW - 300, "exp": NOW + 300, "iat": NOW,
    });
    let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "actions"});
    signed(other(), header, &changed(claims, &changes))
}

/// In the shape of a JWT-SVID, which has neither `iss` nor `jti`.
fn svid(changes: Value) -> String {
    let claims = json!({"aud": [ISSUER], "exp": NOW + 300, "iat": NOW, "sub": SVID});
    signed(ed(), json!({"alg": "EdDSA", "kid": "svid", "typ": "JWT"}), &changed(claims, &changes))
}

fn spiffe_form(assertion: &str) -> String {
    format!("client_assertion_type={SPIFFE_TYPE}&client_assertion={assertion}")
}

fn of(client_id: &str, form: &str) -> TestRequest {
    TestRequest::form(format!("{form}&client_id={client_id}"))
}

/// A request without `client_id` succeeds for a client that is found by these.
fn assert_found(
    harness: &Harness,
    ask: &TestRequest,
    name: (&str, &str),
    client_id: &str,
    method: AuthMethod,
) {
    let mut accepted = ask.accepted(client_id, method);
    accepted.lookups = vec![format!("{} {}", name.0, name.1)];
    assert_eq!(harness.ask(ask), accepted);
}

/// The request is refused after the look-up of `client_id`, as every wrong credential is.
fn assert_failed(harness: &Harness, client_id: &str, form: &str, kind: ErrorKind) {
    assert_eq!(harness.ask(&of(client_id, form)), failed(kind, client_id), "{form}");
}

#[test]
fn c1_token_of_a_trusted_issuer_authenticates() {
    let harness = harness([client("worker", [cluster(), actions()])]);
    for token in [cluster_token(json!({})), actions_token(json!({}))] {
        let ask = of("worker", &form(&token));
        assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    }
}

#[test]
fn c2_issuer_and_subject_are_compared_byte_for_byte() {
    let harness = harness([client("worker", [cluster()])]);
    for (changes, kind) in [
        (json!({"iss": format!("{CLUSTER}/")}), ISSUER_MISMATCH),
        (json!({"iss": "https://Kubernetes.example"}), ISSUER_MISMATCH),
        (json!({"sub": "system:serviceaccount:billing:Worker"}), SUBJECT_MISMATCH),
        (json!({"sub": "system:serviceaccount:billing:worker2"}), SUBJECT_MISMATCH),
        (json!({"sub": "system:serviceaccount:billing:"}), SUBJECT_MISMATCH),
    ] {
        assert_failed(&harness, "worker", &form(&cluster_token(changes)), kind);
    }
}

#[test]
fn c3_audience_is_this_server_alone() {
    let legacy = settings().legacy_audiences(["https://as.example/token"]);
    let clients: Clients = [client("worker", [cluster()])].into_iter().collect();
    let harness = Harness::of(clients).set(|layer| layer.assertions(legacy));
    for audience in [
        json!("https://other.example"),
        json!("https://as.example/token"),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, ISSUER]),
    ] {
        let token = cluster_token(json!({"aud": audience}));
        assert_failed(&harness, "worker", &form(&token), WRONG_AUDIENCE);
    }
    for audience in [Value::Null, json!([])] {
        let missing = ErrorKind::Assertion(InvalidAssertion::MissingClaim);
        let token = cluster_token(json!({"aud": audience}));
        assert_failed(&harness, "worker", &form(&token), missing);
    }
}

#[test]
fn audience_of_a_trust_takes_the_place_of_the_issuer() {
    let trust = cluster().audience("sts.example").reusable();
    let harness = harness([client("worker", [trust])]);
    for audience in [json!("sts.example"), json!(["sts.example"])] {
        let ask = of("worker", &form(&cluster_token(json!({"aud": audience}))));
        assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    }
    assert_failed(&harness, "worker", &form(&cluster_token(json!({}))), WRONG_AUDIENCE);
}

#[test]
fn c4_keys_of_one_issuer_sign_for_no_other() {
    let harness = harness([client("worker", [cluster(), actions()])]);
    let forged = |kid| {
        let claims = json!({
            "aud": ISSUER, "exp": NOW + 300, "iss": CLUSTER, "jti": "1", "sub": WORKER,
        });
        form(&signed(other(), json!({"alg": "EdDSA", "kid": kid}), &claims))
    };
    let unknown = ErrorKind::Assertion(InvalidAssertion::UnknownKey);
    assert_failed(&harness, "worker", &forged("actions"), unknown);
    assert_failed(&harness, "worker", &forged("cluster"), WRONG_SIGNATURE);
}

#[test]
fn c5_client_id_chooses_the_client_and_the_subject_must_be_its_own() {
    let reader = "system:serviceaccount:billing:reader";
    let reader = Trust::jwt(CLUSTER, reader, keys(ed(), "cluster"));
    let harness = harness([client("worker", [cluster()]), client("reader", [reader])]);
    let token = form(&cluster_token(json!({})));
    assert_failed(&harness, "reader", &token, SUBJECT_MISMATCH);
    assert_failed(&harness, "nobody", &token, ErrorKind::UnknownClient);
    assert_eq!(harness.ask(&of("wor%zzker", &token)), refused(ErrorKind::MalformedParameter));
    let ask = of("worker", &token);
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
}

/// Caches and stores put the two together, with one of these between them.
#[test]
fn issuer_or_subject_with_a_control_character_is_not_looked_up() {
    let harness = harness([client("worker", [cluster()])]);
    let malformed = refused(ErrorKind::Assertion(InvalidAssertion::Malformed));
    for changes in [
        json!({"iss": format!("{CLUSTER}\n")}),
        json!({"iss": "a\u{7f}b"}),
        json!({"sub": format!("{WORKER}\u{0}")}),
    ] {
        let token = form(&cluster_token(changes));
        assert_eq!(harness.ask(&TestRequest::form(&token)), malformed);
        assert_eq!(harness.ask(&of("worker", &token)), malformed);
    }
}

#[test]
fn c6_client_is_found_by_issuer_and_subject() {
    let harness = harness([client("worker", [cluster()]), client("build", [actions()])]);
    let ask = TestRequest::form(form(&cluster_token(json!({}))));
    assert_found(&harness, &ask, (CLUSTER, WORKER), "worker", AuthMethod::PrivateKeyJwt);
    let ask = TestRequest::form(form(&actions_token(json!({}))));
    assert_found(&harness, &ask, (ACTIONS, BRANCH), "build", AuthMethod::PrivateKeyJwt);
    // The issuer of the one with the subject of the other.
    let ask = TestRequest::form(form(&cluster_token(json!({"sub": BRANCH}))));
    assert_eq!(harness.ask(&ask), failed(ISSUER_MISMATCH, &format!("{CLUSTER} {BRANCH}")));
}

#[test]
fn c6_of_two_clients_with_one_issuer_and_subject_neither_is_found() {
    let twin = || Trust::jwt(CLUSTER, WORKER, keys(ed(), "cluster"));
    let ask = TestRequest::form(form(&cluster_token(json!({}))));
    let clients: Arc<Clients> =
        Arc::new([client("worker", [cluster()]), client("twin", [twin()])].into_iter().collect());
    let harness = Harness::of(Arc::clone(&clients)).set(|layer| layer.assertions(settings()));
    let name = format!("{CLUSTER} {WORKER}");
    assert_eq!(harness.ask(&ask), failed(ISSUER_MISMATCH, &name));
    // The other way round, and by replacing one by another of its kind.
    clients.remove("worker");
    clients.insert(client("worker", [cluster()]));
    clients.insert(client("worker", [cluster()]));
    assert_eq!(harness.ask(&ask), failed(ISSUER_MISMATCH, &name));
    clients.remove("twin");
    let mut accepted = ask.accepted("worker", AuthMethod::PrivateKeyJwt);
    accepted.lookups = vec![name];
    assert_eq!(harness.ask(&ask), accepted);
}

#[test]
fn c6_identity_of_two_records_is_reported() {
    let record = |client_id: &str| {
        json!({
            "client_id": client_id, "token_endpoint_auth_method": "private_key_jwt",
            "federated_identities": [{
                "issuer": CLUSTER, "subject": WORKER,
                "jwks": {"keys": [with(ed().jwk(), json!({"kid": "cluster"}))]},
            }],
        })
    };
    let records = json!([record("worker"), {"client_id": "cli", "token_endpoint_auth_method": "none"}, record("twin")]);
    let (clients, invalid) = MemoryProvider::from_json(records.to_string().as_bytes()).unwrap();
    let invalid: Vec<_> = invalid.iter().map(ToString::to_string).collect();
    let problem = "an issuer and subject of it are another client's, too: by them neither is found";
    assert_eq!(
        invalid,
        [
            format!("record 0: client \"worker\": {problem}"),
            format!("record 2: client \"twin\": {problem}")
        ]
    );
    assert!(run(clients.find_federated(CLUSTER, WORKER)).unwrap().is_none());
}

#[test]
fn c7_who_issues_its_own_assertions_has_no_issuer_and_the_other_way_round() {
    let harness = harness([client("worker", [cluster()]), own("own")]);
    let own = form(&signed(
        ed(),
        json!({"alg": "EdDSA", "kid": "cluster"}),
        &json!({"iss": "worker", "sub": "worker", "aud": ISSUER, "exp": NOW + 60, "jti": "1"}),
    ));
    assert_failed(&harness, "worker", &own, ISSUER_MISMATCH);
    assert_eq!(harness.ask(&TestRequest::form(&own)), failed(ISSUER_MISMATCH, "worker"));
    assert_failed(&harness, "own", &form(&cluster_token(json!({}))), ISSUER_MISMATCH);
    // Keys of a secret are none of an issuer.
    let claims = json!({"iss": CLUSTER, "sub": WORKER, "aud": ISSUER, "exp": NOW + 60, "jti": "1"});
    let keyed = compact(
        &Key::secret("0123456789-0123456789-0123456789"),
        "HS256",
        &json!({"alg": "HS256", "kid": "cluster"}).to_string(),
        &claims.to_string(),
    );
    assert_failed(&harness, "worker", &form(&keyed), ErrorKind::MethodMismatch);
}

#[test]
fn c8_token_for_another_purpose_is_none_for_this() {
    let harness = harness([client("worker", [cluster()])]);
    let typed = |typ: &str| {
        let claims = json!({
            "aud": ISSUER, "exp": NOW + 300, "iss": CLUSTER, "jti": typ, "sub": WORKER,
        });
        form(&signed(ed(), json!({"alg": "EdDSA", "kid": "cluster", "typ": typ}), &claims))
    };
    for typ in
        ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "oauth-id-jag+jwt", "JOSE"]
    {
        let answer = harness.ask(&of("worker", &typed(typ)));
        let kind = ErrorKind::Assertion(InvalidAssertion::UnsupportedTyp);
        assert_eq!(answer, refused(kind), "{typ}");
    }
    for typ in ["JWT", "application/jwt", "client-authentication+jwt"] {
        let ask = of("worker", &typed(typ));
        assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt), "{typ}");
    }
}

#[test]
fn settings_that_no_platform_can_meet_are_for_clients_with_own_keys() {
    let settings = settings().explicit_typ().string_audience();
    let clients: Clients = [client("worker", [cluster()]), own("own")].into_iter().collect();
    let harness = Harness::of(clients).set(|layer| layer.assertions(settings));
    let ask = of("worker", &form(&cluster_token(json!({}))));
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    let own = json!({"iss": "own", "sub": "own", "aud": ISSUER, "exp": NOW + 60, "jti": "1"});
    let own = form(&signed(ed(), json!({"alg": "EdDSA", "kid": "cluster"}), &own));
    let kind = ErrorKind::Assertion(InvalidAssertion::UnsupportedTyp);
    assert_eq!(harness.ask(&of("own", &own)), refused(kind));
}

#[test]
fn c9_lifetime_is_that_of_the_trust() {
    let hour = json!({"exp": NOW + 3600});
    let lifetime = ErrorKind::Assertion(InvalidAssertion::Lifetime);
    let default = harness([client("worker", [cluster()])]);
    assert_failed(&default, "worker", &form(&cluster_token(hour.clone())), lifetime);
    let trust = cluster().longest_lifetime(Duration::from_secs(3600));
    let long = harness([client("worker", [trust])]);
    let ask = of("worker", &form(&cluster_token(hour)));
    assert_eq!(long.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    // A minute more, for clocks that are ahead.
    let late = cluster_token(json!({"exp": NOW + 3661}));
    assert_failed(&long, "worker", &form(&late), lifetime);
    let expired = ErrorKind::Assertion(InvalidAssertion::Expired);
    assert_failed(&long, "worker", &form(&cluster_token(json!({"exp": NOW}))), expired);
    let early = ErrorKind::Assertion(InvalidAssertion::NotYetValid);
    assert_failed(&long, "worker", &form(&cluster_token(json!({"nbf": NOW + 61}))), early);
}

#[test]
fn c10_token_is_used_once_unless_the_trust_says_otherwise() {
    let once = harness([client("worker", [cluster()])]);
    let token = form(&cluster_token(json!({})));
    let ask = of("worker", &token);
    assert_eq!(once.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    assert_failed(&once, "worker", &token, REPLAYED);
    // Nor by another way to find the same client.
    let answer = once.ask(&TestRequest::form(&token));
    assert_eq!(answer, failed(REPLAYED, &format!("{CLUSTER} {WORKER}")));
    let reusable = harness([client("worker", [cluster().reusable()])]);
    for _ in 0..2 {
        assert_eq!(reusable.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    }
    let missing = ErrorKind::Assertion(InvalidAssertion::MissingClaim);
    let anonymous = form(&cluster_token(json!({"jti": null})));
    assert_failed(&once, "worker", &anonymous, missing);
    let ask = of("worker", &anonymous);
    assert_eq!(reusable.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    let long = form(&cluster_token(json!({"jti": "j".repeat(257)})));
    let too_long = ErrorKind::Assertion(InvalidAssertion::IdTooLong);
    assert_failed(&once, "worker", &long, too_long);
}

#[test]
fn c10_token_stays_used_until_it_expires() {
    let clock = Clock::fixed(NOW);
    let store = MemoryReplayStore::default().clock(clock.clone());
    let settings = Assertions::new(ISSUER, store).unwrap();
    let trust = cluster().longest_lifetime(Duration::from_secs(3600));
    let clients: Clients = [client("worker", [trust])].into_iter().collect();
    let harness = Harness::of(clients).set(|layer| layer.assertions(settings).clock(clock.clone()));
    let token = form(&cluster_token(json!({"exp": NOW + 3600})));
    let ask = of("worker", &token);
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    clock.advance(Duration::from_secs(3599));
    assert_failed(&harness, "worker", &token, REPLAYED);
    clock.advance(Duration::from_secs(1));
    assert_failed(&harness, "worker", &token, ErrorKind::Assertion(InvalidAssertion::Expired));
}

#[test]
fn c10_layers_that_share_a_store_accept_a_token_once() {
    let used = store();
    let layer = || {
        let clients: Clients = [client("worker", [cluster(), actions()])].into_iter().collect();
        let settings = Assertions::new(ISSUER, Arc::clone(&used)).unwrap();
        Harness::of(clients).set(|layer| layer.assertions(settings))
    };
    let (token, revocation) = (layer(), layer());
    let ask = of("worker", &form(&cluster_token(json!({}))));
    assert_eq!(token.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    assert_eq!(revocation.ask(&ask), failed(REPLAYED, "worker"));
    // The `jti` of another issuer is another one, although it is the same text.
    let ask = of("worker", &form(&actions_token(json!({}))));
    assert_eq!(revocation.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
}

// Whoever captured it may name another client that trusts the same issuer and subject.
#[test]
fn c10_token_is_used_once_by_all_clients_that_trust_it() {
    let harness = harness([client("worker", [cluster()]), client("twin", [cluster()])]);
    let token = form(&cluster_token(json!({})));
    let ask = of("worker", &token);
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    assert_failed(&harness, "twin", &token, REPLAYED);
}

#[test]
fn workload_with_its_share_of_the_replay_store_is_throttled_alone() {
    let other = "system:serviceaccount:billing:other";
    let subject = Trust::jwt(CLUSTER, other, keys(ed(), "cluster"));
    let clients: Clients =
        [client("worker", [cluster()]), client("other", [subject])].into_iter().collect();
    let replay = MemoryReplayStore::new(8).clock(Clock::fixed(NOW));
    let settings = Assertions::new(ISSUER, replay).unwrap();
    let harness = Harness::of(clients).set(|layer| layer.assertions(settings));
    let ask = |client_id, subject: &str, jti: &str| {
        let token = cluster_token(json!({"sub": subject, "jti": jti}));
        harness.ask(&of(client_id, &form(&token))).status
    };
    for jti in ["1", "2", "3", "4"] {
        assert_eq!(ask("worker", WORKER, jti), 200);
    }
    assert_eq!(ask("worker", WORKER, "5"), 429);
    assert_eq!(ask("other", other, "1"), 200);
}

/// Publishes the keys of the cluster at every address, while it is up.
#[derive(Clone, Default)]
struct Web {
    keys: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl JwksSource for Web {
    type Error = io::Error;

    async fn fetch(&self, _jwks_uri: &str) -> io::Result<FetchedJwks> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        keys.map(|keys| FetchedJwks::new(keys.into(), None))
            .ok_or_else(|| io::ErrorKind::HostUnreachable.into())
    }
}

fn published(web: &Web) -> Harness {
    let keys = ClientKeys::jwks_uri("https://kubernetes.example/openid/v1/jwks").unwrap();
    let trust = Trust::jwt(CLUSTER, WORKER, keys).reusable();
    let clients: Clients = [client("worker", [trust])].into_iter().collect();
    let source = JwksCache::new(web.clone()).clock(Clock::fixed(NOW));
    Harness::of(clients).set(|layer| layer.assertions(settings().jwks_source(source)))
}

#[test]
fn c11_nothing_is_fetched_for_an_unknown_issuer() {
    let web = Web::default();
    let harness = published(&web);
    for (changes, kind) in [
        (json!({"iss": "https://evil.example"}), ISSUER_MISMATCH),
        (json!({"sub": "system:serviceaccount:kube-system:default"}), SUBJECT_MISMATCH),
    ] {
        assert_failed(&harness, "worker", &form(&cluster_token(changes)), kind);
    }
    let token = form(&cluster_token(json!({"iss": "https://evil.example"})));
    let answer = harness.ask(&TestRequest::form(&token));
    assert_eq!(answer, failed(ISSUER_MISMATCH, &format!("https://evil.example {WORKER}")));
    assert_failed(&harness, "nobody", &form(&cluster_token(json!({}))), ErrorKind::UnknownClient);
    // Nor where the token says that there are keys.
    let header = json!({"alg": "EdDSA", "kid": "1", "jku": "https://evil.example/jwks"});
    let claims = json!({
        "aud": ISSUER, "exp": NOW + 300, "iss": "https://evil.example", "jti": "1", "sub": WORKER,
    });
    assert_failed(&harness, "worker", &form(&signed(other(), header, &claims)), ISSUER_MISMATCH);
    assert_eq!(web.fetches.load(Ordering::SeqCst), 0);
}

#[test]
fn c12_issuer_that_is_down_is_an_outage_until_its_keys_are_known() {
    let web = Web::default();
    let harness = published(&web);
    let token = form(&cluster_token(json!({})));
    let mut outage = refused(ErrorKind::KeySource);
    outage.lookups = vec!["worker".into()];
    assert_eq!(harness.ask(&of("worker", &token)), outage);
    *web.keys.lock().unwrap() = Some(jwks([with(ed().jwk(), json!({"kid": "cluster"}))]));
    let harness = published(&web);
    let ask = of("worker", &token);
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    *web.keys.lock().unwrap() = None;
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
}

#[test]
fn keys_of_an_issuer_need_a_source_where_they_are_published() {
    let keys = ClientKeys::jwks_uri("https://kubernetes.example/openid/v1/jwks").unwrap();
    let harness = harness([client("worker", [Trust::jwt(CLUSTER, WORKER, keys)])]);
    let token = form(&cluster_token(json!({})));
    assert_failed(&harness, "worker", &token, ErrorKind::UnusableRegistration);
}

#[test]
fn c13_svid_needs_neither_iss_nor_jti_and_may_be_reused() {
    let harness = harness([client("billing", [workload()])]);
    for changes in [json!({}), json!({}), json!({"iss": "https://spire.example", "jti": "1"})] {
        let ask = of("billing", &spiffe_form(&svid(changes)));
        assert_eq!(harness.ask(&ask), ask.accepted("billing", AuthMethod::SpiffeJwt));
    }
    let ask = TestRequest::form(spiffe_form(&svid(json!({}))));
    let name = ("spiffe://prod.example", SVID);
    assert_found(&harness, &ask, name, "billing", AuthMethod::SpiffeJwt);
    for changes in [json!({"aud": [ISSUER, "x"]}), json!({"aud": "x"})] {
        assert_failed(&harness, "billing", &spiffe_form(&svid(changes)), WRONG_AUDIENCE);
    }
    let missing = ErrorKind::Assertion(InvalidAssertion::MissingClaim);
    assert_failed(&harness, "billing", &spiffe_form(&svid(json!({"exp": null}))), missing);
    let forged = signed(
        other(),
        json!({"alg": "EdDSA", "kid": "svid"}),
        &json!({"aud": ISSUER, "exp": NOW + 300, "sub": SVID}),
    );
    assert_failed(&harness, "billing", &spiffe_form(&forged), WRONG_SIGNATURE);
}

#[test]
fn c14_spiffe_id_is_of_the_trust_domain_and_below_the_prefix() {
    let harness = harness([client("billing", [workload()])]);
    for (sub, kind) in [
        ("spiffe://prod.example.evil/ns/billing/sa/worker", ISSUER_MISMATCH),
        ("spiffe://prod.example", SUBJECT_MISMATCH),
        ("spiffe://prod.example/ns/billing", SUBJECT_MISMATCH),
        ("spiffe://prod.example/ns/billingx/y", SUBJECT_MISMATCH),
        ("spiffe://prod.example/NS/billing/y", SUBJECT_MISMATCH),
    ] {
        assert_failed(&harness, "billing", &spiffe_form(&svid(json!({"sub": sub}))), kind);
    }
    for sub in [
        "spiffe://prod.example/ns/billing/../admin",
        "spiffe://prod.example/ns/billing/",
        "spiffe://prod.example/ns/billing/%2e%2e",
        "spiffe://PROD.example/ns/billing/x",
        "https://prod.example/ns/billing/x",
    ] {
        let ask = of("billing", &spiffe_form(&svid(json!({"sub": sub}))));
        let malformed = ErrorKind::Assertion(InvalidAssertion::Malformed);
        assert_eq!(harness.ask(&ask), refused(malformed), "{sub}");
    }
}

#[test]
fn prefixes_that_overlap_find_nobody() {
    let billing = client("billing", [workload()]);
    let exact = Trust::spiffe("prod.example", SVID, bundle(ed()));
    let both = harness([billing.clone(), client("exact", [exact])]);
    let ask = TestRequest::form(spiffe_form(&svid(json!({}))));
    let name = format!("spiffe://prod.example {SVID}");
    assert_eq!(both.ask(&ask), failed(ISSUER_MISMATCH, &name));
    // A star in the subject of another issuer is a star.
    let star = Trust::jwt("spiffe://prod.example", "spiffe://prod.example/*", keys(ed(), "k"));
    let harness = harness([billing, client("star", [star])]);
    let found = ("spiffe://prod.example", SVID);
    assert_found(&harness, &ask, found, "billing", AuthMethod::SpiffeJwt);
}

#[test]
fn c15_assertion_types_are_not_interchangeable() {
    let harness = harness([client("billing", [workload()]), client("worker", [cluster()])]);
    let svid = svid(json!({"iss": "spiffe://prod.example", "jti": "1"}));
    assert_failed(&harness, "billing", &form(&svid), ErrorKind::MethodMismatch);
    // As it comes, without `iss`.
    let svid = form(&self::svid(json!({})));
    assert_failed(&harness, "billing", &svid, ErrorKind::MethodMismatch);
    assert_failed(&harness, "worker", &svid, ISSUER_MISMATCH);
    let id = "spiffe://prod.example/ns/billing/x";
    let token = cluster_token(json!({"iss": CLUSTER, "sub": id}));
    assert_failed(&harness, "worker", &spiffe_form(&token), ErrorKind::MethodMismatch);
    let malformed = ErrorKind::Assertion(InvalidAssertion::Malformed);
    let ask = of("worker", &spiffe_form(&cluster_token(json!({}))));
    assert_eq!(harness.ask(&ask), refused(malformed));
}

#[test]
fn svids_are_accepted_where_it_is_set() {
    let clients = || -> Clients { [client("billing", [workload()])].into_iter().collect() };
    let settings = || Assertions::new(ISSUER, store()).unwrap();
    let names = |harness: &Harness| -> Vec<String> {
        harness.layer.auth_methods_supported().map(str::to_owned).collect()
    };
    let without = Harness::of(clients()).set(|layer| layer.assertions(settings()));
    assert!(!names(&without).contains(&"spiffe_jwt".to_owned()));
    let ask = of("billing", &spiffe_form(&svid(json!({}))));
    let unknown = ErrorKind::Assertion(InvalidAssertion::UnknownType);
    assert_eq!(without.ask(&ask), refused(unknown));
    let with = Harness::of(clients()).set(|layer| layer.assertions(settings().spiffe_jwt()));
    assert!(names(&with).contains(&"spiffe_jwt".to_owned()));
    assert_eq!(with.ask(&ask), ask.accepted("billing", AuthMethod::SpiffeJwt));
    let narrow = |methods: [AuthMethod; 1]| {
        Harness::of(clients())
            .set(|layer| layer.assertions(settings().spiffe_jwt()).auth_methods(methods).unwrap())
    };
    let other = narrow([AuthMethod::PrivateKeyJwt]).ask(&ask);
    let challenge = r#"private_key_jwt realm="OAuth""#;
    let refused = refused(ErrorKind::MethodNotAccepted).without("www-authenticate");
    assert_eq!(other, refused.with("www-authenticate", challenge));
    let only = narrow([AuthMethod::SpiffeJwt]);
    assert_eq!(names(&only), ["spiffe_jwt"]);
    let algorithms: Vec<_> = only.layer.auth_signing_algs_supported().collect();
    assert!(algorithms.contains(&"ES256") && !algorithms.contains(&"HS256"), "{algorithms:?}");
}

#[test]
fn c16_assertion_of_a_grant_is_no_credential() {
    let harness = harness([client("worker", [cluster()])]);
    let token = cluster_token(json!({}));
    let grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=eyJ.eyJ.x";
    let ask = TestRequest::form(format!(
        "{grant}&client_id=worker&client_assertion_type={}&client_assertion={token}",
        crate::jose::TYPE
    ));
    assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    // A grant for a user, in both places: as RFC 7523 has it, without a `typ`, and as an ID-JAG.
    let user = cluster_token(json!({"sub": "alice", "jti": "2"}));
    let form_of_user = format!("assertion={user}&{}", form(&user));
    assert_failed(&harness, "worker", &form_of_user, SUBJECT_MISMATCH);
    let claims =
        json!({"aud": ISSUER, "exp": NOW + 300, "iss": CLUSTER, "jti": "3", "sub": WORKER});
    let header = json!({"alg": "EdDSA", "kid": "cluster", "typ": "oauth-id-jag+jwt"});
    let grant = signed(ed(), header, &claims);
    let ask = of("worker", &format!("assertion={grant}&{}", form(&grant)));
    assert_eq!(harness.ask(&ask), refused(ErrorKind::Assertion(InvalidAssertion::UnsupportedTyp)));
}

#[test]
fn c17_dpop_is_for_the_handler() {
    let harness = harness([client("worker", [cluster().reusable()])]);
    for proofs in [&["eyJ.eyJ.x"][..], &["garbage", "garbage"]] {
        let mut ask = of("worker", &form(&cluster_token(json!({}))));
        for proof in proofs {
            ask = ask.with("dpop", proof);
        }
        assert_eq!(harness.ask(&ask), ask.accepted("worker", AuthMethod::PrivateKeyJwt));
    }
    let basic = Harness::new();
    let ask = TestRequest::form("").basic("basic:basic-s3cr3t").with("dpop", "garbage");
    assert_eq!(basic.ask(&ask), ask.accepted("basic", AuthMethod::ClientSecretBasic));
}

#[test]
fn trust_that_no_token_can_match_is_refused() {
    let key = || keys(ed(), "cluster");
    let made = |trusts: Vec<Trust>| {
        RegisteredClient::federated("worker", trusts, ()).map_err(|error| error.to_string())
    };
    let year = Duration::from_secs(366 * 86_400);
    for (trusts, problem) in [
        (vec![], "a federated client needs somebody whose tokens it presents"),
        (vec![Trust::jwt("", WORKER, key())], "`issuer` is not an identifier, such as a URL"),
        (vec![Trust::jwt("a b", WORKER, key())], "`issuer` is not an identifier, such as a URL"),
        (vec![Trust::jwt("i".repeat(513), WORKER, key())], "`issuer` is longer than 512 bytes"),
        (vec![Trust::jwt(CLUSTER, "s".repeat(513), key())], "`subject` is longer than 512 bytes"),
        (vec![Trust::jwt(CLUSTER, "", key())], "`subject` is empty, or has a control character"),
        (
            vec![Trust::jwt(CLUSTER, "a\nb", key())],
            "`subject` is empty, or has a control character",
        ),
        (
            vec![Trust::jwt("worker", "worker", key())],
            "`issuer` and `subject` are the same: such a token is one that the client makes itself, with keys of its own",
        ),
        (vec![cluster().audience("")], "`audience` is empty, or has a control character"),
        (
            vec![cluster().longest_lifetime(year)],
            "`longest_lifetime` is less than a second or more than a day",
        ),
        (
            vec![cluster().longest_lifetime(Duration::ZERO)],
            "`longest_lifetime` is less than a second or more than a day",
        ),
        (vec![cluster(), cluster()], "an issuer and subject are there twice"),
        (
            vec![cluster(), workload()],
            "a client has one method: tokens of issuers, or those of SPIFFE",
        ),
        (
            (0..21).map(|n| Trust::jwt(CLUSTER, n.to_string(), key())).collect(),
            "a federated client has at most 20 issuers and subjects",
        ),
        (
            vec![Trust::spiffe("prod.example", "spiffe://prod.example", key())],
            "`spiffe_id` has no path",
        ),
        (
            vec![Trust::spiffe("prod.example", "spiffe://other.example/x", key())],
            "`spiffe_id` is of another trust domain",
        ),
    ] {
        let error = made(trusts).unwrap_err();
        assert_eq!(error, format!("client \"worker\": {problem}"));
    }
    assert!(made((0..20).map(|n| Trust::jwt(CLUSTER, n.to_string(), key())).collect()).is_ok());
}

#[test]
fn bundle_has_keys_for_svids_only() {
    let key = |usage: Value| with(ed().jwk(), json!({"kid": "svid", "use": usage}));
    let read = |usage| ClientKeys::from_spiffe_bundle(&jwks([key(usage)]));
    assert!(read(json!("jwt-svid")).is_ok());
    let authority = with(other().jwk(), json!({"use": "x509-svid"}));
    let both = ClientKeys::from_spiffe_bundle(&jwks([authority, key(json!("jwt-svid"))])).unwrap();
    assert_eq!(both.omitted_keys(), []);
    for usage in [json!("sig"), json!("x509-svid"), json!(null), json!(7)] {
        let error = read(usage.clone()).unwrap_err().to_string();
        assert!(error.starts_with("the key set has no key that can verify"), "{usage}: {error}");
    }
    assert!(ClientKeys::from_jwks(&jwks([key(json!("jwt-svid"))])).is_err());
    let private = jwks([with(key(json!("jwt-svid")), json!({"d": "AA"}))]);
    let error = ClientKeys::from_spiffe_bundle(&private).unwrap_err().to_string();
    assert_eq!(error, "the key set holds a private key");
}

fn metadata(members: Value) -> Value {
    changed(
        json!({
            "client_id": "worker", "token_endpoint_auth_method": "private_key_jwt",
            "federated_identities": [{
                "issuer": CLUSTER, "subject": WORKER, "reusable": true,
                "jwks": {"keys": [with(ed().jwk(), json!({"kid": "cluster"}))]},
            }],
        }),
        &members,
    )
}

/// What comes of a request of the client of this record.
fn ask_record(record: &Value, ask: &TestRequest) -> Result<String, ErrorKind> {
    let (clients, invalid) =
        MemoryProvider::from_json(json!([record]).to_string().as_bytes()).unwrap();
    assert_eq!(invalid, []);
    let layer = ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).assertions(settings());
    let service = layer.layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let client = request.extensions().get::<AuthenticatedClient<ClientMetadata>>().unwrap();
        let answer = format!("{} {}", client.client_id(), client.method().as_str());
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(answer)))
    }));
    let response = run(service.oneshot(ask.request())).unwrap();
    match response.extensions().get::<Error>() {
        Some(error) => Err(error.kind()),
        None => {
            let body = run(response.into_body().collect()).unwrap().to_bytes();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
    }
}

fn spiffe_metadata(members: Value) -> Value {
    let key = with(ed().jwk(), json!({"kid": "svid", "use": "jwt-svid"}));
    changed(
        json!({
            "client_id": "billing", "token_endpoint_auth_method": "spiffe_jwt",
            "spiffe_id": "spiffe://prod.example/ns/billing/*", "spiffe_bundle": {"keys": [key]},
        }),
        &members,
    )
}

#[test]
fn metadata_names_issuers_and_subjects() {
    let token = TestRequest::form(form(&cluster_token(json!({}))));
    let found = ask_record(&metadata(json!({})), &token);
    assert_eq!(found, Ok("worker private_key_jwt".to_owned()));
    let svid = TestRequest::form(spiffe_form(&svid(json!({}))));
    let found = ask_record(&spiffe_metadata(json!({})), &svid);
    assert_eq!(found, Ok("billing spiffe_jwt".to_owned()));
    let identity = |members: Value| {
        let identity = metadata(json!({}))["federated_identities"][0].clone();
        metadata(json!({"federated_identities": [changed(identity, &members)]}))
    };
    let hour = TestRequest::form(form(&cluster_token(json!({"exp": NOW + 3600}))));
    let lifetime = ErrorKind::Assertion(InvalidAssertion::Lifetime);
    assert_eq!(ask_record(&identity(json!({})), &hour), Err(lifetime));
    let long = identity(json!({"longest_lifetime": 3600, "reusable": false, "audience": null}));
    assert_eq!(ask_record(&long, &hour), Ok("worker private_key_jwt".to_owned()));
    let other = identity(json!({"audience": "sts.example"}));
    assert_eq!(ask_record(&other, &token), Err(WRONG_AUDIENCE));
    let token = TestRequest::form(form(&cluster_token(json!({"aud": "sts.example"}))));
    assert_eq!(ask_record(&other, &token), Ok("worker private_key_jwt".to_owned()));
}

#[test]
fn metadata_that_no_token_can_match_says_why() {
    let identity = |members: Value| {
        let identity = metadata(json!({}))["federated_identities"][0].clone();
        metadata(json!({"federated_identities": [changed(identity, &members)]}))
    };
    for (record, problem) in [
        (
            metadata(json!({"federated_identities": []})),
            "a federated client needs somebody whose tokens it presents",
        ),
        (metadata(json!({"federated_identities": {}})), "`federated_identities` is not an array"),
        (
            metadata(json!({"federated_identities": [1]})),
            "`federated_identities`: an element is not an object",
        ),
        (
            metadata(json!({"jwks_uri": "https://c.example/jwks"})),
            "`federated_identities` beside keys of the client",
        ),
        (
            metadata(json!({"federated_identities": null})),
            "`private_key_jwt` needs `jwks` or `jwks_uri`",
        ),
        (identity(json!({"issuer": null})), "`federated_identities`: `issuer` is missing"),
        (identity(json!({"subject": 7})), "`federated_identities`: `subject` is not a string"),
        (
            identity(json!({"jwks": null})),
            "`federated_identities`: an element needs `jwks` or `jwks_uri`",
        ),
        (
            identity(json!({"jwks_uri": "https://c.example/"})),
            "`federated_identities`: `jwks` and `jwks_uri` must not both be present",
        ),
        (
            identity(json!({"jwks": null, "jwks_uri": "http://c.example/"})),
            "`federated_identities`: `jwks_uri` is not an https URL",
        ),
        (
            identity(json!({"jwks": {"keys": []}})),
            "`federated_identities`: `jwks`: the key set has no key that can verify a signature",
        ),
        (
            identity(json!({"reusable": "yes"})),
            "`federated_identities`: `reusable` is neither true nor false",
        ),
        (
            identity(json!({"longest_lifetime": "1h"})),
            "`federated_identities`: `longest_lifetime` is not in seconds",
        ),
        (
            identity(json!({"longest_lifetime": 86_401})),
            "`longest_lifetime` is less than a second or more than a day",
        ),
        (spiffe_metadata(json!({"spiffe_id": null})), "`spiffe_id` is missing"),
        (spiffe_metadata(json!({"spiffe_id": 1})), "`spiffe_id` is not a string"),
        (
            spiffe_metadata(json!({"spiffe_id": ""})),
            "`spiffe_id` is no SPIFFE ID, nor one with `/*` behind it",
        ),
        (spiffe_metadata(json!({"spiffe_id": "spiffe://prod.example"})), "`spiffe_id` has no path"),
        (spiffe_metadata(json!({"spiffe_bundle": null})), "`spiffe_bundle` is missing"),
        (spiffe_metadata(json!({"spiffe_bundle": "x"})), "`spiffe_bundle`: not a JSON Web Key Set"),
    ] {
        let (_, invalid) =
            MemoryProvider::from_json(json!([record]).to_string().as_bytes()).unwrap();
        let invalid: Vec<_> = invalid.iter().map(ToString::to_string).collect();
        let client_id = record["client_id"].as_str().unwrap();
        assert_eq!(invalid, [format!("record 0: client {client_id:?}: {problem}")]);
    }
}

#[test]
fn signing_algorithm_of_a_record_holds_for_tokens_of_others() {
    let token = TestRequest::form(form(&cluster_token(json!({}))));
    let svid = TestRequest::form(spiffe_form(&svid(json!({}))));
    let with_alg = |alg: &str| {
        let alg = json!({"token_endpoint_auth_signing_alg": alg});
        [(metadata(alg.clone()), &token), (spiffe_metadata(alg), &svid)]
    };
    for (record, ask) in with_alg("EdDSA") {
        assert!(ask_record(&record, ask).is_ok());
    }
    let mismatch = ErrorKind::Assertion(InvalidAssertion::AlgorithmMismatch);
    for (record, ask) in with_alg("ES256") {
        assert_eq!(ask_record(&record, ask), Err(mismatch));
    }
    for alg in ["none", "HS256", "EdDSA2"] {
        for (record, _) in with_alg(alg) {
            let (_, invalid) =
                MemoryProvider::from_json(json!([record]).to_string().as_bytes()).unwrap();
            let problems: Vec<_> = invalid.iter().map(ToString::to_string).collect();
            let client_id = record["client_id"].as_str().unwrap();
            let problem = "the signing algorithm is not supported";
            assert_eq!(problems, [format!("record 0: client {client_id:?}: {problem}")]);
        }
    }
}

// Parsers disagree on which of two counts (RFC 8259 §4).
#[test]
fn member_that_decides_whose_tokens_are_accepted_is_there_once() {
    for (record, problem) in [
        (
            r#"{"client_id": "c", "federated_identities": [], "federated_identities": []}"#,
            "`federated_identities` is there twice",
        ),
        (
            r#"{"client_id": "c", "federated_identities": [{"subject": "a", "subject": "b"}]}"#,
            "`federated_identities` cannot be read, or has a member twice",
        ),
        (r#"{"client_id": "c", "spiffe_id": "a", "spiffe_id": "b"}"#, "`spiffe_id` is there twice"),
        (
            r#"{"client_id": "c", "spiffe_bundle": {"keys": [], "keys": []}}"#,
            "`spiffe_bundle` cannot be read, or has a member twice",
        ),
    ] {
        let error = serde_json::from_str::<ClientMetadata>(record).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}

#[test]
fn methods_of_workloads_need_more_than_a_secret() {
    let stored = |method: &str| {
        RegisteredClient::new("c", &AuthMethod::from(method), [], ())
            .map_err(|error| error.to_string())
    };
    let error = stored("spiffe_jwt").unwrap_err();
    assert_eq!(error, "client \"c\": `spiffe_jwt` needs a SPIFFE ID and a bundle");
}

/// Knows one client, by issuer and subject alone.
struct ByName(RegisteredClient<App>);

impl ClientProvider for ByName {
    type Client = App;
    type Error = BoxError;

    async fn find_client(
        &self,
        _client_id: &str,
    ) -> Result<Option<RegisteredClient<App>>, BoxError> {
        Ok(None)
    }

    async fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<App>>, BoxError> {
        if issuer == "down" {
            return Err("the database is down".into());
        }
        Ok((issuer == CLUSTER && subject == WORKER).then(|| self.0.clone()))
    }
}

fn finds<P: ClientProvider>(provider: P) {
    let find = |issuer: &str, subject: &str| {
        run(provider.find_federated(issuer, subject)).map_err(Into::<BoxError>::into)
    };
    let found = find(CLUSTER, WORKER).unwrap();
    assert_eq!(found.unwrap().client_id(), "worker");
    assert!(find(CLUSTER, "else").unwrap().is_none());
    assert!(find("down", WORKER).is_err());
}

#[test]
fn every_wrapper_finds_by_issuer_and_subject() {
    let inner = || ByName(client("worker", [cluster()]));
    finds(inner());
    finds(Arc::new(inner()));
    finds(BoxClientProvider::new(inner()));
    finds(BoxClientProvider::new(Arc::new(inner())));
    #[cfg(feature = "cache")]
    finds(tower_client_auth::provider::CachedProvider::new(inner()));
    // A closure answers for ids, and for nothing else.
    let closure =
        provider_fn(|_: &str| std::future::ready(Ok::<_, BoxError>(None::<RegisteredClient<App>>)));
    assert!(run(closure.find_federated(CLUSTER, WORKER)).unwrap().is_none());
}

/// Through the layer that makes it, because nobody else can.
#[cfg(feature = "metadata-documents")]
#[test]
fn documents_leave_issuers_and_subjects_to_the_provider() {
    use tower_client_auth::metadata_documents::MetadataDocuments;

    let documents = || MetadataDocuments::from_hosts(["client.example"]).unwrap();
    let ask = || TestRequest::form(form(&cluster_token(json!({})))).request();
    let layer = ClientAuthLayer::new(ByName(client("worker", [cluster()])))
        .clock(Clock::fixed(NOW))
        .assertions(settings())
        .metadata_documents_as(documents(), |_| app("document"));
    let inner = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
    });
    assert_eq!(run(layer.layer(inner).oneshot(ask())).unwrap().status(), 200);
    let (clients, _) =
        MemoryProvider::from_json(json!([metadata(json!({}))]).to_string().as_bytes()).unwrap();
    let layer = ClientAuthLayer::new(clients)
        .clock(Clock::fixed(NOW))
        .assertions(settings())
        .metadata_documents(documents());
    assert_eq!(run(layer.layer(inner).oneshot(ask())).unwrap().status(), 200);
}

#[cfg(feature = "cache")]
#[test]
fn cache_remembers_which_client_it_is_and_looks_it_up_by_its_id() {
    use tower_client_auth::provider::CachedProvider;

    /// Counts, and has its client replaced.
    struct Counting(Mutex<RegisteredClient<App>>, Log<String>);

    impl ClientProvider for Counting {
        type Client = App;
        type Error = BoxError;

        async fn find_client(&self, id: &str) -> Result<Option<RegisteredClient<App>>, BoxError> {
            self.1.push(id.to_owned());
            Ok(Some(self.0.lock().unwrap().clone()).filter(|client| client.client_id() == id))
        }

        async fn find_federated(
            &self,
            issuer: &str,
            subject: &str,
        ) -> Result<Option<RegisteredClient<App>>, BoxError> {
            self.1.push(format!("{issuer} {subject}"));
            Ok(Some(self.0.lock().unwrap().clone()).filter(|_| issuer == CLUSTER))
        }
    }

    let asked = Log::default();
    let store = Counting(Mutex::new(client("worker", [cluster()])), asked.clone());
    let provider = CachedProvider::new(store).clock(Clock::fixed(NOW));
    let find = |issuer| run(provider.find_federated(issuer, WORKER)).unwrap();
    for _ in 0..3 {
        assert_eq!(find(CLUSTER).unwrap().client_id(), "worker");
        assert!(find(ACTIONS).is_none());
    }
    let names = [format!("{CLUSTER} {WORKER}"), format!("{ACTIONS} {WORKER}"), "worker".to_owned()];
    assert_eq!(asked.take(), names);
    // What is registered anew is found at once where the cache is told.
    *provider.get_ref().0.lock().unwrap() = client("worker", [actions()]);
    provider.invalidate("worker");
    assert!(find(CLUSTER).is_some());
    assert_eq!(asked.take(), names[..1]);
    provider.invalidate_all();
    assert!(find(CLUSTER).is_some() && find(ACTIONS).is_none());
    assert_eq!(asked.take(), names[..2]);
}

/// Fails as if one of many rows could not be used.
struct OneBadRow {
    client_id: &'static str,
    returned: bool,
}

impl ClientProvider for OneBadRow {
    type Client = App;
    type Error = BoxError;

    async fn find_client(&self, _: &str) -> Result<Option<RegisteredClient<App>>, BoxError> {
        Ok(None)
    }

    async fn find_federated(
        &self,
        _issuer: &str,
        _subject: &str,
    ) -> Result<Option<RegisteredClient<App>>, BoxError> {
        match RegisteredClient::federated(self.client_id, [], app(self.client_id)) {
            Err(invalid) if self.returned => Ok(Some(invalid.into_unusable())),
            client => Ok(Some(client?)),
        }
    }
}

#[test]
fn unusable_registration_is_an_outage_where_no_id_says_whose_it_is() {
    let ask = |subject| TestRequest::form(form(&cluster_token(json!({"sub": subject}))));
    let harness = |client_id, returned| {
        Harness::of(OneBadRow { client_id, returned }).set(|layer| layer.assertions(settings()))
    };
    // A subject is no id, whatever it says.
    for subject in [WORKER, "worker"] {
        let answer = harness("worker", false).ask(&ask(subject));
        let asked = format!("{CLUSTER} {subject}");
        assert_eq!(answer, failed(ErrorKind::Provider, &asked));
        let answer = harness("worker", true).ask(&ask(subject));
        assert_eq!(answer, failed(ErrorKind::UnusableRegistration, &asked));
    }
}

#[test]
fn provider_that_fails_is_an_outage_also_for_issuers() {
    let harness = Harness::of(ByName(client("worker", [cluster()])))
        .set(|layer| layer.assertions(settings()));
    let ask = TestRequest::form(form(&cluster_token(json!({"iss": "down"}))));
    assert_eq!(harness.ask(&ask), failed(ErrorKind::Provider, &format!("down {WORKER}")));
}

#[test]
fn client_that_is_found_must_trust_the_issuer() {
    let wrong = client("worker", [actions()]);
    for (registered, kind) in [
        (wrong, ISSUER_MISMATCH),
        (own("worker"), ISSUER_MISMATCH),
        (RegisteredClient::public("worker", app("worker")), ErrorKind::MethodMismatch),
    ] {
        let harness = Harness::of(ByName(registered)).set(|layer| layer.assertions(settings()));
        let ask = TestRequest::form(form(&cluster_token(json!({}))));
        assert_eq!(harness.ask(&ask), failed(kind, &format!("{CLUSTER} {WORKER}")));
    }
}

#[test]
fn outcome_names_the_client_that_was_found() {
    let seen = Log::default();
    let log = seen.clone();
    let harness = harness([client("worker", [cluster()])]).set(|layer| {
        layer.on_outcome(move |outcome| {
            let name =
                |method: Option<&AuthMethod>| method.map(|method| method.as_str().to_owned());
            let source = outcome.error().and_then(std::error::Error::source);
            log.push((
                outcome.client_id().map(str::to_owned),
                name(outcome.method()),
                name(outcome.registered_method()),
                source.map(ToString::to_string),
            ));
        })
    });
    let row = |id: &str, registered: Option<&str>, source: Option<&str>| {
        let text = |text: &str| text.to_owned();
        (Some(text(id)), Some(text("private_key_jwt")), registered.map(text), source.map(text))
    };
    harness.ask(&TestRequest::form(form(&cluster_token(json!({})))));
    harness.ask(&TestRequest::form(form(&cluster_token(json!({"aud": "x"})))));
    harness.ask(&of("worker", &form(&cluster_token(json!({"aud": "x"})))));
    harness.ask(&of("worker", &form(&cluster_token(json!({"aud": [ISSUER, "x"]})))));
    for missing in ["aud", "exp", "jti"] {
        harness.ask(&of("worker", &form(&cluster_token(json!({missing: null})))));
    }
    harness.ask(&TestRequest::form(form(&cluster_token(json!({"iss": "https://evil.example"})))));
    let registered = Some("private_key_jwt");
    let audience = "the accepted audience is `https://as.example`, alone";
    let expected = [
        row("worker", registered, None),
        row("worker", registered, Some(audience)),
        row("worker", registered, Some(audience)),
        row("worker", registered, Some(audience)),
        row("worker", registered, Some("`aud` is missing or empty")),
        row("worker", registered, Some("`exp` is missing")),
        row(
            "worker",
            registered,
            Some("`jti` is missing or empty; tokens without one need `Trust::reusable`"),
        ),
        row(
            WORKER,
            None,
            Some(
                "the token has the `iss` \"https://evil.example\" and the `sub` \"system:serviceaccount:billing:worker\"",
            ),
        ),
    ];
    assert_eq!(seen.take(), expected);
}

#[test]
fn cause_says_whom_a_token_is_of_and_how_long_it_may_live() {
    let causes = Log::default();
    let log = causes.clone();
    let hour = cluster().longest_lifetime(Duration::from_secs(600));
    let clients = [client("worker", [hour]), client("billing", [workload()]), own("own")];
    let harness = harness(clients).set(|layer| {
        layer.on_outcome(move |outcome| {
            let error = outcome.error().unwrap();
            let cause = std::error::Error::source(error).map(ToString::to_string);
            log.push((error.kind().as_str(), cause.unwrap_or_default()));
        })
    });
    let ask = |client_id: &str, form: &str| {
        harness.ask(&of(client_id, form));
        causes.take().remove(0)
    };
    let token = |changes: Value| form(&cluster_token(changes));
    let said = |reason, cause: &str| (reason, cause.to_owned());
    let mismatch =
        "the token has the `iss` \"https://kubernetes.example\" and the `sub` \"default\"";
    let default = token(json!({"sub": "default"}));
    assert_eq!(ask("worker", &default), said("subject_mismatch", mismatch));
    // Who issues its tokens itself.
    assert_eq!(ask("own", &default), said("issuer_mismatch", mismatch));
    let without = said("issuer_mismatch", "the token has no `iss`, and the `sub` \"default\"");
    assert_eq!(ask("worker", &token(json!({"iss": null, "sub": "default"}))), without);
    let other = spiffe_form(&svid(json!({"iss": CLUSTER, "sub": "spiffe://prod.example/other"})));
    let other_id = "the token has the `sub` \"spiffe://prod.example/other\"";
    assert_eq!(ask("billing", &other), said("subject_mismatch", other_id));
    // It is anybody's: on one line, without an end of its own, and not longer than a name.
    let hostile = format!("\" \u{2028}\u{202e}{}", "\u{e9}".repeat(200));
    let (_, cause) = ask("worker", &token(json!({"sub": hostile})));
    let (_, subject) = cause.split_once("`sub` ").unwrap();
    assert_eq!(subject, format!("\"\\\" \\u{{2028}}\\u{{202e}}{}\"", "\u{e9}".repeat(124)));
    // The one of the trust, and not that of all assertions.
    let lifetime = "`exp` may be 600 seconds ahead, see `longest_lifetime`";
    let long = token(json!({"exp": NOW + 3600}));
    assert_eq!(ask("worker", &long), said("assertion_lifetime", lifetime));
}
