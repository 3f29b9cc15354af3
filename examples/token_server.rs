//! A small authorization server in axum: `/token` for the client credentials grant, `/introspect`,
//! `/revoke` and the metadata of RFC 8414, with three clients to try it with.
//!
//! ```text
//! cargo run --example token_server
//! ```
//!
//! It prints a curl line for each client. `--listen ADDR` listens elsewhere, `--clients FILE` takes
//! a JSON array of RFC 7591 client metadata instead of the built-in clients, `--raw-basic` accepts
//! clients that do not form-encode their Basic credentials. `--issuer URL` is the issuer identifier,
//! if it is not the address; with `--features jwt` assertions for it are accepted, and with
//! `--legacy-assertions` also those that name an endpoint or live an hour, with `--strict-assertions`
//! only those of FAPI 2.0 that say what they are. `--features jwks-fetch` fetches the keys of clients
//! with a `jwks_uri`.

use std::{
    collections::HashMap,
    error::Error,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Form, Json, Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, ClientAuthLayer, ClientMetadata, ConfigError, MemoryProvider,
};

const CLIENTS: &str = r#"[
    {"client_id": "demo-basic", "client_secret": "basic-secret", "token_endpoint_auth_method": "client_secret_basic"},
    {"client_id": "demo-post", "client_secret": "post-secret", "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "demo-public", "token_endpoint_auth_method": "none"}
]"#;
const LIFETIME: Duration = Duration::from_secs(3600);

type Client = AuthenticatedClient<ClientMetadata>;
type Tokens = Arc<Mutex<HashMap<String, Token>>>;

struct Token {
    client_id: String,
    expires_at: u64,
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
}

async fn token(
    State(tokens): State<Tokens>,
    Extension(client): Extension<Client>,
    Form(form): Form<TokenRequest>,
) -> Response {
    if form.grant_type != "client_credentials" {
        return error("unsupported_grant_type", "Only client_credentials is supported");
    }
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    if *client.method() == AuthMethod::None {
        return error("unauthorized_client", "A public client cannot use client_credentials");
    }
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let access_token = BASE64_URL_SAFE_NO_PAD.encode(random);
    let token =
        Token { client_id: client.client_id().to_owned(), expires_at: now() + LIFETIME.as_secs() };
    lock(&tokens).insert(access_token.clone(), token);
    let body = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": LIFETIME.as_secs(),
    });
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[derive(Deserialize)]
struct TokenParameter {
    token: String,
}

async fn introspect(State(tokens): State<Tokens>, Form(form): Form<TokenParameter>) -> Json<Value> {
    let tokens = lock(&tokens);
    Json(match tokens.get(&form.token).filter(|token| token.expires_at > now()) {
        Some(token) => json!({
            "active": true, "client_id": token.client_id, "exp": token.expires_at, "token_type": "Bearer",
        }),
        None => json!({ "active": false }),
    })
}

/// RFC 7009 §2.1: only the client that a token was issued to may revoke it. §2.2: any other token
/// is answered 200, too.
async fn revoke(
    State(tokens): State<Tokens>,
    Extension(client): Extension<Client>,
    Form(form): Form<TokenParameter>,
) -> StatusCode {
    let mut tokens = lock(&tokens);
    if tokens.get(&form.token).is_some_and(|token| token.client_id == client.client_id()) {
        tokens.remove(&form.token);
    }
    StatusCode::OK
}

fn error(code: &str, description: &str) -> Response {
    let body = json!({ "error": code, "error_description": description });
    (StatusCode::BAD_REQUEST, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn lock(tokens: &Tokens) -> MutexGuard<'_, HashMap<String, Token>> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn router(
    layer: ClientAuthLayer<Arc<MemoryProvider>>,
    issuer: &str,
) -> Result<Router, ConfigError> {
    let layer = layer.realm(issuer)?;
    // RFC 7662 §2.1: introspection is not for everybody.
    let confidential = layer.clone().allow_public(false);
    let metadata = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "token_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "introspection_endpoint_auth_methods_supported":
            confidential.auth_methods_supported().collect::<Vec<_>>(),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
    });
    let metadata = with_signing_algs(metadata, &layer);
    Ok(Router::new()
        .route("/token", any(token).layer(layer.clone()))
        .route("/introspect", any(introspect).layer(confidential))
        .route("/revoke", any(revoke).layer(layer))
        .route(
            "/.well-known/oauth-authorization-server",
            get(move || std::future::ready(Json(metadata.clone()))),
        )
        .with_state(Tokens::default()))
}

#[cfg(feature = "jwt")]
fn accept_assertions<P>(
    layer: ClientAuthLayer<P>,
    issuer: &str,
    legacy: bool,
    strict: bool,
) -> Result<ClientAuthLayer<P>, ConfigError> {
    use tower_client_auth::{Assertions, MemoryReplayStore};

    let mut assertions = Assertions::new(issuer, MemoryReplayStore::default())?
        .string_audience(strict)
        .explicit_typ(strict);
    if legacy {
        let endpoints = ["token", "introspect", "revoke"].map(|path| format!("{issuer}/{path}"));
        assertions = assertions.legacy_audiences(endpoints).longest_lifetime(LIFETIME)?;
    }
    #[cfg(feature = "jwks-fetch")]
    match tower_client_auth::HttpsJwksSource::new() {
        Ok(source) => assertions = assertions.jwks_source(source),
        Err(error) => eprintln!("warning: no published keys can be fetched: {error}"),
    }
    Ok(layer.assertions(assertions))
}

/// RFC 8414 §2: required where assertions are accepted. §3.2: left out where there is none.
#[cfg(feature = "jwt")]
fn with_signing_algs<P>(mut metadata: Value, layer: &ClientAuthLayer<P>) -> Value {
    if let Some(metadata) = metadata.as_object_mut() {
        for endpoint in ["token", "introspection", "revocation"] {
            let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            metadata.insert(name, layer.auth_signing_algs_supported().collect());
        }
    }
    metadata
}

#[cfg(not(feature = "jwt"))]
fn with_signing_algs<P>(metadata: Value, _layer: &ClientAuthLayer<P>) -> Value {
    metadata
}

#[cfg(not(feature = "jwt"))]
fn accept_assertions<P>(
    layer: ClientAuthLayer<P>,
    _issuer: &str,
    _legacy: bool,
    _strict: bool,
) -> Result<ClientAuthLayer<P>, ConfigError> {
    eprintln!("note: no assertions are accepted, because this was built without the feature jwt");
    Ok(layer)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut file, mut issuer) = (SocketAddr::from(([127, 0, 0, 1], 8080)), None, None);
    let (mut raw_basic, mut legacy, mut strict) = (false, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => listen = value()?.parse().map_err(|e| format!("--listen: {e}"))?,
            "--clients" => file = Some(value()?),
            "--issuer" => issuer = Some(value()?),
            "--raw-basic" => raw_basic = true,
            "--legacy-assertions" => legacy = true,
            "--strict-assertions" => strict = true,
            _ => {
                let usage = "usage: token_server [--listen ADDR] [--clients FILE] [--issuer URL] [--raw-basic] [--legacy-assertions] [--strict-assertions]";
                return Err(format!("unknown argument {name:?}; {usage}").into());
            }
        }
    }
    let (clients, invalid) = match &file {
        Some(file) => MemoryProvider::from_json_file(file)?,
        None => MemoryProvider::from_json(CLIENTS.as_bytes())?,
    };
    for record in invalid {
        eprintln!("warning: {record}");
    }

    let listener = tokio::net::TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let layer = ClientAuthLayer::new(Arc::new(clients)).raw_basic(raw_basic);
    let issuer = issuer.unwrap_or_else(|| url.clone());
    let app = router(accept_assertions(layer, &issuer, legacy, strict)?, &issuer)?;
    println!("listening on {url}");
    if file.is_none() {
        println!("\nTry:");
        println!("  curl -u demo-basic:basic-secret -d grant_type=client_credentials {url}/token");
        println!(
            "  curl -d client_id=demo-post -d client_secret=post-secret -d grant_type=client_credentials {url}/token"
        );
        println!("  curl -i -d client_id=demo-public -d token=any {url}/revoke");
    }
    axum::serve(listener, app).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = run().await {
        eprintln!("token_server: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
