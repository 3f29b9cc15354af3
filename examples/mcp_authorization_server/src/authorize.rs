//! The authorization endpoint (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 9207).
//!
//! There are no users here: every request is consented to, on a page that says so.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_client_auth::{ClientMetadata, ClientProvider, secret::GeneratedSecret};
use url::Url;

use crate::{App, error::OAuthError, metadata::SCOPE, store::NewGrant};

/// In seconds; RFC 6749 §4.1.2 recommends ten minutes at most.
const CODE_LIFETIME: i64 = 60;
/// The length of a SHA-256 digest in base64url (RFC 7636 §4.2).
const CHALLENGE_LENGTH: usize = 43;

#[derive(Deserialize)]
pub(crate) struct AuthorizationRequest {
    client_id: String,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    resource: Option<String>,
}

pub(crate) async fn authorize(
    State(app): State<App>,
    query: Result<Query<AuthorizationRequest>, QueryRejection>,
) -> Result<Response, OAuthError> {
    // RFC 6749 §3.1: a repeated parameter is an error, too.
    let Ok(Query(request)) = query else { return Ok(refuse("The request is malformed.")) };
    let Some(client) = app.store.find_client(&request.client_id).await? else {
        return Ok(refuse("The application is not registered."));
    };
    let Some(redirect_uri) = redirect_uri(&request, client.client()) else {
        // RFC 6749 §4.1.2.1: "MUST NOT automatically redirect".
        return Ok(refuse("The application is not registered with this redirect URI."));
    };
    let mut back = Url::parse(redirect_uri)?;
    back.query_pairs_mut().append_pair("iss", &app.issuer);
    if let Some(state) = &request.state {
        back.query_pairs_mut().append_pair("state", state);
    }
    let challenge = match check(&request, &app) {
        Ok(challenge) => challenge,
        Err(code) => {
            back.query_pairs_mut().append_pair("error", code);
            return Ok(Redirect::to(back.as_str()).into_response());
        }
    };
    let code = GeneratedSecret::new()?;
    let grant = NewGrant {
        client_id: client.client_id(),
        scope: SCOPE,
        redirect_uri,
        code_sha256: code.sha256(),
        code_challenge: challenge,
        code_expires_at: app.clock.unix_seconds().saturating_add(CODE_LIFETIME),
    };
    app.store.insert_grant(&grant).await?;
    back.query_pairs_mut().append_pair("code", code.expose());
    Ok(consent(client.client(), &back))
}

/// Compared as a string (RFC 9700 §4.1.3). It may be left out if there is one only.
fn redirect_uri<'a>(request: &AuthorizationRequest, client: &'a ClientMetadata) -> Option<&'a str> {
    match (&request.redirect_uri, client.redirect_uris.as_slice()) {
        (Some(wanted), registered) => {
            registered.iter().find(|uri| *uri == wanted).map(String::as_str)
        }
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// The code challenge, if the rest of the request is in order.
fn check<'a>(request: &'a AuthorizationRequest, app: &App) -> Result<&'a str, &'static str> {
    if request.response_type.as_deref() != Some("code") {
        return Err("unsupported_response_type");
    }
    // RFC 7636 §4.3: an absent method means `plain`.
    if request.code_challenge_method.as_deref() != Some("S256") {
        return Err("invalid_request");
    }
    if request.resource.as_ref().is_some_and(|resource| *resource != app.resource()) {
        return Err("invalid_target");
    }
    if request.scope.iter().flat_map(|scope| scope.split(' ')).any(|scope| scope != SCOPE) {
        return Err("invalid_scope");
    }
    let challenge = request.code_challenge.as_deref();
    challenge.filter(|text| text.len() == CHALLENGE_LENGTH).ok_or("invalid_request")
}

fn consent(client: &ClientMetadata, back: &Url) -> Response {
    let name = escape(client.client_name.as_deref().unwrap_or(&client.client_id));
    let back = escape(back.as_str());
    page(
        StatusCode::OK,
        &format!(
            r#"<meta http-equiv="refresh" content="1;url={back}">
<h1>Demonstration</h1>
<p>This server knows no users and asks nobody: it grants “{name}” the scope “{SCOPE}” by itself.
A real one signs the user in and waits for a decision here.</p>
<p><a id="continue" href="{back}">Continue</a></p>"#
        ),
    )
}

fn refuse(reason: &str) -> Response {
    page(StatusCode::BAD_REQUEST, &format!("<h1>No authorization</h1>\n<p>{reason}</p>"))
}

fn page(status: StatusCode, content: &str) -> Response {
    // The page holds a code, and must neither be kept, nor framed, nor tell where it came from.
    let headers: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    let html = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Demonstration</title>\n{content}\n"
    );
    (status, headers, Html(html)).into_response()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(sign),
        }
    }
    escaped
}
