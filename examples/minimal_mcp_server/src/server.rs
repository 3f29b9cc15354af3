use std::{collections::HashMap, sync::Arc};

use axum::{
    Form, Json, Router,
    extract::{Query, Request, State},
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, ConfigError, Outcome,
    metadata_documents::MetadataDocuments, provider::MemoryProvider, secret::GeneratedSecret,
};
use url::Url;

use crate::yours::{User, ask};

type Fields = HashMap<String, String>;
type Client = AuthenticatedClient<ClientMetadata>;
type Answer = Result<Response, StatusCode>;
const REFUSED: StatusCode = StatusCode::BAD_REQUEST;
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";

#[derive(Clone)]
struct App {
    issuer: Arc<str>,
    documents: MetadataDocuments,
    codes: Arc<Mutex<HashMap<String, (Fields, User)>>>,
    tokens: Arc<Mutex<HashMap<String, User>>>,
}

/// Puts `mcp`, which has the route `/mcp`, behind tokens, and adds what gives them out.
/// `log` is told of each request to `/token`.
pub(crate) fn protected(
    mcp: Router,
    issuer: &str,
    documents: MetadataDocuments,
    log: fn(&Outcome<'_>),
) -> Result<Router, ConfigError> {
    let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new()).on_outcome(log);
    let layer = layer.auth_methods([AuthMethod::None])?.metadata_documents(documents.clone());
    let server = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "token_endpoint_auth_methods_supported": Vec::from_iter(layer.auth_methods_supported()),
        "client_id_metadata_document_supported": layer.client_id_metadata_document_supported(),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    let mcp_url = format!("{issuer}/mcp");
    let resource = json!({ "resource": mcp_url, "authorization_servers": [issuer] });
    let app =
        App { issuer: issuer.into(), documents, codes: Arc::default(), tokens: Arc::default() };
    Ok(Router::new()
        .route("/token", any(token))
        .route_layer(layer)
        .route("/authorize", any(authorize))
        .route("/.well-known/oauth-authorization-server", get(async || Json(server)))
        .route(RESOURCE, get(async || Json(resource)))
        .with_state(app.clone())
        .merge(mcp.route_layer(from_fn_with_state(app, bearer))))
}

async fn authorize(app: State<App>, user: User, method: Method, asked: Query<Fields>) -> Answer {
    let field = |name| asked.get(name).map_or("", String::as_str);
    let client = app.documents.resolve(field("client_id")).await;
    let client = client.inspect_err(|error| eprintln!("{error:?}")).ok().ok_or(REFUSED)?;
    let mut back = Url::parse(field("redirect_uri")).ok().ok_or(REFUSED)?;
    let fits = client.client().allows_redirect(field("redirect_uri"));
    if !fits || field("code_challenge_method") != "S256" {
        return Err(REFUSED);
    }
    if method != Method::POST {
        return Ok(ask(&user, client.client(), &back));
    }
    let code = GeneratedSecret::new().ok().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    back.query_pairs_mut().append_pair("code", code.expose()).append_pair("iss", &app.issuer);
    back.query_pairs_mut().extend_pairs(asked.get_key_value("state"));
    app.codes.lock().await.insert(code.expose().to_owned(), (asked.0, user));
    Ok(Redirect::to(back.as_str()).into_response())
}

async fn token(app: State<App>, client: Client, form: Form<Fields>) -> Answer {
    let field = |name| form.get(name).map_or("", String::as_str);
    let (asked, user) = app.codes.lock().await.remove(field("code")).ok_or(REFUSED)?;
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    let given = [client.client_id(), field("redirect_uri"), &challenge].map(Some);
    let names = ["client_id", "redirect_uri", "code_challenge"];
    if given != names.map(|name| asked.get(name).map(String::as_str)) {
        return Err(REFUSED);
    }
    let access = GeneratedSecret::new().ok().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let answer = json!({ "access_token": access.expose(), "token_type": "Bearer" });
    app.tokens.lock().await.insert(access.expose().to_owned(), user);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn bearer(app: State<App>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(user) = app.tokens.lock().await.get(token).cloned() else {
        let challenge = format!(r#"Bearer resource_metadata="{}{RESOURCE}""#, app.issuer);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    };
    request.extensions_mut().insert(user);
    next.run(request).await
}
