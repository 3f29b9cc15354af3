//! What a site has already: its users, and pages for them.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header::CONTENT_SECURITY_POLICY, request::Parts},
    response::{Html, IntoResponse, Response},
};
use tower_client_auth::ClientMetadata;
use url::Url;

#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

/// Here everybody is. A site reads its session cookie, which must be `SameSite=Lax` or stricter: then no page of
/// somebody else can agree for the user.
impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(_request: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        Ok(Self("demonstration".to_owned()))
    }
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
