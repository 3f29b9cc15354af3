//! What a whole authentication with an assertion costs, beside the bare verification of its
//! signature and beside one with a secret: `cargo bench -p benches --features jwt --bench jwt`. The three take
//! turns, so that a busy machine slows all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on"
)]

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{
    assertions::Forgetful,
    report::{self, Goal},
};
use tower::{Layer, Service, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    body::RequestBody,
    provider::MemoryProvider,
};

const NOW: i64 = 1_900_000_000;
const ROUNDS: u32 = 200;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;
type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

struct Case {
    alg: &'static str,
    sign: Sign,
    bare: Check,
    client: RegisteredClient<()>,
    budget: f64,
}

fn client(jwk: &Value) -> RegisteredClient<()> {
    let keys = ClientKeys::from_jwks(&json!({ "keys": [jwk] }).to_string()).unwrap();
    RegisteredClient::private_key_jwt("batch", keys, ())
}

fn parsed(key: ParsedPublicKey) -> Check {
    Box::new(move |signed, signature| key.verify_sig(signed, signature).is_ok())
}

fn cases() -> Vec<Case> {
    let ec = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = ec.public_key().as_ref().to_vec();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    let ed = Ed25519KeyPair::generate().unwrap();
    let ed_public = ed.public_key().as_ref().to_vec();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let rsa_public = rsa.public_key().as_ref().to_vec();
    let mac = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mac_key = mac.clone();
    let secret = ClientSecret::plain(SECRET);
    vec![
        Case {
            alg: "ES256",
            bare: parsed(
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point).unwrap(),
            ),
            client: client(&json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})),
            sign: Box::new(move |input| {
                ec.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec()
            }),
            budget: 1.10,
        },
        Case {
            alg: "EdDSA",
            bare: parsed(ParsedPublicKey::new(&signature::ED25519, &ed_public).unwrap()),
            client: client(
                &json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(&ed_public)}),
            ),
            sign: Box::new(move |input| ed.sign(input).as_ref().to_vec()),
            budget: 1.10,
        },
        Case {
            alg: "RS256",
            bare: parsed(
                ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &rsa_public).unwrap(),
            ),
            client: client(
                &json!({"kty": "RSA", "e": "AQAB", "n": BASE64.encode(&rsa_public[9..265])}),
            ),
            sign: Box::new(move |input| {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)
                    .unwrap();
                signature
            }),
            budget: 1.15,
        },
        Case {
            alg: "HS256",
            bare: Box::new(move |signed, tag| hmac::verify(&mac, signed, tag).is_ok()),
            client: RegisteredClient::client_secret_jwt("batch", [secret], ()).unwrap(),
            sign: Box::new(move |input| hmac::sign(&mac_key, input).as_ref().to_vec()),
            budget: 2.0,
        },
    ]
}

fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

async fn inner(_request: Request<RequestBody<Full<Bytes>>>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// Microseconds per call in the fastest round of each job: others on the machine only add to that.
fn measure<const N: usize>(rounds: u32, calls: u32, mut jobs: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut fastest = [Duration::MAX; N];
    for _ in 0..rounds {
        for (job, fastest) in jobs.iter_mut().zip(&mut fastest) {
            let start = Instant::now();
            (0..calls).for_each(|_| job());
            *fastest = start.elapsed().min(*fastest);
        }
    }
    fastest.map(|time| time.as_secs_f64() * 1e6 / f64::from(calls))
}

/// A form of `length` bytes with the secret itself instead of an assertion.
fn with_secret(length: usize) -> Bytes {
    let form =
        format!("grant_type=client_credentials&client_id=poster&client_secret={SECRET}&resource=");
    format!("{form:a<length$}").into()
}

fn main() {
    // In test mode, `cargo test --benches`, one round shows that it works.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let mut goals = Vec::new();
    println!(
        "Time in µs: the bare verification, a whole request with a secret in a form as long, and a"
    );
    println!("whole request with an assertion\n");
    println!("{:5} {:>9} {:>9} {:>9}", "", "bare", "secret", "assertion");
    for case in cases() {
        let claims = json!({
            "iss": "batch", "sub": "batch", "aud": "https://as.example", "exp": NOW + 60,
            "iat": NOW, "jti": "hV3k8mJ2bQ9xT7nL",
        });
        let header = json!({ "alg": case.alg }).to_string();
        let input = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims.to_string()));
        let signature = (case.sign)(input.as_bytes());
        let body = Bytes::from(format!(
            "grant_type=client_credentials&client_assertion_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={input}.{}",
            BASE64.encode(&signature)
        ));
        let poster = RegisteredClient::secret_post("poster", [ClientSecret::plain(SECRET)], ());
        let layer = ClientAuthLayer::new(MemoryProvider::from_iter([case.client, poster]))
            .clock(Clock::fixed(NOW))
            .assertions(Assertions::new("https://as.example", Forgetful).unwrap());
        let mut service = layer.layer(service_fn(inner));
        let mut call = move |body: &Bytes| {
            let request = Request::post("/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::from(body.clone()))
                .unwrap();
            let Ok(response) = now(service.call(request));
            assert!(response.status().is_success());
        };
        let mut again = call.clone();
        let secret = with_secret(body.len());
        let calls = if case.alg == "HS256" { 500 } else { 10 };
        let [bare, post, whole] = measure(
            rounds,
            calls,
            [
                &mut || assert!((case.bare)(black_box(input.as_bytes()), black_box(&signature))),
                &mut || again(&secret),
                &mut || call(&body),
            ],
        );
        println!("{:5} {bare:9.2} {post:9.2} {whole:9.2}", case.alg);
        let mut goal = |name, what, value, limit| {
            let what = format!("{what}, {}", case.alg);
            goals.push(Goal { name, what, value, must: limit, target: limit });
        };
        goal("assertion", "whole / bare", whole / bare, case.budget);
        goal(
            "assertion",
            "whole without the rest of the request / bare",
            (whole - post) / bare,
            case.budget,
        );
        goal("assertion time", "µs, whole - bare", whole - bare, 4.0);
    }
    report::goals(&goals);
}
