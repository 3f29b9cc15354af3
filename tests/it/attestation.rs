//! draft-ietf-oauth-attestation-based-client-auth: the rules of revision 11, B1 to B24 in the order of
//! `tests/requirements.md`. Each test names the cases that it is of.

#[cfg(feature = "unstable-attestation-x5c")]
mod x5c;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, StatusCode};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, Clock, ConfigError,
    ErrorKind as K, RegisteredClient,
    assertion::{ClientKeys, FetchedJwks, JwksCache, JwksSource},
    attestation::{Attesters, Challenges, InvalidAttestation as I},
    body::RequestBody,
    forward::{Forward, IdentitySigner},
    provider::{MemoryProvider, provider_fn},
    replay::MemoryReplayStore,
    tenant::TenantLayer,
};

use crate::{
    jose::{ISSUER, Key, base64url, compact, jwks, rsa, with},
    support::{
        Answer, App, Clients, Harness, Log, NOW, REFUSALS, TestLayer, TestRequest, app, clients,
        failed, refused, run,
    },
};

const ATTESTATION: &str = "oauth-client-attestation";
const PROOF: &str = "oauth-client-attestation-pop";
const CHALLENGE: &str = "oauth-client-attestation-challenge";
const SECRET: [u8; 32] = [7; 32];

fn keys() -> &'static [Key; 4] {
    static KEYS: OnceLock<[Key; 4]> = OnceLock::new();
    KEYS.get_or_init(|| [(); 4].map(|()| Key::ec("ES256")))
}

fn attester() -> &'static Key {
    &keys()[0]
}

fn other_attester() -> &'static Key {
    &keys()[1]
}

fn instance() -> &'static Key {
    &keys()[2]
}

fn other_instance() -> &'static Key {
    &keys()[3]
}

/// An attestation and its proof, right until something is changed.
#[derive(Clone)]
struct Pair {
    signer: &'static Key,
    prover: &'static Key,
    header: Value,
    claims: Value,
    proof_header: Value,
    proof: Value,
}

/// `null` takes a member away.
fn change(object: &mut Value, changes: Value) {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
}

impl Pair {
    fn new() -> Self {
        Self::of(instance())
    }

    fn of(instance: &'static Key) -> Self {
        Self {
            signer: attester(),
            prover: instance,
            header: json!({"typ": "oauth-client-attestation+jwt", "alg": "ES256", "kid": "a"}),
            claims: json!({
                "sub": "wallet", "iat": NOW - 60, "exp": NOW + 3600,
                "cnf": {"jwk": instance.jwk()},
            }),
            proof_header: json!({"typ": "oauth-client-attestation-pop+jwt", "alg": "ES256"}),
            proof: json!({"aud": ISSUER, "jti": "1", "iat": NOW}),
        }
    }

    fn header(mut self, changes: Value) -> Self {
        change(&mut self.header, changes);
        self
    }

    fn claims(mut self, changes: Value) -> Self {
        change(&mut self.claims, changes);
        self
    }

    fn proof_header(mut self, changes: Value) -> Self {
        change(&mut self.proof_header, changes);
        self
    }

    fn proof(mut self, changes: Value) -> Self {
        change(&mut self.proof, changes);
        self
    }

    fn signed_by(self, signer: &'static Key) -> Self {
        Self { signer, ..self }
    }

    fn proven_by(self, prover: &'static Key) -> Self {
        Self { prover, ..self }
    }

    fn attestation(&self) -> String {
        sign(self.signer, &self.header, &self.claims)
    }

    fn possession(&self) -> String {
        sign(self.prover, &self.proof_header, &self.proof)
    }

    fn on(&self, request: TestRequest) -> TestRequest {
        request.with(ATTESTATION, self.attestation()).with(PROOF, self.possession())
    }

    fn request(&self) -> TestRequest {
        self.on(TestRequest::form("grant_type=authorization_code&code=x"))
    }
}

fn sign(key: &Key, header: &Value, claims: &Value) -> String {
    let alg = header["alg"].as_str().unwrap_or("ES256").to_owned();
    compact(key, &alg, &header.to_string(), &claims.to_string())
}

fn client_keys(key: &Key, kid: &str) -> ClientKeys {
    ClientKeys::from_jwks(&jwks([with(key.jwk(), json!({"kid": kid}))])).unwrap()
}

fn store() -> MemoryReplayStore {
    MemoryReplayStore::default().clock(Clock::fixed(NOW))
}

fn attesters() -> Attesters {
    attesters_with(store())
}

fn attesters_with(store: MemoryReplayStore) -> Attesters {
    Attesters::new(ISSUER, store)
        .unwrap()
        .trust("wallet-provider", client_keys(attester(), "a"))
        .trust("other-provider", client_keys(other_attester(), "b"))
}

fn registered() -> Clients {
    let clients = clients();
    for (client_id, attester) in
        [("wallet", "wallet-provider"), ("other", "other-provider"), ("nobody's", "unknown")]
    {
        clients.insert(RegisteredClient::attested(client_id, attester, app(client_id)));
    }
    clients
}

fn harness_of(attesters: Attesters) -> Harness {
    Harness::of(registered()).set(|layer| layer.attestation(attesters))
}

/// With a clock that goes, for the layer and for the store.
fn moving(attesters: impl FnOnce(MemoryReplayStore) -> Attesters) -> (Harness, Clock) {
    let clock = Clock::fixed(NOW);
    let attesters = attesters(MemoryReplayStore::default().clock(clock.clone()));
    (harness_of(attesters).set(|layer| layer.clock(clock.clone())), clock)
}

fn harness() -> Harness {
    harness_of(attesters())
}

fn ask(request: &TestRequest) -> Answer {
    harness().ask(request)
}

fn accepted(request: &TestRequest) -> Answer {
    request.accepted("wallet", AuthMethod::AttestJwtClientAuth)
}

const fn reason(invalid: I) -> K {
    K::Attestation(invalid)
}

/// What comes of a pair, each with a layer of its own: `None` is success. Whether it is found before a look-up.
#[track_caller]
fn fails(pair: &Pair, invalid: I, looked_up: bool) {
    let request = pair.request();
    let expected =
        if looked_up { failed(reason(invalid), "wallet") } else { refused(reason(invalid)) };
    assert_eq!(ask(&request), expected);
}

#[track_caller]
fn passes(pair: &Pair) {
    let request = pair.request();
    assert_eq!(ask(&request), accepted(&request));
}

// Cases 1 to 3. B9, B17.
#[test]
fn abca_7_5_sub_names_the_client_wherever_that_stands() {
    passes(&Pair::new());
    for id in ["wallet", "w%61llet"] {
        let request = Pair::new().on(TestRequest::form(format!("client_id={id}")));
        assert_eq!(ask(&request), accepted(&request), "{id}");
    }
    for id in ["other", "wallet%20", "WALLET", "public"] {
        let request = Pair::new().on(TestRequest::form(format!("client_id={id}")));
        assert_eq!(ask(&request), refused(K::ClientIdMismatch), "{id}");
    }
    // A public client that sends one is no public client.
    let pair = Pair::new().claims(json!({"sub": "public"}));
    let request = pair.on(TestRequest::form("client_id=public"));
    assert_eq!(ask(&request), failed(K::MethodMismatch, "public"));
}

// Case 4.
#[test]
fn attestation_authenticates_at_every_endpoint() {
    for (path, form) in [
        ("/introspect", "token=x"),
        ("/revoke", "token=x"),
        ("/par", "response_type=code&redirect_uri=a"),
        ("/device", "scope=a"),
    ] {
        let request = Pair::new().on(TestRequest::form(form).uri(path));
        assert_eq!(ask(&request), accepted(&request), "{path}");
    }
    let request = Pair::new().on(TestRequest::bare());
    assert_eq!(ask(&request), accepted(&request), "without a body");
}

// Case 5.
#[test]
fn attestation_needs_no_form() {
    let gateway = harness().set(|layer| layer.headers_only().unwrap());
    let request = Pair::new().on(TestRequest::bare().method("GET").uri("/any"));
    let names = gateway.layer.auth_methods_supported().collect::<Vec<_>>();
    assert_eq!(names, ["client_secret_basic", "attest_jwt_client_auth"]);
    assert_eq!(gateway.ask(&request).calls, accepted(&request).calls);

    let grpc = harness().set(|layer| layer.grpc().unwrap());
    let call = TestRequest::bare().with("content-type", "application/grpc").with("te", "trailers");
    let request = Pair::new().on(call.clone());
    assert_eq!(grpc.ask(&request).calls, accepted(&request).calls);
    let answer = grpc.ask(&Pair::new().proven_by(attester()).on(call));
    assert_eq!((answer.status, answer.kind), (200, Some(reason(I::WrongProof))));
    assert!(answer.headers.contains(&("grpc-status".into(), "16".into())), "{answer:?}");
}

// Case 6. B1, B2.
#[test]
fn abca_7_1_and_7_2_each_header_is_there_once() {
    let pair = Pair::new();
    let (attestation, proof) = (pair.attestation(), pair.possession());
    let form = || TestRequest::form("");
    let twice = |value: &str| format!("{value},{value}");
    for request in [
        pair.on(form()).with(ATTESTATION, &attestation),
        pair.on(form()).with(PROOF, &proof),
        form().with(ATTESTATION, twice(&attestation)).with(PROOF, &proof),
        form().with(ATTESTATION, &attestation).with(PROOF, twice(&proof)),
        form().with(ATTESTATION, &attestation).with(PROOF, &proof).with(PROOF, ""),
    ] {
        assert_eq!(ask(&request), refused(reason(I::Repeated)));
    }
}

// Cases 7 to 9. B1, B19.
#[test]
fn abca_7_one_header_without_the_other_is_refused() {
    let pair = Pair::new();
    let form = || TestRequest::form("client_id=wallet");
    let alone = form().with(PROOF, pair.possession());
    assert_eq!(ask(&alone), refused(reason(I::Missing)));
    let alone = form().with(ATTESTATION, pair.attestation());
    assert_eq!(ask(&alone), refused(reason(I::ProofMissing)));
    // The combined mode is not built.
    let dpop = sign(
        instance(),
        &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": instance().jwk()}),
        &json!({"htm": "POST", "htu": "https://as.example/token", "iat": NOW, "jti": "d"}),
    );
    assert_eq!(ask(&alone.with("dpop", dpop)), refused(reason(I::ProofMissing)));
}

// B20.
#[test]
fn dpop_beside_a_proof_is_passed_on() {
    let request = Pair::new().request().with("dpop", "a.b.c");
    assert_eq!(ask(&request), accepted(&request));
}

// B3, B23, case 6.
#[test]
fn abca_4_values_are_compact_and_bounded() {
    let pair = Pair::new();
    let (attestation, proof) = (pair.attestation(), pair.possession());
    let ask = |attestation: &str, proof: &str| {
        let request = TestRequest::form("").with(ATTESTATION, attestation).with(PROOF, proof);
        harness().ask(&request)
    };
    let [header, claims, signature] =
        attestation.split('.').collect::<Vec<_>>().try_into().unwrap();
    for wrong in [
        String::new(),
        "a".to_owned(),
        "a.b.c".to_owned(),
        "==".to_owned(),
        format!("{attestation} "),
        format!("\"{attestation}\""),
        format!("{attestation}="),
        format!("{attestation}.e"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        attestation.replace('.', ". "),
        format!("{attestation}\u{e9}"),
    ] {
        // Not what HTTP itself would trim.
        if wrong.trim() == wrong {
            assert_eq!(ask(&wrong, &proof), refused(reason(I::Malformed)), "{wrong}");
            assert_eq!(ask(&attestation, &wrong), refused(reason(I::Malformed)), "{wrong}");
        }
    }
    let long = Pair::new().claims(json!({"x": "x".repeat(8 * 1024)})).attestation();
    assert_eq!(ask(&long, &proof), refused(K::CredentialTooLong));
    let long = Pair::new().proof(json!({"x": "x".repeat(8 * 1024)})).possession();
    assert_eq!(ask(&attestation, &long), refused(K::CredentialTooLong));
}

// Case 10. B4.
#[test]
fn abca_4_and_5_1_typ_is_the_one_of_each() {
    const OF_ATTESTATION: &str = "oauth-client-attestation+jwt";
    const OF_PROOF: &str = "oauth-client-attestation-pop+jwt";
    for typ in [json!(null), json!("JWT"), json!(OF_PROOF), json!("dpop+jwt"), json!("wit+jwt")] {
        fails(&Pair::new().header(json!({"typ": typ})), I::UnsupportedTyp, false);
    }
    for typ in [json!(null), json!("JWT"), json!(OF_ATTESTATION), json!("dpop+jwt")] {
        fails(&Pair::new().proof_header(json!({"typ": typ})), I::UnsupportedTyp, false);
    }
    passes(&Pair::new().header(json!({"typ": format!("application/{OF_ATTESTATION}")})));
    passes(&Pair::new().proof_header(json!({"typ": format!("application/{OF_PROOF}")})));
    passes(&Pair::new().proof_header(json!({"typ": OF_PROOF.to_uppercase()})));
    for member in ["crit", "b64", "zip", "enc"] {
        let mut changes = json!({});
        changes[member] = json!(["x"]);
        fails(&Pair::new().header(changes.clone()), I::UnsupportedHeader, false);
        fails(&Pair::new().proof_header(changes), I::UnsupportedHeader, false);
    }
}

// Case 11. B6.
#[test]
fn abca_7_1_attester_of_this_client_signed() {
    fails(&Pair::new().signed_by(instance()), I::WrongSignature, true);
    // By an attester that is trusted for another client, under its own `kid` and under ours.
    let other = Pair::new().signed_by(other_attester());
    fails(&other.clone().header(json!({"kid": "b"})), I::AttesterKey, true);
    fails(&other, I::WrongSignature, true);
    let request = other.header(json!({"kid": "b"})).claims(json!({"sub": "other"})).request();
    assert_eq!(ask(&request), request.accepted("other", AuthMethod::AttestJwtClientAuth));
    // A key that the header brings is none.
    let header = json!({"kid": null, "jwk": instance().jwk(), "x5c": ["eA=="]});
    fails(&Pair::new().signed_by(instance()).header(header), I::WrongSignature, true);
    // An attester has one key for a `kid`, and may leave it out if it has but one.
    passes(&Pair::new().header(json!({"kid": null})));
    let two =
        [with(attester().jwk(), json!({"kid": "a"})), with(instance().jwk(), json!({"kid": "c"}))];
    let two = ClientKeys::from_jwks(&jwks(two)).unwrap();
    let harness = harness_of(attesters().trust("wallet-provider", two));
    let request = Pair::new().request();
    assert_eq!(harness.ask(&request), accepted(&request));
    let request = Pair::new().header(json!({"kid": null})).request();
    assert_eq!(harness.ask(&request), failed(reason(I::AttesterKey), "wallet"));
}

#[test]
fn attester_that_is_not_trusted_is_told_to_the_operator() {
    let request = Pair::new().claims(json!({"sub": "nobody's"})).request();
    assert_eq!(ask(&request), failed(K::UnusableRegistration, "nobody's"));
    let told = "the attester of the client is none that `Attesters::trust` or `Attesters::trust_anchors` names";
    let expected = (K::UnusableRegistration, Some(told.to_owned()));
    assert_eq!(causes_of(harness(), &request), expected);
}

// Case 12. B5.
#[test]
fn abca_7_1_and_7_2_algorithms_are_asymmetric_and_strong() {
    let public = attester().jwk().to_string();
    let mac = Box::leak(Box::new(Key::secret(&public)));
    for alg in ["none", "HS256", "ES256K", "es256"] {
        let pair = Pair::new().header(json!({"alg": alg})).signed_by(mac);
        fails(&pair, I::UnsupportedAlgorithm, false);
        let pair = Pair::new().proof_header(json!({"alg": alg})).proven_by(mac);
        fails(&pair, I::UnsupportedAlgorithm, false);
    }
    let weak = json!({"kty": "RSA", "n": base64url([0xff; 128]), "e": "AQAB"});
    let pair = Pair::new().claims(json!({"cnf": {"jwk": weak}}));
    fails(&pair.proof_header(json!({"alg": "RS256"})), I::InstanceKey, false);
    let narrow = || harness_of(attesters().signing_algs(["ES256"]).unwrap());
    let request = Pair::new().request();
    assert_eq!(narrow().ask(&request), accepted(&request));
    let of_rsa = Pair::of(rsa()).proof_header(json!({"alg": "RS256"}));
    passes(&of_rsa);
    assert_eq!(narrow().ask(&of_rsa.request()), refused(reason(I::UnsupportedAlgorithm)));
}

// Cases 13 and 14. B7.
#[test]
fn abca_7_4_attestation_that_is_not_fresh_is_asked_for_again() {
    for claims in [
        json!({"exp": NOW}),
        json!({"exp": NOW - 1}),
        json!({"iat": NOW - 24 * 3600}),
        json!({"iat": NOW - 24 * 3600 - 1}),
    ] {
        let pair = Pair::new().claims(claims);
        fails(&pair, I::Stale, true);
        let answer = ask(&pair.request());
        assert_eq!(answer.status, 401);
        assert!(answer.body.contains(r#""error":"use_fresh_attestation""#), "{}", answer.body);
        fails(&pair.clone().signed_by(instance()), I::WrongSignature, true);
        fails(&pair.proven_by(attester()), I::WrongProof, true);
    }
    passes(&Pair::new().claims(json!({"exp": NOW + 1})));
    passes(&Pair::new().claims(json!({"iat": NOW - 24 * 3600 + 1})));
    passes(&Pair::new().claims(json!({"iat": null})));
    passes(&Pair::new().claims(json!({"exp": NOW + 365 * 24 * 3600})));
    fails(&Pair::new().claims(json!({"exp": null})), I::MissingClaim, true);
    fails(&Pair::new().claims(json!({"iat": NOW + 61})), I::NotYetValid, true);
    fails(&Pair::new().claims(json!({"nbf": NOW + 61})), I::NotYetValid, true);
    passes(&Pair::new().claims(json!({"iat": NOW + 60, "nbf": NOW + 60})));
    // Without `iat`, only `exp` bounds its age.
    let ageless = |exp: i64| Pair::new().claims(json!({"iat": null, "exp": exp}));
    passes(&ageless(NOW + 24 * 3600 + 60));
    fails(&ageless(NOW + 24 * 3600 + 61), I::Lifetime, true);
    let hour = attesters().longest_attestation(Duration::from_secs(3600)).unwrap();
    let request = Pair::new().claims(json!({"iat": NOW - 3600})).request();
    assert_eq!(harness_of(hour).ask(&request), failed(reason(I::Stale), "wallet"));
}

// Case 15. B8, B24.
#[test]
fn abca_7_1_key_of_the_instance_is_public_and_usable() {
    fails(&Pair::new().claims(json!({"cnf": null})), I::MissingClaim, false);
    fails(&Pair::new().claims(json!({"cnf": "x"})), I::Malformed, false);
    let jwk = instance().jwk();
    let off_curve = with(jwk.clone(), json!({"y": jwk["x"]}));
    for cnf in [
        json!({}),
        json!({"jkt": "x"}),
        json!({"jwk": null}),
        json!({"jwk": "x"}),
        json!({"jwk": {}}),
        json!({"jwk": {"keys": [jwk]}}),
        json!({"jwk": with(jwk.clone(), json!({"d": "eA"}))}),
        json!({"jwk": with(jwk.clone(), json!({"k": "eA"}))}),
        json!({"jwk": with(jwk.clone(), json!({"priv": "eA"}))}),
        json!({"jwk": with(jwk.clone(), json!({"use": "enc"}))}),
        json!({"jwk": with(jwk.clone(), json!({"alg": "ES384"}))}),
        json!({"jwk": {"kty": "oct", "k": base64url([1; 32])}}),
        json!({"jwk": off_curve}),
        json!({"jwk": rsa().jwk()}),
    ] {
        fails(&Pair::new().claims(json!({"cnf": cnf})), I::InstanceKey, false);
    }
    let named = with(jwk, json!({"use": "sig", "kid": "x", "alg": "ES256"}));
    passes(&Pair::new().claims(json!({"cnf": {"jwk": named, "x": 1}})));
}

// Case 16. B10.
#[test]
fn abca_7_2_key_of_the_instance_made_the_proof() {
    fails(&Pair::new().proven_by(attester()), I::WrongProof, true);
    let stolen = Pair::new();
    let own = Pair::of(other_instance());
    let request =
        TestRequest::form("").with(ATTESTATION, own.attestation()).with(PROOF, stolen.possession());
    assert_eq!(ask(&request), failed(reason(I::WrongProof), "wallet"));
}

// Case 17. B11.
#[test]
fn abca_5_1_audience_of_the_proof_is_the_issuer_alone() {
    let proof = |aud: Value| Pair::new().proof(json!({"aud": aud}));
    for aud in [
        json!("https://as.example/token"),
        json!("https://as.example/"),
        json!("https://AS.example"),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, ISSUER]),
    ] {
        fails(&proof(aud), I::WrongAudience, true);
    }
    fails(&proof(json!(null)), I::MissingClaim, true);
    fails(&proof(json!([])), I::MissingClaim, true);
    fails(&proof(json!({"x": ISSUER})), I::Malformed, false);
    passes(&proof(json!([ISSUER])));
    let strings = || harness_of(attesters().string_audience());
    let answer = strings().ask(&proof(json!([ISSUER])).request());
    assert_eq!(answer, failed(reason(I::WrongAudience), "wallet"));
    let request = Pair::new().request();
    assert_eq!(strings().ask(&request), accepted(&request));
}

// Case 18. B12.
#[test]
fn abca_7_2_proof_is_made_within_the_window() {
    let proof = |changes: Value| Pair::new().proof(changes);
    for iat in [NOW + 60, NOW + 10, NOW - 299] {
        passes(&proof(json!({"iat": iat})));
    }
    for iat in [NOW + 61, NOW - 300, NOW - 360] {
        fails(&proof(json!({"iat": iat})), I::ProofTime, true);
    }
    fails(&proof(json!({"iat": null})), I::MissingClaim, true);
    fails(&proof(json!({"exp": NOW})), I::ProofTime, true);
    fails(&proof(json!({"nbf": NOW + 61})), I::ProofTime, true);
    let minute = attesters().proof_window(Duration::from_secs(60)).unwrap();
    let request = proof(json!({"iat": NOW - 60})).request();
    assert_eq!(harness_of(minute).ask(&request), failed(reason(I::ProofTime), "wallet"));
}

// Case 19. B13.
#[test]
fn abca_5_1_proof_has_an_id() {
    let proof = |jti: Value| Pair::new().proof(json!({"jti": jti}));
    fails(&proof(json!(null)), I::MissingClaim, true);
    fails(&proof(json!("")), I::MissingClaim, true);
    fails(&proof(json!("x".repeat(257))), I::IdTooLong, true);
    fails(&proof(json!("a\u{0}b")), I::Malformed, true);
    passes(&proof(json!("x".repeat(256))));
}

// Case 20. B13.
#[test]
fn abca_12_1_proof_is_accepted_once() {
    let request = Pair::new().request();
    let harness = harness();
    assert_eq!(harness.ask(&request), accepted(&request));
    assert_eq!(harness.ask(&request), failed(reason(I::Replayed), "wallet"));
    // Nor with another attestation for the same key.
    let again = Pair::new().claims(json!({"iat": NOW - 1})).request();
    assert_eq!(harness.ask(&again), failed(reason(I::Replayed), "wallet"));
    let next = Pair::new().proof(json!({"jti": "2"})).request();
    assert_eq!(harness.ask(&next), accepted(&next));

    // Two layers, one store.
    let used = Arc::new(store());
    let layer = || {
        let attesters = Attesters::new(ISSUER, Arc::clone(&used)).unwrap();
        harness_of(attesters.trust("wallet-provider", client_keys(attester(), "a")))
    };
    assert_eq!(layer().ask(&request), accepted(&request));
    assert_eq!(layer().ask(&request), failed(reason(I::Replayed), "wallet"));
}

// Case 20.
#[test]
fn abca_12_1_one_of_a_thousand_equal_proofs_is_accepted() {
    let harness = harness();
    let request = Pair::new().request();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let answers = runtime.block_on(async {
        let tasks: Vec<_> = (0..1_000)
            .map(|_| tokio::spawn(harness.service().oneshot(request.request())))
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            let Ok(response) = task.await.unwrap();
            answers.push(response.status());
        }
        answers
    });
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1);
    assert!(
        answers.iter().all(|status| [StatusCode::OK, StatusCode::UNAUTHORIZED].contains(status))
    );
}

// B13. The client's clock is a minute ahead, so that its proof is accepted for six.
#[test]
fn proof_stays_used_for_as_long_as_it_is_accepted() {
    let (harness, clock) = moving(attesters_with);
    let request = Pair::new().proof(json!({"iat": NOW + 60})).request();
    assert_eq!(harness.ask(&request), accepted(&request));
    clock.advance(Duration::from_secs(359));
    assert_eq!(harness.ask(&request), failed(reason(I::Replayed), "wallet"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(harness.ask(&request), failed(reason(I::ProofTime), "wallet"));
}

// Case 21. B13.
#[test]
fn two_instances_may_have_one_id() {
    let harness = harness();
    for instance in [instance(), other_instance()] {
        let request = Pair::of(instance).request();
        assert_eq!(harness.ask(&request), accepted(&request));
    }
}

// B13.
#[test]
fn proof_is_claimed_after_everything_else() {
    let harness = harness_of(attesters().challenges(Challenges::stateless(SECRET).unwrap()));
    // With a wrong audience, and without a challenge: both could be used otherwise.
    for pair in [Pair::new().proof(json!({"aud": "x"})), Pair::new()] {
        assert!(harness.ask(&pair.request()).kind.is_some());
    }
    let challenge = challenge(&harness.layer);
    let request = Pair::new().proof(json!({"challenge": challenge})).request();
    assert_eq!(harness.ask(&request).status, 200);
}

/// The one that the endpoint hands out.
fn challenge(layer: &TestLayer) -> String {
    let answer = layer.challenge();
    assert_eq!(answer.status(), StatusCode::OK);
    let json: Value = serde_json::from_slice(answer.body()).unwrap();
    json["attestation_challenge"].as_str().unwrap().to_owned()
}

fn with_challenges() -> Attesters {
    attesters().challenges(Challenges::stateless(SECRET).unwrap())
}

/// The answer without the fresh challenge, and that.
fn without_challenge(answer: Answer) -> (Answer, Option<String>) {
    let found = answer.headers.iter().find(|header| header.0 == CHALLENGE);
    let found = found.map(|header| header.1.clone());
    (answer.without(CHALLENGE), found)
}

// Case 22. B14, B15.
#[test]
fn abca_6_1_proof_has_a_challenge_of_this_server() {
    let clock = Clock::fixed(NOW);
    let harness = harness_of(with_challenges()).set(|layer| layer.clock(clock.clone()));
    let old = challenge(&harness.layer);
    let of_others = Challenges::stateless([8; 32]).unwrap();
    let foreign = challenge(&harness_of(attesters().challenges(of_others)).layer);
    let elsewhere = Attesters::new("https://other.example", store()).unwrap();
    let elsewhere = elsewhere.challenges(Challenges::stateless(SECRET).unwrap());
    let elsewhere = challenge(&harness_of(elsewhere).layer);
    clock.advance(Duration::from_secs(300));
    let pair = Pair::new().proof(json!({"iat": NOW + 300}));
    let mut offered = String::new();
    for wrong in [json!(null), json!(""), json!("x"), json!(old), json!(foreign), json!(elsewhere)]
    {
        let request = pair.clone().proof(json!({"challenge": wrong})).request();
        let (answer, challenge) = without_challenge(harness.ask(&request));
        assert_eq!(answer, failed(reason(I::Challenge), "wallet"), "{wrong}");
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(r#""error":"use_attestation_challenge""#), "{}", answer.body);
        offered = challenge.unwrap();
    }
    // What was offered works, and the answer brings the next one, which works, too.
    for jti in ["2", "3", "4"] {
        let proof = json!({"challenge": offered, "jti": jti});
        let request = pair.clone().proof(proof).request();
        let (answer, next) = without_challenge(harness.ask(&request));
        assert_eq!(answer, accepted(&request), "{jti}");
        let next = next.unwrap();
        assert_ne!(next, offered);
        offered = next;
    }
    let late = json!({"challenge": offered, "jti": "5", "iat": NOW + 300 + 299});
    clock.advance(Duration::from_secs(299));
    let request = pair.proof(late).request();
    assert_eq!(without_challenge(harness.ask(&request)).0, accepted(&request), "its last second");
}

// R113: replicas with two secrets look otherwise than instances that begin.
#[test]
fn operator_learns_what_is_not_fresh() {
    let log = Log::default();
    let seen = log.clone();
    let attesters = attesters().longest_attestation(Duration::from_secs(3600)).unwrap();
    let challenges = Challenges::stateless(SECRET).unwrap().once();
    let harness = harness_of(attesters.challenges(challenges)).set(|layer| {
        layer.on_outcome(move |outcome| {
            let error = outcome.error();
            seen.push(error.map(|error| error.causes().map(|causes| causes.to_string())));
        })
    });
    let challenge = challenge(&harness.layer);
    let pair = Pair::new();
    for (pair, kind, told) in [
        (pair.clone().claims(json!({"exp": NOW})), I::Stale, "`exp` of the attestation is over"),
        (
            pair.clone().claims(json!({"iat": NOW - 3600})),
            I::Stale,
            "`iat` of the attestation is further back than `Attesters::longest_attestation`",
        ),
        (pair.clone(), I::Challenge, "the proof has no `challenge`"),
        (
            pair.clone().proof(json!({"challenge": "x"})),
            I::Challenge,
            "the `challenge` is old, or was made with another secret or for another issuer",
        ),
    ] {
        let (answer, _fresh) = without_challenge(harness.ask(&pair.request()));
        assert_eq!(answer, failed(reason(kind), "wallet"), "{told}");
        assert_eq!(log.take(), [Some(Some(told.to_owned()))]);
    }
    for jti in ["1", "2"] {
        harness.ask(&pair.clone().proof(json!({"challenge": challenge, "jti": jti})).request());
    }
    let used = Some(Some("the `challenge` was used before".to_owned()));
    assert_eq!(log.take(), [None, used]);
}

/// What the operator is told of a request that is refused.
#[track_caller]
fn causes_of(harness: Harness, request: &TestRequest) -> (K, Option<String>) {
    let log = Log::default();
    let seen = log.clone();
    let harness = harness.set(|layer| {
        layer.on_outcome(move |outcome| {
            let error = outcome.error().unwrap();
            seen.push((error.kind(), error.causes().map(|causes| causes.to_string())));
        })
    });
    harness.ask(request);
    let mut told = log.take();
    assert_eq!(told.len(), 1);
    told.remove(0)
}

/// The same, which must be refused for this reason.
#[track_caller]
fn told_of(request: &TestRequest, kind: I) -> String {
    let (told, causes) = causes_of(harness(), request);
    assert_eq!(told, reason(kind));
    causes.unwrap()
}

// R113.
#[test]
fn operator_learns_which_of_both_cannot_be_read() {
    let pair = Pair::new();
    let wrong_attestation = |wrong: &[u8]| {
        TestRequest::form("").with(ATTESTATION, wrong).with(PROOF, pair.possession())
    };
    let wrong_proof = |wrong: &[u8]| {
        TestRequest::form("").with(ATTESTATION, pair.attestation()).with(PROOF, wrong)
    };
    let of = |header: &str, claims: &str| compact(attester(), "ES256", header, claims);
    let headers = [pair.header.to_string(), pair.proof_header.to_string()];
    for (wrong, what) in [
        (&b"\xff.\xff.\xff"[..], "is not ASCII"),
        (b"a.b", "has not the three parts of a signed JWT, with dots between them"),
        (b"e30.e30.AA.AA", "has not the three parts of a signed JWT, with dots between them"),
        (b"e30=.e30.AA", "has a part that is not base64url without padding"),
        (b"e30.e30.A", "has a part that is not base64url without padding"),
        (
            of(r#"{"alg":"ES256","kid":7}"#, "{}").as_bytes(),
            "has a header that is not an object in JSON, with each member once, and `alg`, `kid` and `typ` as text",
        ),
        (of("{}", "{}").as_bytes(), "has no `alg`"),
    ] {
        let [attestation, proof] =
            [wrong_attestation(wrong), wrong_proof(wrong)].map(|ask| told_of(&ask, I::Malformed));
        assert_eq!(attestation, format!("the attestation {what}"));
        assert_eq!(proof, format!("the proof {what}"));
    }
    let claims = of(&headers[0], r#"{"sub":"wallet","exp":"soon"}"#);
    assert_eq!(
        told_of(&wrong_attestation(claims.as_bytes()), I::Malformed),
        "the claims of the attestation are not an object in JSON, with each member once, `sub` as text, `exp`, `nbf` \
         and `iat` as numbers of seconds, and `cnf` as an object"
    );
    let claims = of(&headers[1], r#"{"jti":1}"#);
    assert_eq!(
        told_of(&wrong_proof(claims.as_bytes()), I::Malformed),
        "the claims of the proof are not an object in JSON, with each member once, `aud`, `jti` and `challenge` as \
         text, and `exp`, `nbf` and `iat` as numbers of seconds"
    );
    let control = pair.clone().claims(json!({"sub": "wal\u{7}let"})).request();
    assert_eq!(told_of(&control, I::Malformed), "`sub` of the attestation has a control character");
    let control = pair.clone().proof(json!({"jti": "1\n"})).request();
    assert_eq!(told_of(&control, I::Malformed), "`jti` of the proof has a control character");
}

// R113.
#[test]
fn operator_learns_which_of_both_has_another_header() {
    let pair = Pair::new();
    for (members, kind, attestation, proof) in [
        (
            json!({"typ": "JWT"}),
            I::UnsupportedTyp,
            "the `typ` of the attestation is not `oauth-client-attestation+jwt`",
            "the `typ` of the proof is not `oauth-client-attestation-pop+jwt`",
        ),
        (
            json!({"alg": "none"}),
            I::UnsupportedAlgorithm,
            "the attestation has an `alg` that is not accepted",
            "the proof has an `alg` that is not accepted",
        ),
        (
            json!({"crit": ["b64"]}),
            I::UnsupportedHeader,
            "the attestation has `crit`, `b64`, `enc` or `zip` in its header",
            "the proof has `crit`, `b64`, `enc` or `zip` in its header",
        ),
    ] {
        let wrong = json!(members);
        assert_eq!(told_of(&pair.clone().header(wrong.clone()).request(), kind), attestation);
        assert_eq!(told_of(&pair.clone().proof_header(wrong).request(), kind), proof);
    }
}

// R113.
#[test]
fn operator_learns_which_claim_is_missing() {
    let pair = Pair::new();
    for (claim, told) in [
        ("sub", "`sub` of the attestation is missing or empty"),
        ("cnf", "`cnf` of the attestation is missing"),
        ("exp", "`exp` of the attestation is missing"),
    ] {
        let without = pair.clone().claims(json!({claim: null})).request();
        assert_eq!(told_of(&without, I::MissingClaim), told);
    }
    for (claim, told) in [
        ("aud", "`aud` of the proof is missing or empty"),
        ("jti", "`jti` of the proof is missing or empty"),
        ("iat", "`iat` of the proof is missing"),
    ] {
        let without = pair.clone().proof(json!({claim: null})).request();
        assert_eq!(told_of(&without, I::MissingClaim), told);
    }
}

// Case 23. B14.
#[test]
fn abca_6_1_challenge_is_for_those_whose_signatures_are_right() {
    let harness = harness_of(with_challenges());
    for (pair, kind, client_id) in [
        (Pair::new().claims(json!({"sub": "nobody"})), K::UnknownClient, "nobody"),
        (Pair::new().claims(json!({"sub": "basic"})), K::MethodMismatch, "basic"),
        (Pair::new().signed_by(instance()), reason(I::WrongSignature), "wallet"),
        (Pair::new().proven_by(attester()), reason(I::WrongProof), "wallet"),
        (Pair::new().claims(json!({"exp": NOW})), reason(I::Stale), "wallet"),
    ] {
        assert_eq!(harness.ask(&pair.request()), failed(kind, client_id));
    }
    assert_eq!(harness.ask(&TestRequest::form("client_id=basic")).kind, Some(K::MethodMismatch));
}

// B15.
#[test]
fn abca_6_2_fresh_challenge_comes_with_answers_to_attested_requests_alone() {
    let harness = harness_of(with_challenges());
    let basic = TestRequest::form("").basic("basic:basic-s3cr3t");
    assert_eq!(harness.ask(&basic), basic.accepted("basic", AuthMethod::ClientSecretBasic));
    // The inner service may be made ready late, and the layer be chosen late.
    let proof = json!({"challenge": challenge(&harness.layer)});
    let request = Pair::new().proof(proof).request();
    for late in [harness.layer.clone().ready_after_auth(), harness.layer.clone()] {
        let tenants = TenantLayer::new(move |_| Some(late.clone()));
        let asked = tenants.layer(harness.recorder()).oneshot(request.request());
        let Ok(response) = run(asked);
        let is_first = response.status() == StatusCode::OK;
        assert_eq!(response.headers().contains_key(CHALLENGE), is_first);
    }
    let next = Pair::new().proof(json!({"jti": "2", "challenge": challenge(&harness.layer)}));
    let ready = Harness::of(registered())
        .set(|layer| layer.attestation(with_challenges()).ready_after_auth());
    let next = next.request();
    let (answer, fresh) = without_challenge(ready.ask(&next));
    assert_eq!((answer, fresh.is_some()), (accepted(&next), true));
    // Where no challenges are asked for, there are none.
    let request = Pair::new().request();
    assert_eq!(ask(&request), accepted(&request));
}

#[test]
fn challenge_is_accepted_once_if_it_is_so_set() {
    let once = Challenges::stateless(SECRET).unwrap().once();
    let harness = harness_of(attesters().challenges(once));
    let challenge = challenge(&harness.layer);
    let ask = |instance, jti: &str| {
        let proof = json!({"challenge": challenge, "jti": jti});
        without_challenge(harness.ask(&Pair::of(instance).proof(proof).request()))
    };
    assert_eq!(ask(instance(), "1").0.status, 200);
    for (instance, jti) in [(instance(), "2"), (other_instance(), "1")] {
        let (answer, offered) = ask(instance, jti);
        assert_eq!(answer, failed(reason(I::Challenge), "wallet"));
        assert!(offered.is_some());
    }
}

#[test]
fn challenge_for_one_use_stays_used_for_as_long_as_it_is_good() {
    let once = || Challenges::stateless(SECRET).unwrap().once();
    let (harness, clock) = moving(|store| attesters_with(store).challenges(once()));
    let challenge = challenge(&harness.layer);
    let ask = |jti: &str, iat: i64| {
        let proof = json!({"challenge": challenge, "jti": jti, "iat": iat});
        without_challenge(harness.ask(&Pair::new().proof(proof).request())).0
    };
    assert_eq!(ask("1", NOW).status, 200);
    clock.advance(Duration::from_secs(299));
    assert_eq!(ask("2", NOW + 299), failed(reason(I::Challenge), "wallet"));
}

// It is read before anybody is known.
#[test]
fn instance_key_of_more_than_4_kib_is_refused() {
    let with_certificates = |length: usize| {
        let chain = json!({"x5c": ["c".repeat(length)]});
        let jwk = with(instance().jwk(), chain);
        ask(&Pair::new().claims(json!({"cnf": {"jwk": jwk}})).request())
    };
    let accepted_length = 4096 - with(instance().jwk(), json!({"x5c": [""]})).to_string().len();
    assert_eq!(with_certificates(accepted_length).status, 200);
    assert_eq!(with_certificates(accepted_length + 1), refused(reason(I::InstanceKey)));
}

// Challenges are to be had for nothing: what is refused must leave nothing in the store.
#[test]
fn instance_with_its_share_of_the_replay_store_is_throttled_alone() {
    let attesters = Attesters::new(ISSUER, MemoryReplayStore::new(32).clock(Clock::fixed(NOW)));
    let harness = harness_of(
        attesters
            .unwrap()
            .trust("wallet-provider", client_keys(attester(), "a"))
            .challenges(Challenges::stateless(SECRET).unwrap().once()),
    );
    let ask = |instance, jti: usize| {
        let proof = json!({"challenge": challenge(&harness.layer), "jti": jti.to_string()});
        harness.ask(&Pair::of(instance).proof(proof).request()).status
    };
    let answers: Vec<_> = (0..64).map(|jti| ask(instance(), jti)).collect();
    let accepted = answers.iter().take_while(|status| **status == 200).count();
    assert!((1..16).contains(&accepted), "{accepted}");
    assert_eq!(answers[accepted..], vec![StatusCode::TOO_MANY_REQUESTS; 64 - accepted]);
    assert_eq!(ask(other_instance(), 0), 200);
}

// Replicas share the secret, and nothing else.
#[test]
fn challenge_of_one_replica_is_good_at_the_next() {
    let (one, other) = (harness_of(with_challenges()), harness_of(with_challenges()));
    let request = Pair::new().proof(json!({"challenge": challenge(&one.layer)})).request();
    assert_eq!(without_challenge(other.ask(&request)).0, accepted(&request));
}

// Case 24.
#[test]
fn abca_6_3_challenge_endpoint_answers_with_a_new_one_each_time() {
    let layer = harness_of(with_challenges()).layer;
    let answer = layer.challenge();
    let header = |name: &str| answer.headers().get(name).cloned();
    assert_eq!(header("cache-control"), Some(HeaderValue::from_static("no-store")));
    assert_eq!(header("content-type"), Some(HeaderValue::from_static("application/json")));
    let distinct: std::collections::HashSet<_> = (0..100).map(|_| challenge(&layer)).collect();
    assert_eq!(distinct.len(), 100);
    let without = harness().layer.challenge();
    assert_eq!(without.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        without.into_body(),
        r#"{"error":"invalid_request","error_description":"There are no challenges"}"#
    );
}

// Case 25. B16.
#[test]
fn rfc6749_2_3_attestation_beside_another_method() {
    let basic = Pair::new().claims(json!({"sub": "basic"}));
    let beside = |pair: &Pair| pair.request().basic("basic:basic-s3cr3t");
    assert_eq!(ask(&beside(&basic)), refused(K::MultipleMethods));
    let post = basic.on(TestRequest::form("client_id=post&client_secret=post-s3cr3t"));
    assert_eq!(ask(&post), refused(K::MultipleMethods));
    for form in ["client_assertion=x", "client_assertion_type=x"] {
        assert_eq!(ask(&basic.on(TestRequest::form(form))), refused(K::MultipleMethods));
    }
    assert_eq!(ask(&basic.request().authorization("Bearer x")), refused(K::MultipleMethods));
}

// Case 25.
#[test]
fn abca_7_6_signal_is_judged_and_the_other_method_decides() {
    let harness = || harness_of(attesters().as_signal());
    let basic = Pair::new().claims(json!({"sub": "basic"}));
    let ask = |pair: &Pair, password: &str| {
        let request = pair.request().basic(format!("basic:{password}"));
        (harness().ask(&request), request)
    };
    let (answer, request) = ask(&basic, "basic-s3cr3t");
    assert_eq!(answer, request.accepted("basic", AuthMethod::ClientSecretBasic));
    // Any attester will do.
    let other = basic.clone().signed_by(other_attester()).header(json!({"kid": "b"}));
    assert_eq!(ask(&other, "basic-s3cr3t").0.status, 200);
    for (pair, kind) in [
        (basic.clone().signed_by(instance()), reason(I::WrongSignature)),
        (basic.clone().proven_by(attester()), reason(I::WrongProof)),
        (basic.clone().claims(json!({"exp": NOW})), reason(I::Stale)),
        (basic.clone().header(json!({"kid": "x"})), reason(I::AttesterKey)),
    ] {
        assert_eq!(ask(&pair, "basic-s3cr3t").0, failed(kind, "basic"));
    }
    assert_eq!(ask(&basic, "wrong-s3cr3t").0, failed(K::WrongSecret, "basic"));
    assert_eq!(ask(&Pair::new(), "basic-s3cr3t").0, refused(K::ClientIdMismatch));
    // It is required of nobody, and still a method of its own.
    let request = TestRequest::form("").basic("basic:basic-s3cr3t");
    assert_eq!(harness().ask(&request), request.accepted("basic", AuthMethod::ClientSecretBasic));
    let request = Pair::new().request();
    assert_eq!(harness().ask(&request), accepted(&request));
    // One half of it is an attempt, too.
    let half = TestRequest::form("").basic("basic:basic-s3cr3t").with(PROOF, "a.b.c");
    assert_eq!(harness().ask(&half), refused(reason(I::Missing)));
}

// Case 26. B17, B18.
#[test]
fn abca_7_4_attested_client_without_attestation_is_refused() {
    let bare = TestRequest::form("client_id=wallet");
    assert_eq!(ask(&bare), failed(reason(I::Missing), "wallet"));
    let post = TestRequest::form("client_id=wallet&client_secret=x-s3cr3t");
    assert_eq!(ask(&post), failed(K::MethodMismatch, "wallet"));
    let basic = TestRequest::form("").basic("wallet:x-s3cr3t");
    assert_eq!(ask(&basic), failed(K::MethodMismatch, "wallet"));
    let without = Harness::of(registered());
    assert_eq!(without.ask(&bare), failed(K::MethodMismatch, "wallet"));
    assert_eq!(without.ask(&Pair::new().request()), refused(K::NoCredentials));
}

/// RFC 7638, of a key on P-256.
fn jkt(key: &Key) -> String {
    let jwk = key.jwk();
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    base64url(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, members.as_bytes()))
}

// Case 27.
#[test]
fn thumbprint_of_the_instance_is_handed_on() {
    let log = Log::default();
    let seen = log.clone();
    let inner = tower::service_fn(move |request: Request<RequestBody<_>>| {
        let client = request.extensions().get::<AuthenticatedClient<App>>().unwrap();
        seen.push((
            client.clone().key_thumbprint().map(str::to_owned),
            request.headers().get(ATTESTATION).is_none_or(HeaderValue::is_sensitive)
                && request.headers().get(PROOF).is_none_or(HeaderValue::is_sensitive),
        ));
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<bytes::Bytes>::default(),
        )))
    });
    let service = harness_of(attesters().as_signal()).layer.layer(inner);
    let send = |request: TestRequest| {
        let Ok(response) = run(service.clone().oneshot(request.request()));
        assert_eq!(response.status(), StatusCode::OK);
        let (thumbprint, is_sensitive) = log.take().pop().unwrap();
        assert!(is_sensitive);
        thumbprint
    };
    let jkt = |key: &Key| Some(jkt(key));
    let proof = |pair: Pair, jti: &str| pair.proof(json!({"jti": jti})).request();
    assert_eq!(send(proof(Pair::new(), "1")), jkt(instance()));
    assert_eq!(send(proof(Pair::new(), "2")), jkt(instance()));
    assert_eq!(send(proof(Pair::of(other_instance()), "3")), jkt(other_instance()));
    let basic = TestRequest::form("").basic("basic:basic-s3cr3t");
    assert_eq!(send(basic.clone()), None);
    let signal = Pair::new().claims(json!({"sub": "basic"})).proof(json!({"jti": "4"}));
    assert_eq!(send(signal.on(basic)), jkt(instance()));
}

// -11 §10.3: grants must be bound to the instance, also where the upstream issues them.
#[test]
fn upstream_is_told_the_key_of_the_instance() {
    const NAME: &str = "x-client-key-thumbprint";
    let pkcs8 =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
    let signer =
        IdentitySigner::new(pkcs8.unwrap().as_ref(), "https://gateway.example", ISSUER).unwrap();
    let forward = Forward::new().key_thumbprint(NAME).unwrap().signed("x-identity", signer);
    let harness = harness().set(|layer| layer.forward(forward.unwrap()));
    let told = |request: &TestRequest| {
        let seen = harness.ask(request).calls.pop().unwrap().headers;
        let of = |name: &str| seen.iter().find(|(one, _)| one == name).map(|(_, value)| value);
        let claims = BASE64_URL_SAFE_NO_PAD
            .decode(of("x-identity").unwrap().split('.').nth(1).unwrap())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        (of(NAME).cloned(), claims["cnf"].clone())
    };
    let forged =
        |request: TestRequest| request.with(NAME, "x").with("x_client_key.thumbprint", "x");
    let thumbprint = jkt(instance());
    assert_eq!(
        told(&forged(Pair::new().request())),
        (Some(thumbprint.clone()), json!({"jkt": thumbprint}))
    );
    let basic = TestRequest::form("").basic("basic:basic-s3cr3t");
    assert_eq!(told(&forged(basic)), (None, Value::Null));
    let error = ConfigError::RepeatedIdentityHeader(NAME.to_owned());
    let twice = [
        Forward::new().identity(NAME).unwrap().key_thumbprint(NAME),
        Forward::new().key_thumbprint(NAME).unwrap().identity(NAME),
    ];
    assert_eq!(twice.map(Result::unwrap_err), [error.clone(), error]);
}

// The example of RFC 7638 §3.1 is an RSA key; RFC 8037 §A.3 has one of Ed25519.
#[test]
fn rfc7638_3_1_and_rfc8037_a_3_thumbprints() {
    let ed = Box::leak(Box::new(Key::ed()));
    let Value::Object(jwk) = ed.jwk() else { panic!() };
    let text = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, jwk["x"]);
    let Value::Object(jwk) = rsa().jwk() else { panic!() };
    let of_rsa = format!(r#"{{"e":"AQAB","kty":"RSA","n":{}}}"#, jwk["n"]);
    for (key, alg, text) in [(&*ed, "EdDSA", text), (rsa(), "PS256", of_rsa)] {
        let pair = Pair::of(key).proof_header(json!({"alg": alg}));
        let log = Log::default();
        let seen = log.clone();
        let inner = tower::service_fn(move |request: Request<RequestBody<_>>| {
            let client = request.extensions().get::<AuthenticatedClient<App>>().unwrap();
            seen.push(client.key_thumbprint().map(str::to_owned));
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
                http_body_util::Full::<bytes::Bytes>::default(),
            )))
        });
        let asked = harness().layer.layer(inner).oneshot(pair.request().request());
        let Ok(_response) = run(asked);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        assert_eq!(log.take(), [Some(base64url(digest))]);
    }
}

// Case 27. B21.
#[test]
fn abca_8_metadata_names_what_is_accepted() {
    let names = |layer: &TestLayer| layer.auth_methods_supported().collect::<Vec<_>>();
    let algorithms = |layer: &TestLayer| {
        layer.attestation_signing_algs_supported().map(str::to_owned).collect::<Vec<_>>()
    };
    let layer = harness().layer;
    assert_eq!(
        names(&layer),
        ["client_secret_basic", "client_secret_post", "attest_jwt_client_auth", "none"]
    );
    assert_eq!(
        algorithms(&layer),
        [
            "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256",
            "RS384", "RS512"
        ]
    );
    // Nobody is trusted.
    let nobody = harness_of(Attesters::new(ISSUER, store()).unwrap()).layer;
    assert!(!names(&nobody).contains(&"attest_jwt_client_auth"));
    assert!(algorithms(&nobody).is_empty());
    let request = Pair::new().request();
    assert_eq!(
        harness_of(Attesters::new(ISSUER, store()).unwrap()).ask(&request),
        refused(K::MethodNotAccepted)
    );
    // The method is left out.
    let narrow = |layer: TestLayer| layer.auth_methods([AuthMethod::ClientSecretBasic]).unwrap();
    let narrow = harness().set(narrow);
    assert!(algorithms(&narrow.layer).is_empty());
    assert_eq!(narrow.ask(&request).kind, Some(K::MethodNotAccepted));
    let only = harness().set(|l| l.auth_methods([AuthMethod::AttestJwtClientAuth]).unwrap());
    assert_eq!(only.ask(&request), accepted(&request));
    let answer = only.ask(&TestRequest::form(""));
    let challenge = ("www-authenticate".into(), "attest_jwt_client_auth realm=\"OAuth\"".into());
    assert!(answer.headers.contains(&challenge), "{answer:?}");
}

// B22.
#[test]
fn abca_4_unknown_claims_are_ignored_and_repeated_ones_refused() {
    passes(&Pair::new().claims(json!({"iss": "x", "wallet_name": "W", "aal": {"a": [1]}})));
    passes(&Pair::new().proof(json!({"iss": "x", "nonce": 1, "more": [{}]})));
    let twice = |claims: &Value, member: &str| claims.to_string().replacen('{', member, 1);
    let pair = Pair::new();
    let header = pair.header.to_string();
    let claims = twice(&pair.claims, r#"{"sub":"wallet","#);
    let request = TestRequest::form("")
        .with(ATTESTATION, compact(attester(), "ES256", &header, &claims))
        .with(PROOF, pair.possession());
    assert_eq!(ask(&request), refused(reason(I::Malformed)));
    let header = pair.proof_header.to_string();
    let claims = twice(&pair.proof, r#"{"x":1,"x":2,"#);
    let request = TestRequest::form("")
        .with(ATTESTATION, pair.attestation())
        .with(PROOF, compact(instance(), "ES256", &header, &claims));
    assert_eq!(ask(&request), refused(reason(I::Malformed)));
    for (member, value) in
        [("sub", json!(1)), ("exp", json!("1")), ("iat", json!([])), ("nbf", json!({}))]
    {
        let mut changes = json!({});
        changes[member] = value;
        fails(&Pair::new().claims(changes), I::Malformed, false);
    }
    fails(&Pair::new().claims(json!({"sub": null})), I::MissingClaim, false);
    fails(&Pair::new().claims(json!({"sub": ""})), I::MissingClaim, false);
    fails(&Pair::new().claims(json!({"sub": "a\u{0}"})), I::Malformed, false);
    fails(&Pair::new().proof(json!({"challenge": 1})), I::Malformed, false);
}

// RFC 6819 §5.1.4.2.
#[test]
fn failed_attestations_are_answered_alike() {
    let unknown = Pair::new().claims(json!({"sub": "nobody"})).request();
    let unknown = ask(&unknown);
    assert_eq!(unknown, failed(K::UnknownClient, "nobody"));
    for pair in [
        Pair::new().signed_by(instance()),
        Pair::new().proven_by(attester()),
        Pair::new().header(json!({"kid": "x"})),
        Pair::new().claims(json!({"sub": "basic"})),
        Pair::new().claims(json!({"sub": "public"})),
        Pair::new().claims(json!({"sub": "nobody's"})),
        Pair::new().proof(json!({"aud": "x"})),
    ] {
        assert_eq!(ask(&pair.request()).wire(), unknown.wire());
    }
}

// As draft -10 has it, §4 and §5.1. Who its attester is it does not say, so that only the proof can be verified: a
// wrong one is found first.
#[test]
fn abca_example_has_the_proof_of_its_instance() {
    const EXAMPLE: &str = "eyJ0eXAiOiJvYXV0aC1jbGllbnQtYXR0ZXN0YXRpb24rand0IiwiYWxnIjoiRVMyNTYiLCJraWQiOiIxMSJ9.\
        eyJzdWIiOiJodHRwczovL2NsaWVudC5leGFtcGxlLmNvbSIsImlhdCI6MTc3MjQ4NzU5NSwiZXhwIjoyNTI5ODY2Mzk0LCJjbmYiOnsiand\
        rIjp7Imt0eSI6IkVDIiwidXNlIjoic2lnIiwiY3J2IjoiUC0yNTYiLCJ4IjoiVmNLVk5CWjRJYUJBWVczanhNNHczVEpGVkE3bXllVUdReUd\
        0LWdfeXZwUSIsInkiOiJmLUUtaFlFM1RBV0t3aFZ2OXBlajlOQUJzOVNYOVhzTk84MHg1N2pGVHlVIn19fQ.\
        _TS4d-LAnRlwdN97wiVnl4z7C9gvm45IWr-BvGTzeZaHtZtgNZ88gvzroU3LElUPbgF4kWi_DFORnKzsx5yu6A";
    const PROOF_OF_EXAMPLE: &str = "eyJ0eXAiOiJvYXV0aC1jbGllbnQtYXR0ZXN0YXRpb24tcG9wK2p3dCIsImFsZyI6IkVTMjU2In0.\
        eyJhdWQiOiJodHRwczovL2FzLmV4YW1wbGUuY29tIiwianRpIjoiZDI1ZDAwYWItNTUyYi00NmZjLWFlMTktOThmNDQwZjI1MDY0IiwiaWF\
        0IjoxNzcyNDg3NTk1LCJjaGFsbGVuZ2UiOiI1YzFhOWUxMC0yOWZmLTRjMmItYWU3My01N2MwOTU3YzA5YzQifQ.\
        M4Uc4rWVAqaLlmDDUXQKkKPbAQKj0JrTizLgWhZndmbkvM3VL8y-w_QJr7Z0HZlH94E64cLa8L5fSjJItYv0jg";
    let made = 1_772_487_595;
    let id = "https://client.example.com";
    // Signed by an attester of ours, with the claims of the example.
    let [_, claims, _] = EXAMPLE.split('.').collect::<Vec<_>>().try_into().unwrap();
    let header =
        base64url(json!({"typ": "oauth-client-attestation+jwt", "alg": "ES256"}).to_string());
    let input = format!("{header}.{claims}");
    let signature = base64url(attester().sign("ES256", input.as_bytes()));
    let ask = |attestation: &str, proof: &str, attesters: Attesters| {
        let clients = Clients::from_iter([RegisteredClient::attested(id, "a", app(id))]);
        let attesters = attesters.trust("a", client_keys(attester(), "11"));
        let harness = Harness::of(clients)
            .set(|layer| layer.attestation(attesters).clock(Clock::fixed(made)));
        let request = TestRequest::form("").with(ATTESTATION, attestation).with(PROOF, proof);
        (harness.ask(&request), request)
    };
    let example = || {
        let store = MemoryReplayStore::default().clock(Clock::fixed(made));
        Attesters::new("https://as.example.com", store).unwrap()
    };
    let attestation = format!("{input}.{signature}");
    let (answer, request) = ask(&attestation, PROOF_OF_EXAMPLE, example());
    assert_eq!(answer, request.accepted(id, AuthMethod::AttestJwtClientAuth));
    let broken = PROOF_OF_EXAMPLE.replace(".M4", ".N4");
    assert_eq!(ask(&attestation, &broken, example()).0, failed(reason(I::WrongProof), id));
    assert_eq!(ask(EXAMPLE, PROOF_OF_EXAMPLE, example()).0, failed(reason(I::WrongSignature), id));
    // A challenge that nobody here made.
    let asked = example().challenges(Challenges::stateless(SECRET).unwrap());
    let (answer, _) = ask(&attestation, PROOF_OF_EXAMPLE, asked);
    assert_eq!(without_challenge(answer).0, failed(reason(I::Challenge), id));
}

#[test]
fn settings_that_cannot_work_are_errors() {
    assert_eq!(Attesters::new("as.example", store()).unwrap_err(), ConfigError::Issuer);
    for secret in [&b""[..], &[7; 31]] {
        assert_eq!(Challenges::stateless(secret).unwrap_err(), ConfigError::ChallengeSecret);
    }
    let seconds = Duration::from_secs;
    for wrong in [Duration::ZERO, seconds(31 * 24 * 3600 + 1), Duration::MAX] {
        let error = attesters().longest_attestation(wrong).unwrap_err();
        assert_eq!(error, ConfigError::AttestationAge);
    }
    for wrong in [Duration::ZERO, seconds(3601), Duration::MAX] {
        assert_eq!(attesters().proof_window(wrong).unwrap_err(), ConfigError::ProofWindow);
    }
    for wrong in [&[][..], &["HS256"], &["none"], &["ES256", "x"]] {
        let error = attesters().signing_algs(wrong.iter().copied()).unwrap_err();
        assert_eq!(error, ConfigError::SigningAlgorithm);
    }
    let debug = format!("{:?}", with_challenges());
    assert!(!debug.contains("7, 7"), "{debug}");
}

#[test]
fn metadata_names_the_attester() {
    let read = |json: Value| {
        let metadata: ClientMetadata = serde_json::from_value(json).unwrap();
        RegisteredClient::try_from(metadata)
    };
    let method = "attest_jwt_client_auth";
    let named = json!({
        "client_id": "wallet", "token_endpoint_auth_method": method, "attester": "wallet-provider",
    });
    let client = read(named).unwrap();
    let clients = MemoryProvider::from_iter([client]);
    let layer = ClientAuthLayer::new(clients).clock(Clock::fixed(NOW)).attestation(attesters());
    let inner = tower::service_fn(|_request: Request<RequestBody<_>>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<bytes::Bytes>::default(),
        )))
    });
    let Ok(response) = run(layer.layer(inner).oneshot(Pair::new().request().request()));
    assert_eq!(response.status(), StatusCode::OK);
    for attester in [json!(null), json!(""), json!(1), json!(["wallet-provider"])] {
        let json = json!({
            "client_id": "w", "token_endpoint_auth_method": method, "attester": attester,
        });
        let error = read(json).unwrap_err();
        assert!(
            error.to_string().contains("`attest_jwt_client_auth` needs an `attester`"),
            "{error}"
        );
    }
    let client = RegisteredClient::attested("w", "a", ());
    assert!(client.with_secrets([tower_client_auth::ClientSecret::plain("x")]).is_err());
    assert!(RegisteredClient::new("w", &AuthMethod::AttestJwtClientAuth, [], ()).is_err());
}

// Both headers are credentials, to `optional` and to `forward`.
#[test]
fn optional_layer_passes_on_what_has_no_attestation() {
    let harness = || harness().set(ClientAuthLayer::optional);
    let request = Pair::new().request();
    assert_eq!(harness().ask(&request), accepted(&request));
    let half = TestRequest::form("a=b").with(PROOF, "x");
    assert_eq!(harness().ask(&half), refused(reason(I::Missing)));
    let answer = harness().ask(&TestRequest::form("a=b"));
    assert_eq!((answer.status, answer.calls[0].client.clone()), (200, None));
}

#[test]
fn forwarding_removes_both_headers() {
    let forward = Forward::new().identity("x-client-id").unwrap();
    let harness = harness().set(|layer| layer.forward(forward));
    let request = Pair::new().request().with("x-other", "1");
    let answer = harness.ask(&request);
    let headers: Vec<_> = answer.calls[0].headers.iter().map(|header| header.0.as_str()).collect();
    assert_eq!(headers, ["content-type", "x-client-id", "x-other"]);
}

#[test]
fn outcome_names_method_and_client() {
    let log = Log::default();
    let seen = log.clone();
    let harness = harness().set(|layer| {
        layer.on_outcome(move |outcome| {
            let names = (
                outcome.method().cloned(),
                outcome.client_id().map(str::to_owned),
                outcome.error().and_then(std::error::Error::source).map(ToString::to_string),
            );
            let shown = format!("{:?}", outcome.request().headers);
            assert!(!shown.contains("eyJ"), "{shown}");
            seen.push(names);
        })
    });
    let attest = Some(AuthMethod::AttestJwtClientAuth);
    let wallet = Some("wallet".to_owned());
    harness.ask(&Pair::new().request());
    assert_eq!(log.take(), [(attest.clone(), wallet.clone(), None)]);
    harness.ask(&Pair::new().proof(json!({"aud": "x"})).request());
    let audience = Some(format!("the accepted audience is `{ISSUER}`"));
    assert_eq!(log.take(), [(attest.clone(), wallet.clone(), audience)]);
    harness.ask(&TestRequest::form("").with(ATTESTATION, Pair::new().attestation()));
    assert_eq!(log.take(), [(attest, wallet, None)]);
    let both = Pair::new().request().basic("basic:basic-s3cr3t");
    harness.ask(&both);
    let (method, client_id, told) = log.take().pop().unwrap();
    assert_eq!(
        (method, client_id.as_deref()),
        (Some(AuthMethod::ClientSecretBasic), Some("basic"))
    );
    assert!(told.unwrap().contains("`Attesters::as_signal`"));
    // Refused by the head alone, it is marked as sensitive as well.
    harness.ask(&Pair::new().request().method("GET"));
    assert_eq!(log.take().len(), 1);
}

#[test]
fn panicking_clock_makes_no_challenge() {
    let clock = Clock::new(|| panic!(), std::time::Instant::now);
    let layer = harness_of(with_challenges()).layer.clock(clock);
    assert_eq!(layer.challenge().status(), StatusCode::NOT_FOUND);
}

// The provider is asked for the unverified `sub`, once, and an outage is one.
#[test]
fn outages_are_outages() {
    let failing = provider_fn(|_id: &str| async {
        Err::<Option<RegisteredClient<App>>, _>(std::io::Error::other("down"))
    });
    let harness = Harness::of(failing).set(|layer| layer.attestation(attesters()));
    assert_eq!(harness.ask(&Pair::new().request()), failed(K::Provider, "wallet"));

    let full = MemoryReplayStore::new(1).clock(Clock::fixed(NOW));
    let attesters = Attesters::new(ISSUER, full).unwrap();
    let harness = harness_of(attesters.trust("wallet-provider", client_keys(attester(), "a")));
    harness.ask(&Pair::of(other_instance()).request());
    let kind = harness.ask(&Pair::new().request()).kind;
    assert!(matches!(kind, Some(K::ReplayStore | K::Throttled)), "{kind:?}");
}

#[test]
fn published_keys_of_an_attester_need_a_source() {
    let keys = ClientKeys::jwks_uri("https://attester.example/jwks").unwrap();
    let published = || attesters().trust("wallet-provider", keys.clone());
    let request = Pair::new().request();
    let answer = harness_of(published()).ask(&request);
    assert_eq!(answer, failed(K::UnusableRegistration, "wallet"));
    let told = "the keys of the attester are at their `jwks_uri`: set `Attesters::jwks_source`";
    let expected = (K::UnusableRegistration, Some(told.to_owned()));
    assert_eq!(causes_of(harness_of(published()), &request), expected);
}

/// Has these keys at every address, or none.
struct Published(Option<String>);

impl JwksSource for Published {
    type Error = std::io::Error;

    async fn fetch(&self, _jwks_uri: &str) -> std::io::Result<FetchedJwks> {
        let keys = self.0.clone().ok_or(std::io::ErrorKind::HostUnreachable)?;
        Ok(FetchedJwks::new(keys.into(), None))
    }
}

fn published(keys: Option<&Key>) -> JwksCache {
    let keys = keys.map(|key| jwks([with(key.jwk(), json!({"kid": "a"}))]));
    // Of nobody who is not trusted.
    JwksCache::new(Published(keys)).clock(Clock::fixed(NOW)).max_per_host(1, 0)
}

fn at_an_address() -> ClientKeys {
    ClientKeys::jwks_uri("https://attester.example/jwks").unwrap()
}

// The operator names attesters, so that strangers keep none waiting.
#[test]
fn addresses_of_attesters_are_trusted() {
    let attesters = Attesters::new(ISSUER, store()).unwrap();
    let source = published(Some(attester()));
    let harness =
        harness_of(attesters.jwks_source(source).trust("wallet-provider", at_an_address()));
    let request = Pair::new().request();
    assert_eq!(harness.ask(&request), accepted(&request));
}

// A signal does not say whose it is.
#[test]
fn signal_of_any_attester_with_a_fitting_key_is_believed() {
    let signed_by = |signer, kid: Value, jti: &str| {
        let pair = Pair::new().signed_by(signer).claims(json!({"sub": "basic"}));
        let pair = pair.header(json!({"kid": kid})).proof(json!({"jti": jti}));
        pair.request().basic("basic:basic-s3cr3t")
    };
    let harness = harness_of(
        Attesters::new(ISSUER, store())
            .unwrap()
            .as_signal()
            .trust("1", client_keys(attester(), "a"))
            .trust("2", client_keys(other_attester(), "a"))
            .trust("3", client_keys(other_instance(), "a"))
            .trust("4", client_keys(other_attester(), "b")),
    );
    let signers = [attester(), other_attester(), other_instance()];
    for (index, signer) in signers.into_iter().enumerate() {
        for kid in [json!("a"), Value::Null] {
            let request = signed_by(signer, kid.clone(), &format!("{index} {kid}"));
            assert_eq!(harness.ask(&request).status, 200, "{index} {kid}");
        }
    }
    let nobodys = signed_by(instance(), json!("a"), "1");
    assert_eq!(harness.ask(&nobodys), failed(reason(I::WrongSignature), "basic"));
}

#[test]
fn outage_of_an_attester_refuses_no_signal_of_another() {
    let attesters = attesters().as_signal().jwks_source(published(None));
    let harness = harness_of(attesters.trust("1", at_an_address()));
    let of = |kid: &str| {
        let pair = Pair::new().claims(json!({"sub": "basic"})).header(json!({"kid": kid}));
        pair.request().basic("basic:basic-s3cr3t")
    };
    assert_eq!(harness.ask(&of("a")).status, 200);
    // It may be one of the keys that cannot be had.
    assert_eq!(harness.ask(&of("c")).status, 503);
}

// The table of answers has a row for each.
#[test]
fn every_reason_has_its_answer() {
    let rows = REFUSALS.iter().filter(|row| matches!(row.0, K::Attestation(_))).count();
    assert_eq!(rows, 21);
}
