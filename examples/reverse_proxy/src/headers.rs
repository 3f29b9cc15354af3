//! Which headers are forwarded, and which only this program may write.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tower_client_auth::{AuthenticatedClient, BoxError, ClientMetadata};

const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
/// Without it the server behind could not tell a public client, which only names itself, from one that
/// proved who it is.
const METHOD: HeaderName = HeaderName::from_static("x-client-auth-method");

/// Tells the server behind, which trusts these headers, who is calling.
pub(crate) fn name_client(
    headers: &mut HeaderMap,
    client: &AuthenticatedClient<ClientMetadata>,
) -> Result<(), BoxError> {
    remove(headers, is_identity);
    headers.insert(CLIENT_ID, HeaderValue::from_bytes(client.client_id().as_bytes())?);
    headers.insert(METHOD, HeaderValue::from_static(client.method().as_str()));
    Ok(())
}

/// RFC 9110 §7.6.1: what concerns one connection only is not forwarded.
pub(crate) fn end_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let always =
        ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
    remove(headers, |name| {
        always.contains(&name.as_str()) || named.contains(name) && !concerns_all(name)
    });
}

/// The caller may not take away what the server behind judges the request by (RFC 9110 §7.6.1: a
/// connection option is never the name of a field that is for all recipients).
fn concerns_all(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-")
        || [header::HOST, header::AUTHORIZATION].contains(name)
        || is_identity(name)
}

/// CGI and what came after it make variables of names, in which all but letters and digits is `_`:
/// to them `X_Client.Id` is the same.
fn is_identity(name: &HeaderName) -> bool {
    let folded = name.as_str().bytes().map(|b| if b.is_ascii_alphanumeric() { b } else { b'-' });
    [CLIENT_ID, METHOD].iter().any(|identity| folded.clone().eq(identity.as_str().bytes()))
}

fn remove(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
