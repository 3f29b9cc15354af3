//! The records of a file of clients, for what the provider that holds them does not tell.

use serde_json::Value;
use tower_client_auth::{ClientMetadata, Clock, RegisteredClient};

use crate::methods::Unaccepted;

/// Those that can be read. What is wrong with the others is told elsewhere.
pub(super) fn parse(json: &[u8]) -> Vec<ClientMetadata> {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let records = serde_json::from_slice::<Vec<Value>>(json).unwrap_or_default().into_iter();
    records.filter_map(|record| serde_json::from_value(record).ok()).collect()
}

/// Which clients cannot authenticate because their secret has expired.
pub(super) fn expired(clients: &[ClientMetadata], clock: &Clock) -> Vec<String> {
    let now = clock.unix_seconds();
    let told = |client: &ClientMetadata| {
        // 0 is never (RFC 7591 §3.2.1).
        let is_over = |expiry: &i64| *expiry != 0 && *expiry <= now;
        let expiry = client.client_secret_expires_at.filter(is_over)?;
        let client_id = client.client_secret.as_ref().map(|_| &client.client_id)?;
        Some(format!("client {client_id:?}: `client_secret_expires_at`, {expiry}, has passed"))
    };
    clients.iter().filter_map(told).collect()
}

/// Which clients cannot authenticate because their method is not accepted, and why.
pub(super) fn unaccepted(clients: Vec<ClientMetadata>, methods: &Unaccepted) -> Vec<String> {
    let told = |client: ClientMetadata| {
        let method = client.auth_method();
        let why = methods.why(&method)?;
        // If no client could authenticate with the registration, that is told already.
        let client = RegisteredClient::try_from(client).ok()?;
        Some(format!("client {:?}: `{method}` {why}", client.client_id()))
    };
    clients.into_iter().filter_map(told).collect()
}
