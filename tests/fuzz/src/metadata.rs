//! Files of client metadata.

use std::sync::Arc;

use http::Request;
use serde_json::Value;
use tower_client_auth::{ClientAuthLayer, ClientMetadata, Clock, Error, provider::MemoryProvider};

use crate::{NOW, base64, escaped, form, send};

type Clients = Arc<MemoryProvider<ClientMetadata>>;

pub fn check(json: &[u8]) {
    let records: Option<Vec<Value>> =
        serde_json::from_slice(json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)).ok();
    let (clients, invalid) = match MemoryProvider::from_json(json) {
        Ok(read) => read,
        Err(error) => {
            assert!(records.is_none(), "{error}");
            return;
        }
    };
    // A number that does not fit a float may be where nothing is read.
    let Some(records) = records else { return };
    let clients = Arc::new(clients);
    for report in &invalid {
        let record = &records[report.index()];
        let (id, secret) = (string(record, "client_id"), string(record, "client_secret"));
        // A secret of letters may be made of the words of the report.
        let digits = secret.bytes().filter(u8::is_ascii_digit).count();
        if secret.len() > 12 && digits > 4 && !id.contains(secret) {
            assert!(!report.to_string().contains(secret), "{report}");
        }
    }
    for record in records.iter().take(8) {
        let id = string(record, "client_id");
        let secret = match string(record, "client_secret") {
            "" => "a guess",
            secret => secret,
        };
        let control = |text: &str| text.contains(|char: char| char.is_ascii_control());
        if id.is_empty() || id.len() + secret.len() > 1_000 || control(id) || control(secret) {
            continue;
        }
        if let Some(client) = clients.get(id) {
            let debug = format!("{client:?}");
            assert!(secret.len() < 12 || id.contains(secret) || !debug.contains(secret), "{debug}");
        }
        let known = records.iter().filter(|other| string(other, "client_id") == id).count() == 1;
        let plain = known && is_plain(record) && report_free(&invalid, &records, id);
        for method in ["client_secret_basic", "client_secret_post", "none"] {
            let accepted = accepts(&clients, method, id, secret);
            let may = known && may(record, method);
            assert!(may || !accepted, "{method} {record}");
            assert!(accepted || !(may && plain), "{method} {record}");
        }
    }
}

fn report_free(
    invalid: &[tower_client_auth::provider::InvalidRecord],
    records: &[Value],
    id: &str,
) -> bool {
    !invalid.iter().any(|report| string(&records[report.index()], "client_id") == id)
}

fn string<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or("")
}

/// Whether nothing in it can be in the way.
fn is_plain(record: &Value) -> bool {
    record.as_object().is_some_and(|record| {
        record.iter().all(|(name, value)| {
            matches!(&**name, "client_id" | "client_secret" | "token_endpoint_auth_method")
                && value.is_string()
        })
    })
}

fn accepts(clients: &Clients, method: &str, id: &str, secret: &str) -> bool {
    let (id, secret) = (escaped(id), escaped(secret));
    let request = match method {
        "client_secret_basic" => {
            let token = base64(format!("{id}:{secret}").as_bytes());
            let request = Request::post("/").header("authorization", format!("Basic {token}"));
            request.body(Default::default()).unwrap()
        }
        "none" => form(format!("client_id={id}")),
        _ => form(format!("client_id={id}&client_secret={secret}")),
    };
    let layer = ClientAuthLayer::new(Arc::clone(clients)).clock(Clock::fixed(NOW));
    send(layer, request).extensions().get::<Error>().is_none()
}

/// Whether the record says so.
fn may(record: &Value, method: &str) -> bool {
    let registered = match string(record, "token_endpoint_auth_method") {
        "" => "client_secret_basic",
        method => method,
    };
    let expires = &record["client_secret_expires_at"];
    let valid = match expires.as_f64() {
        None => expires.is_null(),
        Some(at) => at == 0.0 || at.floor() > NOW as f64,
    };
    let secret = !string(record, "client_secret").is_empty();
    let method_is_text =
        matches!(record["token_endpoint_auth_method"], Value::Null | Value::String(_));
    method_is_text
        && registered == method
        && if method == "none" { !secret } else { secret && valid }
}
