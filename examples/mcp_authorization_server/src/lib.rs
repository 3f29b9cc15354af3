//! An authorization server for the Model Context Protocol, small enough to be read in one sitting:
//! metadata (RFC 8414, RFC 9728), clients that are known by their metadata document or by dynamic
//! registration (RFC 7591), authorization codes with PKCE (RFC 7636), client credentials, refresh tokens
//! that rotate, revocation (RFC 7009), and one protected MCP server.
//!
//! Clients are authenticated by `tower_client_auth` at `/token` and `/revoke`, with what is stored in the
//! database or what they publish. What it lacks for production is said in the README.

mod authorize;
mod body;
mod error;
mod metadata;
mod parameters;
mod redirect;
mod register;
mod resource;
mod revoke;
mod scope;
mod store;
mod token;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRef,
    http::{
        HeaderName, Method,
        header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    middleware,
    routing::{any, get, post},
};
use example_support::print_refusal;
use tower_client_auth::{
    AuthMethod, BoxError, ClientAuthLayer, Clock, Limits,
    assertion::{Assertions, HttpsJwksSource},
    metadata_documents::MetadataDocuments,
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use url::Url;

pub use crate::store::Store;

/// `client_secret_jwt` is not among them: of secrets the store has digests only. Clients that ask for
/// nothing in particular take the first.
const METHODS: [AuthMethod; 4] = [
    AuthMethod::None,
    AuthMethod::ClientSecretBasic,
    AuthMethod::ClientSecretPost,
    AuthMethod::PrivateKeyJwt,
];

/// The others cost a server several times as much, whoever asks for it.
const SIGNING_ALGS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];

/// Whose metadata documents are fetched unless the command line says otherwise.
const HOSTS: [&str; 3] = ["claude.ai", "chatgpt.com", "vscode.dev"];

/// What the server needs to know.
#[derive(Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What clients reach it as, without a slash at the end, as RFC 8414 §2 compares it.
    pub issuer: String,
    /// Those with another id than a registered one.
    pub documents: MetadataDocuments,
    /// Where the keys come from that clients publish.
    pub jwks: HttpsJwksSource,
    /// Where browsers may call the MCP server from, besides the issuer and this device:
    /// `https://app.example`, or `http://localhost:*` for any port.
    pub origins: Vec<String>,
    /// Whether anybody may have a client with the grant `client_credentials`, by registration or by document.
    pub allow_client_credentials: bool,
    /// SHA-256 of the initial access token (RFC 7591 §3), with which a client may register for that grant.
    pub initial_access_token_sha256: Option<[u8; 32]>,
    /// The time.
    pub clock: Clock,
}

impl Settings {
    /// For clients that are known by the documents of claude.ai, chatgpt.com and vscode.dev, and those that register;
    /// all of them get tokens that a user agrees to.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(issuer: &str) -> Result<Self, BoxError> {
        Ok(Self {
            issuer: issuer.to_owned(),
            documents: MetadataDocuments::from_hosts(HOSTS)?,
            jwks: HttpsJwksSource::new()?,
            origins: Vec::new(),
            allow_client_credentials: false,
            initial_access_token_sha256: None,
            clock: Clock::system(),
        })
    }
}

/// What the endpoints share.
#[derive(Clone, Debug)]
struct App {
    store: Store,
    documents: MetadataDocuments,
    issuer: Arc<str>,
    /// That of the issuer, as browsers write it (RFC 6454 §6.2).
    origin: Arc<str>,
    clock: Clock,
    /// What the layer enforces is what is announced and registered.
    methods: Arc<[&'static str]>,
    signing_algs: Arc<[&'static str]>,
    knows_documents: bool,
    allow_client_credentials: bool,
    initial_access_token_sha256: Option<[u8; 32]>,
}

impl App {
    /// The only resource that tokens are for (RFC 8707).
    fn resource(&self) -> String {
        format!("{}/mcp", self.issuer)
    }

    fn token_endpoint(&self) -> String {
        token_endpoint(&self.issuer)
    }
}

fn token_endpoint(issuer: &str) -> String {
    format!("{issuer}/token")
}

impl FromRef<App> for Store {
    fn from_ref(app: &App) -> Self {
        app.store.clone()
    }
}

/// All endpoints.
///
/// # Errors
///
/// If the issuer is not the URL of a web site, or ends with a slash.
pub fn router(store: Store, settings: Settings) -> Result<Router, BoxError> {
    let Settings { issuer, documents, jwks, origins, clock, .. } = settings;
    let url = Url::parse(&issuer)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && !issuer.ends_with('/');
    if !is_bare || !url.origin().is_tuple() {
        return Err(format!("{issuer:?} cannot be an issuer").into());
    }
    let origin = url.origin().ascii_serialization();
    let documents = documents.store(store.clone());
    let layer = ClientAuthLayer::new(store.clone())
        .realm(&issuer)?
        .clock(clock.clone())
        .auth_methods(METHODS)?
        .metadata_documents(documents.clone())
        .limits(Limits::new().body_deadline(body::DEADLINE))
        .on_outcome(print_refusal);
    // One assertion counts once, at whichever endpoint of whichever process.
    let assertions =
        Assertions::new(&issuer, store.clone())?.jwks_source(jwks).signing_algs(SIGNING_ALGS)?;
    // ChatGPT signs for the URL of this endpoint instead of the issuer: RFC 10070 has the latter only.
    let for_tokens = assertions.clone().legacy_audiences([token_endpoint(&issuer)]);
    let (at_token, at_revoke) =
        (layer.clone().assertions(for_tokens), layer.assertions(assertions));
    let mut methods: Vec<_> = at_token.auth_methods_supported().collect();
    // Some clients use the first that is listed, whatever they registered for.
    methods.sort_by_key(|method| METHODS.iter().position(|one| one.as_str() == *method));
    let app = App {
        store,
        documents,
        issuer: issuer.as_str().into(),
        origin: origin.as_str().into(),
        clock,
        methods: methods.into(),
        signing_algs: at_token.auth_signing_algs_supported().collect(),
        knows_documents: at_token.client_id_metadata_document_supported(),
        allow_client_credentials: settings.allow_client_credentials,
        initial_access_token_sha256: settings.initial_access_token_sha256,
    };
    let mcp = Router::new()
        .nest_service("/mcp", resource::service(&url, origin, origins))
        .route_layer(middleware::from_fn_with_state(app.clone(), resource::bearer))
        .layer(cors([Method::GET, Method::POST, Method::DELETE]));
    let whole = || middleware::from_fn(body::whole);
    // No cookie is read by any of these, so a page of any origin can do no more than a program.
    let called = Router::new()
        .route("/token", any(token::token).layer(at_token))
        .route("/revoke", any(revoke::revoke).layer(at_revoke))
        .route("/register", post(register::register).layer(whole()))
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata::protected_resource))
        .layer(cors([Method::GET, Method::POST]));
    // People open this one; scripts of other sites must not.
    let visited = Router::new()
        .route("/authorize", get(authorize::ask).post(authorize::decide).layer(whole()));
    Ok(called.merge(visited).with_state(app).merge(mcp))
}

/// For clients that run in a browser.
fn cors<const N: usize>(methods: [Method; N]) -> CorsLayer {
    const MCP: [&str; 3] = ["mcp-protocol-version", "mcp-session-id", "last-event-id"];
    let headers = [AUTHORIZATION, CONTENT_TYPE].into_iter();
    CorsLayer::new()
        .allow_origin(AllowOrigin::from(Any))
        .allow_methods(methods)
        .allow_headers(headers.chain(MCP.map(HeaderName::from_static)).collect::<Vec<_>>())
        .expose_headers([WWW_AUTHENTICATE, HeaderName::from_static("mcp-session-id")])
        .max_age(Duration::from_secs(3600))
}
