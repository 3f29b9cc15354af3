use std::{collections::HashMap, sync::Arc};

use axum::{
    Form, Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, ConfigError,
    metadata_documents::MetadataDocuments, provider::MemoryProvider, secret::GeneratedSecret,
};
use url::Url;

use crate::yours::{User, ask, signed_in};

type Fields = HashMap<String, String>;
type Answer = Result<Response, StatusCode>;
const REFUSED: StatusCode = StatusCode::BAD_REQUEST;

#[derive(Clone)]
struct App {
    issuer: Arc<str>,
    documents: MetadataDocuments,
    codes: Arc<Mutex<HashMap<String, (Fields, User)>>>,
    tokens: Arc<Mutex<HashMap<String, User>>>,
}

/// Puts `mcp`, which has the route `/mcp`, behind tokens, and adds what gives them out.
pub(crate) fn protected(
    mcp: Router,
    issuer: &str,
    documents: MetadataDocuments,
) -> Result<Router, ConfigError> {
    let registered = MemoryProvider::<ClientMetadata>::new();
    let layer = ClientAuthLayer::new(registered).auth_methods([AuthMethod::None])?;
    let layer = layer.metadata_documents(documents.clone());
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
    let resource =
        json!({ "resource": format!("{issuer}/mcp"), "authorization_servers": [issuer] });
    let (codes, tokens) = Default::default();
    let app = App { issuer: issuer.into(), documents, codes, tokens };
    Ok(Router::new()
        .route("/token", any(token))
        .route_layer(layer)
        .route("/authorize", any(authorize))
        .route("/.well-known/oauth-authorization-server", get(async || Json(server)))
        .route("/.well-known/oauth-protected-resource/mcp", get(async || Json(resource)))
        .with_state(app.clone())
        .merge(mcp.route_layer(from_fn_with_state(app, bearer))))
}

async fn authorize(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    Query(asked): Query<Fields>,
) -> Answer {
    let field = |name| asked.get(name).map_or("", String::as_str);
    let client = app.documents.resolve(field("client_id")).await;
    let client = client.inspect_err(|error| eprintln!("{error}")).ok().ok_or(REFUSED)?;
    let mut back = Url::parse(field("redirect_uri")).ok().ok_or(REFUSED)?;
    if !client.client().allows_redirect(field("redirect_uri"))
        || field("code_challenge_method") != "S256"
    {
        return Err(REFUSED);
    }
    let user = signed_in(&headers)?;
    if method != Method::POST {
        return Ok(ask(&user, client.client(), &back));
    }
    let code = GeneratedSecret::new().ok().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    back.query_pairs_mut().append_pair("code", code.expose()).append_pair("iss", &app.issuer);
    back.query_pairs_mut().extend_pairs(asked.get_key_value("state"));
    app.codes.lock().await.insert(code.expose().to_owned(), (asked, user));
    Ok(Redirect::to(back.as_str()).into_response())
}

async fn token(
    State(app): State<App>,
    client: AuthenticatedClient<ClientMetadata>,
    Form(form): Form<Fields>,
) -> Answer {
    let field = |name| form.get(name).map_or("", String::as_str);
    let Some((asked, user)) = app.codes.lock().await.remove(field("code")) else {
        return Err(REFUSED);
    };
    let is = |name, value| asked.get(name).is_some_and(|asked| asked == value);
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    if !is("client_id", client.client_id())
        || !is("redirect_uri", field("redirect_uri"))
        || !is("code_challenge", &challenge)
    {
        return Err(REFUSED);
    }
    let access = GeneratedSecret::new().ok().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    app.tokens.lock().await.insert(access.expose().to_owned(), user);
    let answer = json!({ "access_token": access.expose(), "token_type": "Bearer" });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn bearer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(user) = app.tokens.lock().await.get(token).cloned() else {
        let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", app.issuer);
        let challenge = format!(r#"Bearer resource_metadata="{metadata}""#);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    };
    request.extensions_mut().insert(user);
    next.run(request).await
}
