//! Assertions, if this was built with the feature `jwt`; with `jwks-fetch` also those of clients whose
//! keys are at a `jwks_uri`.

use serde_json::Value;
use tower_client_auth::{BoxError, ClientAuthLayer, ConfigError};

use crate::flags::Settings;

#[cfg(feature = "jwt")]
pub(crate) fn accepted<P>(
    layer: ClientAuthLayer<P>,
    issuer: &str,
    settings: &Settings,
) -> Result<ClientAuthLayer<P>, ConfigError> {
    use tower_client_auth::{assertion::Assertions, replay::MemoryReplayStore};

    let used = MemoryReplayStore::default().clock(settings.clock.clone());
    let mut assertions = Assertions::new(issuer, used)?;
    if settings.strict_assertions {
        assertions = assertions.string_audience().explicit_typ();
    }
    if settings.legacy_assertions {
        let endpoints = ["token", "introspect", "revoke"].map(|path| format!("{issuer}/{path}"));
        assertions = assertions.legacy_audiences(endpoints).longest_lifetime(crate::LIFETIME)?;
    }
    #[cfg(feature = "jwks-fetch")]
    match tower_client_auth::assertion::HttpsJwksSource::new() {
        Ok(source) => assertions = assertions.jwks_source(source),
        Err(error) => eprintln!("warning: no published keys can be fetched: {error}"),
    }
    Ok(layer.assertions(assertions))
}

#[cfg(not(feature = "jwt"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(crate) fn accepted<P>(
    layer: ClientAuthLayer<P>,
    _issuer: &str,
    _settings: &Settings,
) -> Result<ClientAuthLayer<P>, ConfigError> {
    Ok(layer)
}

/// RFC 8414 §2: the algorithms must be announced where assertions are accepted. §3.2: left out where
/// there is none.
pub(crate) fn announced<P>(mut metadata: Value, layer: &ClientAuthLayer<P>) -> Value {
    #[cfg(feature = "jwt")]
    if let Some(metadata) = metadata.as_object_mut() {
        for endpoint in ["token", "introspection", "revocation"] {
            let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            metadata.insert(name, layer.auth_signing_algs_supported().collect());
        }
    }
    #[cfg(not(feature = "jwt"))]
    let _ = (&mut metadata, layer);
    metadata
}

/// The built-in clients, with one whose private key everybody has.
#[cfg(feature = "jwt")]
pub(crate) fn with_demo(clients: &str) -> Result<String, BoxError> {
    let mut clients: Vec<Value> = serde_json::from_str(clients)?;
    clients.push(serde_json::json!({
        "client_id": "demo-jwt",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY)?.jwk()?] },
    }));
    Ok(serde_json::to_string(&clients)?)
}

/// A line for that client. An assertion is good once, so it says how to make the next.
#[cfg(feature = "jwt")]
pub(crate) fn print_demo(issuer: &str, url: &str) -> Result<(), BoxError> {
    const LIFETIME: u64 = 5 * 60;
    let key = dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY)?;
    let assertion = key.assertion("demo-jwt", issuer, example_support::now(), LIFETIME)?;
    println!(
        "  curl -d grant_type=client_credentials -d client_assertion_type={} -d client_assertion={assertion} {url}/token",
        dev_keys::ASSERTION_TYPE
    );
    println!("The last one works once, for five minutes. This makes another assertion:");
    println!(
        "  cargo run -q -p dev_keys -- assertion --client-id demo-jwt --key examples/dev_keys/src/test_key.pem --audience {issuer}"
    );
    Ok(())
}

#[cfg(not(feature = "jwt"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(crate) fn with_demo(clients: &str) -> Result<String, BoxError> {
    Ok(clients.to_owned())
}

#[cfg(not(feature = "jwt"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(crate) fn print_demo(_issuer: &str, _url: &str) -> Result<(), BoxError> {
    Ok(())
}
