//! Revocation, behind client authentication (RFC 7009).

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use tower_client_auth::{AuthenticatedClient, ClientMetadata, OAuthError, axum::OAuthForm};

use crate::{error::broken, store::Store, token::sha256};

#[derive(Deserialize)]
pub(crate) struct Revocation {
    token: String,
}

/// RFC 7009 §2.2: a token that is unknown, or another client's, is answered like one that was
/// revoked. The hint may be wrong, so it is not read.
pub(crate) async fn revoke(
    State(store): State<Store>,
    client: AuthenticatedClient<ClientMetadata>,
    OAuthForm(form): OAuthForm<Revocation>,
) -> Result<StatusCode, OAuthError> {
    store.revoke(sha256(&form.token), client.client_id()).await.map_err(broken)?;
    Ok(StatusCode::OK)
}
