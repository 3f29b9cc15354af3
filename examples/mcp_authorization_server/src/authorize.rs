//! The authorization endpoint (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2, RFC 9207).
//!
//! There are no users here: whoever opens the page decides.

mod page;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header::ORIGIN},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use example_support::cut;
use tower_client_auth::{
    ClientMetadata, ClientProvider, ErrorKind, OAuthError, RegisteredClient,
    secret::GeneratedSecret,
};
use url::{Url, form_urlencoded};

use crate::{
    App,
    authorize::page::Consent,
    error::broken,
    parameters::Parameters,
    redirect::is_redirect_uri,
    scope,
    store::NewGrant,
    token::{CODE, may},
};

/// In seconds; RFC 6749 §4.1.2 recommends ten minutes at most.
const CODE_LIFETIME: i64 = 60;
/// The length of what is handed back as it came, in bytes.
const LONGEST_STATE: usize = 4096;

/// Shows the page of consent. Nothing happens before somebody agrees: an error does not redirect by itself
/// either, because anybody may register, and would have an open redirector (RFC 9700 §4.11.2).
pub(crate) async fn ask(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Response, OAuthError> {
    let Some(request) = read(query.unwrap_or_default().as_bytes()) else { return Ok(malformed()) };
    Ok(match judge(&app, &request).await? {
        Ok(asked) => page::consent(&Consent {
            client: asked.client.client(),
            redirect_uri: &asked.redirect_uri,
            scope: &asked.scope,
            parameters: &request,
        }),
        Err(page) => page,
    })
}

/// Takes the decision. The form has the whole request, which is judged again.
pub(crate) async fn decide(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    // Another site must not agree for whoever visits it.
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin != Some(&*app.origin) {
        return Ok(page::refuse(StatusCode::FORBIDDEN, "The decision was not taken on this page."));
    }
    let Some(request) = read(&body) else { return Ok(malformed()) };
    let mut asked = match judge(&app, &request).await? {
        Ok(asked) => asked,
        Err(page) => return Ok(page),
    };
    if request.get("decision") != Some("allow") {
        asked.back.query_pairs_mut().append_pair("error", "access_denied");
        return Ok(Redirect::to(asked.back.as_str()).into_response());
    }
    if asked.has_document {
        app.documents.keep(asked.client.client_id()).await.map_err(broken)?;
    }
    let code = GeneratedSecret::new().map_err(broken)?;
    let grant = NewGrant {
        client_id: asked.client.client_id(),
        scope: &asked.scope,
        redirect_uri: &asked.redirect_uri,
        code_sha256: code.sha256(),
        code_challenge: asked.challenge,
        code_expires_at: app.clock.unix_seconds().saturating_add(CODE_LIFETIME),
    };
    app.store.insert_grant(&grant).await.map_err(broken)?;
    asked.back.query_pairs_mut().append_pair("code", code.expose());
    Ok(Redirect::to(asked.back.as_str()).into_response())
}

fn read(form: &[u8]) -> Option<Parameters> {
    Parameters::new(form_urlencoded::parse(form).into_owned().collect())
}

fn malformed() -> Response {
    page::refuse(StatusCode::BAD_REQUEST, "The request is malformed.")
}

/// A request that is in order.
struct Asked<'a> {
    client: RegisteredClient<ClientMetadata>,
    /// Whether its document describes it, and no registration.
    has_document: bool,
    redirect_uri: String,
    scope: String,
    challenge: &'a str,
    /// Where the answer goes.
    back: Url,
}

async fn judge<'a>(
    app: &App,
    request: &'a Parameters,
) -> Result<Result<Asked<'a>, Response>, OAuthError> {
    let refuse = |reason| Ok(Err(page::refuse(StatusCode::BAD_REQUEST, reason)));
    if request.get("state").is_some_and(|state| state.len() > LONGEST_STATE) {
        return Ok(Err(malformed()));
    }
    let client_id = request.get("client_id").unwrap_or_default();
    if client_id.is_empty() || client_id.contains(|sign: char| sign.is_ascii_control()) {
        return refuse("The request does not say which application it is from.");
    }
    let (client, has_document) = match find(app, client_id).await? {
        Ok(found) => found,
        Err(page) => return Ok(Err(page)),
    };
    if !may(client.client(), CODE) {
        return refuse("The application is not known for this grant.");
    }
    // RFC 6749 §4.1.2.1: "MUST NOT automatically redirect".
    let Some(redirect_uri) = redirect_uri(request, client.client()) else {
        return refuse("The application is not registered with this redirect URI.");
    };
    let mut back = Url::parse(redirect_uri).map_err(broken)?;
    back.query_pairs_mut().append_pair("iss", &app.issuer);
    if let Some(state) = request.get("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    let redirect_uri = redirect_uri.to_owned();
    Ok(match check(request, app) {
        Ok((challenge, scope)) => {
            Ok(Asked { client, has_document, redirect_uri, scope, challenge, back })
        }
        Err(code) => {
            back.query_pairs_mut().append_pair("error", code);
            Err(page::error(code, &back))
        }
    })
}

/// A client that is registered here, or one whose id is the URL of its metadata document, and which of both.
async fn find(
    app: &App,
    client_id: &str,
) -> Result<Result<(RegisteredClient<ClientMetadata>, bool), Response>, OAuthError> {
    if let Some(client) = app.store.find_client(client_id).await.map_err(broken)? {
        return Ok(Ok((client, false)));
    }
    let unknown = "The application is not known here.";
    if !client_id.starts_with("https://") {
        return Ok(Err(page::refuse(StatusCode::BAD_REQUEST, unknown)));
    }
    let resolved = app.documents.resolve(client_id).await;
    Ok(resolved.map(|client| (client, true)).map_err(|error| {
        // Why is for the operator alone: the answer tells nothing about other servers.
        eprintln!("mcp_authorization_server: {:?}: {}", cut(client_id), error.causes());
        match error.kind() {
            ErrorKind::MetadataUnreachable | ErrorKind::Provider | ErrorKind::Throttled => {
                page::refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The application cannot be looked up now. Try again later.",
                )
            }
            _ => page::refuse(StatusCode::BAD_REQUEST, unknown),
        }
    }))
}

/// It may be left out if there is one only.
fn redirect_uri<'a>(request: &'a Parameters, client: &'a ClientMetadata) -> Option<&'a str> {
    match (request.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(wanted), _) => client.allows_redirect(wanted).then_some(wanted),
        (None, [only]) => Some(&**only),
        (None, _) => None,
    }
    .filter(|uri| is_redirect_uri(uri))
}

/// The code challenge and the scope, if the rest of the request is in order.
fn check<'a>(request: &'a Parameters, app: &App) -> Result<(&'a str, String), &'static str> {
    if request.get("response_type") != Some("code") {
        return Err("unsupported_response_type");
    }
    // RFC 7636 §4.3: an absent method means `plain`.
    if request.get("code_challenge_method") != Some("S256") {
        return Err("invalid_request");
    }
    let challenge = request.get("code_challenge").filter(|text| is_challenge(text));
    let challenge = challenge.ok_or("invalid_request")?;
    if request.all("resource").any(|resource| resource != app.resource()) {
        return Err("invalid_target");
    }
    let scope = scope::granted(request.get("scope")).ok_or("invalid_scope")?;
    Ok((challenge, scope))
}

/// A SHA-256 digest in base64url (RFC 7636 §4.2).
fn is_challenge(text: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD.decode(text).is_ok_and(|digest| digest.len() == 32)
}
