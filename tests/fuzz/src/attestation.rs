//! Attestations and proofs behind right signatures, and header fields that nobody signed.

use std::sync::OnceLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_client_auth::{
    ClientAuthLayer, Clock, Error, RegisteredClient, assertion::ClientKeys, attestation::Attesters,
    provider::MemoryProvider, replay::MemoryReplayStore,
};

use crate::{ISSUER, NOW, base64url, form, send};

const SKEW: f64 = 60.0;
const WINDOW: f64 = 300.0;
const LONGEST_AGE: f64 = 24.0 * 3_600.0;
const ATTESTATION: &str = "oauth-client-attestation";
const PROOF: &str = "oauth-client-attestation-pop";

pub(crate) fn keys() -> &'static [Ed25519KeyPair; 2] {
    static KEYS: OnceLock<[Ed25519KeyPair; 2]> = OnceLock::new();
    // None that everybody knows: the layer refuses such keys.
    let seed = |n: u8| std::array::from_fn::<u8, 32, _>(|at| (at as u8).wrapping_mul(29) ^ n);
    KEYS.get_or_init(|| [85, 170].map(|n| Ed25519KeyPair::from_seed_unchecked(&seed(n)).unwrap()))
}

pub(crate) fn x(key: &Ed25519KeyPair) -> String {
    base64url(key.public_key().as_ref())
}

fn layer() -> ClientAuthLayer<MemoryProvider<()>> {
    let [attester, _] = keys();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x(attester)});
    let replay = MemoryReplayStore::default().clock(Clock::fixed(NOW));
    let attesters = Attesters::new(ISSUER, replay).unwrap();
    let keys = ClientKeys::from_jwk(&jwk.to_string()).unwrap();
    ClientAuthLayer::new(MemoryProvider::from_iter([RegisteredClient::attested("w", "a", ())]))
        .clock(Clock::fixed(NOW))
        .attestation(attesters.trust("a", keys))
}

/// The claims of both, on a line each. In those of the attestation `KEY` stands for the key of the instance.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (attestation, proof) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    assert!(!is_accepted(&layer(), attestation, proof), "nobody signed it");
    let [attester, instance] = keys();
    let Ok(text) = std::str::from_utf8(attestation) else { return };
    let text = text.replace("KEY", &x(instance));
    let header = |typ: &str| json!({"typ": typ, "alg": "EdDSA"});
    let proof_header = header("oauth-client-attestation-pop+jwt");
    let signed = sign(attester, &header("oauth-client-attestation+jwt"), text.as_bytes());
    let proven = sign(instance, &proof_header, proof);
    let layer = layer();
    if is_accepted(&layer, signed.as_bytes(), proven.as_bytes()) {
        assert!(object(text.as_bytes()).is_none_or(|claims| may_attest(&claims)));
        assert!(object(proof).is_none_or(|claims| may_prove(&claims)));
        // Nobody can use it again.
        assert!(!is_accepted(&layer, signed.as_bytes(), proven.as_bytes()));
        let other = sign(attester, &proof_header, proof);
        assert!(!is_accepted(&layer, signed.as_bytes(), other.as_bytes()));
    }
}

pub(crate) fn sign(key: &Ed25519KeyPair, header: &Value, claims: &[u8]) -> String {
    let header = header.to_string();
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims));
    let signature = base64url(key.sign(input.as_bytes()).as_ref());
    format!("{input}.{signature}")
}

pub(crate) fn is_accepted(
    layer: &ClientAuthLayer<MemoryProvider<()>>,
    attestation: &[u8],
    proof: &[u8],
) -> bool {
    let mut request: Request<Full<_>> = form("");
    for (name, value) in [(ATTESTATION, attestation), (PROOF, proof)] {
        let Ok(value) = HeaderValue::from_bytes(value) else { return false };
        request.headers_mut().insert(name, value);
    }
    let answer = send(layer.clone(), request);
    assert!(!answer.status().is_server_error());
    let accepted = answer.extensions().get::<Error>().is_none();
    assert_eq!(accepted, answer.status() == StatusCode::OK);
    accepted
}

/// `None` also for numbers that do not fit a float, which the layer skips unread.
fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

fn time(claims: &Map<String, Value>, name: &str) -> Option<f64> {
    claims.get(name).map(|time| time.as_f64().unwrap_or(f64::NAN))
}

fn may_attest(claims: &Map<String, Value>) -> bool {
    let now = NOW as f64;
    let exp = time(claims, "exp").unwrap_or(f64::NAN);
    let is_fresh = match time(claims, "iat") {
        Some(iat) => iat <= now + SKEW && iat + LONGEST_AGE > now,
        None => exp <= now + LONGEST_AGE + SKEW,
    };
    let [_, instance] = keys();
    let jwk = &claims["cnf"]["jwk"];
    claims.get("sub").is_some_and(|sub| sub == "w")
        && exp > now
        && is_fresh
        && time(claims, "nbf").is_none_or(|nbf| nbf <= now + SKEW)
        && (&jwk["kty"], &jwk["crv"], &jwk["x"])
            == (&json!("OKP"), &json!("Ed25519"), &json!(x(instance)))
        && jwk.get("k").is_none_or(is_absent)
        && jwk.get("d").is_none_or(is_absent)
}

/// As programs write what is not there.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

fn may_prove(claims: &Map<String, Value>) -> bool {
    let now = NOW as f64;
    let audience = match claims.get("aud") {
        Some(Value::String(audience)) => audience == ISSUER,
        Some(Value::Array(audiences)) => matches!(&audiences[..], [audience] if audience == ISSUER),
        _ => false,
    };
    let iat = time(claims, "iat").unwrap_or(f64::NAN);
    let jti = claims.get("jti").and_then(Value::as_str).unwrap_or("");
    audience
        && iat <= now + SKEW
        && iat + WINDOW > now
        && time(claims, "exp").is_none_or(|exp| exp > now)
        && time(claims, "nbf").is_none_or(|nbf| nbf <= now + SKEW)
        && (1..=256).contains(&jti.len())
        && !jti.bytes().any(|byte| byte.is_ascii_control())
}
