//! Headers and claims behind a right signature.

use aws_lc_rs::hmac;
use serde_json::{Map, Value};
use tower_client_auth::Error;

use crate::{ISSUER, NOW, SECRET, assertion, base64url, form, layer, send};

/// As long as FAPI 2.0 asks for.
const LONGEST_LIFETIME: f64 = 300.0;
const SKEW: f64 = 60.0;

/// The claims, with a header on a line before them or with the usual one.
pub fn check(input: &[u8]) {
    const USUAL: &[u8] = br#"{"alg":"HS256"}"#;
    let line = input.iter().position(|byte| *byte == b'\n');
    let (header, claims) = match line {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (USUAL, input),
    };
    // As they are: who authenticates may do so, however it is written.
    if accepts(header, claims) {
        assert!(object(header).is_none_or(|header| may_head(&header)));
        assert!(object(claims).is_none_or(|claims| may_claim(&claims)));
    }
    // As a simple program writes them: who may authenticate does.
    let (Some(header), Some(claims)) = (object(header), object(claims)) else { return };
    let plain = |object: &Map<String, Value>| serde_json::to_vec(object).unwrap();
    let (header, claims) = (plain(&header), plain(&claims));
    let (Some(read), Some(said)) = (object(&header), object(&claims)) else { return };
    if header.len() + claims.len() < 2_000 && read.len() < 60 && said.len() < 60 {
        assert_eq!(accepts(&header, &claims), may_head(&read) && may_claim(&said));
    }
}

/// `None` also for numbers that do not fit a float, which the layer skips unread.
fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

fn accepts(header: &[u8], claims: &[u8]) -> bool {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    let body = assertion(&format!("{signed}.{}", base64url(signature.as_ref())));
    let layer = layer();
    let first = send(layer.clone(), form(body.clone()));
    let accepted = first.extensions().get::<Error>().is_none();
    // Nobody can use it again.
    let again = send(layer, form(body));
    assert!(again.extensions().get::<Error>().is_some());
    accepted
}

fn may_head(header: &Map<String, Value>) -> bool {
    let typ = match header.get("typ") {
        None => true,
        Some(Value::String(typ)) => {
            let typ = typ.to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            matches!(typ, "jwt" | "client-authentication+jwt")
        }
        Some(_) => false,
    };
    header.get("alg").is_some_and(|alg| alg == "HS256")
        && typ
        && header.get("kid").is_none_or(Value::is_string)
        && ["crit", "b64", "enc", "zip"].iter().all(|name| !header.contains_key(*name))
}

fn may_claim(claims: &Map<String, Value>) -> bool {
    let audience = match claims.get("aud") {
        Some(Value::String(audience)) => audience == ISSUER,
        Some(Value::Array(audiences)) => matches!(&audiences[..], [audience] if audience == ISSUER),
        _ => false,
    };
    let begun = |name| match claims.get(name) {
        None => true,
        Some(time) => time.as_f64().is_some_and(|time| time <= NOW as f64 + SKEW),
    };
    let exp = claims.get("exp").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let jti = claims.get("jti").and_then(Value::as_str).unwrap_or("");
    claims.get("iss").is_some_and(|iss| iss == "b")
        && claims.get("sub").is_some_and(|sub| sub == "b")
        && audience
        && exp > NOW as f64
        && exp <= NOW as f64 + LONGEST_LIFETIME + SKEW
        && begun("nbf")
        && begun("iat")
        && (1..=256).contains(&jti.len())
        && !jti.contains(|char: char| char.is_ascii_control())
}
