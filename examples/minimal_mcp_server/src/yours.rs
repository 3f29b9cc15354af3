//! What a site has already: its users, and pages for them.

use axum::{
    http::{HeaderMap, StatusCode, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse, Response},
};
use tower_client_auth::ClientMetadata;
use url::Url;

#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

/// Here everybody is. A site reads its session cookie, which must be `SameSite=Lax` or stricter: then no page of
/// somebody else can agree for the user.
pub(crate) fn signed_in(_headers: &HeaderMap) -> Result<User, StatusCode> {
    Ok(User("demonstration".to_owned()))
}

/// Asks the user. Both hosts are shown, because anybody can call an application Claude.
pub(crate) fn ask(user: &User, client: &ClientMetadata, back: &Url) -> Response {
    let client = Url::parse(&client.client_id).ok();
    // A host alone tells who it is: another scheme is a program on this machine, whatever host it names.
    let host = |url: &Url| match (url.scheme(), url.host_str()) {
        ("https" | "http", Some(host)) if !host.contains(['&', '<', '>', '"', '\'']) => {
            host.to_owned()
        }
        _ => "an application on this machine".to_owned(),
    };
    let client = client.as_ref().map_or_else(String::new, host);
    let page = format!(
        "<!doctype html><title>Connect</title><p>{}, may the application of <b>{client}</b>, which goes on at \
         <b>{}</b>, use your account?<form method=post><button name=decision value=allow>Allow</button></form>",
        user.0,
        host(back),
    );
    ([(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")], Html(page))
        .into_response()
}
