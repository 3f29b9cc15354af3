//! Key sets, registered and published.

use std::convert::Infallible;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use tower_client_auth::{
    ClientAuthLayer, Clock, Error, RegisteredClient,
    assertion::{Assertions, ClientKeys, FetchedJwks, JwksCache, JwksSource},
    provider::MemoryProvider,
    replay::MemoryReplayStore,
};

use crate::{ISSUER, NOW, assertion, base64url, form, send};

struct Published(Bytes);

impl JwksSource for Published {
    type Error = Infallible;

    async fn fetch(&self, _: &str) -> Result<FetchedJwks, Infallible> {
        Ok(FetchedJwks::new(self.0.clone(), None))
    }
}

pub fn check(text: &[u8]) {
    let json = std::str::from_utf8(text).unwrap_or("");
    // Whatever it is.
    drop((ClientKeys::from_pem(json), ClientKeys::from_der(text), ClientKeys::from_jwk(json)));
    let read = ClientKeys::from_jwks(json);
    let set = serde_json::from_str(json.trim_start_matches('\u{feff}')).unwrap_or(Value::Null);
    match &read {
        Ok(_) if set.is_null() => {
            // A number that does not fit a float may be where nothing is read.
            assert!(
                serde_json::from_str::<IgnoredAny>(json.trim_start_matches('\u{feff}')).is_ok()
            );
        }
        Ok(_) => assert!(may_be_registered(&set), "{set}"),
        Err(error) => tells_nothing(&error.to_string(), &set),
    }
    if let Ok(keys) = &read {
        nobody_signs(layer(keys.clone(), Bytes::new()), &set);
    }
    let published = ClientKeys::jwks_uri("https://client.example/jwks.json").unwrap();
    let status = nobody_signs(layer(published, Bytes::copy_from_slice(text)), &set);
    // What can be registered can be published, and what is no set is an outage.
    assert!(read.is_err() || status == 401, "{status}");
    assert!(set["keys"].is_array() || set.is_null() || status == 503, "{status}");
    one_key_spoils_no_other(&set);
}

/// Publishes a key that signs before those of the set.
fn one_key_spoils_no_other(set: &Value) {
    const KID: &str = "the right one";
    let Some(others) = set["keys"].as_array() else { return };
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = base64url(pair.public_key().as_ref());
    let foreign = others.iter().any(|key| key.to_string().contains(KID) || key["x"] == *x);
    let mut keys = vec![serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": KID, "x": x })];
    keys.extend(others.iter().cloned());
    let document = serde_json::json!({ "keys": keys }).to_string();
    // A private key whose public part is not certain withdraws all others.
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];
    let leaks = private.iter().any(|name| document.contains(&format!("\"{name}\"")));
    if leaks || foreign || document.len() > 60_000 {
        return;
    }
    let header = serde_json::json!({ "alg": "EdDSA", "kid": KID });
    let signed = signing_input(&header, "1");
    let signature = base64url(pair.sign(signed.as_bytes()).as_ref());
    let published = ClientKeys::jwks_uri("https://client.example/jwks.json").unwrap();
    let request = form(assertion(&format!("{signed}.{signature}")));
    let response = send(layer(published, document.into()), request);
    assert!(response.extensions().get::<Error>().is_none(), "{:?}", response.extensions());
}

fn signing_input(header: &Value, jti: &str) -> String {
    let claims = serde_json::json!({
        "iss": "a", "sub": "a", "aud": ISSUER, "exp": NOW + 60, "jti": jti,
    });
    format!(
        "{}.{}",
        base64url(header.to_string().as_bytes()),
        base64url(claims.to_string().as_bytes())
    )
}

fn layer(keys: ClientKeys, published: Bytes) -> ClientAuthLayer<MemoryProvider<()>> {
    let clients = MemoryProvider::from_iter([RegisteredClient::private_key_jwt("a", keys, ())]);
    let clock = Clock::fixed(NOW);
    let settings = Assertions::new(ISSUER, MemoryReplayStore::default().clock(clock.clone()))
        .unwrap()
        .jwks_source(JwksCache::new(Published(published)).clock(clock.clone()));
    ClientAuthLayer::new(clients).clock(clock).assertions(settings)
}

/// Sends assertions with signatures that take no key, as the client.
fn nobody_signs(layer: ClientAuthLayer<MemoryProvider<()>>, set: &Value) -> u16 {
    let mut status = 0;
    let keys = set["keys"].as_array().map_or(&[][..], Vec::as_slice);
    // The most keys that are worth the time.
    let keys = keys.iter().take(4).chain([&Value::Null]);
    for (number, key) in keys.enumerate() {
        let (alg, length) = match (key["kty"].as_str(), key["crv"].as_str()) {
            (Some("RSA"), _) => ("RS256", key["n"].as_str().unwrap_or("").len() * 3 / 4),
            (_, Some("P-256")) => ("ES256", 64),
            (_, Some("P-384")) => ("ES384", 96),
            (_, Some("P-521")) => ("ES512", 132),
            _ => ("EdDSA", 64),
        };
        let header = match key["kid"].as_str() {
            Some(kid) => serde_json::json!({ "alg": alg, "kid": kid }),
            None => serde_json::json!({ "alg": alg }),
        };
        for first in [0, 1] {
            for jti in 0..4 {
                let mut signature = vec![0; length];
                if let Some(byte) = signature.first_mut() {
                    *byte = first;
                }
                let signed = signing_input(&header, &format!("{number} {first} {jti}"));
                let compact = format!("{signed}.{}", base64url(&signature));
                if compact.len() > 4_000 {
                    continue;
                }
                let response = send(layer.clone(), form(assertion(&compact)));
                let error = response.extensions().get::<Error>().expect("nobody signed this");
                status = error.status().as_u16();
                assert!(matches!(status, 401 | 503), "{error:?}");
            }
        }
    }
    status
}

fn may_be_registered(set: &Value) -> bool {
    let Some(keys) = set["keys"].as_array() else { return false };
    let secret = |key: &Value| {
        key["kty"] == "oct"
            || ["k", "d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| !key[name].is_null())
    };
    let usable = |key: &Value| {
        let ops = key["key_ops"].as_array();
        let length = |name: &str| key[name].as_str().unwrap_or("").len() * 3 / 4;
        let long_enough = match (key["kty"].as_str(), key["crv"].as_str()) {
            (Some("RSA"), _) => length("n") >= 256 && length("e") >= 1,
            (Some("EC"), Some("P-256")) => length("x") == 32 && length("y") == 32,
            (Some("EC"), Some("P-384")) => length("x") == 48 && length("y") == 48,
            (Some("EC"), Some("P-521")) => length("x") == 66 && length("y") == 66,
            (Some("OKP"), Some("Ed25519")) => length("x") == 32,
            _ => false,
        };
        long_enough
            && (key["use"].is_null() || key["use"] == "sig")
            && (key["key_ops"].is_null()
                || ops.is_some_and(|ops| ops.iter().any(|op| op == "verify")))
    };
    keys.len() <= 64 && !keys.iter().any(secret) && keys.iter().any(usable)
}

/// What an error says of a key may name its members, and never shows what they hold.
fn tells_nothing(message: &str, value: &Value) {
    match value {
        Value::String(text) => assert!(text.len() < 20 || !message.contains(text), "{message}"),
        Value::Array(values) => values.iter().for_each(|value| tells_nothing(message, value)),
        Value::Object(members) => {
            for (name, value) in members {
                assert!(name.len() < 20 || !message.contains(name), "{message}");
                tells_nothing(message, value);
            }
        }
        _ => {}
    }
}
