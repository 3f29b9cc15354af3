//! The tokens.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    ClientAuthLayer, Clock, RegisteredClient,
    body::RequestBody,
    forward::{Forward, IdentitySigner},
    provider::MemoryProvider,
};

const GATEWAY: &str = "https://gateway.example";
const UPSTREAM: &str = "https://orders.example";
const NAME: &str = "x-client-identity";
const CLIENT: &str = "gr\u{fc}\u{df}e 1%";

/// A private key in PKCS #8, and what signs with it whatever there is to sign.
enum Key {
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

impl Key {
    fn es256() -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self::Es256(pair.unwrap().as_ref().to_vec())
    }

    fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec())
    }

    fn signer(&self, issuer: &str, audience: &str) -> IdentitySigner {
        let (Self::Es256(key) | Self::EdDsa(key)) = self;
        IdentitySigner::new(key, issuer, audience).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = match self {
            Self::Es256(key) => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).unwrap();
                let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
            Self::EdDsa(key) => {
                let pair = Ed25519KeyPair::from_pkcs8(key).unwrap();
                pair.sign(signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// What an upstream gets from a layer whose clock says `time`.
fn forwarded(signer: IdentitySigner, time: i64) -> String {
    let layer =
        ClientAuthLayer::new(MemoryProvider::from_iter([RegisteredClient::public(CLIENT, ())]))
            .clock(Clock::fixed(time))
            .forward(Forward::new().signed(NAME, signer).unwrap());
    let service = layer.layer(service_fn(async |request: Request<RequestBody<_>>| {
        let mut response = Response::new(String::new());
        response.headers_mut().insert(NAME, request.headers()[NAME].clone());
        Ok::<_, Infallible>(response)
    }));
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body("client_id=gr%C3%BC%C3%9Fe+1%25".to_owned()).unwrap();
    let mut answer = pin!(service.oneshot(request));
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response.unwrap().headers()[NAME].to_str().unwrap().to_owned(),
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object.as_object_mut().unwrap().insert(name.to_owned(), value);
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// As JSON.
pub(crate) fn all() -> String {
    let (first, second) = (Key::es256(), Key::eddsa());
    let signer = |key: &Key| key.signer(GATEWAY, UPSTREAM);
    let jwks = signer(&first).publish(&signer(&second)).jwks();
    let mut tokens = Vec::new();
    for (key, other) in [(&first, Key::es256()), (&second, Key::eddsa())] {
        let right = forwarded(signer(key), now());
        let (header, claims) = (decoded(&right, 0), decoded(&right, 1));
        let mut add = |what: &str, token: String, client: Option<String>| {
            tokens.push(json!({"what": format!("{what}, {}", header["alg"]), "token": token, "client": client}));
        };
        // A key that is published, which signs what the layer does not.
        let signed = |header: &Value, claims: &Value| key.sign(header, claims);
        add(
            "another audience",
            forwarded(key.signer(GATEWAY, "https://other.example"), now()),
            None,
        );
        add(
            "another issuer",
            forwarded(key.signer("https://other.example", UPSTREAM), now()),
            None,
        );
        add("expired", forwarded(signer(key), now() - 70), None);
        add("another key", forwarded(signer(&other), now()), None);
        add("another key of the same id", other.sign(&header, &claims), None);
        for typ in ["JWT", "at+jwt"] {
            add(
                &format!("typ {typ}"),
                signed(&with(header.clone(), "typ", typ.into()), &claims),
                None,
            );
        }
        add("no typ", signed(&without(header.clone(), "typ"), &claims), None);
        for name in ["aud", "iss", "exp", "sub"] {
            add(&format!("no {name}"), signed(&header, &without(claims.clone(), name)), None);
        }
        let (unsigned, signature) = right.rsplit_once('.').unwrap();
        let none = with(header.clone(), "alg", "none".into());
        add("alg none", format!("{}.", signed(&none, &claims).rsplit_once('.').unwrap().0), None);
        add("no signature", format!("{unsigned}."), None);
        let mut forged = signature.to_owned();
        let changed = if forged.starts_with('A') { "B" } else { "A" };
        forged.replace_range(..1, changed);
        add("another signature", format!("{unsigned}.{forged}"), None);
        add("the right one", right, Some(format!("{CLIENT} none")));
    }
    let jwks: Value = serde_json::from_str(&jwks).unwrap();
    json!({"jwks": jwks, "tokens": tokens}).to_string()
}
