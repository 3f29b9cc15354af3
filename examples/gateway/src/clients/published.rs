//! The keys that clients, and the issuers whose tokens they present, publish at a `jwks_uri`.

use serde_json::Value;
use tower_client_auth::{AuthMethod, ClientMetadata, assertion::JwksCache};

use crate::config::{self, Mistake};

/// What is known of published keys. It outlives a configuration: fetching all of them again would make an outage of
/// their hosts one of their clients.
#[derive(Clone, Default)]
pub(crate) struct Published {
    #[cfg(feature = "jwks-fetch")]
    kept: Option<(Option<Vec<u8>>, JwksCache)>,
}

impl Published {
    /// Where to fetch keys from.
    #[cfg(feature = "jwks-fetch")]
    pub(crate) fn source(
        &mut self,
        config: &config::Clients,
    ) -> Result<Option<JwksCache>, Mistake> {
        use tower_client_auth::assertion::HttpsJwksSource;

        let config::Clients::File { path, loopback_keys, .. } = config else { return Ok(None) };
        // Without the file there are no clients either.
        let records = super::records::parse(&std::fs::read(&path.value).unwrap_or_default());
        let addresses: Vec<_> = addresses(&records).map(|(_, uri)| uri.to_owned()).collect();
        let authorities = loopback_keys.as_ref().map(|file| {
            let pem = std::fs::read(&file.value);
            pem.map_err(|error| file.mistake(format!("{}: {error}", file.value.display())))
        });
        let authorities = authorities.transpose()?;
        let cache = match &self.kept {
            Some((known, cache)) if *known == authorities => cache.clone(),
            _ => {
                let place = loopback_keys.as_ref().unwrap_or(path);
                let source = HttpsJwksSource::new().and_then(|source| match &authorities {
                    Some(authorities) => source.dangerously_allow_loopback(authorities),
                    None => Ok(source),
                });
                let source = match source {
                    Ok(source) => source,
                    // Such as a container without root certificates, which nobody needs then.
                    Err(_) if addresses.is_empty() && authorities.is_none() => return Ok(None),
                    Err(error) => {
                        return Err(place.mistake(format!("no keys can be fetched: {error}")));
                    }
                };
                let cache = JwksCache::new(source).on_omitted_keys(|jwks_uri, keys| {
                    for key in keys {
                        let is_private = key.is_private();
                        tracing::warn!(jwks_uri, %key, is_private, "a published key is not used");
                    }
                });
                self.kept = Some((authorities, cache.clone()));
                cache
            }
        };
        // Whoever writes the file of clients vouches for them.
        Ok(Some(cache.trusted(addresses)))
    }

    /// Without the feature `jwks-fetch` none are fetched.
    #[cfg(not(feature = "jwks-fetch"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn source(
        &mut self,
        config: &config::Clients,
    ) -> Result<Option<JwksCache>, Mistake> {
        match config {
            config::Clients::File { loopback_keys: Some(file), .. } => Err(file.mistake(
                example_support::needs_feature("`allow_loopback_keys`", "jwks-fetch").to_string(),
            )),
            _ => Ok(None),
        }
    }
}

/// Which clients of a file cannot authenticate because their keys are not fetched, and why.
pub(super) fn unfetched(clients: &[ClientMetadata]) -> Vec<String> {
    if cfg!(feature = "jwks-fetch") { Vec::new() } else { without_source(clients) }
}

fn without_source(clients: &[ClientMetadata]) -> Vec<String> {
    let needed = example_support::needs_feature("`jwks_uri`", "jwks-fetch");
    addresses(clients).map(|(client_id, _)| format!("client {client_id:?}: {needed}")).collect()
}

/// The clients with the addresses of their keys.
fn addresses(clients: &[ClientMetadata]) -> impl Iterator<Item = (&str, &str)> {
    clients.iter().flat_map(addresses_of)
}

fn addresses_of(client: &ClientMetadata) -> Vec<(&str, &str)> {
    let identities = client.other.get("federated_identities").and_then(Value::as_array);
    let of_issuers = identities
        .into_iter()
        .flatten()
        .filter_map(|identity| identity.get("jwks_uri").and_then(Value::as_str));
    let own = client.jwks_uri.as_deref();
    let uris: Vec<&str> = match client.auth_method() {
        AuthMethod::PrivateKeyJwt => own.into_iter().chain(of_issuers).collect(),
        AuthMethod::SelfSignedTlsClientAuth => own.into_iter().collect(),
        // A SPIFFE bundle is in the record.
        _ => Vec::new(),
    };
    uris.into_iter().map(|uri| (&*client.client_id, uri)).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::{ClientMetadata, addresses, without_source};

    const URI: &str = "https://c.example/jwks";

    fn client(record: Value) -> ClientMetadata {
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn client_whose_keys_are_not_fetched_is_told_why() {
        let client = client(json!({
            "client_id": "c", "jwks_uri": URI, "token_endpoint_auth_method": "private_key_jwt",
        }));
        let told = without_source(&[client]);
        assert_eq!(told, ["client \"c\": `jwks_uri` needs the feature `jwks-fetch`"]);
    }

    #[test]
    fn addresses_are_those_of_methods_with_keys() {
        let with = |method: &str| {
            let client = client(json!({
                "client_id": "c", "jwks_uri": URI, "token_endpoint_auth_method": method,
            }));
            addresses(&[client])
                .map(|(id, uri)| (id.to_owned(), uri.to_owned()))
                .collect::<Vec<_>>()
        };
        let one = [("c".to_owned(), URI.to_owned())];
        assert_eq!(with("private_key_jwt"), one);
        assert_eq!(with("self_signed_tls_client_auth"), one);
        for method in ["client_secret_basic", "tls_client_auth", "spiffe_jwt"] {
            assert_eq!(with(method), [], "{method}");
        }
        let identities = client(json!({
            "client_id": "c", "token_endpoint_auth_method": "private_key_jwt", "federated_identities": [
                {"issuer": "https://a.example", "subject": "s", "jwks_uri": URI},
                {"issuer": "https://b.example", "subject": "s", "jwks": {"keys": []}},
            ],
        }));
        assert_eq!(addresses(&[identities]).collect::<Vec<_>>(), [("c", URI)]);
    }
}
