//! An authorization server for the Model Context Protocol, small enough to be read in one sitting:
//! metadata (RFC 8414, RFC 9728), dynamic registration (RFC 7591), authorization codes with PKCE
//! (RFC 7636), refresh tokens that rotate, revocation (RFC 7009), and one protected MCP server.
//!
//! Clients are authenticated by `tower_client_auth` at `/token` and `/revoke`, with what is stored
//! in SQLite. What it lacks for production is said in the README.

mod authorize;
mod error;
mod metadata;
mod register;
mod resource;
mod revoke;
mod store;
mod token;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    routing::{any, get, post},
};
use example_support::print_refusal;
use tower_client_auth::{ClientAuthLayer, Clock, ConfigError, Limits};

pub use crate::store::Store;

/// The largest registration that is read, in bytes.
const REGISTRATION_LIMIT: usize = 64 * 1024;

/// What the endpoints share.
#[derive(Clone, Debug)]
struct App {
    store: Store,
    /// Without a slash at the end, as RFC 8414 §2 compares it.
    issuer: Arc<str>,
    /// Seconds since the Unix epoch.
    clock: Clock,
    /// What the layer enforces is what is announced and registered.
    methods: Arc<[&'static str]>,
}

impl App {
    /// The only resource that tokens are for (RFC 8707).
    fn resource(&self) -> String {
        format!("{}/mcp", self.issuer)
    }
}

impl FromRef<App> for Store {
    fn from_ref(app: &App) -> Self {
        app.store.clone()
    }
}

/// All endpoints, for the server that clients reach as `issuer`.
///
/// # Errors
///
/// [`ConfigError`] if `issuer` holds a control character.
pub fn router(store: Store, issuer: &str, clock: Clock) -> Result<Router, ConfigError> {
    let layer = ClientAuthLayer::new(store.clone())
        .realm(issuer)?
        .clock(clock.clone())
        .limits(Limits::new().body_deadline(Duration::from_secs(10)))
        .on_outcome(print_refusal);
    let app = App {
        store,
        issuer: issuer.into(),
        clock,
        methods: layer.auth_methods_supported().collect(),
    };
    let guarded = Router::new()
        .nest_service("/mcp", resource::service(issuer))
        .layer(middleware::from_fn_with_state(app.clone(), resource::bearer));
    Ok(Router::new()
        .route("/token", any(token::token))
        .route("/revoke", any(revoke::revoke))
        .route_layer(layer)
        .route("/authorize", get(authorize::authorize))
        .route(
            "/register",
            post(register::register).layer(DefaultBodyLimit::max(REGISTRATION_LIMIT)),
        )
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata::protected_resource))
        .with_state(app)
        .merge(guarded))
}
