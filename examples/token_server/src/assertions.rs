//! Assertions, if this was built with the feature `jwt`; with `jwks-fetch` also those of clients whose
//! keys are at a `jwks_uri`.

use serde_json::Value;
use tower_client_auth::{ClientAuthLayer, ConfigError};

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
