//! Two processes that share a Redis accept each token of a platform and each proof of possession once (R85, R146: RFC
//! 7523 §3, draft-ietf-oauth-attestation-based-client-auth-11 §12.1), also when Redis is killed meanwhile.
//!
//! `REDIS_SERVER` names the program, as `.ci/assertions` does; without it what needs it is skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use store_harness::{Http, Redis, Replica};
use tokio::task::JoinSet;

const ISSUER: &str = "https://as.example";
const CLUSTER: &str = "https://kubernetes.example";
const WORKER: &str = "system:serviceaccount:billing:worker";

/// How often each credential is sent at the same time, half of them to each process.
const TIMES: usize = 10;
/// Credentials at a time.
const TOGETHER: usize = 16;
/// In each of the two races. With those through outages they are 100,000 requests.
const RACING: usize = 4_000;
/// In each of the two with outages.
const THROUGH_OUTAGES: usize = 1_000;
/// How long a request may wait for Redis, and its connection be made anew.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// Much longer than anything that works takes.
const LATE: Duration = Duration::from_secs(60);

const ACCEPTED: (u16, &str) = (200, "");
const REFUSED: (u16, &str) = (401, "invalid_client");
const UNAVAILABLE: (u16, &str) = (503, "temporarily_unavailable");
const ANOTHER_CHALLENGE: (u16, &str) = (400, "use_attestation_challenge");

struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref().get(1..).unwrap().split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)})
    }

    fn jwks(&self) -> Value {
        json!({"keys": [self.jwk()]})
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": typ}).to_string();
        let input = format!("{}.{}", base64url(header), base64url(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url(signature))
    }
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Who signs, and what the servers are told of them.
struct Parties {
    cluster: Key,
    attester: Key,
    instances: [Key; 2],
    folder: PathBuf,
}

/// What a request has, for the one server and for the other.
struct Presented {
    headers: Vec<(&'static str, String)>,
    forms: [String; 2],
}

impl Parties {
    fn new(test: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        let parties = Self {
            cluster: Key::new(),
            attester: Key::new(),
            instances: [Key::new(), Key::new()],
            folder,
        };
        let clients = json!([
            {
                "client_id": "worker", "token_endpoint_auth_method": "private_key_jwt",
                "federated_identities": [{
                    "issuer": CLUSTER, "subject": WORKER, "longest_lifetime": 3600,
                    "jwks": parties.cluster.jwks(),
                }],
            },
            {
                "client_id": "wallet", "token_endpoint_auth_method": "attest_jwt_client_auth",
                "attester": "wallet-provider",
            },
        ]);
        let attesters = json!({"wallet-provider": parties.attester.jwks()});
        std::fs::write(parties.folder.join("clients.json"), clients.to_string()).unwrap();
        std::fs::write(parties.folder.join("attesters.json"), attesters.to_string()).unwrap();
        parties
    }

    /// A server, with these flags more.
    fn server<const N: usize>(&self, flags: [&str; N]) -> Replica {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hyper_echo"));
        command.args(["--listen", "127.0.0.1:0", "--issuer", ISSUER]);
        command.arg("--clients").arg(self.folder.join("clients.json"));
        command.arg("--attesters").arg(self.folder.join("attesters.json")).args(flags);
        Replica::start(&mut command).unwrap()
    }

    /// A token of the platform, by which one server finds the client, while the other is told its id.
    fn token(&self, number: usize) -> Presented {
        let token = self.cluster.sign(
            "JWT",
            &json!({
                "iss": CLUSTER, "sub": WORKER, "aud": [ISSUER], "iat": now(), "exp": now() + 600,
                "jti": number.to_string(),
            }),
        );
        let form = format!(
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={token}"
        );
        let named = format!("{form}&client_id=worker");
        Presented { headers: Vec::new(), forms: [form, named] }
    }

    /// A proof of one instance, and in the next number one of the other with the same `jti`.
    fn proof(&self, number: usize) -> Presented {
        self.proof_of(number % 2, json!({"jti": (number / 2).to_string()}))
    }

    fn proof_of(&self, instance: usize, mut claims: Value) -> Presented {
        let instance = self.instances.get(instance).unwrap();
        let attested = json!({
            "sub": "wallet", "iat": now(), "exp": now() + 600, "cnf": {"jwk": instance.jwk()},
        });
        let members = claims.as_object_mut().unwrap();
        members.extend([("aud".to_owned(), json!(ISSUER)), ("iat".to_owned(), json!(now()))]);
        let headers = vec![
            (
                "oauth-client-attestation",
                self.attester.sign("oauth-client-attestation+jwt", &attested),
            ),
            (
                "oauth-client-attestation-pop",
                instance.sign("oauth-client-attestation-pop+jwt", &claims),
            ),
        ];
        Presented { headers, forms: [String::new(), String::new()] }
    }
}

/// One request, and what came of it.
struct Sent {
    number: usize,
    server: usize,
    start: Instant,
    end: Instant,
    status: u16,
    error: String,
}

impl Sent {
    fn answer(&self) -> (u16, &str) {
        (self.status, &self.error)
    }
}

/// Requests to two servers, and all that was sent.
struct Race {
    servers: [String; 2],
    http: Http,
    sent: Mutex<Vec<Sent>>,
}

impl Race {
    fn new(servers: &[Replica; 2]) -> Arc<Self> {
        let servers = servers.each_ref().map(|server| server.url().to_owned());
        Arc::new(Self { servers, http: Http::new(), sent: Mutex::default() })
    }

    /// Sends each credential `TIMES` times at the same time.
    async fn run(
        self: &Arc<Self>,
        count: usize,
        make: impl Fn(usize) -> Presented + Send + Sync + 'static,
    ) {
        self.run_all(count, move |number| {
            let presented = Arc::new(make(number));
            (0..TIMES).map(|_| Arc::clone(&presented)).collect()
        })
        .await;
    }

    /// Sends the requests of each number at the same time.
    async fn run_all(
        self: &Arc<Self>,
        count: usize,
        make: impl Fn(usize) -> Vec<Arc<Presented>> + Send + Sync + 'static,
    ) {
        let (make, next) = (Arc::new(make), Arc::new(AtomicUsize::new(0)));
        let mut workers = JoinSet::new();
        for _ in 0..TOGETHER {
            let (race, make, next) = (Arc::clone(self), Arc::clone(&make), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= count {
                        break;
                    }
                    let mut requests = JoinSet::new();
                    for (turn, presented) in make(number).into_iter().enumerate() {
                        let race = Arc::clone(&race);
                        // Neither server is always the first.
                        let server = (number + turn) % 2;
                        requests.spawn(async move { race.send(number, server, &presented).await });
                    }
                    requests.join_all().await;
                }
            });
        }
        workers.join_all().await;
    }

    async fn send(&self, number: usize, server: usize, presented: &Presented) {
        let (url, form) = (self.servers.get(server).unwrap(), presented.forms.get(server).unwrap());
        let start = Instant::now();
        let answer = self.http.post_with(&format!("{url}/token"), &presented.headers, form).await;
        let answer = answer.unwrap();
        let error = answer.member("error").unwrap_or_default().to_owned();
        let sent =
            Sent { number, server, start, end: Instant::now(), status: answer.status, error };
        self.sent.lock().unwrap().push(sent);
    }

    /// Waits until there are as many of these.
    async fn until(&self, count: usize, wanted: impl Fn(&Sent) -> bool) {
        let reached = async {
            while self.count(&wanted) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LATE, reached).await.unwrap();
    }

    fn count(&self, wanted: impl Fn(&Sent) -> bool) -> usize {
        self.sent.lock().unwrap().iter().filter(|sent| wanted(sent)).count()
    }

    /// How often each of the credentials was accepted.
    fn accepted(&self, count: usize) -> Vec<usize> {
        let mut accepted = vec![0; count];
        for sent in &*self.sent.lock().unwrap() {
            *accepted.get_mut(sent.number).unwrap() += usize::from(sent.answer() == ACCEPTED);
        }
        accepted
    }

    /// Each credential was accepted once, and refused like this else. Redis may be late on a busy machine: whom it did
    /// not answer in time is told 503, and may have used the credential up.
    #[track_caller]
    fn assert_once(&self, what: &str, count: usize, refusal: (u16, &str), begin: Instant) {
        let by_server = [0, 1]
            .map(|server| self.count(|sent| sent.server == server && sent.answer() == ACCEPTED));
        let refused = self.count(|sent| sent.answer() == refusal);
        let late = self.count(|sent| sent.answer() == UNAVAILABLE);
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{what}: {count}, each sent {TIMES} times: {by_server:?} accepted by the two processes, \
             {refused} refused, {late} × 503, in {seconds:.1} s"
        );
        let accepted = self.accepted(count);
        assert!(accepted.iter().all(|times| *times <= 1), "one was accepted twice");
        let is_late = |number: usize| {
            self.count(|sent| sent.number == number && sent.answer() == UNAVAILABLE) > 0
        };
        let lost: Vec<_> = (0..count)
            .filter(|number| accepted.get(*number) == Some(&0) && !is_late(*number))
            .collect();
        assert!(lost.is_empty(), "never accepted: {lost:?}");
        let total = by_server.iter().sum::<usize>() + refused + late;
        assert_eq!(total, count * TIMES, "all others are refused alike");
        assert!(late <= count / 100, "Redis was there");
        assert!(by_server.iter().all(|accepted| *accepted > 0), "they never met");
    }
}

fn redis() -> Option<Redis> {
    tokio::task::block_in_place(Redis::start).unwrap()
}

async fn never_twice(what: &str, make: fn(&Parties, usize) -> Presented) {
    let Some(redis) = redis() else { return };
    let parties = Arc::new(Parties::new(&what.replace(' ', "-")));
    let servers = [(); 2].map(|()| parties.server(["--redis", &redis.url()]));
    let (race, begin) = (Race::new(&servers), Instant::now());
    race.run(RACING, move |number| make(&parties, number)).await;
    race.assert_once(what, RACING, REFUSED, begin);
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_platform_is_accepted_once_by_two_processes() {
    never_twice("tokens", Parties::token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_of_possession_is_accepted_once_by_two_processes() {
    never_twice("proofs", Parties::proof).await;
}

/// When Redis was away: from before it was killed, and from after; from before it was started again, and from after.
type Outage = [Instant; 4];

/// Kills Redis twice, each time until some requests were refused for it.
async fn outages(race: Arc<Race>, mut redis: Redis) -> (Redis, Vec<Outage>) {
    let mut outages = Vec::new();
    for sent in [THROUGH_OUTAGES * TIMES / 3, THROUGH_OUTAGES * TIMES * 2 / 3] {
        race.until(sent, |_| true).await;
        let killing = Instant::now();
        redis.kill();
        let killed = Instant::now();
        race.until(100, |sent| sent.start > killed && sent.answer() == UNAVAILABLE).await;
        let starting = Instant::now();
        tokio::task::block_in_place(|| redis.restart()).unwrap();
        outages.push([killing, killed, starting, Instant::now()]);
    }
    (redis, outages)
}

async fn never_twice_through_outages(what: &str, make: fn(&Parties, usize) -> Presented) {
    let Some(redis) = redis() else { return };
    let parties = Arc::new(Parties::new(&format!("{what}-outages")));
    let servers = [(); 2].map(|()| parties.server(["--redis", &redis.url()]));
    let race = Race::new(&servers);
    let outages = tokio::spawn(outages(Arc::clone(&race), redis));
    let making = Arc::clone(&parties);
    race.run(THROUGH_OUTAGES, move |number| make(&making, number)).await;
    let (_redis, outages) = outages.await.unwrap();
    tokio::time::sleep(STORE_TIMEOUT).await;
    // Each once more at both: what was accepted, and what is used up although the answer was 503.
    let back = Instant::now();
    for number in 0..THROUGH_OUTAGES {
        let presented = make(&parties, number);
        race.send(number, 0, &presented).await;
        race.send(number, 1, &presented).await;
    }
    println!(
        "{what} through outages: {} requests, {} accepted, {} × 503; at the end {} of {} were new",
        race.count(|_| true),
        race.count(|sent| sent.answer() == ACCEPTED),
        race.count(|sent| sent.answer() == UNAVAILABLE),
        race.count(|sent| sent.start > back && sent.answer() == ACCEPTED),
        THROUGH_OUTAGES,
    );
    let accepted = race.accepted(THROUGH_OUTAGES);
    assert!(accepted.iter().all(|times| *times <= 1), "one was accepted twice");
    for [_, killed, starting, _] in &outages {
        let meanwhile = |sent: &Sent| sent.start > *killed && sent.end < *starting;
        let answered = race.count(|sent| meanwhile(sent) && sent.answer() != UNAVAILABLE);
        assert_eq!(answered, 0, "nobody is authenticated without Redis");
    }
    let is_outage = |sent: &Sent| {
        outages
            .iter()
            .any(|[killing, .., back]| sent.end >= *killing && sent.start <= *back + STORE_TIMEOUT)
    };
    let other = race.count(|sent| ![ACCEPTED, REFUSED, UNAVAILABLE].contains(&sent.answer()));
    assert_eq!(other, 0, "answers without a reason");
    let late = race.count(|sent| sent.answer() == UNAVAILABLE && !is_outage(sent));
    assert!(late <= THROUGH_OUTAGES / 100, "Redis was there");
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_platform_is_not_accepted_again_after_an_outage() {
    never_twice_through_outages("tokens", Parties::token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_of_possession_is_not_accepted_again_after_an_outage() {
    never_twice_through_outages("proofs", Parties::proof).await;
}

/// Asks a server for a challenge.
async fn challenge(http: &Http, server: &Replica) -> String {
    let answer = http.post_form(&format!("{}/challenge", server.url()), "").await.unwrap();
    answer.member("attestation_challenge").unwrap().to_owned()
}

fn secret(parties: &Parties, name: &str, byte: u8) -> String {
    let file = parties.folder.join(name);
    std::fs::write(&file, [byte; 32]).unwrap();
    file.into_os_string().into_string().unwrap()
}

// No Redis: they share the secret, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn challenge_of_one_process_is_good_at_the_other() {
    let parties = Parties::new("challenges");
    let (own, foreign) = (secret(&parties, "secret", 7), secret(&parties, "foreign", 8));
    let server =
        |secret: &str| parties.server(["--attestation-challenges", "--challenge-secret", secret]);
    let servers = [server(&own), server(&own), server(&foreign)];
    let http = Http::new();
    for (number, from) in servers.iter().enumerate() {
        let challenge = challenge(&http, from).await;
        for (other, to) in servers.iter().enumerate() {
            let claims = json!({"jti": format!("{number} {other}"), "challenge": challenge});
            let presented = parties.proof_of(0, claims);
            let url = format!("{}/token", to.url());
            let answer = http.post_with(&url, &presented.headers, "").await.unwrap();
            let is_good = (number < 2) == (other < 2);
            let wanted = if is_good { ACCEPTED } else { ANOTHER_CHALLENGE };
            let answer = (answer.status, answer.member("error").unwrap_or_default());
            assert_eq!(answer, wanted, "from {number} to {other}");
        }
    }
    for server in servers {
        server.stop().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn challenge_for_one_use_is_accepted_once_by_two_processes() {
    const CHALLENGES: usize = 200;

    let Some(redis) = redis() else { return };
    let parties = Arc::new(Parties::new("challenges-once"));
    let secret = secret(&parties, "secret", 7);
    let servers = [(); 2].map(|()| {
        parties.server([
            "--redis",
            &redis.url(),
            "--attestation-challenges",
            "--challenge-secret",
            &secret,
            "--challenges-once",
        ])
    });
    let (race, begin) = (Race::new(&servers), Instant::now());
    let mut challenges = Vec::new();
    for number in 0..CHALLENGES {
        let server = servers.get(number % 2).unwrap();
        challenges.push(challenge(&race.http, server).await);
    }
    let make = move |number: usize| {
        let challenge = challenges.get(number).unwrap();
        // Each proof is another one, and so only the challenge can be the reason.
        let proof = |turn| {
            let claims = json!({"jti": format!("{number} {turn}"), "challenge": challenge});
            Arc::new(parties.proof_of(turn % 2, claims))
        };
        (0..TIMES).map(proof).collect()
    };
    race.run_all(CHALLENGES, make).await;
    race.assert_once("challenges", CHALLENGES, ANOTHER_CHALLENGE, begin);
    for server in servers {
        server.stop().unwrap();
    }
}
